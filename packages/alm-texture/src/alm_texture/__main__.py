"""`python -m alm_texture` is `alm-texture`."""

import sys

from alm_texture.cli import main

sys.exit(main())
