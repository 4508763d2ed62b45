"""Motion files in and out: the one place where files are opened, checked and written."""

from pathlib import Path

import numpy as np

from alm_motion.clip import Clip
from alm_motion.formats import FormatError
from alm_motion.formats.bvh import Bvh, parse_bvh
from alm_motion.skeleton import Array, Skeleton

__all__ = ["read_clip"]


def read_clip(path: str | Path) -> Clip:
    """BVH for now."""
    path = Path(path)
    try:
        return clip_of(parse_bvh(path.read_text(encoding="utf-8", errors="replace")))
    except FormatError as error:
        raise ValueError(f"{path} cannot be read as BVH: {error}") from None


def clip_of(bvh: Bvh) -> Clip:
    rotations, translations = bvh.local()
    offsets = np.array([node.offset for node in bvh.nodes])
    unit = _unit(offsets)
    skeleton = Skeleton(tuple(n.name for n in bvh.nodes), tuple(n.parent for n in bvh.nodes), offsets * unit)
    return Clip(skeleton, rotations, translations * unit, 1 / bvh.frame_time, unit, bvh, np.arange(len(bvh.values)))


def _unit(offsets: Array) -> float:
    return 0.01
