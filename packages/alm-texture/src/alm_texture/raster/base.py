"""What a rasteriser answers: which face each pixel's centre shows, and where in it.

A backend is a class made from vertices (V, 3) and faces (F, 3) whose `cast` answers for one projection. All else that
a view is made of follows from that, here, once for all backends.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

__all__ = ["Fragments", "Hits", "Rasterizer"]


@dataclass(frozen=True, eq=False)
class Hits:
    """The nearest face at each pixel's centre: `face` int32 (height, width), −1 for none, and `bary` (…, 3) float32.

    Barycentrics are perspective-correct: they belong to the point in space, and sum to 1.
    """

    face: NDArray[np.int32]
    bary: NDArray[np.float32]


class Rasterizer(Protocol):
    """Casts one mesh from any projection. Both sides of a face are seen."""

    def cast(self, projection: NDArray[np.float64], height: int, width: int) -> Hits:
        """The hits of a picture, row 0 on top; `projection` (4, 4) is to clip space: −1 to 1 over the picture."""


@dataclass(frozen=True, eq=False)
class Fragments:
    """The n pixels of a view that show the mesh, in row-major order.

    `pixel` (n) is row · width + column; `face` (n), `bary` (n, 3) as in `Hits`; `point` (n, 3) the place on the surface
    and `normal` (n, 3) its face's, both in the frame of the vertices; `depth` (n) along the camera's axis; `cosine` (n)
    is n · v towards the camera, negative where the back of a face is seen.
    """

    height: int
    width: int
    pixel: NDArray[np.int64]
    face: NDArray[np.int32]
    bary: NDArray[np.float32]
    point: NDArray[np.float32]
    normal: NDArray[np.float32]
    depth: NDArray[np.float32]
    cosine: NDArray[np.float32]

    def image(self, values: NDArray[np.float32], background: float = 0.0) -> NDArray[np.float32]:
        """Values (n, …) of the pixels as a picture (height, width, …)."""
        picture = np.full((self.height * self.width, *values.shape[1:]), background, np.float32)
        picture[self.pixel] = values
        return picture.reshape(self.height, self.width, *values.shape[1:])
