"""SyncTweedies: x̂_0 = Σ_i W_i ⊙ F_i⁻¹(x̂_0(F_i(y_t))) / Σ_i W_i, ε̂ = (y_t − a_t x̂_0)/s_t, then y_s = a_s x̂_0 + s_s ε̂.

Kim et al., NeurIPS 2024, their case 2: Tweedie's formula in the windows, its means on the canvas. There each window
keeps a state of its own. Here the canvas is that state, and where windows take places out of it, which change no value,
this is `MultiDiffusion` without backgrounds, by linearity: it differs where a window mixes places, as views of a mesh.
"""

from dataclasses import dataclass

from torch import Tensor

from alm_core.fusions.base import Fusion, JointStep
from alm_core.prior import Prediction

__all__ = ["SyncTweedies"]


@dataclass(frozen=True)
class SyncTweedies(Fusion):
    """The mean of the windows' x̂_0, one call a window and step.

    For regions as SyncSDE compares with it (its Eq. 23) the background's window weighs 1 everywhere and a region's
    window its mask. Prefer `extend` for windows in a row: means blur, and lose variance.
    """

    def join(self, y_t: Tensor, at: JointStep) -> Prediction:
        """See `Fusion`: x̂_0 is averaged, ε̂ follows from it and y_t."""
        views = at.predict(at.views(y_t), at.t)
        x0 = at.overlap.average({n: view.x0 for n, view in views.items()}, y_t)
        return Prediction.from_x0(y_t, at.t, x0)
