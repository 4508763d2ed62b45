"""Visual anagrams: ε̂ = mean_i v_i⁻¹(ε̂(v_i(y_t))), or that of one view in turn; then DDIM from the canvas.

Geng et al., CVPR 2024, Sec. 3.2, and the reductions `mean` and `alternate` of their public code. A view v_i is a window
whose `read` shows the canvas turned, flipped, negated, …, and whose `write` undoes that.
"""

from dataclasses import dataclass

from torch import Tensor

from alm_core.fusions.base import Fusion, JointStep
from alm_core.prior import Prediction

__all__ = ["VisualAnagrams"]


@dataclass(frozen=True)
class VisualAnagrams(Fusion):
    """The mean of the views' ε̂, one call a view and step; with `alternate` one view a step, each in turn: one call.

    x̂_0 is averaged beside ε̂: by linearity it is (y_t − s_t ε̂)/a_t, and nothing is divided by an a_t near 0, as a flow's
    is at its start. So the mean is what `MultiDiffusion` gives for the same windows. Prefer `extend` with `SyncSDE` or
    `ALM` where each view should be sharp: a mean is a compromise.
    """

    alternate: bool = False

    def join(self, y_t: Tensor, at: JointStep) -> Prediction:
        """See `Fusion`. Raises ValueError when with `alternate` a view leaves out a part that others show."""
        numbers = [at.index % len(at.overlap.windows)] if self.alternate else None
        if self.alternate and bool(((at.overlap.total(numbers) == 0) & (at.overlap.total() > 0)).any()):
            raise ValueError("with alternate each view must show the whole canvas: leave alternate out")
        return at.mean(at.predict(at.views(y_t, numbers), at.t), y_t)
