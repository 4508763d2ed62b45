"""LanPaint (Zheng et al., TMLR 2025, arXiv 2502.03491): Langevin moves of hole and given part before each step.

With E = X_t (1 − M) + Y_t M and v ~ N(0, I) at first, N times, for u = E/s_t:

    μ = (a_t/s_t) ( x̂_0(E) M + ((1 + λ) X_0 − λ x̂_0(E)) (1 − M) )
    du = v dθ,   dv = −(u − μ) dθ − Γ v dθ + √(2Γ) dW   for θ = Γ η where M = 1, Γ β η where M = 0;   E ← s_t u

and then Y_s = DDIM(E). From the paper: both parts move, by underdamped Langevin dynamics (its FLD); the hole by the
prior's score, the given part by (1 + λ) ∇ log p(y_t | y_0) − λ times the prior's score (its BiG score); N, λ, the step
η, the friction Γ and the ratio β of the steps of both parts; no gradient through the network. In a score
a_t (·) − E over s_t², x̂_0 stands for what the prior expects, which gives μ. Our reading, where its text was not at
hand: that u has unit mass, so that η is the time of overdamped Langevin in units of s_t² and Γ → ∞ tends to it; that
x̂_0 is held through a move, whose linear equations are then solved exactly; that v is drawn anew at each level; that
E starts from X_t; that all predictions are guided ones. Its early stop is left out.
"""

from dataclasses import dataclass
from math import inf, sqrt
from typing import ClassVar

import torch
from torch import Tensor

from alm_core.methods.base import Method, Step, blend, clean
from alm_core.prior import ddim

__all__ = ["LanPaint"]


@dataclass(frozen=True)
class LanPaint(Method):
    """Langevin moves that let the hole answer to its border and, through λ, the border to the hole.

    `inner` is N, `lam` λ, `step_size` η, `friction` Γ, `beta` β: defaults as released. 0 for `lam` is Langevin
    sampling alone; more pulls the given part past X_0, away from what the network expects of it, which makes the hole
    follow, and narrows the given part's spread; β η must then stay below ln((λ + 1)/(λ − 1)), .405 for λ = 5, or where
    there is little noise the given part runs away. `inner` + 1 calls a step. Wants a fresh-noise reference. Needs the
    clean X_0, so it cannot run where that is still being made. Written from the paper's description, not
    from its code. Prefer `StochasticALM`, whose moves go farther for a call.
    """

    fresh_noise: ClassVar[bool] = True
    needs_clean: ClassVar[bool] = True

    inner: int = 5
    lam: float = 5.0
    step_size: float = 0.2
    friction: float = 15.0
    beta: float = 1.0

    def __post_init__(self) -> None:
        """Checks ranges."""
        if self.inner < 0 or not 0 <= self.lam < inf:
            raise ValueError(f"inner and lam must be 0 or more, got {self.inner} and {self.lam}")
        if not (0 < self.step_size < inf and 0 < self.friction < inf and 0 <= self.beta < inf):
            raise ValueError(
                f"step_size and friction must be above 0 and beta 0 or more, got {self.step_size}, {self.friction} "
                f"and {self.beta}"
            )

    def step(self, y_t: Tensor, at: Step) -> Tensor:
        """Returns y_s after `inner` moves at this level; with nothing observed there are none."""
        if at.observed is None:
            return ddim(at.predict_guided(y_t), at.s)
        x_0, mask = clean(at.observed), at.observed.mask
        hole, given = (_transition(self.friction * eta, self.friction) for eta in self._steps())
        uu, uv, vu, vv, spread, shared, rest = (g + mask * (h - g) for h, g in zip(hole, given, strict=True))
        u, v = blend(at.observed.x_t(0), y_t, mask) / at.t.s, at.noise(0)
        for k in range(self.inner):
            x0 = at.predict_guided(at.t.s * u).x0
            mu = (at.t.a / at.t.s) * blend((1 + self.lam) * x_0 - self.lam * x0, x0, mask)
            z, w = at.noise(2 * k + 1), at.noise(2 * k + 2)
            u, v = mu + uu * (u - mu) + uv * v + shared * z + rest * w, vu * (u - mu) + vv * v + spread * z
        return ddim(at.predict_guided(at.t.s * u), at.s)

    def _steps(self) -> tuple[float, float]:
        """η of the hole and of the given part."""
        return self.step_size, self.beta * self.step_size


def _transition(theta: float, friction: float) -> tuple[float, ...]:
    """Φ = exp(θ [[0, 1], [−1, −Γ]]) of (u − μ, v), row by row, and the noise (v's; what u shares of it; u's own).

    The stationary covariance is I, so that of the noise is I − Φ Φᵀ.
    """
    drift = torch.tensor([[0.0, 1.0], [-1.0, -friction]], dtype=torch.float64)
    (uu, uv), (vu, vv) = torch.linalg.matrix_exp(theta * drift).tolist()
    spread = sqrt(max(1 - vu**2 - vv**2, 0.0))
    shared = -(uu * vu + uv * vv) / spread if spread > 0 else 0.0
    rest = sqrt(max(1 - uu**2 - uv**2 - shared**2, 0.0))
    return uu, uv, vu, vv, spread, shared, rest
