"""`python -m alm_motion` is `alm-motion`."""

import sys

from alm_motion.cli import main

sys.exit(main())
