"""An optional backend: nvdiffrast, on a CUDA device. Its licence allows research and evaluation only."""

from importlib import import_module

import numpy as np
import torch
from numpy.typing import NDArray

from alm_texture.raster.base import Hits

__all__ = ["Nvdiffrast"]


class Nvdiffrast:
    """Rasterises on the current CUDA device. Raises ImportError where nvdiffrast is missing, RuntimeError without CUDA.

    Version 0.3.3 or newer: older ones refuse pictures above 2048² and sides that are no multiples of 8. Silhouettes are
    a sixteenth of a pixel exact, and what lies outside the near and the far plane is dropped.
    """

    def __init__(self, vertices: NDArray[np.float32], faces: NDArray[np.int32]) -> None:
        try:
            nvdiffrast = import_module("nvdiffrast.torch")
        except ImportError as error:
            raise ImportError(
                "nvdiffrast is missing, an optional rasteriser for CUDA devices whose licence allows research and "
                "evaluation only: see https://github.com/NVlabs/nvdiffrast, or take the default rasteriser, embree, "
                "which needs nothing more"
            ) from error
        if not torch.cuda.is_available():
            raise RuntimeError("nvdiffrast wants a CUDA device and there is none: take the default rasteriser, embree")
        self._rasterize = nvdiffrast.rasterize
        self._context = nvdiffrast.RasterizeCudaContext()
        self._vertices = np.concatenate([vertices, np.ones((len(vertices), 1))], 1, dtype=np.float64)
        self._faces = torch.from_numpy(np.ascontiguousarray(faces, np.int32)).cuda()

    def cast(self, projection: NDArray[np.float64], height: int, width: int) -> Hits:
        """See `Rasterizer`."""
        clip = torch.from_numpy((self._vertices @ projection.T).astype(np.float32)[None]).cuda()
        found, _ = self._rasterize(self._context, clip, self._faces, (height, width), grad_db=False)
        # Row 0 is at the bottom; u and v are of the corners 0 and 1; the face's number is one more, 0 for none.
        u, v, _, face = found[0].flip(0).cpu().numpy().transpose(2, 0, 1)
        return Hits(np.rint(face).astype(np.int32) - 1, np.stack([u, v, 1 - u - v], -1).astype(np.float32))
