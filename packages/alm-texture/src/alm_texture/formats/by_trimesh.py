"""GLB, glTF, PLY and STL, through trimesh: every node in world coordinates, a part each, and its UVs.

Skins, morph targets and animations stay as they rest; lines and points are left out. A mesh in two nodes comes twice.
trimesh leaves out without a word what it does not know of glTF, so that is written otherwise or refused beforehand.
"""

import json
import re
import struct
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np
import trimesh
from numpy.typing import NDArray

from alm_texture.formats.raw import FormatError, Page, Raw, join, one_part

__all__ = ["read_gltf", "read_ply", "read_stl"]

Json = dict[str, Any]
COMPRESSED = ("KHR_draco_mesh_compression", "EXT_meshopt_compression", "KHR_meshopt_compression")
MOVED = "KHR_texture_transform"
TRIANGLES, STRIP, FAN = 4, 5, 6
UV = "_UV"
"""trimesh hands on attributes with a leading underscore as they are. TEXCOORD_0 it drops from a primitive that has no
material, rounds where it turns v round, and reads wrongly where it is normalised; TEXCOORD_1 it drops."""


def read_stl(path: Path) -> Raw:
    """The file's triangles, each with corners of its own; a part for each solid."""
    page, solids = Page("default"), _meshes(trimesh.load_scene(path, process=False))
    return join([_piece(mesh, None, page, name) for name, mesh in solids])


def read_ply(path: Path) -> Raw:
    """One part, with UVs of vertices or of corners, and the texture that MeshLab names in a comment of the header."""
    with path.open("rb") as file:
        head = file.read(20_000).partition(b"end_header")[0]
    named = re.search(rb"^comment +TextureFile +(.*?)\s*$", head, re.MULTILINE | re.IGNORECASE)
    page = Page("default", path.parent / named[1].decode("utf-8", "replace") if named else None)
    meshes = _meshes(trimesh.load_scene(path, process=False, skip_materials=True))
    return join([_piece(mesh, getattr(mesh.visual, "uv", None), page, path.stem) for _, mesh in meshes])


def read_gltf(path: Path, pictures: bool) -> Raw:
    """The triangles of the file's scene; with `pictures` its base-colour textures too.

    Raises FormatError for what trimesh cannot read, FileNotFoundError where a file of buffers is missing.
    """
    data = path.read_bytes()
    binary, end = data[:4] == b"glTF", 20 + int.from_bytes(data[12:16], "little")
    tree = json.loads((data[20:end] if binary else data).decode("utf-8-sig"))
    names, materials = _plain(tree, path, pictures)
    text = json.dumps(tree).encode()
    text += b" " * (-len(text) % 4)
    if binary:
        sizes = struct.pack("<3I", data[4], 20 + len(text) + len(data[end:]), len(text))
        text = b"glTF" + sizes + b"JSON" + text + data[end:]
    scene = trimesh.load_scene(
        BytesIO(text),
        file_type="glb" if binary else "gltf",
        resolver=trimesh.resolvers.FilePathResolver(str(path), allow_anywhere=True),
        process=False,
    )
    order = {name: number for number, name in enumerate(scene.geometry)}
    placed = [(int(node.partition("_")[0]), *scene.graph[node]) for node in scene.graph.nodes_geometry]
    pages: dict[int, Page] = {}
    parts: dict[int, list[Raw]] = {}
    for node, matrix, name in sorted(placed, key=lambda each: (each[0], order[each[2]])):
        mesh = scene.geometry[name]
        number = int(mesh.visual.material.name)
        if number not in pages:
            picture = _picture(tree, materials[number], mesh.visual.material, path) if pictures else None
            pages[number] = Page(str(materials[number].get("name") or f"material{number}"), picture)
        world = np.eye(4) if "skin" in tree["nodes"][node] else matrix
        parts.setdefault(node, []).append(_piece(mesh, _uv(mesh), pages[number], names[node], world))
    return join([one_part(join(pieces)) for pieces in parts.values()])


def _plain(tree: Json, path: Path, pictures: bool) -> tuple[list[str], list[Json]]:
    """Changes the tree to what trimesh reads without a fault; the names of its nodes, and its materials as they were.

    Nodes and materials are named by their numbers, as trimesh makes equal names different and forgets which is whose.
    """
    used = [name for name in tree.get("extensionsRequired", []) if name in COMPRESSED]
    if used:
        raise FormatError(f"the geometry of {path} is compressed ({used[0]}): export it again without compression")
    for file in [*tree.get("images", []), *tree.get("buffers", [])]:
        if not file.get("uri", "data:").startswith("data:"):
            file["uri"] = unquote(file["uri"])
    for beside in (path.parent / file["uri"] for file in tree.get("buffers", []) if _is_file(file)):
        if not beside.is_file():
            raise FileNotFoundError(f"{path} keeps its geometry in {beside}, which is missing: put it there")
    materials, nodes, meshes = (
        [*tree.get("materials", []), {"name": "default"}],
        tree.get("nodes", []),
        tree.get("meshes", []),
    )
    tree["materials"] = [_material(each, number, path, pictures) for number, each in enumerate(materials)]
    names = []
    for number, node in enumerate(nodes):
        mesh = meshes[node["mesh"]] if "mesh" in node else {}
        names.append(str(node.get("name") or mesh.get("name") or f"mesh{node.get('mesh')}"))
        node["name"] = str(number)
        # trimesh leaves out a node with a camera, and with it what is below.
        node.pop("camera", None)
    for mesh in meshes:
        drawn = [each for each in mesh["primitives"] if each.get("mode", TRIANGLES) in (TRIANGLES, STRIP, FAN)]
        mesh["primitives"] = [_primitive(tree, materials, each, path) for each in drawn]
    for node in nodes:
        if "mesh" in node and not meshes[node["mesh"]]["primitives"]:
            del node["mesh"]
    below = {child for node in nodes for child in node.get("children", [])}
    tree.setdefault("scenes", [{"nodes": [number for number in range(len(nodes)) if number not in below]}])
    return names, materials


