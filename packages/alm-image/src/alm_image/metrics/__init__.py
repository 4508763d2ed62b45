"""What can be measured of pictures: against a truth, against a set of others, against a prompt, or alone.

Pixels are float (n, 3, height, width) in [−1, 1], masks (n, 1, height, width) with 1 where a picture was generated. All
measures return a value a picture, (n,), or features (n, D) for `alm_image.statistics`.
"""

from alm_image.metrics.aesthetic import Aesthetic
from alm_image.metrics.clip import Clip, ClipScale
from alm_image.metrics.feature_similarity import fsim, fsimc
from alm_image.metrics.full_reference import masked_mse, masked_ssim, ms_ssim, mse, ssim
from alm_image.metrics.inception import Inception
from alm_image.metrics.kept import kept_error
from alm_image.metrics.lpips import LPIPS
from alm_image.metrics.q_align import QAlign

__all__ = [
    "LPIPS",
    "Aesthetic",
    "Clip",
    "ClipScale",
    "Inception",
    "QAlign",
    "fsim",
    "fsimc",
    "kept_error",
    "masked_mse",
    "masked_ssim",
    "ms_ssim",
    "mse",
    "ssim",
]
