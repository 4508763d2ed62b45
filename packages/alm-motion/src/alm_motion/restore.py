"""Back onto the user's own skeleton: frames that were made follow their joints, kept ones stay as they came.

Gaps are filled in the order of time. A made frame starts from the nearest poses that are known, those of kept and of
filled frames, turned to where its body is, and is solved by inverse kinematics. What a known frame at the border of a
gap and the solution there differ by fades into the gap (`seams`). Poses that the clip has in a gap are not read, but
for joints that are given there and those that hang from no joint of the body.
"""

from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from alm_motion.clip import Clip
from alm_motion.formats.bvh import Bvh
from alm_motion.ik import above, free_joints, solve, upright
from alm_motion.seams import FADE, faded
from alm_motion.skeleton import Array, Skeleton

__all__ = ["restored", "root_of"]

TORSO = (0, 1, 2, 3, 6, 9, 16, 17)
Bools = NDArray[np.bool_]
Pair = tuple[Array, Array]
"""Rotations (F, J, 3, 3) and translations (F, J, 3)."""


@dataclass(frozen=True)
class _Gap:
    """Frames start … stop − 1, of which the same joints are made: those that are `free` (J) turn.

    `moves` is `root_of` where the whole body is made.
    """

    start: int
    stop: int
    free: Bools
    moves: tuple[int, int] | None = None

    def known(self, skeleton: Skeleton) -> tuple[Bools, Bools]:
        """Of which joints (J) rotation and translation are given in the gap, or no part of the body."""
        below = skeleton.descendants()
        moved: Bools = np.asarray(below[self.free].any(0))
        if self.moves is None:
            return ~(self.free | moved), ~moved
        root = self.moves[0]
        body: Bools = below[root] | (np.arange(len(below)) == root)
        return ~body, ~body


def restored(clip: Clip, joints: Array, made: Bools, mapped: Array) -> Clip:
    """The clip with its joints where `joints` (F, 22, 3, metres) say, wherever `made` (F, 22); the rest as it was.

    `joints` are whole motions: at kept frames they are what the model took them for. `mapped` (22, J) makes the 22 of
    the clip's joints. Raises ValueError where no frame is kept whole, and as `root_of` does.
    """
    if made.any(1).all():
        raise ValueError("at least one frame must be kept whole, got none: the poses of the others start from it")
    gaps = _gaps(clip, made, mapped)
    pose = clip.rotations.copy(), clip.translations.copy()
    known = np.ones(pose[0].shape[:2], bool), np.ones(pose[0].shape[:2], bool)
    for gap in gaps:
        for flags, given in zip(known, gap.known(clip.skeleton), strict=True):
            flags[gap.start : gap.stop] = given
    for gap in gaps:
        filled = _filled(clip, joints, gap, mapped, pose, known)
        for values, flags, of in zip(pose, known, filled, strict=True):
            values[gap.start : gap.stop], flags[gap.start : gap.stop] = of, True
    return replace(clip, rotations=pose[0], translations=pose[1], rows=np.where(made.any(1), -1, clip.rows))


def root_of(clip: Clip, mapped: Array) -> tuple[int, int]:
    """The joints that shift and that turn the body: the deepest one that all joints of `mapped` (22, J) hang from.

    Of a clip from a BVH, the deepest ones at or above it that have channels for that; what shifts may lie above what
    turns. Raises ValueError where there are none.
    """
    holds = clip.skeleton.descendants() | np.eye(len(clip.skeleton.names), dtype=bool)
    path = np.flatnonzero(holds[:, (mapped > 0).any(0)].all(1))[::-1]
    turns = shifts = path
    if isinstance(clip.source, Bvh):
        nodes = clip.source.nodes
        turns, shifts = (
            np.array([j for j in path if {f"{axis}{kind}" for axis in "XYZ"} <= set(nodes[j].channels)], np.int64)
            for kind in ("rotation", "position")
        )
        shifts = shifts[shifts <= turns.max(initial=-1)]
    if not len(shifts):
        told = ", ".join(clip.skeleton.names[joint] for joint in path) or "roots, of which none has the whole body"
        raise ValueError(
            "a joint at or above the pelvis with position channels is wanted, and at or below it one with rotation "
            f"channels, got {told}: give that joint all six, or keep a part of the body in every frame"
        )
    return int(shifts[0]), int(turns[0])


