"""One transition of a canvas that all windows see at once, and what a joint method is.

A `Fusion` is a frozen dataclass whose `join` says what x̂_0 and ε̂ of the whole canvas are, given its windows; the driver
`alm_core.fuse.fuse` then takes y_s = a_s x̂_0 + s_s ε̂. It holds parameters and nothing that changes; all else comes in
the `JointStep`. Adding a joint method adds a file and touches no other.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import torch
from torch import Tensor

from alm_core.prior import Prediction
from alm_core.schedule import Level
from alm_core.window import Window

__all__ = ["Fusion", "JointStep", "Overlap"]


@dataclass(frozen=True)
class Overlap:
    """The windows on a canvas, and by how much each counts at each of its places.

    `weights` has one map a window, in [0, 1] and of the shape of one row of its piece (1, …); `blank` is a canvas
    (1, …) of zeros. A window that turns the sign of what it shows counts as any other.
    """

    windows: Sequence[Window]
    weights: Sequence[Tensor]
    blank: Tensor

    @staticmethod
    def of(windows: Sequence[Window], blank: Tensor, weights: Sequence[Tensor] | None = None) -> "Overlap":
        """With weights of 1 where there are none. Raises ValueError when they do not fit or leave [0, 1]."""
        ones = [torch.ones_like(window.read(blank)) for window in windows]
        if weights is None:
            return Overlap(windows, ones, blank)
        maps = []
        for weight, one in zip(weights, ones, strict=True):
            if not bool(((weight >= 0) & (weight <= 1)).all()):
                raise ValueError(f"weights must lie in [0, 1], got {float(weight.min())} to {float(weight.max())}")
            try:
                maps.append(weight.to(one).expand_as(one))
            except RuntimeError:
                sizes = f"{tuple(weight.shape)} for pieces {tuple(one.shape)}"
                raise ValueError(f"weights must be broadcastable to one row of the piece: got {sizes}") from None
        return Overlap(windows, maps, blank)

    def share(self, number: int) -> Tensor:
        """The weight of a window on the canvas (1, …), 0 outside it."""
        return self.windows[number].write(self.blank, self.weights[number]).abs()

    def total(self, numbers: Iterable[int] | None = None) -> Tensor:
        """The sum of the weights of these windows at each place (1, …), of all where none are named."""
        if numbers is None or set(numbers) == set(range(len(self.windows))):
            return self._whole
        return sum((self.share(n) for n in numbers), self.blank)

    @cached_property
    def _whole(self) -> Tensor:
        """The sum of all weights: it is the same at every step."""
        return sum((self.share(n) for n in range(len(self.windows))), self.blank)

    def average(self, pieces: Mapping[int, Tensor], otherwise: Tensor) -> Tensor:
        """The weighted mean of these windows' pieces, `otherwise` (rows, …) where they weigh nothing."""
        zero, total = torch.zeros_like(otherwise), self.total(pieces)
        written = (self.windows[n].write(zero, self.weights[n] * piece) for n, piece in pieces.items())
        return torch.where(total > 0, sum(written, zero) / torch.where(total > 0, total, 1), otherwise)

    @cached_property
    def apart(self) -> tuple[tuple[int, ...], ...]:
        """The numbers of the windows in sets of which no two overlap.

        Greedy and deterministic: each window in turn joins the first set that it overlaps nowhere, or begins one.
        """
        sets: list[list[int]] = []
        covered: list[Tensor] = []
        for n in range(len(self.windows)):
            share = self.share(n) > 0
            for i, taken in enumerate(covered):
                if not bool((share & taken).any()):
                    sets[i].append(n)
                    covered[i] = taken | share
                    break
            else:
                sets.append([n])
                covered.append(share)
        return tuple(tuple(one) for one in sets)


@dataclass(frozen=True)
class JointStep:
    """The transition `index` of a canvas, counted from 0, from level t to the less noisy s.

    `levels` are the schedule's. `predict(pieces, level)` gives the guided predictions of any windows' pieces, by the
    windows' numbers, in as few network calls as the driver allows. `noise(k)` is the k-th standard normal draw of this
    step, of the canvas's shape. `last` is what the step before joined, None in the first. `background(n)` is the
    background of window n at level t, None where it has none.
    """

    levels: tuple[Level, ...]
    index: int
    overlap: Overlap
    predict: Callable[[Mapping[int, Tensor], Level], dict[int, Prediction]]
    noise: Callable[[int], Tensor]
    last: Prediction | None = None
    background: Callable[[int], Tensor | None] = lambda n: None

    @property
    def t(self) -> Level:
        """The level of the canvas."""
        return self.levels[self.index]

    @property
    def s(self) -> Level:
        """The level that it comes to."""
        return self.levels[self.index + 1]

    @property
    def count(self) -> int:
        """How many steps there are."""
        return len(self.levels) - 1

    def views(self, canvas: Tensor, numbers: Iterable[int] | None = None) -> dict[int, Tensor]:
        """What these windows show of the canvas, all where none are named."""
        windows = self.overlap.windows
        return {n: windows[n].read(canvas) for n in (range(len(windows)) if numbers is None else numbers)}

    def mean(self, views: Mapping[int, Prediction], otherwise: Tensor) -> Prediction:
        """The weighted mean of x̂_0 and that of ε̂, `otherwise` for both where these windows weigh nothing."""
        x0 = self.overlap.average({n: view.x0 for n, view in views.items()}, otherwise)
        return Prediction(x0, self.overlap.average({n: view.eps for n, view in views.items()}, otherwise))


class Fusion(ABC):
    """What is averaged: a frozen dataclass, as a method is."""

    bootstraps: ClassVar[bool] = False
    """Whether it makes use of backgrounds."""

    @abstractmethod
    def join(self, y_t: Tensor, at: JointStep) -> Prediction:
        """Returns x̂_0 and ε̂ of the canvas y_t (rows, …), of its shape; what no window weighs is not read."""
