"""Distances of feature sets whose distances are known."""

import math
import warnings

import numpy as np
import pytest
from alm_video.statistics import Moments, bootstrap, frechet_distance, frechet_of_features, kernel_distance


def rotation(size: int, seed: int) -> np.ndarray:
    return np.linalg.qr(np.random.default_rng(seed).standard_normal((size, size)))[0]


def spread(values: list[float], seed: int) -> np.ndarray:
    """A covariance with these eigenvalues, turned."""
    turned = rotation(len(values), seed)
    return turned * values @ turned.T


# Fréchet distance


def test_on_a_line_it_is_that_of_means_and_of_deviations() -> None:
    assert frechet_distance([1.5], [[4.0]], [-0.5], [[0.25]]) == pytest.approx(2.0**2 + (2 - 0.5) ** 2)


def test_of_covariances_that_commute_it_is_that_of_their_roots() -> None:
    a, b = [4.0, 1.0, 0.0, 9.0], [0.25, 2.0, 1.0, 9.0]
    wanted = 0.3**2 + 0.7**2 + sum((math.sqrt(x) - math.sqrt(y)) ** 2 for x, y in zip(a, b, strict=True))
    mean_a, mean_b = np.array([0.3, 1, 2, 3]), np.array([0, 1.7, 2, 3])
    assert frechet_distance(mean_a, np.diag(a), mean_b, np.diag(b)) == pytest.approx(wanted)
    turn = rotation(4, 2)
    turned = frechet_distance(turn @ mean_a, spread(a, 2), turn @ mean_b, spread(b, 2))
    assert turned == pytest.approx(wanted)


def test_in_the_plane_the_trace_of_the_root_is_known() -> None:
    # Of a 2 × 2 matrix with eigenvalues ≥ 0, tr M^½ = (tr M + 2 √det M)^½. These do not commute.
    a, b = np.array([[2.0, 0.5], [0.5, 1.0]]), np.array([[1.0, -0.7], [-0.7, 3.0]])
    cross = math.sqrt(np.trace(a @ b) + 2 * math.sqrt(np.linalg.det(a @ b)))
    wanted = 0.6**2 + np.trace(a) + np.trace(b) - 2 * cross
    assert frechet_distance([0.6, 2], a, [0, 2], b) == pytest.approx(wanted)
    assert frechet_distance([0, 2], b, [0.6, 2], a) == pytest.approx(wanted)


def test_it_is_zero_of_one_and_the_same_and_does_not_turn() -> None:
    a, b = spread([5, 1e-3, 2, 0], 3), spread([1, 2, 3, 4], 4)
    mean, turn = np.arange(4.0), rotation(4, 5)
    assert frechet_distance(mean, a, mean, a) == pytest.approx(0, abs=1e-12)
    plain = frechet_distance(mean, a, mean * 2, b)
    assert frechet_distance(turn @ mean, turn @ a @ turn.T, turn @ mean * 2, turn @ b @ turn.T) == pytest.approx(plain)


@pytest.mark.parametrize(
    "covariance", [[[1.0, 0.5], [0.4, 1.0]], [[1.0, 0.0], [0.0, -0.1]], [[1.0]], [[math.nan, 0], [0, 1]]]
)
def test_what_is_no_covariance_is_refused(covariance: list[list[float]]) -> None:
    with pytest.raises(ValueError, match="covariance"):
        frechet_distance([0, 0], covariance, [0, 0], np.eye(2))


def test_of_features_it_is_that_of_their_moments() -> None:
    rng = np.random.default_rng(6)
    x, y = rng.standard_normal((40, 3)) * [1, 2, 3], rng.standard_normal((25, 3)) * [1, 1, 2] - 0.5
    by_moments = frechet_distance(x.mean(0), np.cov(x.T), y.mean(0), np.cov(y.T))
    assert frechet_of_features(x, y) == pytest.approx(by_moments)
    assert frechet_of_features(x, x) == pytest.approx(0, abs=1e-12)


def test_of_many_draws_it_is_that_of_the_gaussians() -> None:
    rng = np.random.default_rng(7)
    x, y = rng.standard_normal((40000, 2)) * [1, 3], 0.5 + rng.standard_normal((40000, 2)) * [2, 1]
    assert frechet_of_features(x, y) == pytest.approx(2 * 0.25 + 1 + 4, rel=0.03)


