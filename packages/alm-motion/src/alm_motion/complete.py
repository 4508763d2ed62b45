"""Complete a motion: what is kept of a clip stays, and the rest is made to fit it."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Unpack

import numpy as np

from alm_motion.clip import Clip
from alm_motion.clips import joints_of_clip
from alm_motion.contacts import pinned
from alm_motion.fill import Bools, whole
from alm_motion.io import read_clip
from alm_motion.mapping import guess, weights
from alm_motion.metrics import kept_error
from alm_motion.options import Options, Settings
from alm_motion.restore import restored
from alm_motion.skeleton import PARENTS, SMPL22
from alm_motion.stage import Stage
from alm_motion.stretches import fill_all

__all__ = ["Keep", "Result", "complete", "kept_frames", "made_of"]

Keep = Sequence[slice | int] | Bools


@dataclass(frozen=True)
class Result:
    """What a verb returns.

    `clips` has one a variant, on the skeleton that was given. `made` (F) says which frames were made. `evaluations` is
    the number of network rows that one variant took, guided ones counted double, and `calls` that of network calls.
    `kept_error` is the largest distance in mm between a joint of a kept frame and where it was. `seconds` is wall time
    without loading the model, `method` what was used, with its parameters.
    """

    clips: list[Clip]
    made: Bools
    evaluations: float
    calls: int
    kept_error: float
    seconds: float
    seed: int
    method: str


def complete(clip: Clip | str | Path, keep: Keep, **options: Unpack[Settings]) -> Result:
    """Makes all of a clip but what is kept.

    `keep` is slices and numbers of frames, of the clip's own rate, or a bool array: (F) of whole frames, or (F, 22) of
    the joints of `skeleton.SMPL22`. Gaps longer than the model makes at once are made in stretches, each given a second
    and a half of what is beside it. All else is said by `Options`.

    Raises ValueError where nothing or everything is kept, a range lies outside the clip, or the skeleton is not known.
    """
    clip = clip if isinstance(clip, Clip) else read_clip(clip)
    return made_of(clip, kept_frames(clip, keep), Options(**options))


def made_of(clip: Clip, given: Bools, options: Options) -> Result:
    """What all verbs end in: the clip with all made that is not `given` (F, 22)."""
    begun = time.perf_counter()
    mapped = weights(clip.skeleton, options.mapping or clip.mapping or guess(clip.skeleton))
    before = np.einsum("mj,fjc->fmc", mapped, clip.positions())
    stage = Stage.of(before, given, clip.fps)
    filled = fill_all(stage.joints, stage.given, options)
    clips = [restored(clip, stage.back(joints), ~given, mapped) for joints in filled.joints]
    if options.pin_feet:
        clips = [pinned(each, ~given, mapped) for each in clips]
    after = [joints_of_clip(each, options.mapping) for each in clips]
    return Result(
        clips=clips,
        made=~whole(given),
        evaluations=filled.evaluations,
        calls=filled.calls,
        kept_error=max(kept_error(before, each, given) for each in after),
        seconds=time.perf_counter() - begun,
        seed=options.seed,
        method=repr(options.used),
    )


def kept_frames(clip: Clip, keep: Keep) -> Bools:
    """Which joints (F, 22) are given. Raises ValueError as `complete` does."""
    frames = len(clip)
    if isinstance(keep, np.ndarray) and keep.dtype == bool:
        if keep.shape not in ((frames,), (frames, 22)):
            raise ValueError(f"keep must be ({frames},) or ({frames}, 22) for this clip, got {keep.shape}")
        given = np.array(np.broadcast_to(keep.reshape(frames, -1), (frames, 22)))
    else:
        given = np.zeros((frames, 22), bool)
        for part in keep:
            given[_range(part, frames)] = True
    for joint, parent in enumerate(PARENTS[1:], 1):
        if (given[:, joint] & ~given[:, parent]).any():
            above, below = SMPL22.names[parent], SMPL22.names[joint]
            raise ValueError(f"{below} is kept where {above}, which it hangs from, is made: make both, or keep both")
    if given.all():
        raise ValueError("everything is kept, so there is nothing to make: leave a part of the clip out of keep")
    if not given.any():
        raise ValueError("nothing is kept, so there is nothing to go by: keep at least a frame, or make it with `long`")
    return given


def _range(part: slice | int, frames: int) -> slice:
    """A range of the clip's frames, negative numbers counted from its end."""
    if isinstance(part, slice):
        start, stop = (None if x is None else int(x) for x in (part.start, part.stop))
        text = f"{'' if start is None else start}:{'' if stop is None else stop}"
        if part.step not in (None, 1):
            raise ValueError(f"keep {text}: steps are not taken, only A:B")
    else:
        start, stop, text = int(part), int(part) + 1 or None, str(part)
    first = 0 if start is None else start + frames * (start < 0)
    last = frames if stop is None else stop + frames * (stop < 0)
    if not 0 <= first < last <= frames:
        raise ValueError(f"keep {text} is not a range of this clip, which has frames 0 to {frames - 1}")
    return slice(first, last)
