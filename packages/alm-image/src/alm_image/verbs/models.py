"""`alm-image models`."""

import argparse
import json

from alm_image.priors import FAMILIES

__all__ = ["add", "run"]

SHIPPED = {
    "exemplar": "the picture's own patches: no weights, no download (the default)",
    "examples": "the patches of pictures, whose file names are the prompts: for regions, edit and anagram",
    "emoji": "a small pixel U-Net of emoji that comes with the package: to try and to test",
}


def add(parser: argparse.ArgumentParser) -> None:
    """Its flags."""
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(flags: argparse.Namespace) -> None:
    """Lists what comes along, and the families that are loaded."""
    if flags.json:
        print(json.dumps({"shipped": SHIPPED, "families": FAMILIES}))
        return
    for name, what in SHIPPED.items():
        print(f"{name:<10} {what}")
    print("and a folder in its own format, or a hub id, of:")
    for what in FAMILIES.values():
        print(f"  {what}")
