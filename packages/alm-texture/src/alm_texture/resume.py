"""Finished views of a job in a folder, so that it goes on from the last of them after an interruption."""

import hashlib
import json
import os
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from alm_texture.bake import Kept
from alm_texture.camera import Camera
from alm_texture.mesh import Mesh

__all__ = ["Finished", "fingerprint"]


def fingerprint(mesh: Mesh, cameras: list[Camera], keep: Kept | None, *settings: object) -> str:
    """A hash of all that a view depends on: another mesh, prompt or seed is another job."""
    digest = hashlib.blake2b(repr(settings).encode(), digest_size=16)
    for array in (mesh.vertices, mesh.faces, mesh.uv, mesh.page, *((keep.values, keep.texels) if keep else ())):
        digest.update(np.ascontiguousarray(array).tobytes())
    for camera in cameras:
        digest.update(camera.pose.tobytes() + repr(camera.fov).encode())
    return digest.hexdigest()


class Finished:
    """The folder of one job: its key in `job.json`, and `view-000.npy`, … as they are finished.

    Raises ValueError where the folder is another job's, or holds something else.
    """

    def __init__(self, folder: Path, key: str, count: int) -> None:
        self._folder = folder
        if folder.is_file():
            raise ValueError(f"the folder for finished views, {folder}, is a file: name a new or an empty folder")
        record = folder / "job.json"
        if record.exists():
            try:
                found = json.loads(record.read_text(encoding="utf-8"))["key"]
            except (ValueError, KeyError, TypeError):
                found = None
            if found != key:
                raise ValueError(
                    f"{folder} holds the views of another job, with another mesh, model or settings: "
                    "name another folder, or repeat that job's settings"
                )
        elif folder.exists() and any(folder.iterdir()):
            raise ValueError(f"{folder} holds other files: name a new or an empty folder for the finished views")
        else:
            folder.mkdir(parents=True, exist_ok=True)
            _replace(record, json.dumps({"key": key, "views": count}).encode())

    def read(self, index: int) -> Tensor | None:
        """The state of a view, where it was finished; None for a file that is not whole."""
        path = self._folder / f"view-{index:03d}.npy"
        try:
            return torch.from_numpy(np.load(path, allow_pickle=False))
        except (OSError, ValueError, EOFError):
            return None

    def write(self, index: int, state: Tensor) -> None:
        """Keeps the state of a view."""
        path = self._folder / f"view-{index:03d}.npy"
        made = path.with_suffix(".part")
        with made.open("wb") as file:
            np.save(file, state.cpu().numpy(), allow_pickle=False)
        os.replace(made, path)


def _replace(path: Path, data: bytes) -> None:
    made = path.with_suffix(".part")
    made.write_bytes(data)
    os.replace(made, path)
