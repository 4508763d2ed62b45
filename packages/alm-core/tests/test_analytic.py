"""Exact priors: held against autograd, against Bayes by hand and against their own samples."""

import math

import pytest
import torch
from alm_core import Level, Noise, Schedule
from alm_core.analytic import GaussianMixture, exponential, rbf
from alm_core.schedule import scaled_linear
from alm_core.testing import check_prior
from torch import Tensor

LEVEL = Level(0.3, 0.8, 0.6)


def mixture() -> GaussianMixture:
    """Three modes of different weight over arrays of 2 x 3."""
    means = torch.tensor([[[0.5, -1.0, 2.0], [0.1, 0.7, -0.3]]], dtype=torch.float64)
    means = torch.cat([means, -0.5 * means, means.flip(2) + 0.4])
    return GaussianMixture(means, rbf((2, 3), length_scale=0.6, jitter=0.05), torch.tensor([0.2, 0.5, 0.3]).double())


@pytest.mark.parametrize("level", [LEVEL, Level(1.0, 0.0, 1.0), Level(0.01, 0.999, 0.02)])
def test_eps_is_minus_s_times_the_gradient_of_the_log_density(level: Level) -> None:
    x = Noise.batch(1, 5).draw((2, 3)).double().requires_grad_()
    (score,) = torch.autograd.grad(mixture().log_prob(x, level).sum(), x)
    p = mixture().predict(x.detach(), level)
    torch.testing.assert_close(p.eps, -level.s * score)
    torch.testing.assert_close(level.a * p.x0 + level.s * p.eps, x.detach())


def test_the_density_of_two_modes_in_one_dimension_is_bayes_by_hand() -> None:
    prior = GaussianMixture(torch.tensor([[1.5], [-0.7]]), torch.tensor([[0.3]]), torch.tensor([2.0, 6.0]))
    x, (a, s) = 0.4, (LEVEL.a, LEVEL.s)
    variance = a * a * 0.3 + s * s
    parts = [
        w / 8 * math.exp(-((x - a * m) ** 2) / (2 * variance)) / math.sqrt(2 * math.pi * variance)
        for w, m in ((2, 1.5), (6, -0.7))
    ]
    assert float(prior.log_prob(torch.tensor([[x]]), LEVEL)) == pytest.approx(math.log(sum(parts)), rel=1e-5)
    # E[x_0 | x]: each mode's own regression, weighed by its responsibility.
    x0 = sum(p / sum(parts) * (m + a * 0.3 / variance * (x - a * m)) for p, m in zip(parts, (1.5, -0.7), strict=True))
    assert float(prior.predict(torch.tensor([[x]]), LEVEL).x0) == pytest.approx(x0, rel=1e-5)


def test_the_posterior_is_bayes_by_hand_in_two_dimensions() -> None:
    means, c = ((0.3, -1.0), (-0.6, 1.4)), ((1.2, 0.7), (0.7, 0.9))
    prior = GaussianMixture(torch.tensor(means).double(), torch.tensor(c).double(), torch.tensor([0.3, 0.7]))
    given, hole = 0.25, -0.4
    posterior = prior.posterior(torch.tensor([[given, 99.0]]), torch.tensor([0.0, 1.0]))

    def normal(x: float, mean: float, variance: float) -> float:
        return math.exp(-((x - mean) ** 2) / (2 * variance)) / math.sqrt(2 * math.pi * variance)

    weights = [w * normal(given, m[0], c[0][0]) for w, m in zip((0.3, 0.7), means, strict=True)]
    centres = [m[1] + c[1][0] / c[0][0] * (given - m[0]) for m in means]
    variance = c[1][1] - c[1][0] ** 2 / c[0][0]
    density = sum(w / sum(weights) * normal(hole, m, variance) for w, m in zip(weights, centres, strict=True))
    assert float(posterior.log_prob(torch.tensor([[7.0, hole]]))) == pytest.approx(math.log(density), rel=1e-6)


