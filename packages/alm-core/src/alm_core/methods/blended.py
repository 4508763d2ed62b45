"""Blended latents (Avrahami et al., SIGGRAPH 2023, Alg. 1): steps, then puts the given part at the new level.

Y_s = DDIM(Y_t) M + X_s (1 − M);   X_s = a_s X_0 + s_s ε,   ε = (X_t − a_t X_0)/s_t
"""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from alm_core.methods.base import Method, Step, blend, clean
from alm_core.prior import Prediction, ddim

__all__ = ["BlendedLatents"]


@dataclass(frozen=True)
class BlendedLatents(Method):
    """`Replacement` after the step and not before it: the first step sees noise alone, the last lands on X_0.

    ε is the reference's own noise. With fixed noise this is what the inpainting pipelines of diffusers do for models
    that were not trained to inpaint, and from its second step on it is `Replacement`; with fresh noise it is the
    paper's algorithm without its fitting of the decoder. One call a step. Needs the clean X_0, so it cannot run where
    that is still being made. Prefer it never by default: it is here to compare with what is in use.
    """

    needs_clean: ClassVar[bool] = True

    def step(self, y_t: Tensor, at: Step) -> Tensor:
        """Returns y_s, guided, with X_s in the observed part."""
        y_s = ddim(at.predict_guided(y_t), at.s)
        if at.observed is None:
            return y_s
        x_0 = clean(at.observed)
        x_s = ddim(Prediction.from_x0(at.observed.x_t(0), at.t, x_0), at.s)
        return blend(x_s, y_s, at.observed.mask)
