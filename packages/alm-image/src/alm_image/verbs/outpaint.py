"""`alm-image outpaint`."""

import argparse
from pathlib import Path

from alm_image.complete import Result
from alm_image.io import read_picture
from alm_image.options import Settings
from alm_image.outpaint import outpaint
from alm_image.verbs import common

__all__ = ["add", "run"]

SIDES = ("left", "right", "top", "bottom")


def add(parser: argparse.ArgumentParser) -> None:
    """Its flags."""
    parser.add_argument("image", type=Path, help="the picture: PNG, JPEG or WebP")
    for side in SIDES:
        parser.add_argument(f"--{side}", type=int, default=0, metavar="PIXELS", help=f"pixels to add: {side}")
    common.add_work(parser, joint=True)


def run(flags: argparse.Namespace) -> None:
    """Continues the picture and writes what was asked for, all or nothing."""
    picture = read_picture(flags.image)

    def verb(settings: Settings) -> Result:
        return outpaint(flags.image, **{side: getattr(flags, side) for side in SIDES}, **settings)

    common.work(flags, verb, (flags.image,), has_alpha=picture.alpha is not None)
