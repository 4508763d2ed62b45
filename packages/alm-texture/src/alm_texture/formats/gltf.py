"""glTF 2.0 and its binary form GLB: every node of the scene in world coordinates, a part each, and its UVs.

What moves (skins, morph targets, animation) stays as it rests; lines and points are left out. A mesh in two nodes comes
twice. glTF counts v from the top of the picture and the package from the bottom, so v here is 1 − v of the file, in
float64, which is exact.
"""

import base64
import binascii
import json
import struct
from pathlib import Path
from typing import Any, cast
from urllib.parse import unquote, unquote_to_bytes

import numpy as np
from numpy.typing import NDArray

from alm_texture.formats.raw import FormatError, Page, Raw, join

__all__ = ["read_gltf"]

Floats = NDArray[np.float64]
Json = dict[str, Any]
TYPES = {5120: "<i1", 5121: "<u1", 5122: "<i2", 5123: "<u2", 5125: "<u4", 5126: "<f4"}
WIDTHS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4, "MAT4": 16}
COMPRESSED = ("KHR_draco_mesh_compression", "EXT_meshopt_compression", "KHR_meshopt_compression")
MOVED = "KHR_texture_transform"
JSON_CHUNK, BIN_CHUNK = 0x4E4F534A, 0x004E4942
TRIANGLES, STRIP, FAN = 4, 5, 6


def read_gltf(path: Path, pictures: bool) -> Raw:
    """The triangles of the file's scene; with `pictures` its base-colour textures too.

    Raises FormatError where the geometry is compressed or the file is not glTF 2, FileNotFoundError where a file of
    buffers is missing.
    """
    file = _File(path, pictures)
    pieces = []
    for node, matrix in file.nodes():
        mesh = file.tree["meshes"][node["mesh"]]
        name = node.get("name") or mesh.get("name") or f"mesh{node['mesh']}"
        world = np.eye(4) if "skin" in node else matrix
        prims = [p for p in mesh["primitives"] if p.get("mode", TRIANGLES) in (TRIANGLES, STRIP, FAN)]
        if prims:
            pieces.append(_one_part(join([file.primitive(p, world, str(name)) for p in prims]), str(name)))
    return join(pieces)


def _one_part(raw: Raw, name: str) -> Raw:
    part = np.zeros(len(raw.faces), np.int64)
    return Raw(raw.vertices, raw.faces, raw.uv, raw.mapped, raw.page, raw.pages, part, (name,))


