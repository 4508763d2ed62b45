"""Inverse kinematics and the way back: targets are met, what is kept stays, borders are smooth."""

from dataclasses import replace

import numpy as np
import pytest
import walker
from alm_motion import Clip
from alm_motion.clips import bvh_of, clip_of, joints_of_clip
from alm_motion.contacts import pinned, standing
from alm_motion.formats.bvh import Bvh, Node, parse_bvh, write_bvh
from alm_motion.ik import free_joints, solve, upright
from alm_motion.mapping import guess, weights
from alm_motion.restore import restored, root_of
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
    solved, moved = solve(CLIP.skeleton, start, CLIP.translations, MAPPED, joints, free=free, root=0)
    found = np.einsum("mj,fjc->fmc", MAPPED, CLIP.skeleton.forward(solved, moved)[0])
    assert np.linalg.norm(found - joints, axis=2).max() < 1e-3


def test_targets_that_are_met_change_nothing() -> None:
    free = free_joints(CLIP.skeleton, MAPPED, np.ones(22, bool))
    joints = joints_of_clip(CLIP)
    solved, moved = solve(CLIP.skeleton, CLIP.rotations, CLIP.translations, MAPPED, joints, free=free, root=0)
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


def scrambled(clip: Clip, hidden: np.ndarray, seed: int = 0) -> Clip:
    """The clip with other poses where joints (F, J) are hidden."""
    rng = np.random.default_rng(seed)
    turns = Rotation.random(hidden.size, random_state=seed).as_matrix().reshape(clip.rotations.shape)
    moved = clip.translations + rng.normal(size=clip.translations.shape)
    return replace(
        clip,
        rotations=np.where(hidden[..., None, None], turns, clip.rotations),
        translations=np.where(hidden[..., None], moved, clip.translations),
    )


def keys(*kept: int) -> np.ndarray:
    made = np.ones((90, 22), bool)
    made[list(kept)] = False
    return made


def gaps(*parts: tuple[int, int, list[int] | slice]) -> np.ndarray:
    made = np.zeros((90, 22), bool)
    for start, stop, joints in parts:
        made[start:stop, joints] = True
    return made


ARM, LEG, ALL = [18, 20], [4, 7, 10], slice(None)
BELOW = {20: ("LeftForeArm", "LeftHand", "LeftHand_end"), 10: ("LeftLeg", "LeftFoot", "LeftToeBase", "LeftToeBase_end")}
"""What hangs from the joints that turn where an arm or a leg is made."""


@pytest.mark.parametrize(
    "made",
    [
        keys(0, 30, 60, 89),
        keys(10, 12, 14, 50, 51),
        gaps((20, 40, ALL), (42, 60, ALL)),
        gaps((20, 40, ALL), (40, 60, ARM)),
        gaps((20, 40, ARM), (40, 60, ALL)),
        gaps((20, 40, LEG), (40, 60, ARM)),
        gaps((0, 20, ARM), (20, 40, ALL), (41, 90, LEG)),
    ],
)
def test_poses_that_are_hidden_change_nothing(made: np.ndarray) -> None:
    names = [name.rpartition(":")[2] for name in CLIP.skeleton.names]
    hidden = np.repeat(made.all(1)[:, None], len(names), 1)
    for tip, below in BELOW.items():
        hidden |= made[:, tip, None] & np.isin(names, below)
    joints = joints_of_clip(CLIP) + OFF * np.arange(90)[:, None, None] / 90
    plain, other = (restored(each, joints, made, MAPPED) for each in (CLIP, scrambled(CLIP, hidden)))
    np.testing.assert_array_equal(other.rotations, plain.rotations)
    np.testing.assert_array_equal(other.translations, plain.translations)


def test_gaps_side_by_side_run_on_into_each_other() -> None:
    true = joints_of_clip(CLIP)
    for made in (gaps((20, 40, ALL), (40, 60, ARM)), gaps((20, 40, ARM), (40, 60, ALL))):
        steps, natural = (
            np.linalg.norm(np.diff(each, axis=0), axis=2)
            for each in (joints_of_clip(restored(CLIP, true + OFF, made, MAPPED)), true)
        )
        assert steps[[19, 39, 59]].max() < natural.max() + 5e-3


