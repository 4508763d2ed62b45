"""A group of windows that take each step together: what `extend` and `stream` are made of.

Window i observes what windows 1 … i−1 cover, and reads their states *before* the step, at the same level.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from alm_core.methods import Method, Observed
from alm_core.noise import Noise
from alm_core.prior import Conditions, Prior
from alm_core.reference import Reference, Trajectory
from alm_core.sample import Progress, Run
from alm_core.schedule import Schedule
from alm_core.window import Window, shown

__all__ = ["WINDOW", "States", "View", "Work"]

WINDOW = 3
"""The key of the windows' own sources of noise."""
States = list[Tensor]
"""A window's piece at every level, or the last one alone."""


@dataclass(frozen=True)
class View:
    """A window and what does not change in it.

    All are pieces: `above`, where earlier windows cover it; `hole`, its part of the mask; `unseen`, what of the hole
    earlier windows leave; `given`, the clean given part, and `trajectory`, its X_t. `observes` says whether anything
    is given or made by an earlier window: else it is sampled freely.
    """

    window: Window
    above: Tensor
    hole: Tensor
    unseen: Tensor
    given: Tensor
    trajectory: Trajectory | None
    noise: Noise
    conditions: Conditions
    observes: bool

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one piece."""
        return tuple(self.given.shape[1:])

    def lay(self, piece: Tensor, canvas: Tensor, later_on_top: bool) -> Tensor:
        """The canvas with a piece of it, the next, on top or below what lies there already."""
        if not later_on_top:
            piece = torch.where(self.above > 0, self.window.read(canvas), piece)
        return self.window.write(canvas, piece)

    def whole(self, canvas: Tensor) -> Tensor:
        """The clean part that it observes: what is given, and what earlier windows made on a canvas."""
        made = self.window.read(canvas)
        return made + (1 - self.hole) * (self.given - made)

    def x_t(self, index: int, draw: int, seen: Tensor) -> Tensor:
        """X_t: the given part, and for the rest what is `seen` of the earlier windows."""
        if self.trajectory is None:
            return seen
        return seen + (1 - self.hole) * (self.trajectory(index, draw) - seen)


@dataclass(frozen=True)
class Work:
    """The run over all windows."""

    prior: Prior
    schedule: Schedule
    method: Method
    reference: Reference
    later_on_top: bool
    together: int
    on_step: Callable[[Progress], None] | None

    def __post_init__(self) -> None:
        """Refuses particles: windows in order would each need all those of the others."""
        if self.method.particles > 1:
            raise ValueError(
                f"{type(self.method).__name__} has {self.method.particles} particles a sample and wants one window, "
                "and here are windows in order: use one window, or another method"
            )

    def view(
        self, window: Window, x_0: Tensor, mask: Tensor, covered: Tensor, noise: Noise, conditions: Conditions
    ) -> View:
        """The next window, where `covered` is what the earlier ones cover of the canvas."""
        hole, given = shown(window, mask), window.read(x_0)
        trajectory = None
        if bool((hole < 1).any()):
            run = Run(self.prior, self.schedule, self.method, conditions, noise, tuple(given.shape[1:]))
            trajectory = run.trajectory(given, hole, self.reference)
        above = shown(window, covered)
        unseen = (hole * (1 - above)).expand(len(noise.seeds), *hole.shape[1:])
        observes = bool((unseen < 1).any())
        return View(window, above, hole, unseen, given, trajectory, noise, conditions, observes)

    def lockstep(
        self,
        views: list[View],
        pieces: list[Tensor],
        before: Callable[[int], Tensor],
        *,
        done: int = 0,
        count: int | None = None,
        keep: bool = False,
    ) -> list[States]:
        """All windows of a group, level by level: those that observe nothing in batches of their own.

        `before(index)` is the canvas of what earlier groups made, at each level. Returns the states of each window, of
        which only the last is held unless `keep`. `done` of `count` steps, by default this group's alone, were taken.
        """
        steps = self.schedule.steps
        free = [i for i, view in enumerate(views) if not view.observes]
        bound = [i for i, view in enumerate(views) if view.observes]
        groups = [g[n : n + self.together] for g in (free, bound) for n in range(0, len(g), self.together)]
        # Alone, a window knows the clean part that it observes: the others' is still being made.
        x_0 = views[0].whole(before(steps)) if len(views) == 1 else None
        states = [[piece] for piece in pieces]
        for index in range(steps):
            seen, canvas = [], (bare := before(index))
            for view, piece in zip(views, pieces, strict=True):
                seen.append(view.window.read(canvas))
                canvas = view.lay(piece, canvas, self.later_on_top)
            after, expected = list(pieces), list(pieces)
            for group in groups:
                stepped = self.advance(
                    index, [views[i] for i in group], [pieces[i] for i in group], [seen[i] for i in group], x_0
                )
                for i, piece, x0 in zip(group, *stepped, strict=True):
                    after[i], expected[i] = piece, x0
            pieces = after
            states = [[*(own if keep else ()), piece] for own, piece in zip(states, pieces, strict=True)]
            self.report(done + index, count or steps, views, pieces, expected, bare)
        return states

    def advance(
        self,
        index: int,
        views: list[View],
        pieces: list[Tensor],
        seen: list[Tensor],
        x_0: Tensor | None = None,
    ) -> tuple[list[Tensor], list[Tensor]]:
        """Step `index` of some windows, in one batch: their pieces after it, and the x̂_0 that it went by."""
        conditions = None if views[0].conditions is None else tuple(c for v in views for c in v.conditions or ())
        noise = Noise.join([v.noise for v in views])
        run = Run(self.prior, self.schedule, self.method, conditions, noise, views[0].shape)

        def x_t(draw: int) -> Tensor:
            return torch.cat([v.x_t(index, draw, part) for v, part in zip(views, seen, strict=True)])

        observed = Observed(torch.cat([v.unseen for v in views]), x_t, x_0) if views[0].observes else None
        y_s, x0 = run.step(torch.cat(pieces), index, observed)
        return list(y_s.chunk(len(views))), list(x0.chunk(len(views)))

    def compose(self, views: list[View], pieces: list[Tensor], canvas: Tensor) -> Tensor:
        """All pieces on a canvas."""
        for view, piece in zip(views, pieces, strict=True):
            canvas = view.lay(piece, canvas, self.later_on_top)
        return canvas

    def report(
        self, done: int, count: int, views: list[View], pieces: list[Tensor], expected: list[Tensor], canvas: Tensor
    ) -> None:
        """Tells the callback, which alone needs canvases of the pieces and of what they are expected to become."""
        if self.on_step:
            y, x0 = (partial(self.compose, views, each, canvas) for each in (pieces, expected))
            self.on_step(Progress(done + 1, count, y, x0, tuple(pieces)))
