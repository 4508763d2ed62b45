"""Windows in order, each given the earlier ones: a sample larger than the network makes at once.

Window i observes what windows 1 … i−1 cover. It reads their states *before* the step, at the same t, so all
windows can take the step together (lockstep) and share network calls; one after another, each against the
recorded states of the earlier ones, is the same computation.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from alm_core.methods import ALM, Method
from alm_core.noise import Noise
from alm_core.prior import Conditions, Prior, rows_of
from alm_core.reference import FixedNoise, Reference
from alm_core.sample import INITIAL, Progress, given_part, suited_reference
from alm_core.schedule import Schedule
from alm_core.window import Window, coverage
from alm_core.windowed import WINDOW, View, Work

__all__ = ["extend"]


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
        work = Work(prior, schedule, method, reference, later_on_top, together or max(len(windows), 1), on_step)
        views, covered = [], torch.zeros_like(x_0[:1])
        for i, window in enumerate(windows):
            prompt = rows_of(conditions[i] if conditions else None, rows)
            views.append(work.view(window, x_0, mask, covered, noise.child(WINDOW, i), prompt))
            covered = torch.maximum(covered, coverage(window, covered))
        if bool(((mask > 0) & (covered == 0)).any()):
            raise ValueError("a part of what is to be generated lies in no window: add windows or lower the stride")
        pieces = [v.window.read(canvas_noise) if shared_noise else v.noise.draw(v.shape, INITIAL) for v in views]
        canvas = x_0.expand(rows, *x_0.shape[1:])
        run = _lockstep if lockstep else _sequential
        return work.compose(views, run(work, views, pieces, torch.zeros_like(canvas)), canvas)


def _lockstep(work: Work, views: list[View], pieces: list[Tensor], blank: Tensor) -> list[Tensor]:
    """All windows as one group."""
    return [states[-1] for states in work.lockstep(views, pieces, lambda index: blank)]


def _sequential(work: Work, views: list[View], pieces: list[Tensor], blank: Tensor) -> list[Tensor]:
    """One window after another, against the recorded canvas of each level."""
    steps = work.schedule.steps
    canvases, done = [blank] * (steps + 1), []
    for i, (view, piece) in enumerate(zip(views, pieces, strict=True)):
        (states,) = work.lockstep(
            [view], [piece], canvases.__getitem__, done=i * steps, count=len(views) * steps, keep=True
        )
        canvases = [view.lay(state, canvas, work.later_on_top) for state, canvas in zip(states, canvases, strict=True)]
        done.append(states[-1])
    return done
