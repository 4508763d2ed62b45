"""From what files hold to a `Clip`, and back: BVH, joints, HumanML3D's features, AMASS's poses.

A frame that came from a file of the same kind goes back as its own numbers; the others are worked out.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from alm_motion.amass import KINDS, clip_of_poses, padded
from alm_motion.clip import Clip, Up
from alm_motion.features import FPS, absolute, extract, facing, joints_of, relative
from alm_motion.formats.bvh import Bvh, Node
from alm_motion.formats.npz import Features, Joints, Poses, timeless
from alm_motion.mapping import Joints as Mapping
from alm_motion.mapping import guess, weights
from alm_motion.retarget import Fitted, resampled
from alm_motion.seams import runs
from alm_motion.skeleton import LEGS, PARENTS, SMPL22, Array, Skeleton
from alm_motion.smpl import Y_UP, SmplPoses, rest_joints, to_poses, to_z_up

__all__ = ["bvh_of", "clip_of", "clip_of_joints", "features_file", "joints_file", "joints_of_clip", "poses_file"]

LEG, TALL = 0.8, 1.7
"""A usual leg and a usual body, in metres."""
LYING = 2.0
"""How many times farther along Z than along Y the head is from the feet where Z is taken for up."""
ROOT, POSE, NEXT = slice(0, 3), slice(3, 193), slice(193, 263)
"""Features of the root's place or steps, of the pose alone, and of the way to the next frame."""


def joints_of_clip(clip: Clip, mapping: Mapping | None = None) -> Array:
    """The 22 joints (F, 22, 3) of a clip, in metres, by this mapping or else the clip's own.

    Raises ValueError where there is neither and its skeleton is not known.
    """
    mapped = weights(clip.skeleton, mapping or clip.mapping or guess(clip.skeleton))
    return np.asarray(np.einsum("mj,fjc->fmc", mapped, clip.positions()))


def clip_of(
    source: Bvh | Joints | Features | Poses,
    *,
    fps: float | None = None,
    unit: float | None = None,
    mapping: Mapping | None = None,
    up: Up | None = None,
) -> Clip:
    """The clip of what a file holds.

    `fps` is for files that do not say; `unit` is how many metres a BVH's unit is, and `mapping` which of its joints are
    the 22. `up` is the axis of a BVH or of joints that points up: by default Y, and ValueError is raised where it seems
    to be Z.
    """
    if isinstance(source, Bvh):
        return _upright(_of_bvh(source, fps, unit, mapping), up)
    if up == "z" and not isinstance(source, Joints):
        raise ValueError("--up z (up=) is for BVH and joints: poses are always Z up in a file, features Y up; omit it")
    if isinstance(source, Features):
        values = torch.from_numpy(np.asarray(source.features, float))
        joints = joints_of(values if source.absolute else absolute(values)).numpy()
        return _marked(clip_of_joints(joints, FPS), source)
    rate = fps or source.fps
    if rate is None:
        raise ValueError("the file does not say how many frames a second it has: give --fps (fps=)")
    if isinstance(source, Joints):
        joints = np.asarray(source.joints, float)
        made = _marked(clip_of_joints(joints @ Y_UP.T if up == "z" else joints, rate), source)
        return replace(made, up="z") if up == "z" else _upright(made, up)
    return _marked(clip_of_poses(source, rate), source)


def clip_of_joints(joints: Array, fps: float) -> Clip:
    """A clip of SMPL's 22 joints at rest in a T, with bones as long as those of joints (F, 22, 3) on average.

    Turns are those of `smpl.to_poses`; the bones that leave pelvis and chest lie where they do on average.
    """
    rotations = to_poses(joints).rotations()[:, :22]
    _, turned = SMPL22.forward(rotations, np.zeros((len(joints), 22, 3)))
    offsets = np.zeros((22, 3))
    for joint, parent in enumerate(PARENTS[1:], 1):
        bones = joints[:, joint] - joints[:, parent]
        mean = np.einsum("fji,fj->fi", turned[:, parent], bones).mean(0)
        offsets[joint] = mean * np.linalg.norm(bones, axis=1).mean() / max(float(np.linalg.norm(mean)), 1e-9)
    translations = np.tile(offsets, (len(joints), 1, 1))
    translations[:, 0] = joints[:, 0]
    return Clip(Skeleton(SMPL22.names, PARENTS, offsets), rotations, translations, fps)


def bvh_of(clip: Clip) -> Bvh:
    """The clip as a BVH: the file it came from with other frames, else a new one in centimetres."""
    source = clip.source if isinstance(clip.source, Bvh) else None
    unit = clip.unit if source else 0.01
    rotations, translations = clip.rotations, clip.translations / unit
    if source and clip.up == "z":
        rotations, translations = _turned(clip.skeleton, rotations, translations, Y_UP.T)
    if source is None:
        rotations, translations, source = _as_nodes(clip, unit)
    values = np.empty((len(clip), source.values.shape[1]))
    kept = clip.rows >= 0 if clip.source is source else np.zeros(len(clip), bool)
    values[kept] = source.values[clip.rows[kept]]
    near = source.values[0] if len(source.values) else np.zeros(values.shape[1])
    for start, stop in runs(~kept):
        before = values[start - 1] if start else near
        part = source.channel_values(rotations[start:stop], translations[start:stop], before)
        values[start:stop] = part
    return replace(source, values=values, frame_time=source.frame_time if clip.source is source else 1 / clip.fps)


