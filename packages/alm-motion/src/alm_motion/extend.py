"""Continue a clip after its end or before its beginning; join its end to its beginning; fill in between keyframes."""

from collections.abc import Sequence
from pathlib import Path
from typing import Unpack

import numpy as np

from alm_motion.clip import Clip
from alm_motion.complete import Result, complete, kept_frames, made_of
from alm_motion.io import read_clip
from alm_motion.options import Options, Settings

__all__ = ["extend", "inbetween"]


def extend(clip: Clip | str | Path, seconds: float, *, before: bool = False, **options: Unpack[Settings]) -> Result:
    """The clip, and as many seconds more after it, or before it; all else as in `complete`."""
    clip = clip if isinstance(clip, Clip) else read_clip(clip)
    if not np.isfinite(seconds) or (more := round(seconds * clip.fps)) < 1:
        raise ValueError(f"a frame or more is to be added, got {seconds} seconds at {clip.fps:g} frames a second")
    frames = len(clip)
    where = np.arange(-more, frames) if before else np.arange(frames + more)
    longer = clip.frames(np.clip(where, 0, frames - 1))
    given = (where >= 0) & (where < frames)
    return made_of(longer, kept_frames(longer, given), Options(**options))


def inbetween(clip: Clip | str | Path, keys: Sequence[int], **options: Unpack[Settings]) -> Result:
    """The clip with everything made but its keyframes, numbers of frames; all else as in `complete`."""
    if len(keys) < 2:
        raise ValueError(f"two keyframes or more are wanted to go between, got {len(keys)}")
    return complete(clip, list(keys), **options)
