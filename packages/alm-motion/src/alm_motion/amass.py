"""AMASS's poses as a `Clip` on SMPL's body: its 22 joints, and the hands and face of the kinds that have them."""

import numpy as np

from alm_motion.clip import Clip
from alm_motion.formats.npz import Poses
from alm_motion.skeleton import PARENTS, SMPL22, Array, Skeleton
from alm_motion.smpl import Kind, SmplPoses, rest_joints, to_y_up

__all__ = ["KINDS", "clip_of_poses", "padded"]

KINDS: dict[int, Kind] = {156: "smplh", 165: "smplx", 72: "smpl", 66: "smplh"}
"""The body of so many numbers a frame."""
FINGERS = [f"{finger}{n}" for finger in ("index", "middle", "pinky", "ring", "thumb") for n in (1, 2, 3)]
HANDS: dict[Kind, tuple[str, ...]] = {
    "smpl": ("left_hand", "right_hand"),
    "smplh": tuple(f"{side}_{finger}" for side in ("left", "right") for finger in FINGERS),
    "smplx": (
        "jaw",
        "left_eye",
        "right_eye",
        *(f"{side}_{finger}" for side in ("left", "right") for finger in FINGERS),
    ),
}
SEGMENT = 0.03
"""Metres of the bones that the default body does not know: fingers."""


def clip_of_poses(source: Poses, fps: float) -> Clip:
    """Y up, on the default body of the kind that the number of its joints tells."""
    kind = KINDS[source.poses.shape[1]]
    betas = np.zeros(10)
    turned = to_y_up(
        SmplPoses(padded(np.asarray(source.poses, float), kind), np.asarray(source.trans, float), betas, kind)
    )
    names, parents = list(SMPL22.names), list(PARENTS)
    for name in HANDS[kind] if source.poses.shape[1] != 66 else ():
        side = name.split("_")[0]
        wrist = 15 if name == "jaw" or name.endswith("eye") else 20 if side == "left" else 21
        chained = name[-1] in "23"
        parents.append(len(names) - 1 if chained else wrist)
        names.append(name)
    rest = rest_joints(kind)
    offsets = np.array([[SEGMENT if name.startswith("left") else -SEGMENT, 0, 0] for name in names])
    offsets[:22] = rest - np.concatenate([np.zeros((1, 3)), rest[list(PARENTS[1:])]])
    translations = np.tile(offsets, (len(turned.poses), 1, 1))
    translations[:, 0] += turned.trans
    rotations = turned.rotations()[:, : len(names)]
    return Clip(Skeleton(tuple(names), tuple(parents), offsets), rotations, translations, fps)


def padded(poses: Array, kind: Kind) -> Array:
    """Turns (F, 3 J) of all joints of the kind, of those of the first: the others do not turn."""
    count = 3 * (22 + len(HANDS[kind]))
    return np.concatenate([poses, np.zeros((len(poses), count - poses.shape[1]))], 1)
