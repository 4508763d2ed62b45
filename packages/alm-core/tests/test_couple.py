"""Coupled trajectories: Eq. 8–11 by hand, what is given, who may follow whom, batches and calls."""

import pytest
import torch
from alm_core import ALM, Counted, Inversion, Method, Noise, Schedule, SyncSDE, sample
from alm_core.analytic import GaussianMixture, rbf
from alm_core.choices import METHODS
from alm_core.couple import STRAND, Strand, couple
from alm_core.reference import FixedNoise, Recorded
from alm_core.sample import INITIAL
from alm_core.schedule import scaled_linear

SHAPE = (1, 6)
LEFT = torch.tensor([[1.0, 1, 1, 0, 0, 0]])[None]
SOFT = torch.tensor([[1.0, 0.75, 0.5, 0.25, 0.1, 0]])[None]


@pytest.fixture
def prior() -> GaussianMixture:
    means = torch.stack([torch.full(SHAPE, -1.0), torch.linspace(0, 2, 6)[None]]).double()
    return GaussianMixture(means, rbf(SHAPE, length_scale=2.0, jitter=1e-2), torch.tensor([0.4, 0.6]).double())


@pytest.fixture
def schedule() -> Schedule:
    alphas = scaled_linear()
    return Schedule.leading(alphas, 4, offset=1, final_alpha=alphas[0])


@pytest.mark.parametrize("back", [LEFT, SOFT])
def test_three_trajectories_are_equations_8_to_11(
    prior: GaussianMixture, schedule: Schedule, back: torch.Tensor
) -> None:
    strength, noise = 0.2, Noise.batch(5, 2)
    strands = [Strand(), Strand(follows={0: back}), Strand(follows={0: back, 1: 1 - back})]
    made = couple(prior, schedule, strands, SHAPE, noise=noise, method=SyncSDE(strength))
    y = [noise.child(STRAND, j).draw(SHAPE, INITIAL) for j in range(3)]
    first = schedule.levels[0].t
    for t, s in zip(schedule.levels, schedule.levels[1:], strict=False):
        gamma = s.a / t.a - s.s / t.s
        pull = gamma * strength * t.t / first
        assert pull < 1  # not clamped
        step = [s.a * p.x0 + s.s * p.eps for p in (prior.predict(each, t, None) for each in y)]
        whole = back * y[0] + (1 - back) * y[1]
        y = [step[0], step[1] - pull * back * (y[1] - y[0]), step[2] - pull * (y[2] - whole)]
    for each, truth in zip(made, y, strict=True):
        torch.testing.assert_close(each, truth, atol=1e-5, rtol=1e-5)


def test_where_the_maps_are_0_a_trajectory_is_free(prior: GaussianMixture, schedule: Schedule) -> None:
    noise = Noise.batch(1, 2)
    zero = torch.zeros(1, *SHAPE)
    alone = couple(prior, schedule, [Strand(), Strand()], SHAPE, noise=noise, method=ALM())[1]
    assert torch.equal(couple(prior, schedule, [Strand(), Strand(follows={0: zero})], SHAPE, noise=noise)[1], alone)


def test_one_that_follows_a_given_sample_is_sampled_around_it(prior: GaussianMixture, schedule: Schedule) -> None:
    x_0, noise = torch.randn(1, *SHAPE), Noise.batch(3, 2)
    states = tuple(level.a * x_0 + level.s * torch.randn(1, *SHAPE) for level in schedule.levels)
    strands = [Strand(given=x_0, reference=Recorded(states)), Strand(follows={0: LEFT})]
    # A noise whose own child is the trajectory's, so that both begin alike.
    own = noise.child(STRAND, 1)
    around = sample(prior, schedule, noise=own, x_0=x_0, mask=1 - LEFT, method=ALM(), reference=Recorded(states))
    source, made = couple(prior, schedule, strands, SHAPE, noise=noise, method=ALM())
    torch.testing.assert_close(made, around)
    assert torch.equal(source, states[-1].expand(2, *SHAPE))


