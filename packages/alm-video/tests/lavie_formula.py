"""Weights and inputs by formula, so that a fixture need hold outputs alone."""

import zlib

import torch
from torch import Tensor

__all__ = ["noise", "state"]

FREQS = "rotary_emb.freqs"
"""A constant, which the formula leaves alone."""


def noise(shape: tuple[int, ...], seed: int) -> Tensor:
    """Numbers in [−1, 1) that depend on place and seed only: the fraction of a large multiple of a sine, float32."""
    index = torch.arange(torch.Size(shape).numel(), dtype=torch.float64)
    wave = torch.sin(index * 12.9898 + seed % 10007 * 0.61803) * 43758.5453
    return (2 * (wave - wave.floor()) - 1).reshape(shape).float()


def state(own: dict[str, Tensor]) -> dict[str, Tensor]:
    """A state dict of the shapes given: of variance 1 / fan-in, vectors small, norms' scales near 1."""
    found = {}
    for key, value in own.items():
        shape = tuple(value.shape)
        values = noise(shape, zlib.crc32(key.encode()))
        if key.endswith(FREQS):
            found[key] = value
        elif len(shape) > 1:
            found[key] = values * (3 / values[0].numel()) ** 0.5
        else:
            found[key] = 0.2 * values + (1 if key.endswith("weight") else 0)
    return found
