"""The particle filter: its step by hand, its limit on a Gaussian, and particles as rows of `sample`."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import pytest
import torch
from alm_core import (
    Level,
    Method,
    Noise,
    Observed,
    Prediction,
    Prior,
    Schedule,
    Slice,
    SMCDiff,
    Step,
    extend,
    sample,
)
from alm_core.analytic import GaussianMixture
from alm_core.diagnostics import mask_deviation
from alm_core.sample import Progress
from alm_core.stream import Strip, stream
from torch import Tensor

T, S = Level(0.6, 0.55, math.sqrt(1 - 0.55**2)), Level(0.4, 0.8, 0.6)
CLEAN = Level(0.0, 1.0, 0.0)
SIGMA = (S.s / T.s) * math.sqrt(1 - (T.a / S.a) ** 2)
M = [0.0, 1.0, 0.0, 1.0]
X_0 = [[0.35, -0.8, 0.15, 0.4], [-0.6, 0.2, 0.9, -0.1]]
X_T = [[0.1, 9.0, -0.7, 9.0], [0.8, 9.0, 0.3, 9.0]]
HOLES = [[0.7, -0.4], [-1.1, 0.2], [0.3, 1.6], [1.2, 0.9], [-0.5, -0.8], [0.05, 0.6]]
Row = Sequence[float]


def eps(x: Row) -> list[float]:
    """A network that looks at its neighbours."""
    return [0.31 * x[i] - 0.62 * x[(i + 1) % 4] + 0.05 * x[i] ** 2 for i in range(4)]


def z(k: int, row: int) -> list[float]:
    return [math.sin(3 * k + 2 * row + i + 1) for i in range(4)]


def mean(x: Row, x0: Row, s: Level) -> list[float]:
    """That of q(x_s | x_t, x_0) of DDPM."""
    ratio = (T.a / s.a) ** 2
    return [(s.a * (1 - ratio) * x0[i] + (T.a / s.a) * s.s**2 * x[i]) / T.s**2 for i in range(4)]


def expected(x: Row) -> list[float]:
    e = eps(x)
    return [(x[i] - T.s * e[i]) / T.a for i in range(4)]


def rows(particles: int) -> list[list[float]]:
    """E_t of each particle, row r particle r // 2 of sample r mod 2."""
    return [[X_T[r % 2][0], HOLES[r][0], X_T[r % 2][2], HOLES[r][1]] for r in range(2 * particles)]


