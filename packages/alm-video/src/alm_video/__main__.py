"""`python -m alm_video` is `alm-video`."""

import sys

from alm_video.cli import main

sys.exit(main())
