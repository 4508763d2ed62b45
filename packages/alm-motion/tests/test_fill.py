"""Filling: a prior that knows the answer gives it back, wherever the motion is, however it sees it."""

from pathlib import Path

import numpy as np
import pytest
import tiny_motion
import torch
import walker
from alm_core import ALM, SyncSDE
from alm_motion import load_prior
from alm_motion.clips import joints_of_clip
from alm_motion.features import observed_channels
from alm_motion.fill import bridged, fill
from alm_motion.options import Options
from alm_motion.retarget import Fitted
from alm_motion.skeleton import BONES
from alm_motion.stretches import CONTEXT, fill_all, plan
from oracle import Oracle, straight


def body() -> np.ndarray:
    joints = joints_of_clip(walker.clip(frames=4))
    return Fitted.of(joints).forth(joints)


TRUE = straight(body(), 60) + np.array([3.0, 0.0, -2.0])


def given(start: int, stop: int, frames: int = 60) -> np.ndarray:
    known = np.ones((frames, 22), bool)
    known[start:stop] = False
    return known


def quiet(done: int, count: int) -> None: ...


def filled(oracle: Oracle, known: np.ndarray, joints: np.ndarray = TRUE) -> np.ndarray:
    hidden = np.where(known[..., None], joints, 77.0)
    return fill(hidden[None], known[None], Options(prior=oracle), quiet).joints[0]


@pytest.mark.parametrize("absolute", [True, False])
@pytest.mark.parametrize(("start", "stop", "frame"), [(20, 40, 19), (0, 30, 30), (30, 60, 29)])
def test_the_answer_comes_back_where_it_belongs(absolute: bool, start: int, stop: int, frame: int) -> None:
    oracle = Oracle(TRUE, frame, absolute=absolute)
    made = filled(oracle, given(start, stop))
    np.testing.assert_allclose(made, TRUE, atol=2e-4)


def test_an_anchored_prior_sees_the_first_frame_at_the_origin() -> None:
    made = filled(Oracle(TRUE, 0, anchored=True), given(20, 40))
    np.testing.assert_allclose(made, TRUE, atol=2e-4)


def test_an_anchored_prior_is_told_where_a_first_frame_that_is_not_given_would_be() -> None:
    oracle = Oracle(TRUE, 0, anchored=True)
    made = filled(oracle, given(0, 30))
    np.testing.assert_allclose(made, TRUE, atol=2e-3)  # the given steps lead straight back
    ground = oracle.seen[0][0, 1:3, 30] * 0.5
    np.testing.assert_allclose(ground.norm(), np.linalg.norm((TRUE[30] - TRUE[0])[0, ::2]), rtol=1e-3)


def test_a_relative_motion_that_drifts_is_carried_to_what_is_given_after_the_gap() -> None:
    other = TRUE.copy()
    other[20:, :, 0] += np.linspace(0, 0.5, 40)[:, None]  # the model walks farther than the truth
    made = filled(Oracle(other, 19, absolute=False), given(20, 40))
    np.testing.assert_allclose(made[40:], TRUE[40:], atol=1e-3)
    np.testing.assert_allclose(made[:20], TRUE[:20], atol=1e-3)
    steps = np.linalg.norm(np.diff(made[:, 0], axis=0), axis=1)
    assert steps.max() < 3 * np.linalg.norm(np.diff(TRUE[:, 0], axis=0), axis=1).max()


def test_the_mask_is_1_exactly_where_the_channels_are_not_known() -> None:
    oracle, known = Oracle(TRUE, 19), given(20, 40)
    known[45:50, [18, 20]] = False
    filled(oracle, known)
    wanted = ~observed_channels(torch.from_numpy(known)[None]).transpose(1, 2)
    assert torch.equal(oracle.seen[1], wanted.float())


def test_hidden_joints_are_not_read() -> None:
    one, other = Oracle(TRUE, 19), Oracle(TRUE, 19)
    known = given(20, 40)
    filled(one, known)
    fill(TRUE[None] * known[..., None], known[None], Options(prior=other), quiet)
    assert torch.equal(one.seen[0], other.seen[0])


def test_bridged_joints_lie_on_straight_lines() -> None:
    known = given(10, 20)
    found = bridged(TRUE, known)
    share = (14 - 9) / (20 - 9)
    np.testing.assert_allclose(found[14], TRUE[9] * (1 - share) + TRUE[20] * share)
    known[:, 3] = False
    beside = bridged(TRUE, known)
    np.testing.assert_allclose(np.linalg.norm(beside[:, 3] - beside[:, 0], axis=1), BONES[3], atol=1e-9)


def test_hidden_arms_turn_with_the_body() -> None:
    angle = np.linspace(0, np.pi, 60)
    cos, sin, zero = np.cos(angle), np.sin(angle), 0 * angle
    turn = np.stack([cos, zero, sin, zero, zero + 1, zero, -sin, zero, cos], 1).reshape(60, 3, 3)
    whole = np.einsum("fij,fnj->fni", turn, np.repeat(body()[:1] - body()[:1, :1] * [1, 0, 1], 60, 0))
    known = np.ones((60, 22), bool)
    known[10:, 13:15] = known[10:, 16:22] = False
    np.testing.assert_allclose(bridged(np.where(known[..., None], whole, 9.0), known), whole, atol=1e-9)


def test_joints_that_stand_in_place_are_seen_from_there() -> None:
    here = straight(body() - body()[:1, :1] * [1, 0, 1], 60)
    oracle = Oracle(here, 0, anchored=True)
    known = given(0, 30)
    made = fill(np.where(known[..., None], here, 77.0)[None], known[None], Options(prior=oracle), quiet, in_place=True)
    assert torch.allclose(oracle.seen[0][0, 1:3, 45] * 0.5, torch.from_numpy(here[45, 0, ::2]).float(), atol=1e-4)
    assert np.isfinite(made.joints).all()


