"""What the verbs share: a picture and a mask go in, completed pictures come out."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from alm_core import Counted, Method, Noise, NotFiniteError, Progress, Reference, Slice, extend, sample
from alm_core.prior import Conditions
from alm_core.sample import suited_reference
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from alm_image.blend import Blend
from alm_image.fit import fit
from alm_image.io import Picture
from alm_image.latent import smooth_fill, to_cells
from alm_image.metrics import kept_error
from alm_image.priors.base import ImagePrior
from alm_image.windows import most_known_first

__all__ = ["Options", "Preview", "Result", "complete", "finish", "run"]

Preview = Callable[[int, int, Callable[[], Tensor]], None]
"""Told after each step: its number from 1, how many there are, and a function that makes a preview of the result.

The preview is pixels (1, 3, height, width) of the first variant, before it is pasted.
"""


@dataclass(frozen=True, kw_only=True)
class Options:
    """The options that all verbs share; see `inpaint`."""

    prior: ImagePrior
    method: Method | None = None
    reference: Reference | None = None
    prompt: str = ""
    negative_prompt: str = ""
    steps: int | None = None
    count: int = 1
    seed: int = 0
    blend: Blend | None = None
    together: int = 1
    on_step: Preview | None = None

    def __post_init__(self) -> None:
        """Checks types, which scripts mistake for the names of the command line, and ranges."""
        for name, made in (("method", "ALM()"), ("reference", "Inversion()"), ("blend", "Poisson()")):
            if isinstance(getattr(self, name), str):
                raise TypeError(f"{name} is an object, such as {made}: got {getattr(self, name)!r}")
        if isinstance(self.prior, str | Path):
            raise TypeError(f"prior is a model that load_prior has loaded: got {self.prior!r}")
        if not -(2**63) <= self.seed < 2**63 - self.count:
            raise ValueError(f"the seed must fit 63 bits, got {self.seed}")
        if self.count < 1:
            raise ValueError(f"count must be 1 or more, got {self.count}")
        if self.together < 1:
            raise ValueError(f"together must be 1 or more, got {self.together}")
        if self.steps is not None and self.steps < 1:
            raise ValueError(f"steps must be 1 or more, got {self.steps}")


@dataclass(frozen=True)
class Result:
    """What a verb returns.

    `images` has one picture a variant. `evaluations` is the number of network rows that one variant took, guided ones
    counted double, and `calls` the number of network calls. `kept_error` is the largest difference, in 8-bit levels,
    between the source and the result where the blend leaves the source alone, `kept` (height, width), before a file
    format loses any; `source` is the source on the result's canvas. `band` is how many kept pixels the blend mixes.
    `method` is the method used, with its parameters. `seconds` is wall time without loading the model, of which
    `codec_seconds` went into encoding and decoding.
    """

    images: list[Image.Image]
    evaluations: float
    calls: int
    seconds: float
    codec_seconds: float
    seed: int
    kept_error: int
    band: int
    method: str
    source: Picture = field(repr=False)
    kept: NDArray[np.bool_] = field(repr=False)


@dataclass
class Clock:
    """Sums the seconds spent in a part of the work."""

    seconds: float = 0.0

    def __call__(self, work: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
        """work(x), timed."""
        start = time.perf_counter()
        with torch.no_grad():
            y = work(x)
        if y.is_cuda:
            torch.cuda.synchronize(y.device)
        self.seconds += time.perf_counter() - start
        return y


def complete(picture: Picture, mask: Tensor, options: Options, *, tile: bool = False) -> Result:
    """Completes the picture where the mask (1, 1, height, width) is above 0: `inpaint` and `outpaint` end here."""
    start = time.perf_counter()
    placed = fit(options.prior, mask, tile=tile)
    pixels = picture.pixels()
    work, hole = placed.to_work(pixels, torch.maximum(mask, picture.transparent()))
    made, counted, codec = run(
        work,
        hole,
        most_known_first(placed.windows, (hole > 0).float()),
        options,
        show=lambda preview: torch.where(mask > 0, placed.to_picture(preview, pixels), pixels),
    )
    return finish(picture, mask, placed.to_picture(made, pixels), counted, codec, options, start)


def finish(
    picture: Picture, mask: Tensor, made: Tensor, counted: Counted, codec: Clock, options: Options, start: float
) -> Result:
    """Pastes what was made (count, 3, height, width) into the picture, and sums up."""
    weight = mask[0, 0].numpy()
    source, generated = _opaque(picture, mask), [picture.channels_of(one) for one in made]
    blend = options.blend or options.prior.defaults.blend
    # All variants at once, as further channels: what depends on the mask alone is done once.
    values, mixed = blend(np.concatenate([source] * len(generated), 2), np.concatenate(generated, 2), weight)
    images = [picture.with_values(one, mixed, weight) for one in np.split(values, len(generated), 2)]
    errors = [kept_error(picture, image, mixed == 0) for image in images]
    return Result(
        images=images,
        evaluations=counted.rows / options.count,
        calls=counted.calls,
        seconds=time.perf_counter() - start,
        codec_seconds=codec.seconds,
        seed=options.seed,
        kept_error=max(errors),
        band=int(((mixed > 0) & (weight == 0)).sum()),
        method=repr(options.method or options.prior.defaults.method),
        source=picture,
        kept=mixed == 0,
    )


def run(
    pixels: Tensor,
    mask: Tensor,
    windows: tuple[Slice, ...],
    options: Options,
    *,
    later_on_top: bool = False,
    decode: Callable[[Tensor], Tensor] | None = None,
    show: Callable[[Tensor], Tensor] = lambda preview: preview,
) -> tuple[Tensor, Counted, Clock]:
    """Pixels (count, 3, height, width) made from pixels (1, 3, …) of a size that suits the prior, and what it took.

    `show` makes the whole picture of a preview's pixels. Raises `NotFiniteError` where the network fails.
    """
    prior, codec, decode = options.prior, Clock(), decode or options.prior.decode
    height, width = pixels.shape[-2:]
    # The hole is whole for the sampler, however soft its edge: only pasting mixes.
    mask = (mask > 0).float()
    windows = tuple(window for window in windows if bool(window.read(mask).any()))
    if bool((mask == 0).any()):
        x_0 = codec(prior.encode, smooth_fill(pixels, mask).to(prior.device))
    else:
        x_0 = torch.zeros(1, *prior.state_shape(height, width), device=prior.device)
    hole = prior.mask_to_state(mask.to(prior.device))
    # The network sees a window, so its levels are those of a window's size.
    seen = windows[0].size if windows else (height, width)
    schedule = prior.schedule(options.steps or prior.defaults.steps, *seen)
    counted = Counted(prior.given(x_0, hole))
    noise = Noise.batch(options.seed, options.count, prior.device)
    method = options.method or prior.defaults.method
    reference = options.reference or suited_reference(method, prior.defaults.reference)

    def tell(progress: Progress) -> None:
        if options.on_step:
            options.on_step(progress.index, progress.count, lambda: show(codec(decode, progress.x0()[:1]).cpu()))

    conditions: Conditions = (prior.condition(options.prompt, options.negative_prompt, *seen),)
    if windows:
        cells = [to_cells(window, (height, width), x_0) for window in windows]
        y = extend(
            counted,
            schedule,
            cells,
            x_0,
            hole,
            noise=noise,
            method=method,
            reference=reference,
            conditions=[conditions] * len(windows),
            later_on_top=later_on_top,
            together=options.together,
            on_step=tell if options.on_step else None,
        )
    else:
        y = sample(
            counted,
            schedule,
            noise=noise,
            x_0=x_0,
            mask=hole,
            method=method,
            reference=reference,
            conditions=conditions,
            on_step=tell if options.on_step else None,
        )
    made = codec(decode, y).float().cpu()
    if not bool(torch.isfinite(made).all()):
        raise NotFiniteError("decoding gave NaN or infinity: if the model runs in float16, try bfloat16 or float32")
    return made.clamp(-1, 1), counted, codec


def _opaque(picture: Picture, mask: Tensor) -> NDArray[np.float32]:
    """The picture's values (height, width, channels) in [0, 255], with opaque colours led under what is transparent.

    A blend looks at what lies beside the hole; the colours under transparency are nobody's.
    """
    values, transparent = picture.values.astype(np.float32), picture.transparent()
    if not bool(transparent.any()):
        return values
    filled = picture.channels_of(smooth_fill(picture.pixels(), torch.maximum(mask, transparent))[0])
    return np.where(transparent[0, 0, ..., None].numpy() > 0, filled, values)
