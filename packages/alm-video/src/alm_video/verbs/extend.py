"""`alm-video extend`."""

import argparse

from alm_video.extend import extend
from alm_video.options import Settings
from alm_video.result import Result
from alm_video.verbs import common

__all__ = ["add", "run"]


def add(parser: argparse.ArgumentParser) -> None:
    """Its flags."""
    common.add_clip(parser, "clip")
    parser.add_argument("--frames", type=int, required=True, help="how many to add")
    parser.add_argument("--where", choices=("after", "before"), default="after", help="on which side (after)")
    parser.add_argument("--loop", action="store_true", help="lead from the clip's end to its beginning")
    common.add_work(parser)


def run(flags: argparse.Namespace) -> None:
    """Continues the clip and writes what was asked for, all or nothing."""
    clip = common.opened(flags, flags.clip)

    def verb(settings: Settings) -> Result:
        return extend(clip, flags.frames, where=flags.where, loop=flags.loop, height=flags.height, **settings)

    common.work(flags, verb, flags.clip)
