"""Filling: a prior that knows the answer gives it back, wherever the motion is, however it sees it."""

from pathlib import Path

import numpy as np
import pytest
import tiny
import torch
import walker
from alm_core import ALM, SyncSDE
from alm_motion import load_prior
from alm_motion.clips import joints_of_clip
from alm_motion.features import observed_channels
from alm_motion.fill import bridged, fill
from alm_motion.options import Options
from alm_motion.retarget import Fitted
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
    assert (bridged(TRUE, known)[:, 3] == bridged(TRUE, known)[0, 3]).all()


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
    assert plan(~known.all(1), 120) == [(30, 150), (120, 240)]


@pytest.mark.parametrize("seed", range(40))
def test_stretches_cover_what_is_made_in_order_and_see_what_is_around(seed: int) -> None:
    rng = np.random.default_rng(seed)
    frames, longest = int(rng.integers(90, 900)), int(rng.integers(90, 200))
    made = np.zeros(frames, bool)
    for _ in range(rng.integers(1, 6)):
        start = int(rng.integers(0, frames))
        made[start : start + int(rng.integers(1, 300))] = True
    covered = np.zeros(frames, bool)
    for start, stop in plan(made, longest):
        assert 0 <= start < stop <= frames
        assert stop - start <= longest
        new = made[start:stop] & ~covered[start:stop]
        assert new.any()
        first = start + int(np.flatnonzero(new)[0])
        assert start == 0 or first - start >= min(CONTEXT, first) or stop == frames
        assert not (made[:first] & ~covered[:first]).any()
        covered[start:stop] = True
    assert (covered | ~made).all()


def test_variants_are_what_their_own_seeds_give(tmp_path: Path) -> None:
    prior = load_prior(tiny.trained(tmp_path))
    known = given(20, 40)
    both = fill_all(TRUE, known, Options(prior=prior, steps=4, count=2, seed=7, method=ALM()))
    alone = fill_all(TRUE, known, Options(prior=prior, steps=4, count=1, seed=8, method=ALM()))
    np.testing.assert_allclose(both.joints[1], alone.joints[0], atol=1e-4)
    assert np.abs(both.joints[0] - both.joints[1]).max() > 1e-3
    one = fill_all(TRUE, known, Options(prior=prior, steps=4, method=SyncSDE(3.0)))
    assert one.evaluations == 8  # four steps, and four of the inversion


def test_each_row_is_told_its_own_prompt(tmp_path: Path) -> None:
    prior = load_prior(tiny.trained(tmp_path))
    known = given(20, 40)
    options = Options(prior=prior, steps=3, method=SyncSDE(3.0))
    rows = np.stack([TRUE, TRUE + np.array([0.5, 0, 0])])
    told = fill(rows, np.stack([known, known]), options, quiet, prompts=["walking", "jumping"]).joints
    same = fill(rows, np.stack([known, known]), options, quiet, prompts=["walking", "walking"]).joints
    np.testing.assert_allclose(told[0], same[0], atol=1e-4)
    assert np.abs(told[1] - same[1]).max() > 1e-3
