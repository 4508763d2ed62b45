"""Weighted splatting: each texel t takes what the views v that see it show there, bilinear among pixels of one place,

    T(t) = Σ_v c_vt^n w_v I_v(π_v(t)) / Σ_v c_vt^n w_v

with c the cosine between the normal and the view, and w what a pixel is worth.
"""

import numpy as np
from numpy.typing import NDArray

from alm_texture.atlas import Atlas
from alm_texture.camera import Camera
from alm_texture.raster import Fragments
from alm_texture.sight import GRAZING, sight

__all__ = ["Splat"]

Floats = NDArray[np.float32]


class Splat:
    """The weighted mean of what the views show; `power` is n."""

    def __init__(self, atlas: Atlas, channels: int, *, power: float = 2.0) -> None:
        self._atlas, self._power = atlas, power
        self._sum = np.zeros((atlas.count, channels), np.float32)
        self._weight = np.zeros(atlas.count, np.float32)

    def add(self, camera: Camera, view: Fragments, values: Floats, weight: Floats | None = None) -> None:
        """Adds a view: values (n, C) of its fragments, and what each is worth, (n) in [0, 1]; 0 is not read."""
        seen = sight(self._atlas, camera, view)
        share = np.maximum(seen.cosine, GRAZING) ** self._power
        if weight is not None:
            part = seen.weight * weight[seen.pixel]
            total = part.sum(0)
            share *= total
            seen.weight = part / np.maximum(total, 1e-6)
        texel = self._atlas.texel[seen.at]
        self._sum[texel] += seen.read(values) * share[:, None]
        self._weight[texel] += share

    def texture(self) -> tuple[Floats, NDArray[np.bool_]]:
        """(T, C) of all texels of all pages, 0 where none was seen, and which were (T)."""
        seen = self._weight > 1e-9
        weight = np.where(seen, self._weight, 1).astype(np.float32)
        return np.asarray(self._sum / weight[:, None]), seen
