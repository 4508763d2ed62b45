"""The lens laws, on one, two and three axes."""

from itertools import pairwise

import pytest
import torch
from alm_core import Noise, Schedule, Slice, SyncSDE, extend
from alm_core.prior import Prior, ddim
from alm_core.sample import INITIAL
from alm_core.testing import check_window
from alm_core.window import coverage, shown, slices
from alm_core.windowed import WINDOW


@pytest.mark.parametrize(
    ("window", "shape"),
    [
        (Slice((2,), (4,)), (2, 3, 9)),
        (Slice((1, 3), (4, 5)), (2, 3, 7, 8)),
        (Slice((0, 1, 2), (2, 3, 4)), (1, 2, 4, 5, 6)),
        (Slice((6,), (4,), (True,)), (2, 3, 9)),
        (Slice((0, 5), (4, 6), (False, True)), (2, 3, 4, 8)),
    ],
)
def test_a_slice_is_a_lens(window: Slice, shape: tuple[int, ...]) -> None:
    check_window(window, torch.rand(shape))


def test_a_looped_slice_joins_the_two_ends() -> None:
    canvas = torch.arange(5.0)[None]
    assert Slice((3,), (4,), (True,)).read(canvas).tolist() == [[3.0, 4.0, 0.0, 1.0]]


def test_coverage_is_one_inside_and_zero_outside() -> None:
    assert coverage(Slice((1,), (2,)), torch.rand(1, 4)).tolist() == [[0.0, 1.0, 1.0, 0.0]]


@pytest.mark.parametrize("start", [-1, 6])
def test_a_window_that_leaves_the_canvas_is_refused(start: int) -> None:
    with pytest.raises(ValueError, match="does not fit an axis of 9"):
        Slice((start,), (4,)).read(torch.zeros(1, 9))


def test_slices_cover_the_axis_and_the_last_is_moved_in() -> None:
    assert slices(256, 64, 48) == [0, 48, 96, 144, 192]
    assert slices(100, 64, 48) == [0, 36]
    assert slices(64, 64, 48) == [0]


def test_looped_slices_go_once_round() -> None:
    assert slices(192, 64, 48, loop=True) == [0, 48, 96, 144]


def test_a_stride_that_leaves_gaps_is_refused() -> None:
    with pytest.raises(ValueError, match="stride 65, window 64"):
        slices(256, 64, 65)


class Negative:
    """A view of the whole canvas with its signs turned."""

    def read(self, canvas: torch.Tensor) -> torch.Tensor:
        return -canvas

    def write(self, canvas: torch.Tensor, piece: torch.Tensor) -> torch.Tensor:
        return -piece


def test_a_window_that_turns_signs_is_a_lens_whose_masks_and_coverage_do_not_turn() -> None:
    mask = torch.tensor([[0.0, 1.0, 1.0]])
    check_window(Negative(), torch.rand(2, 3))
    assert torch.equal(shown(Negative(), mask), mask)
    assert torch.equal(coverage(Negative(), mask), torch.ones(1, 3))


def test_a_canvas_is_completed_through_a_window_that_turns_signs(prior: Prior, schedule: Schedule) -> None:
    """The negative of what the plain window makes of the negative: the second follows the first everywhere."""
    x_0, mask = torch.zeros(1, 2, 6), torch.ones(1, 2, 6)
    options = {"noise": Noise.batch(3, 2), "method": SyncSDE(0.7), "later_on_top": True, "shared_noise": False}
    windows = [Slice((0,), (6,)), Negative()]
    made = extend(prior, schedule, windows, x_0, mask, **options)
    own = [Noise.batch(3, 2).child(WINDOW, i) for i in (0, 1)]
    y, z = (n.draw((2, 6), INITIAL) for n in own)
    first = schedule.levels[0].t
    for t, s in pairwise(schedule.levels):
        pull = min((s.a / t.a - s.s / t.s) * 0.7 * t.t / first, 1.0)
        one, two = (ddim(prior.predict(x, t, None), s) for x in (y, z))
        y, z = one, two - pull * (z + y)
    torch.testing.assert_close(made, -z, rtol=1e-4, atol=1e-4)
