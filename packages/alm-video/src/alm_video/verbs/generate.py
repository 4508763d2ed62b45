"""`alm-video generate`."""

import argparse

from alm_video.generate import generate
from alm_video.options import Settings
from alm_video.result import Result
from alm_video.verbs import common

__all__ = ["add", "run"]


def add(parser: argparse.ArgumentParser) -> None:
    """Its flags."""
    parser.add_argument("--frames", type=int, default=104, help="of the video (104)")
    parser.add_argument("--height", type=int, help="in pixels (the model's)")
    parser.add_argument("--width", type=int, help="in pixels (the model's)")
    parser.add_argument("--fps", type=float, help="frames a second (the model's)")
    parser.add_argument("--loop", action="store_true", help="the first frame follows the last")
    common.add_work(parser)


def run(flags: argparse.Namespace) -> None:
    """Makes the video and writes what was asked for, all or nothing."""

    def verb(settings: Settings) -> Result:
        sizes = {"height": flags.height, "width": flags.width}
        return generate(flags.frames, **sizes, loop=flags.loop, fps=flags.fps, **settings)

    common.work(flags, verb)
