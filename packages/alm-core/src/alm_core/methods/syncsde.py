"""SyncSDE (Lee et al., CVPR 2025): pulls the observed part towards X_t, and leaves the rest to the prior.

    Y_s = DDIM(Y_t, guided) − γ_t (1/λ) (t/T) P ⊙ (Y_t − X_t),   γ_t = a_s/a_t − s_s/s_t      (Eq. 3, 7)

where P, the precision, is 1 − M: 1 where X is to be matched.
"""

from dataclasses import dataclass

from torch import Tensor

from alm_core.methods.base import Method, Step
from alm_core.prior import ddim, score_coefficient

__all__ = ["SyncSDE"]


@dataclass(frozen=True)
class SyncSDE(Method):
    """Pulls Y towards X with `strength` 1/λ, falling linearly with t; 5 in the paper, 3 for motion; 0 is `Independent`.

    One network call a step. Prefer it where both ends of a seam are generated anyway and speed matters most.
    """

    strength: float = 5.0

    def __post_init__(self) -> None:
        """Checks ranges."""
        if self.strength < 0:
            raise ValueError(f"strength must be 0 or more, got {self.strength}")

    def step(self, y_t: Tensor, at: Step) -> Tensor:
        """Returns y_s = DDIM(y_t) − γ_t/λ · t/T · (1 − M) ⊙ (y_t − X_t)."""
        y_s = ddim(at.predict_guided(y_t), at.s)
        if at.observed is None:
            return y_s
        return y_s - self._pull(at) * (1 - at.observed.mask) * (y_t - at.observed.x_t(0))

    def _pull(self, at: Step) -> float:
        """γ_t/λ · t/T; beyond 1 it would overshoot X_t, as on a flow, whose γ is infinite at t = 1."""
        if self.strength == 0 or at.t.a == 0:
            return float(self.strength > 0)
        gamma = score_coefficient(at.t, at.s) / at.t.s**2
        return min(gamma * self.strength * at.time, 1.0)
