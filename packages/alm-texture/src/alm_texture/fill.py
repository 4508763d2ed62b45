"""Voronoi completion (ALM B.4): a texel that no view saw takes the value of the nearest that one did.

Nearest on the surface, so that colour does not leak between charts that lie side by side in the atlas alone; then all
texels outside charts take the nearest inside one, so that filtering and mip-mapping find no seam.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt
from scipy.spatial import cKDTree

from alm_texture.atlas import Atlas

__all__ = ["fill_atlas", "fill_gutters", "fill_surface"]

Floats = NDArray[np.float32]
Bools = NDArray[np.bool_]

TURN = 0.1
"""How far apart, in the unit frame, opposite normals count: so a thin wall's inside is not its outside's nearest."""


def fill_surface(atlas: Atlas, values: Floats, seen: Bools) -> Floats:
    """Values (T, C) with each unseen texel of a chart taken from the nearest seen (T) one in space.

    Distances are between points and, at `TURN`/2 a unit, normals: ‖p − q‖² + (TURN/2)² ‖n_p − n_q‖². Raises ValueError
    where nothing was seen.
    """
    known = seen[atlas.texel]
    _check(known)
    place = np.concatenate([atlas.point, atlas.normal * (TURN / 2)], 1)
    # Nodes as they were split: shrunk to their points, which is the default, far queries take ten times as long.
    _, nearest = cKDTree(place[known], balanced_tree=False, compact_nodes=False).query(place[~known], workers=-1)
    filled = values.copy()
    filled[atlas.texel[~known]] = values[atlas.texel[known][nearest]]
    return filled


def fill_atlas(atlas: Atlas, values: Floats, seen: Bools) -> Floats:
    """Values (T, C) with each unseen texel taken from the nearest seen (T) one of its page, exactly: for comparison.

    Raises ValueError where nothing was seen.
    """
    _check(seen)
    filled = values.reshape(atlas.pages, atlas.size, atlas.size, -1).copy()
    for page, known in zip(filled, seen.reshape(atlas.pages, atlas.size, atlas.size), strict=True):
        if known.any():
            rows, columns = distance_transform_edt(~known, return_distances=False, return_indices=True)
            page[:] = page[rows, columns]
    return filled.reshape(values.shape)


def fill_gutters(atlas: Atlas, values: Floats, kept: Bools | None = None) -> Floats:
    """Values (T, C) with what lies outside the charts and is not `kept` (T) taken from the nearest texel inside one."""
    inside = np.zeros(atlas.count, bool)
    inside[atlas.texel] = True
    return fill_atlas(atlas, values, inside if kept is None else inside | kept)


def _check(known: Bools) -> None:
    if not known.any():
        raise ValueError("no view sees the mesh, so there is nothing to fill its texture from: choose other views")
