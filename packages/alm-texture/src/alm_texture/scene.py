"""A mesh ready to be looked at: its rasteriser, and which side of each face is the outside."""

from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from alm_texture.atlas import Atlas, atlas_of
from alm_texture.camera import Camera
from alm_texture.mesh import Mesh
from alm_texture.raster import Fragments, rasterizer_named

__all__ = ["Scene"]

GLANCE, CLOSEST = 256, 1024
"""The side in pixels of the pictures in which sides of faces are counted: more for more faces, within these."""
CLEARLY_MORE = 0.05
"""By what share of its pixels a face must show its back more often than its front to be turned; chance makes 0.4%."""


class Scene:
    """A mesh in its unit frame, seen through a backend of `raster`. Raises ImportError where that is missing."""

    def __init__(self, mesh: Mesh, rasterizer: str = "embree") -> None:
        self.mesh = mesh
        self._rasterizer = rasterizer
        self._caster = rasterizer_named(rasterizer)(mesh.unit, mesh.faces.astype(np.int32))

    @cached_property
    def normals(self) -> NDArray[np.float32]:
        """(F, 3) unit normals towards the side that is seen: a face seen clearly more often from its back is turned.

        So meshes whose faces are wound the wrong way round, in part or all, are painted on the outside all the same. A
        sheet that is seen from both sides alike keeps the side that its faces are wound to.
        """
        size = int(np.clip(2 * len(self.mesh.faces) ** 0.5, GLANCE, CLOSEST))
        votes, looks = np.zeros(len(self.mesh.faces)), np.zeros(len(self.mesh.faces))
        for elevation, count in ((0, 8), (45, 4), (-45, 4), (90, 1), (-90, 1)):
            for i in range(count):
                view = self._look(Camera.orbit(360 * i / count + elevation / 2, elevation), size, self.mesh.normals)
                votes += np.bincount(view.face, np.sign(view.cosine), len(votes))
                looks += np.bincount(view.face, minlength=len(looks))
        return np.where((votes < -CLEARLY_MORE * looks)[:, None], -self.mesh.normals, self.mesh.normals)

    def look(self, camera: Camera, size: int) -> Fragments:
        """What the camera sees, in a picture of size × size."""
        return self._look(camera, size, self.normals)

    def atlas(self, size: int) -> Atlas:
        """The texels of pages `size` wide. Raises ValueError for a mesh without UVs."""
        return atlas_of(self.mesh, self.normals, size, self._rasterizer)

    def _look(self, camera: Camera, size: int, normals: NDArray[np.float32]) -> Fragments:
        hits = self._caster.cast(camera.projection(), size, size)
        pixel = np.flatnonzero(hits.face.ravel() >= 0)
        face, bary = hits.face.ravel()[pixel], hits.bary.reshape(-1, 3)[pixel]
        point = np.einsum("nk,nkd->nd", bary, self.mesh.unit[self.mesh.faces[face]])
        towards = camera.position.astype(np.float32) - point
        depth = towards @ camera.pose[:3, 2].astype(np.float32)
        cosine = np.einsum("nd,nd->n", normals[face], towards) / np.linalg.norm(towards, axis=1)
        return Fragments(size, size, pixel, face, bary, point, normals[face], depth, cosine)
