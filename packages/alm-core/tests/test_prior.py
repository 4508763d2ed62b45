"""Conversions between what networks predict, and the steps that follow, by hand in plain floats."""

import math

import pytest
import torch
from alm_core import Counted, Level, Prediction, Schedule
from alm_core.analytic import GaussianMixture
from alm_core.prior import ByCondition, Prior, ancestral, ddim, rows_of, score_coefficient
from alm_core.schedule import sigma
from alm_core.testing import check_prior

T, S = Level(500.0, 0.6, 0.8), Level(200.0, 0.96, 0.28)
X_T, EPS = 0.35, -1.3


def one(value: float) -> torch.Tensor:
    return torch.tensor([[value]])


@pytest.mark.parametrize("kind", ["eps", "x0", "v"])
def test_every_parametrisation_gives_the_same_prediction(kind: str) -> None:
    x0 = (X_T - 0.8 * EPS) / 0.6
    given = {"eps": EPS, "x0": x0, "v": 0.6 * EPS - 0.8 * x0}[kind]
    p = getattr(Prediction, f"from_{kind}")(one(X_T), T, one(given))
    assert float(p.x0) == pytest.approx(x0, rel=1e-6)
    assert float(p.eps) == pytest.approx(EPS, rel=1e-6)


def test_velocity_of_a_flow_is_equation_25() -> None:
    t, x0, eps = 0.7, 0.4, -0.9
    x_t, v = (1 - t) * x0 + t * eps, eps - x0
    p = Prediction.from_velocity(one(x_t), Level(t, 1 - t, t), one(v))
    assert float(p.x0) == pytest.approx(x0, rel=1e-5)
    assert float(p.eps) == pytest.approx(x_t + (1 - t) * v, rel=1e-5)


def test_a_blend_is_x0_under_much_noise_and_a_correction_of_x_t_under_little() -> None:
    out, tau = 0.9, 0.4
    c = tau**2 / (tau**2 + (0.8 / 0.6) ** 2)
    p = Prediction.from_blend(one(X_T), T, one(out), tau)
    x0 = c * X_T / 0.6 + math.sqrt(1 - c) * out
    assert (float(p.x0), float(p.eps)) == pytest.approx((x0, (X_T - 0.6 * x0) / 0.8), rel=1e-5)
    noisy, quiet = Level(999.0, 1e-4, 1.0), Level(1.0, 1.0, 1e-4)
    assert float(Prediction.from_blend(one(X_T), noisy, one(out), tau).x0) == pytest.approx(out, abs=1e-3)
    assert float(Prediction.from_blend(one(X_T), quiet, one(out), tau).x0) == pytest.approx(X_T, abs=1e-3)


def test_velocity_is_well_defined_at_pure_noise() -> None:
    p = Prediction.from_velocity(one(0.3), Level(1.0, 0.0, 1.0), one(1.1))
    assert (float(p.x0), float(p.eps)) == pytest.approx((0.3 - 1.1, 0.3))


def test_ddim_by_hand() -> None:
    expected = 0.96 * (X_T - 0.8 * EPS) / 0.6 + 0.28 * EPS
    assert float(ddim(Prediction.from_eps(one(X_T), T, one(EPS)), S)) == pytest.approx(expected, rel=1e-6)


def test_ddim_on_a_flow_is_euler() -> None:
    t, s = Level(0.7, 0.3, 0.7), Level(0.4, 0.6, 0.4)
    p = Prediction.from_velocity(one(X_T), t, one(1.7))
    assert float(ddim(p, s)) == pytest.approx(X_T + (0.4 - 0.7) * 1.7, rel=1e-5)


def test_ancestral_is_the_posterior_of_ddpm() -> None:
    alpha = (T.a / S.a) ** 2
    x0, z = (X_T - 0.8 * EPS) / 0.6, 0.77
    mean = S.a * (1 - alpha) / T.s**2 * x0 + math.sqrt(alpha) * S.s**2 / T.s**2 * X_T
    expected = mean + math.sqrt(S.s**2 / T.s**2 * (1 - alpha)) * z
    p = Prediction.from_eps(one(X_T), T, one(EPS))
    assert float(ancestral(p, T, S, one(z))) == pytest.approx(expected, rel=1e-5)


def test_score_coefficient_is_what_a_unit_of_score_moves() -> None:
    for eta in (0.0, 0.4, 1.0):
        moved = [
            float(ancestral(Prediction.from_eps(one(X_T), T, one(EPS - T.s * d)), T, S, one(0.0), eta)) for d in (0, 1)
        ]
        assert moved[1] - moved[0] == pytest.approx(score_coefficient(T, S, eta), rel=1e-5)


def test_score_coefficient_of_ddim_is_gamma_of_syncsde() -> None:
    gamma = S.a / T.a - S.s / T.s
    assert score_coefficient(T, S) == pytest.approx((1 - T.a**2) * gamma)
    assert sigma(T, S) > 0


def test_the_fixture_obeys_the_laws_of_a_prior(prior: Prior, schedule: Schedule) -> None:
    check_prior(prior, schedule, (2, 5), conditions=(0.3, -0.4))


def test_counting_counts_calls_and_guided_rows(prior: Prior) -> None:
    counted = Counted(prior)
    counted.predict(torch.zeros(3, 4), T, None)
    counted.predict_guided(torch.zeros(5, 4), T, None)
    assert (counted.calls, counted.rows) == (2, 3 + 2 * 5)


def test_one_condition_serves_all_rows_and_another_number_is_refused() -> None:
    assert rows_of(("a",), 3) == ("a", "a", "a")
    assert rows_of(None, 3) is None
    with pytest.raises(ValueError, match="got 2 for 3 rows"):
        rows_of(("a", "b"), 3)


def test_each_row_is_predicted_by_the_prior_that_is_its_condition_wherever_it_stands() -> None:
    level = Level(7.0, 0.8, 0.6)
    one, other = (
        GaussianMixture(torch.full((1, 3), mean).double(), torch.eye(3).double(), torch.ones(1).double())
        for mean in (-2.0, 3.0)
    )
    x_t = torch.randn(4, 3)
    told = (other, one, other, other)
    made = ByCondition().predict(x_t, level, told)
    for n, prior in enumerate(told):
        alone = prior.predict(x_t[n : n + 1], level, None)
        torch.testing.assert_close(made.x0[n : n + 1], alone.x0.to(made.x0))
        torch.testing.assert_close(made.eps[n : n + 1], alone.eps.to(made.eps))
    assert torch.equal(ByCondition().predict_guided(x_t, level, told).x0, made.x0)
    with pytest.raises(ValueError, match="got 1 for 4 rows"):
        ByCondition().predict(x_t, level, (one,))
