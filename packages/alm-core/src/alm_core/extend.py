"""Windows in order, each given the earlier ones: a sample larger than the network makes at once.

Window i observes what windows 1 … i−1 cover. It reads their states *before* the step, at the same t, so all
windows can take the step together (lockstep) and share network calls; one after another, each against the
recorded states of the earlier ones, is the same computation.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from alm_core.methods import ALM, Method, Observed
from alm_core.noise import Noise
from alm_core.prior import Conditions, Prior, rows_of
from alm_core.reference import FixedNoise, Reference, Trajectory
from alm_core.sample import INITIAL, Progress, Run, given_part, suited_reference
from alm_core.schedule import Schedule
from alm_core.window import Window

__all__ = ["extend"]

WINDOW = 3
"""The key of the windows' own sources of noise."""


def extend(
    prior: Prior,
    schedule: Schedule,
    windows: Sequence[Window],
    x_0: Tensor,
    mask: Tensor,
    *,
    noise: Noise,
    method: Method | None = None,
    reference: Reference | None = None,
    conditions: Sequence[Conditions] | None = None,
    later_on_top: bool = False,
    shared_noise: bool = True,
    lockstep: bool = True,
    together: int | None = None,
    on_step: Callable[[Progress], None] | None = None,
) -> Tensor:
    """Completes the canvas x_0 (rows or 1, …) where mask is 1, window by window; returns it, float32 (rows, …).

    Windows are taken in the order given and their pieces must have one shape. `mask` (broadcastable to x_0) is
    all ones to make a canvas from nothing. Where windows overlap the earlier one lies on top, as in ALM, or the
    later with `later_on_top`, as in SyncSDE. `conditions` has one entry a window. `shared_noise` cuts the first
    states from one canvas of noise; else each window draws its own. `lockstep` advances all windows at each
    level, at most `together` of them in a network call (None: all). Without it each window is finished before
    the next, which stores the canvas at every level, and methods that need the clean observed part can run.

    Raises ValueError when a part of the mask lies in no window, and as `sample` does.
    """
    rows = len(noise.seeds)
    x_0, mask = given_part(x_0, mask, rows)
    if conditions is not None and len(conditions) != len(windows):
        raise ValueError(f"one entry of conditions a window is wanted: got {len(conditions)} for {len(windows)}")
    with torch.no_grad():
        canvas_noise = noise.draw(x_0.shape[1:], INITIAL)
        method = method or ALM()
        reference = reference or suited_reference(method, FixedNoise())
        work = _Work(prior, schedule, method, reference, later_on_top, together or max(len(windows), 1), on_step)
        views, covered = [], torch.zeros_like(x_0[:1])
        for i, window in enumerate(windows):
            prompt = rows_of(conditions[i] if conditions else None, rows)
            views.append(work.view(window, x_0, mask, covered, noise.child(WINDOW, i), prompt))
            covered = window.write(covered, torch.ones_like(views[-1].hole[:1]))
        if bool(((mask > 0) & (covered == 0)).any()):
            raise ValueError("a part of what is to be generated lies in no window: add windows or lower the stride")
        pieces = [v.window.read(canvas_noise) if shared_noise else v.noise.draw(v.shape, INITIAL) for v in views]
        run = work.lockstep if lockstep else work.sequential
        canvas = x_0.expand(rows, *x_0.shape[1:])
        return work.compose(views, run(views, pieces, torch.zeros_like(canvas)), canvas)


@dataclass(frozen=True)
class _View:
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

    def x_t(self, index: int, draw: int, seen: Tensor) -> Tensor:
        """X_t: the given part, and for the rest what is `seen` of the earlier windows."""
        if self.trajectory is None:
            return seen
        return seen + (1 - self.hole) * (self.trajectory(index, draw) - seen)


@dataclass(frozen=True)
class _Work:
    """The run over all windows."""

    prior: Prior
    schedule: Schedule
    method: Method
    reference: Reference
    later_on_top: bool
    together: int
    on_step: Callable[[Progress], None] | None

    def view(
        self, window: Window, x_0: Tensor, mask: Tensor, covered: Tensor, noise: Noise, conditions: Conditions
    ) -> _View:
        """The next window, where `covered` is what the earlier ones cover of the canvas."""
        hole, given = window.read(mask), window.read(x_0)
        trajectory = None
        if bool((hole < 1).any()):
            run = Run(self.prior, self.schedule, self.method, conditions, noise, tuple(given.shape[1:]))
            trajectory = run.trajectory(given, hole, self.reference)
        above = window.read(covered)
        unseen = (hole * (1 - above)).expand(len(noise.seeds), *hole.shape[1:])
        observes = bool((unseen < 1).any())
        return _View(window, above, hole, unseen, given, trajectory, noise, conditions, observes)

    def lockstep(self, views: list[_View], pieces: list[Tensor], blank: Tensor) -> list[Tensor]:
        """All windows, level by level: those that observe nothing in batches of their own."""
        free = [i for i, view in enumerate(views) if not view.observes]
        bound = [i for i, view in enumerate(views) if view.observes]
        groups = [g[n : n + self.together] for g in (free, bound) for n in range(0, len(g), self.together)]
        for index in range(self.schedule.steps):
            seen, canvas = [], blank
            for view, piece in zip(views, pieces, strict=True):
                seen.append(view.window.read(canvas))
                canvas = self.lay(view, piece, canvas)
            after, expected = list(pieces), list(pieces)
            for group in groups:
                stepped = self.advance(
                    index, [views[i] for i in group], [pieces[i] for i in group], [seen[i] for i in group]
                )
                for i, piece, x0 in zip(group, *stepped, strict=True):
                    after[i], expected[i] = piece, x0
            pieces = after
            self.report(index, self.schedule.steps, views, pieces, expected, blank)
        return pieces

    def sequential(self, views: list[_View], pieces: list[Tensor], blank: Tensor) -> list[Tensor]:
        """One window after another, against the recorded canvas of each level."""
        steps = self.schedule.steps
        canvases, done = [blank] * (steps + 1), []
        for i, (view, piece) in enumerate(zip(views, pieces, strict=True)):
            states = [piece]
            clean = view.window.read(canvases[-1])
            x_0 = clean + (1 - view.hole) * (view.given - clean)
            for index in range(steps):
                after, expected = self.advance(index, [view], states[-1:], [view.window.read(canvases[index])], x_0)
                states += after
                self.report(i * steps + index, len(views) * steps, [view], after, expected, blank)
            canvases = [self.lay(view, state, canvas) for state, canvas in zip(states, canvases, strict=True)]
            done.append(states[-1])
        return done

    def advance(
        self,
        index: int,
        views: list[_View],
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

    def lay(self, view: _View, piece: Tensor, canvas: Tensor) -> Tensor:
        """The canvas with the piece of the next window, on top or below what lies there already."""
        if not self.later_on_top:
            piece = torch.where(view.above > 0, view.window.read(canvas), piece)
        return view.window.write(canvas, piece)

    def compose(self, views: list[_View], pieces: list[Tensor], canvas: Tensor) -> Tensor:
        """All pieces on a canvas."""
        for view, piece in zip(views, pieces, strict=True):
            canvas = self.lay(view, piece, canvas)
        return canvas

    def report(
        self, done: int, count: int, views: list[_View], pieces: list[Tensor], expected: list[Tensor], blank: Tensor
    ) -> None:
        """Tells the callback, which alone needs canvases of the pieces and of what they are expected to become."""
        if self.on_step:
            y, x0 = (partial(self.compose, views, each, blank) for each in (pieces, expected))
            self.on_step(Progress(done + 1, count, y, x0, tuple(pieces)))
