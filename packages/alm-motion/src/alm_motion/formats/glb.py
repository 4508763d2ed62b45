"""GLB 2.0 (Khronos, glTF 2.0 Specification): a skeleton, its animation, and a body of octahedra that shows it.

The skeleton at rest is offsets without rotations, so that the inverse bind matrix of a joint is the translation by the
negative of its place: a vertex v that hangs from joint j stands at T_j(t) (v − rest_j). glTF has metres and Y up, as a
clip has. Joint j is node j.
"""

import json
import struct

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from alm_motion.clip import Clip
from alm_motion.skeleton import Array, Skeleton

__all__ = ["write_glb"]

FLOAT, USHORT = 5126, 5123
VERTICES = 34962
STILL = 1e-7
"""Metres: a joint that stays nearer than this to its rest offset has no translation channel; such a bone no body."""
THICK, WAIST = 0.03, 0.2
"""Half the width of a bone's octahedron in metres, and how far from its head it is widest, in lengths of the bone."""
SHADE = (0.8, 0.45, 0.15, 1.0)


def write_glb(clip: Clip) -> bytes:
    """The file's bytes. Frame n is at n / fps seconds; between frames rotations are slerped, translations go straight.

    Each bone is an octahedron with its head on the parent and its tip on the joint, each root a small one. All joints
    are nodes by their own names, those without length too. Coordinates are float32: 100 m from the origin they are good
    to 1e-5 m.
    """
    parts = _Parts()
    skeleton, count = clip.skeleton, len(clip.skeleton.names)
    places = skeleton.forward(np.tile(np.eye(3), (1, count, 1, 1)), skeleton.offsets[None])[0][0]
    # The joints of a skin must have a common root, and a clip may have several: the node after the joints is theirs.
    nodes: list[dict[str, object]] = [{"name": name} for name in (*skeleton.names, "Armature")]
    for joint, offset in enumerate(skeleton.offsets.tolist()):
        nodes[joint]["translation"] = offset
    for joint in range(-1, count):
        if below := [child for child, parent in enumerate(skeleton.parents) if parent == joint]:
            nodes[joint]["children"] = below
    binds = np.tile(np.eye(4), (count, 1, 1))
    binds[:, 3, :3] = -places  # Columns first: the translation is the last row.
    inverse = parts.add(binds.reshape(-1, 16), "MAT4")
    tree = {
        "asset": {"version": "2.0", "generator": "alm-motion"},
        "scene": 0,
        "scenes": [{"nodes": [count, count + 1]}],
        "nodes": [*nodes, {"name": "Body", "mesh": 0, "skin": 0}],
        "skins": [{"joints": list(range(count)), "skeleton": count, "inverseBindMatrices": inverse}],
        "meshes": [{"name": "Body", "primitives": [{"attributes": _body(skeleton, places, parts), "material": 0}]}],
        "materials": [{"name": "Body", "pbrMetallicRoughness": {"baseColorFactor": SHADE, "metallicFactor": 0.0}}],
        "animations": [_animation(clip, parts)],
    }
    return parts.file(tree)


