"""From the 22 joints to the pose parameters of SMPL, SMPL-H and SMPL-X, and back; posed meshes where there is a model.

A body stands at rest with joints j_k. Posed, with local rotations R_k and parents π,

    q_0 = j_0 + trans,    q_k = q_π(k) + G_π(k) (j_k − j_π(k)),    G_0 = R_0,    G_k = G_π(k) R_k :

`trans` is not where the pelvis is. `to_poses` finds the R_k of given q_k, from the pelvis outwards. Where several bones
leave a joint (pelvis, chest), R_k is the rotation that takes their directions at rest nearest to those seen (Kabsch
1976). Where one does, it is the shortest turn, which leaves the twist about the bone as it is at rest; where none does
(head, hands, balls of the feet), the identity. Bones keep the lengths that they have at rest.
"""

from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import least_squares
from scipy.spatial.transform import Rotation

from alm_motion.skeleton import BONES, PARENTS, SMPL22, Array, Skeleton
from alm_motion.smpl_files import JOINTS, Body, Kind, read_body

__all__ = [
    "Body",
    "Kind",
    "SmplPoses",
    "fit_betas",
    "posed",
    "read_body",
    "rest_joints",
    "to_joints",
    "to_poses",
    "to_y_up",
    "to_z_up",
]

STANDING = np.array(
    [
        [0, 2, -2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3, -3, 0, 1, -1, 1, -1, 1, -1],
        [0, -3, -3, 7, -1, -1, 1, -1, -1, 3, -1, -1, 1, 5, 5, 3, 0, 0, 0, 0, 0, 0],
        [0, 0, 0, -2, 0, 0, 0, 0, 0, 1, 2, 2, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0],
    ],
    float,
).T
"""Where each bone points when a body stands as SMPL's does: arms out, legs down, feet forward. Round numbers, good to
some degrees; the angles between the bones of the pelvis and of the chest are those of HumanML3D's joints."""
PELVIS: Final[dict[Kind, float]] = {"smpl": -0.22, "smplh": -0.22, "smplx": -0.35}
"""About how high, in metres, the pelvis of each kind is at rest."""
CHILDREN = [[child for child, parent in enumerate(PARENTS) if parent == joint] for joint in range(22)]
Y_UP = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, -1.0, 0.0]])
"""Takes (x, y, z) with Z up to (x, z, −y)."""
FARTHEST = 1.5 * np.pi
"""The largest angle: near 2π a small turn's axis is anywhere. A body that spins on jumps by 2π once a turn."""
ROWS = 32
"""Frames that are posed at a time."""


@dataclass(frozen=True)
class SmplPoses:
    """`poses` (F, 3 J): of each joint its axis times its angle in radians; `trans` (F, 3) in metres; `betas` (B).

    The names and the layout are those of AMASS (Mahmood et al., ICCV 2019), whose files have Z up: see `to_y_up`.
    Hands are posed as from flat ones. `kind` gives J: 24, 52 or 55. What `to_poses` makes has angles up to 3π/2: those
    nearest to the frame before's.
    """

    poses: Array
    trans: Array
    betas: Array
    kind: Kind = "smplh"

    def __post_init__(self) -> None:
        """Checks the sizes and that all is finite."""
        _check_kind(self.kind, None)
        wanted = len(self.poses), 3 * JOINTS[self.kind]
        if self.poses.shape != wanted or self.trans.shape != (wanted[0], 3) or self.betas.ndim != 1:
            raise ValueError(
                f"{self.kind} has poses (F, {wanted[1]}), trans (F, 3) and betas (B), got {self.poses.shape}, "
                f"{self.trans.shape} and {self.betas.shape}"
            )
        if not all(np.isfinite(each).all() for each in (self.poses, self.trans, self.betas)):
            raise ValueError("poses, trans and betas must be finite")

    def rotations(self) -> Array:
        """Local matrices (F, J, 3, 3)."""
        vectors = self.poses.reshape(-1, 3)
        return np.asarray(Rotation.from_rotvec(vectors).as_matrix()).reshape(len(self.poses), -1, 3, 3)


def rest_joints(kind: Kind, *, model: Body | None = None, betas: Array | None = None) -> Array:
    """The 22 joints (22, 3) at rest: the model's of shape `betas`, or a default's of HumanML3D's bone lengths.

    The default is for who has no model file, as SMPL's own numbers may not be shipped: its poses are exact on its own
    bones, and some degrees off on SMPL's; its `trans` may be some centimetres off.
    Raises ValueError where the model is of another kind.
    """
    _check_kind(kind, model)
    if model is not None:
        return model.joints(np.zeros(0) if betas is None else betas)[:22]
    joints = np.zeros((22, 3))
    joints[0, 1] = PELVIS[kind]
    for joint, parent in enumerate(PARENTS[1:], 1):
        joints[joint] = joints[parent] + BONES[joint] * STANDING[joint] / np.linalg.norm(STANDING[joint])
    return joints


