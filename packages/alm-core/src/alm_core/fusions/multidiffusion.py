"""MultiDiffusion: y_s = Σ_i W_i ⊙ F_i⁻¹(DDIM(F_i(y_t))) / Σ_i W_i, the weighted mean of the windows' steps.

Bar-Tal et al., ICML 2023, Eq. 3 with its closed form. DDIM is linear in x̂_0 and ε̂, so the mean of the steps is the
step of the means. With W_i a region's mask it is their region-based generation. In its first steps, the bootstrapping,
a region's window sees a plain background b outside the region, so that a whole object comes to lie inside it:

    F_i(y_t) ← W_i ⊙ F_i(y_t) + (1 − W_i) ⊙ (a_t b + s_t F_i(y_T))
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from alm_core.fusions.base import Fusion, JointStep
from alm_core.prior import Prediction

__all__ = ["MultiDiffusion"]


@dataclass(frozen=True)
class MultiDiffusion(Fusion):
    """The mean of the windows' steps, one call a window and step.

    `bootstrap` is how many first steps show the backgrounds given to `fuse`, 20 of 50 in the public code; without
    backgrounds it changes nothing. There a background is drawn for each step, here its choices come in turn. Take it
    for regions; prefer `extend` for windows in a row: means of steps blur, and lose variance.
    """

    bootstraps: ClassVar[bool] = True

    bootstrap: int = 20

    def __post_init__(self) -> None:
        """Checks ranges."""
        if self.bootstrap < 0:
            raise ValueError(f"bootstrap must be 0 or more steps, got {self.bootstrap}")

    def join(self, y_t: Tensor, at: JointStep) -> Prediction:
        """See `Fusion`: x̂_0 and ε̂ are both averaged."""
        views = at.views(y_t)
        if at.index < self.bootstrap:
            for n, view in views.items():
                background = at.background(n)
                if background is not None:
                    views[n] = torch.lerp(background, view, at.overlap.weights[n])
        return at.mean(at.predict(views, at.t), y_t)
