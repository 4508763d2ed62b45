"""A clip as a film or a strip of stick figures: the bytes of a file by its ending."""

from pathlib import Path

import numpy as np

from alm_motion.clip import Clip
from alm_motion.clips import joints_of_clip
from alm_motion.draw import draw, strip
from alm_motion.encode import encode_film, encode_picture, film_rate
from alm_motion.fill import Bools
from alm_motion.mapping import Joints
from alm_motion.skeleton import SMPL22

__all__ = ["picture_of"]


def picture_of(clip: Clip, made: Bools, path: str | Path, *, mapping: Joints | None = None) -> bytes:
    """The clip's 22 joints, in orange where given and in blue where `made` (F); .mp4, .gif or .png as the path ends."""
    joints, suffix = joints_of_clip(clip, mapping), Path(path).suffix.lower()
    joints[..., 1] -= np.quantile(joints[:, (10, 11), 1], 0.02)
    if suffix == ".png":
        return encode_picture(strip(joints, SMPL22.parents, made, fps=clip.fps, names=SMPL22.names))
    every, rate = film_rate(suffix, len(clip), clip.fps)
    frames = draw(joints, SMPL22.parents, made, fps=clip.fps, names=SMPL22.names, every=every)
    return encode_film(frames, suffix, fps=rate)
