"""Feet that stand do not slide: in made frames they are held where they stand, by inverse kinematics of the leg.

A foot stands while its ball moves slower than `SPEED` and is lower than `HEIGHT` above the lowest it gets. It is held
where it is on average, or where a kept frame beside has it, and let go over `EASE` seconds or into its next place.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from alm_motion.clip import Clip
from alm_motion.ik import solve
from alm_motion.seams import runs
from alm_motion.skeleton import LEGS, Array

__all__ = ["pinned", "standing"]

SPEED = 0.9
"""Metres a second: HumanML3D's bound of contact, √.002 m in a frame at 20 a second."""
HEIGHT = 0.1
"""Metres."""
REACH = 0.2
"""Metres that a foot is moved at most: one that wanders farther does not stand."""
EASE = 0.2
"""Seconds."""
SHORTEST = 0.12
"""Seconds that a foot stands at least."""
Bools = NDArray[np.bool_]


def standing(foot: Array, fps: float, floor: float) -> Bools:
    """In which frames a foot (F, 3) stands."""
    smooth = gaussian_filter1d(foot, 0.03 * fps, axis=0, mode="nearest")
    speed = np.linalg.norm(np.gradient(smooth, axis=0), axis=1) * fps
    still: Bools = (speed < SPEED) & (foot[:, 1] - floor < HEIGHT)
    for start, stop in runs(still):
        if stop - start < SHORTEST * fps:
            still[start:stop] = False
    return still


def pinned(clip: Clip, made: Bools, mapped: Array) -> Clip:
    """The clip with feet held in the frames that were `made` (F, 22); no kept frame changes. `mapped` is (22, J)."""
    frames: Bools = np.asarray(made.any(1))
    if len(clip) < 3:
        return clip
    joints = np.einsum("mj,fjc->fmc", mapped, clip.positions())
    targets = joints.copy()
    floor = float(np.quantile(joints[:, (10, 11), 1], 0.02))
    for hip, knee, ankle, ball in LEGS:
        if not made[frames][:, (hip, knee, ankle, ball)].all():
            continue
        still = standing(joints[:, ball], clip.fps, floor)
        targets[:, (ankle, ball)] += _shifts(joints[:, ball], still, frames, max(round(EASE * clip.fps), 1))[:, None]
    moved = np.abs(targets - joints).max((1, 2)) > 1e-6
    if not moved.any():
        return clip
    rotations = clip.rotations.copy()
    below = clip.skeleton.descendants()
    for hip, _, ankle, ball in LEGS:
        root, foot = (int(mapped[joint].argmax()) for joint in (hip, ankle))
        free = np.zeros(len(clip.skeleton.names), bool)
        free[[root, foot]] = True
        free |= below[root] & below[:, foot]
        counts = np.zeros(22)
        counts[[ankle, ball]] = 1
        turned, _ = solve(
            clip.skeleton, rotations[moved], clip.translations[moved], mapped, targets[moved], free=free, weights=counts
        )
        rotations[moved] = turned
    return replace(clip, rotations=rotations)


def _shifts(foot: Array, still: Bools, frames: Bools, ease: int) -> Array:
    """How far (F, 3) a foot (F, 3) is to be moved: where it stands to one place, and nowhere in frames not made.

    Between two places it goes evenly from the one shift to the other, or by way of none where there is time.
    """
    known, shifts = ~frames, np.zeros_like(foot)
    held = still & frames
    for first, last in runs(held):
        beside = [n for n in (first - 1, last) if 0 <= n < len(foot) and still[n] and not frames[n]]
        # Between two kept frames the foot goes evenly from where the one has it to where the other does.
        share = np.linspace(0, 1, last - first + 2)[1:-1, None]
        at = foot[first:last].mean(0) if not beside else foot[beside[0]] + share * (foot[beside[-1]] - foot[beside[0]])
        shift = at - foot[first:last]
        if not beside:
            shift[:, 1] = 0
        if np.linalg.norm(shift, axis=1).max() < REACH:
            shifts[first:last] = shift
            known[first:last] = True
    for first, last in runs(~known):
        if last - first > 2 * ease:
            known[first + ease - 1 : last - ease + 1] = True
    at = np.flatnonzero(known)
    return np.stack([np.interp(np.arange(len(foot)), at, column[at]) for column in shifts.T], 1)
