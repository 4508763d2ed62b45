"""Inverse kinematics and the way back: targets are met, what is kept stays, borders are smooth."""

import numpy as np
import pytest
import walker
from alm_motion.clips import joints_of_clip
from alm_motion.contacts import pinned, standing
from alm_motion.ik import free_joints, solve, upright
from alm_motion.mapping import guess, weights
from alm_motion.restore import restored
from alm_motion.seams import runs
from scipy.spatial.transform import Rotation

CLIP = walker.clip(frames=90)
OFF = np.array([0.08, 0.03, -0.05])
MAPPED = weights(CLIP.skeleton, guess(CLIP.skeleton))


def test_a_body_that_was_put_out_of_pose_finds_back() -> None:
    joints = joints_of_clip(CLIP)
    rng = np.random.default_rng(0)
    turns = Rotation.from_rotvec(rng.normal(0, 0.25, (len(CLIP) * len(CLIP.skeleton.names), 3))).as_matrix()
    start = turns.reshape(CLIP.rotations.shape) @ CLIP.rotations
    free = free_joints(CLIP.skeleton, MAPPED, np.ones(22, bool))
    solved, moved = solve(CLIP.skeleton, start, CLIP.translations, MAPPED, joints, free=free)
    found = np.einsum("mj,fjc->fmc", MAPPED, CLIP.skeleton.forward(solved, moved)[0])
    assert np.linalg.norm(found - joints, axis=2).max() < 1e-3


def test_targets_that_are_met_change_nothing() -> None:
    free = free_joints(CLIP.skeleton, MAPPED, np.ones(22, bool))
    solved, moved = solve(CLIP.skeleton, CLIP.rotations, CLIP.translations, MAPPED, joints_of_clip(CLIP), free=free)
    np.testing.assert_allclose(solved, CLIP.rotations, atol=1e-9)
    np.testing.assert_allclose(moved, CLIP.translations, atol=1e-9)


def test_a_joint_is_free_where_only_made_points_hang_from_it() -> None:
    made = np.zeros(22, bool)
    made[[18, 20]] = True  # the left elbow and wrist
    names = [
        CLIP.skeleton.names[n].rpartition(":")[2] for n in np.flatnonzero(free_joints(CLIP.skeleton, MAPPED, made))
    ]
    assert names == ["LeftArm", "LeftForeArm"]


def test_upright_is_the_turn_between_two_clouds() -> None:
    rng = np.random.default_rng(2)
    points = rng.normal(size=(5, 8, 3))
    turns = Rotation.random(5, random_state=1).as_matrix()
    found = upright(points, np.einsum("fij,fnj->fni", turns, points) + rng.normal(size=(5, 1, 3)))
    np.testing.assert_allclose(found, turns, atol=1e-9)


@pytest.mark.parametrize(("start", "stop"), [(30, 60), (0, 40), (50, 90)])
def test_a_gap_told_the_true_joints_is_the_true_motion(start: int, stop: int) -> None:
    made = np.zeros((90, 22), bool)
    made[start:stop] = True
    whole = restored(CLIP, joints_of_clip(CLIP), made, MAPPED)
    error = np.linalg.norm(joints_of_clip(whole) - joints_of_clip(CLIP), axis=2)
    assert error[start:stop].max() < 2e-3
    kept = np.r_[0:start, stop:90]
    assert (whole.rotations[kept] == CLIP.rotations[kept]).all()
    assert (whole.translations[kept] == CLIP.translations[kept]).all()
    assert (whole.rows[kept] == kept).all()
    assert (whole.rows[start:stop] == -1).all()


def test_what_the_model_took_kept_frames_for_is_not_seen_at_the_border() -> None:
    off = joints_of_clip(CLIP) + OFF  # the model's whole motion lies beside
    made = np.zeros((90, 22), bool)
    made[30:60] = True
    whole = joints_of_clip(restored(CLIP, off, made, MAPPED))
    true = joints_of_clip(CLIP)
    steps, natural = (np.linalg.norm(np.diff(each, axis=0), axis=2) for each in (whole, true))
    assert steps[[29, 59]].max() < natural[[29, 59]].max() + 2e-3
    # A short gap between borders that are off alike is carried to where they belong.
    assert np.linalg.norm(whole - true, axis=2).max() < 5e-3


def test_the_middle_of_a_long_gap_is_the_model_s() -> None:
    clip = walker.clip(frames=240)
    off = joints_of_clip(clip) + OFF
    made = np.zeros((240, 22), bool)
    made[40:200] = True
    whole = joints_of_clip(restored(clip, off, made, MAPPED))
    assert np.linalg.norm(whole[100:140] - off[100:140], axis=2).max() < 5e-3


def test_single_joints_are_made_and_the_others_stay() -> None:
    made = np.zeros((90, 22), bool)
    made[30:60, [18, 20]] = True
    other = joints_of_clip(CLIP)
    other[30:60, [18, 20], 0] += 0.1
    whole = restored(CLIP, other, made, MAPPED)
    names = [name.rpartition(":")[2] for name in CLIP.skeleton.names]
    turned = np.abs(whole.rotations - CLIP.rotations).max((0, 2, 3)) > 1e-9
    assert {names[n] for n in np.flatnonzero(turned)} == {"LeftArm", "LeftForeArm", "LeftHand"}
    assert joints_of_clip(whole)[45, 20, 0] > joints_of_clip(CLIP)[45, 20, 0] + 0.05


def test_runs_are_the_stretches_that_are_true() -> None:
    assert runs(np.array([1, 1, 0, 0, 1], bool)) == [(0, 2), (4, 5)]
    assert runs(np.zeros(3, bool)) == []


def sliding(speed: float) -> np.ndarray:
    """Joints of the walker, standing in one pose, carried along X at a speed in m/s."""
    joints = np.repeat(joints_of_clip(CLIP)[:1], 90, 0)
    joints[..., 0] += speed * np.arange(90)[:, None] / 60
    return joints


def test_a_foot_stands_while_it_is_slow_and_low() -> None:
    foot = sliding(0.1)[:, 10]
    assert standing(foot, 60, float(foot[0, 1])).all()
    assert not standing(sliding(1.0)[:, 10], 60, float(foot[0, 1])).any()
    assert not standing(foot, 60, float(foot[0, 1]) - 0.5).any()


def test_standing_feet_are_held_in_made_frames_and_kept_ones_do_not_change() -> None:
    still = CLIP.frames(np.zeros(90, np.int64))
    drift = still.translations.copy()
    drift[30:60, 0, 0] += 0.04 * np.sin(np.pi * np.arange(30) / 30) ** 2  # the body sways, and its feet with it
    clip = type(CLIP)(CLIP.skeleton, still.rotations, drift, 60.0)
    made = np.zeros((90, 22), bool)
    made[30:60] = True
    held = pinned(clip, made, MAPPED)
    before, after = (joints_of_clip(each)[30:60] for each in (clip, held))
    low = 10 if before[0, 10, 1] < before[0, 11, 1] else 11
    assert np.ptp(before[:, low, 0]) > 0.035
    assert np.ptp(after[:, low, 0]) < 0.004
    np.testing.assert_allclose(after[:, 0], before[:, 0], atol=1e-9)  # the pelvis goes on swaying
    kept = np.r_[0:30, 60:90]
    assert (held.rotations[kept] == clip.rotations[kept]).all()
