"""Intervals of means, and distances between two sets of features (rows, D), a row a picture: Fréchet and kernel.

    Fréchet = ‖μ − ν‖² + tr(A + B − 2 (A B)^½)       of two sets with means μ, ν and covariances A, B
    kernel  = E k(x, x') + E k(y, y') − 2 E k(x, y),      k(x, y) = (xᵀ y / D + 1)³

Of Inception's features these are FID (Heusel et al. 2017) and KID (Bińkowski et al. 2018). FID of few rows comes out
too large, and compares only with that of as many; KID is right on average, and may be below 0.

Intervals are bootstraps over the pictures that were made. The references stay as they are: they are part of the
protocol, and two methods are compared by the same ones.
"""

import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.linalg import svdvals

__all__ = [
    "Interval",
    "frechet_distance",
    "frechet_interval",
    "frechet_of_features",
    "kernel_distance",
    "kernel_interval",
    "kernel_of_subsets",
    "mean_interval",
]

Array = NDArray[np.float64]

ROWS = 1024
"""Kernels are summed by blocks of so many rows, so that no matrix of the references is held."""


@dataclass(frozen=True)
class Interval:
    """A value, and the ends of its confidence interval: nan where there are too few rows for one."""

    value: float
    low: float
    high: float


def mean_interval(values: ArrayLike, *, resamplings: int = 2000, level: float = 0.95, seed: int = 0) -> Interval:
    """The mean of (n,) and its bootstrap interval, by percentiles; of one value alone the ends are nan.

    Raises ValueError for no value, for what is not finite, or for options out of range.
    """
    rows = np.asarray(values, float)
    if rows.ndim != 1 or len(rows) == 0 or not np.isfinite(rows).all():
        raise ValueError(f"a mean wants one finite value or more, (n,): got {rows.shape}")
    _check(resamplings, level)
    value = float(rows.mean())
    if len(rows) == 1:
        return Interval(value, np.nan, np.nan)
    random = np.random.default_rng(seed)
    means = np.array([rows[random.integers(0, len(rows), len(rows))].mean() for _ in range(resamplings)])
    return Interval(value, *_ends(means, level))


def frechet_distance(mean_x: ArrayLike, cov_x: ArrayLike, mean_y: ArrayLike, cov_y: ArrayLike) -> float:
    """The squared 2-Wasserstein distance of Gaussians with means (D) and covariances (D, D).

    Raises ValueError for sizes that do not fit, or covariances that are not symmetric with no eigenvalue below 0.
    """
    gap = np.asarray(mean_x, float) - np.asarray(mean_y, float)
    return _distance(gap, *(_root(np.asarray(each, float), len(gap)) for each in (cov_x, cov_y)))


def frechet_of_features(x: ArrayLike, y: ArrayLike) -> float:
    """The Fréchet distance of features (rows, D) and (rows', D), two rows or more of each, by unbiased covariances.

    Warns where a set has no more rows than dimensions: the distance then compares only with that of as many rows.
    """
    first, second = _pair(x, y)
    _warn_of_few(first, second)
    return _frechet(first, second.mean(0), _triangle(second))


def frechet_interval(
    x: ArrayLike, y: ArrayLike, *, resamplings: int = 100, level: float = 0.95, seed: int = 0
) -> Interval:
    """`frechet_of_features` with its interval over the rows of `x`.

    Resampled rows repeat, which makes the distance larger: the percentiles are moved by their mean's gap to the value.
    """
    first, second = _pair(x, y)
    _check(resamplings, level)
    _warn_of_few(first, second)
    mean, root = second.mean(0), _triangle(second)
    value = _frechet(first, mean, root)
    random, count = np.random.default_rng(seed), len(first)
    drawn = [np.bincount(random.integers(0, count, count), minlength=count) for _ in range(resamplings)]
    about = first - first.mean(0)
    seen = about @ root.T
    if count <= 2 * first.shape[1]:
        # tr (A B)^½ of few rows X is of the eigenvalues of X B Xᵀ, which resampling weighs but does not change.
        products = seen @ seen.T
        crosses = (_cross_of_few(products, times) for times in drawn)
    else:
        crosses = (_cross_of_many(seen, times) for times in drawn)
    gap, spread = first.mean(0) - mean, np.square(root).sum()
    again = np.array([_moved(about, gap, times) + spread - 2 * c for times, c in zip(drawn, crosses, strict=True)])
    return Interval(value, *_ends(again - again.mean() + value, level))


def kernel_distance(x: ArrayLike, y: ArrayLike) -> float:
    """The unbiased square of the maximum mean discrepancy of features (rows, D) and (rows', D), two rows or more.

    The means within a set are over pairs of different rows. All rows are used, so that nothing is left to chance.
    """
    first, second = _pair(x, y)
    return _within(first) + _within(second) - 2 * _sum_of_kernels(first, second) / (len(first) * len(second))