def _gaps(clip: Clip, made: Bools, mapped: Array) -> list[_Gap]:
    """The runs of frames with the same joints made, in the order of time."""
    edges = np.flatnonzero((made[1:] != made[:-1]).any(1)) + 1
    turn = np.ones(len(clip.skeleton.names), bool)
    if isinstance(clip.source, Bvh):
        turn = np.array([any(c.endswith("rotation") for c in node.channels) for node in clip.source.nodes])
    found = []
    for start, stop in pairwise([0, *edges.tolist(), len(made)]):
        free = free_joints(clip.skeleton, mapped, made[start]) & turn
        if made[start].all():
            root, pivot = root_of(clip, mapped)
            body = clip.skeleton.descendants()[pivot] | (np.arange(len(turn)) == pivot)
            found.append(_Gap(start, stop, free & body, (root, pivot)))
        elif made[start].any():
            found.append(_Gap(start, stop, free))
    return found


def _filled(
    clip: Clip, joints: Array, gap: _Gap, mapped: Array, pose: Pair, known: tuple[Bools, Bools]
) -> tuple[Array, Array]:
    """Rotations and translations of the frames of a gap, of those that are known (F, J) around it."""
    reach = 1 + _reach(clip.fps)
    low, high = max(gap.start - reach, 0), min(gap.stop + reach, len(clip))
    skeleton, targets, root = clip.skeleton, joints[low:high], None
    begun = _begun(pose, known, gap, np.arange(low, high))
    if gap.moves is not None:
        root = gap.moves[0]
        _place(skeleton, *begun, *gap.moves, mapped, targets)
    weights = _weights(skeleton, mapped, gap)
    solved = solve(skeleton, *begun, mapped, targets, free=gap.free, root=root, weights=weights)
    rotations, translations = (values[gap.start - low : gap.stop - low] for values in solved)
    turns, shifts = _corrections(skeleton, solved, low, clip.fps, gap, pose, known)
    corrected = Rotation.from_rotvec(turns.reshape(-1, 3)).as_matrix().reshape(*turns.shape, 3) @ rotations
    if root is not None:
        translations[:, root] += shifts
    return np.where(gap.free[:, None, None], corrected, rotations), translations


def _begun(pose: Pair, known: tuple[Bools, Bools], gap: _Gap, frames: NDArray[np.int64]) -> Pair:
    """The pose in some frames: what is known, and between the nearest known frames around the gap what leads across."""
    every = np.arange(len(gap.free))
    first, last, share = _around(known[0], gap, frames)
    turn = _turns(pose[0][last, every], pose[0][first, every])
    steps = Rotation.from_rotvec((share * turn).reshape(-1, 3)).as_matrix().reshape(len(frames), -1, 3, 3)
    rotations = np.where(known[0][frames, :, None, None], pose[0][frames], steps @ pose[0][first, every])
    first, last, share = _around(known[1], gap, frames)
    between = pose[1][first, every] + share * (pose[1][last, every] - pose[1][first, every])
    return rotations, np.where(known[1][frames, :, None], pose[1][frames], between)


def _around(known: Bools, gap: _Gap, frames: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64], Array]:
    """The last known frame before the gap and the first after it, of each joint (J), and how far (T, J, 1) frames are.

    Where there is none on a side, it is that of the other.
    """
    count = len(known)
    number = np.arange(count)[:, None]
    before = np.where(known, number, -1)[: gap.start].max(0, initial=-1)
    after = np.where(known, number, count)[gap.stop :].min(0, initial=count)
    first, last = np.where(before < 0, after, before), np.where(after == count, before, after)
    share = np.clip((frames[:, None] - first) / np.maximum(last - first, 1), 0, 1)
    return first, last, (share * share * (3 - 2 * share))[..., None]