def to_poses(
    joints: Array, *, model: Body | None = None, kind: Kind | None = None, betas: Array | None = None
) -> SmplPoses:
    """The poses of joints (F, 22, 3) in metres, Y up; hands, jaw and eyes are at rest.

    `kind` is by default the model's, "smplh" without one. `betas` say of which shape the model is, by default its
    mean; `fit_betas` finds them. Raises ValueError for other sizes, what is not finite, and another kind than the
    model's.
    """
    if joints.ndim != 3 or joints.shape[1:] != (22, 3) or not len(joints) or not np.isfinite(joints).all():
        raise ValueError(f"finite joints (F, 22, 3) are wanted, got {joints.shape}: map the skeleton to the 22 first")
    kind = kind or (model.kind if model else "smplh")
    betas = np.zeros(min(10, model.shapedirs.shape[-1]) if model else 10) if betas is None else betas
    rest = rest_joints(kind, model=model, betas=betas)
    local = np.tile(np.eye(3), (len(joints), JOINTS[kind], 1, 1))
    world = local[:, :22].copy()
    for joint, below in enumerate(CHILDREN):
        above = world[:, PARENTS[joint]] if joint else np.eye(3)
        if below:
            seen = _directions((joints[:, below] - joints[:, [joint]]) @ above)
            at_rest = _directions(rest[below] - rest[joint])
            local[:, joint] = _swing(at_rest[0], seen[:, 0]) if len(below) == 1 else _nearest(at_rest, seen)
        world[:, joint] = above @ local[:, joint]
    return SmplPoses(_vectors(local), joints[:, 0] - rest[0], betas, kind)


def to_joints(poses: SmplPoses, *, model: Body | None = None) -> Array:
    """The 22 joints (F, 22, 3) of poses, of a body of their betas; without a model, of the default body.

    Raises ValueError where the model is of another kind, or has fewer betas.
    """
    rest = rest_joints(poses.kind, model=model, betas=poses.betas)
    offsets = rest - np.concatenate([np.zeros((1, 3)), rest[list(PARENTS[1:])]])
    translations = np.tile(offsets, (len(poses.poses), 1, 1))
    translations[:, 0] += poses.trans
    return Skeleton(SMPL22.names, PARENTS, offsets).forward(poses.rotations()[:, :22], translations)[0]


def to_y_up(poses: SmplPoses, *, model: Body | None = None) -> SmplPoses:
    """Poses of a file with Z up, as AMASS has them, in a world with Y up: (x, y, z) becomes (x, z, −y).

    The body turns about its pelvis, so `trans` depends on where that is at rest: exact with the model.
    """
    return _turned(poses, Y_UP, model)


def to_z_up(poses: SmplPoses, *, model: Body | None = None) -> SmplPoses:
    """The inverse of `to_y_up`: what AMASS's files hold."""
    return _turned(poses, Y_UP.T, model)


def fit_betas(lengths: Array, model: Body, *, spread: float = 0.005) -> Array:
    """The betas (at most 10) of the likeliest body with bones of such `lengths` (22, metres; that of the root is not
    looked at):

        argmin_β  Σ_k ((‖j_k(β) − j_π(k)(β)‖ − l_k) / spread)² + ‖β‖²,

    as betas are standard normal. `spread` is how far, in metres, lengths may be off; `retarget.lengths_of` measures
    them. Raises ValueError for other sizes, and for lengths or a spread that are not above 0.
    """
    if lengths.shape != (22,) or not (lengths[1:] > 0).all() or not spread > 0:
        raise ValueError(f"22 lengths and a spread above 0 m are wanted, got {lengths.shape}, {lengths} and {spread}")
    some = model.shapedirs[..., :10]
    to_bones = model.J_regressor[1:22] - model.J_regressor[list(PARENTS[1:])]
    bones, ways = to_bones @ model.v_template, np.einsum("jv,vcb->jcb", to_bones, some)

    def off(betas: Array) -> Array:
        return np.concatenate([(np.linalg.norm(bones + ways @ betas, axis=1) - lengths[1:]) / spread, betas])

    def slope(betas: Array) -> Array:
        each = np.einsum("jc,jcb->jb", _directions(bones + ways @ betas), ways)
        return np.concatenate([each / spread, np.eye(len(betas))])

    return np.asarray(least_squares(off, np.zeros(some.shape[-1]), jac=slope).x)


