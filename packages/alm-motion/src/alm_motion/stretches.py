"""Gaps longer than the model makes at once, in stretches: each is given the end of the one before it.

Stretches come one after another, each seen from its own place (`fill` puts it at the origin), so that nothing grows
with length but the joints themselves.
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
    """Stretches [start, stop) of at most `longest` frames that cover all frames (T) that are made, in order.

    Where all fits, it is one. Else each begins `CONTEXT` frames before what is still to be made, and ends either
    inside a gap or where as many frames after it are seen.
    """
    frames = len(made)
    if frames <= longest:
        return [(0, frames)]
    if longest < 3 * CONTEXT:
        raise ValueError(f"a motion of {frames} frames wants a model that makes {3 * CONTEXT} at once, not {longest}")
    found: list[tuple[int, int]] = []
    todo = made.copy()
    while todo.any():
        first = int(np.flatnonzero(todo)[0])
        start = min(max(first - CONTEXT, 0), frames - 2 * CONTEXT)
        stop = min(start + longest, frames)
        for begin, end in runs(todo):
            # A gap that ends where nothing would be seen after it is left for the next stretch, or cut short.
            if begin < stop < min(end + CONTEXT, frames) and stop > end - CONTEXT:
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
        if len(stretches) == 1:
            return part
        canvas[:, here] = np.where(known[:, here, :, None], canvas[:, here], part.joints)
        known[:, here] = True
        evaluations, calls = evaluations + part.evaluations, calls + part.calls
    return Filled(canvas, evaluations, calls)
