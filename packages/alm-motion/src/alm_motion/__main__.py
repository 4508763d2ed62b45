"""`python -m alm_motion` is the command `alm-motion`."""

import sys

from alm_motion.cli import main

__all__: list[str] = []

if __name__ == "__main__":
    sys.exit(main())
