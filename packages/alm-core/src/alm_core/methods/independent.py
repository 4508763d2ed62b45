"""No coupling: plain DDIM. The floor that every other method is measured against."""

from dataclasses import dataclass

from torch import Tensor

from alm_core.methods.base import Method, Step
from alm_core.prior import ddim

__all__ = ["Independent"]


@dataclass(frozen=True)
class Independent(Method):
    """Ignores what is observed: y_s = a_s x̂_0 + s_s ε̂, guided."""

    def step(self, y_t: Tensor, at: Step) -> Tensor:
        """Returns DDIM(y_t)."""
        return ddim(at.predict_guided(y_t), at.s)
