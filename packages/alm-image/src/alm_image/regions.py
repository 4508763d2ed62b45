"""A picture of which parts have prompts of their own: a background, regions upon it, and the whole.

Trajectories 0 (the background), 1 … n (the regions) and n + 1 (the whole, whose end is the result) share one canvas.
With m_k the mask of region k and v_k what is seen of it, as later regions lie on top of earlier ones,

    v_k = m_k Π_{j>k} (1 − m_j),   v_0 = Π_j (1 − m_j),   Σ_k v_k = 1

region k follows the background where 1 − m_k (SyncSDE Eq. 8, 9), and the whole follows each trajectory k where v_k
(Eq. 10, 11, which are this for n = 1 with their M = 1 − m_1).
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Unpack

import numpy as np
import torch
from alm_core import Conditions, Counted, Method, Noise, Progress, Schedule, Slice
from alm_core.couple import Strand, couple
from alm_core.fuse import fuse
from alm_core.fusions import Fusion, MultiDiffusion, StochSync, SyncTweedies, VisualAnagrams
from PIL import Image
from torch import Tensor

from alm_image.blend import Hard
from alm_image.complete import Clock, Result, finish, pixels_of, watcher
from alm_image.io import Picture
from alm_image.layers import cells_of, read_regions, scaled, seen_of, size_of
from alm_image.options import Options, Settings
from alm_image.priors.examples import Examples
from alm_image.priors.exemplar import refuse_exemplar

__all__ = ["regions"]

COLOURS = 5
"""The key of the colours that bootstrapping shows."""
BOOTSTRAP = 0.4
"""The greatest part of the steps that bootstrap where nobody says how many: 20 of 50, as in the public code."""


def regions(
    background: str,
    foregrounds: Sequence[tuple[str | Path | Image.Image, str]],
    *,
    height: int | None = None,
    width: int | None = None,
    bootstrap: int | None = None,
    **settings: Unpack[Settings],
) -> Result:
    """A picture of the prompt `background` with regions, each a mask, white where it is, and a prompt.

    Masks may be soft. Where they overlap, the later region lies on top. All have one size, which is the picture's
    unless `height` and `width` say another; of one alone the other follows. `prompt` is that of the whole picture, by
    default all the others joined. `prior` is by default `Examples`, whose prompts are names of pictures.

    `method` is a `Method` that needs nothing finished to go by, by default `SyncSDE` for networks and `Replacement` for
    examples, which hold a mask more firmly so; or a joint one that the paper compares with: `MultiDiffusion` or
    `SyncTweedies` (Eq. 23), which have no trajectory of the whole and so no `prompt`. MultiDiffusion's first
    `bootstrap` steps show regions before plain colours; None is as many as the method says, but at most two fifths of
    the steps. Nothing is given, so there is no `reference`, and nothing is pasted, so there is no `blend`. All else is
    as in `inpaint`.

    On the state's grid a mask is its mean over each cell, so that a soft edge stays soft and the shares still sum to 1;
    SyncSDE's code takes one pixel of each cell and thresholds it.

    Raises TypeError, ValueError or OSError, before anything is sampled, when masks, sizes, prompts or the method do not
    fit.
    """
    start = time.perf_counter()
    _check_pairs(foregrounds)
    options = _options(settings, bootstrap)
    masks = read_regions([mask for mask, _ in foregrounds])
    size = size_of(options.prior, masks, height, width)
    prompts = [background, *(prompt for _, prompt in foregrounds)]
    codec = Clock()
    canvas = _Canvas.of(options, scaled(masks, size), prompts, size)
    on_step = watcher(options, lambda state: codec(options.prior.decode, state).cpu())
    if isinstance(options.used, Fusion):
        y = _joined(canvas, options, options.used, _solids(canvas, options, size, codec), on_step)
    else:
        y = _coupled(canvas, options, options.used, on_step)
    made = pixels_of(y, options.prior.decode, codec)
    blank = Picture(np.zeros((*size, 3), np.uint8))
    bare = replace(options, blend=Hard())
    return finish(blank, torch.ones(1, 1, *size), made, canvas.prior, codec, bare, start)


@dataclass(frozen=True)
class _Canvas:
    """What coupled and joined trajectories share.

    `own` (regions, 1, …) are the masks on the state's grid, `seen` (1 + regions, 1, …) what is seen of the background
    and of each; `told` are the conditions of the background, of each region and, where one is made, of the whole.
    """

    prior: Counted
    schedule: Schedule
    told: list[Conditions]
    own: Tensor
    seen: Tensor
    shape: tuple[int, ...]
    noise: Noise

    @staticmethod
    def of(options: Options, masks: Tensor, prompts: Sequence[str], size: tuple[int, int]) -> "_Canvas":
        """Of masks (regions, 1, height, width) of the picture's size; a prompt that comes twice is read once."""
        prior = options.prior
        if not isinstance(options.used, Fusion):
            whole = options.prompt or prior.defaults.between.join(dict.fromkeys(p for p in prompts if p))
            prompts = [*prompts, whole]
        known = {p: prior.condition(p, options.negative_prompt, *size) for p in dict.fromkeys(prompts)}
        shape = prior.state_shape(*size)
        own, seen = (cells_of(maps, shape).to(prior.device) for maps in (masks, seen_of(masks)))
        return _Canvas(
            prior=Counted(prior),
            schedule=prior.schedule(options.steps or prior.defaults.steps, *size),
            told=[(known[p],) for p in prompts],
            own=own,
            seen=seen,
            shape=shape,
            noise=Noise.batch(options.seed, options.count, prior.device),
        )


