"""Cameras around a mesh: where they stand, what they see of space, and the paper's ten views.

Everything is in the frame of `Mesh.unit`: right-handed, Y up, the surface's centroid at the origin and the farthest
vertex at distance 1. A camera looks along its own −Z with +Y up and +X right, as in glTF, OpenGL and Blender. Azimuth 0
stands on +Z, azimuth 90 on +X; elevation is towards +Y. Pixel (row, column) has its centre at (row + ½, column + ½),
row 0 on top.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Camera", "direction_of", "paper_views"]

Array = NDArray[np.float64]
NEAR, FAR = 1e-3, 100.0


@dataclass(frozen=True, eq=False)
class Camera:
    """A perspective camera with square pictures: `pose` (4, 4) takes its frame to the unit frame, `fov` in degrees.

    Raises ValueError where the pose is not a rotation and a translation, or the angle not in (0, 180).
    """

    pose: Array
    fov: float = 60.0

    def __post_init__(self) -> None:
        """Checks that the pose is rigid."""
        pose = np.asarray(self.pose, np.float64)
        if pose.shape != (4, 4) or not np.isfinite(pose).all() or not np.allclose(pose[3], (0, 0, 0, 1)):
            raise ValueError(f"a camera's pose must be a 4 x 4 matrix that ends in 0 0 0 1, got {pose.tolist()}")
        if not np.allclose(pose[:3, :3].T @ pose[:3, :3], np.eye(3), atol=1e-4) or np.linalg.det(pose[:3, :3]) < 0:
            raise ValueError("a camera's pose must be a rotation and a translation, without scale or mirroring")
        if not 0 < self.fov < 180:
            raise ValueError(f"a field of view must lie between 0 and 180 degrees, got {self.fov}")
        object.__setattr__(self, "pose", pose)

    @staticmethod
    def orbit(azimuth: float, elevation: float, distance: float = 2.0, fov: float = 60.0) -> "Camera":
        """A camera that looks at the origin; angles in degrees. Raises ValueError for an elevation beyond ±90."""
        if not (-90 <= elevation <= 90 and distance > 0):
            raise ValueError(f"wanted an elevation within ±90 and a distance above 0, got {elevation} and {distance}")
        a, e = math.radians(azimuth), math.radians(elevation)
        back = np.array([math.cos(e) * math.sin(a), math.sin(e), math.cos(e) * math.cos(a)])
        right = np.array([math.cos(a), 0.0, -math.sin(a)])
        pose = np.eye(4)
        pose[:3] = np.stack([right, np.cross(back, right), back, distance * back], 1)
        return Camera(pose, fov)

    @property
    def position(self) -> Array:
        """(3)."""
        return self.pose[:3, 3]

    @property
    def azimuth(self) -> float:
        """In (−180, 180] degrees, of the position about the origin."""
        return math.degrees(math.atan2(self.position[0], self.position[2]))

    @property
    def elevation(self) -> float:
        """In [−90, 90] degrees, of the position about the origin."""
        return math.degrees(math.asin(np.clip(self.position[1] / max(np.linalg.norm(self.position), 1e-12), -1, 1)))

    def projection(self) -> Array:
        """(4, 4) from the unit frame to clip space: x right, y up, −1 to 1 over the picture, w the depth."""
        f = 1 / math.tan(math.radians(self.fov) / 2)
        clip = np.zeros((4, 4))
        clip[0, 0] = clip[1, 1] = f
        clip[2, 2], clip[2, 3] = -(FAR + NEAR) / (FAR - NEAR), -2 * FAR * NEAR / (FAR - NEAR)
        clip[3, 2] = -1
        inverse = np.eye(4)
        inverse[:3, :3] = self.pose[:3, :3].T
        inverse[:3, 3] = -self.pose[:3, :3].T @ self.position
        return clip @ inverse

    def footprint(self, size: int) -> float:
        """The width of a pixel of a picture `size` wide, at depth 1."""
        return 2 * math.tan(math.radians(self.fov) / 2) / size


def paper_views() -> list[Camera]:
    """The ten views of ALM B.4: eight azimuths at elevation 0, and azimuths 0 and 180 at elevation 30."""
    around = [Camera.orbit(azimuth, 0) for azimuth in range(0, 360, 45)]
    return [*around, Camera.orbit(0, 30), Camera.orbit(180, 30)]


def direction_of(camera: Camera) -> str:
    """What prompts call the side that the camera sees: front, side, back, top or bottom.

    As released code has it: beyond 30 degrees up is the top, within 30 of the front the front, from 120 on the back.
    """
    if camera.elevation > 30.5:
        return "top"
    if camera.elevation < -30.5:
        return "bottom"
    azimuth = abs(camera.azimuth)
    return "front" if azimuth <= 30.5 else "back" if azimuth >= 119.5 else "side"
