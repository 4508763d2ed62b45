"""RePaint (Lugmayr et al., CVPR 2022): replacement, ancestral, with each step taken several times.

Y_s = ancestral( X_t (1 − M) + Y_t M );   then back:  Y_t = (a_t/a_s) Y_s + √(s_t² − (a_t/a_s)² s_s²) z
"""

import math
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from alm_core.methods.base import Method, Step, blend
from alm_core.prior import ancestral

__all__ = ["RePaint"]


@dataclass(frozen=True)
class RePaint(Method):
    """Takes each step `resamplings` times, noising back in between, one call each time.

    The jump length is 1 (the paper's default for its ablation; its 10 spends the same evaluations in longer
    jumps). `eta` = 0 takes DDIM's step instead of the ancestral one, as fast ports do; it mixes more slowly. Wants a
    fresh-noise reference. Prefer `StochasticALM`, which leaves less of the gap for fewer calls.
    """

    fresh_noise: ClassVar[bool] = True

    resamplings: int = 10
    eta: float = 1.0

    def __post_init__(self) -> None:
        """Checks ranges."""
        if self.resamplings < 1:
            raise ValueError(f"resamplings must be 1 or more, got {self.resamplings}")
        if not 0 <= self.eta <= 1:
            raise ValueError(f"eta must lie in [0, 1], got {self.eta}")

    def step(self, y_t: Tensor, at: Step) -> Tensor:
        """Returns y_s after `resamplings` rounds of ancestral step and return."""
        t, s = at.t, at.s
        back = t.a / s.a
        spread = math.sqrt(max(t.s**2 - (back * s.s) ** 2, 0.0))
        for r in range(self.resamplings):
            e_t = y_t if at.observed is None else blend(at.observed.x_t(r), y_t, at.observed.mask)
            y_s = ancestral(at.predict_guided(e_t), t, s, at.noise(2 * r), self.eta)
            if r + 1 < self.resamplings:
                y_t = back * y_s + spread * at.noise(2 * r + 1)
        return y_s
