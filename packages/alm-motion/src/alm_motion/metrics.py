"""Measures of motion that need no network: of sets of features, and of joints.

Features are float64 (N, D), a row a motion; joints are float64 (F, 22, 3) in metres, Y up, standing on y = 0. `given`
is bool (F) or (F, 22): True where a completion was told the joint.

The measures of features are those of Guo et al. (CVPR 2022), as the field computes them:

    FID = ‖μ − ν‖² + tr(A + B − 2 (A B)^½)      of two sets with means μ, ν and covariances A, B
    R-precision k = share of texts whose motion is among the k nearest of 32
    matching score = mean ‖text − motion‖,     diversity = mean ‖motion − another‖

Foot skate is that of GMD (Karunratanakul et al., ICCV 2023), which CondMDI (Cohan et al., SIGGRAPH 2024) took over.
"""

import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import svdvals
from scipy.ndimage import uniform_filter1d
from scipy.spatial.distance import cdist

from alm_motion.skeleton import Array

__all__ = [
    "BATCH",
    "Interval",
    "SeamJerk",
    "bootstrap",
    "diversity",
    "foot_skate",
    "frechet_distance",
    "gap_error",
    "jerk",
    "kept_error",
    "matching_score",
    "r_precision",
    "seam_jerk",
    "seams_of",
    "skating",
]

Bools = NDArray[np.bool_]
Index = NDArray[np.int64]

BATCH = 32
"""How many motions a text's own is picked from. R-precision of another number compares with no published one."""
BALLS = [10, 11]
"""The feet that GMD looks at: the ball of each."""
LOW, FAST, WINDOW = 0.05, 0.5, 5
"""Below this height, in m, a foot is on the ground; above this speed, in m/s, it slides; over so many frames."""


