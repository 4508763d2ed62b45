"""Fills a hole in a picture."""

from pathlib import Path
from typing import Unpack

from PIL import Image

from alm_image.complete import Result, complete
from alm_image.io import read_mask, read_picture
from alm_image.options import Options, Settings

__all__ = ["inpaint"]


def inpaint(
    image: str | Path | Image.Image,
    mask: str | Path | Image.Image,
    *,
    tile: bool = False,
    **settings: Unpack[Settings],
) -> Result:
    """Fills the picture where the mask is white, from what surrounds the hole.

    `image` and `mask` are files or PIL images of one size, any size and 8-bit mode; the result has the same. Grey in
    the mask is a soft edge. `prior` is a model from `load_prior`, None for the exemplar prior, which needs no weights.
    `method`, `reference`, `steps` and `blend`, which pastes the fill, default to what suits the prior. `count` variants
    are made in one batch: variant n is what `seed + n` alone would give. A hole too large for the model's size is
    worked on at a lower resolution, or with `tile` in overlapping windows, `together` of them a network call.

    Raises FileNotFoundError or ValueError before any work for input that does not fit, and
    `alm_core.NotFiniteError` when the network fails.
    """
    options = Options.of(settings)
    picture = read_picture(image)
    return complete(picture, read_mask(mask, picture), options, tile=tile)
