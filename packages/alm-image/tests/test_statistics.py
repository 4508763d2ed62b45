"""Intervals and distances of features: closed forms, hand-made cases, laws."""

import warnings
from typing import Any

import numpy as np
import pytest
from alm_image.statistics import (
    frechet_distance,
    frechet_interval,
    frechet_of_features,
    kernel_distance,
    kernel_interval,
    kernel_of_subsets,
    mean_interval,
)
from scipy.linalg import sqrtm


def normal(seed: int, *shape: int) -> Any:
    return np.random.default_rng(seed).standard_normal(shape)


# Means


def test_the_interval_of_a_mean_is_about_196_standard_errors() -> None:
    values = 3 + 0.5 * normal(0, 400)
    found = mean_interval(values, seed=1)
    error = values.std(ddof=1) / 20
    assert found.value == pytest.approx(values.mean())
    assert found.value - found.low == pytest.approx(1.96 * error, rel=0.12)
    assert found.high - found.value == pytest.approx(1.96 * error, rel=0.12)
    narrow = mean_interval(values, level=0.68, seed=1)
    assert narrow.high - narrow.low == pytest.approx(2 * error, rel=0.12)


def test_intervals_hold_the_true_mean_nineteen_times_in_twenty() -> None:
    inside = 0
    for seed in range(200):
        found = mean_interval(7 + normal(seed, 50), resamplings=200, seed=seed)
        inside += found.low <= 7 <= found.high
    assert 178 <= inside <= 198


def test_one_value_has_a_mean_and_no_interval() -> None:
    found = mean_interval([0.25])
    assert found.value == 0.25
    assert np.isnan(found.low)
    assert np.isnan(found.high)


@pytest.mark.parametrize("values", [[], [[1.0]], [1.0, np.nan]])
def test_a_mean_of_nothing_or_of_nan_is_refused(values: Any) -> None:
    with pytest.raises(ValueError, match="one finite value or more"):
        mean_interval(values)


# Fréchet


def test_the_distance_of_gaussians_that_share_axes_is_known() -> None:
    # Of commuting covariances it is |μ − ν|² + Σ (√a − √b)².
    turn = np.linalg.qr(normal(1, 4, 4))[0]
    a, b = np.array([0.5, 2.0, 3.0, 0.0]), np.array([1.5, 0.1, 4.0, 0.7])
    mu, nu = normal(2, 4), normal(3, 4)
    expected = np.square(mu - nu).sum() + np.square(np.sqrt(a) - np.sqrt(b)).sum()
    found = frechet_distance(mu, turn @ np.diag(a) @ turn.T, nu, turn @ np.diag(b) @ turn.T)
    assert found == pytest.approx(expected)


def test_the_distance_of_features_is_the_formula_with_a_matrix_square_root() -> None:
    x, y = normal(4, 60, 5), 1.3 * normal(5, 80, 5) @ np.triu(np.ones((5, 5))) + 0.2
    a, b = np.cov(x.T), np.cov(y.T)
    expected = np.square(x.mean(0) - y.mean(0)).sum() + np.trace(a + b - 2 * sqrtm(a @ b).real)
    assert frechet_of_features(x, y) == pytest.approx(expected)
    assert frechet_of_features(y, x) == pytest.approx(expected)


def test_the_distance_of_a_set_to_itself_is_0_and_of_a_shifted_one_the_shift() -> None:
    x = normal(6, 30, 4)
    assert frechet_of_features(x, x) == pytest.approx(0, abs=1e-10)
    assert frechet_of_features(x, x + np.array([3, 0, 0, 4])) == pytest.approx(25)


def test_few_rows_are_warned_of() -> None:
    with pytest.warns(RuntimeWarning, match="4 rows in 6 dimensions"):
        frechet_of_features(normal(0, 4, 6), normal(1, 50, 6))


def test_what_is_no_covariance_is_refused() -> None:
    with pytest.raises(ValueError, match="no eigenvalue below 0"):
        frechet_distance([0, 0], [[1, 0], [0, -1]], [0, 0], np.eye(2))
    with pytest.raises(ValueError, match="as wide as the means"):
        frechet_distance([0, 0], np.eye(3), [0, 0], np.eye(2))


def test_the_interval_of_a_distance_is_as_wide_as_other_sets_scatter() -> None:
    y = normal(0, 2000, 3)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = frechet_interval(0.5 + normal(1, 200, 3), y, resamplings=200)
    others = [frechet_of_features(0.5 + normal(seed, 200, 3), y) for seed in range(2, 152)]
    low, high = np.quantile(others, [0.025, 0.975])
    assert found.low < found.value < found.high
    assert found.high - found.low == pytest.approx(high - low, rel=0.35)
    assert found.low < np.mean(others) < found.high


def test_resampling_few_rows_by_their_products_is_resampling_the_rows() -> None:
    x, y = 0.3 + normal(1, 30, 20), normal(2, 90, 20)
    found = frechet_interval(x, y, resamplings=40, seed=9)
    random = np.random.default_rng(9)
    again = np.array([frechet_of_features(x[random.integers(0, 30, 30)], y) for _ in range(40)])
    low, high = np.quantile(again - again.mean() + found.value, [0.025, 0.975])
    assert (found.low, found.high) == pytest.approx((low, high))
    # Rows that repeat make it larger by more than the interval is wide: the interval is about the value all the same.
    assert again.min() > found.value
    assert found.low < found.value < found.high


