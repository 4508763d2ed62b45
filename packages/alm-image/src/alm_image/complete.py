"""What the verbs share: a picture and a mask go in, completed pictures come out."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch
from alm_core import (
    Counted,
    Method,
    Noise,
    NotFiniteError,
    Prior,
    Progress,
    Reference,
    Schedule,
    Slice,
    extend,
    sample,
)
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
from alm_image.options import Options, Way
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

    `show` makes the whole picture of a preview's pixels. Raises ValueError, before any work, for a method that the
    windows do not suit, `NotFiniteError` where the network fails.
    """
    prior, codec, decode = options.prior, Clock(), decode or options.prior.decode
    height, width = pixels.shape[-2:]
    # The hole is whole for the sampler, however soft its edge: only pasting mixes.
    mask = (mask > 0).float()
    windows = tuple(window for window in windows if bool(window.read(mask).any()))
    _check_windows(options.used, len(windows))
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
    y = _Work(counted, schedule, cells, x_0, hole, conditions, options, on_step).sampled(later_on_top=later_on_top)
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


@dataclass(frozen=True)
class _Work:
    """What is sampled, in the state's cells: of x_0 (1, …), where the mask is 1, in windows if there are any."""

    prior: Prior
    schedule: Schedule
    windows: list[Slice]
    x_0: Tensor
    mask: Tensor
    conditions: Conditions
    options: Options
    on_step: Callable[[Progress], None] | None

    def sampled(self, *, later_on_top: bool) -> Tensor:
        """The final state: of windows that are joined, of one canvas taken whole, or of windows in order."""
        way = self.options.used
        if isinstance(way, Fusion):
            return self._joined(way)
        reference = self.options.reference or suited_reference(way, self.options.prior.defaults.reference)
        return self._in_order(way, reference, later_on_top) if self.windows else self._whole(way, reference)

    def _joined(self, fusion: Fusion) -> Tensor:
        return fuse(
            self.prior,
            self.schedule,
            self.windows,
            tuple(self.x_0.shape[1:]),
            noise=self._noise,
            fusion=fusion,
            conditions=[self.conditions] * len(self.windows),
            x_0=self.x_0,
            mask=self.mask,
            together=self.options.together,
            on_step=self.on_step,
        )

    def _whole(self, method: Method, reference: Reference) -> Tensor:
        return sample(
            self.prior,
            self.schedule,
            noise=self._noise,
            x_0=self.x_0,
            mask=self.mask,
            method=method,
            reference=reference,
            conditions=self.conditions,
            on_step=self.on_step,
        )

    def _in_order(self, method: Method, reference: Reference, later_on_top: bool) -> Tensor:
        return extend(
            self.prior,
            self.schedule,
            self.windows,
            self.x_0,
            self.mask,
            noise=self._noise,
            method=method,
            reference=reference,
            conditions=[self.conditions] * len(self.windows),
            later_on_top=later_on_top,
            lockstep=not method.needs_clean,
            together=self.options.together,
            on_step=self.on_step,
        )

    @property
    def _noise(self) -> Noise:
        return Noise.batch(self.options.seed, self.options.count, self.options.prior.device)


def _check_windows(way: Way, count: int) -> None:
    """Raises ValueError for a method that so many windows do not suit."""
    if isinstance(way, Fusion):
        if count < 2:
            raise ValueError(
                f"{type(way).__name__} joins windows, and this picture is made in one piece: use another method, or "
                "make more windows (inpaint: tile)"
            )
    elif way.particles > 1 and count > 1:
        raise ValueError(
            f"{type(way).__name__} has {way.particles} particles a sample and wants one window, and here are {count}: "
            "use another method, or one window (inpaint: no tile)"
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
