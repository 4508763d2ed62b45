"""Seams: the Hermite by hand, and borders that meet in place and speed."""

import numpy as np
import pytest
from alm_motion.seams import faded, met

VALUE, SPEED, WIDTH = np.array([0.7, -0.2, 0.4]), np.array([0.05, 0.02, -0.03]), 9.0


def at(tau: float) -> np.ndarray:
    return faded(np.array([tau]), WIDTH, VALUE, SPEED)[0]


def test_a_difference_fades_from_its_value_and_speed_to_nothing() -> None:
    h = 1e-5
    np.testing.assert_allclose(at(0), VALUE)
    np.testing.assert_allclose((at(h) - at(0)) / h, SPEED, atol=1e-5)
    np.testing.assert_allclose(at(WIDTH), 0, atol=1e-12)
    np.testing.assert_allclose((at(WIDTH) - at(WIDTH - h)) / h, 0, atol=1e-5)
    np.testing.assert_allclose(at(WIDTH + 3), 0)


def test_the_middle_is_half_the_value_and_an_eighth_of_the_way_at_its_speed() -> None:
    np.testing.assert_allclose(at(WIDTH / 2), VALUE / 2 + WIDTH * SPEED / 8)


def test_a_model_that_is_off_by_a_line_meets_both_borders_and_stays_itself_far_from_them() -> None:
    rng = np.random.default_rng(0)
    true = np.cumsum(rng.normal(size=(100, 2, 3)), 0)
    off = 0.3 + 0.01 * np.arange(100)[:, None, None] * np.array([1.0, -2.0, 0.5])
    made, given = true + off, np.ones((100, 2), bool)
    given[30:70, 0] = False
    found = met(made, true, given, 20.0)
    assert (found[given] == true[given]).all()
    left = found[:, 0] - true[:, 0]
    np.testing.assert_allclose(left[30] - left[29], 0, atol=0.05)
    np.testing.assert_allclose(left[69] - left[70], 0, atol=0.05)
    np.testing.assert_allclose(found[42:58, 0], made[42:58, 0])
    assert (found[:, 1] == true[:, 1]).all()


@pytest.mark.parametrize("start", [0, 90])
def test_a_gap_at_an_end_has_one_border(start: int) -> None:
    true, made, given = np.zeros((100, 1, 3)), np.ones((100, 1, 3)), np.ones((100, 1), bool)
    given[start : start + 10] = False
    found = met(made, true, given, 20.0)
    near, far = (9, 0) if start == 0 else (90, 99)
    assert np.abs(found[near]).max() < 0.05
    assert found[far].min() > 0.9


def test_a_single_keyframe_gives_place_and_no_speed() -> None:
    true, made, given = np.zeros((41, 1, 3)), np.full((41, 1, 3), 0.5), np.zeros((41, 1), bool)
    given[20] = True
    found = met(made, true, given, 20.0)
    np.testing.assert_allclose(found[20], 0)
    np.testing.assert_allclose(found[19], found[21])
    np.testing.assert_allclose(found[25], 0.5 - faded(np.array([5]), 10, np.full(3, 0.5), np.zeros(3)))


def test_a_motion_that_is_already_met_is_left_as_it_is() -> None:
    true = np.cumsum(np.random.default_rng(1).normal(size=(60, 2, 3)), 0)
    given = np.ones((60, 2), bool)
    given[20:40] = False
    np.testing.assert_array_equal(met(true, true, given, 20.0), true)
