import json
import struct
from typing import Any

import numpy as np
import pytest
from alm_motion.clip import Clip
from alm_motion.formats.glb import write_glb
from alm_motion.skeleton import SMPL22, Array, Skeleton
from scipy.spatial.transform import Rotation

KINDS = {"SCALAR": 1, "VEC3": 3, "VEC4": 4, "MAT4": 16}
TYPES = {5126: "<f4", 5123: "<u2"}
ODD = Skeleton(
    ("hips", "mixamorig:Leg", "fuß", "Armature", "zero", "arm", "alone"),
    (-1, 0, 1, -1, 3, 4, -1),
    np.array([[0.1, 0.9, 0], [0.1, -0.4, 0], [0, -0.4, 0.05], [2, 0.1, 0], [0, 0, 0], [0.2, 0.3, 0.1], [-1, 0, 0]]),
)
"""Three roots, one of them without bones, a bone without length, and names that are not ASCII or taken elsewhere."""


def clip_of(skeleton: Skeleton, frames: int = 30, seed: int = 0, fps: float = 23.976) -> Clip:
    """Joints that turn on and on; the roots wander, and the last leaf but one is not where its offset says."""
    rng = np.random.default_rng(seed)
    turns = np.cumsum(rng.normal(0, 0.4, (frames, len(skeleton.names), 3)), 0)
    rotations = Rotation.from_rotvec(turns.reshape(-1, 3)).as_matrix().reshape(*turns.shape, 3)
    translations = np.tile(skeleton.offsets, (frames, 1, 1))
    for joint, parent in enumerate(skeleton.parents):
        if parent < 0:
            translations[:, joint] += np.cumsum(rng.normal(0, 0.1, (frames, 3)), 0)
    translations[:, -2] += [0.01, -0.03, 0.02]
    return Clip(skeleton, rotations, translations, fps)


class Parsed:
    """A GLB read by the specification, with nothing of the writer's."""

    def __init__(self, data: bytes) -> None:
        magic, version, length = struct.unpack_from("<4sII", data)
        assert (magic, version, length) == (b"glTF", 2, len(data))
        size, kind = struct.unpack_from("<I4s", data, 12)
        assert kind == b"JSON"
        assert size % 4 == 0
        self.tree: dict[str, Any] = json.loads(data[20 : 20 + size])
        rest, kind = struct.unpack_from("<I4s", data, 20 + size)
        assert kind == b"BIN\0"
        self.bin = data[28 + size :]
        assert rest == len(self.bin) == self.tree["buffers"][0]["byteLength"]
        assert rest % 4 == 0
        self.nodes = self.tree["nodes"]
        self.parents = [-1] * len(self.nodes)
        for number, node in enumerate(self.nodes):
            for child in node.get("children", ()):
                assert self.parents[child] == -1
                self.parents[child] = number

    def read(self, number: int) -> Array:
        accessor = self.tree["accessors"][number]
        view = self.tree["bufferViews"][accessor["bufferView"]]
        width = KINDS[accessor["type"]]
        assert view["byteOffset"] % 4 == 0
        values = np.frombuffer(
            self.bin, TYPES[accessor["componentType"]], accessor["count"] * width, view["byteOffset"]
        )
        assert values.nbytes == view["byteLength"]
        return values.astype(float).reshape(-1, width)

    def worlds(self, time: float) -> Array:
        """The matrix (4, 4) of each node: T R of its own, after its parent's."""
        local = [self.local(number, time) for number in range(len(self.nodes))]

        def world(number: int) -> Array:
            parent = self.parents[number]
            return local[number] if parent < 0 else world(parent) @ local[number]

        return np.array([world(number) for number in range(len(self.nodes))])

    def local(self, number: int, time: float) -> Array:
        matrix = np.eye(4)
        matrix[:3, 3] = self.nodes[number].get("translation", (0, 0, 0))
        animation = self.tree["animations"][0]
        for channel in animation["channels"]:
            if channel["target"]["node"] != number:
                continue
            sampler = animation["samplers"][channel["sampler"]]
            assert sampler["interpolation"] == "LINEAR"
            times, values = self.read(sampler["input"])[:, 0], self.read(sampler["output"])
            after = int(np.clip(np.searchsorted(times, time), 1, len(times) - 1))
            part = np.clip((time - times[after - 1]) / (times[after] - times[after - 1]), 0, 1)
            value = values[after - 1] * (1 - part) + values[after] * part  # At the keys the same as a slerp.
            if channel["target"]["path"] == "rotation":
                matrix[:3, :3] = Rotation.from_quat(value).as_matrix()
            else:
                matrix[:3, 3] = value
        return matrix

    def vertices(self, worlds: Array) -> Array:
        """Skinned: the sum over joints of weight times world times inverse bind, of the position."""
        attributes = self.tree["meshes"][0]["primitives"][0]["attributes"]
        skin = self.tree["skins"][0]
        binds = self.read(skin["inverseBindMatrices"]).reshape(-1, 4, 4).swapaxes(1, 2)
        points = self.read(attributes["POSITION"])
        mixed = np.einsum(
            "nk,nkij->nij",
            self.read(attributes["WEIGHTS_0"]),
            (worlds[skin["joints"]] @ binds)[self.read(attributes["JOINTS_0"]).astype(int)],
        )
        return np.einsum("nij,nj->ni", mixed, np.concatenate([points, np.ones_like(points[:, :1])], 1))[:, :3]


@pytest.mark.parametrize("skeleton", [SMPL22, ODD])
def test_the_joints_of_the_file_go_where_those_of_the_clip_do(skeleton: Skeleton) -> None:
    clip = clip_of(skeleton)
    parsed, positions = Parsed(write_glb(clip)), clip.positions()
    for frame in (0, 1, 17, 29):
        found = parsed.worlds(frame / clip.fps)[: len(skeleton.names), :3, 3]
        assert np.abs(found - positions[frame]).max() < 1e-5