class _Parts:
    """The binary chunk as it grows, and what says where each of its arrays lies."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.views: list[dict[str, int]] = []
        self.accessors: list[dict[str, object]] = []

    def add(self, values: NDArray[np.generic], kind: str, *, of: int = FLOAT, vertices: bool = False) -> int:
        """The number of the accessor of values (N) or (N, C); a row is a multiple of four bytes, as it must be."""
        rows = np.ascontiguousarray(values, "<f4" if of == FLOAT else "<u2").reshape(len(values), -1)
        view = {"buffer": 0, "byteOffset": len(self.data), "byteLength": rows.nbytes}
        self.views.append(view | ({"target": VERTICES} if vertices else {}))
        self.data += rows.tobytes()
        limits = {"min": rows.min(0).tolist(), "max": rows.max(0).tolist()}
        number = len(self.accessors)
        self.accessors.append({"bufferView": number, "componentType": of, "count": len(rows), "type": kind, **limits})
        return number

    def file(self, tree: dict[str, object]) -> bytes:
        """A header and two chunks, both of a length divisible by four."""
        buffers = {"accessors": self.accessors, "bufferViews": self.views, "buffers": [{"byteLength": len(self.data)}]}
        text = json.dumps(tree | buffers, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
        text += b" " * (-len(text) % 4)
        chunks = struct.pack("<I4s", len(text), b"JSON") + text + struct.pack("<I4s", len(self.data), b"BIN\0")
        return struct.pack("<4sII", b"glTF", 2, 12 + len(chunks) + len(self.data)) + chunks + self.data


def _animation(clip: Clip, parts: _Parts) -> dict[str, object]:
    """A rotation channel for each joint, and a translation channel where a joint leaves its rest offset."""
    times = parts.add(np.arange(len(clip)) / clip.fps, "SCALAR")
    turns = Rotation.from_matrix(clip.rotations.reshape(-1, 3, 3)).as_quat().reshape(len(clip), -1, 4)
    outputs = [
        (joint, "rotation", parts.add(turn, "VEC4")) for joint, turn in enumerate(_continuous(turns).swapaxes(0, 1))
    ]
    for joint in np.flatnonzero(np.abs(clip.translations - clip.skeleton.offsets).max((0, 2)) > STILL).tolist():
        outputs.append((joint, "translation", parts.add(clip.translations[:, joint], "VEC3")))
    return {
        "name": "motion",
        "samplers": [{"input": times, "output": output, "interpolation": "LINEAR"} for _, _, output in outputs],
        "channels": [
            {"sampler": number, "target": {"node": joint, "path": path}}
            for number, (joint, path, _) in enumerate(outputs)
        ],
    }


def _continuous(quaternions: Array) -> Array:
    """Of q and −q, which are one rotation, the nearer to the frame before: what mixes them plainly needs it."""
    flips = np.where((quaternions[1:] * quaternions[:-1]).sum(-1) < 0, -1.0, 1.0)
    signs = np.concatenate([np.ones_like(quaternions[:1, :, 0]), np.cumprod(flips, axis=0)])
    return np.asarray(quaternions * signs[..., None])


def _body(skeleton: Skeleton, places: Array, parts: _Parts) -> dict[str, int]:
    """The attributes of triangles (no indices) with flat normals; each vertex hangs from one joint.

    The tip of a bone hangs from its joint: it is there also where the joint's translation changes.
    """
    points, holders = [], []
    for joint, parent in enumerate(skeleton.parents):
        head, tip = (places[parent], places[joint]) if parent >= 0 else places[joint] + [[0, -THICK, 0], [0, THICK, 0]]
        if np.linalg.norm(tip - head) > STILL:
            points.append(_octahedron(head, tip))
            holders.append([joint if parent < 0 else parent] * 5 + [joint])
    faces = np.array([(i, (i + 1) % 4, 5) for i in range(4)] + [((i + 1) % 4, i, 4) for i in range(4)])
    corners = np.array(points)[:, faces].reshape(-1, 3, 3)
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    first = np.eye(1, 4)
    return {
        "POSITION": parts.add(corners.reshape(-1, 3), "VEC3", vertices=True),
        "NORMAL": parts.add(normals.repeat(3, 0), "VEC3", vertices=True),
        "JOINTS_0": parts.add(np.array(holders)[:, faces].reshape(-1, 1) * first, "VEC4", of=USHORT, vertices=True),
        "WEIGHTS_0": parts.add(first.repeat(corners.size // 3, 0), "VEC4", vertices=True),
    }


def _octahedron(head: Array, tip: Array) -> Array:
    """Six vertices: four round the waist, counter-clockwise about the way from head to tip; the head; the tip."""
    along = tip - head
    size = float(np.linalg.norm(along))
    side = np.cross(along / size, np.eye(3)[np.abs(along).argmin()])
    side *= min(THICK, size / 4) / np.linalg.norm(side)
    other = np.cross(along / size, side)
    return np.array([*(head + WAIST * along + each for each in (side, other, -side, -other)), head, tip])
