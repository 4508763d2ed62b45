"""`alm-video models`."""

import argparse
import json

from alm_video.priors import FAMILIES, SHIPPED

__all__ = ["add", "run"]


def add(parser: argparse.ArgumentParser) -> None:
    """Its flags."""
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(flags: argparse.Namespace) -> None:
    """Lists them."""
    if flags.json:
        print(json.dumps({"shipped": SHIPPED, "families": FAMILIES}))
        return
    for name, what in SHIPPED.items():
        print(f"{name:<10} {what}")
    print("and the path of:")
    for what in FAMILIES.values():
        print(f"  {what}")
