"""A clip's 22 joints as the networks see them, on HumanML3D's skeleton at 20 frames a second, and back."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from alm_motion.features import FPS
from alm_motion.retarget import Fitted, resampled
from alm_motion.seams import runs
from alm_motion.skeleton import Array

__all__ = ["Stage"]

Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Stage:
    """`joints` (T, 22, 3), and which are `given` (T, 22), at the times `grid` (T); `times` (F) are the clip's own.

    What is not given holds zeros. Seconds and metres.
    """

    fitted: Fitted
    times: Array
    grid: Array
    joints: Array
    given: Bools

    @staticmethod
    def of(joints: Array, given: Bools, fps: float) -> "Stage":
        """The stage of joints (F, 22, 3) at a rate, of which `given` (F, 22) is known.

        Lengths and the ground are those of the frames that are given whole: ValueError where there is none.
        """
        whole = np.flatnonzero(given.all(1))
        if len(whole) == 0:
            raise ValueError(
                "at least one frame must be kept whole: the body's lengths and the ground are taken from it"
            )
        fitted = Fitted.of(joints[whole])
        own = fitted.forth(joints)
        times = np.arange(len(joints)) / fps
        gap = int(np.flatnonzero(~given.all(1))[0])
        # The last frame before the first gap lies on the grid, so that the gap begins for the model where it does.
        last = times[gap - 1 if gap else int(whole[0])]
        start = max(last - np.floor(last * FPS + 1e-2) / FPS, 0.0)
        grid = np.arange(start, times[-1] + 1e-3 / FPS, 1 / FPS)
        if len(grid) < 2:  # a clip shorter than a frame of the model's
            grid = start + np.array([0, 1 / FPS])
        at, known = np.zeros((len(grid), 22, 3)), np.zeros((len(grid), 22), bool)
        for joint in range(22):
            for first, stop in runs(given[:, joint]):
                inside = _inside(grid, times[first], times[stop - 1])
                at[inside, joint] = resampled(own[first:stop, joint], times[first:stop], grid[inside])
                known[inside, joint] = True
        return Stage(fitted, times, grid, at, known)

    def back(self, joints: Array) -> Array:
        """Joints (T, 22, 3) on the grid as the clip's own, (F, 22, 3)."""
        return self.fitted.back(resampled(joints, self.grid, self.times))


def _inside(grid: Array, first: float, last: float) -> NDArray[np.int64]:
    """The places on the grid within [first, last]; the nearest one where there is none."""
    found = np.flatnonzero((grid >= first - 1e-3 / FPS) & (grid <= last + 1e-3 / FPS))
    return found if len(found) else np.array([np.abs(grid - first).argmin()])
