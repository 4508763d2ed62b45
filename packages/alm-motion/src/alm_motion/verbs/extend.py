"""`alm-motion extend`."""

import argparse
from pathlib import Path

from alm_motion.complete import Result
from alm_motion.extend import extend
from alm_motion.options import Settings
from alm_motion.verbs import common

__all__ = ["add", "run"]


def add(parser: argparse.ArgumentParser) -> None:
    """Its flags."""
    common.add_clip(parser)
    parser.add_argument("--seconds", type=float, required=True, help="how much to add")
    parser.add_argument("--where", choices=("after", "before"), default="after", help="on which side (after)")
    common.add_work(parser)


def run(flags: argparse.Namespace) -> None:
    """Continues the clip and writes what was asked for, all or nothing."""
    clip = common.opened(flags)

    def verb(settings: Settings) -> Result:
        return extend(clip, flags.seconds, before=flags.where == "before", **settings)

    common.work(flags, verb, Path(flags.clip))
