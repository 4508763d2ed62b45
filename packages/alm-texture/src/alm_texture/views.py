"""Lists of cameras: in files, and chosen so that as much of a mesh is seen as can be.

A file is a JSON list, or an object with a list under "views"; each view is

    {"azimuth": 45, "elevation": 0, "distance": 2, "fov": 60}

in the unit frame (distance and fov may be left out), or has "camera_to_world", a 4 × 4 matrix in the *mesh's own* frame
and units, as glTF, OpenGL and Blender have it: the camera looks along its −Z, Y is up. `image`, where given, names its
picture.
"""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from alm_texture.camera import Camera
from alm_texture.mesh import Mesh
from alm_texture.scene import Scene
from alm_texture.sight import CLEARLY, sight

__all__ = ["auto_views", "describe_views", "read_views"]

CANDIDATES = ((0, 8), (30, 8), (-30, 8), (60, 6), (-60, 6), (85, 1), (-85, 1))
"""Elevations of the cameras to choose from, and how many azimuths at each."""
GLANCE = 256
"""The side in pixels of the pictures in which coverage is counted, and of the atlas."""
GAIN = 0.005
"""The share of the surface that a further camera must add."""


def auto_views(scene: Scene, *, most: int = 24, fov: float = 60.0, distance: float = 2.0) -> list[Camera]:
    """Cameras from a dome of 38, each the one that adds most area seen well, until none adds half a percent.

    Raises ValueError where none sees the mesh.
    """
    atlas = scene.atlas(GLANCE)
    cameras, seen = [], []
    for elevation, count in CANDIDATES:
        for i in range(count):
            camera = Camera.orbit(360 * i / count, elevation, distance, fov)
            shown = sight(atlas, camera, scene.look(camera, GLANCE))
            cameras.append(camera)
            seen.append(shown.at[shown.cosine >= CLEARLY])
    left = atlas.area.copy()
    chosen: list[int] = []
    while len(chosen) < most:
        gains = [float(left[at].sum()) for at in seen]
        best = int(np.argmax(gains))
        if gains[best] <= (GAIN if chosen else 0):
            break
        chosen.append(best)
        left[seen[best]] = 0
    if not chosen:
        raise ValueError("no camera sees the mesh: has it faces with area, and charts for them?")
    return [cameras[i] for i in chosen]


def read_views(path: str | Path, mesh: Mesh) -> tuple[list[Camera], list[str | None]]:
    """The cameras of a file, and the names of their pictures. Raises ValueError for what is no list of views."""
    try:
        found = json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise FileNotFoundError(f"there is no file of views at {path}") from None
    except (OSError, ValueError) as error:
        raise ValueError(f"the views {path} cannot be read ({error}): a JSON list of views is wanted") from None
    entries = found.get("views") if isinstance(found, dict) else found
    if not isinstance(entries, list) or not entries:
        raise ValueError(f"{path} holds no views: wanted a JSON list of them, or an object with a list under 'views'")
    cameras = [_camera(entry, f"view {i} of {path}", mesh) for i, entry in enumerate(entries)]
    return cameras, [entry.get("image") for entry in entries]


def describe_views(cameras: Sequence[Camera], mesh: Mesh, images: Sequence[str] | None = None) -> dict[str, object]:
    """What a file of these views holds: both forms of each, and the names of their pictures."""
    views = []
    for i, camera in enumerate(cameras):
        view: dict[str, object] = {"image": images[i]} if images else {}
        view["azimuth"] = round(camera.azimuth, 6)
        view["elevation"] = round(camera.elevation, 6)
        view["distance"] = round(float(np.linalg.norm(camera.position)), 6)
        view["fov"] = camera.fov
        view["camera_to_world"] = _to_file(camera, mesh).tolist()
        views.append(view)
    return {"views": views}


def _to_file(camera: Camera, mesh: Mesh) -> np.ndarray:
    scale = np.linalg.norm(mesh.frame[:3, 0])
    pose = mesh.frame @ camera.pose
    pose[:3, :3] /= scale
    return pose


def _camera(entry: object, where: str, mesh: Mesh) -> Camera:
    if not isinstance(entry, dict):
        raise ValueError(f"{where} is no object: wanted azimuth and elevation, or camera_to_world")
    try:
        fov = float(entry.get("fov", 60))
        if "camera_to_world" in entry:
            pose = np.asarray(np.linalg.inv(mesh.frame) @ np.asarray(entry["camera_to_world"], np.float64), np.float64)
            pose[:3, :3] *= np.linalg.norm(mesh.frame[:3, 0])
            return Camera(pose, fov)
        return Camera.orbit(float(entry["azimuth"]), float(entry["elevation"]), float(entry.get("distance", 2)), fov)
    except KeyError as error:
        raise ValueError(f"{where} has no {error}: wanted azimuth and elevation, or camera_to_world") from None
    except (TypeError, ValueError) as error:
        raise ValueError(f"{where}: {error}") from None
