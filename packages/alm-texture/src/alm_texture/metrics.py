"""Measures of a painted mesh that need no network."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from alm_texture.atlas import Atlas
from alm_texture.bake import Picture
from alm_texture.mesh import Mesh
from alm_texture.raster import Fragments
from alm_texture.sight import CLEARLY, sight

__all__ = ["seam_contrast", "view_agreement"]

APART = 3.0
"""How many texels farther apart in the atlas than on the surface two neighbouring pixels across a cut must lie."""


def view_agreement(atlas: Atlas, pictures: Sequence[Picture]) -> float:
    """Mean absolute difference of two pictures where they show the same texel, over all pairs; nan where none do.

    In the units of the values; texels that either view sees more than 70 degrees off, or in pixels that are worth
    less than a half, do not count.
    """
    shown: list[tuple[NDArray[np.int64], NDArray[np.float32]]] = []
    total, count = 0.0, 0
    for picture in pictures:
        seen = sight(atlas, picture.camera, picture.view)
        clear = seen.cosine >= CLEARLY
        if picture.weight is not None:
            clear &= seen.read(picture.weight[:, None])[:, 0] > 0.5
        at, values = seen.at[clear], seen.read(picture.values)[clear]
        for other, theirs in shown:
            _, mine, its = np.intersect1d(at, other, assume_unique=True, return_indices=True)
            total += float(np.abs(values[mine] - theirs[its]).sum(dtype=np.float64))
            count += len(mine) * values.shape[1]
        shown.append((at, values))
    return total / count if count else float("nan")


def seam_contrast(mesh: Mesh, view: Fragments, values: NDArray[np.float32], size: int) -> float:
    """Root mean square difference of neighbouring pixels across cuts of the atlas, over that of those not across any.

    `values` (n, C) are the colours of a view's pixels, rendered from a texture `size` texels wide: about 1 where no cut
    shows. Neighbours lie across a cut where their texels are far more apart than their places; nan where the view shows
    no cut.
    """
    assert mesh.uv is not None
    uv = np.einsum("nk,nkd->nd", view.bary, mesh.uv[view.face]) * size
    slot = np.full(view.height * view.width, -1, np.int64)
    slot[view.pixel] = np.arange(len(view.pixel))
    grid = slot.reshape(view.height, view.width)
    first = np.concatenate([grid[:, :-1].ravel(), grid[:-1].ravel()])
    second = np.concatenate([grid[:, 1:].ravel(), grid[1:].ravel()])
    both = (first >= 0) & (second >= 0)
    first, second = first[both], second[both]
    gap = np.linalg.norm(view.point[first] - view.point[second], axis=1)
    step = np.linalg.norm(uv[first] - uv[second], axis=1)
    # A silhouette within the view is no neighbourhood: both must lie on one sheet.
    smooth = gap < 4 * np.median(gap)
    paged = mesh.page[view.face[first]] != mesh.page[view.face[second]]
    cut = smooth & (paged | (step > APART * (1 + gap * np.median(step / np.maximum(gap, 1e-9)))))
    jumps = ((values[first] - values[second]) ** 2).mean(1)
    if not cut.any() or not (smooth & ~cut).any():
        return float("nan")
    return float(np.sqrt(jumps[cut].mean() / max(jumps[smooth & ~cut].mean(), 1e-12)))
