"""Pictures of a textured mesh: its views, and a turntable."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from alm_texture.atlas import shade
from alm_texture.camera import Camera
from alm_texture.mesh import Mesh
from alm_texture.scene import Scene

__all__ = ["join_pages", "render", "turntable"]

BARE = 0.75
"""The grey of a mesh without a texture, where it faces the camera."""


def render(
    mesh: Mesh,
    cameras: Sequence[Camera],
    *,
    size: int = 768,
    textures: Sequence[NDArray[np.uint8]] | None = None,
    smooth: int = 1,
    rasterizer: str = "embree",
) -> list[NDArray[np.uint8]]:
    """A uint8 (size, size, 4) picture a camera: base colour without light, alpha 0 where no mesh is.

    `textures` (S, S, 3) are one a page; None is the mesh's own, or grey by the angle where it has none. One sample is
    taken at each pixel's centre, which is what `bake` inverts; `smooth` of 2 or more averages so many a side, for
    looking at. Raises ValueError where pages differ in size or a size is below 1.
    """
    if size < 1 or smooth < 1:
        raise ValueError(f"the size and smooth must be 1 or more, got {size} and {smooth}")
    scene = Scene(mesh, rasterizer)
    known = textures if textures is not None else [m.texture for m in mesh.materials if m.texture is not None]
    values = join_pages(known) if mesh.uv is not None and len(known) == len(mesh.materials) else None
    pictures = []
    for camera in cameras:
        view = scene.look(camera, size * smooth)
        if values is None:
            colours = np.repeat(np.float32(BARE) * np.abs(view.cosine)[:, None], 3, 1)
        else:
            colours = shade(mesh, view, values.reshape(-1, 3), values.shape[1])
        rgba = view.image(np.concatenate([colours, np.ones_like(colours[:, :1])], 1))
        rgba = rgba.reshape(size, smooth, size, smooth, 4).mean((1, 3))
        rgba[..., :3] /= np.maximum(rgba[..., 3:], 1e-6)
        pictures.append(np.rint(rgba.clip(0, 1) * 255).astype(np.uint8))
    return pictures


def turntable(
    mesh: Mesh,
    textures: Sequence[NDArray[np.uint8]],
    *,
    frames: int = 48,
    size: int = 384,
    elevation: float = 15.0,
    rasterizer: str = "embree",
) -> list[NDArray[np.uint8]]:
    """uint8 (size, size, 3) pictures on white from all around, as many as `frames`, each averaged over four samples."""
    cameras = [Camera.orbit(360 * i / frames, elevation) for i in range(frames)]
    pictures = render(mesh, cameras, size=size, textures=textures, smooth=2, rasterizer=rasterizer)
    alpha = [picture[..., 3:].astype(np.float32) / 255 for picture in pictures]
    return [np.rint(p[..., :3] * a + 255 * (1 - a)).astype(np.uint8) for p, a in zip(pictures, alpha, strict=True)]


def join_pages(textures: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
    """(pages, S, S, 3) in [0, 1]. Raises ValueError unless all are square and of one size."""
    sizes = {texture.shape[:2] for texture in textures}
    if len(sizes) != 1 or len({side for size in sizes for side in size}) != 1:
        found = ", ".join(f"{width} x {height}" for height, width in sorted(sizes))
        raise ValueError(f"textures must be square and of one size, got {found}: resize them")
    return np.stack([texture[..., :3] for texture in textures]).astype(np.float32) / np.float32(255)
