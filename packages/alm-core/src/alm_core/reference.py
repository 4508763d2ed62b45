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

__all__ = ["FixedNoise", "FreshNoise", "Inversion", "Recorded", "Reference", "Trajectory"]

Trajectory = Callable[[int, int], Tensor]
"""X_t at level `index`; the second argument numbers the draws at that level."""

Predict = Callable[[Tensor, Level], Prediction]


class Reference(Protocol):
    """A choice of X_t."""

    def start(self, x_0: Tensor, mask: Tensor, schedule: Schedule, predict: Predict, noise: Noise) -> Trajectory:
        """The trajectory of the given part x_0 (1 or rows, …) of which mask = 1 is unknown."""


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

    ε̂ of the conditional prediction at the less noisy end of each step carries X to its noisier end. Unguided, as the
    papers' code runs it. The clean end, which no network was trained at, is predicted as if at the last level above.
    Prefer `FixedNoise` where the inverted hole leaks into the sample, as attention lets it.
    """

    def start(self, x_0: Tensor, mask: Tensor, schedule: Schedule, predict: Predict, noise: Noise) -> Trajectory:
        """See `Reference`."""
        x = x_0 * (1 - mask)
        levels = schedule.levels
        states = [x] * len(levels)
        for index in range(schedule.steps - 1, -1, -1):
            eps = predict(x, levels[min(index + 1, schedule.steps - 1)]).eps
            x = ddim(Prediction.from_eps(x, levels[index + 1], eps), levels[index])
            states[index] = x
        return lambda index, draw: states[index]


@dataclass(frozen=True)
class Recorded:
    """X_t as it was recorded: `states` (rows, …) at every level of the schedule, noisiest first.

    An earlier run's own trajectory, as windows in order use it. Raises ValueError on another number of states.
    """

    states: tuple[Tensor, ...]

    def start(self, x_0: Tensor, mask: Tensor, schedule: Schedule, predict: Predict, noise: Noise) -> Trajectory:
        """See `Reference`."""
        if len(self.states) != len(schedule.levels):
            raise ValueError(f"a state for each of {len(schedule.levels)} levels is wanted, got {len(self.states)}")
        return lambda index, draw: self.states[index]
