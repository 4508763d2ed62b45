"""A folder of clips as features to train on and to measure with.

The held-out rule: a clip is held out when the SHA-256 of its name without its number and of its number of frames, as
in `salsa-2243`, read as an integer, is divisible by 10. Partners that were recorded together have the same length, so
that both fall on the same side.
"""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation
from torch import Tensor

from alm_motion.clips import joints_of_clip
from alm_motion.features import FPS, extract
from alm_motion.io import read_clip
from alm_motion.retarget import Fitted, resampled
from alm_motion.seams import runs
from alm_motion.skeleton import MIRROR, Array

__all__ = [
    "ROOT_EMPHASIS",
    "Sequence20",
    "action_of",
    "held_out",
    "joints20",
    "jumping",
    "read_folder",
    "statistics",
    "variants",
]

ROOT_EMPHASIS = 3.0
"""How much larger the root's three channels are normalised: a step is a small part of how far a body gets."""
JUMP = 0.08
"""Metres that joints of captured motion are not away from the middle of where they were and will be."""
SPEEDS, PHASES = (0.9, 1.0, 1.1), (0.0, 0.5)
BLOCKS = ((0, 1), (1, 3), (3, 4), (4, 67), (67, 193), (193, 259), (259, 263))

Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Sequence20:
    """The joints (F, 22, 3) of a clip, or of a piece of it, on HumanML3D's skeleton at its own rate.

    `name` is the whole clip's, `action` what it shows.
    """

    name: str
    action: str
    joints: Array
    fps: float


def action_of(name: str) -> str:
    """The name without its numbers: `walking_extra_13` and `walking_2` are `walking`."""
    words = [word for word in name.split("_") if not word.isdigit() and word != "extra"]
    return " ".join(words)


def held_out(name: str, frames: int) -> bool:
    """About one clip in ten, for ever the same ones."""
    key = re.sub(r"_?\d+$", "", name) + f"-{frames}"
    return int(hashlib.sha256(key.encode()).hexdigest(), 16) % 10 == 0


def jumping(joints: Array) -> Bools:
    """In which frames (F) joints (F, J, 3) in metres are more than 8 cm, on average, from the mean of their neighbours.

    Some captures have frames in which angles were averaged past ±180°.
    """
    found = np.zeros(len(joints), bool)
    found[1:-1] = np.linalg.norm(joints[1:-1] - (joints[:-2] + joints[2:]) / 2, axis=2).mean(1) > JUMP
    return found


def read_folder(folder: str | Path) -> tuple[list[Sequence20], list[Sequence20]]:
    """The training and the held-out clips of a folder's BVH files, in pieces where the capture jumps.

    Raises ValueError where there are none, or one has a skeleton that is not known.
    """
    paths = sorted(Path(folder).glob("*.bvh"))
    if not paths:
        raise ValueError(f"{folder} holds no .bvh files to train on")
    kept: tuple[list[Sequence20], list[Sequence20]] = ([], [])
    for path in paths:
        clip = read_clip(path, up="y")
        try:
            joints = joints_of_clip(clip)
            whole = ~binary_dilation(jumping(joints))
            fitted = Fitted.of(joints[whole] if whole.any() else joints)
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from None
        own, side = fitted.forth(joints), held_out(path.stem, len(clip))
        for start, stop in runs(whole):
            kept[side].append(Sequence20(path.stem, action_of(path.stem), own[start:stop], clip.fps))
    return kept


def joints20(one: Sequence20, *, speed: float = 1.0, phase: float = 0.0) -> Array:
    """The joints at 20 frames a second, played `speed` times as fast, from `phase` of a frame on."""
    times = np.arange(len(one.joints)) / one.fps
    at = np.arange(phase * speed / FPS, times[-1] + 1e-9, speed / FPS)
    return resampled(one.joints, times, at)


def variants(one: Sequence20) -> list[Tensor]:
    """Features of the clip at three speeds, from two phases, and in a mirror; those of at least 16 frames."""
    found = []
    for speed in SPEEDS:
        for phase in PHASES:
            joints = joints20(one, speed=speed, phase=phase)
            if len(joints) < 17:
                continue
            for each in (joints, joints[:, MIRROR] * [-1, 1, 1]):
                found.append(extract(torch.from_numpy(np.ascontiguousarray(each))).float())
    return found


def statistics(features: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation (C) of placed features (F, C), one deviation a block of channels as in HumanML3D."""
    every = torch.cat(list(features)).double()
    mean, std = every.mean(0), every.std(0)
    for start, end in BLOCKS:
        std[start:end] = std[start:end].mean() if start < len(std) else 0
    mean[:3] = 0
    std[:3] /= ROOT_EMPHASIS
    return mean.float(), std.float()
