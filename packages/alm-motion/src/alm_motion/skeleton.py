"""Skeletons: names, parents and rest offsets; forward kinematics; the 22 joints of SMPL that the networks know.

Arrays are float64, frames first. Lengths are metres, Y is up, rotations are matrices (…, 3, 3) that act on columns.
A joint's rotation and translation are in its parent's frame; a parent stands before its children.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["BONES", "CHAINS", "FEET", "LEGS", "MIRROR", "SMPL22", "Array", "Skeleton", "rest"]

Array = NDArray[np.float64]

NAMES = (
    "pelvis left_hip right_hip spine1 left_knee right_knee spine2 left_ankle right_ankle spine3 left_foot right_foot "
    "neck left_collar right_collar head left_shoulder right_shoulder left_elbow right_elbow left_wrist right_wrist"
)
PARENTS = (-1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 12, 13, 14, 16, 17, 18, 19)
CHAINS = ((0, 2, 5, 8, 11), (0, 1, 4, 7, 10), (0, 3, 6, 9, 12, 15), (9, 14, 17, 19, 21), (9, 13, 16, 18, 20))
"""HumanML3D's kinematic chains: the rotation of a chain's first bone is relative to the root."""
DIRECTIONS = np.array(
    [
        [0, 1, -1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, -1, 0, 0, 0, 0, 0, 0, 0],
        [0, 0, 0, 1, -1, -1, 1, -1, -1, 1, 0, 0, 1, 0, 0, 0, -1, -1, -1, -1, -1, -1],
        [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0],
    ],
    float,
).T
"""The axis that HumanML3D lays each bone along when no joint is turned."""
BONES = np.array(
    [
        0,
        0.1031,
        0.10987,
        0.1316,
        0.39359,
        0.39013,
        0.14316,
        0.43221,
        0.42571,
        0.05736,
        0.14338,
        0.14954,
        0.21935,
        0.13745,
        0.14336,
        0.10311,
        0.13156,
        0.123,
        0.25692,
        0.26313,
        0.26601,
        0.26972,
    ]
)
"""Lengths in metres of the bones to each joint, those of the skeleton that HumanML3D brings all motions to."""
FEET = ((7, 10), (8, 11))
"""Ankle and ball of the left foot, and of the right."""
LEGS = ((1, 4, 7, 10), (2, 5, 8, 11))
"""Hip, knee, ankle and ball of the left leg, and of the right."""
MIRROR = np.array([0, 2, 1, 3, 5, 4, 6, 8, 7, 9, 11, 10, 12, 14, 13, 15, 17, 16, 19, 18, 21, 20])
"""Where each joint is found in a mirror."""


@dataclass(frozen=True)
class Skeleton:
    """`names` (J), `parents` (J, −1 for a root) and rest `offsets` (J, 3) from the parent, in metres."""

    names: tuple[str, ...]
    parents: tuple[int, ...]
    offsets: Array

    def __post_init__(self) -> None:
        """Checks sizes and order."""
        count = len(self.names)
        if len(self.parents) != count or self.offsets.shape != (count, 3):
            raise ValueError(f"{count} parents and offsets are wanted, got {len(self.parents)}, {self.offsets.shape}")
        if any(not -1 <= parent < joint for joint, parent in enumerate(self.parents)):
            raise ValueError("a joint's parent must stand before it")

    def forward(self, rotations: Array, translations: Array) -> tuple[Array, Array]:
        """World positions (F, J, 3) and orientations (F, J, 3, 3) of local rotations and translations."""
        positions, turned = np.empty_like(translations), np.empty_like(rotations)
        for joint, parent in enumerate(self.parents):
            if parent < 0:
                positions[:, joint], turned[:, joint] = translations[:, joint], rotations[:, joint]
                continue
            positions[:, joint] = positions[:, parent] + np.einsum(
                "fij,fj->fi", turned[:, parent], translations[:, joint]
            )
            turned[:, joint] = turned[:, parent] @ rotations[:, joint]
        return positions, turned

    def descendants(self) -> NDArray[np.bool_]:
        """(J, J): whether the second joint hangs from the first, itself not counted."""
        below = np.zeros((len(self.parents), len(self.parents)), bool)
        for joint, parent in enumerate(self.parents):
            if parent >= 0:
                below[:, joint] = below[:, parent]
                below[parent, joint] = True
        return below


def rest(lengths: Array) -> Skeleton:
    """The 22 joints with bones of such lengths (22), each laid along HumanML3D's axis for it."""
    return Skeleton(tuple(NAMES.split()), PARENTS, DIRECTIONS * lengths[:, None])


SMPL22 = rest(BONES)
"""The skeleton that HumanML3D brings all motions to."""
