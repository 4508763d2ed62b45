"""A mesh and its textures as files that others open: GLB, or OBJ with its MTL and PNGs.

Faces keep their order within a part; vertices that no face names are left out. GLB needs one UV a vertex, so there a
vertex on a UV seam is written once for each of its UVs, and no other is split. OBJ has no up axis: its vertices stay
as they are. GLB is Y-up: a mesh whose up axis is z gets a root node that rotates it, its vertices stay too. Normals
are not written, as the mesh has none of its own; programs make them from the faces.
"""

import json
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alm_texture.io import check_output, encode_image, write_files
from alm_texture.mesh import Mesh

__all__ = ["save_mesh"]

Pixels = NDArray[np.uint8]
Json = dict[str, Any]
UPRIGHT = [1, 0, 0, 0, 0, 0, -1, 0, 0, 1, 0, 0, 0, 0, 0, 1]
"""From z-up to y-up, (x, y, z) to (x, z, −y), by columns."""
LINEAR, MIPMAPS, CLAMP = 9729, 9987, 33071
FLOAT, UNSIGNED = 5126, 5125
ARRAY_BUFFER, ELEMENT_BUFFER = 34962, 34963


def save_mesh(mesh: Mesh, textures: Sequence[Pixels], path: str | Path, *, roughness: float = 1.0) -> None:
    """Writes the mesh and `textures`, one uint8 (S, S, 3 or 4) a page, to a .glb or .obj; all files whole or none.

    GLB holds float32 positions and its PNGs, OBJ the shortest digits that give the float64 back, and its MTL and PNGs
    lie beside it. `roughness` in [0, 1] is GLB's; neither has a metallic part. What is there is replaced:
    `check_output` refuses that before. Raises ValueError for a mesh without UVs or another number of textures,
    WriteError.
    """
    path = Path(path)
    files = check_output(path, pages=len(mesh.materials), overwrite=True)
    if mesh.uv is None:
        raise ValueError("a mesh with UVs is wanted, this one has none: unwrap it first")
    if len(textures) != len(mesh.materials):
        raise ValueError(f"{len(mesh.materials)} textures are wanted, one a page; got {len(textures)}")
    for texture in textures:
        if texture.dtype != np.uint8 or texture.ndim != 3 or texture.shape[2] not in (3, 4):
            raise ValueError(f"textures must be uint8 (S, S, 3 or 4), got {texture.dtype} {texture.shape}")
    if not 0 <= roughness <= 1:
        raise ValueError(f"the roughness must be in [0, 1], got {roughness}")
    pngs = [encode_image(texture) for texture in textures]
    if path.suffix.lower() == ".glb":
        return write_files([(_glb(mesh, mesh.uv, pngs, roughness), path)])
    obj, mtl = _obj(mesh, mesh.uv, files)
    return write_files([*zip(pngs, files[2:], strict=True), (mtl.encode(), files[1]), (obj.encode(), path)])


def _obj(mesh: Mesh, uv: NDArray[np.float64], files: list[Path]) -> tuple[str, str]:
    """The texts of the OBJ and of its MTL."""
    vertices, faces = _named(mesh.faces)
    coordinates, corners = np.unique(uv.reshape(-1, 2), axis=0, return_inverse=True)
    lines = [f"mtllib {files[1].name}"]
    lines += [f"v {x!r} {y!r} {z!r}" for x, y, z in mesh.vertices[vertices].tolist()]
    lines += [f"vt {u!r} {v!r}" for u, v in coordinates.tolist()]
    names = _distinct([material.name for material in mesh.materials])
    indices = np.stack([faces, corners.reshape(-1, 3)], -1).reshape(-1, 6) + 1
    for number, part in enumerate(_distinct(mesh.parts)):
        mine = np.flatnonzero(mesh.part == number)
        before = -1
        lines += [f"o {part}"] if len(mine) else []
        for page, row in zip(mesh.page[mine].tolist(), indices[mine].tolist(), strict=True):
            if page != before:
                lines.append(f"usemtl {names[page]}")
            before = page
            lines.append("f {}/{} {}/{} {}/{}".format(*row))
    mtl = [
        f"newmtl {name}\nKd 1 1 1\nKs 0 0 0\nillum 1\nmap_Kd {png.name}\n"
        for name, png in zip(names, files[2:], strict=True)
    ]
    return "\n".join([*lines, ""]), "\n".join(mtl)