def test_resampling_many_rows_by_weights_is_resampling_the_rows() -> None:
    x, y = 0.3 + normal(3, 50, 6) @ np.triu(np.ones((6, 6))) + 40, normal(4, 90, 6)
    found = frechet_interval(x, y, resamplings=30, seed=8)
    random = np.random.default_rng(8)
    again = np.array([frechet_of_features(x[random.integers(0, 50, 50)], y) for _ in range(30)])
    low, high = np.quantile(again - again.mean() + found.value, [0.025, 0.975])
    assert (found.low, found.high) == pytest.approx((low, high))


# Kernel


def test_the_kernel_distance_is_the_sum_over_pairs_by_hand() -> None:
    x, y = [[1.0, 0.0], [0.0, 2.0]], [[1.0, 1.0], [0.0, -1.0], [2.0, 0.0]]

    def k(a: list[float], b: list[float]) -> float:
        return ((a[0] * b[0] + a[1] * b[1]) / 2 + 1) ** 3

    within_x = k(x[0], x[1])
    within_y = (k(y[0], y[1]) + k(y[0], y[2]) + k(y[1], y[2])) / 3
    across = sum(k(a, b) for a in x for b in y) / 6
    assert kernel_distance(x, y) == pytest.approx(within_x + within_y - 2 * across)
    assert kernel_interval(x, y).value == pytest.approx(within_x + within_y - 2 * across)


def test_the_kernel_distance_of_one_distribution_is_0_on_average() -> None:
    found = np.array([kernel_distance(normal(2 * s, 10, 4), normal(2 * s + 1, 14, 4)) for s in range(2000)])
    assert abs(found.mean()) < 3 * found.std() / np.sqrt(len(found))
    assert found.min() < 0
    # With each row's own kernel in the means it would be far from 0.
    biased = np.mean([(np.square(normal(s, 10, 4)).sum(1) / 4 + 1) ** 3 for s in range(200)]) / 10
    assert biased > 10 * found.std() / np.sqrt(len(found))


def test_more_rows_than_a_block_sum_up_to_the_same() -> None:
    x, y = normal(0, 1100, 3), normal(1, 1030, 3) + 0.3
    kernels = [(a @ b.T / 3 + 1) ** 3 for a, b in ((x, x), (y, y), (x, y))]
    within = [(k.sum() - np.trace(k)) / (len(k) * (len(k) - 1)) for k in kernels[:2]]
    assert kernel_distance(x, y) == pytest.approx(sum(within) - 2 * kernels[2].mean())


def test_subsets_give_the_same_on_average() -> None:
    x, y = normal(0, 90, 4), 1.2 * normal(1, 110, 4) + 0.2
    mean, deviation = kernel_of_subsets(x, y, subsets=3000, size=20)
    assert abs(mean - kernel_distance(x, y)) < 4 * deviation / np.sqrt(3000)
    assert kernel_of_subsets(x, y, subsets=3, size=1000, seed=5) == kernel_of_subsets(x, y, subsets=3, size=90, seed=5)


def test_the_interval_of_a_kernel_distance_is_as_wide_as_other_sets_scatter() -> None:
    y = normal(0, 400, 3)
    found = kernel_interval(0.4 + normal(1, 100, 3), y, resamplings=300)
    others = [kernel_distance(0.4 + normal(seed, 100, 3), y) for seed in range(2, 82)]
    low, high = np.quantile(others, [0.025, 0.975])
    assert found.low < found.value < found.high
    assert found.high - found.low == pytest.approx(high - low, rel=0.5)


def test_resampled_kernels_count_pairs_of_different_pictures() -> None:
    x, y = normal(1, 5, 3), normal(2, 4, 3)
    found = kernel_interval(x, y, resamplings=6, seed=3)
    random = np.random.default_rng(3)
    again = []
    for _ in range(6):
        drawn = random.integers(0, 5, 5)
        pairs = [(x[i] @ x[j] / 3 + 1) ** 3 for i in drawn for j in drawn if i != j]
        across = np.mean([(x[i] @ row / 3 + 1) ** 3 for i in drawn for row in y])
        within = kernel_distance(y, y) + 2 * np.mean((y @ y.T / 3 + 1) ** 3)  # twice the mean within y
        again.append(np.mean(pairs) + within / 2 - 2 * across)
    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(again, [0.025, 0.975])))


@pytest.mark.parametrize("distance", [frechet_of_features, kernel_distance, kernel_interval, kernel_of_subsets])
def test_features_that_do_not_fit_are_refused(distance: Any) -> None:
    with pytest.raises(ValueError, match="2 rows or more"):
        distance(normal(0, 1, 3), normal(1, 5, 3))
    with pytest.raises(ValueError, match="one width"):
        distance(normal(0, 5, 3), normal(1, 5, 4))
    with pytest.raises(ValueError, match="finite features"):
        distance(normal(0, 5, 3), np.full((5, 3), np.inf))


def test_options_out_of_range_are_refused() -> None:
    x = normal(0, 9, 2)
    for refused in (lambda: kernel_interval(x, x, resamplings=1), lambda: frechet_interval(x, x, level=1.0)):
        with pytest.raises(ValueError, match="2 resamplings or more"):
            refused()
    with pytest.raises(ValueError, match="one subset or more"):
        kernel_of_subsets(x, x, subsets=0)
