"""Weights, inputs and motions by formula, so that a fixture need hold outputs alone."""

import zlib

import numpy as np
import torch
from alm_motion.skeleton import SMPL22, Array
from torch import Tensor

__all__ = ["motion", "state", "wave"]


def wave(shape: tuple[int, ...], phase: float = 0.0) -> Tensor:
    """sin over the index: float32 numbers between −1 and 1."""
    index = torch.arange(torch.Size(shape).numel(), dtype=torch.float64)
    return torch.sin(index * 12.9898 + phase).reshape(shape).float()


def state(shapes: dict[str, tuple[int, ...]]) -> dict[str, Tensor]:
    """A state dict without the tables of sines: each value depends on its key and place only.

    About N(0, 1/fan-in) in size; norms' scales are near 1.
    """
    found = {}
    for key, shape in shapes.items():
        if key.endswith(".pe"):
            continue
        values = wave(shape, zlib.crc32(key.encode()) % 10007)
        scale = key.endswith((".weight", ".g")) and max(shape) == values.numel()
        fan = values[0].numel() if len(shape) > 1 and max(shape) < values.numel() else 200
        found[key] = values * (2 / fan) ** 0.5 + (1 if scale else 0)
    return found


def motion(frames: int = 60) -> Array:
    """Joints (F, 22, 3) in metres of SMPL22 walking a curve, all joints turning by sines; x and z begin at 0."""
    t = np.arange(frames)[:, None, None] / 20
    joint = np.arange(22)[None, :, None]
    axis = np.arange(3)[None, None, :]
    turns = 0.35 * np.sin(2.1 * t + 1.7 * joint + 2.9 * axis) + 0.15 * np.sin(5.3 * t + 0.8 * joint * axis)
    turns[:, 0] *= 0.2
    turns[:, 0, 1] += 0.8 * t[:, 0, 0]
    translations = np.broadcast_to(SMPL22.offsets, (frames, 22, 3)).copy()
    t = t[:, 0, 0]
    translations[:, 0] = np.stack([0.9 * np.sin(0.7 * t), 0.95 + 0.04 * np.sin(6 * t), 1.1 * t], -1)
    return SMPL22.forward(_rotations(turns), translations)[0]


def _rotations(turns: Array) -> Array:
    """exp of vectors (…, 3), by Rodrigues' formula."""
    angle = np.linalg.norm(turns, axis=-1)[..., None, None]
    x, y, z = np.moveaxis(turns / np.maximum(angle[..., 0], 1e-12), -1, 0)
    zero = np.zeros_like(x)
    k = np.stack([zero, -z, y, z, zero, -x, -y, x, zero], -1).reshape(*turns.shape[:-1], 3, 3)
    turned: Array = np.eye(3) + np.sin(angle) * k + (1 - np.cos(angle)) * k @ k
    return turned
