"""Joint methods: all windows at once on one canvas, no order among them.

At each level every window is predicted from its view of the canvas, and a `Fusion` says what is averaged where
windows overlap. Prefer `extend` where quality counts: averages blur. They are here to compare with.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from alm_core.methods import blend
from alm_core.noise import Noise
from alm_core.prior import Conditions, Prediction, Prior, ddim, rows_of
from alm_core.sample import INITIAL, REFERENCE, given_part
from alm_core.schedule import Level, Schedule
from alm_core.window import Window, coverage

__all__ = ["Fusion", "MultiDiffusion", "SyncTweedies", "fuse"]


class Fusion(ABC):
    """What is averaged: a frozen dataclass, as a method is."""

    @abstractmethod
    def step(self, y_t: Tensor, views: Sequence[Prediction], overlap: "Overlap", t: Level, s: Level) -> Tensor:
        """Returns the canvas y_s from the canvas y_t and the guided predictions of its windows."""


@dataclass(frozen=True)
class Overlap:
    """The windows on a canvas and how many of them cover each place: `average` is the mean of the pieces there."""

    windows: Sequence[Window]
    count: Tensor

    def average(self, pieces: Sequence[Tensor], canvas: Tensor) -> Tensor:
        """The mean of the pieces where windows lie, `canvas` elsewhere."""
        blank = torch.zeros_like(canvas)
        total = sum((w.write(blank, p) for w, p in zip(self.windows, pieces, strict=True)), blank)
        return torch.where(self.count > 0, total / self.count.clamp(min=1), canvas)


@dataclass(frozen=True)
class MultiDiffusion(Fusion):
    """MultiDiffusion (Bar-Tal et al., ICML 2023, Eq. 3): the mean of the windows' steps, y_s = mean_i DDIM(y^i)."""

    def step(self, y_t: Tensor, views: Sequence[Prediction], overlap: Overlap, t: Level, s: Level) -> Tensor:
        """See `Fusion`."""
        return overlap.average([ddim(view, s) for view in views], y_t)


@dataclass(frozen=True)
class SyncTweedies(Fusion):
    """SyncTweedies (Kim et al., NeurIPS 2024, its case 2): the mean of the windows' x̂_0, then one DDIM step."""

    def step(self, y_t: Tensor, views: Sequence[Prediction], overlap: Overlap, t: Level, s: Level) -> Tensor:
        """See `Fusion`: ε̂ follows from the averaged x̂_0 and y_t."""
        x0 = overlap.average([view.x0 for view in views], y_t)
        return ddim(Prediction.from_x0(y_t, t, x0), s)


def fuse(
    prior: Prior,
    schedule: Schedule,
    windows: Sequence[Window],
    shape: tuple[int, ...],
    *,
    noise: Noise,
    fusion: Fusion,
    conditions: Sequence[Conditions] | None = None,
    x_0: Tensor | None = None,
    mask: Tensor | None = None,
    together: int | None = None,
    on_step: Callable[[int, int], None] | None = None,
) -> Tensor:
    """Makes a canvas of `shape` (of one sample), or what of x_0 lies where mask is 1; float32 (rows, *shape).

    The given part of x_0 (rows or 1, …) is noised with one noise for all levels and stands on the canvas at each. A
    network call has at most `together` windows (None: all, one call a step). `on_step` is told how many steps of how
    many are done. Raises ValueError when a part of the canvas lies in no window.
    """
    rows = len(noise.seeds)
    if (x_0 is None) != (mask is None):
        raise ValueError("give x_0 and mask together, or neither")
    with torch.no_grad():
        y = noise.draw(shape, INITIAL)
        blank = torch.zeros_like(y[:1])
        hole = torch.ones_like(blank)
        if x_0 is not None and mask is not None:
            x_0, hole = given_part(x_0, mask, rows)
        z = noise.child(REFERENCE).draw(shape)
        overlap = Overlap(windows, sum((coverage(w, blank) for w in windows), blank))
        if bool((hole * (overlap.count == 0)).any()):
            raise ValueError("a part of what is to be generated lies in no window: add windows or lower the stride")
        each = [rows_of(c, rows) for c in (conditions or [None] * len(windows))]
        parts = [slice(n, n + (together or len(windows))) for n in range(0, len(windows), together or len(windows))]
        for index, (t, s) in enumerate(pairwise(schedule.levels)):
            if x_0 is not None:
                y = blend(t.a * x_0 + t.s * z, y, hole)
            views: list[Prediction] = []
            for part in parts:
                told = None if each[0] is None else tuple(c for one in each[part] for c in one or ())
                p = prior.predict_guided(torch.cat([w.read(y) for w in windows[part]]), t, told)
                chunks = (x.chunk(len(windows[part])) for x in (p.x0, p.eps))
                views += [Prediction(*pair) for pair in zip(*chunks, strict=True)]
            y = fusion.step(y, views, overlap, t, s)
            if on_step:
                on_step(index + 1, schedule.steps)
        return y
