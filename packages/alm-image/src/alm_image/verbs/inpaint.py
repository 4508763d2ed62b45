"""`alm-image inpaint`."""

import argparse
from pathlib import Path

from alm_image.complete import Result
from alm_image.inpaint import inpaint
from alm_image.io import read_mask, read_picture
from alm_image.options import Settings
from alm_image.verbs import common

__all__ = ["add", "run"]


def add(parser: argparse.ArgumentParser) -> None:
    """Its flags."""
    parser.add_argument("image", type=Path, help="the picture: PNG, JPEG or WebP")
    parser.add_argument("--mask", type=Path, required=True, help="a picture of the same size: white is to be generated")
    parser.add_argument("--tile", action="store_true", help="work on a large hole at full resolution, in windows")
    common.add_work(parser, joint=True)


def run(flags: argparse.Namespace) -> None:
    """Fills the hole and writes what was asked for, all or nothing."""
    picture = read_picture(flags.image)
    read_mask(flags.mask, picture)

    def verb(settings: Settings) -> Result:
        return inpaint(flags.image, flags.mask, tile=flags.tile, **settings)

    common.work(flags, verb, (flags.image, flags.mask), has_alpha=picture.alpha is not None)
