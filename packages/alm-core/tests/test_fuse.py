"""The driver of joint methods: what windows see, how they count, what is given, what is refused."""

from dataclasses import dataclass
from typing import cast

import pytest
import torch
from alm_core import Counted, Independent, Noise, NotFiniteError, Prediction, Schedule, Slice, sample
from alm_core.fuse import fuse
from alm_core.fusions import Fusion, JointStep, MultiDiffusion, StochSync, SyncTweedies, VisualAnagrams
from alm_core.prior import Prior
from alm_core.schedule import Level, scaled_linear

WINDOWS = [Slice((i,), (6,)) for i in (0, 4, 8)]
FUSIONS = [MultiDiffusion(), SyncTweedies(), VisualAnagrams(), StochSync(4)]
MEANS = FUSIONS[:3]


@pytest.mark.parametrize("fusion", MEANS)
def test_joined_windows_agree_better_than_independent_ones(prior: Prior, schedule: Schedule, fusion: Fusion) -> None:
    canvas = fuse(prior, schedule, WINDOWS, (2, 14), noise=Noise.batch(0, 64), fusion=fusion)
    alone = sample(prior, schedule, shape=(2, 6), noise=Noise.batch(0, 128), method=Independent()).mean((1, 2))
    joint = (canvas[..., :6].mean((1, 2)) - canvas[..., 4:10].mean((1, 2))).square().mean()
    assert joint < 0.7 * (alone[:64] - alone[64:]).square().mean()


@pytest.mark.parametrize("fusion", FUSIONS)
def test_batches_of_windows_change_nothing(prior: Prior, schedule: Schedule, fusion: Fusion) -> None:
    told = [(0.1,), (0.5,), (-0.3,)]
    options = {"noise": Noise.batch(0, 2), "fusion": fusion, "conditions": told}
    whole, parts = (fuse(prior, schedule, WINDOWS, (2, 14), together=n, **options) for n in (None, 2))
    torch.testing.assert_close(whole, parts, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("together", "calls"), [(None, 12), (3, 12), (2, 24), (1, 36)])
def test_a_network_call_has_at_most_as_many_windows_as_asked(
    prior: Prior, schedule: Schedule, together: int | None, calls: int
) -> None:
    counted = Counted(prior)
    options = {"noise": Noise.batch(0, 2), "fusion": SyncTweedies(), "together": together}
    fuse(counted, schedule, WINDOWS, (2, 14), **options)
    assert counted.calls == calls


def test_each_step_draws_its_own_noise(prior: Prior, schedule: Schedule) -> None:
    drawn: list[torch.Tensor] = []

    class Drawing:
        bootstraps = False

        def join(self, y_t: torch.Tensor, at: JointStep) -> Prediction:
            drawn.extend(at.noise(k) for k in (0, 1))
            return Prediction(y_t, y_t)

    fuse(prior, schedule, WINDOWS, (2, 14), noise=Noise.batch(0, 1), fusion=Drawing())
    assert len({float(z[0, 0, 0]) for z in drawn}) == 2 * schedule.steps
    assert all(z.shape == (1, 2, 14) for z in drawn)


@pytest.mark.parametrize("fusion", FUSIONS)
def test_sample_n_of_a_batch_is_that_sample_alone(prior: Prior, schedule: Schedule, fusion: Fusion) -> None:
    both = fuse(prior, schedule, WINDOWS, (2, 14), noise=Noise.batch(7, 2), fusion=fusion)
    alone = fuse(prior, schedule, WINDOWS, (2, 14), noise=Noise((8,)), fusion=fusion)
    torch.testing.assert_close(both[1:], alone, rtol=1e-5, atol=1e-5)


def test_windows_of_two_shapes_take_a_call_each(prior: Prior, schedule: Schedule) -> None:
    counted, windows = Counted(prior), [Slice((0,), (6,)), Slice((4,), (6,)), Slice((8,), (4,))]
    fuse(counted, schedule, windows, (2, 12), noise=Noise.batch(0, 2), fusion=SyncTweedies())
    assert (counted.calls, counted.rows) == (2 * 12, 3 * 2 * 2 * 12)


