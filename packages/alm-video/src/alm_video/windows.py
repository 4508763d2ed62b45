"""Where windows lie along time: after a clip, before it, in a gap, or around a ring; all in frames of the state.

The canvas is the known head, what is to be made, and the known tail, one after another. Windows are in the order in
which they are made, each with as much of what is known or made before it as the overlap.
"""

from dataclasses import dataclass

from alm_core.window import slices

__all__ = ["Plan", "after", "before", "between", "free"]


@dataclass(frozen=True)
class Plan:
    """Windows of `size` from `starts` on a canvas of `head` known frames, `made` ones, and `tail` known ones."""

    starts: tuple[int, ...]
    size: int
    head: int
    made: int
    tail: int = 0
    ring: bool = False

    @property
    def length(self) -> int:
        """Of the canvas."""
        return self.head + self.made + self.tail


def free(frames: int, size: int, stride: int, *, loop: bool = False) -> Plan:
    """Frames from nothing; with `loop` the last meets the first. Raises ValueError where the windows do not fit."""
    _check(size, stride, frames)
    if not loop:
        size = min(size, frames)
        return Plan(tuple(slices(frames, size, min(stride, size))), size, 0, frames)
    if frames <= size:
        raise ValueError(
            f"a loop must be longer than its windows of {size} frames, got {frames}: ask for more frames, or give a "
            "smaller window"
        )
    # One window from nothing, then the gap between its end and its beginning.
    gap = between(size, size, frames - size, size, stride)
    return Plan((0, *((start + size - gap.head) % frames for start in gap.starts)), size, 0, frames, ring=True)


def after(clip: int, frames: int, size: int, stride: int) -> Plan:
    """So many frames after a clip of `clip` frames, of which no more is read than a window can see."""
    _check(size, stride, frames)
    head = min(clip, max(size - stride, size - frames))
    size = min(size, head + frames)
    return Plan(tuple(slices(head + frames, size, min(stride, size))), size, head, frames)


def before(clip: int, frames: int, size: int, stride: int) -> Plan:
    """So many frames before a clip: `after`, from the end to the beginning."""
    back = after(clip, frames, size, stride)
    starts = tuple(back.length - back.size - start for start in back.starts)
    return Plan(starts, back.size, 0, frames, back.head)


def between(first: int, second: int, frames: int, size: int, stride: int) -> Plan:
    """So many frames between two clips: from both sides by turns, then one window over the middle that sees both."""
    _check(size, stride, frames)
    if size < 3:
        raise ValueError(f"to close a gap windows of 3 frames or more are wanted, got {size}")
    most = min(stride, size - 2)
    # One window sees both sides; so it must where a clip is so short that its side's window would reach across.
    if frames <= most or (frames <= size - 2 and min(first, second) + frames <= size):
        head = min(first, (size - frames + 1) // 2)
        tail = min(second, size - frames - head)
        return Plan((0,), head + frames + tail, head, frames, tail)
    # Each side's first window makes half of what is to be made, or a stride. The better known side begins.
    seen = size - min(most, frames // 2)
    head, tail = min(first, seen), min(second, seen)
    length, size = head + frames + tail, min(size, max(head, tail) + frames - 1)
    starts: list[int] = []
    low, high, forward = head, head + frames, head >= tail
    while high - low > most:
        # Half of what is left, at most a stride, so that the middle has about as much to make as the others.
        share = min(most, (high - low) // 2)
        if forward:
            starts.append(max(low + share - size, 0))
            low = starts[-1] + size
        else:
            starts.append(min(high - share, length - size))
            high = starts[-1]
        forward = not forward
    if low < high:
        starts.append(min(max((low + high - size) // 2, 0), length - size))
    return Plan(tuple(starts), size, head, frames, tail)


def _check(size: int, stride: int, frames: int) -> None:
    if frames < 1:
        raise ValueError(f"at least one frame is to be made, got {frames}")
    if not 0 < stride <= size:
        raise ValueError(f"wanted 0 < stride <= window, got a stride of {stride} and windows of {size} frames")