def test_names_parents_offsets_and_rate_are_the_clips() -> None:
    clip = clip_of(ODD)
    parsed = Parsed(write_glb(clip))
    assert [node["name"] for node in parsed.nodes[:7]] == list(ODD.names)
    common = parsed.tree["skins"][0]["skeleton"]
    assert parsed.parents[:7] == [common if parent < 0 else parent for parent in ODD.parents]
    assert parsed.tree["skins"][0]["joints"] == list(range(7))
    assert [node["translation"] for node in parsed.nodes[:7]] == ODD.offsets.tolist()
    assert all("rotation" not in node for node in parsed.nodes)
    scene = parsed.tree["scenes"][0]["nodes"]
    assert scene == [number for number, parent in enumerate(parsed.parents) if parent < 0]
    times = parsed.read(parsed.tree["animations"][0]["samplers"][0]["input"])[:, 0]
    np.testing.assert_allclose(times, np.arange(30) / clip.fps, rtol=1e-6)


def test_only_joints_that_leave_their_offset_have_a_translation_channel() -> None:
    clip = clip_of(ODD)
    channels = Parsed(write_glb(clip)).tree["animations"][0]["channels"]
    paths = {
        path: {c["target"]["node"] for c in channels if c["target"]["path"] == path}
        for path in ("rotation", "translation")
    }
    assert paths == {"rotation": set(range(7)), "translation": {0, 3, 5, 6}}
    assert len(channels) == 7 + 4


def test_quaternions_are_of_unit_length_and_never_change_sign() -> None:
    clip = clip_of(SMPL22, frames=200)
    parsed = Parsed(write_glb(clip))
    animation = parsed.tree["animations"][0]
    flipped = 0
    for channel in animation["channels"]:
        values = parsed.read(animation["samplers"][channel["sampler"]]["output"])
        if channel["target"]["path"] == "rotation":
            np.testing.assert_allclose(np.linalg.norm(values, axis=1), 1, atol=1e-6)
            assert ((values[1:] * values[:-1]).sum(1) > 0).all()
            flipped += int((values[:, 3] < 0).any())
    assert flipped  # Else these motions would not need it.


def test_vertices_are_bound_where_the_skeleton_rests() -> None:
    parsed = Parsed(write_glb(clip_of(ODD)))
    still = [np.eye(4)] * len(parsed.nodes)
    for number in range(7):
        still[number] = np.eye(4)
        still[number][:3, 3] = np.array(parsed.nodes[number]["translation"])
        if ODD.parents[number] >= 0:
            still[number] = still[ODD.parents[number]] @ still[number]
    at_rest = parsed.vertices(np.array(still))
    positions = parsed.read(parsed.tree["meshes"][0]["primitives"][0]["attributes"]["POSITION"])
    np.testing.assert_allclose(at_rest, positions, atol=1e-6)


@pytest.mark.parametrize("skeleton", [SMPL22, ODD])
def test_each_bone_has_a_vertex_at_both_its_ends_in_all_frames(skeleton: Skeleton) -> None:
    clip = clip_of(skeleton)
    parsed, positions = Parsed(write_glb(clip)), clip.positions()
    bones = [j for j, parent in enumerate(skeleton.parents) if parent >= 0 and skeleton.offsets[j].any()]
    for frame in (0, 13, 29):
        vertices = parsed.vertices(parsed.worlds(frame / clip.fps))
        for joint in bones:
            for end in (positions[frame, joint], positions[frame, skeleton.parents[joint]]):
                assert np.linalg.norm(vertices - end, axis=1).min() < 1e-5


def test_the_body_is_closed_octahedra_seen_from_outside() -> None:
    parsed = Parsed(write_glb(clip_of(ODD)))
    attributes = parsed.tree["meshes"][0]["primitives"][0]["attributes"]
    corners = parsed.read(attributes["POSITION"]).reshape(-1, 8, 3, 3)
    normals = parsed.read(attributes["NORMAL"]).reshape(-1, 8, 3, 3)
    assert len(corners) == 3 + 3  # A mark for each root, and a body for each bone but the one without length.
    for body, out in zip(corners, normals, strict=True):
        crossed = np.cross(body[:, 1] - body[:, 0], body[:, 2] - body[:, 0])
        np.testing.assert_allclose(crossed / np.linalg.norm(crossed, axis=1, keepdims=True), out[:, 0], atol=1e-4)
        assert (((body.mean(1) - body.mean((0, 1))) * out[:, 0]).sum(1) > 0).all()
        np.testing.assert_allclose(crossed.sum(0), 0, atol=1e-7)  # The areas of a closed surface add up to nothing.
    weights = parsed.read(attributes["WEIGHTS_0"])
    assert (weights == [1, 0, 0, 0]).all()


def test_the_limits_of_each_accessor_are_those_of_its_values() -> None:
    parsed = Parsed(write_glb(clip_of(SMPL22)))
    for number, accessor in enumerate(parsed.tree["accessors"]):
        values = parsed.read(number)
        assert accessor["min"] == values.min(0).tolist()
        assert accessor["max"] == values.max(0).tolist()


def test_one_frame_and_one_joint_make_a_file() -> None:
    clip = clip_of(Skeleton(("root", "end"), (-1, 0), np.array([[0, 1.0, 0], [0, 0, 0]])), frames=1)
    parsed = Parsed(write_glb(clip))
    assert parsed.tree["accessors"][parsed.tree["animations"][0]["samplers"][0]["input"]]["count"] == 1
    assert parsed.tree["accessors"][parsed.tree["meshes"][0]["primitives"][0]["attributes"]["POSITION"]]["count"] == 24