def test_single_joints_are_refused_where_the_channels_are_mixed() -> None:
    known = given(20, 40)
    known[20:40, :5] = True
    with pytest.raises(ValueError, match="mixes the channels of a frame"):
        filled(Oracle(TRUE, 19, partial=False), known)


def test_more_frames_than_the_model_makes_are_refused_by_fill_and_split_by_fill_all() -> None:
    long = straight(body(), 250)
    known = given(60, 190, 250)
    with pytest.raises(ValueError, match="between 2 and 120 frames at 20 a second, got 250"):
        filled(Oracle(long, 0, frames=120), known, long)
    assert plan(~known.all(1), 120) == [(30, 150), (120, 220)]


@pytest.mark.parametrize("seed", range(40))
def test_stretches_cover_what_is_made_in_order_and_see_what_is_around(seed: int) -> None:
    rng = np.random.default_rng(seed)
    frames, longest = int(rng.integers(90, 900)), int(rng.integers(90, 200))
    made = np.zeros(frames, bool)
    for _ in range(rng.integers(1, 6)):
        start = int(rng.integers(0, frames))
        made[start : start + int(rng.integers(1, 300))] = True
    if seed % 4 == 0:
        made[: int(rng.integers(1, 600))] = True
        made[int(rng.integers(1, frames)) :] = False
    covered = ~made
    for start, stop in plan(made, longest):
        assert 0 <= start < stop <= frames
        assert stop - start <= longest
        new = np.flatnonzero(~covered[start:stop]) + start
        assert len(new)
        first, last = int(new[0]), int(new[-1])
        known_before, known_after = covered[:first].all(), not made[0] or covered[last + 1 :].any()
        assert known_before or known_after
        assert covered[start:stop].any() or made.all()  # nothing is made from nothing
        if known_before:  # forwards
            assert start == max(first - CONTEXT, 0) or frames <= longest
        else:  # backwards: all up to where it begins is open, and what follows it is seen
            assert not covered[start : last + 1].any()
            assert not covered[:start].any()
            assert covered[last + 1 : stop].all()
            assert stop > last + 1
        assert frames <= longest or stop <= last + 1 + CONTEXT
        covered[start:stop] = True
    assert covered.all()


def test_a_long_gap_at_the_beginning_is_made_from_its_end_backwards() -> None:
    made = np.zeros(700, bool)
    made[:400] = True
    made[600:610] = True
    assert plan(made, 200) == [(230, 430), (60, 260), (0, 90), (570, 640)]
    made[410:500] = True  # a little is given between two gaps: the first is led to it, and the second from it
    assert plan(made[:500], 200) == [(210, 410), (40, 240), (0, 70), (380, 500)]
    made[:180], made[180:190], made[190:] = True, False, True  # what is given between is seen, little as it is
    assert plan(made, 200)[0] == (0, 190)
    made[:400], made[400:410], made[410:500], made[500:] = True, False, True, False
    assert plan(made, 200)[:4] == [(210, 410), (40, 240), (0, 70), (380, 530)]


def test_a_short_gap_in_a_long_clip_costs_itself_and_what_is_seen_around_it() -> None:
    made = np.zeros(1200, bool)
    made[500:510] = True
    assert plan(made, 200) == [(500 - CONTEXT, 510 + CONTEXT)]
    made[530:540] = True  # near enough to be made at once
    assert plan(made, 200) == [(500 - CONTEXT, 540 + CONTEXT)]
    assert plan(made[:200], 200) == [(0, 200)]


def test_what_is_made_before_a_clip_longer_than_the_model_leads_to_it(tmp_path: Path) -> None:
    """A random network stands somewhere: without what follows it stood at the origin, 1 km from the clip."""
    prior = load_prior(tiny_motion.trained(tmp_path))
    far = straight(body(), 330) + np.array([1000.0, 0.0, 0.0])
    found = fill_all(far, given(0, 260, 330), Options(prior=prior, steps=2)).joints[0]
    assert np.abs(found[:, 0, 0] - 1000).max() < 200


def test_variants_are_what_their_own_seeds_give(tmp_path: Path) -> None:
    prior = load_prior(tiny_motion.trained(tmp_path))
    known = given(20, 40)
    both = fill_all(TRUE, known, Options(prior=prior, steps=4, count=2, seed=7, method=ALM()))
    alone = fill_all(TRUE, known, Options(prior=prior, steps=4, count=1, seed=8, method=ALM()))
    np.testing.assert_allclose(both.joints[1], alone.joints[0], atol=1e-4)
    assert np.abs(both.joints[0] - both.joints[1]).max() > 1e-3
    one = fill_all(TRUE, known, Options(prior=prior, steps=4, method=SyncSDE(3.0)))
    assert one.evaluations == one.calls == 4


def test_each_row_is_told_its_own_prompt(tmp_path: Path) -> None:
    prior = load_prior(tiny_motion.trained(tmp_path))
    known = given(20, 40)
    options = Options(prior=prior, steps=3, method=SyncSDE(3.0))
    rows = np.stack([TRUE, TRUE + np.array([0.5, 0, 0])])
    told = fill(rows, np.stack([known, known]), options, quiet, prompts=["walking", "jumping"]).joints
    same = fill(rows, np.stack([known, known]), options, quiet, prompts=["walking", "walking"]).joints
    np.testing.assert_allclose(told[0], same[0], atol=1e-4)
    assert np.abs(told[1] - same[1]).max() > 1e-3
