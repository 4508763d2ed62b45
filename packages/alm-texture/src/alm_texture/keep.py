"""What of a texture stays, and textures that move with their mesh to new UVs."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from alm_texture.atlas import corners
from alm_texture.bake import Kept
from alm_texture.fill import fill_gutters
from alm_texture.mesh import Mesh
from alm_texture.render import join_pages
from alm_texture.scene import Scene

__all__ = ["keep", "transfer"]

Pixels = NDArray[np.uint8]


def keep(textures: Sequence[Pixels], masks: Sequence[NDArray[np.floating]]) -> Kept:
    """The textures uint8 (S, S, 3), one a page, of which all stays where the masks (S, S) are 0: above is to be
    painted.

    Raises ValueError where sizes differ, or nothing is kept or nothing is to be painted.
    """
    values = join_pages(textures)
    for number, (texture, mask) in enumerate(zip(textures, masks, strict=True)):
        if mask.shape != texture.shape[:2]:
            raise ValueError(
                f"the mask of page {number + 1} must be as large as its texture, {texture.shape[1]} x "
                f"{texture.shape[0]}, got {mask.shape[1]} x {mask.shape[0]}: resize it"
            )
    texels = np.stack(masks) == 0
    if texels.all():
        raise ValueError("nothing is to be painted: the mask is black everywhere; paint white where it is to be")
    if not texels.any():
        raise ValueError("nothing is kept: the mask is white everywhere; leave it and the kept texture out")
    return Kept(values.reshape(-1, 3), texels.ravel())


def transfer(old: Mesh, new: Mesh, textures: Sequence[Pixels], size: int) -> list[Pixels]:
    """The textures of `old`, on the UVs of `new`: the same faces, laid out anew on pages `size` wide.

    Read bilinear; gutters take the nearest texel. Raises ValueError for a mesh without UVs.
    """
    if old.uv is None:
        raise ValueError("the mesh has no UVs, so no texture moves with it")
    scene = Scene(new)
    atlas = scene.atlas(size)
    values = join_pages(textures)
    texel, weight = corners(
        np.einsum("nk,nkd->nd", atlas.bary, old.uv[atlas.face]), old.page[atlas.face], values.shape[1]
    )
    moved = np.zeros((atlas.count, 3), np.float32)
    moved[atlas.texel] = np.einsum("nk,nkc->nc", weight, values.reshape(-1, 3)[texel])
    pages = fill_gutters(atlas, moved).reshape(atlas.pages, size, size, 3)
    return [np.rint(page.clip(0, 1) * 255).astype(np.uint8) for page in pages]
