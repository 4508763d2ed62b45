"""Distances between two sets of features, (rows, D), a row a clip: the Fréchet distance and the kernel distance.

    Fréchet = ‖μ − ν‖² + tr(A + B − 2 (A B)^½)       of two sets with means μ, ν and covariances A, B
    kernel  = E k(x, x') + E k(y, y') − 2 E k(x, y),      k(x, y) = (xᵀ y / D + 1)³

Of I3D's features these are FVD and KVD (Unterthiner et al. 2018). Of few rows the first comes out too large; the second
is right on average, and may be below 0.
"""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.linalg import svdvals

__all__ = ["Interval", "Moments", "bootstrap", "frechet_distance", "frechet_of_features", "kernel_distance"]

Array = NDArray[np.float64]
Index = NDArray[np.int64]

ROWS = 1024
"""Kernels are summed by blocks of so many rows, so that no large matrix is held."""


@dataclass(frozen=True)
class Interval:
    """A value, and the ends of its confidence interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Moments:
    """What features leave behind when they are not held: `count`, `mean` (D) and `scatter` (D, D) about the mean."""

    count: int
    mean: Array
    scatter: Array

    @staticmethod
    def of(features: ArrayLike) -> "Moments":
        """Of (rows, D), one row or more. Raises ValueError for another shape, or what is not finite."""
        rows = _rows(features, 1)
        mean = rows.mean(0)
        return Moments(len(rows), mean, (rows - mean).T @ (rows - mean))

    def __add__(self, other: "Moments") -> "Moments":
        """Of the rows of both (Chan et al. 1983)."""
        count = self.count + other.count
        gap = other.mean - self.mean
        mean = self.mean + gap * (other.count / count)
        scatter = self.scatter + other.scatter + np.outer(gap, gap) * (self.count * other.count / count)
        return Moments(count, mean, scatter)

    @property
    def covariance(self) -> Array:
        """(D, D), unbiased, as `numpy.cov`. Raises ValueError of a single row."""
        if self.count < 2:
            raise ValueError("a covariance wants 2 rows or more, got 1")
        return self.scatter / (self.count - 1)


def frechet_distance(mean_x: ArrayLike, cov_x: ArrayLike, mean_y: ArrayLike, cov_y: ArrayLike) -> float:
    """The squared 2-Wasserstein distance of Gaussians with means (D) and covariances (D, D).

    Raises ValueError for sizes that do not fit, or covariances that are not symmetric with no eigenvalue below 0.
    """
    gap = np.asarray(mean_x, float) - np.asarray(mean_y, float)
    root_x, root_y = (_root(np.asarray(each, float), len(gap)) for each in (cov_x, cov_y))
    return _distance(gap, root_x, root_y)


def frechet_of_features(x: ArrayLike, y: ArrayLike) -> float:
    """The Fréchet distance of features (rows, D) and (rows', D), two rows or more of each.

    Warns where a set has no more rows than dimensions: the distance is then too large, and compares only with that of
    as many rows.
    """
    first, second = _pair(x, y)
    fewest = min(len(first), len(second))
    if fewest <= first.shape[1]:
        warnings.warn(
            f"a Fréchet distance of {fewest} rows in {first.shape[1]} dimensions is not reliable: it comes out too "
            "large, and compares only with that of as many rows",
            RuntimeWarning,
            stacklevel=2,
        )
    # Of a covariance of rows the triangle of their QR is a root, without their squares being formed.
    roots = [np.asarray(np.linalg.qr((z - z.mean(0)) / np.sqrt(len(z) - 1), mode="r")) for z in (first, second)]
    return _distance(first.mean(0) - second.mean(0), *roots)


def kernel_distance(x: ArrayLike, y: ArrayLike) -> float:
    """The unbiased square of the maximum mean discrepancy of features (rows, D) and (rows', D), two rows or more.

    The means within a set are over pairs of different rows, as KID's and KVD's are (Bińkowski et al. 2018).
    """
    first, second = _pair(x, y)
    return _within(first) + _within(second) - 2 * _sum_of_kernels(first, second) / (len(first) * len(second))


def bootstrap(
    statistic: Callable[[Index, Index], float],
    groups: tuple[int, int],
    *,
    resamplings: int = 100,
    level: float = 0.95,
    seed: int = 0,
) -> Interval:
    """The confidence interval of a statistic of two sets of `groups` groups, told which of each to take.

    A group is what was drawn at once, as all sub-clips of a video: rows of one are alike, and are taken together. The
    interval is the percentiles of the resampled values, moved by their mean's distance to the value itself, because
    both distances grow where rows repeat. Raises ValueError for fewer than 2 groups or resamplings.
    """
    if min(*groups, resamplings) < 2 or not 0 < level < 1:
        raise ValueError(
            "a bootstrap wants 2 groups or more on each side, 2 resamplings or more and a level between 0 and 1, "
            f"got {groups[0]} and {groups[1]}, {resamplings} and {level}"
        )
    rng = np.random.default_rng(seed)
    value = float(statistic(*(np.arange(count) for count in groups)))
    again = np.array([statistic(*(rng.integers(0, n, n) for n in groups)) for _ in range(resamplings)])
    low, high = np.quantile(again, [(1 - level) / 2, (1 + level) / 2]) - again.mean()
    return Interval(value, value + float(low), value + float(high))


def _distance(gap: Array, root_x: Array, root_y: Array) -> float:
    """Of roots R with Rᵀ R = the covariance: the singular values of R_x R_yᵀ add up to tr (A B)^½."""
    cross = svdvals(root_x @ root_y.T).sum()
    return max(float(gap @ gap + np.square(root_x).sum() + np.square(root_y).sum() - 2 * cross), 0.0)


def _root(covariance: Array, size: int) -> Array:
    """R with Rᵀ R = the covariance, also of a singular one."""
    if covariance.shape != (size, size) or not np.isfinite(covariance).all():
        raise ValueError(
            f"a finite covariance ({size}, {size}) is wanted, as wide as the means: got {covariance.shape}"
        )
    values, vectors = np.linalg.eigh(covariance)
    # Rounding alone makes eigenvalues a little less than 0.
    least = 1e-8 * max(float(np.abs(values).max(initial=0.0)), 1e-300)
    if values.min(initial=0.0) < -least or np.abs(covariance - covariance.T).max(initial=0.0) > least:
        raise ValueError("a covariance is symmetric and has no eigenvalue below 0: this one is none")
    return np.asarray(np.sqrt(values.clip(0))[:, None] * vectors.T)


def _within(rows: Array) -> float:
    count = len(rows)
    own = float(_kernel(np.square(rows).sum(1), rows.shape[1]).sum())
    return (_sum_of_kernels(rows, rows) - own) / (count * (count - 1))


def _sum_of_kernels(x: Array, y: Array) -> float:
    return sum(float(_kernel(x[start : start + ROWS] @ y.T, x.shape[1]).sum()) for start in range(0, len(x), ROWS))


def _kernel(products: Array, size: int) -> Array:
    return (products / size + 1) ** 3


def _pair(x: ArrayLike, y: ArrayLike) -> Sequence[Array]:
    first, second = _rows(x, 2), _rows(y, 2)
    if first.shape[1] != second.shape[1]:
        raise ValueError(f"features of one width are wanted, got {first.shape} and {second.shape}")
    return first, second


def _rows(features: ArrayLike, least: int) -> Array:
    rows = np.asarray(features, float)
    if rows.ndim != 2 or len(rows) < least or rows.shape[1] == 0 or not np.isfinite(rows).all():
        raise ValueError(f"finite features (rows, D) of {least} rows or more are wanted, got {rows.shape}")
    return rows
