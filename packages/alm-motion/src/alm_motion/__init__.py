"""Complete, extend and in-between human motion by Accelerated Likelihood Maximization."""

__version__ = "0.1.0"

from alm_motion import _threads as _threads
from alm_motion.clip import Clip
from alm_motion.complete import Result, complete
from alm_motion.extend import extend, inbetween
from alm_motion.io import read_clip
from alm_motion.long import long
from alm_motion.priors import MotionPrior, load_prior
from alm_motion.skeleton import Skeleton

__all__ = [
    "Clip",
    "MotionPrior",
    "Result",
    "Skeleton",
    "complete",
    "extend",
    "inbetween",
    "load_prior",
    "long",
    "read_clip",
]
