"""`alm-image wide`."""

import argparse
from pathlib import Path

from alm_image.complete import Result
from alm_image.io import read_picture
from alm_image.options import Settings
from alm_image.verbs import common
from alm_image.wide import wide

__all__ = ["add", "run"]


def add(parser: argparse.ArgumentParser) -> None:
    """Its flags."""
    parser.add_argument("image", type=Path, nargs="?", help="stands in the middle; left out, all comes from the prompt")
    parser.add_argument("--width", type=int, default=2048, help="pixels (2048)")
    parser.add_argument("--height", type=int, help="pixels (the model's size)")
    parser.add_argument("--stride", type=int, help="pixels from window to window (three quarters of the model's size)")
    parser.add_argument("--first", type=int, help="the column to go outward from (the middle of a picture, else 0)")
    parser.add_argument("--loop", action="store_true", help="join the right edge to the left: a panorama")
    parser.add_argument("--later-on-top", action="store_true", help="in overlaps the later window wins, as in SyncSDE")
    common.add_work(parser, joint=True)


def run(flags: argparse.Namespace) -> None:
    """Makes the wide picture and writes what was asked for, all or nothing."""
    images = () if flags.image is None else (flags.image,)
    has_alpha = any(read_picture(image).alpha is not None for image in images)

    def verb(settings: Settings) -> Result:
        return wide(
            flags.image,
            width=flags.width,
            height=flags.height,
            stride=flags.stride,
            first=flags.first,
            loop=flags.loop,
            later_on_top=flags.later_on_top,
            **settings,
        )

    common.work(flags, verb, images, has_alpha=has_alpha)
