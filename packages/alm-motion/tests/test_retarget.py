"""Mappings, lengths and rates: what goes to HumanML3D's skeleton comes back."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
import walker
from alm_motion.clips import joints_of_clip
from alm_motion.mapping import KNOWN, guess, read_mapping, weights
from alm_motion.retarget import Fitted, leg, lengths_of, resampled, with_lengths
from alm_motion.skeleton import BONES, PARENTS, SMPL22, Skeleton

ROOT = Path(__file__).resolve().parents[3]


def walk() -> np.ndarray:
    return joints_of_clip(walker.clip())


def test_every_known_mapping_names_the_22_joints_and_its_weights_sum_to_1() -> None:
    for joints in KNOWN.values():
        assert set(joints) == set(SMPL22.names)
        names = tuple(dict.fromkeys(n for v in joints.values() for n in ([v] if isinstance(v, str) else v)))
        skeleton = Skeleton(names, (-1,) + (0,) * (len(names) - 1), np.zeros((len(names), 3)))
        np.testing.assert_allclose(weights(skeleton, joints).sum(1), 1)


def test_names_are_known_whatever_stands_before_a_colon() -> None:
    assert guess(walker.clip().skeleton) is KNOWN["Mixamo and MotionBuilder"]


def test_left_is_on_the_left_of_a_body_that_faces_z() -> None:
    for joints in (SMPL22.forward(np.tile(np.eye(3), (1, 22, 1, 1)), SMPL22.offsets[None])[0][0],):
        for name in ("hip", "knee", "ankle"):
            left, right = (joints[SMPL22.names.index(f"{side}_{name}"), 0] for side in ("left", "right"))
            assert left > 0 > right


def test_an_unknown_skeleton_is_told_what_it_lacks_and_how_to_map_it() -> None:
    clip = walker.clip(frames=2)
    names = tuple(name.replace("LeftArm", "WingL") for name in clip.skeleton.names)
    with pytest.raises(ValueError, match=r"Mixamo and MotionBuilder, it lacks LeftArm; .*--mapping FILE"):
        guess(Skeleton(names, clip.skeleton.parents, clip.skeleton.offsets))


def test_a_mapping_file_serves_a_skeleton_of_other_names(tmp_path: Path) -> None:
    clip = walker.clip(frames=2)
    names = tuple("x_" + name.rpartition(":")[2] for name in clip.skeleton.names)
    other = Skeleton(names, clip.skeleton.parents, clip.skeleton.offsets)
    mixamo = KNOWN["Mixamo and MotionBuilder"]
    renamed = {k: f"x_{v}" if isinstance(v, str) else {f"x_{n}": w for n, w in v.items()} for k, v in mixamo.items()}
    (tmp_path / "map.json").write_text(json.dumps(renamed))
    np.testing.assert_array_equal(
        weights(other, read_mapping(tmp_path / "map.json")), weights(clip.skeleton, guess(clip.skeleton))
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[1]", "must be a JSON object"),
        ("{", "cannot be read"),
        ('{"pelvis": "Hips"}', "it lacks left_hip"),
        (json.dumps({**dict.fromkeys(SMPL22.names, "Hips"), "tail": "Tail"}), "unknown tail"),
        (json.dumps({**dict.fromkeys(SMPL22.names, "Hips"), "neck": {"Neck": 0}}), "neck must be"),
        (json.dumps({**dict.fromkeys(SMPL22.names, "Hips"), "neck": 4}), "neck must be"),
    ],
)
def test_a_wrong_mapping_is_refused(text: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "map.json").write_text(text)
    with pytest.raises(ValueError, match=re.escape(said)):
        read_mapping(tmp_path / "map.json")


def test_a_mapping_of_joints_that_are_not_there_names_the_nearest() -> None:
    skeleton = walker.clip(frames=2).skeleton
    joints = {**KNOWN["Mixamo and MotionBuilder"], "head": "mixamorig:Haed"}
    with pytest.raises(ValueError, match=r"mixamorig:Haed \(meant mixamorig:Head\?\)"):
        weights(skeleton, joints)


def test_the_body_on_humanml3d_s_skeleton_has_its_lengths_and_stands_on_the_ground() -> None:
    joints = walk()
    moved = Fitted.of(joints).forth(joints)
    np.testing.assert_allclose(lengths_of(moved)[1:], BONES[1:])
    assert moved[..., 1].min() == pytest.approx(0)


def test_directions_stay_and_the_way_is_scaled_by_the_legs() -> None:
    joints = walk()
    fitted = Fitted.of(joints)
    moved = fitted.forth(joints)
    for joint, parent in enumerate(PARENTS[1:], 1):
        a, b = (each[:, joint] - each[:, parent] for each in (joints, moved))
        cosines = (a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
        np.testing.assert_allclose(cosines, 1)
    scale = leg(BONES) / leg(lengths_of(joints))
    np.testing.assert_allclose(np.diff(moved[:, 0], axis=0), scale * np.diff(joints[:, 0], axis=0))


def test_back_is_the_inverse_of_forth_for_bones_that_keep_their_lengths() -> None:
    joints = with_lengths(walk(), BONES * np.random.default_rng(0).uniform(0.7, 1.3, 22), 1.0)
    fitted = Fitted.of(joints)
    np.testing.assert_allclose(fitted.back(fitted.forth(joints)), joints, atol=1e-12)


def test_two_joints_at_one_place_are_refused() -> None:
    joints = walk()
    joints[:, 15] = joints[:, 12]
    with pytest.raises(ValueError, match="joints 12 and 15 of the 22 lie at one place"):
        Fitted.of(joints)


def test_resampling_is_exact_for_cubics_and_goes_on_straight_beyond() -> None:
    times, at = np.linspace(0, 1, 9), np.array([0.13, 0.7])

    def cubic(t: np.ndarray) -> np.ndarray:
        return np.stack([t**3 - t, 2 * t**2 + 1], -1)

    np.testing.assert_allclose(resampled(cubic(times), times, at), cubic(at), atol=1e-12)
    np.testing.assert_allclose(resampled(cubic(times), times, np.array([1.5]))[0], [0 + 0.5 * 2, 3 + 0.5 * 4])
    np.testing.assert_allclose(resampled(cubic(times)[:1], times[:1], at), [[0, 1], [0, 1]])
    np.testing.assert_allclose(resampled(cubic(times)[:2], times[:2], np.array([0.0])), cubic(np.array([0.0])))


def test_the_example_is_read_in_metres() -> None:
    from alm_motion import read_clip

    joints = joints_of_clip(read_clip(ROOT / "examples" / "motion" / "walk.bvh"))
    assert 0.7 < leg(lengths_of(joints)) < 1.0
