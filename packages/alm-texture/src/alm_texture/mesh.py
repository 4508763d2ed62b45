"""A mesh as the verbs see it: triangles in the file's own frame, one corner's UV each, and what was painted on it.

Nothing here is normalised: vertices stay in the units and axes of the file. `Mesh.unit` gives the frame in which
cameras stand. UV has u to the right and v up; texel (row, column) of a page S wide has its centre at
u = (column + ½)/S, v = 1 − (row + ½)/S. A mesh with several materials has several **pages**, one texture each, so that
UVs are kept as they are.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

__all__ = ["Material", "Mesh"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Material:
    """A page's name, and the base colour it came with: uint8 (height, width, 3), or None."""

    name: str
    texture: NDArray[np.uint8] | None = None


@dataclass(frozen=True, eq=False)
class Mesh:
    """V vertices and F triangles.

    `vertices` (V, 3) float64 and `faces` (F, 3) int64. `uv` (F, 3, 2) float64, a UV for each corner, or None. `page`
    (F) int64 indexes `materials`; `part` (F) int64 indexes `parts`, the names of the objects in the file. `up` is the
    file's up axis, "y" or "z".
    """

    vertices: Floats
    faces: NDArray[np.int64]
    uv: Floats | None
    page: NDArray[np.int64]
    materials: tuple[Material, ...]
    part: NDArray[np.int64]
    parts: tuple[str, ...]
    up: str = "y"

    @cached_property
    def areas(self) -> Floats:
        """(F) in the file's own units."""
        corners = self.vertices[self.faces]
        cross = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        return np.asarray(np.linalg.norm(cross, axis=1) / 2)

    @cached_property
    def frame(self) -> Floats:
        """(4, 4) from the unit frame to the file's: Y is up, the surface's centroid is the origin, its reach is 1."""
        corners = self.vertices[self.faces]
        centre = (corners.mean(1) * self.areas[:, None]).sum(0) / self.areas.sum()
        frame = np.eye(4)
        if self.up == "z":
            frame[:3, :3] = [[1, 0, 0], [0, 0, -1], [0, 1, 0]]
        frame[:3, :3] *= np.linalg.norm(corners.reshape(-1, 3) - centre, axis=1).max()
        frame[:3, 3] = centre
        return frame

    @cached_property
    def unit(self) -> NDArray[np.float32]:
        """(V, 3) the vertices in the unit frame."""
        inverse = np.linalg.inv(self.frame)
        return np.asarray(self.vertices @ inverse[:3, :3].T + inverse[:3, 3], np.float32)

    @cached_property
    def normals(self) -> NDArray[np.float32]:
        """(F, 3) the faces' unit normals in the unit frame by the order of their corners; 0 for a face without area."""
        corners = self.unit[self.faces].astype(np.float64)
        cross = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        length = np.linalg.norm(cross, axis=1, keepdims=True)
        return np.asarray(np.divide(cross, length, out=np.zeros_like(cross), where=length > 0), np.float32)
