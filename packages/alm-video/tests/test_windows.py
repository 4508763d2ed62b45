"""Windows cover what is to be made, and each sees as much as can be seen of what is beside it."""

from itertools import product

import pytest
from alm_video.windows import Plan, after, before, between, free

SIZES = [(16, 8), (16, 12), (16, 4), (8, 8), (21, 10), (5, 2)]


def check(plan: Plan) -> None:
    """Every frame to be made lies in a window, each window lies on the canvas, and makes something."""
    known = {*range(plan.head), *range(plan.head + plan.made, plan.length)}
    for start in plan.starts:
        assert start >= 0
        assert plan.ring or start + plan.size <= plan.length
        covers = {place % plan.length for place in range(start, start + plan.size)}
        assert covers - known, "each window makes something"
        known |= covers
    assert known == set(range(plan.length))


@pytest.mark.parametrize(("size", "stride"), SIZES)
@pytest.mark.parametrize("frames", [1, 2, 7, 8, 9, 16, 17, 40, 104])
@pytest.mark.parametrize("clip", [1, 3, 8, 100])
def test_all_is_covered(size: int, stride: int, frames: int, clip: int) -> None:
    check(free(frames, size, stride))
    check(after(clip, frames, size, stride))
    check(before(clip, frames, size, stride))
    for second in (1, 5, 100):
        check(between(clip, second, frames, size, stride))
    if frames > size:
        check(free(frames, size, stride, loop=True))


@pytest.mark.parametrize(("size", "stride"), SIZES)
def test_each_window_after_a_clip_sees_the_overlap(size: int, stride: int) -> None:
    plan = after(100, 5 * stride, size, stride)
    assert plan.head == size - stride
    assert plan.starts == tuple(range(0, 5 * stride, stride))


def test_the_paper_s_104_frames_are_twelve_windows() -> None:
    assert free(104, 16, 8).starts == tuple(range(0, 96, 8))


def test_few_frames_are_one_window_that_sees_more_of_the_clip() -> None:
    assert after(100, 3, 16, 8) == Plan((0,), 16, 13, 3)
    assert before(100, 3, 16, 8) == Plan((0,), 16, 0, 3, 13)
    assert between(100, 100, 6, 16, 8) == Plan((0,), 16, 5, 6, 5)


def test_before_is_after_seen_in_a_mirror() -> None:
    there, back = after(30, 20, 16, 8), before(30, 20, 16, 8)
    assert [there.length - start - there.size for start in there.starts] == list(back.starts)
    assert (back.head, back.tail) == (0, there.head)


@pytest.mark.parametrize("frames", [9, 16, 24, 40, 41])
def test_a_gap_is_closed_from_both_sides(frames: int) -> None:
    plan = between(100, 100, frames, 16, 8)
    assert plan.starts[0] == min(plan.starts)
    low, high = plan.head, plan.head + frames
    made = [0] * plan.length
    for start in plan.starts[:-1]:
        for place in range(start, start + plan.size):
            made[place] = 1
    left = [place for place in range(low, high) if not made[place]]
    assert len(left) <= 8
    last = plan.starts[-1]
    assert left[0] - last >= 4
    assert last + plan.size - 1 - left[-1] >= 4


@pytest.mark.parametrize(("size", "stride"), [(16, 15), (16, 8), (5, 4), (8, 6)])
@pytest.mark.parametrize("frames", [1, 3, 4, 7, 14, 15, 40])
def test_both_sides_of_a_gap_are_seen(size: int, stride: int, frames: int) -> None:
    for first, second in product((1, 2, 100), repeat=2):
        plan = between(first, second, frames, size, stride)
        check(plan)
        assert plan.head > 0
        assert plan.tail > 0
        places = {place for start in plan.starts for place in range(start, start + plan.size)}
        assert places >= {plan.head - 1, plan.length - plan.tail}


@pytest.mark.parametrize(("frames", "size", "stride"), [(0, 16, 8), (-3, 16, 8), (8, 16, 17), (8, 16, 0), (8, 0, 0)])
def test_what_cannot_be_laid_is_refused(frames: int, size: int, stride: int) -> None:
    for lay in (lambda: free(frames, size, stride), lambda: after(9, frames, size, stride)):
        with pytest.raises(ValueError, match=r"at least one frame|wanted 0 < stride <= window"):
            lay()
    with pytest.raises(ValueError, match="a loop must be longer"):
        free(16, 16, 8, loop=True)
