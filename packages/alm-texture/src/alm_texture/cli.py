"""The command `alm-texture`: it has no verbs yet, and says so."""

import argparse
import sys
from collections.abc import Sequence

from alm_texture import __version__

__all__ = ["main"]

STATE = "This release has no verbs yet: paint comes with the next ones."


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; 2 when nothing was asked that it can do."""
    parser = argparse.ArgumentParser(
        prog="alm-texture", description="Paint a mesh from its views and bake it.", epilog=STATE
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    parser.parse_args(arguments)
    parser.print_usage(sys.stderr)
    print(f"alm-texture: {STATE}", file=sys.stderr)
    return 2