@pytest.mark.parametrize("fusion", FUSIONS)
def test_weights_of_one_change_nothing(prior: Prior, schedule: Schedule, fusion: Fusion) -> None:
    options = {"noise": Noise.batch(0, 2), "fusion": fusion}
    plain = fuse(prior, schedule, WINDOWS, (2, 14), **options)
    ones = fuse(prior, schedule, WINDOWS, (2, 14), weights=[torch.ones(1, 6)] * 3, **options)
    assert torch.equal(plain, ones)


def test_what_weighs_nothing_is_not_seen(prior: Prior, schedule: Schedule) -> None:
    whole = [Slice((0,), (8,))] * 2
    weights = [torch.ones(1, 8), torch.zeros(1, 8)]
    options = {"noise": Noise.batch(0, 3), "fusion": MultiDiffusion()}
    alone = fuse(prior, schedule, whole[:1], (2, 8), conditions=[(0.3,)], **options)
    both = fuse(prior, schedule, whole, (2, 8), conditions=[(0.3,), (9.0,)], weights=weights, **options)
    torch.testing.assert_close(both, alone, rtol=1e-5, atol=1e-5)


def test_a_binary_region_has_the_step_of_its_own_window(prior: Prior) -> None:
    one_step = Schedule((Level(1.0, 0.3, 0.9), Level(0.0, 0.96, 0.28)))
    region = torch.zeros(1, 8)
    region[:, 5:] = 1
    noise, whole = Noise.batch(4, 2), [Slice((0,), (8,))] * 2
    options = {"noise": noise, "fusion": MultiDiffusion()}
    found = fuse(prior, one_step, whole, (2, 8), conditions=[(0.3,), (-0.8,)], weights=[1 - region, region], **options)
    for told, places in ((0.3, slice(0, 5)), (-0.8, slice(5, 8))):
        alone = fuse(prior, one_step, whole[:1], (2, 8), conditions=[(told,)], **options)
        torch.testing.assert_close(found[..., places], alone[..., places])


class Watching:
    """A prior that keeps what it is shown."""

    guided_rows = 1

    def __init__(self, prior: Prior) -> None:
        self.prior = prior
        self.seen: list[tuple[Level, torch.Tensor]] = []

    def predict_guided(self, x_t: torch.Tensor, level: Level, conditions: object) -> Prediction:
        self.seen.append((level, x_t.clone()))
        return self.prior.predict_guided(x_t, level, conditions)


@pytest.mark.parametrize("fusion", [*MEANS, StochSync(inner=1, stop=0.0, joint=12)])
def test_what_is_given_stands_on_the_canvas_at_each_level(prior: Prior, schedule: Schedule, fusion: Fusion) -> None:
    x_0, mask = torch.full((1, 2, 14), 2.5), torch.ones(1, 1, 14)
    mask[..., :4] = 0
    watching, noise = Watching(prior), Noise.batch(0, 1)
    fuse(watching, schedule, WINDOWS, (2, 14), noise=noise, fusion=fusion, x_0=x_0, mask=mask)
    z = noise.child(1).draw((2, 14))[0, :, :4]
    assert len(watching.seen) == schedule.steps
    for level, (at, seen) in zip(schedule.levels, watching.seen, strict=False):
        assert at == level
        torch.testing.assert_close(seen[0, :, :4], level.a * 2.5 + level.s * z)


def test_where_no_window_lies_the_given_part_may_and_keeps_what_it_had(prior: Prior) -> None:
    schedule = Schedule((Level(2.0, 0.3, 0.95), Level(1.0, 0.6, 0.8), Level(0.0, 0.96, 0.28)))
    x_0, mask = torch.full((1, 2, 18), 2.5), torch.ones(1, 1, 18)
    mask[..., 14:] = 0
    noise = Noise.batch(0, 1)
    y = fuse(prior, schedule, WINDOWS, (2, 18), noise=noise, fusion=SyncTweedies(), x_0=x_0, mask=mask)
    last = schedule.levels[-2]
    torch.testing.assert_close(y[..., 14:], last.a * 2.5 + last.s * noise.child(1).draw((2, 18))[..., 14:])


