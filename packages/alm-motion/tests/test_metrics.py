"""Measures against closed forms, their definitions by hand, and the public code's numbers."""

import json
import warnings
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from alm_motion.metrics import (
    Interval,
    bootstrap,
    diversity,
    foot_skate,
    frechet_distance,
    gap_error,
    jerk,
    kept_error,
    matching_score,
    r_precision,
    seam_jerk,
    seams_of,
    skating,
)
from alm_motion.skeleton import Array
from evaluator_cases import body, numbers
from scipy.linalg import sqrtm

FIXTURE: dict[str, Any] = json.loads(
    (Path(__file__).parent / "fixtures" / "motion_evaluation.json").read_text(encoding="utf-8")
)["measures"]


def with_moments(mean: Array, root: Array, rows: int = 40) -> Array:
    """Rows of exactly this mean and the covariance rootᵀ root."""
    q, _ = np.linalg.qr(np.column_stack([np.ones(rows), numbers(rows, len(mean), 9)]))
    return q[:, 1:] * np.sqrt(rows - 1) @ root + mean


def test_the_frechet_distance_of_two_gaussians_is_its_closed_form() -> None:
    mean, other = np.array([1.0, -2.0, 0.5]), np.array([0.0, 1.0, 0.75])
    a, b = np.diag([2.0, 0.5, 1.0]), np.diag([0.25, 3.0, 1.5])
    wanted = 1 + 9 + 0.0625 + (2 - 0.25) ** 2 + (0.5 - 3) ** 2 + 0.5**2
    assert frechet_distance(with_moments(mean, a), with_moments(other, b, 50)) == pytest.approx(wanted, rel=1e-10)


def test_the_frechet_distance_takes_covariances_that_do_not_commute() -> None:
    a, b = numbers(3, 3, 20), numbers(3, 3, 21)
    x, y = with_moments(np.zeros(3), a), with_moments(np.zeros(3), b, 55)
    left, right = a.T @ a, b.T @ b
    wanted = np.trace(left + right - 2 * np.real(sqrtm(left @ right)))
    assert frechet_distance(x, y) == pytest.approx(float(wanted), rel=1e-9)
    assert frechet_distance(y, x) == pytest.approx(float(wanted), rel=1e-9)


def test_the_frechet_distance_is_that_of_the_public_code() -> None:
    x, y = numbers(60, 5, 4), 0.7 * numbers(50, 5, 5) @ numbers(5, 5, 6) + 0.4
    assert frechet_distance(x, y) == pytest.approx(FIXTURE["fid"], rel=1e-9)


def test_a_set_is_at_no_distance_from_itself_even_where_its_covariance_is_singular() -> None:
    x = numbers(6, 30, 1)
    with pytest.warns(RuntimeWarning, match="6 rows in 30 dimensions is not reliable"):
        assert frechet_distance(x, x[::-1]) == pytest.approx(0, abs=1e-10)


def test_a_shift_of_a_set_with_too_few_rows_costs_its_square_and_nothing_else() -> None:
    x = numbers(6, 30, 1)
    with pytest.warns(RuntimeWarning):
        assert frechet_distance(x, x + 0.5) == pytest.approx(30 * 0.25, rel=1e-10)


def test_the_frechet_distance_warns_of_few_rows_alone_and_refuses_one() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        frechet_distance(numbers(31, 30, 1), numbers(31, 30, 2))
    with pytest.warns(RuntimeWarning, match="30 rows"):
        frechet_distance(numbers(31, 30, 1), numbers(30, 30, 2))
    with pytest.raises(ValueError, match="2 rows or more in each set, got 5 and 1"):
        frechet_distance(numbers(5, 2, 1), numbers(1, 2, 2))
    with pytest.raises(ValueError, match="of one D"):
        frechet_distance(numbers(5, 2, 1), numbers(5, 3, 2))


def test_each_text_finds_its_own_motion_where_they_are_the_same() -> None:
    x = numbers(96, 4, 1)
    assert r_precision(x, x).tolist() == [1, 1, 1]
    assert matching_score(x, x) == 0


def test_r_precision_counts_the_rank_among_32() -> None:
    # Motions stand 10 apart on a line. A text 5 r + 2 ahead of its own has r others nearer.
    motion = np.arange(64.0)[:, None] * 10
    ranks = np.array([0, 1, 2, 3] * 7 + [0] * 4 + [0, 1] * 15 + [0] * 2)
    text = motion + 5 * ranks[:, None] + 2
    assert r_precision(text, motion).tolist() == [28 / 64, 50 / 64, 57 / 64]
    assert r_precision(text, motion, top=4).tolist()[3] == 1
    assert matching_score(text, motion) == pytest.approx(5 * ranks.mean() + 2)


def test_r_precision_and_matching_score_are_those_of_the_public_code() -> None:
    text = numbers(70, 6, 7)
    motion = text + numbers(70, 6, 8)
    assert r_precision(text, motion).tolist() == FIXTURE["r_precision"]
    assert matching_score(text, motion) == pytest.approx(FIXTURE["matching_score"], rel=1e-12)


