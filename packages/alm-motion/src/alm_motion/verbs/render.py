"""`alm-motion render`."""

import argparse
import sys
from pathlib import Path

import numpy as np

from alm_motion.complete import kept_frames
from alm_motion.encode import check_film
from alm_motion.fill import whole
from alm_motion.io import write_files
from alm_motion.pictures import picture_of
from alm_motion.verbs import common

__all__ = ["add", "run"]


def add(parser: argparse.ArgumentParser) -> None:
    """Its flags."""
    common.add_clip(parser)
    parser.add_argument("-o", "--output", type=Path, required=True, help="stick figures: .mp4, .gif or a .png strip")
    parser.add_argument("--overwrite", action="store_true", help="allow an existing output to be replaced")
    parser.add_argument("--keep", action="append", help="frames to draw as given, in orange; all others in blue")


def run(flags: argparse.Namespace) -> None:
    """Draws the clip."""
    check_film(flags.output, overwrite=flags.overwrite)
    clip = common.opened(flags)
    made = ~whole(kept_frames(clip, common.ranges(flags.keep))) if flags.keep else np.zeros(len(clip), bool)
    write_files([(picture_of(clip, made, flags.output), flags.output)])
    print(f"{flags.output}: {clip.seconds:.1f} s of motion", file=sys.stderr)