class _Binary:
    """The binary chunk of a GLB, and the views and accessors that point into it."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.views: list[Json] = []
        self.accessors: list[Json] = []

    def view(self, data: bytes, **more: int) -> int:
        """Adds bytes; its number."""
        self.views.append({"buffer": 0, "byteOffset": len(self.data), "byteLength": len(data), **more})
        self.data += data + bytes(-len(data) % 4)
        return len(self.views) - 1

    def array(self, values: NDArray[Any], kind: str, **more: object) -> int:
        """Adds (count, …) little-endian float32, or uint32 indices; its number."""
        indices = values.dtype.kind == "u"
        view = self.view(values.tobytes(), target=ELEMENT_BUFFER if indices else ARRAY_BUFFER)
        component = UNSIGNED if indices else FLOAT
        self.accessors.append(
            {"bufferView": view, "componentType": component, "count": len(values), "type": kind, **more}
        )
        return len(self.accessors) - 1


def _glb(mesh: Mesh, uv: NDArray[np.float64], pngs: list[bytes], roughness: float) -> bytes:
    binary = _Binary()
    meshes: list[Json] = []
    nodes: list[Json] = []
    for number, name in enumerate(mesh.parts):
        mine = mesh.part == number
        used = np.unique(mesh.page[mine])
        if len(used):
            primitives = [_primitive(mesh, uv, np.flatnonzero(mine & (mesh.page == p)), int(p), binary) for p in used]
            nodes.append({"name": name, "mesh": len(meshes)})
            meshes.append({"name": name, "primitives": primitives})
    roots = list(range(len(nodes)))
    if mesh.up == "z":
        nodes.append({"name": "upright", "matrix": UPRIGHT, "children": roots})
        roots = [len(nodes) - 1]
    pages = range(len(pngs))
    images = [{"bufferView": binary.view(png), "mimeType": "image/png"} for png in pngs]
    tree = {
        "asset": {"version": "2.0", "generator": "alm-texture"},
        "scene": 0,
        "scenes": [{"nodes": roots}],
        "nodes": nodes,
        "meshes": meshes,
        "materials": [_material(mesh.materials[page].name, page, roughness) for page in pages],
        "textures": [{"sampler": 0, "source": page} for page in pages],
        "samplers": [{"magFilter": LINEAR, "minFilter": MIPMAPS, "wrapS": CLAMP, "wrapT": CLAMP}],
        "images": images,
        "accessors": binary.accessors,
        "bufferViews": binary.views,
        "buffers": [{"byteLength": len(binary.data)}],
    }
    text = json.dumps(tree, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 4)
    chunks = struct.pack("<I4s", len(text), b"JSON") + text
    chunks += struct.pack("<I4s", len(binary.data), b"BIN\0") + bytes(binary.data)
    return struct.pack("<4sII", b"glTF", 2, 12 + len(chunks)) + chunks


def _primitive(mesh: Mesh, uv: NDArray[np.float64], faces: NDArray[np.int64], page: int, binary: _Binary) -> Json:
    """The faces of one page: a vertex for each pair of a vertex and its UV, in the order in which faces name them."""
    down = np.stack([uv[faces][..., 0], 1 - uv[faces][..., 1]], -1).astype("<f4").reshape(-1, 2) + np.float32(0)
    pairs = np.concatenate([mesh.faces[faces].reshape(-1, 1), down.view("<u4").astype(np.int64)], 1)
    first, indices = _first_of(pairs)
    position = mesh.vertices[mesh.faces[faces].reshape(-1)[first]].astype("<f4")
    limits = {"min": position.min(0).tolist(), "max": position.max(0).tolist()}
    return {
        "attributes": {
            "POSITION": binary.array(position, "VEC3", **limits),
            "TEXCOORD_0": binary.array(down[first], "VEC2"),
        },
        "indices": binary.array(indices.astype("<u4"), "SCALAR"),
        "material": page,
    }


def _material(name: str, page: int, roughness: float) -> Json:
    base = {"baseColorTexture": {"index": page}, "metallicFactor": 0.0, "roughnessFactor": roughness}
    return {"name": name, "pbrMetallicRoughness": base, "doubleSided": True}


def _first_of(rows: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Where each distinct row comes first, in that order, and for every row the number of its own."""
    keys = np.ascontiguousarray(rows).view([("", np.int64)] * rows.shape[1])[:, 0]
    _, first, inverse = np.unique(keys, return_index=True, return_inverse=True)
    order = np.argsort(first)
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    return first[order], rank[inverse]


def _named(faces: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The vertices that faces name, ascending, and the faces with indices into these."""
    vertices, inverse = np.unique(faces, return_inverse=True)
    return vertices, inverse.reshape(faces.shape)


def _distinct(names: Sequence[str]) -> list[str]:
    """One line each and no two alike: OBJ knows parts and materials by their names."""
    found: list[str] = []
    for name in (" ".join(each.split()) or "unnamed" for each in names):
        number = 1
        while (name if number == 1 else f"{name}.{number}") in found:
            number += 1
        found.append(name if number == 1 else f"{name}.{number}")
    return found