def _material(material: Json, number: int, path: Path, pictures: bool) -> Json:
    """Its number and, with `pictures`, its base colour's texture."""
    base = _base(material)
    if pictures and MOVED in base.get("extensions", {}):
        name = material.get("name") or f"material{number}"
        raise FormatError(
            f"the texture of the material {name!r} in {path} is moved or tiled ({MOVED}): apply that to the UVs in a "
            "modelling program, or make new UVs with --unwrap"
        )
    return {"name": str(number), "pbrMetallicRoughness": {"baseColorTexture": base} if base and pictures else {}}


def _primitive(tree: Json, materials: list[Json], primitive: Json, path: Path) -> Json:
    """Its triangles, positions and material, and the UVs of the material's texture under a name of their own."""
    number, given = primitive.get("material", len(materials) - 1), primitive["attributes"]
    channel = f"TEXCOORD_{_base(materials[number]).get('texCoord', 0)}"
    attributes = {"POSITION": given["POSITION"]} | ({UV: given[channel]} if channel in given else {})
    indices = {"indices": primitive["indices"]} if "indices" in primitive else {}
    accessors = [tree["accessors"][each] for each in [*attributes.values(), *indices.values()]]
    what = "fans" if primitive.get("mode") == FAN else ""
    what = "sparse values" if any("sparse" in each for each in accessors) else what
    what = "normalised positions" if accessors[0].get("normalized") else what
    if what:
        raise FormatError(f"the geometry of {path} is stored as {what}: export it again as plain triangles")
    return {"attributes": attributes, "material": number, "mode": primitive.get("mode", TRIANGLES)} | indices


def _picture(tree: Json, material: Json, read: Any, path: Path) -> Any:
    """As trimesh opened it, or else the file, which may be missing, or no bytes; None where the material has none."""
    if not _base(material) or read.baseColorTexture is not None:
        return read.baseColorTexture
    texture = tree["textures"][_base(material)["index"]]
    source = texture.get("extensions", {}).get("EXT_texture_webp", texture).get("source")
    image = {} if source is None else tree["images"][source]
    return path.parent / image["uri"] if _is_file(image) else b""


def _base(material: Json) -> Json:
    base: Json = material.get("pbrMetallicRoughness", {}).get("baseColorTexture", {})
    return base


def _is_file(item: Json) -> bool:
    return not item.get("uri", "data:").startswith("data:")


def _uv(mesh: trimesh.Trimesh) -> NDArray[np.float64] | None:
    """(V, 2) with v up, in float64, where 1 − v of float32 is exact to the bit."""
    uv = mesh.vertex_attributes.get(UV)
    if uv is None:
        return None
    values = np.asarray(uv, np.float64) / (1 if uv.dtype.kind == "f" else np.iinfo(uv.dtype).max)
    return np.asarray(values * (1, -1) + (0, 1))


def _meshes(scene: trimesh.Scene) -> list[tuple[str, trimesh.Trimesh]]:
    return [(str(name), each) for name, each in scene.geometry.items() if isinstance(each, trimesh.Trimesh)]


def _piece(mesh: trimesh.Trimesh, uv: Any, page: Page, name: str, matrix: Any = None) -> Raw:
    """One part of one page; `uv` (V, 2) or None. A matrix that mirrors turns the faces round: they face as before."""
    vertices, faces = np.asarray(mesh.vertices, np.float64), np.asarray(mesh.faces, np.int64).reshape(-1, 3)
    if matrix is not None:
        vertices = vertices @ matrix[:3, :3].T + matrix[:3, 3]
        faces = faces[:, ::-1] if np.linalg.det(matrix[:3, :3]) < 0 else faces
    inside = uv is not None and faces.size and faces.min() >= 0 and faces.max() < len(uv)
    corners = np.asarray(uv, np.float64)[faces] if inside else np.zeros((len(faces), 3, 2))
    zero = np.zeros(len(faces), np.int64)
    return Raw(vertices, faces, corners, zero == (0 if inside else 1), zero, (page,), zero, (name,))
