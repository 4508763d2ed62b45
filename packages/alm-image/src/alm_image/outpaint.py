"""Continues a picture beyond its borders."""

from pathlib import Path
from typing import Unpack

import numpy as np
import torch
from PIL import Image

from alm_image.complete import Result, complete
from alm_image.io import Picture, read_picture
from alm_image.options import Options, Settings

__all__ = ["outpaint"]


def outpaint(
    image: str | Path | Image.Image,
    *,
    left: int = 0,
    right: int = 0,
    top: int = 0,
    bottom: int = 0,
    **settings: Unpack[Settings],
) -> Result:
    """Adds `left`, `right`, `top`, `bottom` pixels to a picture; the result is larger by as much.

    All else is as in `inpaint`. What does not fit the model's size is made in overlapping windows.
    """
    options = Options.of(settings)
    if min(left, right, top, bottom) < 0 or max(left, right, top, bottom) == 0:
        raise ValueError(
            f"give at least one of left, right, top, bottom as pixels to add, none below 0: "
            f"got {left}, {right}, {top}, {bottom}"
        )
    source = read_picture(image)
    borders = ((top, bottom), (left, right))
    picture = Picture(
        np.pad(source.values, (*borders, (0, 0)), mode="edge"),
        None if source.alpha is None else np.pad(source.alpha, borders),
        source.exif,
        source.icc,
    )
    mask = torch.ones(1, 1, picture.height, picture.width)
    mask[..., top : top + source.height, left : left + source.width] = 0
    return complete(picture, mask, options, tile=True)
