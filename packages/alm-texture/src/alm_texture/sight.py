"""What a view shows of an atlas: for each texel, whether the view sees it and the pixels around it there."""

import numpy as np
from numpy.typing import NDArray

from alm_texture.atlas import Atlas
from alm_texture.camera import Camera
from alm_texture.raster import Fragments

__all__ = ["CLEARLY", "GRAZING", "Sight", "sight"]

Floats = NDArray[np.float32]
Part = tuple[NDArray[np.int64], NDArray[np.int32], Floats, Floats, Floats, Floats]

NEAR = 1.6
"""How far apart, in widths of a pixel on the surface, a texel and a pixel may lie and still be the same place."""
GRAZING = 0.02
"""The least cosine that counts as itself: below, a pixel is as wide as fifty."""
CLEARLY = 0.35
"""The least cosine at which a view sees well: beyond 70 degrees off, a pixel is three wide."""
CHUNK = 1 << 15
"""Texels looked at in one go: larger temporaries leave the caches."""


class Sight:
    """What a view shows of an atlas: m texels, as indices `at` (m) into `Atlas.texel`.

    `pixel` (4, m) are the pixels around each, as indices into the view's fragments, with weights (4, m) that are 0
    where a pixel shows another place and sum to 1; `cosine` (m); `x` and `y` (m) where the texel lies in the picture,
    in pixels.
    """

    def __init__(self, parts: list[Part]) -> None:
        self.at, self.pixel, self.weight, self.cosine, self.x, self.y = (
            np.concatenate(each, -1) for each in zip(*parts, strict=True)
        )

    def read(self, values: Floats) -> Floats:
        """(m, C) the values (n, C) of the view's fragments at the texels."""
        return np.asarray(sum(values[p] * w[:, None] for p, w in zip(self.pixel, self.weight, strict=True)))


def sight(atlas: Atlas, camera: Camera, view: Fragments) -> Sight:
    """The texels that the view shows: those that face the camera and lie where the pixels around them do."""
    slot = np.full((view.height + 2) * (view.width + 2), -1, np.int32)
    slot[(view.pixel // view.width + 1) * (view.width + 2) + view.pixel % view.width + 1] = np.arange(len(view.pixel))
    # A view that shows nothing of the mesh sees no texel: it is asked about none.
    starts = range(0, len(atlas.texel) if len(view.pixel) else 0, CHUNK)
    parts = [slice(n, n + CHUNK) for n in starts] or [slice(0, 0)]
    return Sight([_sight(atlas, part, camera, view, slot) for part in parts])


def _sight(atlas: Atlas, part: slice, camera: Camera, view: Fragments, slot: NDArray[np.int32]) -> Part:
    """Some of the texels; `slot` is the fragment of each pixel of the picture with a border one pixel wide, or −1."""
    towards = camera.position.astype(np.float32) - atlas.point[part]
    cosine = np.einsum("nd,nd->n", atlas.normal[part], towards) / np.sqrt(np.einsum("nd,nd->n", towards, towards))
    at = np.flatnonzero(cosine > 0)
    clip = camera.projection().astype(np.float32)
    point, cosine = atlas.point[part][at], cosine[at]
    x, y, _, depth = (point @ clip[:, :3].T + clip[:, 3]).T
    inside = (np.abs(x) < depth) & (np.abs(y) < depth)
    at, point, cosine, x, y, depth = (each[inside] for each in (at, point, cosine, x, y, depth))
    x, y = (x / depth + 1) * (view.width / 2) - 0.5, (1 - y / depth) * (view.height / 2) - 0.5
    left, top = np.floor(x).astype(np.int32), np.floor(y).astype(np.int32)
    fx, fy = x - left, y - top
    reach, least = (NEAR * camera.footprint(view.width) * depth) ** 2, np.maximum(cosine, GRAZING)
    pixel, weight = np.empty((4, len(at)), np.int32), np.empty((4, len(at)), np.float32)
    for j, (row, column, w) in enumerate(
        ((0, 0, (1 - fy) * (1 - fx)), (0, 1, (1 - fy) * fx), (1, 0, fy * (1 - fx)), (1, 1, fy * fx))
    ):
        pixel[j] = slot[(top + row + 1) * (view.width + 2) + left + column + 1]
        apart = view.point[pixel[j]] - point
        # The surface spreads a pixel by 1 / cosine; where texel and pixel differ, the steeper one is the judge.
        spread = np.maximum(view.cosine[pixel[j]], least)
        near = np.einsum("nd,nd->n", apart, apart) * spread**2 < reach
        weight[j] = np.where((pixel[j] >= 0) & near, w, 0)
    total = weight.sum(0)
    seen = np.flatnonzero(total > 1e-3)
    return (
        at[seen] + part.start,
        np.maximum(pixel[:, seen], 0),
        weight[:, seen] / total[seen],
        cosine[seen],
        x[seen],
        y[seen],
    )
