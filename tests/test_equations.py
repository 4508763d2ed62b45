"""The papers' equations by hand: plain floats, one element at a time, every argument another number."""

import math
from collections.abc import Callable, Sequence

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
    Inversion,
    LanPaint,
    Level,
    Method,
    Noise,
    Observed,
    Prediction,
    ReconstructionGuidance,
    RePaint,
    Replacement,
    Schedule,
    Step,
    SyncSDE,
    sample,
)
from alm_core.reference import Recorded
from torch import Tensor

Y = [0.7, -0.4, 1.3]
X = [-0.2, 0.9, 0.5]
X_0 = [0.35, -0.8, 0.15]
M = [1.0, 0.0, 0.3]
T, S = Level(0.6, 0.55, math.sqrt(1 - 0.55**2)), Level(0.4, 0.8, 0.6)
FLOW_T, FLOW_S = Level(0.7, 0.3, 0.7), Level(0.45, 0.55, 0.45)
SIGMA = (S.s / T.s) * math.sqrt(1 - (T.a / S.a) ** 2)
TIME = 0.61
Floats = list[float]


def eps(x: Sequence[float]) -> Floats:
    """A network that looks at its neighbours: ε of an element depends on another element."""
    return [0.31 * x[i] - 0.42 * x[(i + 1) % 3] + 0.05 * x[i] ** 2 for i in range(3)]


def guided(x: Sequence[float]) -> Floats:
    return [0.54 * x[i] + 0.23 * x[(i + 2) % 3] - 0.11 for i in range(3)]


def noise(k: int) -> Floats:
    return [math.sin(3 * k + i + 1) for i in range(3)]


def x_t(k: int) -> Floats:
    return [x + 0.13 * k for x in X]


def ddim(x: Sequence[float], e: Sequence[float], t: Level = T, s: Level = S) -> Floats:
    return [s.a * (x[i] - t.s * e[i]) / t.a + s.s * e[i] for i in range(3)]


def ancestral(x: Sequence[float], e: Sequence[float], z: Sequence[float]) -> Floats:
    """q(x_s | x_t, x̂_0) of DDPM, written as its own mean and variance."""
    ratio = (T.a / S.a) ** 2
    found = []
    for i in range(3):
        x0 = (x[i] - T.s * e[i]) / T.a
        mean = (S.a * (1 - ratio) * x0 + (T.a / S.a) * S.s**2 * x[i]) / T.s**2
        found.append(mean + SIGMA * z[i])
    return found


def blend(x: Sequence[float], y: Sequence[float], m: Sequence[float] = M) -> Floats:
    return [x[i] * (1 - m[i]) + y[i] * m[i] for i in range(3)]


def run(method: Method, *, index: int = 3, flow: bool = False, given: bool = True, mask: Sequence[float] = M) -> Floats:
    """The method's step from Y, as floats."""
    t, s = (FLOW_T, FLOW_S) if flow else (T, S)

    def network(by: Callable[[Sequence[float]], Floats]) -> Callable[[Tensor], Prediction]:
        # Row by row in tensors, so that gradients pass.
        return lambda x: Prediction.from_eps(x, t, torch.stack(by(list(x[0].unbind())))[None])  # type: ignore[arg-type]

    observed = Observed(row(mask), lambda k: row(x_t(k)), row(X_0)) if given else None
    at = Step(
        t=t,
        s=s,
        index=index,
        count=10,
        time=TIME,
        flow=flow,
        predict=lambda *xs: tuple(network(eps)(x) for x in xs),
        predict_guided=network(guided),
        noise=lambda k: row(noise(k)),
        observed=observed,
    )
    return [float(v) for v in method.step(row(Y), at)[0]]


def row(values: Sequence[float]) -> Tensor:
    return torch.tensor([values], dtype=torch.float64)


