"""Pretrained image models as priors: `load_prior` picks the family from the files."""

from alm_image.priors.base import ImagePrior
from alm_image.priors.load import FAMILIES, load_prior

__all__ = ["FAMILIES", "ImagePrior", "load_prior"]
