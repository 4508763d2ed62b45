"""`alm-motion inbetween`."""

import argparse
from pathlib import Path

from alm_motion.complete import Result
from alm_motion.extend import inbetween
from alm_motion.options import Settings
from alm_motion.verbs import common

__all__ = ["add", "run"]


def add(parser: argparse.ArgumentParser) -> None:
    """Its flags."""
    common.add_clip(parser)
    keys = parser.add_argument_group("what is given").add_mutually_exclusive_group(required=True)
    keys.add_argument("--keys", help="the numbers of the keyframes: 0,30,75,120")
    keys.add_argument("--every", type=int, help="every Nth frame is a keyframe, and the last")
    common.add_work(parser)


def run(flags: argparse.Namespace) -> None:
    """Makes what lies between keyframes and writes what was asked for, all or nothing."""
    clip = common.opened(flags)
    if flags.every is not None:
        if flags.every < 2:
            raise ValueError(f"--every must be 2 or more, so that there is something between, got {flags.every}")
        keys = [*range(0, len(clip) - 1, flags.every), len(clip) - 1]
    else:
        try:
            keys = [int(key) for key in flags.keys.split(",")]
        except ValueError:
            raise ValueError(f"--keys must be numbers of frames with commas between, got {flags.keys!r}") from None

    def verb(settings: Settings) -> Result:
        return inbetween(clip, keys, **settings)

    common.work(flags, verb, Path(flags.clip))
