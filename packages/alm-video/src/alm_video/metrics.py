"""Measures of a film that need no network, each in one pass over frames that come one after another.

A frame is (height, width, 3) RGB, uint8, or float in [0, 1]; all frames of a film are of one size. Levels are those of
8 bits, 0 to 255. Of a film nothing is held but a few frames.

Every measure but `kept_error` counts what moves as well as what is wrong: give it the true film, or one of the same
kind, to know what is usual.
"""

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise, zip_longest
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "LUMA",
    "Array",
    "Frames",
    "SeamContrast",
    "WarpError",
    "flicker",
    "kept_error",
    "levels",
    "seam_contrast",
    "seams_of",
    "warp_error",
]

Array = NDArray[np.float64]
Frames = Iterable[NDArray[Any]]
T = TypeVar("T")

LUMA = np.array([0.2126, 0.7152, 0.0722])
"""How bright R, G and B are, as of BT.709."""


@dataclass(frozen=True)
class WarpError:
    """`error` is the mean square in [0, 1]; `compared` the share of pixels that it is of, low where the flow fails."""

    error: float
    compared: float


@dataclass(frozen=True)
class SeamContrast:
    """Ratios of root mean squares, across the seams over elsewhere: 1 where no seam is seen.

    `step` is of neighbouring frames, `jolt` of second differences x[t + 1] − 2 x[t] + x[t − 1]. inf where nothing else
    moves.
    """

    step: float
    jolt: float


def levels(frames: Frames, least: int = 1) -> Iterator[Array]:
    """Frames in levels, float64. Raises ValueError for another shape, size or range, or less than `least` a side."""
    size = None
    for frame in frames:
        fits = frame.ndim == 3 and frame.shape[2] == 3 and min(frame.shape[:2]) >= least
        if not fits or frame.shape != (size or frame.shape):
            usual = f" {size[0]} × {size[1]}, as the first" if size else f", {least} pixels or more a side"
            raise ValueError(f"frames are (height, width, 3){usual}: got {frame.shape}")
        size = frame.shape
        if frame.dtype == np.uint8:
            yield frame.astype(float)
        elif np.issubdtype(frame.dtype, np.floating) and frame.min() >= 0 and frame.max() <= 1:
            yield 255.0 * frame.astype(float)
        else:
            raise ValueError(f"frames are uint8 or float in [0, 1], got {frame.dtype} up to {frame.max()}")


def flicker(frames: Frames) -> float:
    """Mean absolute difference of neighbouring frames, in levels.

    This is what VBench's temporal flickering is made of, which is 1 − flicker / 255, of videos that stand still. Raises
    ValueError with fewer than two frames.
    """
    return float(np.mean(_some([float(np.abs(b - a).mean()) for a, b in pairwise(levels(frames))], 2)))


def warp_error(frames: Frames) -> WarpError:
    """The warping error of Lai et al. (ECCV 2018): the mean over neighbours of the mean square of V[t] − warped V[t+1].

    The flow is DIS's (Kroeger et al. 2016) by OpenCV, where theirs is FlowNet2's: figures compare with those made here.
    As theirs, it leaves out what is occluded by the rules of Ruder et al. (2016): w there and ŵ back disagree,
    |w + ŵ|² > 0.01 (|w|² + |ŵ|²) + 0.5, or w has an edge, |∇w|² > 0.01 |w|² + 0.002. Here what leaves the picture is
    left out too, and neighbours of which nothing is left count with all of their pixels: theirs count as equal.

    Raises ValueError with fewer than two frames or such as are smaller than 16 × 16, and ImportError without OpenCV.
    """
    flow = _estimator()
    found = _some([_warped(a, b, flow(a, b), flow(b, a)) for a, b in pairwise(levels(frames, least=16))], 2)
    return WarpError(*(float(each) for each in np.mean(found, 0)))


