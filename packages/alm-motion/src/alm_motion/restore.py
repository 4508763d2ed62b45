"""Back onto the user's own skeleton: frames that were made follow their joints, kept ones stay as they came.

A made frame starts from the poses of the kept frames around it, turned to where its body is, and is solved by inverse
kinematics. What a kept frame at the border of a gap and the solution there differ by fades into the gap (`seams`).
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from alm_motion.clip import Clip
from alm_motion.ik import free_joints, solve, upright
from alm_motion.seams import FADE, faded, runs
from alm_motion.skeleton import Array

__all__ = ["restored"]

TORSO = (0, 1, 2, 3, 6, 9, 16, 17)
Bools = NDArray[np.bool_]


def restored(clip: Clip, joints: Array, made: Bools, mapped: Array) -> Clip:
    """The clip with its joints where `joints` (F, 22, 3, metres) say, wherever `made` (F, 22); the rest as it was.

    `joints` are whole motions: at kept frames they are what the model took them for. `mapped` (22, J) makes the 22 of
    the clip's joints.
    """
    rotations, translations = clip.rotations.copy(), clip.translations.copy()
    for pattern in np.unique(made[made.any(1)], axis=0):
        of_pattern = (made == pattern).all(1)
        free = free_joints(clip.skeleton, mapped, pattern)
        for start, stop in runs(of_pattern):
            _fill(clip, joints, start, stop, free, mapped, rotations, translations)
    rows = np.where(made.any(1), -1, clip.rows)
    return replace(clip, rotations=rotations, translations=translations, rows=rows)


def _fill(
    clip: Clip,
    joints: Array,
    start: int,
    stop: int,
    free: Bools,
    mapped: Array,
    rotations: Array,
    translations: Array,
) -> None:
    """Writes frames start … stop − 1."""
    count = len(clip)
    reach = max(round(clip.fps / 20), 1)  # the step over which speeds are compared
    low, high = max(start - 1 - reach, 0), min(stop + reach + 1, count)
    first, last = (rotations, translations), (rotations, translations)
    start_of, moved = _between(first, last, start, stop, low, high, count)
    # What hangs from no free joint is as it was in the gap, too.
    stays = ~(free | (clip.skeleton.descendants()[free]).any(0))
    start_of[:, stays], moved[:, stays] = clip.rotations[low:high, stays], clip.translations[low:high, stays]
    points = np.einsum("mj,fjc->fmc", mapped, clip.skeleton.forward(start_of, moved)[0])
    targets = joints[low:high]
    if free[0]:
        turn = upright(points[:, TORSO], targets[:, TORSO])
        start_of[:, 0] = turn @ start_of[:, 0]
        moved[:, 0] += targets[:, 0] - points[:, 0]
    solved, shifted = solve(
        clip.skeleton, start_of, moved, mapped, targets, free=free, weights=_weights(mapped, free, clip)
    )
    fade = FADE * clip.fps
    gap = stop - start
    borders = [(start - 1, 1)] if start > 0 else []
    borders += [(stop, -1)] if stop < count else []
    turns = np.zeros((gap, len(free), 3))
    shifts = np.zeros((gap, 3))
    for border, sign in borders:
        at = border - low
        before = min(max(at - sign * reach, 0), high - low - 1)
        difference = (
            [_turns(rotations[low + n], solved[n]) for n in (at, before)],
            [translations[low + n, 0] - shifted[n, 0] for n in (at, before)],
        )
        width = min(fade, gap + 1)
        tau = np.abs(np.arange(start, stop) - border)
        for out, (here, there) in ((turns, difference[0]), (shifts, difference[1])):
            out += faded(tau, width, here, (here - there) / max(abs(at - before), 1))
    inside = slice(start - low, stop - low)
    corrected = Rotation.from_rotvec(turns.reshape(-1, 3)).as_matrix().reshape(gap, -1, 3, 3) @ solved[inside]
    rotations[start:stop] = np.where(free[None, :, None, None], corrected, solved[inside])
    translations[start:stop] = shifted[inside]
    if free[0]:
        translations[start:stop, 0] += shifts


def _between(
    first: tuple[Array, Array], last: tuple[Array, Array], start: int, stop: int, low: int, high: int, count: int
) -> tuple[Array, Array]:
    """Rotations and translations of frames low … high − 1: those given, and in the gap slerps between its borders."""
    before, after = (start - 1 if start > 0 else stop), (stop if stop < count else start - 1)
    frames = np.arange(low, high)
    share = np.clip((frames - before) / max(after - before, 1), 0, 1)
    share = share * share * (3 - 2 * share)
    a, b = first[0][before], last[0][after]
    turn = Rotation.from_matrix(b @ a.transpose(0, 2, 1)).as_rotvec()
    steps = Rotation.from_rotvec((share[:, None, None] * turn).reshape(-1, 3)).as_matrix()
    rotations = steps.reshape(len(frames), -1, 3, 3) @ a
    moved = first[1][before] + share[:, None, None] * (last[1][after] - first[1][before])
    kept = (frames < start) | (frames >= stop)
    rotations[kept], moved[kept] = first[0][frames[kept]], first[1][frames[kept]]
    return rotations, moved


def _weights(mapped: Array, free: Bools, clip: Clip) -> Array:
    """Points that no free joint moves do not count; mixtures, whose place in the body is a guess, count less."""
    moves = ((clip.skeleton.descendants()[free].astype(float) @ (mapped.T > 0)).sum(0) > 0) | free[0]
    return np.where(moves, np.where((mapped > 0).sum(1) > 1, 0.3, 1.0), 0.0)


def _turns(to: Array, of: Array) -> Array:
    """The rotation vectors (J, 3) from some rotations to others."""
    return np.asarray(Rotation.from_matrix(to @ of.transpose(0, 2, 1)).as_rotvec())
