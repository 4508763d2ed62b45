"""Feet that stand do not slide: in made frames they are held where they stand, by inverse kinematics of the leg.

A foot stands while its ball moves slower than `SPEED` and is lower than `HEIGHT` above the lowest it gets. It is held
where it is on average, or where a kept frame beside has it, and let go over `EASE` seconds.
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

SPEED = 0.35
"""Metres a second."""
HEIGHT = 0.08
"""Metres."""
EASE = 0.1
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
        for start, stop in runs(standing(joints[:, ball], clip.fps, floor)):
            _hold(targets, joints, frames, (ankle, ball), start, stop, max(round(EASE * clip.fps), 1))
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


def _hold(
    targets: Array, joints: Array, frames: Bools, foot: tuple[int, int], start: int, stop: int, ease: int
) -> None:
    """Writes into targets where the two joints of a foot that stands from start to stop are to be."""
    ankle, ball = foot
    kept = np.flatnonzero(~frames[start:stop]) + start
    if len(kept) == stop - start:
        return
    for first, last in runs(frames[start:stop]):
        first, last = first + start, last + start
        place = [joints[n, ball] for n in (first - 1, last) if n in kept]
        # Between two kept frames the foot goes evenly from where the one has it to where the other does.
        share = np.linspace(0, 1, last - first + 2)[1:-1, None]
        at = joints[first:last, ball].mean(0) if not place else place[0] + share * (place[-1] - place[0])
        shift = at - joints[first:last, ball]
        shift[:, 1] = 0 if not place else shift[:, 1]
        targets[first:last, ball] += shift
        targets[first:last, ankle] += shift
        if last == stop:  # let go
            _ease(targets, frames, foot, range(last, last + ease), shift[-1])
        if first == start:
            _ease(targets, frames, foot, range(first - 1, first - 1 - ease, -1), shift[0])


def _ease(targets: Array, frames: Bools, foot: tuple[int, int], where: range, shift: Array) -> None:
    """Lets a shift fade over the frames, as far as they were made."""
    for n, frame in enumerate(where, 1):
        if not (0 <= frame < len(frames) and frames[frame]):
            return
        u = n / (len(where) + 1)
        targets[frame, foot] += (1 - 3 * u**2 + 2 * u**3) * shift
