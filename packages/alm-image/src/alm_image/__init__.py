"""Complete pictures with any diffusion or flow model, or with none."""

__version__ = "0.1.0"

from alm_image import _threads as _threads
from alm_image.anagram import AnagramResult, anagram
from alm_image.blend import Gaussian, Hard, Membrane, Poisson
from alm_image.complete import Result
from alm_image.edit import EditResult, edit
from alm_image.inpaint import inpaint
from alm_image.outpaint import outpaint
from alm_image.priors import ImagePrior, load_prior
from alm_image.regions import regions
from alm_image.wide import wide

__all__ = [
    "AnagramResult",
    "EditResult",
    "Gaussian",
    "Hard",
    "ImagePrior",
    "Membrane",
    "Poisson",
    "Result",
    "anagram",
    "edit",
    "inpaint",
    "load_prior",
    "outpaint",
    "regions",
    "wide",
]
