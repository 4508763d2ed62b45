"""StochasticALM by hand, what methods cost, and the laws that hold for all of them.

The other methods' equations are held in tests/test_equations.py.
"""

import math
from collections.abc import Sequence
from dataclasses import replace

import pytest
import torch
from alm_core import (
    ALM,
    DPS,
    BlendedLatents,
    Counted,
    FixedNoise,
    FreshNoise,
    Independent,
    LanPaint,
    Level,
    Method,
    Noise,
    Observed,
    Prediction,
    Prior,
    ReconstructionGuidance,
    RePaint,
    Replacement,
    Schedule,
    SMCDiff,
    Step,
    StochasticALM,
    SyncSDE,
    sample,
)
from alm_core.analytic import GaussianMixture, rbf
from alm_core.reference import Recorded
from alm_core.testing import check_method, check_sampler_limit
from torch import Tensor

Floats = list[float]
Y, X, M = [0.7, -0.4, 1.3], [-0.2, 0.9, 0.5], [1.0, 0.0, 0.3]
T, S = Level(0.6, 0.55, math.sqrt(1 - 0.55**2)), Level(0.4, 0.8, 0.6)


def eps(x: Sequence[float]) -> Floats:
    """A network that looks at its neighbours."""
    return [0.31 * x[i] - 0.42 * x[(i + 1) % 3] + 0.05 * x[i] ** 2 for i in range(3)]


def guided(x: Sequence[float]) -> Floats:
    return [0.54 * x[i] + 0.23 * x[(i + 2) % 3] - 0.11 for i in range(3)]


def z(k: int) -> Floats:
    return [math.sin(3 * k + i + 1) for i in range(3)]


def blend(x: Sequence[float], y: Sequence[float]) -> Floats:
    return [x[i] * (1 - M[i]) + y[i] * M[i] for i in range(3)]


def x_t(k: int) -> Floats:
    return [x + 0.13 * k for x in X]


def run(method: Method, *, index: int = 3, given: bool = True, t: Level = T, s: Level = S) -> Floats:
    def network(by: object) -> object:
        return lambda x: Prediction.from_eps(x, t, torch.tensor([by(x[0].tolist())], dtype=torch.float64))  # type: ignore[operator]

    at = Step(
        t=t,
        s=s,
        index=index,
        count=10,
        time=0.61,
        flow=False,
        predict=lambda *xs: tuple(network(eps)(x) for x in xs),  # type: ignore[operator]
        predict_guided=network(guided),  # type: ignore[arg-type]
        noise=lambda k: row(z(k)),
        observed=Observed(row(M), lambda k: row(x_t(k))) if given else None,
    )
    return [float(v) for v in method.step(row(Y), at)[0]]


def row(values: Sequence[float]) -> Tensor:
    return torch.tensor([values], dtype=torch.float64)


def descend(e: Sequence[float], m: Sequence[float], spread: float, t: Level = T, s: Level = S) -> Floats:
    """The ancestral step whose noise z(0) passes through the network too."""
    r = (s.s / s.a) / (t.s / t.a)
    kappa = spread * t.a * math.sqrt((1 - r) / (1 + r))
    ahead = [e[i] + m[i] * kappa * t.s * z(0)[i] for i in range(3)]
    of = guided(ahead)
    x0 = [(ahead[i] - t.s * of[i]) / t.a for i in range(3)]
    return [s.a * x0[i] + s.s * (r * of[i] + (math.sqrt(1 - r * r) - r * kappa) * z(0)[i]) for i in range(3)]


def moves(count: int, tau: float, c: float) -> Floats:
    """`count` moves from Y: kick, half drift, friction, half drift."""
    y, v = list(Y), z(1)
    for k in range(count):
        e = blend(x_t(k), y)
        kick, ahead = (tau, 0.0) if k else (tau / 2, tau / 4)
        force = eps([e[i] + M[i] * T.s * ahead * v[i] for i in range(3)])
        v = [v[i] - kick * force[i] for i in range(3)]
        after = [c * v[i] + math.sqrt(1 - c * c) * z(2 + k)[i] for i in range(3)]
        y = [e[i] + M[i] * T.s * (tau / 2 * v[i] + tau / 2 * after[i]) for i in range(3)]
        v = after
    return y