def test_a_region_sees_its_backgrounds_in_turn_outside_itself_while_it_bootstraps(prior: Prior) -> None:
    schedule = Schedule.leading(scaled_linear(), 4)
    region = torch.tensor([[0.0, 0.0, 0.25, 1.0, 1.0, 1.0]])
    backgrounds = [None, torch.tensor([0.7, -1.3]).view(2, 1, 1, 1).expand(2, 1, 2, 6)]
    watching, noise = Watching(prior), Noise((5,))
    windows = [Slice((0,), (6,)), Slice((2,), (6,))]
    options = {"weights": [torch.ones(1, 6), region], "backgrounds": backgrounds}
    fuse(watching, schedule, windows, (2, 8), noise=noise, fusion=MultiDiffusion(bootstrap=3), **options)
    start = noise.draw((2, 8), 0)[0, :, 2:]
    shared = [seen[0][:, 2:] for _, seen in watching.seen]  # what the background's window sees of the same places
    for index, (level, seen) in enumerate(watching.seen):
        plain = level.a * (0.7, -1.3)[index % 2] + level.s * start
        if index < 3:
            torch.testing.assert_close(seen[1, :, :2], plain[:, :2])
            torch.testing.assert_close(seen[1, :, 2], 0.25 * shared[index][:, 2] + 0.75 * plain[:, 2])
            torch.testing.assert_close(seen[1, :, 3:4], shared[index][:, 3:4])
        else:
            torch.testing.assert_close(seen[1, :, :4], shared[index])


def test_all_that_does_not_fit_is_refused(prior: Prior, schedule: Schedule) -> None:
    ones = [torch.ones(1, 6)] * 3

    def refused(said: str, size: int = 14, fusion: Fusion | None = None, **options: object) -> None:
        fusion = fusion or MultiDiffusion()
        with pytest.raises(ValueError, match=said):
            fuse(prior, schedule, WINDOWS, (2, size), noise=Noise.batch(0, 1), fusion=fusion, **options)

    refused("lies in no window", size=20)
    refused("weighs nothing", weights=[torch.zeros(1, 6), *ones[1:]])
    refused("give x_0 and mask together", x_0=torch.zeros(1, 2, 14))
    refused("one entry of conditions a window", conditions=[(0.1,)])
    refused("one entry of weights a window", weights=ones[:2])
    refused(r"must lie in \[0, 1\], got 2.0 to 2.0", weights=[2 * ones[0], *ones[1:]])
    refused("broadcastable to one row of the piece", weights=[torch.ones(1, 5), *ones[1:]])
    refused("one entry of backgrounds a window", weights=ones, backgrounds=[None])
    refused("give weights too", backgrounds=[None] * 3)
    refused("SyncTweedies makes no use of backgrounds", fusion=SyncTweedies(), weights=ones, backgrounds=[None] * 3)


@dataclass(frozen=True)
class Broken:
    """NaN from the noise level `below` on."""

    prior: Prior
    below: float
    guided_rows: int = 1

    def predict_guided(self, x_t: torch.Tensor, level: Level, conditions: object) -> Prediction:
        p = self.prior.predict_guided(x_t, level, None)
        return Prediction(p.x0 * (torch.nan if level.t < self.below else 1), p.eps)


def test_a_canvas_that_is_not_finite_is_told_with_its_step(prior: Prior, schedule: Schedule) -> None:
    broken = cast(Prior, Broken(prior, schedule.levels[2].t + 1))
    with pytest.raises(NotFiniteError, match=f"step 3 of {schedule.steps} gave NaN"):
        fuse(broken, schedule, WINDOWS, (2, 14), noise=Noise.batch(0, 1), fusion=MultiDiffusion())