def test_posterior_and_prior_differ_by_what_is_given_alone() -> None:
    """log p(x) − log p(hole | given) is log p(given): the same for every hole."""
    prior, mask = mixture(), torch.tensor([[1.0, 0, 1], [0, 0, 1]])
    x = Noise.batch(2, 1).draw((2, 3)).double()
    others = torch.where(mask > 0, Noise.batch(3, 6).draw((2, 3)).double(), x)
    posterior = prior.posterior(x.expand(6, 2, 3), mask)
    evidence = prior.log_prob(others) - posterior.log_prob(others)
    torch.testing.assert_close(evidence, evidence[:1].expand(6))


def test_samples_have_the_mixtures_mean_and_covariance() -> None:
    prior = mixture()
    x = prior.sample(Noise.batch(0, 20_000)).flatten(1)
    mean = (prior.weights[:, None] * prior.means.flatten(1)).sum(0)
    apart = prior.means.flatten(1) - mean
    torch.testing.assert_close(x.mean(0), mean, atol=0.05, rtol=0)
    expected = prior.covariance + (prior.weights[:, None] * apart).T @ apart
    torch.testing.assert_close(x.T.cov(), expected, atol=0.06, rtol=0)


def test_posterior_samples_keep_the_given_part_and_have_the_posteriors_moments() -> None:
    prior, mask = mixture(), torch.tensor([[1.0, 0, 1], [0, 0, 1]])
    x = Noise.batch(4, 1).draw((2, 3)).double().expand(20_000, 2, 3)
    posterior = prior.posterior(x, mask)
    y = posterior.sample(Noise.batch(9, 20_000))
    given = mask.expand_as(y) == 0
    assert torch.equal(y[given], x[given])
    weights = posterior.log_weights[0].exp()
    torch.testing.assert_close(y[:, mask > 0].mean(0), weights @ posterior.means[0], atol=0.03, rtol=0)
    # Entropy and cross-entropy agree where the samples are the density's own.
    assert float(posterior.log_prob(y).mean()) == pytest.approx(_negative_entropy(posterior.root), abs=0.6)


def _negative_entropy(root: Tensor) -> float:
    """Of one mode: a mixture's differs by at most the entropy of its weights."""
    return float(-root.diagonal().log().sum() - len(root) / 2 * math.log(2 * math.pi * math.e))


def test_kernels_fall_with_the_distance_as_their_names_say() -> None:
    line = {"length_scale": 0.4, "variance": 2.0, "jitter": 0.01}
    assert float(rbf((3,), **line)[0, 1]) == pytest.approx(2 * math.exp(-(0.5**2) / (2 * 0.4**2)))
    assert float(exponential((3,), **line)[0, 2]) == pytest.approx(2 * math.exp(-1 / 0.4))
    assert float(rbf((3,), **line)[1, 1]) == pytest.approx(2.01)
    # Entry 5 of a 2 x 3 grid lies at (1, 1), entry 1 at (0, 0.5).
    assert float(exponential((2, 3), **line)[5, 1]) == pytest.approx(2 * math.exp(-math.hypot(1, 0.5) / 0.4))


def test_a_mixture_obeys_the_laws_of_a_prior() -> None:
    check_prior(mixture(), Schedule.leading(scaled_linear(), 10), (2, 3))
    check_prior(mixture(), Schedule.rectified_flow(10), (2, 3))


@pytest.mark.parametrize(
    ("weights", "covariance", "wanted"),
    [
        ([1.0], torch.eye(2), "as many positive weights"),
        ([1.0, -1.0], torch.eye(2), "as many positive weights"),
        ([1.0, 1.0], torch.eye(3), "covariance of 2 x 2"),
        ([1.0, 1.0], torch.ones(2, 2), "positive definite"),
    ],
)
def test_what_does_not_fit_is_refused(weights: list[float], covariance: Tensor, wanted: str) -> None:
    with pytest.raises(ValueError, match=wanted):
        GaussianMixture(torch.zeros(2, 2), covariance, torch.tensor(weights))
