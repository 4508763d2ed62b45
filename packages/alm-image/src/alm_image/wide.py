"""Makes a picture wider than the model: from a prompt, or around a picture."""

import time
from functools import partial
from pathlib import Path

import numpy as np
import torch
from alm_core import Method, Reference
from PIL import Image
from torch import Tensor
from torch.nn.functional import interpolate

from alm_image.blend import Blend, Gaussian
from alm_image.complete import Options, Preview, Result, finish, run
from alm_image.io import Picture, read_picture
from alm_image.latent import decode_ring
from alm_image.priors.base import ImagePrior
from alm_image.priors.exemplar import Exemplar
from alm_image.windows import grid

__all__ = ["wide"]


def wide(
    image: str | Path | Image.Image | None = None,
    *,
    width: int = 2048,
    height: int = 512,
    stride: int | None = None,
    first: int | None = None,
    loop: bool = False,
    later_on_top: bool = False,
    prior: ImagePrior | None = None,
    method: Method | None = None,
    reference: Reference | None = None,
    prompt: str = "",
    negative_prompt: str = "",
    steps: int | None = None,
    count: int = 1,
    seed: int = 0,
    blend: Blend | None = None,
    together: int = 1,
    on_step: Preview | None = None,
) -> Result:
    """A picture of width × height in windows of the model's size every `stride` pixels (¾ of the size, as the paper).

    With `image`, that picture, scaled to the height, stands in the middle and is continued to both sides; without
    one all is made from the prompt. Windows are taken outward from the column `first`: the middle around a picture,
    else 0, from left to right. `loop` joins the right edge to the left: a panorama. Where windows overlap the
    earlier one lies on top (ALM), or the later with `later_on_top` (SyncSDE). `together` windows share a network
    call, so memory depends on it and not on the width. All else is as in `inpaint`.

    Raises ValueError when the sizes do not suit the model, or when neither a picture is given nor a model that
    needs none.
    """
    start = time.perf_counter()
    prior = prior or Exemplar()
    options = Options(
        prior,
        method,
        reference,
        prompt,
        negative_prompt,
        steps,
        count,
        seed,
        blend or Gaussian(),
        together,
        on_step,
    )
    stride = prior.size * 3 // 4 if stride is None else stride
    _check(prior, image, width, height, stride)
    picture, mask = _canvas(read_picture(image) if image is not None else None, width, height)
    pixels = picture.pixels()
    if not prior.windowed:
        # A prior of one canvas has no ring: with the seam in the middle of the given picture it needs none.
        shift = width // 2 if loop else 0
        made, counted, codec = run(pixels.roll(shift, -1), mask.roll(shift, -1), (), options)
        made = made.roll(-shift, -1)
    else:
        middle = width // 2 if image is not None else 0
        windows = grid((height, width), prior.size, stride, loop=loop, outward_from=middle if first is None else first)
        decode = partial(decode_ring, prior.decode) if loop else prior.decode
        made, counted, codec = run(pixels, mask, windows, options, later_on_top=later_on_top, decode=decode)
    return finish(picture, mask, made, counted, codec, options, start)


def _canvas(picture: Picture | None, width: int, height: int) -> tuple[Picture, Tensor]:
    """The picture in the middle of a canvas, and the mask of what is to be made."""
    values, mask = np.zeros((height, width, 3), np.uint8), torch.ones(1, 1, height, width)
    if picture is None:
        return Picture(values), mask
    scale = height / picture.height
    size = (height, min(round(picture.width * scale), width))
    pixels = picture.pixels()
    if scale != 1:
        pixels = interpolate(pixels, (height, round(picture.width * scale)), mode="bicubic", antialias=True)
    rgb = ((pixels[0, :, :, : size[1]].clamp(-1, 1) + 1) * 127.5).round().permute(1, 2, 0).numpy()
    left = (width - size[1]) // 2
    values[:, left : left + size[1]] = rgb.astype(np.uint8)
    mask[..., left : left + size[1]] = 0
    return Picture(values, exif=picture.exif, icc=picture.icc), mask


def _check(prior: ImagePrior, image: object, width: int, height: int, stride: int) -> None:
    if width < 1 or height < 1 or width % prior.multiple or height % prior.multiple:
        raise ValueError(f"width and height must be multiples of {prior.multiple}, got {width} x {height}")
    if prior.windowed and (width < prior.size or height < prior.size):
        raise ValueError(f"width and height must be at least the model's {prior.size}, got {width} x {height}")
    if stride % prior.multiple or not 0 < stride <= prior.size:
        raise ValueError(
            f"the stride must be a multiple of {prior.multiple} and at most the model's size {prior.size}, got {stride}"
        )
    if image is None and not prior.windowed:
        raise ValueError("the exemplar prior makes pictures from a picture: give an image, or a model with --model")
