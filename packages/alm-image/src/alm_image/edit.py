"""Edits a picture by words: what they name is made anew, all else stays (SyncSDE 3.3.2)."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Unpack

import numpy as np
import torch
from alm_core import (
    Counted,
    Inversion,
    Level,
    Method,
    Noise,
    Prediction,
    Prior,
    Progress,
    Reference,
    Schedule,
    SyncSDE,
)
from alm_core.couple import Strand, couple
from alm_core.fusions import Fusion
from alm_core.prior import Conditions
from alm_core.reference import Recorded
from alm_core.sample import suited_reference
from PIL import Image
from torch import Tensor
from torch.nn.functional import interpolate

from alm_image.attention import Reader, background
from alm_image.blend import Gaussian, Hard
from alm_image.complete import Clock, Result, finish, pixels_of, watcher
from alm_image.fit import Fit, fit, fit_whole
from alm_image.io import Picture, read_mask, read_picture
from alm_image.latent import smooth_fill
from alm_image.options import Options, Settings, Way
from alm_image.priors.base import ImagePrior
from alm_image.priors.examples import Examples
from alm_image.prompts import Said, said_of

__all__ = ["THRESHOLD", "EditResult", "edit"]

THRESHOLD = 0.3
"""Of the map, above which is edited, where none is named: the released code's."""


@dataclass(frozen=True)
class EditResult:
    """What `edit` returns.

    `result` is as of the other verbs. `mask` is what was edited, grey of the picture's size, white = made anew; `soft`
    is the foreground map M_fg that it came from, white = 1, or None where a mask was given. `words` are those whose
    attention was read, `edited` is the fraction of the picture that the mask covers, `size` (width, height) the size
    at which the model worked. `source_prompt` is empty where nothing read one.
    """

    result: Result
    mask: Image.Image
    soft: Image.Image | None = field(repr=False)
    source_prompt: str
    prompt: str
    words: tuple[str, ...]
    edited: float
    size: tuple[int, int]


def edit(
    image: str | Path | Image.Image,
    *,
    source_prompt: str | None = None,
    swap: tuple[str, str] | None = None,
    word: str | None = None,
    mask: str | Path | Image.Image | None = None,
    threshold: float | None = None,
    captioner: str | Path | None = None,
    paste: bool = True,
    **settings: Unpack[Settings],
) -> EditResult:
    """Makes the picture be what `prompt` says, in the place that the words lie in which it changes.

    `source_prompt` says what the picture shows, or a BLIP model in the folder `captioner` does; `swap` (old, new) makes
    the prompt of it. The place is where the network's attention to `word` of the source prompt, by default to all that
    the prompt has not, is above `threshold`, 0.3 by default: M_fg > threshold, which is the paper's τ = 1 − threshold
    (see `attention`). `mask`, white = to be edited, says it instead, for models whose attention cannot be read.

    Three trajectories are coupled by the method, SyncSDE unless another is named: the source's, inverted; the prompt's,
    with noise of its own, drawn to the first outside the place; and one from the first's noise, which has the prompt
    and is drawn to the first outside the place and to the second in it. The third is the result; guided, it leads away
    from the source prompt, as the released code has it, unless a negative prompt is given. X_t of the source are the
    states of its inversion, as the paper writes, during which attention is read at no further cost; the released code
    reads it while it makes the picture anew from X_T, whose states it takes. Under another reference than `Inversion`
    the attention costs a call a step.

    A picture with a mask goes to the model as in `inpaint`; without, the whole is resized to the model's size. `paste`
    puts the source back outside the place, by `Gaussian` unless another blend is named; without it the result is the
    third trajectory as it is. `prior` is by default `Examples`, whose prompts are names of pictures. All else is as in
    `inpaint`. Raises ValueError before any work for input that does not fit or would not be read, and after the
    inversion where the threshold leaves nothing to edit or nothing to keep.
    """
    start = time.perf_counter()
    # Blends that lead colours to the border would tint what is new by what it stands in.
    blend = (settings.get("blend") or Gaussian()) if paste else Hard()
    prior, method = settings.get("prior") or Examples(), settings.get("method") or SyncSDE()
    options = Options.of({**settings, "prior": prior, "method": method, "blend": blend})
    _check(threshold, mask is None, paste or not settings.get("blend"))
    coupled, picture = _coupled(method), read_picture(image)
    given = None if mask is None else read_mask(mask, picture)
    reader: Reader | None = getattr(prior, "attention", None)
    if given is None and reader is None:
        raise ValueError("this model's attention cannot be read: say with a mask (--mask) what is to be edited")
    heard = bool(swap) or mask is None or _hears(options, coupled)
    if (source_prompt or captioner) and isinstance(prior, Examples) and not heard:
        raise ValueError(
            'with a mask "examples" reads a source prompt only where the source is inverted: leave it out, or add '
            "--reference inversion (reference=Inversion())"
        )
    said = said_of(picture, options.prompt, source_prompt, swap, word, captioner, mask is None)
    said = said if heard else replace(said, source="")
    watch = None if reader is None or given is not None else _Watch(reader, reader.positions(said.source, said.words))
    return _edited(picture, given, said, watch, coupled, options, threshold or THRESHOLD, paste, start)


