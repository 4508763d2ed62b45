"""Windows made piece by piece are those made on a canvas, whatever their groups; little of them is held."""

from collections.abc import Sequence
from itertools import pairwise

import pytest
import torch
from alm_core import (
    ALM,
    Counted,
    FixedNoise,
    FreshNoise,
    Method,
    Noise,
    Reference,
    RePaint,
    Schedule,
    Slice,
    StochasticALM,
    SyncSDE,
    extend,
)
from alm_core.prior import Prediction, Prior
from alm_core.schedule import Level
from alm_core.stream import Strip, stream
from torch import Tensor

HEAD, LENGTH = 3, 22


class ByPlace(Noise):
    """The canvas of noise that `stream` draws place by place."""

    def draw(self, shape: Sequence[int], *key: int) -> Tensor:
        if len(shape) == 2 and shape[1] == LENGTH and key == (0,):
            return torch.stack([Noise.draw(self, shape[:1], 0, place) for place in range(LENGTH)], 2)
        return super().draw(shape, *key)


def strip(starts: Sequence[int], size: int = 6, length: int = LENGTH, head: int = HEAD, **more: int) -> Strip:
    x_0 = torch.linspace(-1, 2, length).expand(1, 2, length).clone()
    mask = torch.ones(1, 1, length)
    mask[..., :head] = 0
    return Strip(starts, size, lambda start, stop: (x_0[..., start:stop], mask[..., start:stop]), **more)


def made(prior: Prior, schedule: Schedule, of: Strip, *, length: int = LENGTH, **options: object) -> Tensor:
    """All that `stream` yields, on a canvas."""
    noise = Noise.batch(3, 2)
    found = torch.full((2, 2, length), torch.nan)
    for start, states in stream(lambda x_0, mask: prior, schedule, of, noise=noise, **options):  # type: ignore[arg-type]
        at = slice(start, start + states.shape[2])
        assert found[..., at].isnan().all(), "nothing is told twice"
        found[..., at] = states
    return found


