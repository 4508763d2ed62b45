"""Completion by Accelerated Likelihood Maximization: the sampler mathematics, on torch alone."""

from alm_core.extend import extend
from alm_core.methods import (
    ALM,
    DPS,
    BlendedLatents,
    Independent,
    LanPaint,
    Method,
    Observed,
    ReconstructionGuidance,
    RePaint,
    Replacement,
    SMCDiff,
    Step,
    StochasticALM,
    SyncSDE,
)
from alm_core.noise import Noise
from alm_core.prior import Conditions, Counted, Prediction, Prior
from alm_core.reference import FixedNoise, FreshNoise, Inversion, Reference
from alm_core.sample import NotFiniteError, Progress, sample
from alm_core.schedule import Level, Schedule
from alm_core.window import Slice, Window

__all__ = [
    "ALM",
    "DPS",
    "BlendedLatents",
    "Conditions",
    "Counted",
    "FixedNoise",
    "FreshNoise",
    "Independent",
    "Inversion",
    "LanPaint",
    "Level",
    "Method",
    "Noise",
    "NotFiniteError",
    "Observed",
    "Prediction",
    "Prior",
    "Progress",
    "RePaint",
    "ReconstructionGuidance",
    "Reference",
    "Replacement",
    "SMCDiff",
    "Schedule",
    "Slice",
    "Step",
    "StochasticALM",
    "SyncSDE",
    "Window",
    "extend",
    "sample",
]
__version__ = "0.1.0"
