"""Pretrained video models, and the clip itself, as priors."""

from alm_video.priors.base import Defaults, VideoPrior
from alm_video.priors.load import FAMILIES, SHIPPED, load_prior

__all__ = ["FAMILIES", "SHIPPED", "Defaults", "VideoPrior", "load_prior"]
