"""The verbs from Python: what is kept stays, frames are where they are asked for, wrong ranges are refused."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import tiny_motion
import walker
from alm_core import ALM, Replacement, StochasticALM, SyncSDE
from alm_motion import MotionPrior, Result, complete, extend, inbetween, load_prior, long
from alm_motion.clips import joints_of_clip
from alm_motion.complete import Keep, kept_frames
from alm_motion.formats.bvh import Bvh
from alm_motion.io import encode_clip, read_clip
from alm_motion.long import long_joints, prompts_at
from alm_motion.options import Options

CLIP = walker.clip(frames=150)


@pytest.fixture(scope="module")
def prior(tmp_path_factory: pytest.TempPathFactory) -> MotionPrior:
    return load_prior(tiny_motion.trained(tmp_path_factory.mktemp("tiny")))


def kept_as_they_came(result: Result, frames: slice, original: slice) -> bool:
    source = CLIP.source
    assert isinstance(source, Bvh)
    from alm_motion.formats.bvh import parse_bvh

    written = parse_bvh(encode_clip(result.clips[0], "x.bvh").decode())
    return bool((written.values[frames] == source.values[original]).all())


@pytest.mark.parametrize(
    "method", [ALM(), ALM(imputation=True), ALM(eta=1.0), SyncSDE(3.0), Replacement(), StochasticALM()]
)
def test_kept_frames_come_out_as_they_went_in(prior: MotionPrior, method: ALM) -> None:
    result = complete(CLIP, [slice(0, 60), slice(100, None)], prior=prior, steps=4, method=method)
    assert kept_as_they_came(result, slice(0, 60), slice(0, 60))
    assert kept_as_they_came(result, slice(100, 150), slice(100, 150))
    assert result.kept_error < 1e-9
    assert result.made.tolist() == [60 <= n < 100 for n in range(150)]
    joints = joints_of_clip(result.clips[0])
    assert np.isfinite(joints).all()
    assert np.abs(joints[60:100] - joints_of_clip(CLIP)[60:100]).max() > 1e-3


def test_the_borders_of_a_gap_are_smooth_even_with_a_random_network(prior: MotionPrior) -> None:
    result = complete(CLIP, [slice(0, 60), slice(100, None)], prior=prior, steps=4)
    steps = np.linalg.norm(np.diff(joints_of_clip(result.clips[0]), axis=0), axis=2).max(1)
    inside = steps[62:97].max()
    assert steps[59] < max(0.05, inside)
    assert steps[99] < max(0.05, inside)


def test_extending_adds_frames_on_the_side_asked_for(prior: MotionPrior) -> None:
    after = extend(CLIP, 0.5, prior=prior, steps=3)
    before = extend(CLIP, 0.5, before=True, prior=prior, steps=3)
    assert len(after.clips[0]) == len(before.clips[0]) == 180
    assert kept_as_they_came(after, slice(0, 150), slice(0, 150))
    assert kept_as_they_came(before, slice(30, 180), slice(0, 150))
    assert after.made[150:].all()
    assert before.made[:30].all()


def test_a_long_clip_is_extended_by_a_stretch_of_its_end(prior: MotionPrior) -> None:
    clip = walker.clip(frames=752)
    result = extend(clip, 4.0, prior=prior, steps=2)
    assert len(result.clips[0]) == 992
    assert result.kept_error < 1e-9
    assert (result.clips[0].rotations[:752] == clip.rotations).all()


def test_keyframes_alone_are_kept_in_between(prior: MotionPrior) -> None:
    result = inbetween(CLIP, [0, 50, 100, 149], prior=prior, steps=3)
    assert np.flatnonzero(~result.made).tolist() == [0, 50, 100, 149]
    assert kept_as_they_came(result, slice(50, 51), slice(50, 51))
    with pytest.raises(ValueError, match="two keyframes or more"):
        inbetween(CLIP, [3], prior=prior)


def test_single_joints_are_made(prior: MotionPrior) -> None:
    keep = np.ones((150, 22), bool)
    keep[40:90, [18, 20]] = False
    result = complete(CLIP, keep, prior=prior, steps=3)
    moved = np.abs(joints_of_clip(result.clips[0]) - joints_of_clip(CLIP)).max((0, 2)) > 1e-6
    assert np.flatnonzero(moved).tolist() == [18, 20]


def test_a_gap_longer_than_the_model_makes_is_made_in_stretches(prior: MotionPrior) -> None:
    clip = walker.clip(frames=900)
    result = complete(clip, [slice(0, 90), slice(840, None)], prior=prior, steps=2)
    assert result.kept_error < 1e-9
    assert result.calls == 2 * complete(CLIP, [slice(0, 60), slice(100, None)], prior=prior, steps=2).calls


@pytest.mark.parametrize(
    ("keep", "said"),
    [
        ([slice(0, None)], "everything is kept"),
        ([], "nothing is kept"),
        ([slice(0, 200)], "keep 0:200 is not a range of this clip, which has frames 0 to 149"),
        ([slice(40, 20)], "keep 40:20 is not a range"),
        ([slice(-200, None)], "keep -200: is not a range"),
        ([150], "keep 150 is not a range"),
        ([slice(0, 100, 2)], "steps are not taken"),
        (np.ones(12, bool), "keep must be"),
        (np.zeros((150, 22), bool), "nothing is kept"),
    ],
)
def test_ranges_outside_the_clip_all_and_nothing_are_refused(keep: Keep, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        kept_frames(CLIP, keep)


def test_a_joint_kept_below_one_that_is_made_is_refused() -> None:
    keep = np.ones((150, 22), bool)
    keep[40:90, 18] = False
    with pytest.raises(ValueError, match="left_wrist is kept where left_elbow, which it hangs from, is made"):
        kept_frames(CLIP, keep)


def test_ranges_are_python_s() -> None:
    given = kept_frames(CLIP, [slice(None, 3), slice(-2, None), 10, -5]).all(1)
    assert np.flatnonzero(given).tolist() == [0, 1, 2, 10, 145, 148, 149]


def test_a_clip_of_which_no_frame_is_whole_is_refused(prior: MotionPrior) -> None:
    keep = np.ones((150, 22), bool)
    keep[:, 20] = False
    with pytest.raises(ValueError, match="at least one frame must be kept whole"):
        complete(CLIP, keep, prior=prior)


def test_options_are_checked_before_any_work(prior: MotionPrior) -> None:
    for name, value, said in (("count", 0, "count"), ("steps", 0, "steps"), ("seed", 2**63, "63 bits")):
        with pytest.raises(ValueError, match=said):
            complete(CLIP, [0], prior=prior, **{name: value})  # type: ignore[arg-type]
    for name in ("method", "reference", "prior"):
        with pytest.raises(TypeError, match=name):
            complete(CLIP, [0], **{"prior": prior, name: "alm"})  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="metod"):
        complete(CLIP, [0], prior=prior, metod=ALM())  # type: ignore[call-arg]


def test_seconds_that_make_no_frame_are_refused(prior: MotionPrior) -> None:
    for seconds in (0.0, -1.0, float("nan")):
        with pytest.raises(ValueError, match="a frame or more"):
            extend(CLIP, seconds, prior=prior)


def test_a_long_motion_has_its_length_and_is_told_what_to_show_when(prior: MotionPrior) -> None:
    result = long(12.0, prompts={0.0: "walking", 5.0: "jumping"}, prior=prior, steps=2, fps=30.0)
    assert len(result.clips[0]) == 12 * 30
    assert result.clips[0].fps == 30
    options = Options(prior=prior, steps=2)
    both = long_joints(240, [(0.0, "walking"), (5.0, "jumping")], options).joints[0]
    one = long_joints(240, [(0.0, "walking"), (5.0, "walking")], options).joints[0]
    assert (both[:100] == one[:100]).all()
    assert np.abs(both[100:] - one[100:]).max() > 1e-3


def test_a_long_motion_runs_on_from_stretch_to_stretch(prior: MotionPrior) -> None:
    joints = long_joints(280, [(0.0, "")], Options(prior=prior, steps=3)).joints[0]
    steps = np.linalg.norm(np.diff(joints, axis=0), axis=2).mean(1)
    assert steps[[119, 209]].max() < 2 * np.median(steps)


def test_a_loop_ends_where_it_begins_in_pose_and_keeps_the_rest() -> None:
    options = Options(steps=10)
    loop, plain = (long_joints(130, [(0.0, "walking")], options, loop=each).joints[0] for each in (True, False))
    assert (loop[:70] == plain[:70]).all()
    most = max(np.abs(posed(b) - posed(a)).mean() for a, b in pairwise(plain))
    assert np.abs(posed(loop[129]) - posed(loop[0])).mean() < most
    np.testing.assert_allclose([posed(each) for each in loop[130:]], [posed(each) for each in loop[:30]], atol=1e-9)


def posed(joints: np.ndarray) -> np.ndarray:
    """A pose wherever the body is and looks: the distances between its joints."""
    return np.linalg.norm(joints[:, None] - joints[None], axis=2)


def test_a_loop_at_a_high_rate_has_its_length_and_goes_on_at_its_own_speed() -> None:
    """From the last frame to the first is one frame's way: it was three, and the loop two frames short."""
    joints = joints_of_clip(long(4.0, prompt="walking", loop=True, fps=60.0, steps=6, pin_feet=False).clips[0])
    assert len(joints) == 240
    around = [posed(each) for each in (*joints[-10:], *joints[:10])]
    ways = np.array([np.abs(b - a).mean() for a, b in pairwise(around)])
    assert ways[9] < 1.5 * max(ways[8], ways[10])