@pytest.mark.parametrize(("index", "count"), [(3, 2), (7, 2), (8, 3), (9, 3)])
def test_stochastic_alm_makes_its_moves_and_then_its_step(index: int, count: int) -> None:
    method = StochasticALM(early=2, late=3, last=0.2, move=1.3, inertia=0.35, spread=0.7, clean=False)
    e = blend(x_t(count), moves(count, 1.3, 0.35))
    assert run(method, index=index) == pytest.approx(descend(e, M, 0.7))


def test_stochastic_alm_without_moves_and_spread_is_ancestral_replacement() -> None:
    method = StochasticALM(early=0, spread=0.0)
    assert run(method) == pytest.approx(run(RePaint(resamplings=1)))


def test_stochastic_alm_lands_on_clean_data_in_its_last_step_alone() -> None:
    method = StochasticALM(early=1, late=1, move=1.3, inertia=0.35, spread=0.7)
    e = blend(x_t(1), moves(1, 1.3, 0.35))
    assert run(method, index=9) == pytest.approx(descend(e, M, 0.7, s=Level(0.0, 1.0, 0.0)))
    assert run(method, index=8) == pytest.approx(descend(e, M, 0.7))


def test_stochastic_alm_takes_the_step_alone_with_nothing_given() -> None:
    assert run(StochasticALM(spread=0.7), given=False) == pytest.approx(descend(Y, [1, 1, 1], 0.7))


def test_stochastic_alm_starts_from_the_pure_noise_of_a_flow() -> None:
    """a_t = 0, where σ_t is infinite: the step is a_s x̂_0 + s_s z."""
    t, s = Level(1.0, 0.0, 1.0), Level(0.9, 0.1, 0.9)
    at = Step(t, s, 0, 10, 1.0, True, lambda *xs: (), lambda y: Prediction(0.3 * y, y), lambda k: row(z(k)), None)
    by_hand = [s.a * 0.3 * Y[i] + s.s * z(0)[i] for i in range(3)]
    assert StochasticALM().step(row(Y), at)[0].tolist() == pytest.approx(by_hand)


VARIANCES = torch.tensor([2.0, 0.3, 0.02, 1e-4], dtype=torch.float64)
GAUSSIAN = GaussianMixture(torch.zeros(1, 4), VARIANCES.diag(), torch.ones(1))


def spread_after(method: Method, t: Level, s: Level) -> Floats:
    """The variance of y_s over the exact one, for 40,000 samples of the exact marginal at t."""

    def noise(k: int) -> Tensor:
        return torch.randn(40_000, 4, generator=torch.Generator().manual_seed(k), dtype=torch.float64)

    at = Step(
        t=t,
        s=s,
        index=0,
        count=9,
        time=1.0,
        flow=False,
        predict=lambda *xs: tuple(GAUSSIAN.predict(x, t) for x in xs),
        predict_guided=lambda x: GAUSSIAN.predict(x, t),
        noise=noise,
        observed=Observed(torch.ones(4), lambda k: torch.zeros(4), torch.zeros(4)),
    )
    y_s = method.step((t.a**2 * VARIANCES + t.s**2).sqrt() * noise(99), at)
    return [float(v) for v in y_s.var(0) / (s.a**2 * VARIANCES + s.s**2)]


@pytest.mark.parametrize("early", [1, 2, 30])
@pytest.mark.parametrize("method", [StochasticALM(), StochasticALM(inertia=0.0, move=1.0)])
def test_the_moves_keep_the_variance_of_a_gaussian(method: StochasticALM, early: int) -> None:
    """The step that follows goes nowhere. Euler's moves of this size would add more than half where noise is all."""
    method = replace(method, early=early)
    t = Level(1.0, 0.9, math.sqrt(1 - 0.9**2))
    assert spread_after(method, t, Level(1.0, 0.9 + 1e-9, t.s)) == pytest.approx([1, 1, 1, 1], abs=0.15)


