"""StochasticALM: samples the joint log-density that ALM climbs."""

from dataclasses import dataclass

from torch import Tensor

from alm_core.methods.base import Method, Step, blend
from alm_core.prior import ancestral

__all__ = ["StochasticALM"]


@dataclass(frozen=True)
class StochasticALM(Method):
    """An ancestral predictor with correctors.

    `early` Langevin steps of size `eta_early` before each step, `late` shrinking steps in the last `last` steps.
    """

    early: int = 1
    late: int = 11
    last: int = 5
    eta_early: float = 0.8
    eta_late: float = 1.0

    def step(self, y_t: Tensor, at: Step) -> Tensor:
        """Returns y_s after the correctors and an ancestral step."""
        if at.observed is None:
            return ancestral(at.predict_guided(y_t), at.t, at.s, at.noise(0))
        mask, s_t = at.observed.mask, at.t.s
        late = at.index >= at.count - self.last
        rounds = self.late if late else self.early
        for r in range(rounds):
            e_t = blend(at.observed.x_t(r), y_t, mask)
            (of_e,) = at.predict(e_t)
            z = at.noise(r + 1)
            if late:
                shrink = 2.718281828459045 ** (-self.eta_late)
                mean = e_t - s_t * of_e.eps
                y_t = blend(e_t, mean + shrink * (e_t - mean) + (1 - shrink**2) ** 0.5 * s_t * z, mask)
            else:
                y_t = e_t + mask * (-self.eta_early * s_t * of_e.eps + (2 * self.eta_early) ** 0.5 * s_t * z)
        e_t = blend(at.observed.x_t(rounds), y_t, mask)
        return ancestral(at.predict_guided(e_t), at.t, at.s, at.noise(0))
