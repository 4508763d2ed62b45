"""How methods compare where the truth is known: the order of the papers, and the room above it."""

from functools import cache

import pytest
import torch
from alm_core import ALM, FixedNoise, FreshNoise, Method, Noise, RePaint, Schedule, StochasticALM, SyncSDE, sample
from alm_core.analytic import GaussianMixture, exponential, rbf
from alm_core.metrics import log_density_gap
from alm_core.schedule import scaled_linear
from torch import Tensor

ROWS = 96
ALPHAS = scaled_linear()
SCHEDULE = Schedule.leading(ALPHAS, 50, final_alpha=ALPHAS[0])
LINE = torch.linspace(0, 2 * torch.pi, 40, dtype=torch.float64)
MEANS = torch.stack([LINE.sin(), -LINE.sin(), (2 * LINE).cos()])
PLANE = torch.stack([LINE.sin(), (2 * LINE).cos()])[:, :36].view(2, 6, 6)
SMOOTH = GaussianMixture(MEANS, rbf((40,), length_scale=0.1, jitter=1e-3), torch.tensor([0.5, 0.3, 0.2]))
ROUGH = GaussianMixture(MEANS, exponential((40,), length_scale=0.2, jitter=1e-3), torch.ones(3))
FLAT = GaussianMixture(PLANE, rbf((6, 6), length_scale=0.5, jitter=1e-3), torch.ones(2))
HOLE = ((LINE > 2) & (LINE < 4)).double()
CORNER = torch.zeros(6, 6, dtype=torch.float64)
CORNER[2:, 3:] = 1
INSTANCES = {
    "smooth": (SMOOTH, HOLE, SCHEDULE),
    "rough": (ROUGH, HOLE, SCHEDULE),
    "plane": (FLAT, CORNER, SCHEDULE),
    "flow": (SMOOTH, HOLE, Schedule.rectified_flow(50)),
}


@cache
def result(name: str, method: Method) -> tuple[float, float]:
    """The gap in nats and the std ratio."""
    prior, mask, schedule = INSTANCES[name]
    noise = Noise.batch(0, ROWS)
    truth = prior.sample(noise.child(11))
    exact = prior.posterior(truth, mask).sample(noise.child(12))
    reference = FixedNoise() if isinstance(method, ALM | SyncSDE) else FreshNoise()
    y = sample(prior, schedule, noise=noise, x_0=truth, mask=mask, method=method, reference=reference)
    filled = torch.where(mask > 0, y.double(), truth)

    def spread(x: Tensor) -> float:
        return float(x[:, mask > 0].std(0).mean())

    return log_density_gap(prior.log_prob(exact), prior.log_prob(filled)), spread(filled) / spread(exact)


def gap(name: str, method: Method) -> float:
    return result(name, method)[0]


@pytest.mark.parametrize(
    ("name", "pull"),
    [
        ("smooth", SyncSDE()),
        ("smooth", ALM(off_last=1)),
        ("plane", SyncSDE()),
        ("plane", ALM(off_last=1)),
        ("flow", SyncSDE()),
    ],
)
def test_alm_leaves_less_than_0_6_of_the_gap_of_syncsde(name: str, pull: Method) -> None:
    assert gap(name, ALM()) < 0.6 * gap(name, pull)


@pytest.mark.parametrize("name", ["smooth", "plane"])
def test_one_step_of_alm_is_within_15_percent_of_ten(name: str) -> None:
    assert gap(name, ALM()) == pytest.approx(gap(name, ALM(iterations=10)), rel=0.15)


@pytest.mark.parametrize("name", ["smooth", "plane"])
def test_stochastic_alm_leaves_less_than_0_4_of_the_gap_of_repaint(name: str) -> None:
    assert abs(gap(name, StochasticALM())) < 0.4 * gap(name, RePaint(10, eta=0.0))


@pytest.mark.parametrize("name", INSTANCES)
def test_stochastic_alm_is_neither_thin_nor_over_dense(name: str) -> None:
    found, std = result(name, StochasticALM())
    assert abs(found) < 3
    assert 0.9 < std < 1.1
