"""Which decoded frame is on screen when: time stamps turned into a constant rate."""

from collections.abc import Sequence
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

__all__ = ["plan", "rational"]

Numbers = NDArray[np.int64]
Seconds = NDArray[np.float64]
HAIR = 1e-6
"""Seconds that two times may differ by and still be one: time stamps are rounded."""
SAME = 1e-4
"""How much two rates may differ, as a part of one, and still be one: people write 23.976 for 24000/1001."""


def plan(
    times: Seconds, end: float, rates: Sequence[Fraction], *, tick: float, fps: Fraction | None
) -> tuple[Fraction, Numbers]:
    """The rate of a film and, for each of its frames, the decoded frame that it is.

    `times` are the seconds at which the decoded frames appear, rising from 0; `end` is when the last one goes. `rates`
    are what the container claims, and one is believed where every time lies within a `tick` of it; else the rate is the
    average. Where each frame lies within half a frame of its place at that rate, the film is constant: every frame is
    kept. Else, and where another `fps` is asked for, frame n is the one on screen at n / fps seconds, or one that comes
    at most a quarter of a frame later: else frames of an unsteady clock would be skipped and doubled for nothing.
    """
    own = _own_rate(times, end, rates, tick)
    steady = len(times) < 3 or _error(times, own) < 0.5 / own
    if steady and (fps is None or abs(fps / own - 1) < SAME):
        return own, np.arange(len(times))
    rate = fps or own
    count = max(1, round(end * float(rate)))
    late = min(1 / float(rate), float(np.median(np.diff(times)))) / 4 if len(times) > 1 else 0.0
    shown = np.arange(count) / float(rate) + max(late, HAIR)
    return rate, np.searchsorted(times, shown, side="right").astype(np.int64) - 1


def rational(fps: float | Fraction) -> Fraction:
    """A rate as a fraction: 23.976 and its like are not guessed at, 24000/1001 comes as a Fraction."""
    return Fraction(fps).limit_denominator(100_000)


def _own_rate(times: Seconds, end: float, rates: Sequence[Fraction], tick: float) -> Fraction:
    for rate in rates:
        if _error(times, rate) <= min(tick, 0.25 / float(rate)) + HAIR:
            return rate
    # The last frame's own duration is often wrong, so that the mean of the steps tells more than the whole length.
    if len(times) > 1 and times[-1] > 0:
        return Fraction((len(times) - 1) / float(times[-1])).limit_denominator(1001)
    return Fraction(1 / end).limit_denominator(1001) if end > 0 else Fraction(24)


def _error(times: Seconds, rate: Fraction) -> float:
    return float(np.abs(times - np.arange(len(times)) / float(rate)).max())
