"""LaVie's base network (Wang et al., 2023): Stable Diffusion 1.4's U-Net with attention over time."""

from alm_video.priors.networks.lavie.config import LaVieConfig
from alm_video.priors.networks.lavie.load import load_lavie
from alm_video.priors.networks.lavie.unet import LaVieUNet

__all__ = ["LaVieConfig", "LaVieUNet", "load_lavie"]
