"""PLY and STL, through trimesh. PLY may hold a UV a vertex or a corner, and name one texture in a comment."""

from pathlib import Path

import numpy as np
import trimesh

from alm_texture.formats.raw import Page, Raw, join

__all__ = ["read_ply", "read_stl"]


def read_stl(path: Path) -> Raw:
    """The file's triangles, each with corners of its own; a part for each solid."""
    page = Page("default")
    return join([_piece(name, mesh, page) for name, mesh in _meshes(path)])


def read_ply(path: Path) -> Raw:
    """The file's triangles; a vertex with several UVs comes as several vertices."""
    page = Page("default", _texture(path))
    return join([_piece(path.stem, mesh, page) for _, mesh in _meshes(path)])


def _meshes(path: Path) -> list[tuple[str, trimesh.Trimesh]]:
    scene = trimesh.load_scene(path, process=False, skip_materials=True)
    return [(str(name), each) for name, each in scene.geometry.items() if isinstance(each, trimesh.Trimesh)]


def _piece(name: str, mesh: trimesh.Trimesh, page: Page) -> Raw:
    faces = np.asarray(mesh.faces, np.int64).reshape(-1, 3)
    uv = getattr(mesh.visual, "uv", None)
    inside = faces.size and faces.min() >= 0 and uv is not None and faces.max() < len(uv)
    zero = np.zeros(len(faces), np.int64)
    corners = np.asarray(uv, np.float64)[faces] if inside else np.zeros((len(faces), 3, 2))
    mapped = np.full(len(faces), bool(inside))
    return Raw(np.asarray(mesh.vertices, np.float64), faces, corners, mapped, zero, (page,), zero, (name,))


def _texture(path: Path) -> Path | None:
    """The picture that MeshLab names in a comment of the header."""
    with path.open("rb") as file:
        for _ in range(200):
            line = file.readline(1000).strip()
            if line.lower().startswith(b"comment texturefile "):
                return path.parent / line[len(b"comment texturefile ") :].decode("utf-8", "replace").strip()
            if not line or line == b"end_header":
                break
    return None