def alm(w1: float, w2: float, w1_prime: float, rounds: int, t: Level = T, s: Level = S) -> Floats:
    """Eq. 1 (`rounds` times, of a share each) and Eq. 2 with the weights of this step."""
    y = list(Y)
    for _ in range(rounds):
        of_y, of_e = eps(y), eps(blend(X, y))
        y = [y[i] + M[i] * (w1_prime * (of_y[i] - of_e[i]) - w2 * of_e[i]) / rounds for i in range(3)]
    reverse = ddim(y, guided(y), t, s)
    return [reverse[i] + w1 * (1 - M[i]) * (X[i] - y[i]) for i in range(3)]


def test_alm_is_equations_1_2_and_12() -> None:
    assert run(ALM(w1=0.9, w2=0.07)) == pytest.approx(alm(0.9 * SIGMA, 0.07 * SIGMA, 0.9 * SIGMA, 1))


def test_alm_unaccelerated_takes_n_steps_of_equation_9() -> None:
    by_hand = alm(0.9 * SIGMA, 0.07 * SIGMA, 0.9 * SIGMA, 4)
    assert run(ALM(w1=0.9, w2=0.07, iterations=4)) == pytest.approx(by_hand)
    assert run(ALM(w1=0.9, w2=0.07)) != pytest.approx(by_hand)


def test_alm_on_a_flow_decays_by_equation_27() -> None:
    decay = FLOW_T.s**4
    by_hand = alm(0.9 * decay, 0.07 * decay, 0.45 * decay, 1, FLOW_T, FLOW_S)
    assert run(ALM(w1=0.9, w2=0.07), flow=True) == pytest.approx(by_hand)


def test_w1_is_1_on_a_diffusion_and_64_on_a_flow_where_it_is_not_named() -> None:
    assert run(ALM(w2=0.07)) == pytest.approx(alm(SIGMA, 0.07 * SIGMA, SIGMA, 1))
    decay = FLOW_T.s**4
    assert run(ALM(w2=0.07), flow=True) == pytest.approx(alm(1.0, 0.07 * decay, 0.5, 1, FLOW_T, FLOW_S))
    assert 64 * decay > 1


@pytest.mark.parametrize(
    ("method", "weights"),
    [
        (ALM(w1=0.9, w2=0.07, conditional=0.0), (0.9, 0.07, 0.0)),
        (ALM(w1=0.9, w2=0.0), (0.9, 0.0, 0.9)),
        (ALM(w1=0.9, w2=0.07, off_last=1.0), (0.9, 0.0, 0.0)),
    ],
)
def test_each_ablation_leaves_out_its_term(method: ALM, weights: tuple[float, float, float]) -> None:
    w1, w2, w1_prime = (SIGMA * w for w in weights)
    assert run(method) == pytest.approx(alm(w1, w2, w1_prime, 1))


def test_alm_leaves_the_hole_alone_in_the_last_fraction() -> None:
    method, still = ALM(w1=0.9, w2=0.07, off_last=0.2), alm(0.9 * SIGMA, 0.0, 0.0, 1)
    assert run(method, index=8) == pytest.approx(still)
    assert run(method, index=7) != pytest.approx(still)


def test_the_pull_of_alm_never_passes_x() -> None:
    assert run(ALM(w1=50, w2=0.0, conditional=0.0)) == pytest.approx(alm(1.0, 0.0, 0.0, 1))


def test_alm_ancestral_is_equation_28() -> None:
    w1 = 0.4 * SIGMA
    y = list(Y)
    of_y, of_e = eps(y), eps(blend(X, y))
    y = [y[i] + M[i] * (w1 * (of_y[i] - of_e[i]) - 0.07 * SIGMA * of_e[i]) for i in range(3)]
    # The score of N(X; Y, σ²/w1) beside the prior's own: ε ← ε − s_t · score.
    score = [w1 * (1 - M[i]) * (X[i] - y[i]) / SIGMA**2 for i in range(3)]
    tilted = [guided(y)[i] - T.s * score[i] for i in range(3)]
    assert run(ALM(w1=0.4, w2=0.07, eta=1.0)) == pytest.approx(ancestral(y, tilted, noise(0)))


