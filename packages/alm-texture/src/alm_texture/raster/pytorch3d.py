"""An optional backend: PyTorch3D (BSD licence), on CUDA where there is a device, on the CPU otherwise."""

from importlib import import_module

import numpy as np
import torch
from numpy.typing import NDArray

from alm_texture.raster.base import Hits

__all__ = ["PyTorch3D"]

NEAR = 1e-3
"""The depth at which faces that reach behind the camera are cut off."""


class PyTorch3D:
    """Rasterises with `rasterize_meshes`, which wants x to the left. Raises ImportError where PyTorch3D is missing."""

    def __init__(self, vertices: NDArray[np.float32], faces: NDArray[np.int32]) -> None:
        try:
            self._rasterize = import_module("pytorch3d.renderer.mesh.rasterize_meshes").rasterize_meshes
            self._meshes = import_module("pytorch3d.structures").Meshes
        except ImportError as error:
            raise ImportError(
                "pytorch3d is missing, an optional rasteriser under the BSD licence, to be built for your torch: see "
                "https://github.com/facebookresearch/pytorch3d, or take the default rasteriser, embree, which needs "
                "nothing more"
            ) from error
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self._vertices = np.concatenate([vertices, np.ones((len(vertices), 1))], 1, dtype=np.float64)
        self._faces = torch.from_numpy(np.ascontiguousarray(faces, np.int64)).to(self._device)

    def cast(self, projection: NDArray[np.float64], height: int, width: int) -> Hits:
        """See `Rasterizer`."""
        clip = self._vertices @ projection.T
        perspective = bool(np.any(projection[3, :3] != 0))
        x, y, z, w = clip.T
        w = np.where(np.abs(w) < 1e-9, 1e-9, w)
        # The shorter side of the picture is 2 wide, x to the left; z orders the faces and must be positive. With z = w
        # barycentrics are made perspective-correct; without perspective they are so as they are.
        unit = min(height, width)
        place = np.stack([-x / w * (width / unit), y / w * (height / unit), w if perspective else z / w + 2], 1)
        face, _, bary, _ = self._rasterize(
            self._meshes([torch.from_numpy(place.astype(np.float32)).to(self._device)], [self._faces]),
            image_size=(height, width),
            blur_radius=0.0,
            faces_per_pixel=1,
            bin_size=0 if self._device.type == "cpu" else None,
            perspective_correct=perspective,
            clip_barycentric_coords=False,
            cull_backfaces=False,
            z_clip_value=NEAR if perspective else None,
            cull_to_frustum=False,
        )
        return Hits(face[0, ..., 0].cpu().numpy().astype(np.int32), bary[0, :, :, 0].cpu().numpy().astype(np.float32))