def test_the_step_loses_less_than_half_of_the_variance_that_ddpm_loses() -> None:
    t, s = Level(1.0, 0.96, 0.28), Level(0.5, 0.99, math.sqrt(1 - 0.99**2))
    ours, ddpm = (spread_after(StochasticALM(early=0, spread=spread), t, s) for spread in (1.0, 0.0))
    assert ddpm[1] < 0.95
    assert ddpm[2] < 0.8
    assert 0 < 1 - ours[1] < 0.5 * (1 - ddpm[1])
    assert 0 < 1 - ours[2] < 0.5 * (1 - ddpm[2])
    assert (ours[3], ddpm[3]) == pytest.approx((1, 1), abs=0.02)


HOLE = torch.tensor([0.0, 0, 1, 1, 1, 0])


def test_blended_latents_is_replacement_but_for_its_first_and_last_step(prior: Prior, schedule: Schedule) -> None:
    """Replacement's first step sees X_t already: where both start from it holes are equal. The last lands on X_0."""
    noise, x_0 = Noise.batch(0, 2), Noise.batch(50, 1).draw((2, 6)) * (1 - HOLE)
    clean = Schedule((*schedule.levels[:-1], Level(0.0, 1.0, 0.0)))

    def both(z: Tensor) -> list[Tensor]:
        reference = Recorded(tuple(level.a * x_0 + level.s * z for level in clean.levels))
        options = {"noise": noise, "x_0": x_0, "mask": HOLE, "reference": reference}
        return [sample(prior, clean, method=method, **options) for method in (BlendedLatents(), Replacement())]  # type: ignore[arg-type]

    top = clean.levels[0]
    blended, replaced = both((noise.draw((2, 6), 0) - top.a * x_0) / top.s)  # X_T is Y_T
    torch.testing.assert_close(blended * HOLE, replaced * HOLE, rtol=0, atol=1e-5)
    torch.testing.assert_close(blended * (1 - HOLE), x_0.expand(2, 2, 6), rtol=0, atol=1e-5)
    assert float((replaced * (1 - HOLE) - x_0).abs().max()) > 1e-2
    blended, replaced = both(Noise.batch(9, 2).draw((2, 6)))
    assert float(((blended - replaced) * HOLE).abs().max()) > 1e-3


def test_dps_with_all_to_generate_is_ddpm(prior: Prior, schedule: Schedule) -> None:
    """Its error is 0 then, and the quotient of gradient and norm none."""
    options = {"noise": Noise.batch(0, 2), "x_0": torch.zeros(1, 2, 6), "mask": torch.ones(2, 6)}
    guided, plain = (sample(prior, schedule, method=method, **options) for method in (DPS(), RePaint(1)))  # type: ignore[arg-type]
    torch.testing.assert_close(guided, plain)


def test_lanpaint_without_moves_is_replacement(prior: Prior, schedule: Schedule) -> None:
    torch.testing.assert_close(complete(LanPaint(inner=0), prior, schedule), complete(Replacement(), prior, schedule))


def moved(method: LanPaint, x_0: Sequence[float], mask: Sequence[float], of_y: float, t: Level = T) -> Floats:
    """E after the moves from Y, for a network whose x̂_0 is `of_y` y: the step that follows gives E back."""
    at = Step(
        t=t,
        s=t,
        index=0,
        count=1,
        time=1.0,
        flow=False,
        predict=lambda *xs: (),
        predict_guided=lambda y: Prediction.from_x0(y, t, of_y * y),
        noise=lambda k: row(z(k)),
        observed=Observed(row(mask), lambda k: row(x_t(k)), row(x_0)),
    )
    return [float(v) for v in method.step(row(Y), at)[0]]


