"""Where X_t comes from: the given part at every noise level.

A `Reference` is a choice; `start` turns it into a `Trajectory` for one set of given samples. `Inversion` is the
papers' choice and costs an evaluation a step; `FixedNoise` costs none; `FreshNoise` is what stochastic methods
want, since their theory draws X_t anew. A window that continues another takes that one's own trajectory
(`extend` does this).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from alm_core.noise import Noise
from alm_core.prior import Prediction, ddim
from alm_core.schedule import Level, Schedule

__all__ = ["FixedNoise", "FreshNoise", "Inversion", "Reference", "Trajectory"]

Trajectory = Callable[[int, int], Tensor]
"""X_t at level `index`; the second argument numbers the draws at that level."""

Predict = Callable[[Tensor, Level], Prediction]


class Reference(Protocol):
    """A choice of X_t."""

    def start(self, x_0: Tensor, mask: Tensor, schedule: Schedule, predict: Predict, noise: Noise) -> Trajectory:
        """The trajectory of the given part x_0 (rows, …) of which mask = 1 is unknown."""


@dataclass(frozen=True)
class FixedNoise:
    """X_t = a x_0 + s z with one z for all levels: deterministic, no network call."""

    def start(self, x_0: Tensor, mask: Tensor, schedule: Schedule, predict: Predict, noise: Noise) -> Trajectory:
        """See `Reference`."""
        z = noise.draw(x_0.shape[1:])
        return lambda index, draw: schedule.levels[index].a * x_0 + schedule.levels[index].s * z


@dataclass(frozen=True)
class FreshNoise:
    """X_t = a x_0 + s z with a new z at each level and draw: the marginal that Langevin methods assume."""

    def start(self, x_0: Tensor, mask: Tensor, schedule: Schedule, predict: Predict, noise: Noise) -> Trajectory:
        """See `Reference`."""

        def x_t(index: int, draw: int) -> Tensor:
            level = schedule.levels[index]
            return level.a * x_0 + level.s * noise.draw(x_0.shape[1:], index, draw)

        return x_t


@dataclass(frozen=True)
class Inversion:
    """DDIM inversion of the masked source, X_0 = x_0 (1 − M): the papers' choice, one evaluation a step.

    The conditional prediction at the less noisy end of each step carries X up the schedule, from the last
    level above clean. Unguided, as the papers' code runs it. Prefer `FixedNoise` where the inverted black hole
    leaks into the picture, as attention lets it.
    """

    def start(self, x_0: Tensor, mask: Tensor, schedule: Schedule, predict: Predict, noise: Noise) -> Trajectory:
        """See `Reference`."""
        x = x_0 * (1 - mask)
        levels = schedule.levels
        states = [x] * len(levels)
        # The network was trained at noisy levels: the clean end is predicted as if at the last of them.
        for index in range(schedule.steps - 1, -1, -1):
            known = levels[min(index + 1, schedule.steps - 1)]
            x = ddim(predict(x, known), levels[index])
            states[index] = x
        return lambda index, draw: states[index]
