"""Measures of a picture against its truth that need no network.

    mse  = mean (x − y)²,   x, y in [−1, 1]
    ssim = (2 μ_x μ_y + c₁)(2 σ_xy + c₂) / ((μ_x² + μ_y² + c₁)(σ_x² + σ_y² + c₂)),   x, y in [0, 1]

μ, σ are local, by a Gaussian window of 11 × 11 and σ = 1.5; c₁ = 0.01², c₂ = 0.03² (Wang et al. 2004). Colours are
measured one by one and averaged.
"""

import torch
from torch import Tensor
from torch.nn.functional import conv2d

from alm_image.metrics.pixels import check_mask, check_pair

__all__ = ["MS_SSIM_SIDE", "SSIM_SIDE", "masked_mse", "masked_ssim", "ms_ssim", "mse", "ssim", "ssim_map"]

RADIUS, SIGMA = 5, 1.5
C1, C2 = 0.01**2, 0.03**2
SSIM_SIDE = 2 * RADIUS + 1
"""The smallest side of a picture that SSIM is defined for."""
MS_SSIM_SIDE = 176
"""The same for MS-SSIM, which halves it four times."""


def mse(made: Tensor, truth: Tensor) -> Tensor:
    """The mean square error (n,) of pixels in [−1, 1]: four times that of [0, 1].

    ALM's tables are of this range, as far as can be told (see docs/evaluate.md).
    """
    check_pair(made, truth)
    return (made - truth).square().mean((1, 2, 3))


def masked_mse(made: Tensor, truth: Tensor, mask: Tensor) -> Tensor:
    """The mean square error (n,) over what the mask (n or 1, 1, height, width) shows white, of the range [−1, 1]."""
    check_pair(made, truth)
    return _over((made - truth).square().mean(1, keepdim=True), check_mask(mask, made))


def ssim(made: Tensor, truth: Tensor) -> Tensor:
    """Structural similarity (n,), 1 of equals: the mean of its map where the window fits into the picture."""
    inner = slice(RADIUS, -RADIUS)
    return ssim_map(made, truth)[..., inner, inner].mean((1, 2, 3))


def masked_ssim(made: Tensor, truth: Tensor, mask: Tensor) -> Tensor:
    """ALM's M-SSIM (n,): SSIM's map averaged over what the mask (n or 1, 1, height, width) shows white.

    Windows reach beyond the hole by five pixels, and at the border of the picture see it mirrored.
    """
    values = ssim_map(made, truth)
    return _over(values, check_mask(mask, made))


def ssim_map(made: Tensor, truth: Tensor) -> Tensor:
    """Structural similarity at each pixel, (n, 1, height, width), the mean of the colours."""
    check_pair(made, truth, SSIM_SIDE)
    x, y = ((each + 1) / 2 for each in (made, truth))
    mu_x, mu_y = _blur(x), _blur(y)
    var_x, var_y, cov = _blur(x * x) - mu_x**2, _blur(y * y) - mu_y**2, _blur(x * y) - mu_x * mu_y
    alike = (2 * mu_x * mu_y + C1) / (mu_x**2 + mu_y**2 + C1)
    return (alike * (2 * cov + C2) / (var_x + var_y + C2)).mean(1, keepdim=True)


def ms_ssim(made: Tensor, truth: Tensor) -> Tensor:
    """Multi-scale SSIM (n,) on five scales (Wang et al. 2003), by torchmetrics; 176 pixels a side or more are wanted.

    Raises ValueError for smaller pictures, and ImportError without torchmetrics.
    """
    check_pair(made, truth, MS_SSIM_SIDE)
    try:
        from torchmetrics.functional.image import multiscale_structural_similarity_index_measure as measure
    except ImportError as error:
        raise ImportError(
            f"{error.name or error} is missing, which MS-SSIM needs: pip install 'alm-image[metrics]'"
        ) from error
    found: Tensor = measure((made + 1) / 2, (truth + 1) / 2, data_range=1.0, reduction="none")
    return found.reshape(len(made))


def _over(values: Tensor, mask: Tensor) -> Tensor:
    mask = mask.to(values)
    return (values * mask).sum((1, 2, 3)) / mask.sum((1, 2, 3))


def _blur(x: Tensor) -> Tensor:
    """Each channel by the window, of the same size."""
    at = torch.arange(-RADIUS, RADIUS + 1, dtype=x.dtype, device=x.device)
    window = torch.exp(-(at**2) / (2 * SIGMA**2))
    window = window / window.sum()
    for axis in (2, 3):
        size = x.shape[axis]
        # Mirrored with the edge repeated: 2 1 0 | 0 1 2 … which padding by "reflect" would leave out.
        index = torch.arange(-RADIUS, size + RADIUS, device=x.device)
        index = torch.where(index < 0, -1 - index, torch.where(index >= size, 2 * size - 1 - index, index))
        shape = (1, 1, -1, 1) if axis == 2 else (1, 1, 1, -1)
        planes = x.index_select(axis, index).flatten(0, 1)[:, None]
        x = conv2d(planes, window.reshape(shape)).reshape(x.shape)
    return x
