"""Accelerated Likelihood Maximization (arXiv 2606.31323): climbs the likelihood of the unobserved part.

    E_t = X_t (1 − M) + Y_t M
    Y_t ← Y_t + M ⊙ ( w1' (ε(Y_t) − ε(E_t)) − w2 ε(E_t) )                       (Eq. 1, 9, 11)
    Y_s = DDIM(Y_t, guided ε at the updated Y_t) + w1 (1 − M) ⊙ (X_t − Y_t)      (Eq. 2)

with `w_i = σ_t w_i^init` (Eq. 12) on a diffusion and `w_i = t⁴ w_i^init`, `w1' = w1/2` on a flow (Eq. 27). With
imputation (ALM* of Table 5) X_0 stands in the place of x̂_0 where M = 0 before the step:
`x̂_0 ← X_0 (1 − M) + x̂_0 M`, and ε̂ follows from it.
"""

from dataclasses import dataclass, replace
from math import inf

import torch
from torch import Tensor

from alm_core.methods.base import Method, Observed, Step, blend, clean, imputed
from alm_core.prior import ancestral, ddim, score_coefficient
from alm_core.schedule import sigma

__all__ = ["ALM", "FLOW_W1"]

FLOW_W1 = 64.0
"""w1 on a flow. t⁴ has left little of a weight of 1 where a flow decides detail: on exact flows that couples less than
SyncSDE does, and this leaves under half of SyncSDE's gap."""


@dataclass(frozen=True)
class ALM(Method):
    """Climbs log p(X | Y) and log p(X, Y) on the unobserved part, then couples as SyncSDE does.

    `w1`, `w2` are the initial weights of the conditional and the joint term. w1 None is the paper's 1 on a diffusion,
    and `FLOW_W1` on a flow, for which the paper gives none. `conditional` is w1'/w1 (None: 1 on a diffusion, ½ on a
    flow, as the paper). `iterations` N > 1 takes N steps of w/N each, unaccelerated. `off_last` is
    the final fraction of the steps with ΔY = 0 (the paper's 0.2 for meshes). `eta` = 0 is DDIM; 1 is DDPM's ancestral
    step with the observation model of Eq. 28, for models sampled over hundreds of steps. `imputation` is the paper's *,
    and needs the clean X_0, so windows in lockstep cannot use it.

    The ablations of the paper's Table 3: no ΔY is `off_last=1`, no conditional term `conditional=0`, no joint
    term `w2=0`, no acceleration `iterations=500`. Two network calls a step, 2 + the guided rows.
    Prefer it to `SyncSDE` wherever a hole must agree with its surroundings; prefer `StochasticALM` where samples should
    spread as the posterior does.
    """

    w1: float | None = None
    w2: float = 0.005
    conditional: float | None = None
    iterations: int = 1
    off_last: float = 0.0
    eta: float = 0.0
    imputation: bool = False

    def __post_init__(self) -> None:
        """Checks ranges."""
        weights = (self.w1 or 0.0, self.w2, self.conditional or 0.0)
        if not all(0 <= weight < inf for weight in weights):
            raise ValueError(
                f"weights must be 0 or more, got w1 {self.w1}, w2 {self.w2}, conditional {self.conditional}"
            )
        if self.iterations < 1:
            raise ValueError(f"iterations must be 1 or more, got {self.iterations}")
        if not (0 <= self.off_last <= 1 and 0 <= self.eta <= 1):
            raise ValueError(f"off_last and eta must lie in [0, 1], got {self.off_last} and {self.eta}")

    @property
    def needs_clean(self) -> bool:  # type: ignore[override]
        """See `Method`: imputation does."""
        return self.imputation

    def step(self, y_t: Tensor, at: Step) -> Tensor:
        """Returns y_s by Eq. 1 and 2, or by Eq. 28 when eta > 0."""
        if at.observed is None:
            return self._reverse(y_t, at, None)
        if self.imputation:
            clean(at.observed)
        x_t = at.observed.x_t(0)
        observed = replace(at.observed, x_t=lambda _: x_t)
        if at.index < round(at.count * (1 - self.off_last)):
            for _ in range(self.iterations):
                y_t = y_t + self.delta(y_t, at, observed)
        return self._reverse(y_t, at, observed) + self._pull(at) * (1 - observed.mask) * (x_t - y_t)

    def delta(self, y_t: Tensor, at: Step, observed: Observed) -> Tensor:
        """Returns one ΔY of Eq. 9: M ⊙ ( λ1 (ε(Y) − ε(E)) − λ2 ε(E) ), with λ_i = w_i/N, unguided."""
        ratio = self.conditional if self.conditional is not None else (0.5 if at.flow else 1.0)
        lambda1 = self._weight(at) * ratio / self.iterations
        lambda2 = self._decay(at) * self.w2 / self.iterations
        if lambda1 == 0 == lambda2:  # as on a step of which σ_t is 0
            return torch.zeros_like(y_t)
        e_t = blend(observed.x_t(0), y_t, observed.mask)
        if lambda1 == 0:
            (of_e,) = at.predict(e_t)
            return -observed.mask * lambda2 * of_e.eps
        of_y, of_e = at.predict(y_t, e_t)
        return observed.mask * (lambda1 * (of_y.eps - of_e.eps) - lambda2 * of_e.eps)

    def _reverse(self, y_t: Tensor, at: Step, observed: Observed | None) -> Tensor:
        prediction = at.predict_guided(y_t)
        if self.imputation and observed:
            prediction = imputed(prediction, y_t, at.t, observed)
        return ancestral(prediction, at.t, at.s, at.noise(0), self.eta) if self.eta else ddim(prediction, at.s)

    def _pull(self, at: Step) -> float:
        """w1 of Eq. 2; with eta, Eq. 28's score w1 (X − Y)/σ_t² through the ancestral step, at most 1 too."""
        if self.eta == 0 or at.t.a == 0:
            return self._weight(at)
        if sigma(at.t, at.s) == 0:  # the last step, to clean data: Eq. 28's limit
            return min(self._w1(at), 1.0)
        gain = score_coefficient(at.t, at.s, self.eta) / sigma(at.t, at.s) ** 2
        return min(self._weight(at) * gain, 1.0)

    def _weight(self, at: Step) -> float:
        """w1, clamped: beyond 1 the pull would overshoot X_t, as it does with few steps."""
        return min(self._decay(at) * self._w1(at), 1.0)

    def _w1(self, at: Step) -> float:
        """The initial weight."""
        return self.w1 if self.w1 is not None else FLOW_W1 if at.flow else 1.0

    def _decay(self, at: Step) -> float:
        """σ_t of Eq. 12 over the sampled levels; t⁴ of Eq. 27 on a flow."""
        return at.t.s**4 if at.flow else sigma(at.t, at.s)