def posed(body: Body, poses: SmplPoses) -> tuple[Array, NDArray[np.int64]]:
    """The vertices (F, V, 3) of the posed body, and its faces (N, 3); the skinning is smplx's.

    Raises ValueError where the poses are of another kind or have too many betas, ImportError where smplx is missing.
    """
    _check_kind(poses.kind, body)
    lbs, betas = _lbs(), body.shape(poses.betas)
    rotations = poses.rotations()
    fixed = [
        torch.from_numpy(body.v_template),
        torch.from_numpy(body.shapedirs),
        torch.from_numpy(body.posedirs.reshape(-1, body.posedirs.shape[-1]).T.copy()),
        torch.from_numpy(body.J_regressor),
        torch.tensor(body.kintree),
        torch.from_numpy(body.weights),
    ]
    vertices = np.empty((len(rotations), *body.v_template.shape))
    for start in range(0, len(rotations), ROWS):
        some = torch.from_numpy(rotations[start : start + ROWS])
        shape = torch.from_numpy(betas).expand(len(some), -1)
        vertices[start : start + ROWS] = lbs(shape, some, *fixed, pose2rot=False)[0].numpy()
    return vertices + poses.trans[:, None], body.faces


def _check_kind(kind: Kind, model: Body | None) -> None:
    if kind not in JOINTS:
        raise ValueError(f"the kind must be one of {', '.join(JOINTS)}, got {kind!r}")
    if model is not None and kind != model.kind:
        raise ValueError(f"poses and model must be of one kind, got {kind} poses and a model of {model.kind}")


def _lbs() -> Any:
    try:
        from smplx.lbs import lbs
    except ImportError:
        raise ImportError(
            "smplx is missing, which posed meshes need: pip install 'alm-motion[smpl]' (its licence is for "
            "non-commercial research)"
        ) from None
    return lbs


def _turned(poses: SmplPoses, turn: Array, model: Body | None) -> SmplPoses:
    """In a world that is turned: R_0 becomes T R_0, and the pelvis j_0 + trans becomes T (j_0 + trans)."""
    pelvis = rest_joints(poses.kind, model=model, betas=poses.betas)[0]
    root = _vectors(turn @ poses.rotations()[:, :1])
    return replace(
        poses,
        poses=np.concatenate([root, poses.poses[:, 3:]], 1),
        trans=(poses.trans + pelvis) @ turn.T - pelvis,
    )


def _directions(bones: Array) -> Array:
    return np.asarray(bones / np.maximum(np.linalg.norm(bones, axis=-1, keepdims=True), 1e-9))


def _nearest(at_rest: Array, seen: Array) -> Array:
    """The rotations R (F, 3, 3) of the least Σ_k ‖R u_k − v_k‖², of directions u (K, 3) and v (F, K, 3)."""
    left, _, right = np.linalg.svd(np.einsum("fki,kj->fij", seen, at_rest))
    left[..., 2] *= np.linalg.det(left @ right)[:, None]
    return np.asarray(left @ right)


def _swing(u: Array, v: Array) -> Array:
    """The shortest turns (F, 3, 3) from the direction u (3) to v (F, 3).

    To the opposite of u all half turns are as short: that about X is taken, in which knees bend, or about Y, in which
    elbows do, where u lies along X.
    """
    quaternions = np.concatenate([np.cross(u, v), 1 + v @ u[:, None]], 1)  # twice the half angle's cosine, and axis
    axis = np.eye(3)[1 if abs(u[0]) > 0.9 else 0]
    axis = axis - axis @ u * u
    opposite = np.linalg.norm(quaternions, axis=1) < 1e-9
    quaternions[opposite] = [*axis, 0.0]
    return np.asarray(Rotation.from_quat(quaternions).as_matrix())


def _vectors(rotations: Array) -> Array:
    """Axis times angle (F, 3 J) of rotations (F, J, 3, 3): of all angles up to `FARTHEST` that nearest to the frame
    before's, so that a body which sways about its half turn does not jump between π and −π."""
    found = np.asarray(Rotation.from_matrix(rotations.reshape(-1, 3, 3)).as_rotvec()).reshape(len(rotations), -1, 3)
    angles, axes = np.linalg.norm(found, axis=-1, keepdims=True), _directions(found)
    for frame in range(1, len(found)):
        before = (found[frame - 1] * axes[frame]).sum(-1, keepdims=True)
        angle = angles[frame] + 2 * np.pi * np.round((before - angles[frame]) / (2 * np.pi))
        found[frame] = np.where(np.abs(angle) <= FARTHEST, angle, angles[frame]) * axes[frame]
    return found.reshape(len(found), -1)
