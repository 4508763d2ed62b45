"""Feature similarity, of brightness alone (FSIM) and of colour too (FSIMc): Zhang et al., IEEE TIP 20(8), 2011.

    S_PC = (2 P_x P_y + T₁) / (P_x² + P_y² + T₁)       P: phase congruency
    S_G  = (2 G_x G_y + T₂) / (G_x² + G_y² + T₂)       G: gradient magnitude
    FSIM = Σ S_PC S_G P_m / Σ P_m,      P_m = max(P_x, P_y)
    FSIMc: each term times (S_I S_Q)^λ, of the colours I and Q as S_G is of G

Pictures are measured in levels, 0 to 255, and first made smaller so that the shorter side is about 256. Constants are
those of the paper and of its authors' code.
"""

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, conv2d, pad

from alm_image.metrics.phase import phase_congruency
from alm_image.metrics.pixels import check_pair

__all__ = ["FSIM_SIDE", "fsim", "fsimc"]

T1, T2, T3, T4, LAMBDA = 0.85, 160.0, 200.0, 200.0, 0.03
SIDE = 256
FSIM_SIDE = 16
"""The smallest side of a picture that is measured: on less the waves of phase congruency do not fit."""
YIQ = ((0.299, 0.587, 0.114), (0.596, -0.274, -0.322), (0.211, -0.523, 0.312))


def fsim(made: Tensor, truth: Tensor) -> Tensor:
    """FSIM (n,) of pixels (n, 3, height, width) in [−1, 1]: 1 of equals, and of two that show nothing at all.

    Raises ValueError for pictures that are not of one shape, or below 16 pixels a side.
    """
    return _similarity(made, truth, colour=False)


def fsimc(made: Tensor, truth: Tensor) -> Tensor:
    """As `fsim`, with colour: what some libraries call FSIM. The two differ little where colours agree."""
    return _similarity(made, truth, colour=True)


def _similarity(made: Tensor, truth: Tensor, *, colour: bool) -> Tensor:
    check_pair(made, truth, FSIM_SIDE)
    (y_x, i_x, q_x), (y_y, i_y, q_y) = (_smaller(_yiq(each)).unbind(1) for each in (made, truth))
    pc_x, pc_y = phase_congruency(y_x), phase_congruency(y_y)
    score = _alike(pc_x, pc_y, T1) * _alike(_gradient(y_x), _gradient(y_y), T2)
    if colour:
        both = _alike(i_x, i_y, T3) * _alike(q_x, q_y, T4)
        # The real part of a power: of what is below 0 it turns by λ π.
        score = score * both.abs() ** LAMBDA * torch.where(both < 0, torch.cos(torch.tensor(LAMBDA * torch.pi)), 1.0)
    most = torch.maximum(pc_x, pc_y)
    total = most.sum((1, 2))
    # Where neither shows anything there is nothing to be unlike.
    return torch.where(total > 0, (score * most).sum((1, 2)) / total.clamp(min=1e-30), 1.0)


def _alike(x: Tensor, y: Tensor, constant: float) -> Tensor:
    return (2 * x * y + constant) / (x**2 + y**2 + constant)


def _yiq(pixels: Tensor) -> Tensor:
    """Brightness and two colours, of levels."""
    return torch.einsum("cd,ndhw->nchw", torch.tensor(YIQ).to(pixels), (pixels + 1) * 127.5)


def _smaller(x: Tensor) -> Tensor:
    """Means of squares of `factor` pixels, centred on every factor-th, so that the shorter side is about 256."""
    height, width = x.shape[-2:]
    factor = max(1, int(min(height, width) / SIDE + 0.5))  # halves go up, as in the authors' language
    before = (factor - 1) // 2
    # What is beyond the edge counts as black, as in the authors' code.
    right, below = (max(0, (-(-size // factor) - 1) * factor + factor - size - before) for size in (width, height))
    return avg_pool2d(pad(x, (before, right, before, below)), factor)


def _gradient(y: Tensor) -> Tensor:
    """The magnitude of Scharr's gradient, (n, height, width); what is beyond the edge counts as black."""
    scharr = torch.tensor([[3.0, 0.0, -3.0], [10.0, 0.0, -10.0], [3.0, 0.0, -3.0]]).to(y) / 16
    found = conv2d(y[:, None], torch.stack([scharr, scharr.T])[:, None], padding=1)
    return found.square().sum(1).sqrt()