@pytest.mark.parametrize("way", [1, -1])
def test_a_difference_fades_with_its_speed_where_the_frames_beside_the_border_are_known(way: int) -> None:
    clip = walker.clip(frames=200)
    at, width = 100, 30  # half a second
    far = way * (np.arange(200) - at)
    off = (OFF + 0.002 * far[:, None] * [1, 0, 0])[:, None]  # what the targets are beside, at some metres a frame
    inside = (far > 0) & (far <= width)
    u = far[inside, None] / width
    place, speed = (1 - 3 * u**2 + 2 * u**3) * OFF, width * u * (1 - u) ** 2 * 0.002 * np.array([1, 0, 0])
    for known in (True, False):
        made = np.repeat((far > 0)[:, None] if known else (far != 0)[:, None], 22, 1)
        pelvis = joints_of_clip(restored(clip, joints_of_clip(clip) + off, made, MAPPED))[:, 0]
        wanted = (joints_of_clip(clip) + off)[inside, 0] - place - known * speed
        if known or way < 0:  # frames are filled in time's order: before the lone frame nothing is known beyond it
            np.testing.assert_allclose(pelvis[inside], wanted, atol=2e-3)


@pytest.mark.parametrize(("start", "stop", "held"), [(50, 90, 49), (0, 40, 40)])
def test_a_gap_at_an_end_holds_what_no_point_decides(start: int, stop: int, held: int) -> None:
    hand = [name.rpartition(":")[2] for name in CLIP.skeleton.names].index("LeftHand")
    whole = restored(CLIP, joints_of_clip(CLIP), gaps((start, stop, ALL)), MAPPED)
    wanted = np.repeat(CLIP.rotations[held : held + 1, hand], stop - start, 0)
    np.testing.assert_allclose(whole.rotations[start:stop, hand], wanted, atol=1e-12)


def test_without_a_whole_frame_there_is_no_pose_to_start_from() -> None:
    with pytest.raises(ValueError, match="at least one frame must be kept whole"):
        restored(CLIP, joints_of_clip(CLIP), gaps((0, 50, ALL), (50, 90, ARM)), MAPPED)


TURNS = ("Yrotation", "Xrotation", "Zrotation")
MOVES = ("Xposition", "Yposition", "Zposition")


def below(first: tuple[Node, ...], values: np.ndarray, hips: int = -1, channels: tuple[str, ...] = ()) -> Bvh:
    """The walker with some nodes first, its Hips below node `hips` of them and with `channels` where given."""
    body = walker.bvh(frames=90)
    nodes = [replace(node, parent=node.parent + len(first) if node.parent >= 0 else hips) for node in body.nodes]
    kept = body.values
    if channels:
        nodes[0] = replace(nodes[0], channels=channels, offset=(1.0, 2.0, 3.0))
        kept = kept[:, 6 - len(channels) :]
    bvh = Bvh((*first, *nodes), np.concatenate([values, kept], 1), body.frame_time)
    return parse_bvh(write_bvh(bvh))


WAVES = 10 * np.sin(np.arange(90)[:, None] / 20 + np.arange(6)) + [50, 5, -20, 70, 15, 20]
REFERENCE, BARE = (Node("Reference", -1, (3.0, 1.0, -2.0), MOVES + TURNS),), (Node("Reference", -1, (3.0, 1.0, -2.0)),)
PROP = (Node("Sword", -1, (0.0, 0.0, 0.0), MOVES + TURNS), Node("Sword_end", 0, (0.0, 90.0, 0.0), end=True))
BODIES = {
    "a reference without channels": below(BARE, WAVES[:, :0], 0),
    "a reference with channels": below(REFERENCE, WAVES, 0),
    "a prop first": below(PROP, WAVES),
    "a reference that shifts and hips that turn": below(REFERENCE, WAVES, 0, walker.TURNS),
}


