"""Shared by the workspace's tests: what they import from here."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
