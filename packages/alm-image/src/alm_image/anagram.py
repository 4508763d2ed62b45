"""Ambiguous pictures: one picture that shows another thing in each of its views.

Trajectory i makes view i under prompt i. In order (SyncSDE Eq. 16, 17), each is pulled everywhere towards what the one
before it shows of the canvas,

    X̃_t^i = f_i( f_{i−1}⁻¹( y_t^{i−1} ) ),

and the last is the picture; or a joint method averages all of them on one canvas at each level.
"""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Unpack

import torch
from alm_core import ALM, Counted, Independent, Method, Noise, SyncSDE, extend
from alm_core.fuse import fuse
from alm_core.fusions import Fusion
from alm_core.prior import Conditions
from alm_core.sample import Progress
from PIL import Image
from torch import Tensor

from alm_image.animate import Frame, animation
from alm_image.complete import Clock, pixels_of
from alm_image.enlarge import Enlarging
from alm_image.io import image_of
from alm_image.options import Options, Settings, Way
from alm_image.priors.deepfloyd_two import NOISE_LEVEL, Upscaler
from alm_image.priors.examples import Examples
from alm_image.priors.exemplar import refuse_exemplar
from alm_image.views import VIEWS, Jigsaw, Negate, View, show, view_named

__all__ = ["AnagramResult", "anagram", "paired", "suited"]


@dataclass(frozen=True)
class AnagramResult:
    """What `anagram` returns.

    `canvases` has one picture a variant, and `views` are its views. `evaluations` is the number of network rows that
    one variant took, guided ones counted double, and `calls` the number of network calls, of both stages where there
    are two. `method` is the method used, with its parameters. `seconds` is wall time without loading the model, of
    which `codec_seconds` went into decoding.
    """

    canvases: list[Image.Image]
    views: tuple[View, ...]
    evaluations: float
    calls: int
    seconds: float
    codec_seconds: float
    seed: int
    method: str

    @property
    def images(self) -> list[Image.Image]:
        """Each variant as the first view shows it."""
        return [show(self.views[0], canvas) for canvas in self.canvases]

    def shown(self, variant: int = 0) -> list[Image.Image]:
        """A variant as each view shows it, exactly: 8-bit values are moved, and none is mixed."""
        return [show(view, self.canvases[variant]) for view in self.views]

    def animation(self, variant: int = 0, *, steps: int = 24, hold: int = 1200) -> list[Frame]:
        """A variant from view to view and back, as `alm_image.animate.animation` gives it."""
        return animation(self.canvases[variant], self.views, steps=steps, hold=hold)


def anagram(
    prompts: Sequence[str] = (),
    views: Sequence[str | View] = (),
    *,
    size: int | None = None,
    upscaler: Upscaler | None = None,
    sync_upscaler: bool = False,
    noise_level: int = NOISE_LEVEL,
    **settings: Unpack[Settings],
) -> AnagramResult:
    """A square picture of which view i shows prompt i; for a model without prompts, one that all views show well.

    `views` are names or objects of `alm_image.views`, one a prompt; where one is missing the first is the picture as it
    is. A single name is one view. `size` in pixels is the model's. The default prior is `Examples`, whose prompts are
    names of pictures.

    The default method is `SyncSDE`, of which 1/λ says how much the earlier prompts weigh: 0 leaves the last alone.
    `ALM` has nothing unobserved here to climb for, and is its pull alone. Joint methods favour no view; all begin from
    one noise, where trajectories in order begin from their own. `Independent` is the floor: the last prompt's own
    sample. Methods that complete what is given are refused.

    `upscaler` enlarges the result: as in the paper, the last view alone under its prompt, with `noise_level`; or with
    `sync_upscaler` all views, averaged as Visual Anagrams does. All else is as in `inpaint`; `reference`, `blend` and
    `prompt` mean nothing here and are refused.

    Raises ValueError when prompts and views do not fit each other or the model.
    """
    start = time.perf_counter()
    told, seen = paired(prompts, views)
    options = _options(settings)
    way, prior = suited(options.used), options.prior
    size = prior.size if size is None else size
    _check(options, size, seen)
    _check_upscaler(upscaler, size, sync_upscaler, noise_level)
    steps, codec = options.steps or prior.defaults.steps, Clock()
    watch = _Watch(options, seen[0], steps * (1 if upscaler is None else 2), codec)
    y, counted = _made(told, seen, way, options, size, steps, watch.stage(0, prior.decode))
    pixels = pixels_of(y, prior.decode, codec)
    if upscaler is not None:
        counted = Counted(upscaler.prior, counted)
        second = Enlarging(counted, upscaler, told, seen, noise_level, steps, options)
        on_step = watch.stage(steps, upscaler.prior.decode)
        y = second.joined(pixels, on_step) if sync_upscaler else second.last(pixels, on_step)
        pixels = pixels_of(y, upscaler.prior.decode, codec)
    return AnagramResult(
        canvases=[image_of(one) for one in pixels],
        views=seen,
        evaluations=counted.rows / options.count,
        calls=counted.calls,
        seconds=time.perf_counter() - start,
        codec_seconds=codec.seconds,
        seed=options.seed,
        method=repr(way),
    )


