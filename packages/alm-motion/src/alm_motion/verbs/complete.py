"""`alm-motion complete`."""

import argparse
from collections.abc import Callable
from pathlib import Path

from alm_motion.complete import Keep, Result, complete, kept_frames
from alm_motion.options import Settings
from alm_motion.skeleton import SMPL22
from alm_motion.verbs import common

__all__ = ["add", "run"]

HALVES: dict[str, Callable[[int], list[slice | int]]] = {
    "first-half": lambda frames: [slice(frames // 2, frames)],
    "middle-half": lambda frames: [slice(0, frames // 4), slice(frames - frames // 4, frames)],
    "last-half": lambda frames: [slice(0, frames - frames // 2)],
}
"""What the paper's three presets keep; what they make is the name."""


def add(parser: argparse.ArgumentParser) -> None:
    """Its flags."""
    common.add_clip(parser)
    given = parser.add_argument_group("what is given")
    given.add_argument(
        "--keep",
        action="append",
        help="frames of the clip to keep, as Python's slices: 0:40,100: (negative: from the end)",
    )
    given.add_argument("--make", choices=HALVES, help="one of the paper's presets in the place of --keep")
    given.add_argument(
        "--joints", help="make only these of the 22 joints, the others are kept throughout: left_elbow,left_wrist"
    )
    common.add_work(parser)


def run(flags: argparse.Namespace) -> None:
    """Completes the clip and writes what was asked for, all or nothing."""
    if (flags.keep is None) == (flags.make is None):
        raise ValueError("say what of the clip to keep, by one of the two: --keep 0:40,100: or --make middle-half")
    clip = common.opened(flags)
    parts = HALVES[flags.make](len(clip)) if flags.make else common.ranges(flags.keep)
    keep: Keep = parts
    if flags.joints:
        given = kept_frames(clip, parts)
        given[:, [n for n in range(22) if n not in _joints(flags.joints)]] = True
        keep = given

    def verb(settings: Settings) -> Result:
        return complete(clip, keep, **settings)

    common.work(flags, verb, Path(flags.clip))


def _joints(text: str) -> set[int]:
    names = [name.strip() for name in text.split(",")]
    unknown = [name for name in names if name not in SMPL22.names]
    if unknown:
        raise ValueError(f"--joints {', '.join(unknown)} are not of the 22: {', '.join(SMPL22.names)}")
    return {SMPL22.names.index(name) for name in names}
