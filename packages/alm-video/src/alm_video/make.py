"""What all verbs end in: the made part of a canvas, in the order of time, as it is made.

A canvas is the known head, what is to be made, and the known tail, in frames of the state: see `alm_video.windows`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import torch
from alm_core import Counted, Independent, Method, Noise, Prior, Progress, Replacement, Schedule, Slice
from alm_core.fuse import fuse
from alm_core.fusions import Fusion
from alm_core.sample import suited_reference
from alm_core.stream import Strip, stream
from torch import Tensor

from alm_video.freenoise import FreeNoise
from alm_video.options import Options
from alm_video.order import in_order
from alm_video.windows import Plan

__all__ = ["Canvas", "Tally", "made"]


@dataclass
class Tally:
    """What it has taken so far: `calls` of the network and `evaluations`, its rows; guided rows count double."""

    calls: int = 0
    evaluations: int = 0


@dataclass(frozen=True)
class Canvas:
    """The plan's known frames: `head` and `tail` (1, channels, frames, …), of one frame's `shape` (channels, …).

    Each of `examples` (1, channels, frames, …) are frames of a clip, for a prior that is made from it. `height` and
    `width` are pixels.
    """

    plan: Plan
    shape: tuple[int, int, int]
    head: Tensor | None
    tail: Tensor | None
    examples: Sequence[Tensor]
    height: int
    width: int
    device: torch.device
    tally: Tally = field(default_factory=Tally)

    def known(self, start: int, stop: int) -> tuple[Tensor, Tensor]:
        """x_0 (1, channels, stop − start, …), 0 where nothing is known, and its mask (1, 1, stop − start, 1, 1)."""
        plan = self.plan
        channels, *beyond = self.shape
        x_0 = torch.zeros(1, channels, stop - start, *beyond, device=self.device)
        mask = torch.ones(1, 1, stop - start, 1, 1, device=x_0.device)
        for part, first in ((self.head, 0), (self.tail, plan.head + plan.made)):
            if part is not None:
                begin, end = max(first, start), min(first + part.shape[2], stop)
                if begin < end:
                    x_0[:, :, begin - start : end - start] = part[:, :, begin - first : end - first]
                    mask[:, :, begin - start : end - start] = 0
        return x_0, mask


def made(canvas: Canvas, options: Options) -> Iterator[Tensor]:
    """The plan's made frames in parts (1, channels, frames, …), float32, as soon as their turn has come.

    Raises ValueError where the method does not fit the model, `NotFiniteError` when the state becomes NaN or infinite.
    """
    way, prior, plan = options.used, options.prior, canvas.plan
    told = _told(canvas, options)
    if prior.recalls(canvas.height, canvas.width):
        anew = "this model is made anew for each window, one after another"
        if not isinstance(way, Method):
            raise ValueError(f"{anew}, so that {type(way).__name__} cannot be: leave the method out, or name alm")
        if options.together > 1:
            raise ValueError(f"{anew}, got {options.together} together: leave together out")
    if isinstance(way, FreeNoise):
        if plan.ring or len(options.prompts or {}) > 1:
            raise ValueError(
                "FreeNoise makes all frames at once, by one prompt and without rings: leave loop and further prompts "
                "out, or use --method alm"
            )
        parts = _at_once(canvas, replace(options, prior=prior.fused(way.window, way.stride)), way)
    elif isinstance(way, Fusion):
        parts = _joined(canvas, options, way, told)
    else:
        parts = _in_turn(canvas, options, way, told)
    return in_order(parts, plan.head, plan.head + plan.made)


def _in_turn(
    canvas: Canvas, options: Options, method: Method, told: Mapping[int, object]
) -> Iterator[tuple[int, Tensor]]:
    """Window after window, each given the earlier ones."""
    prior, plan = options.prior, canvas.plan
    given = prior.given(canvas.examples, (canvas.shape[0], plan.size, *canvas.shape[1:]))
    counted: Counted | None = None

    def prior_for(x_0: Tensor, mask: Tensor) -> Prior:
        nonlocal counted
        counted = Counted(given(x_0, mask), counted)
        return counted

    def tell(at: Progress) -> None:
        assert counted is not None
        _tell(canvas, options, counted, at.index, at.count, -(-len(plan.starts) // options.together))

    return stream(
        prior_for,
        _schedule(canvas, options, plan.size),
        Strip(plan.starts, plan.size, canvas.known, plan.length if plan.ring else None),
        noise=Noise((options.seed,), prior.device),
        method=method,
        reference=options.reference or suited_reference(method, prior.defaults.reference),
        conditions=lambda start: (told[start],),
        later_on_top=options.later_on_top,
        together=options.together,
        on_step=tell,
    )


def _at_once(canvas: Canvas, options: Options, way: FreeNoise) -> Iterator[tuple[int, Tensor]]:
    """The whole canvas as one window of a network whose attention is windowed; what is known is replaced each step."""
    plan = replace(canvas.plan, starts=(0,), size=canvas.plan.length)
    whole, counted = replace(canvas, plan=plan), Counted(options.prior)
    (told,) = _told(whole, options).values()
    return stream(
        lambda x_0, mask: counted,
        _schedule(canvas, options, plan.size),
        Strip(plan.starts, plan.size, canvas.known),
        noise=Noise((options.seed,), options.prior.device),
        method=Replacement() if canvas.head is not None or canvas.tail is not None else Independent(),
        conditions=lambda start: (told,),
        begins=lambda frame: way.begins(frame, options.seed),
        on_step=lambda at: _tell(canvas, options, counted, at.index, at.count, 1),
    )


def _joined(
    canvas: Canvas, options: Options, fusion: Fusion, told: Mapping[int, object]
) -> Iterator[tuple[int, Tensor]]:
    """All windows on one canvas, mixed where they overlap."""
    prior, plan = options.prior, canvas.plan
    counted = Counted(prior)
    x_0, mask = canvas.known(0, plan.length)
    beyond = canvas.shape[1:]
    yield (
        0,
        fuse(
            counted,
            _schedule(canvas, options, plan.size),
            [Slice((start, 0, 0), (plan.size, *beyond), (plan.ring, False, False)) for start in plan.starts],
            (canvas.shape[0], plan.length, *beyond),
            noise=Noise((options.seed,), prior.device),
            fusion=fusion,
            conditions=[(told[start],) for start in plan.starts],
            x_0=x_0,
            mask=mask,
            together=options.together,
            on_step=lambda at: _tell(canvas, options, counted, at.index, at.count, 1),
        ),
    )


def _tell(canvas: Canvas, options: Options, counted: Counted, done: int, count: int, windows: int) -> None:
    canvas.tally.calls, canvas.tally.evaluations = counted.calls, counted.rows
    if options.on_step:
        options.on_step(done, count, windows)


def _schedule(canvas: Canvas, options: Options, frames: int) -> Schedule:
    steps = options.steps or options.prior.defaults.steps
    return options.prior.schedule(steps, canvas.height, canvas.width, frames)


def _told(canvas: Canvas, options: Options) -> Mapping[int, object]:
    """What each window is told, by its start: the prompt that holds in the middle of what is its own to make."""
    plan, pace = canvas.plan, options.prior.pace
    late = [frame for frame in options.prompts or {} if frame >= plan.made * pace]
    if late:
        raise ValueError(f"{plan.made * pace} frames are made, so that no prompt holds from frame {late[0]} on")
    prompts: dict[int, str] = {}
    left = set(range(plan.made))
    for start in plan.starts:
        own = {p % plan.length - plan.head for p in range(start, start + plan.size)} & left
        prompts[start] = options.prompt_at(sorted(own)[len(own) // 2] * pace if own else 0)
        left -= own
    made = {prompt: options.prior.condition(prompt, options.negative_prompt) for prompt in set(prompts.values())}
    return {start: made[prompt] for start, prompt in prompts.items()}
