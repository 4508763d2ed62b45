"""Between pixels and the state: what stands in the hole before encoding, and windows in cells of the state."""

from collections.abc import Callable

import torch
from alm_core import Slice
from torch import Tensor
from torch.nn.functional import avg_pool2d, interpolate

__all__ = ["decode_ring", "smooth_fill", "to_cells"]

SEAM = 8
"""How many cells of state an autoencoder is given beyond the seam of a ring."""


def decode_ring(decode: Callable[[Tensor], Tensor], state: Tensor) -> Tensor:
    """Pixels of a state whose width is a ring: decoded with its ends repeated, so that the two edges meet."""
    seam = min(SEAM, state.shape[-1])
    pixels = decode(torch.cat([state[..., -seam:], state, state[..., :seam]], -1))
    edge = seam * pixels.shape[-1] // (state.shape[-1] + 2 * seam)
    return pixels[..., edge:-edge]


def smooth_fill(pixels: Tensor, mask: Tensor) -> Tensor:
    """Pixels (1, 3, h, w) with the hole, where the mask is above 0, filled by an ever wider average around it.

    An autoencoder mixes neighbours: whatever stands in the hole reaches the latents beside it. A black hole would
    darken them; the picture's own content there must not leak either.
    """
    given = (mask == 0).to(pixels)
    return torch.where(mask > 0, _push_pull(pixels * given, given), pixels)


def _push_pull(sums: Tensor, weight: Tensor) -> Tensor:
    """Averages of what is given, from the coarsest scale down, each kept where anything is given at its scale."""
    mean = sums / weight.clamp(min=1e-6)
    if min(weight.shape[-2:]) < 2 or bool((weight > 0).all()):
        return mean
    size = weight.shape[-2:]
    coarse = _push_pull(*(avg_pool2d(x, 2, ceil_mode=True) for x in (sums, weight)))
    return torch.where(weight > 0, mean, interpolate(coarse, size, mode="bilinear"))


def to_cells(window: Slice, size: tuple[int, int], state: Tensor) -> Slice:
    """A window given in pixels of a picture of `size` as cells of its state (…, rows, columns)."""
    ratio = [cells / length for cells, length in zip(state.shape[-2:], size, strict=True)]
    start, extent = (
        tuple(round(v * r) for v, r in zip(values, ratio, strict=True)) for values in (window.start, window.size)
    )
    return Slice(start, extent, window.loop)
