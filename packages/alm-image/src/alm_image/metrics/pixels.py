"""What pixels the measures take, and what networks that were trained on files are shown of them."""

import torch
from torch import Tensor

__all__ = ["check_mask", "check_pair", "check_pixels", "to_levels"]


def check_pixels(pixels: Tensor, least: int = 1) -> Tensor:
    """The pixels. Raises ValueError unless float (n, 3, height, width) in [−1, 1], `least` or more a side."""
    if pixels.ndim != 4 or pixels.shape[1] != 3 or 0 in pixels.shape or not pixels.is_floating_point():
        raise ValueError(f"pixels are float (n, 3, height, width), got {pixels.dtype} {tuple(pixels.shape)}")
    low, high = (float(end) for end in pixels.aminmax())
    if not (low >= -1 and high <= 1):
        raise ValueError(f"pixels are in [-1, 1], got {low:.4g} to {high:.4g}: clamp them")
    if min(pixels.shape[2:]) < least:
        height, width = pixels.shape[2:]
        raise ValueError(f"pictures of {least} pixels a side or more are wanted, got {width} x {height}")
    return pixels


def check_pair(made: Tensor, truth: Tensor, least: int = 1) -> None:
    """Raises ValueError unless both are pixels of one shape."""
    check_pixels(made, least)
    check_pixels(truth, least)
    if made.shape != truth.shape:
        raise ValueError(f"as many pictures of one size are compared: got {tuple(made.shape)}, {tuple(truth.shape)}")


def check_mask(mask: Tensor, pixels: Tensor) -> Tensor:
    """The mask as large as the pixels, (n, 1, height, width). Raises ValueError where it is not, or has no white."""
    count, _, height, width = pixels.shape
    if mask.ndim != 4 or mask.shape[0] not in (1, count) or tuple(mask.shape[1:]) != (1, height, width):
        raise ValueError(f"a mask ({count}, 1, {height}, {width}) is wanted, got {tuple(mask.shape)}")
    if float(mask.min()) < 0 or float(mask.max()) > 1 or not bool((mask.sum((1, 2, 3)) > 0).all()):
        raise ValueError("masks are in [0, 1], each with some white: what is white was generated and is measured")
    return mask.expand(count, -1, -1, -1)


def to_levels(pixels: Tensor) -> Tensor:
    """The 8-bit levels that a file of these pixels holds, uint8 of the same shape."""
    return ((pixels + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)
