"""Motion models: adapters, one file a family."""

from alm_motion.priors.base import Defaults, MotionPrior
from alm_motion.priors.load import FAMILIES, SHIPPED, load_prior

__all__ = ["FAMILIES", "SHIPPED", "Defaults", "MotionPrior", "load_prior"]
