"""Levels and grids: closed forms and the papers' numbers."""

import math

import pytest
from alm_core import Level, Schedule
from alm_core.schedule import cosine, linear, scaled_linear, sigma


def test_stable_diffusion_grid_is_981_to_1() -> None:
    schedule = Schedule.leading(scaled_linear(), 50)
    assert [level.t for level in schedule.levels[:3]] == [981, 961, 941]
    assert schedule.levels[-2].t == 1
    assert (schedule.levels[-1].a, schedule.levels[-1].s) == (1.0, 0.0)


@pytest.mark.parametrize("alphas", [scaled_linear(), linear(), cosine()])
def test_vp_levels_keep_unit_variance(alphas: list[float]) -> None:
    for level in Schedule.trailing(alphas, 10).levels:
        assert level.a**2 + level.s**2 == pytest.approx(1)


def test_cumulative_alpha_is_the_product_by_hand() -> None:
    assert linear(0.1, 0.3, 3) == pytest.approx([0.9, 0.9 * 0.8, 0.9 * 0.8 * 0.7])
    b = [0.1, (math.sqrt(0.1) + math.sqrt(0.4)) ** 2 / 4, 0.4]
    assert scaled_linear(0.1, 0.4, 3) == pytest.approx([1 - b[0], (1 - b[0]) * (1 - b[1]), math.prod(1 - x for x in b)])


def test_sigma_is_equation_12_over_the_sampled_levels() -> None:
    alpha_t, alpha_s = 0.3, 0.7
    t, s = (Level(0, math.sqrt(x), math.sqrt(1 - x)) for x in (alpha_t, alpha_s))
    assert sigma(t, s) == pytest.approx(math.sqrt((1 - alpha_s) / (1 - alpha_t)) * math.sqrt(1 - alpha_t / alpha_s))


def test_sigma_has_the_published_size_over_50_steps() -> None:
    schedule = Schedule.leading(scaled_linear(), 50, final_alpha=scaled_linear()[0])
    found = {level.t: sigma(level, s) for level, s in zip(schedule.levels, schedule.levels[1:], strict=False)}
    assert found[981] == pytest.approx(0.4545, abs=1e-4)
    assert found[481] == pytest.approx(0.288, abs=1e-3)
    assert found[21] == pytest.approx(0.040, abs=1e-3)
    assert found[1] == pytest.approx(0.021, abs=1e-3)


def test_flow_levels_run_from_noise_to_clean_and_shift_towards_noise() -> None:
    plain, shifted = Schedule.rectified_flow(4), Schedule.rectified_flow(4, shift=3.0)
    assert [level.t for level in plain.levels] == pytest.approx([1, 0.75, 0.5, 0.25, 0])
    assert shifted.levels[2].t == pytest.approx(3 * 0.5 / (1 + 2 * 0.5))
    assert plain.flow
    assert all(level.a + level.s == pytest.approx(1) for level in shifted.levels)


def test_log_sigma_is_even_in_log_sigma() -> None:
    levels = Schedule.log_sigma(5, highest=16.0, lowest=1.0).levels[:-1]
    assert [level.s / level.a for level in levels] == pytest.approx([16, 8, 4, 2, 1])


@pytest.mark.parametrize("steps", [0, -1, 1001])
def test_a_wrong_number_of_steps_is_refused(steps: int) -> None:
    with pytest.raises(ValueError, match="steps"):
        Schedule.leading(scaled_linear(), steps)


def test_levels_that_do_not_descend_are_refused() -> None:
    with pytest.raises(ValueError, match="noise must fall"):
        Schedule.vp(scaled_linear(), [1, 501])


def test_a_leading_grid_that_would_start_far_from_noise_is_refused() -> None:
    """Strides are whole: 600 steps of 1000 would be the indices 600, …, 1."""
    with pytest.raises(ValueError, match="ask for 500 or fewer, or for 1000"):
        Schedule.leading(scaled_linear(), 600)
    assert Schedule.leading(scaled_linear(), 1000, offset=0).levels[0].t == 999
