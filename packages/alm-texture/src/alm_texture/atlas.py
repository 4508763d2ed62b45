"""Texels and the surface: which place of the mesh each texel's centre shows, and which texels a place is mixed from.

Textures repeat outside [0, 1], as renderers have it, so that a chart may cross the border of its page. The texels of
all pages are numbered as one: page · S² + row · S + column.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from alm_texture.mesh import Mesh
from alm_texture.raster import Fragments, Rasterize, rasterizer_named

__all__ = ["Atlas", "atlas_of", "corners", "shade"]

RAYS = 1 << 21
"""Cast at a time, so that memory stays flat for large pages and for charts that reach over many."""


@dataclass(frozen=True, eq=False)
class Atlas:
    """The m texels of pages S wide whose centres lie in a chart, in ascending order.

    `texel` (m) are their numbers, `face` (m) the faces they show and `bary` (m, 3) where in them; `point` (m, 3) and
    `normal` (m, 3) are in the unit frame. `area` (m) is the share of the surface that each stands for: its part of its
    face.
    """

    size: int
    pages: int
    texel: NDArray[np.int64]
    face: NDArray[np.int32]
    bary: NDArray[np.float32]
    point: NDArray[np.float32]
    normal: NDArray[np.float32]
    area: NDArray[np.float64]

    @property
    def count(self) -> int:
        """Of all texels of all pages."""
        return self.pages * self.size**2


def atlas_of(mesh: Mesh, normals: NDArray[np.float32], size: int, rasterizer: str = "embree") -> Atlas:
    """Looks straight down on the charts; `normals` (F, 3) are the faces'. Where faces overlap one of them is taken.

    Raises ValueError for a mesh without UVs.
    """
    if mesh.uv is None:
        raise ValueError("the mesh has no UVs: unwrap it first")
    pages = len(mesh.materials)
    texels, faces, barys = [], [], []
    for page in range(pages):
        mine = np.flatnonzero(mesh.page == page)
        found = _charts(rasterizer_named(rasterizer), mesh.uv[mine], size)
        texels.append(found[0] + page * size**2)
        faces.append(mine[found[1]])
        barys.append(found[2])
    texel, face, bary = np.concatenate(texels), np.concatenate(faces), np.concatenate(barys)
    point = np.einsum("nk,nkd->nd", bary, mesh.unit[mesh.faces[face]])
    whole = mesh.areas / np.maximum(np.bincount(face, minlength=len(mesh.faces)), 1)
    area = whole[face] / mesh.areas.sum()
    return Atlas(size, pages, texel, face.astype(np.int32), bary, point.astype(np.float32), normals[face], area)


def corners(
    uv: NDArray[np.float64], page: NDArray[np.int64], size: int
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """The four texels (n, 4) that bilinear filtering mixes at each uv (n, 2) of a page (n), and their weights."""
    x, y = uv[:, 0] * size - 0.5, (1 - uv[:, 1]) * size - 0.5
    left, top = np.floor(x).astype(np.int64), np.floor(y).astype(np.int64)
    fx, fy = (x - left).astype(np.float32), (y - top).astype(np.float32)
    columns, rows = (left % size, (left + 1) % size), (top % size, (top + 1) % size)
    start = page * size**2
    texel = np.stack([start + r * size + c for r in rows for c in columns], 1)
    weight = np.stack([v * u for v in (1 - fy, fy) for u in (1 - fx, fx)], 1)
    return texel, weight


def shade(mesh: Mesh, view: Fragments, values: NDArray[np.float32], size: int) -> NDArray[np.float32]:
    """(n, C) what the view's pixels show of a texture (T, C) with pages `size` wide, bilinear. Of a mesh with UVs."""
    assert mesh.uv is not None
    texel, weight = corners(np.einsum("nk,nkd->nd", view.bary, mesh.uv[view.face]), mesh.page[view.face], size)
    return np.asarray(np.einsum("nk,nkc->nc", weight, values[texel]))


def _charts(
    rasterize: Rasterize, uv: NDArray[np.float64], size: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]:
    """The texels of one page in a chart, ascending, their faces and barycentrics, from the faces' uv (f, 3, 2)."""
    if len(uv) == 0:
        return np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros((0, 3), np.float32)
    flat = np.concatenate([uv.reshape(-1, 2), np.zeros((uv.size // 2, 1))], 1)
    scene = rasterize(flat.astype(np.float32), np.arange(len(flat), dtype=np.int32).reshape(-1, 3))
    # The box of texels around all charts, some rows at a time: beyond [0, size) they repeat.
    low, high = (f(at).astype(int) for f, at in ((np.floor, uv.min((0, 1)) * size), (np.ceil, uv.max((0, 1)) * size)))
    width, height = high - low
    parts, rows = [], max(RAYS // int(width), 1)
    for top in range(0, int(height), rows):
        count = min(rows, int(height) - top)
        (sx, sy), (left, bottom) = 2 * size / np.array([width, count]), (low[0], high[1] - top - count)
        box = np.array(
            [[sx, 0, 0, -sx * left / size - 1], [0, sy, 0, -sy * bottom / size - 1], [0, 0, 1, 0], [0, 0, 0, 1]]
        )
        hits = scene.cast(box, count, int(width))
        row, column = np.nonzero(hits.face >= 0)
        texel = (size - high[1] + top + row) % size * size + (low[0] + column) % size
        parts.append((texel, hits.face[row, column].astype(np.int64), hits.bary[row, column]))
    texel, face, bary = (np.concatenate(each) for each in zip(*parts, strict=True))
    texel, first = np.unique(texel, return_index=True)
    return texel, face[first], bary[first]
