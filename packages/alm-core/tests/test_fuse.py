"""Joint methods: on one window they are DDIM; on an overlap they average."""

import pytest
import torch
from alm_core import Independent, Noise, Schedule, Slice, sample
from alm_core.fuse import Fusion, MultiDiffusion, Overlap, SyncTweedies, fuse
from alm_core.prior import Prediction, Prior
from alm_core.schedule import Level

WINDOWS = [Slice((i,), (6,)) for i in (0, 4, 8)]


@pytest.mark.parametrize("fusion", [MultiDiffusion(), SyncTweedies()])
def test_one_window_over_all_is_plain_ddim(prior: Prior, schedule: Schedule, fusion: Fusion) -> None:
    noise = Noise.batch(4, 3)
    joint = fuse(prior, schedule, [Slice((0,), (8,))], (2, 8), noise=noise, fusion=fusion, conditions=[(0.4,)])
    alone = sample(prior, schedule, shape=(2, 8), noise=noise, method=Independent(), conditions=(0.4,))
    torch.testing.assert_close(joint, alone, rtol=1e-4, atol=1e-4)


def test_multidiffusion_averages_steps_and_synctweedies_clean_predictions() -> None:
    y = torch.tensor([[0.5, -0.2, 0.9]])
    views = [Prediction(torch.tensor([[1.0, 2.0]]), torch.tensor([[0.1, 0.3]]))]
    views.append(Prediction(torch.tensor([[4.0, 5.0]]), torch.tensor([[0.7, 0.9]])))
    t, s = Level(1.0, 0.6, 0.8), Level(0.0, 0.96, 0.28)
    overlap = Overlap([Slice((0,), (2,)), Slice((1,), (2,))], torch.tensor([[1.0, 2.0, 1.0]]))
    steps = [0.96 * 1 + 0.28 * 0.1, (0.96 * 2 + 0.28 * 0.3 + 0.96 * 4 + 0.28 * 0.7) / 2, 0.96 * 5 + 0.28 * 0.9]
    assert MultiDiffusion().step(y, views, overlap, t, s)[0].tolist() == pytest.approx(steps)
    clean = [1.0, 3.0, 5.0]
    tweedie = [0.96 * c + 0.28 * (v - 0.6 * c) / 0.8 for c, v in zip(clean, y[0].tolist(), strict=True)]
    assert SyncTweedies().step(y, views, overlap, t, s)[0].tolist() == pytest.approx(tweedie)


@pytest.mark.parametrize("fusion", [MultiDiffusion(), SyncTweedies()])
def test_joined_windows_agree_better_than_independent_ones(prior: Prior, schedule: Schedule, fusion: Fusion) -> None:
    canvas = fuse(prior, schedule, WINDOWS, (2, 14), noise=Noise.batch(0, 64), fusion=fusion)
    alone = sample(prior, schedule, shape=(2, 6), noise=Noise.batch(0, 128), method=Independent()).mean((1, 2))
    joint = (canvas[..., :6].mean((1, 2)) - canvas[..., 4:10].mean((1, 2))).square().mean()
    assert joint < 0.7 * (alone[:64] - alone[64:]).square().mean()


def test_a_canvas_that_windows_leave_bare_is_refused(prior: Prior, schedule: Schedule) -> None:
    with pytest.raises(ValueError, match="lies in no window"):
        fuse(prior, schedule, WINDOWS, (2, 20), noise=Noise.batch(0, 1), fusion=MultiDiffusion())


def test_batches_of_windows_change_nothing(prior: Prior, schedule: Schedule) -> None:
    told = [(0.1,), (0.5,), (-0.3,)]
    options = {"noise": Noise.batch(0, 2), "fusion": MultiDiffusion(), "conditions": told}
    whole, parts = (fuse(prior, schedule, WINDOWS, (2, 14), together=n, **options) for n in (None, 2))
    torch.testing.assert_close(whole, parts, rtol=1e-5, atol=1e-5)


def test_what_is_given_stands_on_the_canvas_at_each_level(prior: Prior, schedule: Schedule) -> None:
    x_0, mask = torch.full((1, 2, 14), 2.5), torch.ones(1, 1, 14)
    mask[..., :4] = 0
    seen: list[tuple[float, torch.Tensor]] = []

    class Watching:
        guided_rows = 1

        def predict_guided(self, x_t: torch.Tensor, level: Level, conditions: object) -> Prediction:
            seen.append((level.a, x_t[0, :, :4]))
            return prior.predict_guided(x_t, level, conditions)

    noise, options = Noise.batch(0, 1), {"fusion": MultiDiffusion(), "x_0": x_0, "mask": mask}
    fuse(Watching(), schedule, WINDOWS, (2, 14), noise=noise, **options)
    z = noise.child(1).draw((2, 14))[0, :, :4]
    for level, (a, given) in zip(schedule.levels, seen, strict=False):
        assert a == level.a
        torch.testing.assert_close(given, level.a * 2.5 + level.s * z)
    with pytest.raises(ValueError, match="together"):
        fuse(prior, schedule, WINDOWS, (2, 14), noise=noise, fusion=MultiDiffusion(), x_0=x_0)
