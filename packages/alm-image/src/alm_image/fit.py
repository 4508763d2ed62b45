"""Any picture to a size that a model can take, and what it made back to where it belongs.

A model is happiest at the size it was trained on. A hole that fits into such a square is worked on at full
resolution in a crop around it; a larger one in a resized crop, or at full resolution in overlapping windows (tiles).
"""

from dataclasses import dataclass

import torch
from alm_core.window import Slice
from torch import Tensor
from torch.nn.functional import interpolate

from alm_image.latent import smooth_fill
from alm_image.priors.base import ImagePrior
from alm_image.windows import grid

__all__ = ["Fit", "fit", "fit_whole"]

CONTEXT = 1.5
"""How much wider than the hole a crop is wanted, so that the model sees what the hole is in."""


@dataclass(frozen=True)
class Fit:
    """The crop (top, left, height, width) of the picture and the size (height, width) that the model works at.

    `windows` are the tiles, in pixels of the work size; empty where one piece is enough.
    """

    crop: tuple[int, int, int, int]
    size: tuple[int, int]
    windows: tuple[Slice, ...] = ()

    def to_work(self, pixels: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Pixels and mask (1, …, height, width) of the picture, cropped and resized; any share of hole stays hole."""
        top, left, height, width = self.crop
        pixels, mask = (x[..., top : top + height, left : left + width] for x in (pixels, mask))
        if (height, width) == self.size:
            return pixels, mask
        # Resizing mixes neighbours, and what stands in the hole is not to reach what is kept.
        pixels = smooth_fill(pixels, mask)
        return _resize(pixels, self.size), (interpolate((mask > 0).float(), self.size, mode="area") > 0).float()

    def to_picture(self, made: Tensor, pixels: Tensor) -> Tensor:
        """What was made (rows, 3, *size) laid over the picture's pixels (1, 3, height, width)."""
        top, left, height, width = self.crop
        whole = pixels.expand(len(made), *pixels.shape[1:]).clone()
        whole[..., top : top + height, left : left + width] = _resize(made, (height, width))
        return whole


def fit(prior: ImagePrior, mask: Tensor, *, tile: bool = False) -> Fit:
    """How a picture with this mask (1, 1, height, width) goes to the prior."""
    height, width = mask.shape[-2:]
    rows, columns = (torch.nonzero(mask[0, 0].amax(axis) > 0).flatten() for axis in (1, 0))
    tall, broad = int(rows[-1] - rows[0]) + 1, int(columns[-1] - columns[0]) + 1
    centre = int(rows[0]) + tall / 2, int(columns[0]) + broad / 2
    need = max(tall, broad)
    if tile and prior.windowed and not prior.fixed_size and min(need * CONTEXT, max(height, width)) > prior.size:
        crop = _around(centre, (tall + prior.size, broad + prior.size), (height, width), prior.multiple)
        size = _multiples(crop[2:], prior.multiple)
        stride = max(prior.multiple, prior.size * 3 // 4 // prior.multiple * prior.multiple)
        return Fit(crop, size, grid(size, prior.size, stride))
    # A model of one size knows whole subjects: it sees as much of the picture as a square holds.
    side = max(min(height, width) if prior.fixed_size else prior.size, round(need * CONTEXT))
    crop = _around(centre, (side, side), (height, width), prior.multiple)
    if prior.fixed_size:
        return Fit(crop, (prior.size, prior.size))
    least, greatest = prior.sides
    scale = min(max(max(crop[2:]), least), greatest) / max(crop[2:])
    return Fit(crop, _multiples((crop[2] * scale, crop[3] * scale), prior.multiple))


def fit_whole(prior: ImagePrior, size: tuple[int, int]) -> Fit:
    """A whole picture of the size (height, width) at the model's, in its own proportions where the model allows."""
    scale, unit = prior.size / max(size), prior.multiple
    tall, broad = (max(unit, round(side * scale / unit) * unit) for side in size)
    return Fit((0, 0, *size), (prior.size, prior.size) if prior.fixed_size else (tall, broad))


def _around(
    centre: tuple[float, float], size: tuple[int, int], whole: tuple[int, int], multiple: int
) -> tuple[int, int, int, int]:
    """A box of at least `size` around the centre, inside the whole; its sides are multiples where the whole allows."""
    tall, broad = (min(-(-s // multiple) * multiple, w) for s, w in zip(size, whole, strict=True))
    top, left = (min(max(round(c - s / 2), 0), w - s) for c, s, w in zip(centre, (tall, broad), whole, strict=True))
    return top, left, tall, broad


def _multiples(size: tuple[float, ...], multiple: int) -> tuple[int, int]:
    height, width = (max(multiple, round(s / multiple) * multiple) for s in size)
    return height, width


def _resize(pixels: Tensor, size: tuple[int, int]) -> Tensor:
    if tuple(pixels.shape[-2:]) == size:
        return pixels
    return interpolate(pixels, size, mode="bicubic", antialias=True).clamp(-1, 1)
