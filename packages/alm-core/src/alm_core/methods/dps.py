"""Diffusion posterior sampling (Chung et al., ICLR 2023, Alg. 1): an ancestral step, then down the error's gradient.

Y_s = ancestral(Y_t) − ζ_t ∇_{Y_t} ‖ (1 − M) ⊙ (X_0 − x̂_0(Y_t)) ‖²;   ζ_t = ζ / ‖ (1 − M) ⊙ (X_0 − x̂_0(Y_t)) ‖
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from alm_core.methods.base import Method, Step, clean
from alm_core.prior import Prediction, ancestral

__all__ = ["DPS"]


@dataclass(frozen=True)
class DPS(Method):
    """Guides by the gradient through the network: one call a step, and its backward pass.

    `zeta` is ζ' of the paper, 1 for its inpainting of faces over 1000 steps. The paper's ζ_t ∇‖·‖² is 2 ζ ∇‖·‖; its
    released code goes scale · ∇‖·‖ with 0.5 for inpainting, which is `zeta=0.25` here. Norms are each row's own.
    Nothing puts the given part back: it ends near X_0, not on it. Needs the clean X_0, so it cannot run where that
    is still being made. Prefer it never by default: it is here to compare with.
    """

    needs_clean: ClassVar[bool] = True

    zeta: float = 1.0

    def __post_init__(self) -> None:
        """Checks ranges."""
        if not self.zeta >= 0:
            raise ValueError(f"zeta must be 0 or more, got {self.zeta}")

    def step(self, y_t: Tensor, at: Step) -> Tensor:
        """Returns y_s of the guided prediction, moved down the gradient."""
        if at.observed is None:
            return ancestral(at.predict_guided(y_t), at.t, at.s, at.noise(0))
        x_0, mask = clean(at.observed), at.observed.mask
        with torch.enable_grad():
            y_t = y_t.detach().requires_grad_()
            prediction = at.predict_guided(y_t)
            error = ((1 - mask) * (x_0 - prediction.x0)).square().flatten(1).sum(1)
            (gradient,) = torch.autograd.grad(error.sum(), y_t)
        prediction = Prediction(prediction.x0.detach(), prediction.eps.detach())
        # Where nothing is amiss, as with all to generate, the gradient is 0 and so must be its quotient.
        norm = error.detach().sqrt().clamp_min(torch.finfo(error.dtype).tiny).view(-1, *[1] * (y_t.ndim - 1))
        return ancestral(prediction, at.t, at.s, at.noise(0)) - self.zeta / norm * gradient
