"""What the verbs share: a picture and a mask go in, completed pictures come out."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch
from alm_core import Counted, Noise, NotFiniteError, Prior, Progress, Schedule, Slice, extend, sample
from alm_core.fuse import fuse
from alm_core.fusions import Fusion
from alm_core.prior import Conditions
from alm_core.sample import suited_reference
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from alm_image.fit import fit
from alm_image.io import Picture
from alm_image.latent import smooth_fill, to_cells
from alm_image.metrics import kept_error
from alm_image.options import Options
from alm_image.windows import most_known_first

__all__ = ["Clock", "Result", "complete", "finish", "pixels_of", "run", "watcher"]


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
        method=repr(options.used),
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
    conditions: Conditions = (prior.condition(options.prompt, options.negative_prompt, *seen),)
    cells = [to_cells(window, (height, width), x_0) for window in windows]
    on_step = watcher(options, lambda state: show(codec(decode, state).cpu()))
    y = _sampled(counted, schedule, cells, x_0, hole, conditions, options, later_on_top, on_step)
    return pixels_of(y, decode, codec), counted, codec


def watcher(options: Options, show: Callable[[Tensor], Tensor]) -> Callable[[Progress], None] | None:
    """What a sampler tells `options.on_step`, where there is one; `show` makes pixels of the first variant's x̂_0."""
    told = options.on_step
    if told is None:
        return None
    return lambda progress: told(progress.index, progress.count, lambda: show(progress.x0()[:1]))


def pixels_of(y: Tensor, decode: Callable[[Tensor], Tensor], codec: Clock) -> Tensor:
    """Pixels of a final state in [−1, 1], on the CPU. Raises `NotFiniteError` where decoding fails."""
    made = codec(decode, y).float().cpu()
    if not bool(torch.isfinite(made).all()):
        raise NotFiniteError("decoding gave NaN or infinity: if the model runs in float16, try bfloat16 or float32")
    return made.clamp(-1, 1)


def _sampled(
    prior: Prior,
    schedule: Schedule,
    windows: list[Slice],
    x_0: Tensor,
    mask: Tensor,
    conditions: Conditions,
    options: Options,
    later_on_top: bool,
    on_step: Callable[[Progress], None] | None,
) -> Tensor:
    """The final state: of one canvas taken whole, of windows in order, or of windows that are joined."""
    noise = Noise.batch(options.seed, options.count, options.prior.device)
    told, way = [conditions] * len(windows), options.used
    if isinstance(way, Fusion):
        if len(windows) < 2:
            raise ValueError(
                f"{type(way).__name__} joins windows, and this picture is made in one piece: use another method, or "
                "make more windows (inpaint: tile)"
            )
        return fuse(
            prior,
            schedule,
            windows,
            tuple(x_0.shape[1:]),
            noise=noise,
            fusion=way,
            conditions=told,
            x_0=x_0,
            mask=mask,
            together=options.together,
            on_step=on_step,
        )
    reference = options.reference or suited_reference(way, options.prior.defaults.reference)
    if not windows:
        return sample(
            prior,
            schedule,
            noise=noise,
            x_0=x_0,
            mask=mask,
            method=way,
            reference=reference,
            conditions=conditions,
            on_step=on_step,
        )
    return extend(
        prior,
        schedule,
        windows,
        x_0,
        mask,
        noise=noise,
        method=way,
        reference=reference,
        conditions=told,
        later_on_top=later_on_top,
        lockstep=not way.needs_clean,
        together=options.together,
        on_step=on_step,
    )


def _opaque(picture: Picture, mask: Tensor) -> NDArray[np.float32]:
    """The picture's values (height, width, channels) in [0, 255], with opaque colours led under what is transparent.

    A blend looks at what lies beside the hole; the colours under transparency are nobody's.
    """
    values, transparent = picture.values.astype(np.float32), picture.transparent()
    if not bool(transparent.any()):
        return values
    filled = picture.channels_of(smooth_fill(picture.pixels(), torch.maximum(mask, transparent))[0])
    return np.where(transparent[0, 0, ..., None].numpy() > 0, filled, values)
