"""Reconstruction guidance (Ho et al. 2022, as CondMDI runs it): moves x̂_0 of the hole down the error of the rest.

x̃_0 = x̂_0 − M ⊙ (w_r a_t / 2) ∇_{Y_t} ‖ (1 − M) ⊙ (X_0 − x̂_0(Y_t)) ‖²;   Y_s = DDIM with x̃_0
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from alm_core.methods.base import Method, Step, blend
from alm_core.prior import Prediction, ddim

__all__ = ["ReconstructionGuidance"]


@dataclass(frozen=True)
class ReconstructionGuidance(Method):
    """Guides by the gradient through the network: one call a step, and its backward pass.

    `weight` is w_r. `imputation` puts X_0 in the place of x̂_0 where observed. Needs the clean X_0, so windows in
    lockstep cannot use it. Prefer it never by default: it is here to compare with.
    """

    weight: float = 20.0
    imputation: bool = True

    def __post_init__(self) -> None:
        """Checks ranges."""
        if self.weight < 0:
            raise ValueError(f"weight must be 0 or more, got {self.weight}")

    def step(self, y_t: Tensor, at: Step) -> Tensor:
        """Returns DDIM with the guided x̃_0; ε̂ follows from x̃_0 and y_t."""
        if at.observed is None:
            return ddim(at.predict_guided(y_t), at.s)
        x_0, mask = at.observed.x_0, at.observed.mask
        if x_0 is None:
            raise ValueError(
                "reconstruction guidance needs the clean observed part, which windows in lockstep do not have yet; "
                "run extend with lockstep=False, or use another method"
            )
        with torch.enable_grad():
            y_t = y_t.detach().requires_grad_()
            prediction = at.predict_guided(y_t)
            error = ((1 - mask) * (x_0 - prediction.x0)).square().sum()
            (gradient,) = torch.autograd.grad(error, y_t)
        x0 = prediction.x0.detach() - mask * (self.weight * at.t.a / 2) * gradient
        if self.imputation:
            x0 = blend(x_0, x0, mask)
        return ddim(Prediction.from_x0(y_t.detach(), at.t, x0), at.s)
