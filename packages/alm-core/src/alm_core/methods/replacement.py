"""Replacement (Song et al., ICLR 2021): puts X_t in the place of the observed part before each step.

Y_s = DDIM( X_t (1 − M) + Y_t M )
"""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from alm_core.methods.base import Method, Step, blend
from alm_core.prior import ddim

__all__ = ["Replacement"]


@dataclass(frozen=True)
class Replacement(Method):
    """The cheapest completion, one call a step; the hole does not know that it must meet its border.

    `BlendedLatents` blends after the step instead.
    """

    fresh_noise: ClassVar[bool] = True

    def step(self, y_t: Tensor, at: Step) -> Tensor:
        """Returns y_s = DDIM(E_t), guided."""
        if at.observed is not None:
            y_t = blend(at.observed.x_t(0), y_t, at.observed.mask)
        return ddim(at.predict_guided(y_t), at.s)
