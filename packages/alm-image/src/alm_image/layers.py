"""The masks of regions that lie on top of one another: read, scaled, and brought to the grid of a state."""

from collections.abc import Sequence
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import interpolate

from alm_image.io import read_map
from alm_image.priors.base import ImagePrior

__all__ = ["cells_of", "read_regions", "scaled", "seen_of", "size_of"]


def read_regions(masks: Sequence[str | Path | Image.Image]) -> Tensor:
    """The masks, float32 (regions, 1, height, width) in [0, 1], 1 in the region.

    Raises FileNotFoundError, or ValueError when there is none, or one cannot be read, is of another size than the
    first, is all black or all white, or lies wholly under later ones.
    """
    if not masks:
        raise ValueError("regions wants at least one region: give a mask, white in the region, and its prompt")
    read: list[Tensor] = []
    for number, source in enumerate(masks, 1):
        mask = read_map(source)
        sizes = [f"{x.shape[3]} x {x.shape[2]}" for x in (read[0] if read else mask, mask)]
        if sizes[0] != sizes[1]:
            raise ValueError(
                f"masks must be of one size: that of region 1 is {sizes[0]}, of region {number} {sizes[1]}"
            )
        if not bool((mask > 0).any()):
            raise ValueError(f"the mask of region {number} is empty (all black): paint white, 255, where the region is")
        if bool((mask == 1).all()):
            raise ValueError(
                f"the mask of region {number} is full (all white), so it is no region: paint black what is not of it, "
                "or give its prompt as the background"
            )
        read.append(mask)
    for number, seen in enumerate(seen_of(torch.cat(read))[1:], 1):
        if not bool((seen > 0).any()):
            raise ValueError(f"region {number} lies wholly under later ones: leave it out, or name it after them")
    return torch.cat(read)


def size_of(prior: ImagePrior, masks: Tensor, height: int | None, width: int | None) -> tuple[int, int]:
    """The picture's (height, width). Raises ValueError where it does not suit the model."""
    tall, broad = masks.shape[-2:]
    step = prior.multiple
    for name, side in (("height", height), ("width", width)):
        if side is not None and side < 1:
            raise ValueError(f"the {name} must be 1 or more, got {side}")
    if height is None and width is not None:
        height = max(step, round(width * tall / broad / step) * step)
    if width is None and height is not None:
        width = max(step, round(height * broad / tall / step) * step)
    height, width = tall if height is None else height, broad if width is None else width
    if prior.fixed_size and (height, width) != (prior.size, prior.size):
        raise ValueError(
            f"this model makes pictures of {prior.size} x {prior.size} alone, got {width} x {height}: "
            f"give --height {prior.size} --width {prior.size} (height=, width=)"
        )
    if height % step or width % step:
        near = [max(step, round(side / step) * step) for side in (height, width)]
        raise ValueError(
            f"height and width must be multiples of {step}, got {height} and {width}: "
            f"give --height {near[0]} --width {near[1]} (height=, width=)"
        )
    return height, width


def scaled(masks: Tensor, size: tuple[int, int]) -> Tensor:
    """Masks (regions, 1, …) of the picture's size, still in [0, 1]."""
    if tuple(masks.shape[-2:]) == size:
        return masks
    return interpolate(masks, size, mode="bilinear", antialias=True).clamp(0, 1)


def cells_of(maps: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Maps (n, 1, height, width) as means over the cells of a state (channels, rows, columns)."""
    return interpolate(maps, shape[-2:], mode="area")


def seen_of(masks: Tensor) -> Tensor:
    """What is seen of the background and of each region, (1 + regions, 1, height, width), 1 in sum."""
    seen, free = [], torch.ones_like(masks[:1])
    for mask in torch.split(masks.flip(0), 1):
        seen.append(mask * free)
        free = free * (1 - mask)
    return torch.cat([free, *reversed(seen)])