def joints_file(clip: Clip) -> Joints:
    """The 22 joints at the clip's rate, Y up; for a clip that came from joints with Z up, as those."""
    joints = joints_of_clip(clip)
    source = clip.source if isinstance(clip.source, Joints) else Joints(joints)
    if source is clip.source and clip.up == "z":
        joints = joints @ Y_UP
    kept = clip.rows >= 0 if source is clip.source else np.zeros(len(clip), bool)
    joints[kept] = source.joints[clip.rows[kept]]
    return Joints(joints.astype(source.joints.dtype), clip.fps, _further(source, clip))


def features_file(clip: Clip, *, with_absolute: bool = False) -> Features:
    """HumanML3D's features at 20 frames a second, of the last as if it went on; a file's own frames as they came."""
    if isinstance(clip.source, Features):
        return _features_again(clip, clip.source)
    own = joints_of_clip(clip)
    times = np.arange(len(own)) / clip.fps
    at = np.arange(0, times[-1] + 1e-9, 1 / FPS)
    if len(at) < 2:
        raise ValueError(f"features want a tenth of a second of motion or more, got {clip.seconds:.2f} s")
    joints = Fitted.of(own).forth(resampled(own, times, at))
    values = extract(torch.from_numpy(_longer(joints)))
    return Features((values if with_absolute else relative(values)).numpy(), with_absolute)


def poses_file(clip: Clip) -> Poses:
    """AMASS's poses, Z up: those of the file that the clip came from with other frames, else SMPL-H's of its joints."""
    source = clip.source
    if not isinstance(source, Poses):
        found = to_z_up(to_poses(joints_of_clip(clip)))
        return Poses(found.poses, found.trans, found.betas, "neutral", clip.fps)
    kind = KINDS[source.poses.shape[1]]
    turns = Rotation.from_matrix(clip.rotations.reshape(-1, 3, 3)).as_rotvec().reshape(len(clip), -1)
    betas = np.zeros(10)
    made = to_z_up(SmplPoses(padded(turns, kind), clip.translations[:, 0] - rest_joints(kind)[0], betas, kind))
    poses, trans = made.poses[:, : source.poses.shape[1]].copy(), made.trans.copy()
    kept = clip.rows >= 0
    poses[kept], trans[kept] = source.poses[clip.rows[kept]], source.trans[clip.rows[kept]]
    arrays = poses.astype(source.poses.dtype), trans.astype(source.trans.dtype)
    return replace(source, poses=arrays[0], trans=arrays[1], fps=clip.fps, further=_further(source, clip))


def _features_again(clip: Clip, source: Features) -> Features:
    """The file with the clip's frames, in its own frame and scale.

    A kept frame's pose is the file's. Its step to the next is so where that is the file's next frame, too. The yaw of
    made frames is the facing of the body, shifted so that it runs on from that of the kept ones.
    """
    if len(clip) < 2:
        raise ValueError(f"features want a tenth of a second of motion or more, got {clip.seconds:.2f} s")
    kept = np.flatnonzero(clip.rows >= 0)
    rows = clip.rows[kept]
    values = torch.from_numpy(np.asarray(source.features, float))
    true = values if source.absolute else absolute(values)
    joints = joints_of_clip(clip)
    joints[kept] = joints_of(true)[rows].numpy()
    longer = torch.from_numpy(_longer(joints))
    yaw = facing(longer)
    if len(kept):
        off = np.unwrap((true[rows, 0] - yaw[kept]).numpy(), period=np.pi)
        yaw = yaw + torch.from_numpy(np.interp(np.arange(len(longer)), kept, off))
    made = extract(longer, yaw)
    found = (made if source.absolute else relative(made)).numpy()
    raw = source.features[rows]
    found[kept, POSE] = raw[:, POSE]
    if source.absolute:
        found[kept, ROOT] = raw[:, ROOT]
    runs_on = np.append(clip.rows[1:] == clip.rows[:-1] + 1, True)[kept]
    found[kept[runs_on]] = raw[runs_on]
    return Features(found.astype(source.features.dtype), source.absolute, _further(source, clip))


def _longer(joints: Array) -> Array:
    """With one frame more, as if the last step went on."""
    return np.concatenate([joints, 2 * joints[-1:] - joints[-2:-1]])


