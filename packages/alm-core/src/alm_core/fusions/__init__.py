"""One joint method, one file: what of the windows is averaged where they overlap."""

from alm_core.fusions.base import Fusion, JointStep, Overlap
from alm_core.fusions.multidiffusion import MultiDiffusion
from alm_core.fusions.stochsync import StochSync
from alm_core.fusions.synctweedies import SyncTweedies
from alm_core.fusions.visual_anagrams import VisualAnagrams

__all__ = ["Fusion", "JointStep", "MultiDiffusion", "Overlap", "StochSync", "SyncTweedies", "VisualAnagrams"]