@dataclass(frozen=True)
class Interval:
    """A value, and the ends of its confidence interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class SeamJerk:
    """Mean jerk in m/s³ at the seams, and of all other frames: nan where there are none."""

    seam: float
    inside: float

    @property
    def ratio(self) -> float:
        """That at the seams over that inside: 1 where no seam is felt."""
        return self.seam / self.inside


def frechet_distance(x: Array, y: Array) -> float:
    """FID of two sets of features (N, D) and (M, D): the squared 2-Wasserstein distance of Gaussians of their moments.

    Warns where a set has no more rows than dimensions: its covariance is then singular and the distance biased upwards,
    so that it compares only with one of as many rows. Raises ValueError with fewer than 2 rows.
    """
    _check_features(x, y)
    for rows in (x, y):
        if len(rows) < 2:
            raise ValueError(f"the Fréchet distance wants 2 rows or more in each set, got {len(x)} and {len(y)}")
        if len(rows) <= rows.shape[1]:
            warnings.warn(
                f"a Fréchet distance of {len(rows)} rows in {rows.shape[1]} dimensions is not reliable: it comes out "
                "too large, and compares only with that of as many rows",
                RuntimeWarning,
                stacklevel=2,
            )
            break
    a, b = (_root_of_covariance(z) for z in (x, y))
    # A = aᵀa and B = bᵀb, so that tr (A B)^½ is the sum of the singular values of a bᵀ, also where A B has no root.
    cross = svdvals(a @ b.T).sum()
    gap = x.mean(0) - y.mean(0)
    return max(float(gap @ gap + (a**2).sum() + (b**2).sum() - 2 * cross), 0.0)


def _root_of_covariance(x: Array) -> Array:
    """R (min(N, D), D) with Rᵀ R = the covariance of rows (N, D)."""
    return np.asarray(np.linalg.qr((x - x.mean(0)) / math.sqrt(len(x) - 1), mode="r"))


def diversity(x: Array, *, pairs: int = 300, seed: int = 0) -> float:
    """Mean distance of `pairs` pairs of rows (N, D): two draws of different rows each, as in the public code.

    Raises ValueError where there are fewer rows than pairs.
    """
    _check_features(x, x)
    if not 1 <= pairs <= len(x):
        raise ValueError(f"{pairs} pairs want as many rows and 1 or more, got {len(x)} rows")
    rng = np.random.default_rng(seed)
    first, second = (rng.choice(len(x), pairs, replace=False) for _ in range(2))
    return float(np.linalg.norm(x[first] - x[second], axis=1).mean())


def r_precision(text: Array, motion: Array, *, top: int = 3) -> Array:
    """The shares (top) of texts whose motion is among the 1, 2, … nearest of 32; both (N, D), row n of one a pair.

    Rows are taken 32 at a time, in their order, and those left over are not used, as in the public code: shuffle them.
    Raises ValueError with fewer than 32 rows.
    """
    _check_pairs(text, motion)
    if len(text) < BATCH:
        raise ValueError(f"R-precision picks each motion from {BATCH}, so {BATCH} rows are wanted, got {len(text)}")
    if not 1 <= top <= BATCH:
        raise ValueError(f"top must be 1 to {BATCH}, got {top}")
    found = []
    for start in range(0, len(text) - BATCH + 1, BATCH):
        nearest = cdist(text[start : start + BATCH], motion[start : start + BATCH]).argsort(1, kind="stable")
        found.append((nearest[:, :top] == np.arange(BATCH)[:, None]).cumsum(1))
    return np.asarray(np.concatenate(found).mean(0), float)


def matching_score(text: Array, motion: Array) -> float:
    """Mean distance of each text to its own motion; both (N, D)."""
    _check_pairs(text, motion)
    return float(np.linalg.norm(text - motion, axis=1).mean())


def bootstrap(
    statistic: Callable[[Index], float], rows: int, *, resamplings: int = 1000, level: float = 0.95, seed: int = 0
) -> Interval:
    """The confidence interval of a statistic of `rows` windows, told which of them to take: `lambda i: f(x[i])`.

    It is the percentiles of the resampled values, moved by their mean's distance to the value itself: of a mean these
    are the plain percentiles, and those of a Fréchet distance, which grows when rows repeat, stand around its value.
    """
    if rows < 2 or resamplings < 2 or not 0 < level < 1:
        raise ValueError(
            "a bootstrap wants 2 rows and resamplings or more and a level between 0 and 1, "
            f"got {rows}, {resamplings} and {level}"
        )
    rng = np.random.default_rng(seed)
    value = float(statistic(np.arange(rows)))
    again = np.array([statistic(rng.integers(0, rows, rows)) for _ in range(resamplings)])
    low, high = np.quantile(again, [(1 - level) / 2, (1 + level) / 2]) - again.mean()
    return Interval(value, value + float(low), value + float(high))


def skating(joints: Array, fps: float) -> Bools:
    """Whether a foot slides from each frame to the next, (F − 1).

    The ball of a foot is lower than 5 cm in both frames, and moves over the ground faster than 0.5 m/s, there and in
    the mean of five steps; beyond the ends it stands still. Published figures are of 20 frames a second, where the five
    steps are a quarter of a second: compare figures of one rate.
    """
    _check_joints(joints, fps, frames=2)
    balls = joints[:, BALLS]
    speed = np.linalg.norm(np.diff(balls[..., [0, 2]], axis=0), axis=2) * fps
    mean = uniform_filter1d(speed, WINDOW, axis=0, mode="constant")
    low = (balls[1:, :, 1] < LOW) & (balls[:-1, :, 1] < LOW)
    slides: Bools = (low & (speed > FAST) & (mean > FAST)).any(1)
    return slides


def foot_skate(joints: Array, fps: float) -> float:
    """The share of steps from frame to frame in which a foot slides. That of captured motion is about 0.05, not 0."""
    return float(skating(joints, fps).mean())


def jerk(joints: Array, fps: float) -> Array:
    """The size of the third derivative in m/s³, mean over joints, (F − 3): entry i is over the frames i to i + 3."""
    _check_joints(joints, fps, frames=4)
    return np.asarray(np.linalg.norm(np.diff(joints, 3, axis=0), axis=2).mean(1) * fps**3)


def seams_of(given: Bools) -> Index:
    """The frames from which on other joints are given than before."""
    return np.flatnonzero((given[1:] != given[:-1]).reshape(len(given) - 1, -1).any(1)) + 1


def seam_jerk(joints: Array, seams: Sequence[int] | Index, fps: float) -> SeamJerk:
    """Jerk over the frames around the seams, and elsewhere. A seam is the frame from which on something else begins.

    An entry of `jerk` counts for a seam s when its four frames hold s − 1 and s. Raises ValueError for a seam outside
    the motion, and where there is none.
    """
    values = jerk(joints, fps)
    at = np.asarray(seams, np.int64)
    if len(at) == 0 or at.min() < 1 or at.max() > len(joints) - 1:
        raise ValueError(f"seams are frames from 1 to {len(joints) - 1}, one or more: got {at.tolist()}")
    start = np.arange(len(values))[:, None]
    across = ((start < at) & (at <= start + 3)).any(1)
    inside = float(values[~across].mean()) if not across.all() else float("nan")
    return SeamJerk(float(values[across].mean()), inside)


def gap_error(true: Array, made: Array, given: Bools) -> float:
    """Mean distance in m of the joints that were made to the true ones. Raises ValueError where all are given."""
    missing = ~_everywhere(true, made, given)
    if not missing.any():
        raise ValueError("everything is given, so there is no gap to measure")
    return float(np.linalg.norm(made - true, axis=2)[missing].mean())


def kept_error(true: Array, made: Array, given: Bools) -> float:
    """The largest distance in mm of a joint that was given to where it was; 0 where none is."""
    kept = _everywhere(true, made, given)
    return 1000 * float(np.linalg.norm(made - true, axis=2)[kept].max(initial=0.0))


def _everywhere(true: Array, made: Array, given: Bools) -> Bools:
    """`given` for each joint, (F, J)."""
    if true.ndim != 3 or true.shape != made.shape or given.shape not in (true.shape[:1], true.shape[:2]):
        raise ValueError(
            f"two motions (F, J, 3) and what is given of them, (F) or (F, J), are wanted, got {true.shape}, "
            f"{made.shape} and {given.shape}"
        )
    return np.broadcast_to(given.reshape(len(given), -1), true.shape[:2])


def _check_joints(joints: Array, fps: float, *, frames: int) -> None:
    if joints.ndim != 3 or joints.shape[-1] != 3 or len(joints) < frames:
        raise ValueError(f"joints (F, J, 3) of {frames} frames or more are wanted, got {joints.shape}")
    if not (math.isfinite(fps) and fps > 0):
        raise ValueError(f"the frame rate must be above 0, got {fps}")


def _check_features(x: Array, y: Array) -> None:
    if x.ndim != 2 or y.ndim != 2 or x.shape[1] != y.shape[1]:
        raise ValueError(f"features (N, D) of one D are wanted, got {x.shape} and {y.shape}")


def _check_pairs(text: Array, motion: Array) -> None:
    if text.ndim != 2 or text.shape != motion.shape or len(text) == 0:
        raise ValueError(f"a text for each motion, both (N, D), is wanted, got {text.shape} and {motion.shape}")
