"""Models that make views of a mesh: `load_prior` picks one by its name or folder."""

from alm_texture.priors.base import Defaults, View, ViewPrior
from alm_texture.priors.load import load_prior

__all__ = ["Defaults", "View", "ViewPrior", "load_prior"]