def test_alm_with_imputation_steps_from_x0_with_the_given_part_in_it() -> None:
    y = list(Y)
    of_y, of_e = eps(y), eps(blend(X, y))
    w1, w2 = 0.9 * SIGMA, 0.07 * SIGMA
    y = [y[i] + M[i] * (w1 * (of_y[i] - of_e[i]) - w2 * of_e[i]) for i in range(3)]
    x0 = blend(X_0, [(y[i] - T.s * guided(y)[i]) / T.a for i in range(3)])
    reverse = ddim(y, [(y[i] - T.a * x0[i]) / T.s for i in range(3)])
    by_hand = [reverse[i] + w1 * (1 - M[i]) * (X[i] - y[i]) for i in range(3)]
    assert run(ALM(w1=0.9, w2=0.07, imputation=True)) == pytest.approx(by_hand)


def test_syncsde_is_equation_7() -> None:
    gamma = S.a / T.a - S.s / T.s
    plain = ddim(Y, guided(Y))
    by_hand = [plain[i] - gamma * 1.2 * TIME * (1 - M[i]) * (Y[i] - X[i]) for i in range(3)]
    assert run(SyncSDE(strength=1.2)) == pytest.approx(by_hand)


def test_the_pull_of_syncsde_never_passes_x() -> None:
    plain = ddim(Y, guided(Y))
    by_hand = [plain[i] - (1 - M[i]) * (Y[i] - X[i]) for i in range(3)]
    assert run(SyncSDE(strength=40)) == pytest.approx(by_hand)


def test_independent_ignores_what_is_given() -> None:
    assert run(Independent()) == pytest.approx(ddim(Y, guided(Y)))


def test_replacement_steps_from_the_blend() -> None:
    e = blend(X, Y)
    assert run(Replacement()) == pytest.approx(ddim(e, guided(e)))


def test_blended_latents_puts_the_given_part_at_the_new_level() -> None:
    noise_of_x = [(X[i] - T.a * X_0[i]) / T.s for i in range(3)]
    x_s = [S.a * X_0[i] + S.s * noise_of_x[i] for i in range(3)]
    assert run(BlendedLatents()) == pytest.approx(blend(x_s, ddim(Y, guided(Y))))
    assert run(BlendedLatents(), given=False) == pytest.approx(ddim(Y, guided(Y)))


def test_repaint_goes_back_and_forth() -> None:
    back = T.a / S.a
    e = blend(x_t(0), Y)
    y_s = ancestral(e, guided(e), noise(0))
    y = [back * y_s[i] + math.sqrt(T.s**2 - (back * S.s) ** 2) * noise(1)[i] for i in range(3)]
    e = blend(x_t(1), y)
    assert run(RePaint(resamplings=2)) == pytest.approx(ancestral(e, guided(e), noise(2)))


def test_reconstruction_guidance_moves_x0_down_the_error() -> None:
    def x0(y: Sequence[float]) -> Floats:
        return [(y[i] - T.s * guided(y)[i]) / T.a for i in range(3)]

    def error(y: Sequence[float]) -> float:
        return sum(((1 - M[i]) * (X_0[i] - x0(y)[i])) ** 2 for i in range(3))

    h, moved = 1e-5, []
    for i in range(3):
        up, down = [[v + d * (j == i) for j, v in enumerate(Y)] for d in (h, -h)]
        moved.append(x0(Y)[i] - M[i] * (2.5 * T.a / 2) * (error(up) - error(down)) / (2 * h))
    imputed = blend(X_0, moved)
    e = [(Y[i] - T.a * imputed[i]) / T.s for i in range(3)]
    by_hand = [S.a * imputed[i] + S.s * e[i] for i in range(3)]
    assert run(ReconstructionGuidance(weight=2.5)) == pytest.approx(by_hand, rel=1e-6)


