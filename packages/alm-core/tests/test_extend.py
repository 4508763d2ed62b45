"""Windows in lockstep and one after another are the same computation; what they make hangs together."""

import pytest
import torch
from alm_core import (
    ALM,
    Counted,
    FixedNoise,
    FreshNoise,
    Independent,
    Inversion,
    Method,
    Noise,
    ReconstructionGuidance,
    Reference,
    RePaint,
    Replacement,
    Schedule,
    Slice,
    StochasticALM,
    SyncSDE,
    extend,
    sample,
)
from alm_core.prior import Prediction, Prior
from alm_core.sample import Progress

ONE = [Slice((i,), (6,)) for i in (0, 4, 8)], (1, 2, 14)
TWO = [Slice((i, j), (4, 4)) for i in (0, 2) for j in (0, 3)], (1, 1, 6, 7)
THREE = [Slice((i, 0, j), (3, 2, 3)) for i in (0, 2) for j in (0, 1)], (1, 1, 5, 2, 4)


@pytest.mark.parametrize("case", [ONE, TWO, THREE], ids=["1 axis", "2 axes", "3 axes"])
@pytest.mark.parametrize("method", [ALM(), ALM(eta=1.0), SyncSDE(), Replacement(), RePaint(2), StochasticALM()])
@pytest.mark.parametrize("later_on_top", [False, True])
def test_lockstep_equals_one_after_another(
    prior: Prior, schedule: Schedule, case: tuple[list[Slice], tuple[int, ...]], method: Method, later_on_top: bool
) -> None:
    windows, shape = case
    x_0, mask = torch.randn(shape), torch.ones(shape)
    mask[..., 0] = 0
    both = [
        extend(
            prior,
            schedule,
            windows,
            x_0,
            mask,
            noise=Noise.batch(3, 2),
            method=method,
            reference=FreshNoise(),
            conditions=[(float(i),) for i in range(len(windows))],
            later_on_top=later_on_top,
            lockstep=lockstep,
        )
        for lockstep in (True, False)
    ]
    torch.testing.assert_close(both[0], both[1], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("reference", [FixedNoise(), FreshNoise(), Inversion()])
def test_one_window_over_all_is_sample(prior: Prior, schedule: Schedule, reference: Reference) -> None:
    x_0, mask = torch.randn(1, 2, 8), torch.ones(1, 1, 8)
    mask[..., :3] = 0
    noise = Noise.batch(5, 2)
    window, options = Slice((0,), (8,)), {"reference": reference, "method": ALM()}
    whole = extend(prior, schedule, [window], x_0, mask, noise=noise, shared_noise=False, **options)
    alone = sample(prior, schedule, x_0=x_0, mask=mask, noise=noise.child(3, 0), **options)
    torch.testing.assert_close(whole, alone)


def test_batches_of_windows_change_nothing_but_the_calls(prior: Prior, schedule: Schedule) -> None:
    windows, shape = ONE
    results, calls = [], []
    for together in (None, 1):
        counted = Counted(prior)
        results.append(
            extend(
                counted,
                schedule,
                windows,
                torch.zeros(shape),
                torch.ones(shape),
                noise=Noise.batch(0, 2),
                together=together,
            )
        )
        calls.append(counted.calls)
    torch.testing.assert_close(results[0], results[1], rtol=1e-5, atol=1e-5)
    assert calls[0] < calls[1]


def test_the_first_of_windows_from_nothing_is_a_plain_sample(prior: Prior, schedule: Schedule) -> None:
    windows, shape = ONE
    noise = Noise.batch(0, 3)
    canvas = extend(prior, schedule, windows, torch.zeros(shape), torch.ones(shape), noise=noise, shared_noise=False)
    first = sample(prior, schedule, shape=(2, 6), noise=noise.child(3, 0))
    torch.testing.assert_close(canvas[..., :6], first)


def test_coupled_windows_agree_on_the_overlap_better_than_independent_ones(prior: Prior, schedule: Schedule) -> None:
    windows, shape = ONE
    spread = {}
    for method in (ALM(), ALM(w1=0.0, w2=0.0)):
        canvas = extend(
            prior,
            schedule,
            windows,
            torch.zeros(shape),
            torch.ones(shape),
            noise=Noise.batch(0, 64),
            method=method,
            shared_noise=False,
        )
        spread[method] = (canvas[..., :6].mean((1, 2)) - canvas[..., 6:10].mean((1, 2))).square().mean()
    coupled, free = spread.values()
    assert coupled < 0.7 * free


def test_what_no_window_covers_is_refused(prior: Prior, schedule: Schedule) -> None:
    with pytest.raises(ValueError, match="lies in no window"):
        extend(prior, schedule, [Slice((0,), (6,))], torch.zeros(1, 2, 9), torch.ones(1, 2, 9), noise=Noise.batch(0, 1))


def test_reconstruction_guidance_runs_one_after_another_and_is_refused_in_lockstep(
    prior: Prior, schedule: Schedule
) -> None:
    windows, shape = ONE
    arguments = (prior, schedule, windows, torch.zeros(shape), torch.ones(shape))
    method = ReconstructionGuidance(weight=1.0)
    extend(*arguments, noise=Noise.batch(0, 1), method=method, lockstep=False)
    with pytest.raises(ValueError, match="lockstep=False"):
        extend(*arguments, noise=Noise.batch(0, 1), method=method)


def test_progress_counts_to_the_end(prior: Prior, schedule: Schedule) -> None:
    windows, shape = ONE
    for lockstep, count in ((True, schedule.steps), (False, 3 * schedule.steps)):
        seen: list[tuple[int, int]] = []
        extend(
            prior,
            schedule,
            windows,
            torch.zeros(shape),
            torch.ones(shape),
            noise=Noise.batch(0, 1),
            lockstep=lockstep,
            on_step=lambda p, seen=seen: seen.append((p.index, p.count)),
        )
        assert seen == [(i + 1, count) for i in range(count)]


def test_nothing_is_read_of_the_hole(prior: Prior, schedule: Schedule) -> None:
    x_0, mask = torch.randn(1, 2, 8), torch.zeros(1, 1, 8)
    mask[..., 3:5] = 0.4
    missing = torch.where(mask > 0, torch.nan, x_0)
    noise, window = Noise.batch(1, 2), [Slice((0,), (8,))]
    assert torch.equal(
        sample(prior, schedule, x_0=x_0, mask=mask, noise=noise),
        sample(prior, schedule, x_0=missing, mask=mask, noise=noise),
    )
    assert torch.equal(
        extend(prior, schedule, window, x_0, mask, noise=noise),
        extend(prior, schedule, window, missing, (mask > 0).float(), noise=noise),
    )


def test_equal_rows_are_inverted_once(prior: Prior, schedule: Schedule) -> None:
    x_0, mask = torch.randn(1, 2, 8), torch.zeros(1, 1, 8)
    mask[..., 3:5] = 1
    counted = Counted(prior)
    sample(counted, schedule, x_0=x_0, mask=mask, noise=Noise.batch(1, 5), method=SyncSDE(), reference=Inversion())
    assert counted.rows == schedule.steps * (5 * counted.guided_rows + 1)
    conditions = tuple(float(i) for i in range(5))
    arguments = {"x_0": x_0, "mask": mask, "method": SyncSDE(), "reference": Inversion()}
    batch = sample(prior, schedule, noise=Noise.batch(1, 5), conditions=conditions, **arguments)
    alone = sample(prior, schedule, noise=Noise.batch(4, 1), conditions=(3.0,), **arguments)
    torch.testing.assert_close(batch[3:4], alone)


def test_wrong_sizes_are_refused(prior: Prior, schedule: Schedule) -> None:
    with pytest.raises(ValueError, match="one for each of 2 seeds: got 3"):
        sample(prior, schedule, x_0=torch.zeros(3, 2, 8), mask=torch.ones(1, 1, 8), noise=Noise.batch(0, 2))
    with pytest.raises(ValueError, match="broadcastable"):
        sample(prior, schedule, x_0=torch.zeros(1, 2, 8), mask=torch.ones(1, 1, 7), noise=Noise.batch(0, 2))
    with pytest.raises(ValueError, match="got 1 for 3"):
        extend(
            prior, schedule, ONE[0], torch.zeros(ONE[1]), torch.ones(ONE[1]), noise=Noise.batch(0, 1), conditions=[None]
        )


class Seen:
    """A prior that remembers its last guided x̂_0."""

    guided_rows = 1

    def __init__(self, prior: Prior) -> None:
        self.predict, self._prior, self.x0 = prior.predict, prior, torch.empty(0)

    def predict_guided(self, *args: object) -> Prediction:
        prediction = self._prior.predict_guided(*args)  # type: ignore[arg-type]
        self.x0 = prediction.x0
        return prediction


@pytest.mark.parametrize("method", [Independent(), ALM(), RePaint(3), StochasticALM()])
def test_a_preview_is_the_x0_that_the_step_went_by(prior: Prior, schedule: Schedule, method: Method) -> None:
    """Also where the step adds noise, which an x̂_0 worked out from its two ends would be drowned in."""
    seen = Seen(prior)
    x_0, mask = torch.randn(1, 2, 6), torch.tensor([0.0, 1, 1, 1, 0, 0]).expand(1, 2, 6)

    def compare(progress: Progress) -> None:
        assert torch.equal(progress.x0(), seen.x0)

    sample(seen, schedule, x_0=x_0, mask=mask, noise=Noise.batch(0, 2), method=method, on_step=compare)

    def compare_halves(progress: Progress) -> None:
        assert torch.equal(progress.x0(), torch.cat(seen.x0.chunk(2), -1))

    halves = Slice((0,), (3,)), Slice((3,), (3,))
    everywhere = torch.ones(1, 2, 6)
    extend(seen, schedule, halves, x_0, everywhere, noise=Noise.batch(0, 2), method=method, on_step=compare_halves)


def test_time_starts_at_one(prior: Prior, schedule: Schedule) -> None:
    times = []

    class Watch(Independent):
        def step(self, y_t, at):  # type: ignore[no-untyped-def]
            times.append(at.time)
            return super().step(y_t, at)

    sample(prior, schedule, shape=(2, 6), noise=Noise.batch(0, 2), method=Watch())
    assert times == pytest.approx([level.t / schedule.levels[0].t for level in schedule.levels[:-1]])


def test_progress_holds_each_window_as_its_method_left_it(prior: Prior, schedule: Schedule) -> None:
    windows, shape = ONE
    seen: list[Progress] = []
    made = extend(
        prior, schedule, windows, torch.zeros(shape), torch.ones(shape), noise=Noise.batch(1, 1), on_step=seen.append
    )
    pieces = seen[-1].pieces
    assert len(pieces) == len(windows)
    # The earlier window lies on top: the first is all of its part, the second only what the first leaves.
    assert torch.equal(made[..., 0:6], pieces[0])
    assert torch.equal(made[..., 6:10], pieces[1][..., 2:])
    assert not torch.equal(made[..., 4:6], pieces[1][..., :2])
    alone: list[Progress] = []
    result = sample(prior, schedule, noise=Noise.batch(1, 1), shape=(2, 6), on_step=alone.append)
    assert torch.equal(alone[-1].pieces[0], result)