def kernel_interval(
    x: ArrayLike, y: ArrayLike, *, resamplings: int = 100, level: float = 0.95, seed: int = 0
) -> Interval:
    """`kernel_distance` with its interval over the rows of `x`.

    Of a resampling only pairs of different pictures count, so that it stays unbiased. Holds a matrix (rows, rows).
    """
    first, second = _pair(x, y)
    _check(resamplings, level)
    own = _kernel(first @ first.T, first.shape[1])
    np.fill_diagonal(own, 0)
    cross = np.concatenate([_kernel(part @ second.T, part.shape[1]).mean(1) for part in _blocks(first)])
    count, rest = len(first), _within(second)

    def distance(times: Array) -> float:
        pairs = times.sum() ** 2 - np.square(times).sum()
        return float(times @ own @ times / pairs + rest - 2 * (times @ cross) / times.sum())

    random = np.random.default_rng(seed)
    drawn = (np.bincount(random.integers(0, count, count), minlength=count).astype(float) for _ in range(resamplings))
    # One picture drawn every time says nothing of pairs: it happens with two or three rows alone.
    again = np.array([distance(times) for times in drawn if times.max() < count])
    ends = _ends(again, level) if len(again) else (np.nan, np.nan)
    return Interval(distance(np.ones(count)), *ends)


def kernel_of_subsets(
    x: ArrayLike, y: ArrayLike, *, subsets: int = 100, size: int = 1000, seed: int = 0
) -> tuple[float, float]:
    """Mean and standard deviation of `kernel_distance` over random subsets without repetition, as KID is published.

    A set of fewer rows than `size` lowers it for both. Raises ValueError for no subset, or a size below 2.
    """
    first, second = _pair(x, y)
    if subsets < 1 or size < 2:
        raise ValueError(f"one subset or more of 2 rows or more is wanted, got {subsets} of {size}")
    size = min(size, len(first), len(second))
    random = np.random.default_rng(seed)
    found = [
        kernel_distance(*(rows[random.choice(len(rows), size, replace=False)] for rows in (first, second)))
        for _ in range(subsets)
    ]
    return float(np.mean(found)), float(np.std(found))


def _frechet(rows: Array, mean: Array, root: Array) -> float:
    return _distance(rows.mean(0) - mean, _triangle(rows), root)


def _moved(about: Array, gap: Array, times: NDArray[np.int64]) -> float:
    """‖μ − ν‖² + tr A of rows (n, D) that are drawn so many times, given about their mean, which lies `gap` from ν."""
    weights = times / times.sum()
    shift = weights @ about
    spread = (weights @ np.square(about).sum(1) - shift @ shift) * times.sum() / (times.sum() - 1)
    return float(np.square(gap + shift).sum() + spread)


def _cross_of_few(products: Array, times: NDArray[np.int64]) -> float:
    """tr (A B)^½ of rows X that are drawn so many times; `products` are X B Xᵀ (n, n)."""
    products, weights = products[np.ix_(times > 0, times > 0)], times[times > 0] / times.sum()
    sums = products @ weights
    about_mean = products - sums - sums[:, None] + weights @ sums
    scale = np.sqrt(weights * times.sum() / (times.sum() - 1))
    return float(np.sqrt(np.linalg.eigvalsh(scale[:, None] * about_mean * scale).clip(0)).sum())


def _cross_of_many(seen: Array, times: NDArray[np.int64]) -> float:
    """The same by the covariance of `seen` = X Rᵀ (n, D), where Rᵀ R = B."""
    weights = times / times.sum()
    mean = weights @ seen
    covariance = ((seen.T * weights) @ seen - np.outer(mean, mean)) * times.sum() / (times.sum() - 1)
    return float(np.sqrt(np.linalg.eigvalsh(covariance).clip(0)).sum())


def _triangle(rows: Array) -> Array:
    """A root of the rows' covariance: the triangle of their QR, without squares being formed."""
    return np.asarray(np.linalg.qr((rows - rows.mean(0)) / np.sqrt(len(rows) - 1), mode="r"))


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
    own = float(_kernel(np.square(rows).sum(1), rows.shape[1]).sum())
    return (_sum_of_kernels(rows, rows) - own) / (len(rows) * (len(rows) - 1))


def _sum_of_kernels(x: Array, y: Array) -> float:
    return sum(float(_kernel(part @ y.T, x.shape[1]).sum()) for part in _blocks(x))


def _kernel(products: Array, size: int) -> Array:
    return (products / size + 1) ** 3


def _blocks(rows: Array) -> list[Array]:
    return [rows[start : start + ROWS] for start in range(0, len(rows), ROWS)]


def _ends(again: Array, level: float) -> tuple[float, float]:
    low, high = np.quantile(again, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _check(resamplings: int, level: float) -> None:
    if resamplings < 2 or not 0 < level < 1:
        raise ValueError(f"2 resamplings or more and a level between 0 and 1 are wanted, got {resamplings}, {level}")


def _warn_of_few(x: Array, y: Array) -> None:
    fewest = min(len(x), len(y))
    if fewest <= x.shape[1]:
        warnings.warn(
            f"a Fréchet distance of {fewest} rows in {x.shape[1]} dimensions comes out too large: it compares only "
            "with that of as many rows",
            RuntimeWarning,
            stacklevel=3,
        )


def _pair(x: ArrayLike, y: ArrayLike) -> tuple[Array, Array]:
    first, second = (np.asarray(each, float) for each in (x, y))
    for rows in (first, second):
        if rows.ndim != 2 or len(rows) < 2 or rows.shape[1] == 0 or not np.isfinite(rows).all():
            raise ValueError(f"finite features (rows, D) of 2 rows or more are wanted, got {rows.shape}")
    if first.shape[1] != second.shape[1]:
        raise ValueError(f"features of one width are wanted, got {first.shape} and {second.shape}")
    return first, second