def test_reconstruction_guidance_can_take_the_ancestral_step() -> None:
    plain = ReconstructionGuidance(weight=0.0, imputation=False, eta=1.0)
    assert run(plain) == pytest.approx(ancestral(Y, guided(Y), noise(0)))


def test_dps_goes_down_the_gradient_of_the_error() -> None:
    def error(y: Sequence[float]) -> float:
        e = guided(y)
        return sum(((1 - M[i]) * (X_0[i] - (y[i] - T.s * e[i]) / T.a)) ** 2 for i in range(3))

    zeta, h, by_hand = 0.7 / math.sqrt(error(Y)), 1e-5, ancestral(Y, guided(Y), noise(0))
    for i in range(3):
        up, down = [[v + d * (j == i) for j, v in enumerate(Y)] for d in (h, -h)]
        by_hand[i] -= zeta * (error(up) - error(down)) / (2 * h)
    assert run(DPS(zeta=0.7)) == pytest.approx(by_hand, rel=1e-6)
    assert run(DPS(zeta=0.7), given=False) == pytest.approx(ancestral(Y, guided(Y), noise(0)))


def oscillate(u: float, v: float, theta: float, friction: float, z: float, w: float) -> tuple[float, float]:
    """u'' = −u − Γ u' + √(2Γ) dW for the time θ, by the roots of r² + Γ r + 1, its noise integrated by Simpson's rule.

    z is v's noise, which u shares as far as they correlate, and w is u's own.
    """
    root = math.sqrt(friction**2 / 4 - 1)
    fast, slow = -friction / 2 - root, -friction / 2 + root

    def of(u: float, v: float, time: float) -> tuple[float, float]:
        of_fast = (v - slow * u) / (fast - slow) * math.exp(fast * time)
        of_slow = (v - fast * u) / (slow - fast) * math.exp(slow * time)
        return of_fast + of_slow, fast * of_fast + slow * of_slow

    def integral(of_kick: Callable[[float, float], float]) -> float:
        n = 1000
        values = [of_kick(*of(0, 1, theta * k / n)) for k in range(n + 1)]
        total = values[0] + values[-1] + 4 * sum(values[1:-1:2]) + 2 * sum(values[2:-1:2])
        return 2 * friction * total * theta / n / 3

    of_v, of_both, of_u = integral(lambda u, v: v * v), integral(lambda u, v: u * v), integral(lambda u, v: u * u)
    u, v = of(u, v, theta)
    shared = of_both / math.sqrt(of_v)
    return u + shared * z + math.sqrt(of_u - shared**2) * w, v + math.sqrt(of_v) * z


def test_lanpaint_moves_both_parts_and_then_steps() -> None:
    lam, eta, friction, beta = 1.7, 0.23, 3.1, 0.6
    hole = [1.0, 0.0, 1.0]
    e, v = blend(X, Y, hole), noise(0)
    for k in range(2):
        x0 = [(e[i] - T.s * guided(e)[i]) / T.a for i in range(3)]
        target = blend([(1 + lam) * X_0[i] - lam * x0[i] for i in range(3)], x0, hole)
        moved = []
        for i in range(3):
            mu = T.a * target[i] / T.s
            theta = friction * eta * (1 if hole[i] else beta)
            z, w = noise(2 * k + 1)[i], noise(2 * k + 2)[i]
            u, v[i] = oscillate(e[i] / T.s - mu, v[i], theta, friction, z, w)
            moved.append(T.s * (mu + u))
        e = moved
    method = LanPaint(inner=2, lam=lam, step_size=eta, friction=friction, beta=beta)
    assert run(method, mask=hole) == pytest.approx(ddim(e, guided(e)), rel=1e-6)
    assert run(method, given=False) == pytest.approx(ddim(Y, guided(Y)))