def paired(prompts: Sequence[str], views: Sequence[str | View]) -> tuple[tuple[str, ...], tuple[View, ...]]:
    """One prompt a view, empty where there are none; the first view is the picture as it is where it was left out.

    Raises ValueError when they do not fit.
    """
    if isinstance(prompts, str) or len(prompts) == 1:
        raise ValueError("two or more prompts are wanted, one for each view, got one: give another and its view")
    views = (views,) if isinstance(views, str) else views
    found = tuple(view_named(view) if isinstance(view, str) else view for view in views)
    wanted = len(prompts) or max(len(found), 2)
    if len(found) == wanted - 1:
        found = (VIEWS["identity"], *found)
    if len(found) != wanted:
        raise ValueError(
            f"{len(prompts)} prompts want as many views, or one fewer where the first is the picture as it is: got "
            f"{len(found)}"
            if prompts
            else "a view is wanted beside the picture as it is, got none: name one, for example rotate-180"
        )
    if len(set(found)) < 2:
        raise ValueError("the views are all the same, so nothing is ambiguous: give another, for example rotate-180")
    return tuple(prompts) or ("",) * wanted, found


def suited(way: Way) -> Way:
    """The method as it is to run where nothing is unobserved. Raises ValueError for one that has no meaning there."""
    if isinstance(way, ALM) and not way.imputation:
        # ΔY is 0 where nothing is unobserved: leaving it out saves its network call.
        return replace(way, off_last=1.0)
    if isinstance(way, Method) and not isinstance(way, SyncSDE | Independent):
        name = type(way).__name__ + (" with imputation" if isinstance(way, ALM) else "")
        raise ValueError(
            f"{name} completes a clean given part, and here nothing is given: use SyncSDE, ALM, or a joint method such "
            "as VisualAnagrams"
        )
    return way


@dataclass(frozen=True)
class _Watch:
    """What `options.on_step` is told over one or two stages of `total` steps in all."""

    options: Options
    view: View
    total: int
    codec: Clock

    def stage(self, done: int, decode: Callable[[Tensor], Tensor]) -> Callable[[Progress], None] | None:
        """What a sampler that begins after `done` steps is to tell; previews are as the first view shows them."""
        told = self.options.on_step
        if told is None:
            return None

        def tell(progress: Progress) -> None:
            def preview() -> Tensor:
                return self.view.read(self.codec(decode, progress.x0()[:1]).cpu())

            told(done + progress.index, self.total, preview)

        return tell


def _made(
    prompts: tuple[str, ...],
    views: tuple[View, ...],
    way: Way,
    options: Options,
    size: int,
    steps: int,
    on_step: Callable[[Progress], None] | None,
) -> tuple[Tensor, Counted]:
    """The state of the canvas, and the prior with what it took."""
    prior = options.prior
    blank = torch.zeros(1, *prior.state_shape(size, size), device=prior.device)
    counted = Counted(prior.given(blank, torch.ones_like(blank)))
    conditions: list[Conditions] = [(prior.condition(one, options.negative_prompt, size, size),) for one in prompts]
    noise = Noise.batch(options.seed, options.count, prior.device)
    schedule = prior.schedule(steps, size, size)
    if isinstance(way, Fusion):
        y = fuse(
            counted,
            schedule,
            views,
            tuple(blank.shape[1:]),
            noise=noise,
            fusion=way,
            conditions=conditions,
            together=options.together,
            on_step=on_step,
        )
    else:
        y = extend(
            counted,
            schedule,
            views,
            blank,
            torch.ones_like(blank),
            noise=noise,
            method=way,
            conditions=conditions,
            later_on_top=True,  # so that each is pulled to the one before it, and the last is the picture
            shared_noise=False,  # as the paper's code has it
            together=options.together,
            on_step=on_step,
        )
    return y, counted


def _options(settings: Settings) -> Options:
    """The options, with this verb's own defaults. Raises ValueError for those that mean nothing here."""
    for name, why in (
        ("reference", "nothing is given, so no noisy given part comes from anywhere"),
        ("blend", "nothing is pasted"),
        ("prompt", "each view has a prompt of its own, and all of them come first"),
    ):
        if settings.get(name):
            raise ValueError(f"{why}: leave {name} out")
    prior, method = settings.get("prior") or Examples(), settings.get("method") or SyncSDE()
    refuse_exemplar(prior)
    return Options.of({**settings, "prior": prior, "method": method})


def _check(options: Options, size: int, views: Sequence[View]) -> None:
    prior = options.prior
    if size < 1:
        raise ValueError(f"the size must be 1 or more, got {size}")
    if size % prior.multiple:
        raise ValueError(f"the size must be a multiple of {prior.multiple}, got {size}")
    if prior.fixed_size and size != prior.size:
        raise ValueError(f"this model makes pictures of {prior.size} x {prior.size} alone, got {size}: leave size out")
    state = prior.state_shape(size, size)
    if state[-1] != size and any(isinstance(view, Negate) for view in views):
        raise ValueError(
            "negate turns the values of pixels, and this model works in latents, whose negative is no picture: use "
            "another view, or a pixel model such as DeepFloyd IF"
        )
    for view in views:
        view.read(torch.zeros(1, *state))
        if isinstance(view, Jigsaw) and state[-1] % view.grid:
            step = math.lcm(prior.multiple, view.grid * size // state[-1])
            raise ValueError(
                f"a jigsaw of {view.grid} x {view.grid} pieces would leave a rim of a picture of {size}: give a size "
                f"that is a multiple of {step}, or another view"
            )


def _check_upscaler(upscaler: Upscaler | None, size: int, sync: bool, noise_level: int) -> None:
    if upscaler is None:
        if sync or noise_level != NOISE_LEVEL:
            raise ValueError("sync_upscaler and noise_level are of an upscaler: give one, or leave them out")
        return
    if upscaler.size <= size:
        raise ValueError(f"the upscaler makes pictures of {upscaler.size}, no larger than {size}: leave it out")
    upscaler.check_level(noise_level)