def run(method: SMCDiff, y_t: list[list[float]], *, s: Level = S, index: int = 3, given: bool = True) -> Tensor:
    def predict(x: Tensor) -> Prediction:
        return Prediction.from_eps(x, T, torch.tensor([eps(row) for row in x.tolist()], dtype=torch.float64))

    x_0, mask = torch.tensor(X_0, dtype=torch.float64), torch.tensor(M, dtype=torch.float64)
    x_0 = x_0.repeat(len(y_t) // 2, 1)
    at = Step(
        t=T,
        s=s,
        index=index,
        count=10,
        time=0.61,
        flow=False,
        predict=lambda *xs: tuple(predict(x) for x in xs),
        predict_guided=predict,
        noise=lambda k: torch.tensor([z(k, row) for row in range(len(y_t))], dtype=torch.float64),
        observed=Observed(mask, lambda k: x_0 * math.nan, x_0) if given else None,
    )
    return method.step(torch.tensor(y_t, dtype=torch.float64), at)


def ancestors(log_w: Row, u: float) -> list[int]:
    """Systematic resampling: places u/K, (1 + u)/K, … on a line that is cut into the weights."""
    weights = [math.exp(w - max(log_w)) for w in log_w]
    chosen, below, k = [], 0.0, 0
    for j, w in enumerate(weights):
        below += w / sum(weights)
        while k < len(log_w) and (k + u) / len(log_w) <= below:
            chosen.append(j)
            k += 1
    return chosen


def by_hand(particles: int) -> list[list[float]]:
    e_t = rows(particles)
    found = [[0.0] * 4 for _ in e_t]
    for n in range(2):
        own = range(n, 2 * particles, 2)
        x_s = [m + SIGMA * v for m, v in zip(mean(e_t[n], X_0[n], S), z(0, n), strict=True)]
        means = [mean(e_t[r], expected(e_t[r]), S) for r in own]
        log_w = [-sum((x_s[i] - mu[i]) ** 2 for i in (0, 2)) / (2 * SIGMA**2) for mu in means]
        u = 0.5 * (1 + math.erf(z(1, n)[0] / math.sqrt(2)))
        for r, j in zip(own, ancestors(log_w, u), strict=True):
            found[r] = [x_s[i] if M[i] == 0 else means[j][i] + SIGMA * z(0, r)[i] for i in range(4)]
    return found


@pytest.mark.parametrize("particles", [1, 2, 3])
def test_smcdiff_weighs_by_the_given_part_and_then_moves(particles: int) -> None:
    found = run(SMCDiff(particles), rows(particles))
    for one, wanted in zip(found.tolist(), by_hand(particles), strict=True):
        assert one == pytest.approx(wanted)


def test_the_weights_of_the_case_by_hand_change_who_goes_on() -> None:
    """Else a wrong sign or scale of them would pass."""
    unweighed = [mean(e, expected(e), S)[1] + SIGMA * z(0, r)[1] for r, e in enumerate(rows(3))]
    assert [row[1] for row in by_hand(3)] != pytest.approx(unweighed)


def test_smcdiff_starts_from_one_noise_of_the_given_part() -> None:
    """The first particle's, at the first step alone."""
    y_t = [[v + 0.1 * r for v in row] for r, row in enumerate(rows(2))]
    start = [
        [T.a * X_0[r % 2][i] + T.s * y_t[r % 2][i] if M[i] == 0 else y_t[r][i] for i in range(4)] for r in range(4)
    ]
    torch.testing.assert_close(run(SMCDiff(2), y_t, index=0), run(SMCDiff(2), start, index=1))


def test_smcdiff_lands_on_clean_data_without_weighing() -> None:
    found = run(SMCDiff(3), rows(3), s=CLEAN)
    for r, e in enumerate(rows(3)):
        x0 = expected(e)
        assert found[r].tolist() == pytest.approx([X_0[r % 2][0], x0[1], X_0[r % 2][2], x0[3]])


def test_smcdiff_with_nothing_given_is_ancestral() -> None:
    found = run(SMCDiff(3), rows(3), given=False)
    for r, e in enumerate(rows(3)):
        assert found[r].tolist() == pytest.approx(
            [m + SIGMA * v for m, v in zip(mean(e, expected(e), S), z(0, r), strict=True)]
        )


COVARIANCE = torch.tensor(
    [[1.0, 0.9, 0.7, 0.5], [0.9, 1.0, 0.9, 0.7], [0.7, 0.9, 1.0, 0.9], [0.5, 0.7, 0.9, 1.0]], dtype=torch.float64
)
GAUSSIAN = GaussianMixture(torch.tensor([[0.3, -0.5, 0.2, 0.9]]), COVARIANCE, torch.ones(1))
GIVEN = torch.tensor([[1.5, 0.0, -0.8, 0.0]], dtype=torch.float64)


def posterior_errors(particles: int, steps: int = 30) -> tuple[float, float]:
    """How far the mean and the covariance over all particles of many samples are from the exact posterior's."""
    levels, draws = Schedule.log_sigma(steps, highest=30.0, lowest=0.05), torch.Generator().manual_seed(7)
    samples = max(8000 // particles, 250)

    def noise(k: int) -> Tensor:
        return torch.randn(samples * particles, 4, generator=draws, dtype=torch.float64)

    y, mask = noise(0), torch.tensor([0.0, 1.0, 0.0, 1.0])
    method, observed = SMCDiff(particles), Observed(mask, lambda k: GIVEN, GIVEN)
    for index, (t, s) in enumerate(zip(levels.levels, levels.levels[1:], strict=False)):

        def predict(x: Tensor, level: Level = t) -> Prediction:
            return GAUSSIAN.predict(x, level)

        y = method.step(y, Step(t, s, index, steps, 0.5, False, lambda *xs: (), predict, noise, observed))
    exact, hole = GAUSSIAN.posterior(GIVEN, mask), y[:, mask > 0]
    apart = float((hole.mean(0) - exact.means[0, 0]).norm())
    return apart, float((hole.T.cov() - exact.root @ exact.root.T).norm())


def test_smcdiff_tends_to_the_posterior_of_a_gaussian_as_particles_grow() -> None:
    """Its mean is (−0.39, −0.48) and its deviations are 0.22 and 0.40; a mean of 250 samples errs by about 0.03."""
    errors = [posterior_errors(particles) for particles in (1, 4, 16, 64)]
    means, covariances = zip(*errors, strict=True)
    assert means[0] > 0.6
    assert all(more < 0.65 * fewer for fewer, more in pairwise(means))
    assert means[3] < 0.1
    assert covariances[0] > 0.12
    assert max(covariances[1:]) < 0.07


@dataclass(frozen=True)
class Numbered(Method):
    """Answers with the number of each row."""

    particles: int = 3

    def step(self, y_t: Tensor, at: Step) -> Tensor:
        return torch.arange(len(y_t)).float()[:, None].expand_as(y_t)


def test_the_result_is_any_one_particle_of_each_sample(prior: Prior, schedule: Schedule) -> None:
    found = sample(
        prior,
        schedule,
        noise=Noise.batch(0, 600),
        x_0=torch.zeros(1, 2),
        mask=torch.tensor([0.0, 1.0]),
        method=Numbered(),
    )[:, 0].long()
    assert torch.equal(found % 600, torch.arange(600))
    assert torch.bincount(found // 600).tolist() == pytest.approx([200, 200, 200], abs=45)


def test_a_method_of_particles_makes_as_many_samples_and_shows_as_many(prior: Prior, schedule: Schedule) -> None:
    seen: list[Progress] = []
    options = {"noise": Noise.batch(0, 2), "x_0": torch.zeros(1, 4), "mask": torch.tensor(M), "method": SMCDiff(5)}
    assert sample(prior, schedule, on_step=seen.append, **options).shape == (2, 4)  # type: ignore[arg-type]
    assert {tuple(p.y().shape) for p in seen} == {tuple(p.x0().shape) for p in seen} == {(2, 4)}
    assert sample(prior, schedule, noise=Noise.batch(0, 2), shape=(4,), method=SMCDiff(5)).shape == (2, 4)


def test_particles_keep_to_the_given_part_and_the_condition_of_their_sample(prior: Prior, schedule: Schedule) -> None:
    x_0, conditions = Noise.batch(50, 3).draw((4,)), (0.0, 4.0, -7.0)

    def run_of(rows_of_it: slice) -> Tensor:
        noise = Noise(Noise.batch(7, 3).seeds[rows_of_it])
        return sample(
            prior,
            schedule,
            noise=noise,
            x_0=x_0[rows_of_it],
            mask=torch.tensor(M),
            method=SMCDiff(6),
            conditions=conditions[rows_of_it],
        )

    together = run_of(slice(None))
    for n in range(3):
        torch.testing.assert_close(run_of(slice(n, n + 1))[0], together[n], atol=1e-4, rtol=0)
    given = together[:, torch.tensor(M) == 0] - schedule.levels[-1].a * x_0[:, torch.tensor(M) == 0]
    assert float(given.abs().max()) < 6 * schedule.levels[-1].s + 1e-6


def test_the_mask_deviation_of_a_run_of_particles_is_watched(prior: Prior, schedule: Schedule) -> None:
    hole = torch.tensor(M)
    found = mask_deviation(
        prior,
        schedule,
        noise=Noise.batch(0, 2),
        x_0=torch.zeros(1, 4),
        mask=hole,
        perturbed=torch.tensor([0.0, 1.0, 1.0, 1.0]),
        method=SMCDiff(3),
    )
    assert len(found) == schedule.steps
    assert all(value > 0 for value in found)


def test_windows_in_order_refuse_particles(prior: Prior, schedule: Schedule) -> None:
    canvas, noise = torch.zeros(1, 1, 8), Noise.batch(0, 1)
    windows = [Slice((0,), (6,)), Slice((2,), (6,))]
    with pytest.raises(ValueError, match="SMCDiff has 4 particles a sample and wants one window, and"):
        extend(prior, schedule, windows, canvas, torch.ones_like(canvas), noise=noise, method=SMCDiff(4))
    strip = Strip([0, 2], 6, lambda a, b: (canvas[..., a:b], torch.ones_like(canvas[..., a:b])))
    with pytest.raises(ValueError, match="wants one window"):
        list(stream(lambda x, m: prior, schedule, strip, noise=noise, method=SMCDiff(4)))
    extend(prior, schedule, windows, canvas, torch.ones_like(canvas), noise=noise, method=SMCDiff(1), lockstep=False)