class Network:
    """The network above as a prior."""

    guided_rows = 2

    def predict(self, x: Tensor, level: Level, conditions: object) -> Prediction:
        return Prediction.from_eps(x, level, torch.stack(eps(list(x.unbind(1))), 1))  # type: ignore[arg-type]

    def predict_guided(self, x: Tensor, level: Level, conditions: object) -> Prediction:
        return Prediction.from_eps(x, level, torch.stack(guided(list(x.unbind(1))), 1))  # type: ignore[arg-type]


LEVELS = Schedule((Level(2, 0.3, math.sqrt(0.91)), Level(1, 0.6, 0.8), Level(0, 1.0, 0.0)))


def trajectory(reference: FixedNoise | FreshNoise | Inversion, source: Noise) -> Callable[[int, int], Tensor]:
    def predict(x: Tensor, level: Level) -> Prediction:
        return Network().predict(x, level, None)

    return reference.start(row(X_0).float(), row(M).float(), LEVELS, predict, source)


def test_fixed_noise_is_one_draw_at_every_level() -> None:
    x = trajectory(FixedNoise(), Noise.batch(3, 1))
    z = [(x(i, 0) - level.a * row(X_0)) / level.s for i, level in enumerate(LEVELS.levels[:2])]
    torch.testing.assert_close(z[0], z[1])
    torch.testing.assert_close(x(1, 0), x(1, 4))
    torch.testing.assert_close(x(2, 0), row(X_0).float())


def test_fresh_noise_is_another_draw_for_each_level_and_number() -> None:
    x = trajectory(FreshNoise(), Noise.batch(3, 4000))
    z = [(x(i, k) - LEVELS.levels[i].a * row(X_0)) / LEVELS.levels[i].s for i, k in ((0, 0), (0, 1), (1, 0))]
    together = torch.stack(z).reshape(3, -1)
    assert torch.corrcoef(together) == pytest.approx(torch.eye(3), abs=0.05)
    assert together.mean(1).tolist() == pytest.approx([0, 0, 0], abs=0.05)
    torch.testing.assert_close(x(0, 1), x(0, 1))


def test_a_recorded_trajectory_is_given_back() -> None:
    states = tuple(row([float(i), 2.0, -1.0]) for i in range(3))
    x = trajectory(Recorded(states), Noise.batch(3, 1))
    assert [x(i, 5)[0, 0].item() for i in range(3)] == [0.0, 1.0, 2.0]
    with pytest.raises(ValueError, match="a state for each of 3 levels"):
        trajectory(Recorded(states[:2]), Noise.batch(3, 1))


def test_inversion_carries_the_masked_source_up_the_levels() -> None:
    x = trajectory(Inversion(), Noise.batch(3, 1))
    top, middle, clean = LEVELS.levels
    source = [X_0[i] * (1 - M[i]) for i in range(3)]
    # The clean end's ε̂ is predicted as if at the last noisy level; its x̂_0 is itself.
    e = eps(source)
    at_middle = [middle.a * (source[i] - clean.s * e[i]) / clean.a + middle.s * e[i] for i in range(3)]
    e = eps(at_middle)
    at_top = [top.a * (at_middle[i] - middle.s * e[i]) / middle.a + top.s * e[i] for i in range(3)]
    assert x(2, 0)[0].tolist() == pytest.approx(source)
    assert x(1, 0)[0].tolist() == pytest.approx(at_middle, rel=1e-5)
    assert x(0, 0)[0].tolist() == pytest.approx(at_top, rel=1e-5)
    assert clean.a == 1


def test_inversion_costs_a_call_a_step_and_the_others_none() -> None:
    """The costs of the methods themselves are counted in the core's own tests."""
    five = Noise.batch(0, 5)
    for reference, calls in ((FixedNoise(), 1), (FreshNoise(), 1), (Inversion(), 2)):
        counted = Counted(Network())
        sample(counted, LEVELS, noise=five, x_0=row(X_0), mask=row(M), method=SyncSDE(), reference=reference)
        assert counted.calls == calls * LEVELS.steps
        # Two guided rows a sample and step; equal rows are inverted once.
        assert counted.rows == (5 * 2 + calls - 1) * LEVELS.steps
