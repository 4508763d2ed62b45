"""StochSync: x̂_0 by many steps from the views of one set, then y_s = a_s x̂_0 + s_s z with new noise z.

Yeo et al., ICLR 2025. Theirs are

- maximum stochasticity: the step of DDIM with σ = s_s, which forgets ε̂ and adds noise anew;
- multi-step x̂_0: each view is denoised down to clean data by DDIM, in place of one use of Tweedie's formula;
- views that do not overlap: sets of them take turns, step by step; what a set leaves out keeps its x̂_0;
- a last level well above clean data, at which x̂_0 is the result; and, as their public code has it, first steps at pure
  noise until the whole canvas is covered.

Ours, since their sets are named by hand and their levels are free, is the reading for any windows and schedule:

- the sets are found from what the windows cover (`Overlap.apart`), in the order of the windows;
- the levels of the many steps are the schedule's, every k-th of them so that `inner` lead from the first to clean;
- the first step takes set after set until nothing is bare, which costs no more than it must;
- in the last `joint` steps all windows take part and are averaged. Their public code closes seams there with masks that
  free a view from its middle outwards, from twice the noise, which wants to know where a view's edges are.
"""

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from alm_core.fusions.base import Fusion, JointStep
from alm_core.prior import Prediction, ddim

__all__ = ["StochSync"]


@dataclass(frozen=True)
class StochSync(Fusion):
    """Sets of windows in turn, each denoised by many steps, and new noise at each level.

    A step at level i of N calls the network ⌈(N − i)/k⌉ times for each window of its set, k = ⌈N/inner⌉: over a run
    several times the calls of the other joint methods. `inner` steps lead from the first level to clean data; at the
    fraction `stop` of the steps before the end x̂_0 is the result, and what follows costs nothing; `joint` is how many
    steps before that take all windows. The defaults are the public settings for panoramas, whose 25 levels are those
    that a schedule of 34 steps has above `stop`. `inner=1` is Tweedie's formula. Take it where windows have little to
    agree by, as panoramas without depth; where many windows overlap and seams show, `extend` with `StochasticALM`.
    """

    inner: int = 25
    stop: float = 0.27
    joint: int = 2

    def __post_init__(self) -> None:
        """Checks ranges."""
        if self.inner < 1 or self.joint < 0:
            raise ValueError(f"inner must be 1 or more and joint 0 or more, got {self.inner} and {self.joint}")
        if not 0 <= self.stop <= 1:
            raise ValueError(f"stop must lie in [0, 1], got {self.stop}")

    def join(self, y_t: Tensor, at: JointStep) -> Prediction:
        """See `Fusion`: ε̂ is the new noise, none in the last step: the result is a_s x̂_0, with a_s = 1 or nearly."""
        z = at.noise(0) if at.index < at.count - 1 else torch.zeros_like(y_t)
        visited = min(int(at.count * (1 - self.stop)) + 1, at.count)
        if at.last is None:
            return Prediction(self._first(y_t, at, visited), z)
        if at.index >= visited:
            return Prediction(at.last.x0, z)
        sets = at.overlap.apart
        numbers = sets[at.index % len(sets)] if visited - at.index > self.joint else None
        return Prediction(at.overlap.average(self._clean(at.views(y_t, numbers), at), at.last.x0), z)

    def _first(self, y_t: Tensor, at: JointStep, visited: int) -> Tensor:
        """x̂_0 of set after set until no place that a window covers is bare; what is made stays."""
        everything = range(len(at.overlap.windows))
        sets = at.overlap.apart if visited > self.joint else (tuple(everything),)
        x0, bare = torch.zeros_like(y_t), at.overlap.total() > 0
        for numbers in sets:
            if bool((bare & (at.overlap.total(numbers) > 0)).any()):
                pieces = self._clean(at.views(y_t, numbers), at)
                x0 = torch.where(bare, at.overlap.average(pieces, x0), x0)
                bare = bare & (at.overlap.total(numbers) == 0)
        return x0

    def _clean(self, views: dict[int, Tensor], at: JointStep) -> dict[int, Tensor]:
        """x̂_0 of the views at level t, each on its own: DDIM down the schedule, x̂_0 at the last level."""
        stride = -(-at.count // self.inner)
        below = at.levels[at.index : -1 : stride]
        for level, following in pairwise(below):
            views = {n: ddim(prediction, following) for n, prediction in at.predict(views, level).items()}
        return {n: prediction.x0 for n, prediction in at.predict(views, below[-1]).items()}