def test_lanpaint_with_much_friction_is_overdamped_langevin() -> None:
    """Solved exactly for a held x̂_0, η in units of s_t²; the given part's η is β η, its target (1 + λ) X_0 − λ x̂_0."""
    x_0, mask = [0.4, -0.7, 0.2], [1.0, 0.0, 1.0]
    e = [X[i] * (1 - mask[i]) + Y[i] * mask[i] for i in range(3)]
    by_hand = []
    for i in range(3):
        kept = math.exp(-0.35 if mask[i] else -0.35 * 0.8)
        target = T.a * (0.3 * e[i] if mask[i] else 2.5 * x_0[i] - 1.5 * 0.3 * e[i])
        by_hand.append(target + kept * (e[i] - target) + T.s * math.sqrt(1 - kept**2) * z(2)[i])
    method = LanPaint(inner=1, lam=1.5, step_size=0.35, friction=1e5, beta=0.8)
    assert moved(method, x_0, mask, 0.3) == pytest.approx(by_hand, abs=1e-4)


def test_lanpaint_holds_the_given_part_up_to_a_step_that_lam_sets() -> None:
    """Where the network takes all for data, x̂_0 = y/a: β η below ln((λ + 1)/(λ − 1)), which is .405 for λ = 5."""
    for eta, beta, holds in ((0.39, 1.0, True), (0.45, 1.0, False), (0.45, 0.8, True)):
        method = LanPaint(inner=400, step_size=eta, beta=beta)
        e = moved(method, [0.4, -0.7, 0.2], [0.0, 0.0, 0.0], 1 / T.a)
        assert (max(abs(v) for v in e) < 20) == holds


@pytest.mark.parametrize("friction", [15.0, 1.5])
def test_lanpaint_keeps_the_variance_of_a_gaussian_as_its_step_shrinks(friction: float) -> None:
    """What is lost, by holding x̂_0 through a move, halves with the step; where noise is all, nothing is."""
    t = Level(1.0, 0.9, math.sqrt(1 - 0.9**2))
    lost = []
    for inner, eta in ((10, 0.4), (20, 0.2)):
        method = LanPaint(inner=inner, step_size=eta, friction=friction)
        kept = spread_after(method, t, Level(1.0, 0.9 + 1e-9, t.s))
        assert kept[3] == pytest.approx(1, abs=0.03)
        lost.append(1 - kept[1])
    assert lost[0] > 0.05
    assert lost[1] / lost[0] == pytest.approx(0.5, abs=0.15)


def test_lanpaint_leaves_a_fraction_of_the_gap_of_replacement() -> None:
    """On an exact prior, in nats to the posterior's own samples."""
    prior, noise = (
        GaussianMixture(torch.zeros(1, 2, 6), rbf((2, 6), length_scale=0.5, jitter=0.01), torch.ones(1)),
        Noise.batch(3, 300),
    )
    truth, levels = prior.sample(noise.child(11)), Schedule.rectified_flow(20)
    exact = prior.log_prob(prior.posterior(truth, HOLE).sample(noise.child(12))).mean()

    def gap(method: Method) -> float:
        y = sample(prior, levels, noise=noise, x_0=truth, mask=HOLE, method=method, reference=FreshNoise())
        return float(exact - prior.log_prob(torch.where(HOLE > 0, y.double(), truth)).mean())

    assert abs(gap(LanPaint())) < 0.2 * gap(Replacement())


def test_syncsde_pulls_all_the_way_from_the_pure_noise_of_a_flow() -> None:
    """a_t = 0, where γ is infinite."""
    t, s = Level(1.0, 0.0, 1.0), Level(0.9, 0.1, 0.9)
    observed = Observed(row(M), lambda k: row(x_t(k)))
    at = Step(t, s, 0, 10, 1.0, True, lambda *xs: (), lambda y: Prediction(0.3 * y, y), lambda k: row(z(k)), observed)
    by_hand = [0.1 * 0.3 * Y[i] + 0.9 * Y[i] - (1 - M[i]) * (Y[i] - X[i]) for i in range(3)]
    assert SyncSDE().step(row(Y), at)[0].tolist() == pytest.approx(by_hand)


