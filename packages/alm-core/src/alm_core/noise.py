"""Noise as a pure function of a seed and a key.

No generator carries state from draw to draw: the k-th draw at level i of sample n is the same whether the
sample is alone or in a batch, whether windows advance together or one after another, and whatever was drawn
before.
"""

import hashlib
import struct
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["Noise"]


@dataclass(frozen=True)
class Noise:
    """Standard normal draws, one seed a sample; equal keys give equal draws.

    Draws are made on `device` (a generator there is not the CPU's: pictures differ between devices).
    """

    seeds: tuple[int, ...]
    device: torch.device | str = "cpu"

    @staticmethod
    def batch(seed: int, count: int, device: torch.device | str = "cpu") -> "Noise":
        """Seeds `seed`, `seed + 1`, …: sample n of a batch is sample 0 of `seed + n` alone."""
        return Noise(tuple(range(seed, seed + count)), device)

    @staticmethod
    def join(parts: Sequence["Noise"]) -> "Noise":
        """The samples of all parts, in order."""
        return Noise(tuple(seed for part in parts for seed in part.seeds), parts[0].device)

    def child(self, *key: int) -> "Noise":
        """An independent source for each sample, named by `key`."""
        return Noise(tuple(_mix(seed, key) for seed in self.seeds), self.device)

    def draw(self, shape: Sequence[int], *key: int) -> Tensor:
        """One draw z ~ N(0, I) for each sample: float32 of shape (samples, *shape)."""
        z = torch.empty((len(self.seeds), *shape), device=self.device)
        generator = torch.Generator(self.device)
        for row, seed in zip(z, self.seeds, strict=True):
            row.normal_(generator=generator.manual_seed(_mix(seed, key)))
        return z


def _mix(seed: int, key: Sequence[int]) -> int:
    """63 bits that depend on every part of (seed, key)."""
    packed = struct.pack(f"<{1 + len(key)}q", seed, *key)
    return int.from_bytes(hashlib.blake2b(packed, digest_size=8).digest(), "little") >> 1
