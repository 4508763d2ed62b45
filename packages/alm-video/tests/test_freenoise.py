"""The noise of later frames is that of the first window's, group by group."""

import pytest
from alm_video import FreeNoise


def test_the_first_window_has_noise_of_its_own() -> None:
    assert [FreeNoise(16, 4).begins(frame, 0) for frame in range(16)] == list(range(16))


@pytest.mark.parametrize(("window", "stride"), [(16, 4), (6, 3), (5, 5), (7, 2)])
def test_each_group_is_the_one_a_window_before_in_another_order(window: int, stride: int) -> None:
    way = FreeNoise(window, stride)
    for group in range(window, 60, stride):
        here = {way.begins(frame, 5) for frame in range(group, group + stride)}
        there = {way.begins(frame, 5) for frame in range(group - window, group - window + stride)}
        assert here == there
        assert len(here) == stride


def test_the_order_is_the_seed_s() -> None:
    way, frames = FreeNoise(16, 4), range(16, 80)
    one, same, other = ([way.begins(frame, seed) for frame in frames] for seed in (1, 1, 2))
    assert one == same != other


@pytest.mark.parametrize(("window", "stride"), [(4, 5), (4, 0), (0, 0)])
def test_ranges_are_checked(window: int, stride: int) -> None:
    with pytest.raises(ValueError, match="wanted 0 < stride <= window"):
        FreeNoise(window, stride)