def test_r_precision_leaves_out_what_fills_no_batch() -> None:
    text, motion = numbers(70, 6, 7), numbers(70, 6, 8)
    assert r_precision(text, motion).tolist() == r_precision(text[:64], motion[:64]).tolist()
    with pytest.raises(ValueError, match="32 rows are wanted, got 31"):
        r_precision(text[:31], motion[:31])
    with pytest.raises(ValueError, match="a text for each motion"):
        r_precision(text, motion[:64])


def test_r_precision_of_embeddings_that_are_all_alike_is_chance() -> None:
    assert r_precision(np.ones((64, 3)), np.ones((64, 3))).tolist() == [1 / 32, 2 / 32, 3 / 32]


def test_diversity_is_the_mean_distance_of_two_draws() -> None:
    # Of points far from one another, at equal distances: all pairs but those that meet themselves are √2 apart.
    x = np.eye(400)
    found = diversity(x, pairs=300, seed=5)
    same = 300 * (1 - found / np.sqrt(2))
    assert same == pytest.approx(round(same), abs=1e-9)
    assert 0 <= same < 8
    assert found == diversity(x, pairs=300, seed=5)
    assert found * 3 == pytest.approx(diversity(3 * x, pairs=300, seed=5))
    assert diversity(numbers(400, 3, 1), seed=1) != diversity(numbers(400, 3, 1), seed=2)


def test_diversity_draws_each_row_once_at_most_on_a_side() -> None:
    # All rows are drawn on both sides: however they are paired, no side can leave out the one that is far away.
    x = np.zeros((50, 2))
    x[17] = [300.0, 400.0]
    assert diversity(x, pairs=50, seed=0) in (pytest.approx(2 * 500 / 50), 0.0)
    with pytest.raises(ValueError, match="300 pairs want as many rows"):
        diversity(x)


def test_the_bootstrap_of_a_mean_is_as_wide_as_theory_has_it() -> None:
    x = numbers(400, 1, 3)[:, 0]
    found = bootstrap(lambda rows: float(x[rows].mean()), 400, resamplings=4000, level=0.9, seed=1)
    assert found.value == pytest.approx(x.mean())
    half = 1.6449 * x.std() / 20
    assert found.high - found.value == pytest.approx(half, rel=0.06)
    assert found.value - found.low == pytest.approx(half, rel=0.06)


def test_the_bootstrap_covers_the_truth_as_often_as_it_says() -> None:
    hits = 0
    for seed in range(200):
        x = np.random.RandomState(seed).exponential(2.0, 60)
        found = bootstrap(lambda rows, x=x: float(x[rows].mean()), 60, resamplings=200, level=0.8, seed=seed)  # type: ignore[misc]
        hits += found.low <= 2.0 <= found.high
    assert 0.72 < hits / 200 < 0.87


def test_the_bootstrap_stands_around_a_value_that_grows_when_rows_repeat() -> None:
    x, y = numbers(60, 20, 1), numbers(400, 20, 2)
    found = bootstrap(lambda rows: frechet_distance(x[rows], y), 60, resamplings=60)
    assert found.low < found.value < found.high
    assert found == bootstrap(lambda rows: frechet_distance(x[rows], y), 60, resamplings=60)
    assert isinstance(found, Interval)
    with pytest.raises(ValueError, match="2 rows"):
        bootstrap(lambda rows: 0.0, 1)


def sliding(speed: Array, height: float = 0.0, frames: int = 41) -> Array:
    """A body whose left foot slides along the diagonal of the ground, `speed` (frames − 1) in m/s; the right is up."""
    joints = np.full((frames, 22, 3), 1.0)
    way = np.concatenate([[0.0], np.cumsum(np.broadcast_to(speed, frames - 1))]) / 20
    joints[:, 10] = np.stack([0.6 * way, np.full(frames, height), 0.8 * way], 1)
    return joints


def test_a_foot_that_slides_at_a_known_speed_skates() -> None:
    assert foot_skate(sliding(np.array(0.49)), 20) == 0
    assert foot_skate(sliding(np.array(0.51), 0.051), 20) == 0
    # In the mean over five steps the foot stands still beyond the ends: 0.6 · 4/5 is too slow, 0.6 · 5/5 is not.
    found = skating(sliding(np.array(0.6), 0.049), 20)
    assert found.tolist() == [False, False] + [True] * 36 + [False, False]
    assert foot_skate(sliding(np.array(0.6)), 20) == pytest.approx(36 / 40)
    assert foot_skate(sliding(np.array(0.6)), 10) == 0


def test_a_single_quick_step_is_no_skating() -> None:
    speed = np.zeros(40)
    speed[20] = 2.4  # a mean of 0.48 over five
    assert foot_skate(sliding(speed), 20) == 0
    speed[20] = 2.6  # a mean of 0.52, and this step alone is quick
    assert skating(sliding(speed), 20).nonzero()[0].tolist() == [20]