@pytest.mark.parametrize("starts", [(0, 4, 8, 12, 16), (16, 12, 8, 4, 0), (0, 16, 4, 12, 8)])
@pytest.mark.parametrize("together", [1, 2, 5])
@pytest.mark.parametrize("later_on_top", [False, True])
@pytest.mark.parametrize(
    ("method", "reference"),
    [(ALM(), FixedNoise()), (SyncSDE(), FixedNoise()), (RePaint(2), FreshNoise()), (StochasticALM(), FreshNoise())],
)
def test_groups_change_nothing(
    prior: Prior,
    schedule: Schedule,
    starts: Sequence[int],
    together: int,
    later_on_top: bool,
    method: Method,
    reference: Reference,
) -> None:
    options = {"method": method, "reference": reference, "later_on_top": later_on_top}
    told = {"conditions": lambda start: (float(start),)}
    piecewise = made(prior, schedule, strip(starts), together=together, **options, **told)
    whole = made(prior, schedule, strip(starts), together=len(starts), **options, **told)
    torch.testing.assert_close(piecewise, whole, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("later_on_top", [False, True])
def test_it_is_what_extend_makes(prior: Prior, schedule: Schedule, later_on_top: bool) -> None:
    starts = (0, 4, 8, 12, 16)
    x_0, mask = strip(starts).given(0, LENGTH)
    canvas = extend(
        prior,
        schedule,
        [Slice((start,), (6,)) for start in starts],
        x_0,
        mask,
        noise=ByPlace((3, 4)),
        method=ALM(),
        reference=_Shared(),
        later_on_top=later_on_top,
    )
    piecewise = made(prior, schedule, strip(starts), method=ALM(), reference=_Shared(), later_on_top=later_on_top)
    torch.testing.assert_close(piecewise, canvas, rtol=1e-4, atol=1e-4)


class _Shared:
    """X_t = a x_0: without noise of the window's own, whose key `extend` and `stream` choose differently."""

    def start(self, x_0, mask, schedule, predict, noise):  # type: ignore[no-untyped-def]
        return lambda index, draw: schedule.levels[index].a * x_0


@pytest.mark.parametrize("together", [1, 2, 3])
@pytest.mark.parametrize("later_on_top", [False, True])
def test_a_ring_is_what_extend_makes_of_it(prior: Prior, schedule: Schedule, together: int, later_on_top: bool) -> None:
    length, starts = 18, (0, 6, 12)
    windows = [Slice((start,), (8,), (True,)) for start in starts]
    ring = made(
        prior,
        schedule,
        strip(starts, 8, length, 0, ring=length),
        length=length,
        together=together,
        later_on_top=later_on_top,
    )

    class Ring(Noise):
        def draw(self, shape: Sequence[int], *key: int) -> Tensor:
            if len(shape) == 2 and shape[1] == length and key == (0,):
                return torch.stack([Noise.draw(self, shape[:1], 0, place) for place in range(length)], 2)
            return super().draw(shape, *key)

    canvas = extend(
        prior,
        schedule,
        windows,
        torch.zeros(1, 2, length),
        torch.ones(1, 2, length),
        noise=Ring((3, 4)),
        later_on_top=later_on_top,
    )
    torch.testing.assert_close(ring, canvas, rtol=1e-4, atol=1e-4)


def test_stretches_come_as_soon_as_nothing_changes_them(prior: Prior, schedule: Schedule) -> None:
    told = {
        later: [
            (start, states.shape[2])
            for start, states in stream(
                lambda x_0, mask: prior, schedule, strip((0, 4, 8)), noise=Noise.batch(0, 1), later_on_top=later
            )
        ]
        for later in (False, True)
    }
    assert told == {False: [(0, 6), (6, 4), (10, 4)], True: [(0, 4), (4, 4), (8, 6)]}


def test_as_many_windows_are_held_however_long(prior: Prior, schedule: Schedule) -> None:
    def largest(length: int) -> int:
        asked: list[int] = []

        def given(start: int, stop: int) -> tuple[Tensor, Tensor]:
            asked.append(stop - start)
            return torch.zeros(1, 2, stop - start), torch.ones(1, 1, stop - start)

        of = Strip(range(0, length - 5, 3), 6, given)
        for _ in stream(lambda x_0, mask: prior, schedule, of, noise=Noise.batch(0, 1)):
            pass
        return max(asked)

    assert largest(18) == largest(90) == 9


@pytest.mark.parametrize("together", [1, 2])
def test_a_ring_and_a_gap_hold_as_little(prior: Prior, schedule: Schedule, together: int) -> None:
    """Windows from both sides by turns: the canvas has the places of a group and of its neighbours alone."""

    def largest(length: int, ring: int | None) -> int:
        asked: list[int] = []
        lefts, rights = list(range(0, length // 2, 3)), list(range(length - 6, length // 2, -3))
        starts = [start for pair in zip(lefts, rights, strict=False) for start in pair]

        class Watching:
            guided_rows = 1

            def predict_guided(self, x_t: Tensor, level: Level, conditions: object) -> Prediction:
                return prior.predict_guided(x_t, level, conditions)

            predict = predict_guided

        def given(start: int, stop: int) -> tuple[Tensor, Tensor]:
            asked.append(stop - start)
            return torch.zeros(1, 2, stop - start), torch.ones(1, 1, stop - start)

        of = Strip(starts, 6, given, ring)
        for _ in stream(lambda x_0, mask: Watching(), schedule, of, noise=Noise.batch(0, 1), together=together):
            pass
        return max(asked)

    for around in (False, True):
        sizes = [largest(n, n if around else None) for n in (36, 90)]
        assert sizes[0] == sizes[1] <= 18


def test_a_prior_is_made_from_what_each_window_knows(prior: Prior, schedule: Schedule) -> None:
    known: list[tuple[Tensor, Tensor]] = []

    def made_from(x_0: Tensor, mask: Tensor) -> Prior:
        known.append((x_0, mask))
        return prior

    parts = [states for _, states in stream(made_from, schedule, strip((0, 4, 8)), noise=Noise.batch(0, 2))]
    (first, hole), (second, unseen), _ = known
    assert hole[0, 0].tolist() == [0, 0, 0, 1, 1, 1]
    assert unseen[0, 0].tolist() == [0, 0, 1, 1, 1, 1]
    torch.testing.assert_close(first[..., :3], torch.linspace(-1, 2, LENGTH)[:3].expand(2, 2, 3))
    torch.testing.assert_close(second[..., :2], parts[0][..., 4:6])


def test_windows_of_a_group_share_network_calls(prior: Prior, schedule: Schedule) -> None:
    calls = []
    for together in (1, 3):
        counted = Counted(prior)
        made(counted, schedule, strip((3, 7, 11, 15)), method=SyncSDE(), together=together)
        calls.append(counted.calls)
    assert calls[0] == 4 * schedule.steps
    assert calls[1] == 3 * schedule.steps, "the first of three observes nothing and is called alone"


def test_places_may_begin_from_the_same_noise(prior: Prior, schedule: Schedule) -> None:
    first = [
        next(stream(lambda x_0, mask: prior, schedule, strip((start,), 4, head=0), noise=Noise.batch(0, 1), begins=at))[
            1
        ]
        for start, at in ((0, None), (4, lambda place: place - 4), (4, None))
    ]
    torch.testing.assert_close(first[0], first[1])
    assert not torch.allclose(first[0], first[2])


def test_progress_counts_to_the_end(prior: Prior, schedule: Schedule) -> None:
    seen: list[tuple[int, int]] = []
    made(prior, schedule, strip((0, 4, 8)), together=2, on_step=lambda p: seen.append((p.index, p.count)))
    count = 2 * schedule.steps
    assert seen == [(i + 1, count) for i in range(count)]
    assert all(b[0] == a[0] + 1 for a, b in pairwise(seen))


@pytest.mark.parametrize(
    ("starts", "size", "ring"), [((0, 0), 4, None), ((0,), 0, None), ((0, 9), 4, 9), ((0,), 10, 9), ((-1,), 4, 9)]
)
def test_windows_that_do_not_fit_are_refused(starts: Sequence[int], size: int, ring: int | None) -> None:
    with pytest.raises(ValueError, match="windows of"):
        Strip(starts, size, lambda start, stop: (torch.zeros(1), torch.zeros(1)), ring)


def test_windows_draw_noise_of_their_own(prior: Prior, schedule: Schedule) -> None:
    """Two windows that begin from the same states part where the method is stochastic."""
    of, noise = strip((0, 8), 4, head=0), Noise.batch(0, 1)
    for method, same in ((SyncSDE(), True), (RePaint(2), False)):
        parts = stream(
            lambda x_0, mask: prior, schedule, of, noise=noise, method=method, begins=lambda place: place % 8
        )
        one, other = (states for _, states in parts)
        assert torch.allclose(one, other) == same