def _check(threshold: float | None, mapped: bool, blended: bool) -> None:
    """Raises ValueError for a threshold out of range or without a map, and for a blend where nothing is pasted."""
    if threshold is not None and not 0 < threshold < 1:
        raise ValueError(f"the threshold must lie between 0 and 1, got {threshold}")
    if threshold is not None and not mapped:
        raise ValueError("the mask says where to edit, so no map has a threshold: give the one or the other")
    if not blended:
        raise ValueError("a raw result (--raw, paste=False) is not pasted, so it has no blend: leave the one out")


@dataclass(frozen=True)
class _Watch:
    """What reads the attention, and at which tokens."""

    reader: Reader
    at: tuple[int, ...]


def _edited(
    picture: Picture,
    given: Tensor | None,
    said: Said,
    watch: _Watch | None,
    method: Method,
    options: Options,
    threshold: float,
    paste: bool,
    start: float,
) -> EditResult:
    """The work, after all checks but those that need the map."""
    prior, codec = options.prior, Clock()
    placed = fit_whole(prior, (picture.height, picture.width)) if given is None else fit(prior, given)
    reference = _reference(options, method)
    asked = watch is not None or isinstance(reference, Inversion)
    told = _conditions(prior, said, options.negative_prompt, placed.size, asked)
    pixels = smooth_fill(picture.pixels(), picture.transparent())
    x_0 = codec(prior.encode, placed.to_work(pixels, torch.zeros_like(pixels[:, :1]))[0].to(prior.device))
    schedule = prior.schedule(options.steps or prior.defaults.steps, *placed.size)
    counted, soft = Counted(prior), None
    if watch is not None:
        soft, inverted = _read(watch, counted, schedule, x_0, told[0], (picture.height, picture.width))
        given = _above(soft, threshold, said.words)
        reference = inverted if isinstance(reference, Inversion) else reference
    assert given is not None
    mask, hole = given, _hole(prior, placed, pixels, given)
    counted = Counted(prior.given(x_0, hole), counted)
    region = mask if paste else _raw(placed, picture, mask)

    def show(state: Tensor) -> Tensor:
        made = codec(prior.decode, state).cpu().clamp(-1, 1)
        return torch.where(region > 0, placed.to_picture(made, pixels), pixels)

    strands = _strands(x_0, hole, told, reference)
    y = _third(counted, schedule, strands, tuple(x_0.shape[1:]), method, options, watcher(options, show))
    made = placed.to_picture(pixels_of(y, prior.decode, codec), pixels)
    return EditResult(
        result=finish(picture, region, made, counted, codec, options, start),
        mask=_grey(mask),
        soft=None if soft is None else _grey(soft),
        source_prompt=said.source,
        prompt=said.target,
        words=said.words,
        edited=float((mask > 0).float().mean()),
        size=(placed.size[1], placed.size[0]),
    )


def _reference(options: Options, method: Method) -> Reference:
    """Where the source's noisy states come from."""
    return options.reference or suited_reference(method, options.prior.defaults.reference)


def _hears(options: Options, method: Method) -> bool:
    """Whether a source prompt is read where no attention is: by the inversion, or by guidance away from it."""
    led = options.prior.guided_rows > 1 and not options.negative_prompt
    return led or isinstance(_reference(options, method), Inversion)


