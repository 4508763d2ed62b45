"""Whether a long film leaves the colour and the sharpness with which it began, window by window.

One pass over frames as of `alm_video.metrics`, of which six numbers a window are held.
"""

import math
from dataclasses import dataclass

import numpy as np
from scipy.stats import theilslopes

from alm_video.metrics import LUMA, Array, Frames, levels

__all__ = ["Drift", "Track", "drift"]

BLUE, RED = 1.8556, 1.5748
"""By which BT.709's blue and red differences lie in ±127.5 levels."""
FLAT = 1e-9
"""Squares of levels below this are rounding."""
SIGMA = 0.6827
"""The share of a normal distribution within one standard deviation."""
FEWEST = 5
"""Windows from which on a slope has an error."""


@dataclass(frozen=True)
class Track:
    """How one quantity leaves the reference, all in per cent of it, with signs.

    `largest` is the deviation of the window that is farthest off, `final` that of the last, `change` the last minus the
    first; `slope` is the trend in 100 frames, and `error` its standard error (nan with fewer than 5 windows).
    """

    largest: float
    final: float
    change: float
    slope: float
    error: float


@dataclass(frozen=True)
class Drift:
    """`Track`s: mean luma; mean blue and red difference and saturation, in per cent of mean luma; contrast; sharpness.

    Contrast is the standard deviation of luma. Sharpness is the mean square of its Laplacian (4 neighbours) over its
    variance, so that neither brightness nor contrast alone changes it. What has no reference to be compared with, as
    the luma of a black one, is nan.
    """

    luma: Track
    blue: Track
    red: Track
    saturation: Track
    contrast: Track
    sharpness: Track


def drift(frames: Frames, reference: Frames | None = None, *, window: int = 16) -> Drift:
    """How colour and sharpness leave those of a reference stretch (the first window), window by window.

    A rest of less than half a window is left out. The slope is the median of those between any two windows (Theil,
    Sen). Its error is of Sen's interval, and wider where neighbouring windows deviate alike (the first autocorrelation
    of the residuals, as an effective number of windows). What is shown changes colour and sharpness as well. It
    comes and goes, and widens the error: a slope of less than twice its error is no drift that can be told. But of a
    change that stays, such as a cut, neither deviation nor slope can say that it is none.

    Raises ValueError for frames of fewer than one window (two, where there is no reference).
    """
    if window < 1:
        raise ValueError(f"a window is of 1 frame or more, got {window}")
    times, values = _windows(frames, window)
    least = 1 if reference is not None else 2
    if len(values) < least:
        raise ValueError(
            f"{least} windows of {window} frames or more are wanted: give a longer film or shorter windows"
        )
    against = values[0] if reference is None else _mean(reference)
    here, there = _quantities(values), _quantities(against)
    # Colour differences are near 0 in grey pictures: they are measured by the luma.
    scale = there[[0, 0, 0, 0, 4, 5]]
    with np.errstate(divide="ignore", invalid="ignore"):
        deviations = np.where(scale > 0, 100 * (here - there) / scale, np.nan)
    return Drift(*(_track(times, each) for each in deviations.T))


def _numbers(frame: Array) -> Array:
    """Of one frame what can be averaged over many: means, variance of luma, and mean square of its Laplacian."""
    luma = frame @ LUMA
    blue, red = (frame[..., 2] - luma) / BLUE, (frame[..., 0] - luma) / RED
    edges = luma[:-2, 1:-1] + luma[2:, 1:-1] + luma[1:-1, :-2] + luma[1:-1, 2:] - 4 * luma[1:-1, 1:-1]
    means = [each.mean() for each in (luma, blue, red, np.hypot(blue, red))]
    return np.array([*means, luma.var(), np.square(edges).mean()])


def _mean(frames: Frames) -> Array:
    """The mean of `_numbers` of all frames, of which none is held."""
    total, count = np.zeros(6), 0
    for frame in levels(frames, least=3):
        total += _numbers(frame)
        count += 1
    if count == 0:
        raise ValueError("a reference is of 1 frame or more, got none")
    return total / count


def _windows(frames: Frames, window: int) -> tuple[Array, Array]:
    """The middles (windows) of the windows, in frames, and the mean of `_numbers` (windows, 6)."""
    middles, means, held = [], [], []
    count = 0
    for count, frame in enumerate(levels(frames, least=3), 1):
        held.append(_numbers(frame))
        if len(held) == window:
            middles.append(count - (window + 1) / 2)
            means.append(np.mean(held, 0))
            held = []
    if means and 2 * len(held) >= window:
        middles.append(count - (len(held) + 1) / 2)
        means.append(np.mean(held, 0))
    return np.array(middles), np.array(means)


def _quantities(numbers: Array) -> Array:
    """What a `Drift` is of (…, 6)."""
    variance, edges = np.moveaxis(np.where(numbers[..., 4:] > FLAT, numbers[..., 4:], 0.0), -1, 0)
    sharpness = np.divide(edges, variance, out=np.full_like(edges, np.nan), where=variance > 0)
    return np.concatenate([numbers[..., :4], np.stack([np.sqrt(variance), sharpness], -1)], -1)


def _track(times: Array, deviations: Array) -> Track:
    """Of deviations (windows) in per cent at times (windows) in frames."""
    if np.isnan(deviations).any():
        return Track(*[math.nan] * 5)
    largest = deviations[np.abs(deviations).argmax()]
    change = deviations[-1] - deviations[0]
    slope, error = _trend(times, deviations) if len(times) > 1 else (math.nan, math.nan)
    return Track(float(largest), float(deviations[-1]), float(change), 100 * slope, 100 * error)


def _trend(times: Array, values: Array) -> tuple[float, float]:
    """The robust slope, and its standard error."""
    slope, _, low, high = theilslopes(values, times, alpha=SIGMA)
    count = len(values)
    if count < FEWEST:
        return float(slope), math.nan
    rest = values - slope * times
    rest = rest - np.median(rest)
    power = float(rest @ rest)
    alike = float(rest[1:] @ rest[:-1]) / power if power > 0 else 0.0
    # Residuals of a line look less alike than they are, by (1 + 4 ρ) / n (Marriott and Pope 1954).
    alike = min(max((count * alike + 1) / (count - 4), 0.0), 0.9)
    return float(slope), float(high - low) / 2 * math.sqrt((1 + alike) / (1 - alike))