@pytest.mark.parametrize(
    ("seconds", "fps"), [(4.0, 60.0), (6.0, 24.0), (0.1, 60.0), (4.0, 5.0), (3.33, 30.0), (0.5, 2.0)]
)
@pytest.mark.parametrize("loop", [False, True])
def test_a_motion_has_the_frames_that_were_asked_for(
    seconds: float, fps: float, loop: bool, prior: MotionPrior
) -> None:
    seconds += 3 * loop
    result = long(seconds, fps=fps, loop=loop, prior=prior, steps=1, pin_feet=False)
    assert len(result.clips[0]) == round(seconds * fps)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"seconds": 0.0}, "a tenth of a second"),
        ({"fps": 0.0}, "above 0"),
        ({"overlap": 120}, "0 < overlap < stretch"),
        ({"stretch": 500}, "the most that the model makes"),
        ({"prompts": {20.0: "walking"}}, "begins at 20 s, and the motion has 4"),
        ({"prompts": {0.0: "walking", 2.0: "jumping", 2.04: "walking"}}, "'jumping' holds from 2 s to 2.04 s"),
        ({"prompts": {0.0: "walking", 3.97: "jumping"}}, "'jumping' holds from 3.97 s to 4 s: give it 0.1 s or more"),
        ({"seconds": 0.2, "fps": 1.0}, "are no frame"),
        ({"stretch": 60, "loop": True}, "more than twice the overlap of 30, got 60"),
        ({"prompt": "flying"}, "knows no action 'flying'"),
        ({"seconds": 2.0, "loop": True}, "a loop must last"),
    ],
)
def test_wrong_wishes_for_a_long_motion_are_refused(change: dict[str, object], said: str, prior: MotionPrior) -> None:
    with pytest.raises(ValueError, match=said):
        long(**{"seconds": 4.0, "prior": prior, "steps": 2, **change})  # type: ignore[arg-type]


def test_prompts_are_taken_in_order_of_time() -> None:
    assert prompts_at({3.0: "b", 1.0: "a"}, 5) == [(0.0, ""), (1.0, "a"), (3.0, "b")]
    assert prompts_at({0.05: "a"}, 5) == [(0.0, "a")]
    assert prompts_at({}, 5) == [(0.0, "")]


def test_a_file_is_taken_by_its_path(prior: MotionPrior, tmp_path: Path) -> None:
    (tmp_path / "w.bvh").write_text(walker.text(150))
    by_path = complete(tmp_path / "w.bvh", [slice(0, 60)], prior=prior, steps=2)
    assert (by_path.clips[0].rotations == complete(CLIP, [slice(0, 60)], prior=prior, steps=2).clips[0].rotations).all()
    assert len(read_clip(tmp_path / "w.bvh")) == 150
