"""One method, one file, the equation on top."""

from alm_core.methods.alm import ALM
from alm_core.methods.base import Method, Observed, Step, blend
from alm_core.methods.independent import Independent
from alm_core.methods.reconstruction import ReconstructionGuidance
from alm_core.methods.repaint import RePaint
from alm_core.methods.replacement import Replacement
from alm_core.methods.stochastic import StochasticALM
from alm_core.methods.syncsde import SyncSDE

__all__ = [
    "ALM",
    "Independent",
    "Method",
    "Observed",
    "RePaint",
    "ReconstructionGuidance",
    "Replacement",
    "Step",
    "StochasticALM",
    "SyncSDE",
    "blend",
]
