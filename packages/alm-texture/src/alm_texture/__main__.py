"""`python -m alm_texture` is the command `alm-texture`."""

import sys

from alm_texture.cli import main

__all__: list[str] = []

if __name__ == "__main__":
    sys.exit(main())
