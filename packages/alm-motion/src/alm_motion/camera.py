"""A camera with a mild perspective that comes as near as it can with all of a motion in the picture.

Azimuth and elevation are its own about what it looks at, in degrees: azimuth 0 on +Z, 90 on +X. Pixels are (column,
row), row 0 on top.
"""

import math
from dataclasses import dataclass, replace

import numpy as np

from alm_motion.skeleton import Array

__all__ = ["Camera"]

FOV = 28.0
"""The angle from top to bottom of the picture, in degrees."""


@dataclass(frozen=True, eq=False)
class Camera:
    """`axes` (3, 3): its right, its up and the way back to it; `centre` (2) and `distance`: where it stands on them."""

    axes: Array
    focal: float
    centre: Array
    distance: float
    middle: Array
    """The pixel of the points on its axis."""

    @staticmethod
    def framing(
        points: Array,
        box: tuple[float, float, float, float],
        *,
        azimuth: float,
        elevation: float,
        height: int,
        margin: float = 0.0,
    ) -> "Camera":
        """The nearest that sees all points (N, 3) with `margin` metres about them in `box`: left, top, right, bottom.

        A point (x, y, z) on the axes is seen at f (x − c) / (d − z). That lies within ± w / 2 where x + k z ≤ c + k d
        and k z − x ≤ k d − c, with k = w / 2 f; the largest left-hand sides give both c and the least d. `height` is
        the picture's.
        """
        around, up = math.radians(azimuth), math.radians(elevation)
        right = np.array([math.cos(around), 0, -math.sin(around)])
        back = np.array([math.sin(around) * math.cos(up), math.sin(up), math.cos(around) * math.cos(up)])
        axes = np.array([right, np.cross(back, right), back])
        focal = height / 2 / math.tan(math.radians(FOV / 2))
        x, y, z = (points @ axes.T).T
        centre, distances = np.zeros(2), np.zeros(2)
        for axis, (values, extent) in enumerate(((x, box[2] - box[0]), (y, box[3] - box[1]))):
            k = extent / 2 / focal
            above, below = (values + k * z).max() + margin, (k * z - values).max() + margin
            centre[axis], distances[axis] = (above - below) / 2, (above + below) / 2 / k
        middle = np.array([(box[0] + box[2]) / 2, (box[1] + box[3]) / 2])
        return Camera(axes, focal, centre, float(distances.max()), middle)

    def moved(self, column: float, row: float) -> "Camera":
        """The same view elsewhere in the picture."""
        return replace(self, middle=self.middle + np.array([column, row]))

    def pixels(self, points: Array) -> Array:
        """Column, row and pixels a metre (…, 3) of points (…, 3); the last is below 0 behind the camera."""
        x, y, z = np.moveaxis(points @ self.axes.T, -1, 0)
        scale = self.focal / (self.distance - z)
        column = self.middle[0] + (x - self.centre[0]) * scale
        return np.stack([column, self.middle[1] - (y - self.centre[1]) * scale, scale], -1)