def _strands(x_0: Tensor, hole: Tensor, told: tuple[Conditions, ...], reference: Reference) -> tuple[Strand, ...]:
    """The source, the prompt's own trajectory, and the one that follows both: Eq. 8–11 with M = 1 − hole."""
    source, free, both = told
    return (
        Strand(source, given=x_0, reference=reference),
        Strand(free, follows={0: 1 - hole}),
        Strand(both, follows={0: 1 - hole, 1: hole}, start=0),
    )


def _third(
    prior: Prior,
    schedule: Schedule,
    strands: Sequence[Strand],
    shape: tuple[int, ...],
    method: Method,
    options: Options,
    on_step: Callable[[Progress], None] | None,
) -> Tensor:
    """The last state of the third trajectory, which is the result."""
    return couple(
        prior,
        schedule,
        strands,
        shape,
        noise=Noise.batch(options.seed, options.count, options.prior.device),
        method=method,
        together=options.together,
        on_step=on_step,
    )[-1]


def _conditions(
    prior: ImagePrior, said: Said, negative: str, size: tuple[int, int], asked: bool
) -> tuple[Conditions, Conditions, Conditions]:
    """What each trajectory is told; the source's is None where no network is `asked` about it."""
    free = (prior.condition(said.target, negative, *size),)
    away = negative or (said.source if prior.guided_rows > 1 else "")
    both = free if away == negative else (prior.condition(said.target, away, *size),)
    return ((prior.condition(said.source, "", *size),) if asked else None), free, both


def _read(
    watch: _Watch, prior: Prior, schedule: Schedule, x_0: Tensor, conditions: Conditions, size: tuple[int, int]
) -> tuple[Tensor, Recorded]:
    """M_fg (1, 1, *size) in [0, 1] of the tokens, and the source's states, from one inversion."""

    def predict(x: Tensor, level: Level) -> Prediction:
        return prior.predict(x, level, conditions)

    with torch.no_grad(), watch.reader.watch(watch.at, (x_0.shape[-2], x_0.shape[-1])) as maps:
        x_t = Inversion().start(x_0, torch.zeros_like(x_0), schedule, predict, Noise((0,)))
    states = Recorded(tuple(x_t(index, 0) for index in range(len(schedule.levels))))
    fore = interpolate(maps.fore[None, None], size, mode="bilinear", align_corners=False)
    return fore.cpu().clamp(0, 1), states


def _above(soft: Tensor, threshold: float, words: tuple[str, ...]) -> Tensor:
    """1 − B: what is to be edited. Raises ValueError where that is nothing or all."""
    mask = 1 - background(soft, 1 - threshold)[1]
    share = float(mask.mean())
    if share in (0, 1):
        raise ValueError(
            f"{'nothing' if share == 0 else 'all'} of the picture is above the threshold {threshold:g}: the map of "
            f"{', '.join(words)} goes from {float(soft.min()):.3f} to {float(soft.max()):.3f}; give a threshold "
            "between these, another word, or a mask"
        )
    return mask


def _hole(prior: ImagePrior, placed: Fit, pixels: Tensor, mask: Tensor) -> Tensor:
    """The mask in cells of the state: any part of it makes a cell of the hole."""
    return prior.mask_to_state((placed.to_work(pixels, mask)[1] > 0).float().to(prior.device))


def _raw(placed: Fit, picture: Picture, mask: Tensor) -> Tensor:
    """All that was worked on, but for what is transparent and not to be edited."""
    top, left, height, width = placed.crop
    region = torch.zeros_like(mask)
    region[..., top : top + height, left : left + width] = 1
    return torch.where((picture.transparent() > 0) & (mask == 0), 0.0, region)


def _grey(mask: Tensor) -> Image.Image:
    return Image.fromarray((mask[0, 0] * 255).round().numpy().astype(np.uint8))


def _coupled(way: Way) -> Method:
    """The method, if trajectories can be coupled by it. Raises ValueError."""
    name = type(way).__name__
    if isinstance(way, Fusion):
        raise ValueError(f"{name} joins windows on one canvas, and an edit couples trajectories: use SyncSDE or ALM")
    if way.needs_clean or way.particles > 1:
        raise ValueError(
            f"{name} needs the clean source or particles, which coupled trajectories do not have: use SyncSDE or ALM"
        )
    return way
