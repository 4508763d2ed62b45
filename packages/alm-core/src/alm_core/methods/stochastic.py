"""StochasticALM: samples the joint log-density that ALM climbs, and spends most of its calls in the last levels.

At each level underdamped Langevin moves of the hole (BAOAB; Leimkuhler and Matthews 2013), X_t drawn anew for each,
with E = X_t (1 − M) + Y_t M and v ~ N(0, I) at first:

    v ← v − τ ε(E);   v' = c v + √(1 − c²) z;   Y_t ← E + M ⊙ s_t τ/2 (v + v');   v ← v'

(the first time, when v is not yet in step with Y_t, v ← v − τ/2 ε(E + M ⊙ s_t τ/4 v)),

then an ancestral step whose noise passes through the network too, so that what x̂_0 leaves open is not lost:

    x̂_0, ε̂ of E + M ⊙ κ s_t z;   Y_s = a_s x̂_0 + s_s ( r ε̂ + (√(1 − r²) − r κ) z )
    r = (s_s/a_s) / (s_t/a_t);   κ = spread · a_t √((1 − r)/(1 + r))

For Gaussians the moves keep the exact variance at any τ < 2, and at κ = √((1 − r)/(1 + r)) the step does in directions
that the noise hides (∂x̂_0/∂x = 0) and in those that it does not (∂x̂_0/∂x = 1). κ = 0 is DDPM's ancestral step, which
loses variance in the latter. Either way each move and each step is one call.
"""

from dataclasses import dataclass
from math import sqrt
from typing import ClassVar

from torch import Tensor

from alm_core.methods.base import Method, Step, blend
from alm_core.schedule import Level

__all__ = ["StochasticALM"]


@dataclass(frozen=True)
class StochasticALM(Method):
    """Langevin moves before each step: `late` of them in the final fraction `last` of the steps, `early` before.

    With the defaults 3 calls a step or a little less, at any number of steps. `move` is τ in (0, 2). `inertia` is c in
    [0, 1): 0 is overdamped; more reaches farther in the same calls, and follows an imperfect network's errors farther.
    `spread` in [0, 1] scales κ: less than 1 leaves less grain where a network is imperfect at low noise, and samples
    too alike in their finest detail where it is not. `clean` lets the last step land on clean data where the schedule
    ends slightly noisy, as Stable Diffusion's does. Wants a `FreshNoise` reference. The moves are unguided, the step is
    guided. With nothing observed there is nothing to agree with, and no moves are made.

    The method to take where samples should spread as the posterior does or a seam must close: on exact priors its 150
    calls leave about a tenth of the gap of RePaint's 500. Where a network is poor at low noise, `early=2, late=3`
    spends the same calls higher up. Take `ALM` for a deterministic result or the paper's own, and `SyncSDE` where
    one call a step is all that can be paid.
    """

    fresh_noise: ClassVar[bool] = True

    early: int = 1
    late: int = 9
    last: float = 0.12
    move: float = 1.5
    inertia: float = 0.6
    spread: float = 1.0
    clean: bool = True

    def __post_init__(self) -> None:
        """Checks ranges."""
        if self.early < 0 or self.late < 0:
            raise ValueError(f"early and late must be 0 or more, got {self.early} and {self.late}")
        if not (0 < self.move < 2 and 0 <= self.inertia < 1):
            raise ValueError(f"move must lie in (0, 2) and inertia in [0, 1), got {self.move} and {self.inertia}")
        if not (0 < self.last <= 1 and 0 <= self.spread <= 1):
            raise ValueError(f"last must lie in (0, 1] and spread in [0, 1], got {self.last} and {self.spread}")

    def step(self, y_t: Tensor, at: Step) -> Tensor:
        """Returns y_s after the moves of this level and the step."""
        if at.observed is None:
            return self._descend(y_t, at, 1.0)
        mask, x_t = at.observed.mask, at.observed.x_t
        moves = self.late if at.count - at.index <= max(round(at.count * self.last), 1) else self.early
        v, kick, ahead = at.noise(1), self.move / 2, self.move / 4
        for k in range(moves):
            e_t = blend(x_t(k), y_t, mask)
            (of_e,) = at.predict(e_t + mask * (at.t.s * ahead) * v)
            v = v - kick * of_e.eps
            carried = self.inertia * v + sqrt(1 - self.inertia**2) * at.noise(2 + k)
            y_t = e_t + mask * at.t.s * (self.move / 2) * (v + carried)
            v, kick, ahead = carried, self.move, 0.0
        return self._descend(blend(x_t(moves), y_t, mask), at, mask)

    def _descend(self, e_t: Tensor, at: Step, mask: Tensor | float) -> Tensor:
        """The step from E_t to y_s; its noise reaches the network in the hole alone."""
        s = Level(0.0, 1.0, 0.0) if self.clean and at.index == at.count - 1 else at.s
        r = (s.s / s.a) * (at.t.a / at.t.s)
        kappa = self.spread * at.t.a * sqrt((1 - r) / (1 + r))
        z = at.noise(0)
        ahead = at.predict_guided(e_t + mask * (kappa * at.t.s) * z)
        return s.a * ahead.x0 + s.s * (r * ahead.eps + (sqrt(1 - r**2) - r * kappa) * z)
