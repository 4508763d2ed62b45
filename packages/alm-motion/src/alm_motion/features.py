"""HumanML3D's 263 features of motion (Guo et al., CVPR 2022), and back.

Joints are (…, F, 22, 3) in metres, Y up, at 20 frames a second. Features are (…, F − 1, 263): of each frame but the
last, whose velocities are not known.

| channels | what |
| --- | --- |
| 0 | yaw: half the angle about Y that turns the body to face +Z; absolute, or the change to the next frame |
| 1–2 | root x, z: absolute, or the way to the next frame seen from it |
| 3 | root height |
| 4–66 | joints 1–21 seen from the root's place on the ground, facing +Z |
| 67–192 | rotations of the bones to joints 1–21: two columns of a matrix each |
| 193–258 | way of joints 0–21 to the next frame, facing as in this one |
| 259–262 | whether left ankle, left ball, right ankle, right ball move less than √.002 m to the next frame |

The absolute form (GMD's `abs_3d`, Karunratanakul et al., ICCV 2023) is what completion needs: a relative root after a
gap hangs from what fills the gap. `relative` turns it into HumanML3D's own, and `absolute` back.
"""

import math
from itertools import pairwise

import torch
from torch import Tensor

from alm_motion.skeleton import CHAINS, DIRECTIONS, FEET, PARENTS

__all__ = [
    "CHANNELS",
    "FPS",
    "absolute",
    "extract",
    "facing",
    "joints_of",
    "observed_channels",
    "placed",
    "placed_joints",
    "relative",
    "rotations_of",
]

FPS = 20.0
CHANNELS = 263
STILL = 0.002
"""The squared way in a frame, in m², below which a foot counts as in contact."""
SMOOTHING = 20.0
"""Standard deviation, in frames, of the Gaussian over the direction that the body faces."""
YAW, GROUND, HEIGHT = slice(0, 1), slice(1, 3), slice(3, 4)
LOCAL, TURNS, WAYS, CONTACTS = slice(4, 67), slice(67, 193), slice(193, 259), slice(259, 263)


def facing(joints: Tensor) -> Tensor:
    """Half the angle about Y that turns the body, (…, F), to face +Z, smoothed over a second and unwrapped.

    HumanML3D faces across the shoulders *less* the hips: its code takes one pair from right to left and the other from
    left to right, and all published networks were trained so. Raises ValueError where that is nowhere.
    """
    across = joints[..., 17, :] - joints[..., 16, :] - (joints[..., 2, :] - joints[..., 1, :])
    forward = torch.stack([across[..., 2], -across[..., 0]], -1)  # of Y × across: its x and z
    length = forward.norm(dim=-1, keepdim=True)
    if not bool((length > 0).all()):
        raise ValueError("the body faces nowhere: its shoulders, seen from above, are no wider than its hips")
    forward = _smooth(forward / across.norm(dim=-1, keepdim=True))
    angle = torch.atan2(forward[..., 0], forward[..., 1])
    steps = torch.remainder(angle.diff(dim=-1) + math.pi, 2 * math.pi) - math.pi
    return -torch.cat([angle[..., :1], angle[..., :1] + steps.cumsum(-1)], -1) / 2


def extract(joints: Tensor, yaw: Tensor | None = None) -> Tensor:
    """The absolute features (…, F − 1, 263) of joints (…, F, 22, 3); `yaw` (…, F) is by default `facing(joints)`."""
    yaw = facing(joints) if yaw is None else yaw
    root = joints[..., :1, :]
    ground = root * root.new_tensor([1.0, 0.0, 1.0])
    local = _turned(joints - ground, yaw[..., None])[..., 1:, :]
    way = joints.diff(dim=-3)
    seen = _turned(way, yaw[..., :-1, None])
    feet = [joint for foot in FEET for joint in foot]
    still = (way[..., feet, :].square().sum(-1) < STILL).to(joints.dtype)
    turns = _bone_rotations(joints, yaw)[..., 1:, :, :2].transpose(-1, -2)
    parts = [yaw[..., None], root[..., 0, ::2], root[..., 0, 1:2], local.flatten(-2), turns.flatten(-3)]
    return torch.cat([*(part[..., :-1, :] for part in parts), seen.flatten(-2), still], -1)


