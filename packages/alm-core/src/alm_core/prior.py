"""What a generative model is to us: a prediction of x̂_0 and ε̂ at a noise level.

A network predicts ε, x_0 or v; `Prediction` holds the clean picture and the noise that follow, so that no
method divides by an `a` or `s` near zero (a flow starts at a = 0; an x_0-network's ε is ill-conditioned as
s → 0). A `Prior` is any object with the three members of the protocol: wrap to change one thing.
"""

import math
from dataclasses import dataclass
from typing import Protocol, cast

import torch
from torch import Tensor

from alm_core.schedule import Level, sigma

__all__ = [
    "ByCondition",
    "Conditions",
    "Counted",
    "Prediction",
    "Prior",
    "ancestral",
    "ddim",
    "rows_of",
    "score_coefficient",
    "stack",
]

Conditions = tuple[object, ...] | None
"""What each row is conditioned on: one opaque object a row, made and read by the prior alone; None for nothing."""


@dataclass(frozen=True)
class Prediction:
    """x̂_0 and ε̂ with `x_t = a x̂_0 + s ε̂`, of the shape of x_t, float32 or wider."""

    x0: Tensor
    eps: Tensor

    @staticmethod
    def from_eps(x_t: Tensor, level: Level, eps: Tensor) -> "Prediction":
        """Tweedie's formula: x̂_0 = (x_t − s ε)/a."""
        return Prediction((x_t - level.s * eps) / level.a, eps)

    @staticmethod
    def from_x0(x_t: Tensor, level: Level, x0: Tensor) -> "Prediction":
        """ε̂ = (x_t − a x_0)/s."""
        return Prediction(x0, (x_t - level.a * x0) / level.s)

    @staticmethod
    def from_v(x_t: Tensor, level: Level, v: Tensor) -> "Prediction":
        """For a VP diffusion and v = a ε − s x_0: x̂_0 = a x_t − s v, ε̂ = s x_t + a v."""
        return Prediction(level.a * x_t - level.s * v, level.s * x_t + level.a * v)

    @staticmethod
    def from_blend(x_t: Tensor, level: Level, out: Tensor, spread: float) -> "Prediction":
        """For a diffusion and a network that corrects more the noisier it is: x̂_0 = c x_t/a + √(1 − c) out.

        c = τ²/(τ² + (s/a)²) with τ the `spread`: an x_0-network where there is more noise than that, a correction of
        x_t where there is less, so that errors shrink with the noise (after Karras et al. 2022, whose τ is σ_data).
        """
        c = spread**2 / (spread**2 + (level.s / level.a) ** 2)
        return Prediction.from_x0(x_t, level, c / level.a * x_t + math.sqrt(1 - c) * out)

    @staticmethod
    def from_velocity(x_t: Tensor, level: Level, v: Tensor) -> "Prediction":
        """For a rectified flow and v = ε − x_0 (ALM Eq. 24 and 25): x̂_0 = x_t − t v, ε̂ = x_t + (1 − t) v."""
        return Prediction(x_t - level.s * v, x_t + level.a * v)


class Prior(Protocol):
    """A pretrained model. Rows are independent: row n of the answer depends on row n of the arguments alone."""

    @property
    def guided_rows(self) -> int:
        """How many network rows `predict_guided` evaluates for one row: 2 with classifier-free guidance, else 1."""

    def predict(self, x_t: Tensor, level: Level, conditions: Conditions) -> Prediction:
        """The conditional prediction without guidance, of x_t (rows, …) float32, in one network call."""

    def predict_guided(self, x_t: Tensor, level: Level, conditions: Conditions) -> Prediction:
        """The prediction with the prior's own guidance, in one network call; where it has none, `predict`'s."""


class Counted:
    """A prior that counts: `calls` of the network and `rows` evaluated, on from those of `before` where it is given."""

    def __init__(self, prior: Prior, before: "Counted | None" = None) -> None:
        self._prior = prior
        self.calls: int = before.calls if before else 0
        self.rows: int = before.rows if before else 0

    @property
    def guided_rows(self) -> int:
        """As the prior's."""
        return self._prior.guided_rows

    def predict(self, x_t: Tensor, level: Level, conditions: Conditions) -> Prediction:
        """As the prior's, counted."""
        self.calls += 1
        self.rows += len(x_t)
        return self._prior.predict(x_t, level, conditions)

    def predict_guided(self, x_t: Tensor, level: Level, conditions: Conditions) -> Prediction:
        """As the prior's, counted."""
        self.calls += 1
        self.rows += len(x_t) * self.guided_rows
        return self._prior.predict_guided(x_t, level, conditions)


class ByCondition:
    """A prior whose conditions are priors: each row is predicted by its own, rows of one prior together.

    What a row is made from then does not depend on where in a batch it stands. Counted, a prediction is one call.
    """

    guided_rows = 1

    def predict(self, x_t: Tensor, level: Level, conditions: Conditions) -> Prediction:
        """The predictions of x_t (rows, …). Raises ValueError for another number of conditions than of rows."""
        if conditions is None or len(conditions) != len(x_t):
            known = 0 if conditions is None else len(conditions)
            raise ValueError(f"one prior a row is wanted as its condition: got {known} for {len(x_t)} rows")
        x0, eps = torch.empty_like(x_t), torch.empty_like(x_t)
        for prior in dict.fromkeys(conditions):
            rows = [n for n, other in enumerate(conditions) if other is prior]
            prediction = cast(Prior, prior).predict(x_t[rows], level, None)
            x0[rows], eps[rows] = prediction.x0, prediction.eps
        return Prediction(x0, eps)

    def predict_guided(self, x_t: Tensor, level: Level, conditions: Conditions) -> Prediction:
        """As `predict`: its priors are taken without guidance."""
        return self.predict(x_t, level, conditions)


def ddim(prediction: Prediction, s: Level) -> Tensor:
    """The deterministic step x_s = a_s x̂_0 + s_s ε̂; on a rectified flow it is Euler's."""
    return s.a * prediction.x0 + s.s * prediction.eps


def ancestral(prediction: Prediction, t: Level, s: Level, z: Tensor, eta: float = 1.0) -> Tensor:
    """The stochastic step x_s = a_s x̂_0 + √(s_s² − η²σ²) ε̂ + ησ z; η = 1 is DDPM's ancestral sampling."""
    deviation = eta * sigma(t, s)
    direction = math.sqrt(max(s.s**2 - deviation**2, 0.0))
    return s.a * prediction.x0 + direction * prediction.eps + deviation * z


def score_coefficient(t: Level, s: Level, eta: float = 0.0) -> float:
    """How far `ancestral` moves x_s for a unit of score: c with x_s(score + δ) = x_s(score) + c δ.

    `c = a_s s_t²/a_t − s_t √(s_s² − η²σ²)`; for η = 0 this is (1 − α_t) γ_t of SyncSDE Eq. 3.
    """
    direction = math.sqrt(max(s.s**2 - (eta * sigma(t, s)) ** 2, 0.0))
    return s.a * t.s**2 / t.a - t.s * direction


def rows_of(conditions: Conditions, rows: int) -> Conditions:
    """One condition for every row: a single one is repeated. Raises ValueError on another number."""
    if conditions is None or len(conditions) == rows:
        return conditions
    if len(conditions) != 1:
        raise ValueError(f"one condition, or one a row, is wanted: got {len(conditions)} for {rows} rows")
    return conditions * rows


def stack(*xs: Tensor) -> Tensor:
    """Several batches as one, for a single network call."""
    return xs[0] if len(xs) == 1 else torch.cat(xs)