def test_both_ends_of_a_step_must_be_on_the_ground_and_either_foot_counts() -> None:
    joints = sliding(np.array(1.0))
    joints[20, 10, 1] = 0.06
    assert skating(joints, 20).nonzero()[0].tolist() == [*range(19), *range(21, 40)]
    other = joints.copy()
    other[:, [10, 11]] = other[:, [11, 10]]
    assert skating(other, 20).tolist() == skating(joints, 20).tolist()


def test_foot_skate_is_that_of_the_public_code() -> None:
    for speed, wanted in FIXTURE["foot_skate"].items():
        assert foot_skate(body(60, speed=float(speed), turn=0.9), 20) == pytest.approx(wanted, abs=1e-12)


def cubic(frames: int, fps: float, c: Array) -> Array:
    time = np.arange(frames)[:, None, None] / fps
    return c * time**3 + 3 * time**2 - time + 2


def test_the_jerk_of_a_cubic_is_six_times_its_coefficient() -> None:
    c = np.zeros((22, 3))
    c[:, 0], c[:, 2] = 3.0, 4.0
    found = jerk(cubic(12, 60, c), 60)
    assert found.shape == (9,)
    assert found == pytest.approx(np.full(9, 6 * 5.0), rel=1e-6)
    c[1:] = 0
    assert jerk(cubic(12, 25, c), 25) == pytest.approx(np.full(9, 6 * 5.0 / 22), rel=1e-6)
    with pytest.raises(ValueError, match="4 frames or more"):
        jerk(cubic(3, 25, c), 25)
    with pytest.raises(ValueError, match="frame rate"):
        jerk(cubic(12, 25, c), 0)


def test_seam_jerk_takes_the_frames_that_lie_across() -> None:
    # Two cubics that meet: with the second's frames begins the seam, and the stencils of 4 frames across are three.
    joints = cubic(30, 20, np.full((22, 3), 1.0))
    joints[13:, :, 1] += 0.25
    values = jerk(joints, 20)
    found = seam_jerk(joints, [13], 20)
    assert found.seam == pytest.approx(values[10:13].mean())
    assert found.inside == pytest.approx(6 * np.sqrt(3), rel=1e-6)
    assert values[10:13].min() > 100 > values[9] == pytest.approx(values[13])
    assert found.ratio == pytest.approx(found.seam / found.inside)
    both = seam_jerk(joints, np.array([13, 20]), 20)
    assert both.seam == pytest.approx(values[[10, 11, 12, 17, 18, 19]].mean())
    assert both.inside == pytest.approx(found.inside)


def test_a_motion_that_goes_on_smoothly_has_no_seam() -> None:
    assert seam_jerk(cubic(30, 20, np.full((22, 3), 0.7)), [9, 21], 20).ratio == pytest.approx(1, rel=1e-6)
    assert np.isnan(seam_jerk(cubic(5, 20, np.full((22, 3), 0.7)), [2], 20).inside)
    for wrong in ([], [0], [30], [3, 40]):
        with pytest.raises(ValueError, match="from 1 to 29, one or more"):
            seam_jerk(cubic(30, 20, np.full((22, 3), 0.7)), wrong, 20)


def test_seams_are_where_what_is_given_changes() -> None:
    given = np.ones(12, bool)
    given[4:9] = False
    assert seams_of(given).tolist() == [4, 9]
    joints = np.ones((12, 22), bool)
    joints[4:9] = False
    joints[9:11, 20] = False
    assert seams_of(joints).tolist() == [4, 9, 11]
    for first, last in pairwise([0, 4, 9, 12]):
        assert len(set(given[first:last])) == 1


def test_gap_and_kept_errors_are_of_their_own_joints() -> None:
    true = body(20)
    given = np.ones((20, 22), bool)
    given[5:9, 3] = given[6, :2] = False
    made = true.copy()
    made[5:9, 3] += [0.03, 0, 0.04]
    made[6, 0] += [0, 0.2, 0]
    assert gap_error(true, made, given) == pytest.approx((4 * 0.05 + 0.2) / 6)
    assert kept_error(true, made, given) == 0
    made[2, 7] += [0.0002, 0.0003, 0.0006]
    made[11, 7] -= [0, 0, 0.0004]
    assert gap_error(true, made, given) == pytest.approx((4 * 0.05 + 0.2) / 6)
    assert kept_error(true, made, given) == pytest.approx(0.7)


def test_errors_take_whole_frames_and_refuse_what_does_not_fit() -> None:
    true = body(20)
    frames = np.arange(20) < 15
    assert gap_error(true, true + np.array([0, 0, 0.25]), frames) == pytest.approx(0.25)
    assert kept_error(true, true + np.array([0, 0, 0.25]), frames) == pytest.approx(250)
    assert kept_error(true, true + 1, np.zeros(20, bool)) == 0
    with pytest.raises(ValueError, match="no gap to measure"):
        gap_error(true, true, np.ones(20, bool))
    with pytest.raises(ValueError, match=r"\(F, J, 3\)"):
        gap_error(true, true[:19], frames)
    with pytest.raises(ValueError, match=r"\(F\) or \(F, J\)"):
        kept_error(true, true, frames[:19])
