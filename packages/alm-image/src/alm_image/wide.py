"""Makes a picture wider than the model: from a prompt, or around a picture."""

import time
from functools import partial
from pathlib import Path
from typing import Unpack

import numpy as np
import torch
from alm_core import Counted
from alm_core.fusions import Fusion
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.nn.functional import interpolate

from alm_image.complete import Clock, Result, finish, run
from alm_image.io import Picture, read_picture
from alm_image.latent import decode_ring
from alm_image.options import Options, Settings
from alm_image.priors.base import ImagePrior
from alm_image.windows import grid

__all__ = ["wide"]


def wide(
    image: str | Path | Image.Image | None = None,
    *,
    width: int = 2048,
    height: int | None = None,
    stride: int | None = None,
    first: int | None = None,
    loop: bool = False,
    later_on_top: bool = False,
    **settings: Unpack[Settings],
) -> Result:
    """A picture of width × height in windows of the model's size every `stride` pixels (¾ of the size, as the paper).

    `height` None is the model's size. With `image`, that picture, scaled to the height, stands in the middle and is
    continued to both sides; without one all is made from the prompt. Windows are taken outward from the column
    `first`: the middle around a picture, else 0, from left to right. `loop` joins the right edge to the left: a
    panorama. Where windows overlap the earlier one lies on top (ALM), or the later with `later_on_top` (SyncSDE).
    `together` windows share a network call, so its memory depends on that and not on the width; an autoencoder's does
    unless the prior decodes in tiles. All else is as in `inpaint`.

    Raises ValueError when the sizes do not suit the model, when neither a picture is given nor a model that needs none,
    or when joined windows are told an order.
    """
    start = time.perf_counter()
    options = Options.of(settings)
    prior = options.prior
    height = prior.size if height is None else height
    stride = prior.size * 3 // 4 if stride is None else stride
    _check(prior, image, width, height, stride, first, loop)
    if isinstance(options.used, Fusion) and (later_on_top or first is not None):
        raise ValueError(
            f"{type(options.used).__name__} joins windows, which then have no order: leave --later-on-top and --first "
            "out (later_on_top, first)"
        )
    picture, mask = _canvas(read_picture(image) if image is not None else None, width, height)
    pixels = picture.pixels()
    if not prior.windowed:
        made, counted, codec = _whole(pixels, mask, options, loop)
    else:
        middle = width // 2 if image is not None else 0
        windows = grid((height, width), prior.size, stride, loop=loop, outward_from=middle if first is None else first)
        decode = partial(decode_ring, prior.decode) if loop else prior.decode
        made, counted, codec = run(pixels, mask, windows, options, later_on_top=later_on_top, decode=decode)
    return finish(picture, mask, made, counted, codec, options, start)


def _whole(pixels: Tensor, mask: Tensor, options: Options, loop: bool) -> tuple[Tensor, Counted, Clock]:
    """What `run` returns, of a canvas that is taken in one piece."""
    # A prior of one canvas has no ring: with the seam in the middle of the given picture it needs none.
    shift = pixels.shape[-1] // 2 if loop else 0

    def back(rolled: Tensor) -> Tensor:
        return rolled.roll(-shift, -1)

    made, counted, codec = run(pixels.roll(shift, -1), mask.roll(shift, -1), (), options, show=back)
    return back(made), counted, codec


def _canvas(picture: Picture | None, width: int, height: int) -> tuple[Picture, Tensor]:
    """The picture, scaled to the height, in the middle of a canvas of its own mode; and what is to be made of it."""
    mask = torch.ones(1, 1, height, width)
    if picture is None:
        return Picture(np.zeros((height, width, 3), np.uint8)), mask
    broad = max(1, round(picture.width * height / picture.height))
    if broad >= width:
        raise ValueError(
            f"at a height of {height} the picture is {broad} wide, which leaves nothing to make in {width}: "
            "give a greater width or a smaller height"
        )
    left = (width - broad) // 2
    sides = ((0, 0), (left, width - broad - left))
    alpha = None if picture.alpha is None else np.pad(_scaled(picture.alpha[..., None], height, broad)[..., 0], sides)
    values = np.pad(_scaled(picture.values, height, broad), (*sides, (0, 0)), mode="edge")
    mask[..., left : left + broad] = 0
    return Picture(values, alpha, picture.exif, picture.icc), mask


def _scaled(values: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    """8-bit values (h, w, channels) at another size; untouched where it is the same."""
    if values.shape[:2] == (height, width):
        return values
    x = torch.from_numpy(values.astype(np.float32)).permute(2, 0, 1)[None]
    x = interpolate(x, (height, width), mode="bicubic", antialias=True)
    return x[0].permute(1, 2, 0).round().clamp(0, 255).numpy().astype(np.uint8)


def _check(
    prior: ImagePrior, image: object, width: int, height: int, stride: int, first: int | None, loop: bool
) -> None:
    if width < 1 or height < 1 or stride < 1:
        raise ValueError(f"width, height and stride must be 1 or more, got {width} x {height} and {stride}")
    if first is not None and not 0 <= first <= width:
        raise ValueError(f"the first column must lie in the picture, 0 to {width}, got {first}")
    if width % prior.multiple or height % prior.multiple:
        raise ValueError(f"width and height must be multiples of {prior.multiple}, got {width} x {height}")
    if prior.windowed and (width < prior.size or height < prior.size):
        raise ValueError(f"width and height must be at least the model's {prior.size}, got {width} x {height}")
    if loop and prior.windowed and width == prior.size:
        raise ValueError(f"a looped picture must be wider than the model's {prior.size}, got {width}")
    if stride % prior.multiple or not 0 < stride <= prior.size:
        raise ValueError(
            f"the stride must be a multiple of {prior.multiple} and at most the model's size {prior.size}, got {stride}"
        )
    if image is None and not prior.windowed:
        raise ValueError("the exemplar prior makes pictures from a picture: give an image, or a model with --model")