def _place(
    skeleton: Skeleton, rotations: Array, translations: Array, root: int, pivot: int, mapped: Array, targets: Array
) -> None:
    """Turns the body about the pivot and shifts its root, in place, to where the targets are."""
    positions, turned = skeleton.forward(rotations, translations)
    points = np.einsum("mj,fjc->fmc", mapped, positions)
    frame = above(skeleton, turned, pivot)
    turn = upright(points[:, TORSO], targets[:, TORSO])
    rotations[:, pivot] = frame.transpose(0, 2, 1) @ turn @ frame @ rotations[:, pivot]
    positions, turned = skeleton.forward(rotations, translations)
    off = targets[:, 0] - np.einsum("j,fjc->fc", mapped[0], positions)
    translations[:, root] += np.einsum("fji,fj->fi", above(skeleton, turned, root), off)


def _corrections(
    skeleton: Skeleton, solved: Pair, low: int, fps: float, gap: _Gap, pose: Pair, known: tuple[Bools, Bools]
) -> Pair:
    """What turns (T, J, 3) and shifts (T, 3) the solution so that it meets what is known at the borders of the gap.

    `solved` are the frames from `low` on. A difference has the speed that it has from `_reach` frames beyond, where
    these are known, and else none. Those of the body as a whole are in the world's axes while they fade.
    """
    root, pivot = gap.moves or (0, 0)
    _, turned = skeleton.forward(*solved)
    over_root, over_pivot = (above(skeleton, turned, joint) for joint in (root, pivot))

    def off(frame: int) -> Pair:
        """The differences of all joints' turns and the root's shift (J + 1, 3), and which are known (J + 1, 1)."""
        here = frame - low
        turns = _turns(pose[0][frame], solved[0][here])
        turns[pivot] = over_pivot[here] @ turns[pivot]
        shift = over_root[here] @ (pose[1][frame, root] - solved[1][here, root])
        flags = np.append(known[0][frame], known[1][frame, root])
        return np.concatenate([turns, shift[None]]), flags[:, None].astype(float)

    inside = np.arange(gap.start, gap.stop)
    total = np.zeros((len(inside), len(gap.free) + 1, 3))
    for border, way in ((gap.start - 1, 1), (gap.stop, -1)):
        if not 0 <= border < len(known[0]):
            continue
        before = min(max(border - way * _reach(fps), 0), len(known[0]) - 1)
        (here, at), (there, sure) = off(border), off(before)
        speed = sure * (here - there) / max(abs(border - before), 1)
        total += faded(np.abs(inside - border), min(FADE * fps, len(inside) + 1), at * here, at * speed)
    within = inside - low
    total[:, pivot] = np.einsum("fji,fj->fi", over_pivot[within], total[:, pivot])
    total[:, -1] = np.einsum("fji,fj->fi", over_root[within], total[:, -1])
    return total[:, :-1], total[:, -1]


def _reach(fps: float) -> int:
    """The frames over which speeds are compared."""
    return max(round(fps / 20), 1)


def _weights(skeleton: Skeleton, mapped: Array, gap: _Gap) -> Array:
    """Points that no free joint moves do not count; mixtures, whose place in the body is a guess, count less."""
    moves = ((skeleton.descendants()[gap.free].astype(float) @ (mapped.T > 0)).sum(0) > 0) | (gap.moves is not None)
    return np.where(moves, np.where((mapped > 0).sum(1) > 1, 0.3, 1.0), 0.0)


def _turns(to: Array, of: Array) -> Array:
    """The rotation vectors (J, 3) from some rotations to others."""
    return np.asarray(Rotation.from_matrix(to @ of.transpose(0, 2, 1)).as_rotvec())