LONG = Schedule(
    tuple(
        Level(float(i), math.sqrt(1 - v * v), v)
        for i, v in zip(range(20, -1, -1), torch.linspace(0.99, 0.01, 21).tolist(), strict=True)
    )
)


@pytest.mark.parametrize(
    ("method", "calls", "rows"),
    [
        (Independent(), 20, 40),
        (Replacement(), 20, 40),
        (SyncSDE(), 20, 40),
        (ReconstructionGuidance(), 20, 40),
        (BlendedLatents(), 20, 40),
        (DPS(), 20, 40),
        (LanPaint(), 120, 240),
        (RePaint(4), 80, 160),
        (ALM(), 40, 80),
        (ALM(iterations=3), 80, 160),
        (ALM(conditional=0), 40, 60),
        (ALM(off_last=0.2), 36, 72),
        (ALM(w1=0, w2=0), 20, 40),
        (StochasticALM(), 56, 76),
        (SMCDiff(), 20, 20 * 64 * 2),
        (StochasticALM(early=0, late=3, last=0.5), 50, 70),
    ],
)
def test_calls_and_rows_of_a_run_of_20_steps(method: Method, calls: int, rows: int, prior: Prior) -> None:
    """Rows for one sample; the guided call counts two."""
    counted = Counted(prior)
    mask = torch.tensor([[0.0, 1.0, 1.0]])
    sample(counted, LONG, noise=Noise.batch(0, 3), x_0=row(X), mask=mask, method=method, reference=FreshNoise())
    assert (counted.calls, counted.rows) == (calls, 3 * rows)


def test_alm_does_not_ask_the_network_where_its_weights_are_0(prior: Prior) -> None:
    """σ_t = 0 in the step that ends on clean data."""
    clean = Schedule((*LONG.levels[:-1], Level(0.0, 1.0, 0.0)))
    counted = Counted(prior)
    sample(counted, clean, noise=Noise.batch(0, 1), x_0=row(X), mask=torch.tensor([[0.0, 1.0, 1.0]]), method=ALM())
    assert counted.calls == 2 * 20 - 1


@pytest.mark.parametrize("steps", [4, 30, 50, 100, 250])
def test_stochastic_alm_spends_three_calls_a_step_at_any_number(steps: int) -> None:
    counted = Counted(EXACT)
    levels = Schedule.rectified_flow(steps)
    sample(
        counted,
        levels,
        noise=Noise.batch(0, 1),
        x_0=torch.zeros(1, 2, 6),
        mask=torch.ones(2, 6),
        method=StochasticALM(),
        reference=FreshNoise(),
    )
    assert counted.calls == pytest.approx(3 * steps, abs=4, rel=0.07)


EXACT = GaussianMixture(torch.zeros(1, 2, 6), rbf((2, 6), length_scale=0.5, jitter=0.01), torch.ones(1))
METHODS = [
    (ALM(), 2),
    (ALM(iterations=3), 4),
    (ALM(eta=1), 2),
    (SyncSDE(), 1),
    (Replacement(), 1),
    (RePaint(3), 3),
    (RePaint(3, eta=0.0), 3),
    (ReconstructionGuidance(), 1),
    (BlendedLatents(), 1),
    (DPS(), 1),
    (LanPaint(), 6),
    (LanPaint(inner=2, lam=0.0, friction=0.5), 3),
    (StochasticALM(), 3),
    (SMCDiff(1), 1),
    (SMCDiff(5), 1),
    (Independent(), 1),
]


@pytest.mark.parametrize(("method", "calls"), METHODS)
@pytest.mark.parametrize("flow", [False, True])
def test_every_method_obeys_the_laws(method: Method, calls: int, flow: bool, schedule: Schedule) -> None:
    check_method(method, EXACT, Schedule.rectified_flow(12) if flow else schedule, (2, 6), calls=calls)


