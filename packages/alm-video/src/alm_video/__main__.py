"""`python -m alm_video` is the command `alm-video`."""

import sys

from alm_video.cli import main

__all__: list[str] = []

if __name__ == "__main__":
    sys.exit(main())
