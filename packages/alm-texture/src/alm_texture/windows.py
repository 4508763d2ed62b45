"""Views of a mesh as windows onto one canvas: what a view makes of the surface, another view sees.

A canvas is (rows, channels, places): first the texels of an auxiliary texture that some view shows, then places of each
view's own for its cells that show none, such as its backdrop. A cell reads the texel whose projection lies nearest to
its centre; a texel takes the value of the nearest cell that shows the same place. Nothing is averaged, so noise keeps
its variance, and the laws of a window hold exactly.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from alm_texture.atlas import Atlas
from alm_texture.camera import Camera
from alm_texture.raster import Fragments
from alm_texture.sight import sight

__all__ = ["MeshView", "mesh_views"]

STEADY = 0.6
"""The least cosine at which what a view makes stands, even if a later view sees it better: 53 degrees off, where a
pattern is stretched by less than two."""


@dataclass(frozen=True, eq=False)
class MeshView:
    """A view of `size` × `size` cells. `shown` (cells) is the place that each cell reads.

    `place` (m) are all the places that the view shows, and `cell` (m) the cell that each takes its value from. `stands`
    (1, 1, size, size) is 1 where what the view makes may stand for the later ones: 0 where it sees the surface at a
    glancing angle and a later view sees it better. `facing` (1, 1, size, size) is the cosine at which a cell sees the
    surface, 1 where it shows none.
    """

    size: int
    shown: Tensor
    place: Tensor
    cell: Tensor
    stands: Tensor
    facing: Tensor

    def read(self, canvas: Tensor) -> Tensor:
        """(rows, channels, size, size) of a canvas (rows, channels, places)."""
        return canvas[..., self.shown].reshape(*canvas.shape[:-1], self.size, self.size)

    def write(self, canvas: Tensor, piece: Tensor) -> Tensor:
        """A new canvas with the piece in place. A cell that says what the canvas shows already leaves its texels alone.

        So what lies between the texels that a cell reads, and is finer than the cell, stays where nothing changed.
        """
        piece = piece.flatten(-2)
        same = (piece == canvas[..., self.shown]).all(-2, keepdim=True)
        written = canvas.clone()
        written[..., self.place] = torch.where(same[..., self.cell], canvas[..., self.place], piece[..., self.cell])
        return written


def mesh_views(
    atlas: Atlas,
    cameras: Sequence[Camera],
    views: Sequence[Fragments],
    alone: Sequence[NDArray[np.bool_]] | None = None,
    device: torch.device | str = "cpu",
) -> tuple[list[MeshView], int]:
    """The windows of the cameras' views, whose pixels are the cells, and the number of places of their canvas.

    `alone` (cells) says for each view which cells are to be the view's own even where they show the mesh.
    """
    found = []
    for i, (camera, view) in enumerate(zip(cameras, views, strict=True)):
        seen = sight(atlas, camera, view)
        nearest = seen.weight.argmax(0)
        cell = view.pixel[np.take_along_axis(seen.pixel, nearest[None], 0)[0]]
        off = (seen.x - cell % view.width) ** 2 + (seen.y - cell // view.width) ** 2
        shared = slice(None) if alone is None else ~alone[i][cell]
        found.append((seen.at[shared], cell[shared], off[shared], seen.cosine[shared]))
    # The texels that some view shows, in order: each one's place.
    number = np.zeros(len(atlas.texel), np.int64)
    for at, *_ in found:
        number[at] = 1
    count = int(number.sum())
    number = number.cumsum() - 1
    standing = _standing([(number[at], cosine) for at, _, _, cosine in found], count)
    windows = []
    for view, (at, cell, off, cosine), stays in zip(views, found, standing, strict=True):
        place = number[at]
        shown = np.full(view.height * view.width, -1, np.int64)
        # The last write wins: the nearest texel of each cell comes last.
        order = np.argsort(-off, kind="stable")
        shown[cell[order]] = place[order]
        stands, facing = np.ones((2, len(shown)), np.float32)
        stands[cell[order]], facing[cell[order]] = stays[order], cosine[order]
        own = np.flatnonzero(shown < 0)
        shown[own] = count + np.arange(len(own))
        place, cell = np.concatenate([place, shown[own]]), np.concatenate([cell, own])
        squares = (x.reshape(1, 1, view.height, view.width) for x in (stands, facing))
        tensors = (torch.from_numpy(x).to(device) for x in (shown, place, cell, *squares))
        windows.append(MeshView(view.width, *tensors))
        count += len(own)
    return windows, count


def _standing(seen: list[tuple[NDArray[np.int64], NDArray[np.float32]]], count: int) -> list[NDArray[np.bool_]]:
    """For each view's places (m) and cosines (m): which it sees clearly, or no later view better."""
    best = np.zeros(count, np.float32)
    standing: list[NDArray[np.bool_]] = []
    for place, cosine in reversed(seen):
        standing.insert(0, (cosine >= STEADY) | (cosine >= best[place]))
        best[place] = np.maximum(best[place], cosine)
    return standing