DETERMINISTIC = [
    ALM(),
    ALM(iterations=3),
    SyncSDE(),
    Replacement(),
    BlendedLatents(),
    ReconstructionGuidance(),
]


@pytest.mark.parametrize("method", DETERMINISTIC)
def test_a_deterministic_method_with_nothing_given_is_plain_ddim(
    method: Method, prior: Prior, schedule: Schedule
) -> None:
    check_sampler_limit(method, prior, schedule, (2, 6))


def test_strength_0_is_independent(schedule: Schedule) -> None:
    for levels in (schedule, Schedule.rectified_flow(12)):
        plain = complete(Independent(), EXACT, levels)
        for method in (SyncSDE(strength=0), ALM(w1=0, w2=0), ALM(w1=0, off_last=1)):
            assert torch.equal(complete(method, EXACT, levels), plain)


def test_one_iteration_is_the_acceleration_and_many_tend_to_a_limit(prior: Prior, schedule: Schedule) -> None:
    """ΔY of N small moves differs from that of infinitely many by O(1/N)."""
    many = complete(ALM(conditional=3.0, iterations=256), prior, schedule)
    errors = [float((complete(ALM(conditional=3.0, iterations=n), prior, schedule) - many).norm()) for n in (1, 4, 16)]
    assert errors[0] < 0.1 * float((complete(ALM(off_last=1), prior, schedule) - many).norm())
    assert errors[0] > 2 * errors[1]
    assert errors[1] / errors[2] == pytest.approx(4, rel=0.15)


def test_each_ablation_is_another_method(prior: Prior, schedule: Schedule) -> None:
    options = [{}, {"off_last": 1}, {"conditional": 0}, {"w2": 0}, {"iterations": 9}, {"off_last": 0.5}]
    ablations = [ALM(**{"w2": 0.05, **each}) for each in options]
    found = [complete(method, prior, schedule) for method in ablations]
    for i, one in enumerate(found):
        assert all(float((one - other).abs().max()) > 1e-4 for other in found[:i])


def complete(method: Method, prior: Prior, levels: Schedule) -> Tensor:
    given = Noise.batch(50, 1).draw((2, 6))
    mask = torch.tensor([0.0, 0, 1, 1, 1, 0])
    return sample(prior, levels, noise=Noise.batch(0, 2), x_0=given, mask=mask, method=method, reference=FixedNoise())


@pytest.mark.parametrize(
    ("method", "options"),
    [
        (ALM, {"w1": -1}),
        (ALM, {"iterations": 0}),
        (ALM, {"off_last": 1.1}),
        (ALM, {"eta": -0.1}),
        (ALM, {"conditional": -1}),
        (SyncSDE, {"strength": -1}),
        (RePaint, {"resamplings": 0}),
        (SMCDiff, {"particles": 0}),
        (RePaint, {"eta": 2}),
        (ReconstructionGuidance, {"weight": -1}),
        (DPS, {"zeta": -1}),
        (LanPaint, {"inner": -1}),
        (LanPaint, {"lam": -1}),
        (LanPaint, {"step_size": 0}),
        (LanPaint, {"friction": 0}),
        (LanPaint, {"beta": -1}),
        (StochasticALM, {"early": -1}),
        (StochasticALM, {"move": 2}),
        (StochasticALM, {"inertia": 1}),
        (StochasticALM, {"last": 0}),
        (StochasticALM, {"spread": 1.1}),
    ],
)
def test_options_out_of_range_are_refused(method: type[Method], options: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="must"):
        method(**options)


def test_methods_that_need_the_clean_part_say_so() -> None:
    for method in (ReconstructionGuidance(), ALM(imputation=True), BlendedLatents(), DPS(), LanPaint(), SMCDiff(1)):
        with pytest.raises(ValueError, match="lockstep=False"):
            run(method)
