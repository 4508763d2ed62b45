"""Gaps longer than the model makes at once, in stretches: each is given the end of the one beside it.

Stretches come one after another, but for a gap at the beginning, which is made from its end backwards. Each is seen
from its own place (`fill` puts it at the origin), so that nothing grows with length but the joints themselves.
"""

import numpy as np

from alm_motion.fill import Bools, Filled, fill, whole
from alm_motion.options import Options
from alm_motion.seams import runs
from alm_motion.skeleton import Array

__all__ = ["CONTEXT", "fill_all", "plan"]

CONTEXT = 30
"""Frames that a stretch is given of what comes before and after it: the overlap of SyncSDE 4.2.6."""


def plan(made: Bools, longest: int) -> list[tuple[int, int]]:
    """Stretches [start, stop) of at most `longest` frames that cover all frames (T) that are made, in order of making.

    Where all fits, it is one. Else each begins `CONTEXT` frames before what is still to be made, and ends either
    inside a gap or where as many frames after it are seen. A gap at the beginning that does not fit is made from its
    end backwards, as what it leads to is all that is known of it.
    """
    frames = len(made)
    if frames <= longest:
        return [(0, frames)]
    if longest < 3 * CONTEXT:
        raise ValueError(f"a motion of {frames} frames wants a model that makes {3 * CONTEXT} at once, not {longest}")
    gaps = runs(made)
    found: list[tuple[int, int]] = []
    if gaps and gaps[0][0] == 0 and gaps[0][1] < frames:
        end = gaps[0][1]
        seen = min(end + CONTEXT, gaps[1][0] if len(gaps) > 1 else frames)
        if end + CONTEXT > longest:
            found = _backwards(end, seen, longest)
    todo = made.copy()
    for start, stop in found:
        todo[start:stop] = False
    return found + _forwards(todo, longest)


def _backwards(end: int, seen: int, longest: int) -> list[tuple[int, int]]:
    """Stretches that make the frames [0, end), the last first, of which no later one than `seen` is looked at."""
    found = []
    while end > 0:
        stop = min(end + CONTEXT, seen)
        end = max(stop - longest, 0)
        found.append((end, stop))
    return found


def _forwards(made: Bools, longest: int) -> list[tuple[int, int]]:
    """Stretches that make what is to be made, the first first."""
    frames, todo = len(made), made.copy()
    found = []
    while todo.any():
        gaps = runs(todo)
        first = stop = gaps[0][0]
        start = max(first - CONTEXT, 0)
        room = start + longest
        for begin, end in gaps:
            if first < begin >= stop:
                break
            if min(end + CONTEXT, frames) <= room:
                stop = min(end + CONTEXT, frames)
            elif room <= end - CONTEXT:
                stop = room
            else:  # it ends where too little would be seen after it: left for the next stretch, or cut short
                stop = begin if begin > first else end - CONTEXT
        found.append((start, stop))
        todo[start:stop] = False
    return found


def fill_all(joints: Array, given: Bools, options: Options) -> Filled:
    """As `fill`, of one motion (F, 22, 3) of any number of frames, for as many variants as the options say."""
    canvas = np.repeat(joints[None], options.count, 0)
    known = np.repeat(given[None], options.count, 0)
    stretches = plan(~whole(given), options.prior.frames)
    evaluations, calls = 0.0, 0
    for key, (start, stop) in enumerate(stretches):
        here = slice(start, stop)
        part = fill(canvas[:, here], known[:, here], options, options.tell(key, len(stretches)), key=key)
        if (start, stop) == (0, len(given)):
            return part
        canvas[:, here] = np.where(known[:, here, :, None], canvas[:, here], part.joints)
        known[:, here] = True
        evaluations, calls = evaluations + part.evaluations, calls + part.calls
    return Filled(canvas, evaluations, calls)
