"""Joint methods: all windows at once on one canvas, no order among them.

At each level every window is predicted from its view of the canvas, and a `Fusion` says what is averaged where
windows overlap. Prefer `extend` where quality counts: averages blur. They are here to compare with.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from alm_core.noise import Noise
from alm_core.prior import Conditions, Prediction, Prior, ddim, rows_of
from alm_core.sample import INITIAL
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
) -> Tensor:
    """Makes a canvas of `shape` (of one sample) from nothing; float32 (rows, *shape). One network call a step.

    Raises ValueError when a part of the canvas lies in no window.
    """
    rows = len(noise.seeds)
    with torch.no_grad():
        y = noise.draw(shape, INITIAL)
        blank = torch.zeros_like(y[:1])
        overlap = Overlap(windows, sum((coverage(w, blank) for w in windows), blank))
        if bool((overlap.count == 0).any()):
            raise ValueError("a part of the canvas lies in no window: add windows or lower the stride")
        each = [rows_of(c, rows) for c in (conditions or [None] * len(windows))]
        stacked = None if each[0] is None else tuple(c for one in each for c in one or ())
        for t, s in zip(schedule.levels, schedule.levels[1:], strict=False):
            p = prior.predict_guided(torch.cat([w.read(y) for w in windows]), t, stacked)
            chunks = zip(p.x0.chunk(len(windows)), p.eps.chunk(len(windows)), strict=True)
            y = fusion.step(y, [Prediction(*pair) for pair in chunks], overlap, t, s)
        return y
