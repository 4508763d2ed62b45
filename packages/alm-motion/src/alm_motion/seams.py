"""What is made meets what is given: a difference at a border fades into the gap.

A model's whole motion is near what was given, and seldom on it. What they differ by at a border, o, fades over W with
its own speed o':

    o(τ) = (1 − 3u² + 2u³) o + W u (1 − u)² o',    u = τ/W

(Hermite), so that place and speed are continuous there and nothing moves beyond it.
"""

import numpy as np
from numpy.typing import NDArray

from alm_motion.skeleton import Array

__all__ = ["FADE", "faded", "met", "runs"]

FADE = 0.5
"""Seconds over which a difference fades, or as long as the gap is."""
Bools = NDArray[np.bool_]


def runs(flags: Bools) -> list[tuple[int, int]]:
    """The stretches [start, stop) of frames that are True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flags.astype(np.int8), [0]])))
    return [(int(a), int(b)) for a, b in edges.reshape(-1, 2)]


def faded(tau: Array, width: float, value: Array, speed: Array) -> Array:
    """o(τ), (T, …), of the difference at the border and its speed there, away from it, for each unit of τ (T)."""
    u = np.clip(tau / width, 0, 1).reshape(-1, *[1] * value.ndim)
    return np.asarray((1 - 3 * u**2 + 2 * u**3) * value + width * u * (1 - u) ** 2 * speed)


def met(made: Array, true: Array, given: Bools, fps: float) -> Array:
    """Joints (F, J, 3) that are `true` where given (F, J), and elsewhere as made, led to meet them."""
    found = np.where(given[..., None], true, made)
    for joint in range(given.shape[1]):
        off = true[:, joint] - made[:, joint]
        for start, stop in runs(~given[:, joint]):
            inside = np.arange(start, stop)
            width = min(FADE * fps, stop - start + 1)
            for border, way in ((start - 1, 1), (stop, -1)):
                if not 0 <= border < len(given):
                    continue
                here, before = off[border], border - way
                known = 0 <= before < len(given) and given[before, joint]
                speed = here - off[before] if known else np.zeros(3)
                found[inside, joint] += faded(np.abs(inside - border), width, here, speed)
    return found