class _File:
    """The file's JSON, and what it points to."""

    def __init__(self, path: Path, pictures: bool) -> None:
        self.path = path
        self.tree, binary = _chunks(path.read_bytes())
        if not str(self.tree.get("asset", {}).get("version", "")).startswith("2"):
            raise FormatError(f"glTF 2 is wanted, {path} is another version: export it again as glTF 2")
        used = [name for name in self.tree.get("extensionsRequired", []) if name in COMPRESSED]
        if used:
            raise FormatError(f"the geometry of {path} is compressed ({used[0]}): export it again without compression")
        self.buffers = [self._bytes(b["uri"]) if "uri" in b else binary for b in self.tree.get("buffers", [])]
        self.materials = [self._page(m, n, pictures) for n, m in enumerate(self.tree.get("materials", []))]
        self.default = Page("default")

    def nodes(self) -> list[tuple[Json, Floats]]:
        """The nodes with a mesh, in the order of the scene, and their matrices to the world."""
        nodes = self.tree.get("nodes", [])
        children = {child for node in nodes for child in node.get("children", [])}
        roots = [number for number in range(len(nodes)) if number not in children]
        if self.tree.get("scenes"):
            roots = self.tree["scenes"][self.tree.get("scene", 0)].get("nodes", [])
        found, ahead = [], [(root, np.eye(4)) for root in reversed(roots)]
        while ahead:
            number, above = ahead.pop()
            node = nodes[number]
            matrix = above @ _matrix(node)
            if "mesh" in node:
                found.append((node, matrix))
            ahead += [(child, matrix) for child in reversed(node.get("children", []))]
        return found

    def primitive(self, primitive: Json, matrix: Floats, name: str) -> Raw:
        """The triangles of one material; a matrix that mirrors turns them round, so that they face as before."""
        attributes = primitive["attributes"]
        vertices = self._accessor(attributes["POSITION"]) @ matrix[:3, :3].T + matrix[:3, 3]
        order = np.arange(len(vertices))
        if "indices" in primitive:
            order = self._accessor(primitive["indices"])[:, 0].astype(np.int64)
        faces = _triangles(order, primitive.get("mode", TRIANGLES))
        if np.linalg.det(matrix[:3, :3]) < 0:
            faces = faces[:, ::-1]
        material = self.tree["materials"][primitive["material"]] if "material" in primitive else {}
        base = material.get("pbrMetallicRoughness", {}).get("baseColorTexture", {})
        channel = f"TEXCOORD_{base.get('texCoord', 0)}"
        uv, mapped = np.zeros((len(faces), 3, 2)), channel in attributes
        if mapped and len(faces) and faces.min() >= 0 and faces.max() < len(vertices):
            uv = self._accessor(attributes[channel])[faces] * (1, -1) + (0, 1)
        page = self.materials[primitive["material"]] if material or "material" in primitive else self.default
        zero = np.zeros(len(faces), np.int64)
        return Raw(vertices, faces, uv, np.full(len(faces), mapped), zero, (page,), zero, (name,))

    def _page(self, material: Json, number: int, pictures: bool) -> Page:
        name = str(material.get("name") or f"material{number}")
        base = material.get("pbrMetallicRoughness", {}).get("baseColorTexture")
        if not pictures or base is None:
            return Page(name)
        if MOVED in base.get("extensions", {}):
            raise FormatError(
                f"the texture of the material {name!r} in {self.path} is moved or tiled ({MOVED}): apply that to "
                "the UVs in a modelling program, or make new UVs with --unwrap"
            )
        texture = self.tree["textures"][base["index"]]
        source = texture.get("extensions", {}).get("EXT_texture_webp", {}).get("source", texture.get("source"))
        if source is None:
            raise FormatError(
                f"the texture of the material {name!r} in {self.path} is not PNG, JPEG or WebP: convert it"
            )
        image = self.tree["images"][source]
        if "bufferView" in image:
            return Page(name, self._view(image["bufferView"])[0])
        return Page(name, _data(image["uri"]) or self.path.parent / unquote(image["uri"]))

    def _bytes(self, uri: str) -> bytes:
        inside = _data(uri)
        if inside is not None:
            return inside
        near = self.path.parent / unquote(uri)
        if not near.is_file():
            raise FileNotFoundError(f"{self.path} keeps its geometry in {near}, which is missing: put it there")
        return near.read_bytes()

    def _view(self, number: int) -> tuple[bytes, int]:
        """The bytes of a buffer's view, and its stride or 0."""
        view = self.tree["bufferViews"][number]
        if any(name in view.get("extensions", {}) for name in COMPRESSED):
            raise FormatError(f"the geometry of {self.path} is compressed: export it again without compression")
        start = view.get("byteOffset", 0)
        return self.buffers[view["buffer"]][start : start + view["byteLength"]], view.get("byteStride", 0)

    def _accessor(self, number: int) -> Floats:
        """(count, width) float64, in which every value of a glTF file is exact."""
        accessor = self.tree["accessors"][number]
        kind, width, count = np.dtype(TYPES[accessor["componentType"]]), WIDTHS[accessor["type"]], accessor["count"]
        values = np.zeros((count, width), kind)
        if "bufferView" in accessor:
            values = self._array(accessor, count, kind, width)
        if "sparse" in accessor:
            few = accessor["sparse"]
            index = np.dtype(TYPES[few["indices"]["componentType"]])
            values = values.copy()
            values[self._array(few["indices"], few["count"], index, 1)[:, 0]] = self._array(
                few["values"], few["count"], kind, width
            )
        if accessor.get("normalized"):
            return np.maximum(values / float(np.iinfo(kind).max), -1.0)
        return values.astype(np.float64)

    def _array(self, at: Json, count: int, kind: np.dtype[Any], width: int) -> NDArray[Any]:
        data, stride = self._view(at["bufferView"])
        strides = (stride or kind.itemsize * width, kind.itemsize)
        return np.ndarray((count, width), kind, data, at.get("byteOffset", 0), strides)


def _chunks(data: bytes) -> tuple[Json, bytes]:
    """The JSON and the binary chunk of a GLB, or the JSON alone of a glTF."""
    if data[:4] != b"glTF":
        return cast(Json, json.loads(data.decode("utf-8-sig"))), b""
    found: dict[int, bytes] = {}
    start = 12
    while start + 8 <= len(data):
        length, kind = struct.unpack_from("<II", data, start)
        if start + 8 + length > len(data):
            raise ValueError("it is cut short")
        found.setdefault(kind, data[start + 8 : start + 8 + length])
        start += 8 + length
    return cast(Json, json.loads(found[JSON_CHUNK])), found.get(BIN_CHUNK, b"")


def _data(uri: str) -> bytes | None:
    """The bytes of a data: address; None for any other."""
    if not uri.startswith("data:"):
        return None
    head, _, body = uri.partition(",")
    try:
        return base64.b64decode(body) if head.endswith(";base64") else unquote_to_bytes(body)
    except binascii.Error as error:
        raise ValueError(f"an embedded file is damaged ({error})") from None


def _matrix(node: Json) -> Floats:
    """(4, 4) of a node; what is not given stays exact."""
    if "matrix" in node:
        return np.array(node["matrix"], np.float64).reshape(4, 4).T
    matrix = np.eye(4)
    if "rotation" in node:
        x, y, z, w = np.array(node["rotation"], np.float64) / np.linalg.norm(node["rotation"])
        matrix[:3, :3] = [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    matrix[:3, :3] *= np.array(node.get("scale", (1, 1, 1)), np.float64)
    matrix[:3, 3] = node.get("translation", (0, 0, 0))
    return matrix


def _triangles(order: NDArray[np.int64], mode: int) -> NDArray[np.int64]:
    """(F, 3) from a list, a strip or a fan of vertices."""
    if mode == TRIANGLES:
        return order[: len(order) // 3 * 3].reshape(-1, 3)
    number = np.arange(max(len(order) - 2, 0))
    if mode == FAN:
        return np.stack([order[number + 1], order[number + 2], order[np.zeros_like(number)]], 1)
    odd = number % 2
    return np.stack([order[number], order[number + 1 + odd], order[number + 2 - odd]], 1)
