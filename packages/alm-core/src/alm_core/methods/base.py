"""One transition, as a method sees it, and what a method is.

A `Method` is a frozen dataclass whose `step` takes y_t to y_s. It holds parameters and nothing that changes;
all else comes in the `Step`. Adding a method adds a file and touches no other.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from alm_core.prior import Prediction
from alm_core.schedule import Level

__all__ = ["Method", "Observed", "Step", "blend", "clean", "imputed"]


@dataclass(frozen=True)
class Observed:
    """What is given of the samples, at level t.

    `mask` is M, 0 or 1, broadcastable to y_t: 1 = unobserved, to be generated; 0 = given. `x_t(k)` is X_t, the given
    part at this level, with anything finite where M = 1; a fresh-noise reference draws anew for each k.
    `x_0` is the clean given part, or None while it is still being made (windows or
    trajectories in lockstep).
    """

    mask: Tensor
    x_t: Callable[[int], Tensor]
    x_0: Tensor | None = None


@dataclass(frozen=True)
class Step:
    """The transition from level t to the less noisy s: step `index` of `count`, counted from 0.

    `predict(*batches)` answers all its batches from one network call, conditional and unguided;
    `predict_guided(y)` is the guided call. `noise(k)` is the k-th standard normal draw of this step, of y's shape.
    `time` is t as a fraction of the first level's, 1 at the start.
    """

    t: Level
    s: Level
    index: int
    count: int
    time: float
    flow: bool
    predict: Callable[..., tuple[Prediction, ...]]
    predict_guided: Callable[[Tensor], Prediction]
    noise: Callable[[int], Tensor]
    observed: Observed | None = None


class Method(ABC):
    """A way to take y_t to y_s. With nothing observed every method is an unconditional sampler."""

    fresh_noise: ClassVar[bool] = False
    """Whether the theory draws X_t anew at each use, so that `FreshNoise` is the reference that suits it."""

    needs_clean: ClassVar[bool] = False
    """Whether the step reads the clean observed part, which windows and trajectories in lockstep do not have yet."""

    particles: int = 1
    """How many rows of one sample the step sees beside one another when something is given.

    Row r is particle r // n of sample r mod n, of n samples. Each step leaves them equally weighted.
    """

    @abstractmethod
    def step(self, y_t: Tensor, at: Step) -> Tensor:
        """Returns y_s, of the shape of y_t: (rows, …) float32 or wider."""


def blend(x: Tensor, y: Tensor, mask: Tensor) -> Tensor:
    """E = X (1 − M) + Y M."""
    return x + mask * (y - x)


def clean(observed: Observed) -> Tensor:
    """X_0. Raises ValueError where it is not known yet."""
    if observed.x_0 is None:
        raise ValueError(
            "this method needs the clean observed part, which in lockstep is still being made: make windows one after "
            "another (together=1; of extend lockstep=False); for trajectories that are coupled use another method"
        )
    return observed.x_0


def imputed(prediction: Prediction, y_t: Tensor, t: Level, observed: Observed) -> Prediction:
    """The prediction with X_0 in the place of x̂_0 where it is given (Tevet et al. 2023); ε̂ follows from it."""
    return Prediction.from_x0(y_t, t, blend(clean(observed), prediction.x0, observed.mask))