def joints_of(features: Tensor) -> Tensor:
    """Joints (…, F, 22, 3) of absolute features (…, F, 263), by the root and the local positions."""
    local = torch.unflatten(features[..., LOCAL], -1, (21, 3))
    ground = torch.zeros_like(local[..., :1, :])
    ground[..., 0, 0], ground[..., 0, 2] = features[..., 1], features[..., 2]
    root = torch.cat([features[..., 1:2], features[..., HEIGHT], features[..., 2:3]], -1)[..., None, :]
    return torch.cat([root, _turned(local, -features[..., YAW]) + ground], -2)


def rotations_of(features: Tensor) -> Tensor:
    """The local rotation matrices (…, F, 22, 3, 3) of the features, orthonormal; the root's turns the facing to +Z."""
    a, b = torch.unflatten(features[..., TURNS], -1, (21, 2, 3)).unbind(-2)
    x = torch.nn.functional.normalize(a, dim=-1)
    z = torch.nn.functional.normalize(torch.linalg.cross(x, b), dim=-1)
    turns = torch.stack([x, torch.linalg.cross(z, x), z], -1)
    eye = torch.eye(3, dtype=features.dtype, device=features.device)
    root = _turned(eye.expand(*features.shape[:-1], 3, 3), features[..., YAW]).transpose(-1, -2)
    return torch.cat([root[..., None, :, :], turns], -3)


def relative(features: Tensor) -> Tensor:
    """HumanML3D's own features of absolute ones: the last frame's steps, which its own lacks, repeat those before."""
    yaw, ground = features[..., 0], features[..., GROUND]
    turn, way = yaw.diff(dim=-1), ground.diff(dim=-2)
    flat = torch.stack([way[..., 0], torch.zeros_like(way[..., 0]), way[..., 1]], -1)
    steps = torch.cat([turn[..., None], _turned(flat, yaw[..., 1:])[..., ::2]], -1)
    return torch.cat([torch.cat([steps, steps[..., -1:, :]], -2), features[..., 3:]], -1)


def absolute(features: Tensor) -> Tensor:
    """The absolute features of relative ones, of which frame 0 stands at the origin and faces +Z."""
    yaw = features[..., 0].cumsum(-1).roll(1, -1)
    yaw[..., 0] = 0
    flat = torch.zeros(*features.shape[:-1], 3, dtype=features.dtype, device=features.device)
    flat[..., 1:, ::2] = features[..., :-1, GROUND]
    ground = _turned(flat, -yaw).cumsum(-2)[..., ::2]
    return torch.cat([yaw[..., None], ground, features[..., 3:]], -1)


def placed(features: Tensor, yaw: Tensor, ground: Tensor) -> Tensor:
    """Absolute features seen from a place: what stood at `ground` (…, 2) with `yaw` (…) is at the origin and faces +Z.

    All other channels stay. The rotations alone are not the same from anywhere: HumanML3D's turns are the shortest in
    the world, so `extract` of joints that were moved has others. The inverse is `placed(f, −yaw, −R(yaw) ground)`.
    """
    flat = torch.zeros(*features.shape[:-1], 3, dtype=features.dtype, device=features.device)
    flat[..., ::2] = features[..., GROUND] - ground[..., None, :]
    moved = _turned(flat, yaw[..., None].expand(features.shape[:-1]))[..., ::2]
    return torch.cat([features[..., YAW] - yaw[..., None, None], moved, features[..., 3:]], -1)