def test_one_that_starts_from_an_inverted_source_and_is_not_drawn_comes_back_to_it(prior: GaussianMixture) -> None:
    alphas = scaled_linear()
    schedule = Schedule.leading(alphas, 200, offset=1, final_alpha=alphas[0])
    x_0 = prior.sample(Noise.batch(0, 1)).float()
    strands = [Strand(given=x_0, reference=Inversion()), Strand(start=0)]
    source, made = couple(prior, schedule, strands, SHAPE, noise=Noise.batch(0, 1))
    assert torch.equal(source, x_0)
    assert float((made - x_0).abs().max()) < 0.05


def test_sample_n_of_a_batch_is_that_sample_alone(prior: GaussianMixture, schedule: Schedule) -> None:
    strands = [Strand(), Strand(follows={0: SOFT}), Strand(follows={0: SOFT, 1: 1 - SOFT})]
    batch = couple(prior, schedule, strands, SHAPE, noise=Noise.batch(7, 3))[-1]
    alone = couple(prior, schedule, strands, SHAPE, noise=Noise.batch(9, 1))[-1]
    torch.testing.assert_close(batch[2:], alone)


def test_calls_are_shared_and_may_be_split(prior: GaussianMixture, schedule: Schedule) -> None:
    strands = [Strand(), Strand(), Strand(follows={0: LEFT}), Strand(follows={1: SOFT}), Strand(follows={2: LEFT})]
    results, calls = [], []
    for together in (None, 1):
        counted = Counted(prior)
        made = couple(counted, schedule, strands, SHAPE, noise=Noise.batch(0, 1), method=SyncSDE(), together=together)
        results.append(made[-1])
        calls.append(counted.calls)
    torch.testing.assert_close(results[0], results[1])
    assert calls == [2 * schedule.steps, 5 * schedule.steps]


def test_a_callback_is_told_of_the_last(prior: GaussianMixture, schedule: Schedule) -> None:
    seen = []
    made = couple(
        prior,
        schedule,
        [Strand(), Strand(follows={0: LEFT})],
        SHAPE,
        noise=Noise.batch(0, 1),
        on_step=lambda p: seen.append((p.index, p.count, p.y(), p.x0())),
    )
    assert [(i, n) for i, n, *_ in seen] == [(i + 1, 4) for i in range(4)]
    assert torch.equal(seen[-1][2], made[-1])
    assert bool((seen[-1][3] != made[-1]).any())


@pytest.mark.parametrize(
    ("strands", "reason"),
    [
        ([Strand(follows={0: LEFT})], "can only follow earlier ones"),
        ([Strand(), Strand(follows={1: LEFT})], "can only follow earlier ones"),
        ([Strand(), Strand(follows={0: -LEFT})], "must be 0 or more"),
        ([Strand(), Strand(), Strand(follows={0: LEFT, 1: LEFT})], "sum to at most 1"),
        ([Strand(), Strand(start=0)], "an earlier given one"),
        ([], "one trajectory or more"),
        ([Strand(), Strand(given=torch.zeros(1, 1, 6), follows={0: LEFT})], "is given"),
        ([Strand(given=torch.zeros(1, 1, 6)), Strand(given=torch.zeros(1, 1, 6), start=0)], "is given"),
        ([Strand(given=torch.zeros(1, 1, 5), reference=FixedNoise())], "a given sample must be"),
    ],
)
def test_what_cannot_be_is_refused(
    prior: GaussianMixture, schedule: Schedule, strands: list[Strand], reason: str
) -> None:
    with pytest.raises(ValueError, match=reason):
        couple(prior, schedule, strands, SHAPE, noise=Noise.batch(0, 1))


@pytest.mark.parametrize("method", [*(cls() for cls in METHODS.values()), ALM(imputation=True)], ids=repr)
def test_methods_that_need_the_clean_given_part_say_so(
    prior: GaussianMixture, schedule: Schedule, method: Method
) -> None:
    strands, noise = [Strand(), Strand(follows={0: LEFT})], Noise.batch(0, 1)
    if method.needs_clean:
        with pytest.raises(ValueError, match="needs the clean observed part"):
            couple(prior, schedule, strands, SHAPE, noise=noise, method=method)
    else:
        assert bool(couple(prior, schedule, strands, SHAPE, noise=noise, method=method)[-1].isfinite().all())
