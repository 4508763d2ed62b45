"""Reconstruction guidance (Ho et al. 2022, as CondMDI runs it): moves x̂_0 of the hole down the error of the rest.

x̃_0 = x̂_0 − M ⊙ (w_r a_t / 2) ∇_{Y_t} ‖ (1 − M) ⊙ (X_0 − x̂_0(Y_t)) ‖²;   Y_s = DDIM with x̃_0
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from alm_core.methods.base import Method, Step, clean, imputed
from alm_core.prior import Prediction, ancestral, ddim

__all__ = ["ReconstructionGuidance"]


@dataclass(frozen=True)
class ReconstructionGuidance(Method):
    """Guides by the gradient through the network: one call a step, and its backward pass.

    `weight` is w_r. `imputation` puts X_0 in the place of x̂_0 where observed. `eta` = 0 is DDIM, 1 DDPM's ancestral
    step, as CondMDI takes it. Needs the clean X_0, so windows in
    lockstep cannot use it. Prefer it never by default: it is here to compare with.
    """

    needs_clean: ClassVar[bool] = True

    weight: float = 20.0
    imputation: bool = True
    eta: float = 0.0

    def __post_init__(self) -> None:
        """Checks ranges."""
        if self.weight < 0:
            raise ValueError(f"weight must be 0 or more, got {self.weight}")
        if not 0 <= self.eta <= 1:
            raise ValueError(f"eta must lie in [0, 1], got {self.eta}")

    def step(self, y_t: Tensor, at: Step) -> Tensor:
        """Returns DDIM with the guided x̃_0; ε̂ follows from x̃_0 and y_t."""
        if at.observed is None:
            return self._reverse(at.predict_guided(y_t), at)
        x_0, mask = clean(at.observed), at.observed.mask
        with torch.enable_grad():
            y_t = y_t.detach().requires_grad_()
            prediction = at.predict_guided(y_t)
            error = ((1 - mask) * (x_0 - prediction.x0)).square().sum()
            (gradient,) = torch.autograd.grad(error, y_t)
        x0 = prediction.x0.detach() - mask * (self.weight * at.t.a / 2) * gradient
        guided = Prediction.from_x0(y_t.detach(), at.t, x0)
        if self.imputation:
            guided = imputed(guided, y_t.detach(), at.t, at.observed)
        return self._reverse(guided, at)

    def _reverse(self, prediction: Prediction, at: Step) -> Tensor:
        return ancestral(prediction, at.t, at.s, at.noise(0), self.eta) if self.eta else ddim(prediction, at.s)
