"""One method, one file, the equation on top."""

from alm_core.methods.alm import ALM
from alm_core.methods.base import Method, Observed, Step, blend
from alm_core.methods.blended import BlendedLatents
from alm_core.methods.dps import DPS
from alm_core.methods.independent import Independent
from alm_core.methods.lanpaint import LanPaint
from alm_core.methods.particles import SMCDiff
from alm_core.methods.reconstruction import ReconstructionGuidance
from alm_core.methods.repaint import RePaint
from alm_core.methods.replacement import Replacement
from alm_core.methods.stochastic import StochasticALM
from alm_core.methods.syncsde import SyncSDE

__all__ = [
    "ALM",
    "DPS",
    "BlendedLatents",
    "Independent",
    "LanPaint",
    "Method",
    "Observed",
    "RePaint",
    "ReconstructionGuidance",
    "Replacement",
    "SMCDiff",
    "Step",
    "StochasticALM",
    "SyncSDE",
    "blend",
]