def seam_contrast(frames: Frames, seams: Iterable[int]) -> SeamContrast:
    """How much more frames differ across seams than elsewhere. A seam s lies between the frames s − 1 and s.

    `alm_core.metrics.seam_contrast` of a film that is not held, with a second order: a seam is often seen as a jolt.
    Raises ValueError for seams outside the film, for none, and where nothing lies elsewhere.
    """
    at = set(seams)
    steps: tuple[list[float], list[float]] = ([], [])
    jolts: tuple[list[float], list[float]] = ([], [])
    count, last = 1, None
    for count, (before, after) in enumerate(pairwise(levels(frames)), 2):
        step = after - before
        steps[count - 1 in at].append(float(np.square(step).mean()))
        if last is not None:
            # The three frames end with count − 1: two of their steps may be a seam's.
            jolts[bool(at & {count - 1, count - 2})].append(float(np.square(step - last).mean()))
        last = step
    if not at or min(at) < 1 or max(at) >= count:
        raise ValueError(f"seams are frames from 1 to {count - 1}, one or more: got {sorted(at)}")
    if not (steps[False] and jolts[False]):
        raise ValueError(f"there is nothing but seams in {count} frames: the windows must be longer")
    return SeamContrast(*(_ratio(np.mean(parts[True]), np.mean(parts[False])) for parts in (steps, jolts)))


def seams_of(count: int, first: int, stride: int) -> list[int]:
    """The seams of `count` frames that began as `first` of them and grew by `stride` at a time."""
    if min(first, stride) < 1:
        raise ValueError(f"the first frames and the stride are 1 or more, got {first} and {stride}")
    return list(range(first, count, stride))


def kept_error(before: Frames, after: Frames) -> float:
    """The largest difference, in levels, of frames that were given to what has become of them.

    Raises ValueError where one has more frames than the other, or none has any.
    """
    worst: list[float] = []
    for number, (one, other) in enumerate(zip_longest(levels(before), levels(after))):
        if one is None or other is None or one.shape != other.shape:
            sizes = " and ".join("none" if each is None else "{1} × {0}".format(*each.shape) for each in (one, other))
            raise ValueError(f"as many frames of one size are compared: of frame {number} there are {sizes}")
        worst.append(float(np.abs(one - other).max()))
    return max(_some(worst, 1))


def _some(values: list[T], frames: int) -> list[T]:
    if not values:
        raise ValueError(f"{frames} or more frames are wanted, got fewer")
    return values


def _ratio(across: Any, inside: Any) -> float:
    if inside == 0:
        return 1.0 if across == 0 else math.inf
    return math.sqrt(across / inside)


def _estimator() -> Callable[[Array, Array], NDArray[np.float32]]:
    """The flow (height, width, 2) in pixels, x then y, from each pixel of the first frame to the second."""
    try:
        import cv2
    except ImportError as error:
        raise ImportError(
            "cv2 is missing, which the optical flow of the warping error needs: pip install 'alm-video[metrics]'"
        ) from error
    estimator: Any = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)

    def flow(first: Array, second: Array) -> NDArray[np.float32]:
        grey = (np.rint(frame @ LUMA).astype(np.uint8) for frame in (first, second))
        return np.asarray(estimator.calc(*grey, None))

    return flow


def _warped(first: Array, second: Array, there: NDArray[np.float32], back: NDArray[np.float32]) -> tuple[float, float]:
    """Mean square and share of what is compared. `there` leads from the first frame to the second."""
    import cv2

    height, width = first.shape[:2]
    y, x = np.mgrid[:height, :width].astype(np.float32)
    to = x + there[..., 0], y + there[..., 1]
    arrived = cv2.remap(second, *to, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    back = cv2.remap(back, *to, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    w, w_back = (np.square(each).sum(-1) for each in (there, back))
    edges = sum(np.square(np.diff(there, axis=k, append=there.take([-1], k))).sum(-1) for k in (0, 1))
    seen = np.square(there + back).sum(-1) <= 0.01 * (w + w_back) + 0.5
    seen &= edges <= 0.01 * w + 0.002
    seen &= (to[0] >= 0) & (to[0] <= width - 1) & (to[1] >= 0) & (to[1] <= height - 1)
    squares = np.square((arrived - first) / 255).mean(-1)
    return float(squares[seen].mean() if seen.any() else squares.mean()), float(seen.mean())
