"""Solid colours to stand behind the mesh, one a view, so that no background is painted into the texture's rim."""

from random import Random

import torch
from torch import Tensor

__all__ = ["COLOURS", "backdrop"]

COLOURS = {
    "black": (-1, -1, -1),
    "white": (1, 1, 1),
    "maroon": (0, -1, -1),
    "red": (1, -1, -1),
    "olive": (0, 0, -1),
    "yellow": (1, 1, -1),
    "green": (-1, 0, -1),
    "lime": (-1, 1, -1),
    "teal": (-1, 0, 0),
    "aqua": (-1, 1, 1),
    "navy": (-1, -1, 0),
    "blue": (-1, -1, 1),
    "purple": (0, -1, 0),
    "fuchsia": (1, -1, 1),
}
"""SyncMVD's fourteen, in [−1, 1]. Code released after it turns the half-tones among them black."""


def backdrop(size: int, seed: int, index: int) -> Tensor:
    """Pixels (1, 3, size, size) of one of `COLOURS`, drawn by the seed and the view's index alone."""
    colour = COLOURS[Random(f"backdrop {seed} {index}").choice(sorted(COLOURS))]
    return torch.tensor(colour, dtype=torch.float32).view(1, 3, 1, 1).repeat(1, 1, size, size)
