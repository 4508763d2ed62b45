"""Rasterisers behind one interface: Embree by default, others where they are installed."""

from collections.abc import Callable
from importlib import import_module

import numpy as np
from numpy.typing import NDArray

from alm_texture.raster.base import Fragments, Hits, Rasterizer
from alm_texture.raster.embree import Embree

__all__ = ["RASTERIZERS", "Embree", "Fragments", "Hits", "Rasterize", "Rasterizer", "rasterizer_named"]

Rasterize = Callable[[NDArray[np.float32], NDArray[np.int32]], Rasterizer]
"""A backend's class: made from vertices (V, 3) and faces (F, 3)."""

RASTERIZERS = {"embree": "Embree", "nvdiffrast": "Nvdiffrast", "pytorch3d": "PyTorch3D"}
"""The backends: the module's name in this package, and its class."""


def rasterizer_named(name: str) -> Rasterize:
    """The backend's class. Raises ValueError for an unknown name; making one raises ImportError where it is missing."""
    if name not in RASTERIZERS:
        raise ValueError(f"unknown rasteriser {name!r}: wanted one of {', '.join(RASTERIZERS)}")
    found: Rasterize = getattr(import_module(f"alm_texture.raster.{name}"), RASTERIZERS[name])
    return found
