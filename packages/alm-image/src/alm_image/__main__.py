"""`python -m alm_image` is `alm-image`."""

import sys

from alm_image.cli import main

sys.exit(main())