def placed_joints(joints: Tensor, yaw: Tensor, ground: Tensor) -> Tensor:
    """Joints (F, 22, 3) seen from a place, as `placed` sees features."""
    x, z = ground.unbind(-1)
    return _turned(joints - torch.stack([x, torch.zeros_like(x), z], -1), yaw.expand(joints.shape[:-1]))


def observed_channels(given: Tensor) -> Tensor:
    """Which channels (…, F, 263) are known where joints (…, F, 22) are given, both bool.

    The root's channels want the pelvis, a joint's place the pelvis and the joint, a rotation all of its chain, a way
    and a contact the joint in this frame and the next: of the last frame they are not known.
    """
    pelvis = given[..., :1]
    there = given & pelvis
    chained = there.clone()
    for joint in range(1, 22):
        chained[..., joint] &= chained[..., PARENTS[joint]]
    both = torch.zeros_like(there)
    both[..., :-1, :] = there[..., :-1, :] & there[..., 1:, :]
    feet = [joint for foot in FEET for joint in foot]
    return torch.cat(
        [
            pelvis.expand(*pelvis.shape[:-1], 4),
            there[..., 1:].repeat_interleave(3, -1),
            chained[..., 1:].repeat_interleave(6, -1),
            both.repeat_interleave(3, -1),
            both[..., feet],
        ],
        -1,
    )


def _turned(points: Tensor, yaw: Tensor) -> Tensor:
    """Points (…, 3) turned about Y by twice the yaw (…)."""
    cos, sin = torch.cos(2 * yaw), torch.sin(2 * yaw)
    x, y, z = points.unbind(-1)
    return torch.stack([cos * x + sin * z, y, cos * z - sin * x], -1)


def _smooth(values: Tensor) -> Tensor:
    """A Gaussian over the frames of (…, F, C), the ends repeated."""
    reach = int(4 * SMOOTHING + 0.5)
    at = torch.arange(-reach, reach + 1, dtype=values.dtype, device=values.device)
    kernel = torch.exp(-0.5 * (at / SMOOTHING) ** 2)
    rows = values.transpose(-1, -2).reshape(-1, 1, values.shape[-2])
    rows = torch.nn.functional.pad(rows, (reach, reach), mode="replicate")
    smoothed = torch.nn.functional.conv1d(rows, (kernel / kernel.sum()).view(1, 1, -1))
    return smoothed.view(*values.shape[:-2], values.shape[-1], -1).transpose(-1, -2)


def _bone_rotations(joints: Tensor, yaw: Tensor) -> Tensor:
    """Local rotations (…, F, 22, 3, 3): each bone's shortest turn from its rest axis, relative to the bone before it.

    The first bone of a chain is relative to the root, the turn about Y that makes the body face +Z.
    """
    eye = torch.eye(3, dtype=joints.dtype, device=joints.device)
    root = _turned(eye.expand(*yaw.shape, 3, 3), yaw[..., None]).transpose(-1, -2)
    local = [root] * 22
    axes = torch.as_tensor(DIRECTIONS, dtype=joints.dtype, device=joints.device)
    for chain in CHAINS:
        before = root
        for parent, joint in pairwise(chain):
            turn = _between(axes[joint], joints[..., joint, :] - joints[..., parent, :])
            local[joint] = before.transpose(-1, -2) @ turn
            before = turn
    return torch.stack(local, -3)


def _between(u: Tensor, v: Tensor) -> Tensor:
    """The shortest turn (…, 3, 3) from the unit vector u (3) to the direction of v (…, 3)."""
    v = v / v.norm(dim=-1, keepdim=True).clamp(min=1e-12)
    axis = torch.linalg.cross(u.expand_as(v), v)
    cos = (u * v).sum(-1)[..., None, None]
    zero = torch.zeros_like(axis[..., 0])
    x, y, z = axis.unbind(-1)
    k = torch.unflatten(torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], -1), -1, (3, 3))
    eye = torch.eye(3, dtype=v.dtype, device=v.device)
    turn: Tensor = eye + k + k @ k / (1 + cos).clamp(min=1e-6)
    return turn
