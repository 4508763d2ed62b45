"""Extend video in time by Accelerated Likelihood Maximization."""

__version__ = "0.1.0"

from alm_video import _threads as _threads
from alm_video.extend import extend, inbetween
from alm_video.film import Film
from alm_video.freenoise import FreeNoise
from alm_video.generate import generate
from alm_video.io import read_film, writing
from alm_video.priors import VideoPrior, load_prior
from alm_video.result import Result

__all__ = [
    "Film",
    "FreeNoise",
    "Result",
    "VideoPrior",
    "extend",
    "generate",
    "inbetween",
    "load_prior",
    "read_film",
    "writing",
]