def _upright(clip: Clip, up: Up | None) -> Clip:
    """The clip of a file, Y up. Raises ValueError where nothing is said of it, and a known skeleton stands along Z."""
    if up == "z":
        turned = _turned(clip.skeleton, clip.rotations, clip.translations, Y_UP)
        return replace(clip, rotations=turned[0], translations=turned[1], up=up)
    if up is None:
        try:
            joints = joints_of_clip(clip)
        except ValueError:  # a skeleton that wants a mapping
            return clip
        _, y, z = (joints[:, 15] - joints[:, (10, 11)].mean(1)).mean(0)
        if z > LYING * abs(y):
            raise ValueError("the body stands along Z: say --up z (up=), or --up y where it does lie on the ground")
    return clip


def _turned(skeleton: Skeleton, rotations: Array, translations: Array, turn: Array) -> tuple[Array, Array]:
    """Local poses of a world that is turned: those of roots change."""
    roots = [joint for joint, parent in enumerate(skeleton.parents) if parent < 0]
    rotations, translations = rotations.copy(), translations.copy()
    rotations[:, roots], translations[:, roots] = turn @ rotations[:, roots], translations[:, roots] @ turn.T
    return rotations, translations


def _of_bvh(bvh: Bvh, fps: float | None, unit: float | None, mapping: Mapping | None) -> Clip:
    rotations, translations = bvh.local()
    offsets = np.array([node.offset for node in bvh.nodes])
    skeleton = Skeleton(tuple(node.name for node in bvh.nodes), tuple(node.parent for node in bvh.nodes), offsets)
    unit = unit or _unit(skeleton, mapping)
    skeleton = replace(skeleton, offsets=offsets * unit)
    rows = np.arange(len(bvh.values))
    rate = fps or 1 / bvh.frame_time
    bvh = replace(bvh, frame_time=1 / rate) if fps else bvh
    return Clip(skeleton, rotations, translations * unit, rate, unit, bvh, rows, mapping)


def _unit(skeleton: Skeleton, mapping: Mapping | None) -> float:
    """How many metres the file's unit is: the power of ten that makes a leg, or else the whole, as long as such are."""
    at_rest = skeleton.forward(np.tile(np.eye(3), (1, len(skeleton.names), 1, 1)), skeleton.offsets[None])[0][0]
    size, wanted = float(np.ptp(at_rest, axis=0).max()), TALL
    try:
        hip, knee, ankle, _ = weights(skeleton, mapping or guess(skeleton))[list(LEGS[0])] @ at_rest
        size, wanted = float(np.linalg.norm(hip - knee) + np.linalg.norm(knee - ankle)), LEG
    except ValueError:  # a skeleton that wants a mapping
        pass
    return float(10.0 ** -round(np.log10(max(size, 1e-9) / wanted)))


def _marked(clip: Clip, source: Joints | Features | Poses) -> Clip:
    return replace(clip, source=source, rows=np.arange(len(clip)))


def _further(source: Joints | Features | Poses, clip: Clip) -> Any:
    """The file's further keys: those with a row a frame go where frames were made."""
    same = len(clip.rows) and bool((clip.rows == np.arange(len(clip))).all())
    return source.further if same else timeless(source.further, _frames(source))


def _frames(source: Joints | Features | Poses) -> int:
    array: NDArray[Any] = (
        source.joints
        if isinstance(source, Joints)
        else source.features
        if isinstance(source, Features)
        else source.poses
    )
    return len(array)


def _as_nodes(clip: Clip, unit: float) -> tuple[Array, Array, Bvh]:
    """Turns and shifts of nodes in depth-first order, as BVH has them, with an end site at each leaf; and the nodes."""
    skeleton = clip.skeleton
    nodes: list[Node] = []
    order: list[int] = []

    def put(joint: int, parent: int) -> None:
        x, y, z = (float(v) for v in skeleton.offsets[joint] / unit)
        turns = ("Zrotation", "Xrotation", "Yrotation")
        moves = ("Xposition", "Yposition", "Zposition") if parent < 0 else ()
        nodes.append(Node(skeleton.names[joint], parent, (x, y, z), (*moves, *turns)))
        order.append(joint)
        here = len(nodes) - 1
        children = [child for child, above in enumerate(skeleton.parents) if above == joint]
        for child in children:
            put(child, here)
        if not children:
            nodes.append(Node(skeleton.names[joint] + "_end", here, (0.0, round(0.05 / unit, 6), 0.0), (), True))
            order.append(-1)

    for joint, parent in enumerate(skeleton.parents):
        if parent < 0:
            put(joint, -1)
    width = sum(len(node.channels) for node in nodes)
    bvh = Bvh(tuple(nodes), np.empty((0, width)), 1 / clip.fps)
    picked = np.array(order)
    rotations, translations = clip.rotations[:, picked], clip.translations[:, picked] / unit
    rotations[:, picked < 0] = np.eye(3)
    return rotations, translations, bvh


WRITERS: dict[str, Callable[[Clip], Joints | Features | Poses]] = {
    "joints": joints_file,
    "features": features_file,
    "poses": poses_file,
}
"""How a clip becomes an NPZ of each kind."""
