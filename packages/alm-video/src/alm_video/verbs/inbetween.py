"""`alm-video inbetween`."""

import argparse

from alm_video.extend import inbetween
from alm_video.io import read_film
from alm_video.options import Settings
from alm_video.result import Result
from alm_video.verbs import common

__all__ = ["add", "run"]


def add(parser: argparse.ArgumentParser) -> None:
    """Its flags."""
    common.add_clip(parser, "first", "second")
    parser.add_argument("--frames", type=int, required=True, help="how many lie between them")
    common.add_work(parser)


def run(flags: argparse.Namespace) -> None:
    """Joins the clips and writes what was asked for, all or nothing."""
    first = common.opened(flags, flags.first)
    second = read_film(flags.second, fps=first.fps)

    def verb(settings: Settings) -> Result:
        return inbetween(first, second, flags.frames, height=flags.height, **settings)

    common.work(flags, verb, flags.first, flags.second)