def test_of_few_rows_it_warns() -> None:
    rng = np.random.default_rng(8)
    with pytest.warns(RuntimeWarning, match="5 rows in 6 dimensions"):
        frechet_of_features(rng.standard_normal((5, 6)), rng.standard_normal((30, 6)))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        frechet_of_features(rng.standard_normal((7, 6)), rng.standard_normal((30, 6)))


# Moments


def test_moments_of_batches_are_those_of_all_rows() -> None:
    rng = np.random.default_rng(9)
    rows = 1e4 + rng.standard_normal((31, 4)) * [1, 2, 3, 4]
    found = Moments.of(rows[:5]) + Moments.of(rows[5:6]) + Moments.of(rows[6:])
    assert found.count == 31
    np.testing.assert_allclose(found.mean, rows.mean(0), rtol=1e-13)
    np.testing.assert_allclose(found.covariance, np.cov(rows.T), rtol=1e-8, atol=1e-9)
    with pytest.raises(ValueError, match="2 rows"):
        _ = Moments.of(rows[:1]).covariance
    with pytest.raises(ValueError, match="finite features"):
        Moments.of(np.full((3, 2), np.inf))


# Kernel distance


def test_the_kernel_distance_is_that_by_hand() -> None:
    x, y = [[1.0, 2.0], [0.0, -1.0], [3.0, 1.0]], [[2.0, 2.0], [1.0, -3.0]]

    def kernel(a: list[float], b: list[float]) -> float:
        return ((a[0] * b[0] + a[1] * b[1]) / 2 + 1) ** 3

    # x: (−2/2+1)³ = 0, (5/2+1)³ = 42.875, (−1/2+1)³ = 0.125; y: (−4/2+1)³ = −1
    within_x, within_y = (0 + 42.875 + 0.125) / 3, -1.0
    across = sum(kernel(a, b) for a in x for b in y) / 6
    assert kernel_distance(x, y) == pytest.approx(within_x + within_y - 2 * across)


def test_its_expectation_is_zero_for_one_distribution() -> None:
    rng = np.random.default_rng(10)
    found = [kernel_distance(rng.standard_normal((8, 3)), rng.standard_normal((13, 3))) for _ in range(3000)]
    error = np.std(found) / math.sqrt(len(found))
    assert abs(np.mean(found)) < 3 * error
    assert min(found) < 0
    assert error < 0.05


def test_blocks_add_up(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(11)
    x, y = rng.standard_normal((17, 5)), rng.standard_normal((9, 5)) + 0.5
    whole = kernel_distance(x, y)
    monkeypatch.setattr("alm_video.statistics.ROWS", 4)
    assert kernel_distance(x, y) == pytest.approx(whole)
    assert kernel_distance(y, x) == pytest.approx(whole)


def test_features_of_two_widths_are_refused() -> None:
    for distance in (kernel_distance, frechet_of_features):
        with pytest.raises(ValueError, match="one width"):
            distance(np.ones((3, 2)), np.ones((3, 4)))
        with pytest.raises(ValueError, match="2 rows or more"):
            distance(np.ones((1, 2)), np.ones((3, 2)))


# Intervals


def test_the_interval_of_a_difference_of_means_is_the_usual() -> None:
    rng = np.random.default_rng(12)
    x, y = rng.standard_normal(80) * 3, rng.standard_normal(50) + 1
    found = bootstrap(lambda i, j: float(x[i].mean() - y[j].mean()), (80, 50), resamplings=2000, level=0.9, seed=3)
    half = 1.645 * math.sqrt(x.var() / 80 + y.var() / 50)
    assert found.value == x.mean() - y.mean()
    assert found.low == pytest.approx(found.value - half, abs=0.1 * half)
    assert found.high == pytest.approx(found.value + half, abs=0.1 * half)


def test_the_interval_of_a_distance_lies_around_it() -> None:
    rng = np.random.default_rng(13)
    x, y = rng.standard_normal((60, 4)), rng.standard_normal((60, 4)) + 0.5
    for distance in (frechet_of_features, kernel_distance):
        found = bootstrap(lambda i, j, d=distance: d(x[i], y[j]), (60, 60))
        assert found.low < found.value < found.high


def test_what_repeated_rows_alone_change_is_taken_off() -> None:
    found = bootstrap(lambda i, j: float(len(set(i.tolist()))), (60, 5))  # of 60 draws about 38 differ
    assert found.value == 60
    assert 52 < found.low < 60 < found.high < 68


def test_a_bootstrap_wants_groups() -> None:
    with pytest.raises(ValueError, match="2 groups"):
        bootstrap(lambda i, j: 0.0, (1, 5))