def _coupled(canvas: _Canvas, options: Options, method: Method, on_step: Callable[[Progress], None] | None) -> Tensor:
    """The last state of the trajectory of the whole."""
    first, *inner, whole = canvas.told
    strands = [
        Strand(first),
        *(Strand(told, {0: 1 - mask}) for told, mask in zip(inner, canvas.own, strict=True)),
        Strand(whole, dict(enumerate(canvas.seen))),
    ]
    return couple(
        canvas.prior,
        canvas.schedule,
        strands,
        canvas.shape,
        noise=canvas.noise,
        method=method,
        together=options.together,
        on_step=on_step,
    )[-1]


def _joined(
    canvas: _Canvas,
    options: Options,
    fusion: Fusion,
    solids: Tensor | None,
    on_step: Callable[[Progress], None] | None,
) -> Tensor:
    """The last state of the canvas of all; region k sees the colours `solids` from the k-th on."""
    weights = list(canvas.seen)
    if isinstance(fusion, SyncTweedies):  # Eq. 23: within a region its mean with the background
        weights[0] = torch.ones_like(weights[0])
    backgrounds = None if solids is None else [None, *(solids.roll(-k, 0) for k in range(len(canvas.own)))]
    extent = canvas.shape[1:]
    return fuse(
        canvas.prior,
        canvas.schedule,
        [Slice((0,) * len(extent), extent)] * len(weights),
        canvas.shape,
        noise=canvas.noise,
        fusion=fusion,
        conditions=canvas.told,
        weights=weights,
        backgrounds=backgrounds,
        together=options.together,
        on_step=on_step,
    )


def _solids(canvas: _Canvas, options: Options, size: tuple[int, int], codec: Clock) -> Tensor | None:
    """(choices, rows, …) states of plain pictures, of random colours of each row's own, one a step that shows them."""
    way = options.used
    choices = min(way.bootstrap, canvas.schedule.steps) if isinstance(way, MultiDiffusion) else 0
    if not choices:
        return None
    colours = 2 * torch.special.ndtr(canvas.noise.child(COLOURS).draw((choices, 3, 1, 1))) - 1
    plain = (colours[:, n].expand(-1, -1, *size).contiguous() for n in range(choices))
    return torch.stack([codec(options.prior.encode, pixels) for pixels in plain])


def _check_pairs(foregrounds: Sequence[object]) -> None:
    """Raises TypeError unless each is a mask and a prompt."""
    for number, pair in enumerate(foregrounds, 1):
        if not isinstance(pair, tuple | list) or len(pair) != 2:
            raise TypeError(f"a region is a mask and its prompt, (mask, prompt): region {number} is {pair!r}")
        mask, prompt = pair
        if not isinstance(mask, str | Path | Image.Image) or not isinstance(prompt, str):
            raise TypeError(
                f"a region is a file's name or a PIL picture, and a text: region {number} is {mask!r} and {prompt!r}"
            )


def _options(settings: Settings, bootstrap: int | None) -> Options:
    """The options with what regions take by default. Raises ValueError for what does not apply to them."""
    prior = settings.get("prior") or Examples()
    refuse_exemplar(prior)
    way = settings.get("method") or prior.defaults.coupled
    options = Options.of({**settings, "prior": prior, "method": way})
    for name, why in (("reference", "nothing is given"), ("blend", "nothing is pasted")):
        if getattr(options, name) is not None:
            raise ValueError(f"regions have no {name}, since {why}: leave it out")
    if bootstrap is not None and not isinstance(way, MultiDiffusion):
        raise ValueError(f"bootstrap is MultiDiffusion's, got {bootstrap} for {type(way).__name__}: leave it out")
    if isinstance(way, Fusion):
        _check_fusion(way, options)
    elif way.needs_clean or way.particles > 1:
        raise ValueError(
            f"{type(way).__name__} cannot make regions: it wants particles, or the background finished, and all "
            "trajectories are made together; use SyncSDE, ALM, StochasticALM, RePaint or Replacement"
        )
    if isinstance(way, MultiDiffusion):
        most = round(BOOTSTRAP * (options.steps or prior.defaults.steps))
        way = replace(way, bootstrap=min(way.bootstrap, most) if bootstrap is None else bootstrap)
    return replace(options, method=way)


def _check_fusion(fusion: Fusion, options: Options) -> None:
    """Raises ValueError for joint methods of views, and for a prompt that no joint method would read."""
    if isinstance(fusion, StochSync | VisualAnagrams):
        raise ValueError(
            f"{type(fusion).__name__} joins views of one prompt each, not regions: use MultiDiffusion or SyncTweedies, "
            "or couple trajectories with SyncSDE"
        )
    if options.prompt:
        raise ValueError(
            f"{type(fusion).__name__} has no trajectory of the whole picture that would read its prompt, got "
            f"{options.prompt!r}: leave it out, or use SyncSDE"
        )