@pytest.mark.parametrize("name", BODIES)
def test_the_body_moves_by_its_own_root_and_the_file_has_it_where_it_is_wanted(name: str) -> None:
    clip = clip_of(BODIES[name])
    mapped = weights(clip.skeleton, guess(clip.skeleton))
    root, pivot = root_of(clip, mapped)
    first = CLIP.skeleton.names[0]
    assert clip.skeleton.names[pivot] == first
    assert clip.skeleton.names[root] == (first if "that shifts" not in name else "Reference")
    hidden = np.zeros((90, len(clip.skeleton.names)), bool)
    hidden[30:, root] = hidden[30:, clip.skeleton.descendants()[root]] = True
    true = joints_of_clip(clip)
    joints = true.copy()
    joints[30:] = (true[30:] - true[30, 0]) @ Rotation.from_euler("Y", 120, degrees=True).as_matrix() + [2, 0, 3]
    for targets, seen in ((true, slice(30, 90)), (joints, slice(62, 90))):  # a difference has faded after 30 frames
        whole = restored(scrambled(clip, hidden), targets, gaps((30, 90, ALL)), mapped)
        written = parse_bvh(write_bvh(bvh_of(whole)))
        found = joints_of_clip(clip_of(written))
        assert np.linalg.norm(found - targets, axis=2)[seen].max() < 5e-3
        assert np.linalg.norm(found - true, axis=2)[:30].max() < 1e-9
        own = written.columns(root).start
        np.testing.assert_allclose(written.values[:, :own], clip.source.values[:, :own], atol=1e-9)


def test_a_step_at_a_border_fades_in_the_world_s_axes_however_the_reference_turns() -> None:
    bvh = below(REFERENCE, WAVES, 0)
    spun = bvh.values.copy()
    spun[:, 3] += 4 * np.arange(90)  # degrees of the reference about Y
    clip = clip_of(replace(bvh, values=spun))
    mapped = weights(clip.skeleton, guess(clip.skeleton))
    true = joints_of_clip(clip)
    turned = joints_of_clip(restored(clip, true + OFF, gaps((30, 60, ALL)), mapped))
    u = np.arange(1, 31)[:, None] / 31
    share = (1 - 3 * u**2 + 2 * u**3) + (1 - 3 * (1 - u) ** 2 + 2 * (1 - u) ** 3)
    np.testing.assert_allclose(turned[30:60, 0], true[30:60, 0] + OFF - share * OFF, atol=8e-3)


def test_a_turn_at_a_border_fades_in_the_world_s_axes_however_the_reference_lies() -> None:
    bvh = below(REFERENCE, WAVES, 0)
    spun = bvh.values.copy()
    spun[:, 3] += 4 * np.arange(90)
    spun[:, 4] += 60  # degrees about X
    clip = clip_of(replace(bvh, values=spun))
    mapped = weights(clip.skeleton, guess(clip.skeleton))
    true = joints_of_clip(clip)
    turn = Rotation.from_euler("Y", 20, degrees=True).as_matrix()
    targets = (true - true[:, :1]) @ turn.T + true[:, :1]
    found = joints_of_clip(restored(clip, targets, gaps((30, 60, ALL)), mapped))
    # One turn at both borders alike: what fades from the two adds up to it, and the body is where it was.
    assert np.linalg.norm(found - true, axis=2)[30:60].max() < 2.5e-2


def test_a_pelvis_that_is_given_stays_while_all_else_is_made() -> None:
    made = gaps((30, 60, slice(1, None)))
    found = joints_of_clip(restored(CLIP, joints_of_clip(CLIP) + OFF, made, MAPPED))
    np.testing.assert_allclose(found[:, 0], joints_of_clip(CLIP)[:, 0], atol=1e-12)


def test_a_body_that_no_channel_shifts_is_refused() -> None:
    clip = clip_of(below(BARE, WAVES[:, :0], 0, walker.TURNS))
    mapped = weights(clip.skeleton, guess(clip.skeleton))
    joints = joints_of_clip(clip)
    with pytest.raises(ValueError, match="at or above the pelvis with position channels is wanted"):
        restored(clip, joints, gaps((30, 60, ALL)), mapped)
    assert len(restored(clip, joints, gaps((30, 60, ARM)), mapped)) == 90


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
