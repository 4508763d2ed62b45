"""Inverse kinematics by damped least squares (Wampler 1986): a skeleton's joints go where they are wanted.

With p_m = Σ_j W_mj x_j the mapped points, small turns ω_k about the world's axes at joint k and a shift δ of a root,

    dp_m = Σ_k ω_k × Σ_j W_mj D_kj (x_j − x_k) + δ,     ω, δ = Jᵀ (J Jᵀ + λ I)⁻¹ r

where D_kj is 1 if j hangs from k and r is what is missing. The answer of least norm stays near the pose it starts from:
what the points do not decide, such as the twist of a forearm, is as it was. All frames are solved at once.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from alm_motion.skeleton import Array, Skeleton

__all__ = ["above", "free_joints", "solve", "upright"]

ITERATIONS = 16
DAMPING = (1e-2, 1e-5)
"""λ in m² of the first and the last iteration."""
BATCH = 256
"""Frames solved at a time."""


def free_joints(skeleton: Skeleton, mapped: Array, made: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """(J): which joints may turn: some point that is made (22, bool) hangs from them, and none that is given."""
    below = skeleton.descendants().astype(float) @ (mapped.T > 0)
    found: NDArray[np.bool_] = (below[:, made].sum(1) > 0) & (below[:, ~made].sum(1) == 0)
    return found


def above(skeleton: Skeleton, turned: Array, joint: int) -> Array:
    """The orientation (F, 3, 3) of the frame that a joint's own pose is in, of all orientations (F, J, 3, 3)."""
    parent = skeleton.parents[joint]
    return turned[:, parent] if parent >= 0 else np.tile(np.eye(3), (len(turned), 1, 1))


def upright(points: Array, targets: Array) -> Array:
    """The rotations (F, 3, 3) that best turn points (F, N, 3) about their mean to the targets (Kabsch 1976)."""
    a = points - points.mean(1, keepdims=True)
    b = targets - targets.mean(1, keepdims=True)
    u, _, vt = np.linalg.svd(np.einsum("fni,fnj->fij", b, a))
    sign = np.ones((len(points), 3))
    sign[:, 2] = np.sign(np.linalg.det(u @ vt))
    return np.asarray((u * sign[:, None]) @ vt)


def solve(
    skeleton: Skeleton,
    rotations: Array,
    translations: Array,
    mapped: Array,
    targets: Array,
    *,
    free: NDArray[np.bool_],
    root: int | None = None,
    weights: Array | None = None,
) -> tuple[Array, Array]:
    """Local rotations (F, J, 3, 3) and translations (F, J, 3) that bring the points to the targets (F, N, 3).

    `mapped` (N, J) makes the points of joints. Joints that are `free` (J) turn; `root`, from which all
    points hang, shifts. `weights` (N) or (F, N) says how much a point counts, 1 by default. Metres.
    """
    parts = [
        _solve(skeleton, rotations[s], translations[s], mapped, targets[s], free, root, _of(weights, targets)[s])
        for s in (slice(n, n + BATCH) for n in range(0, len(targets), BATCH))
    ]
    turned, moved = zip(*parts, strict=True)
    return np.concatenate(turned), np.concatenate(moved)


def _of(weights: Array | None, targets: Array) -> Array:
    return np.broadcast_to(1.0 if weights is None else weights, targets.shape[:2])


def _solve(
    skeleton: Skeleton,
    rotations: Array,
    translations: Array,
    mapped: Array,
    targets: Array,
    free: NDArray[np.bool_],
    root: int | None,
    weights: Array,
) -> tuple[Array, Array]:
    rotations, translations = rotations.copy(), translations.copy()
    turning = np.flatnonzero(free)
    hangs = np.einsum("mj,kj->mkj", mapped, skeleton.descendants()[turning].astype(float))
    share = hangs.sum(2)
    frames, points = targets.shape[:2]
    for damping in np.geomspace(*DAMPING, ITERATIONS):
        positions, turned = skeleton.forward(rotations, translations)
        missing = (targets - np.einsum("mj,fjc->fmc", mapped, positions)) * weights[..., None]
        # Of a unit turn about axis a at joint k: a × arm.
        arm = np.einsum("mkj,fjc->fmkc", hangs, positions) - share[..., None] * positions[:, None, turning]
        zero = np.zeros_like(arm[..., 0])
        x, y, z = np.moveaxis(arm, -1, 0)
        columns = np.stack([zero, z, -y, -z, zero, x, y, -x, zero], -1).reshape(*arm.shape, 3)
        jacobian = columns.transpose(0, 1, 3, 2, 4).reshape(frames, 3 * points, -1)
        if root is not None:
            jacobian = np.concatenate([jacobian, np.tile(np.eye(3), (frames, points, 1))], 2)
        jacobian *= np.repeat(weights, 3, 1)[..., None]
        normal = jacobian @ jacobian.transpose(0, 2, 1) + damping * np.eye(3 * points)
        step = np.einsum("fmn,fm->fn", jacobian, np.linalg.solve(normal, missing.reshape(frames, -1, 1))[..., 0])
        for column, joint in enumerate(turning):
            turn = Rotation.from_rotvec(step[:, 3 * column : 3 * column + 3]).as_matrix()
            frame = above(skeleton, turned, int(joint))
            rotations[:, joint] = frame.transpose(0, 2, 1) @ turn @ frame @ rotations[:, joint]
        if root is not None:
            translations[:, root] += np.einsum("fji,fj->fi", above(skeleton, turned, root), step[:, -3:])
    return rotations, translations
