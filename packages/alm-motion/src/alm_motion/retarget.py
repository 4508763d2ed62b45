"""From any skeleton to the 22 joints on HumanML3D's own, and back by inverse kinematics.

Directions of bones stay, lengths become the other skeleton's; the root's way is scaled by the length of the legs:

    p_j = p_parent(j) + l_j (q_j − q_parent(j)) / ‖q_j − q_parent(j)‖,    p_0 = q_0 · legs / legs'

which is what HumanML3D's own retargeting computes through quaternions.
"""

from dataclasses import dataclass

import numpy as np
from scipy.interpolate import CubicSpline

from alm_motion.skeleton import BONES, PARENTS, Array

__all__ = ["Fitted", "leg", "lengths_of", "resampled", "with_lengths"]


@dataclass(frozen=True)
class Fitted:
    """What takes a body's 22 joints to HumanML3D's skeleton and back.

    `lengths` (22) are the bones' own, `scale` is their legs over HumanML3D's, `floor` the height of the lowest joint
    on HumanML3D's skeleton, which is put on y = 0.
    """

    lengths: Array
    scale: float
    floor: float

    @staticmethod
    def of(joints: Array) -> "Fitted":
        """Of joints (F, 22, 3) in metres, all known. Raises ValueError for a bone without a length."""
        lengths = lengths_of(joints)
        scale = leg(lengths) / leg(BONES)
        return Fitted(lengths, scale, float(with_lengths(joints, BONES, 1 / scale)[..., 1].min()))

    def forth(self, joints: Array) -> Array:
        """Joints (F, 22, 3) of the body, on HumanML3D's skeleton."""
        return with_lengths(joints, BONES, 1 / self.scale) - [0, self.floor, 0]

    def back(self, joints: Array) -> Array:
        """The inverse of `forth`."""
        return with_lengths(joints + np.array([0, self.floor, 0]), self.lengths, self.scale)


def lengths_of(joints: Array) -> Array:
    """The mean length (22) of the bone to each joint; 0 for the root. Raises ValueError where one has none."""
    bones = joints[:, 1:] - joints[:, PARENTS[1:]]
    lengths = np.concatenate([[0.0], np.linalg.norm(bones, axis=2).mean(0)])
    if (lengths[1:] < 1e-6).any():
        joint = int(np.flatnonzero(lengths[1:] < 1e-6)[0]) + 1
        raise ValueError(f"joints {PARENTS[joint]} and {joint} of the 22 lie at one place: map them to different ones")
    return lengths


def leg(lengths: Array) -> float:
    """Thigh and shin."""
    return float(lengths[5] + lengths[8])


def with_lengths(joints: Array, lengths: Array, scale: float) -> Array:
    """The same directions with other lengths (22); the root's way times `scale`."""
    found = np.empty_like(joints)
    found[:, 0] = joints[:, 0] * scale
    for joint, parent in enumerate(PARENTS[1:], 1):
        bone = joints[:, joint] - joints[:, parent]
        size = np.linalg.norm(bone, axis=1, keepdims=True)
        found[:, joint] = found[:, parent] + lengths[joint] * bone / np.maximum(size, 1e-9)
    return found


def resampled(values: Array, times: Array, at: Array) -> Array:
    """Values (F, …) known at `times` (F), at other times: a cubic spline; beyond the ends they go on straight."""
    if len(times) == 1:
        return np.repeat(values, len(at), axis=0)
    if len(times) < 4:
        flat = values.reshape(len(values), -1)
        return np.stack([np.interp(at, times, column) for column in flat.T], 1).reshape(len(at), *values.shape[1:])
    spline = CubicSpline(times, values)
    inside = np.clip(at, times[0], times[-1])
    beyond = (at - inside).reshape(-1, *[1] * (values.ndim - 1))
    return np.asarray(spline(inside) + beyond * spline(inside, 1))
