"""HumanML3D's features: against the public code, there and back, and each channel by its definition.

The fixture was made by `fixtures/make_features.py` of the motion of `motion_formula`.
"""

import json
import math
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from alm_motion.features import (
    absolute,
    extract,
    facing,
    joints_of,
    observed_channels,
    placed,
    relative,
    rotations_of,
)
from alm_motion.skeleton import CHAINS, SMPL22
from motion_formula import motion, wave
from torch import Tensor

FIXTURE: dict[str, Any] = json.loads((Path(__file__).parent / "fixtures" / "features.json").read_text(encoding="utf-8"))
JOINTS = torch.from_numpy(motion())
BUT_ROTATIONS = [*range(67), *range(193, 263)]
LEFT_HIP, RIGHT_HIP, LEFT_SHOULDER, RIGHT_SHOULDER = 1, 2, 16, 17


def theirs(name: str, *shape: int) -> Tensor:
    return torch.tensor(FIXTURE[name], dtype=torch.float64).reshape(len(FIXTURE["rows"]), *shape)


def turned(points: Tensor, angle: Tensor | float) -> Tensor:
    """Points (F, …, 3) turned about Y by an angle or one a frame: +Z comes to (sin, 0, cos)."""
    angle = torch.as_tensor(angle, dtype=points.dtype)
    cos, sin = angle.cos(), angle.sin()
    one, zero = torch.ones_like(cos), torch.zeros_like(cos)
    turn = torch.stack([cos, zero, sin, zero, one, zero, -sin, zero, cos], -1).unflatten(-1, (3, 3))
    return torch.einsum("...ij,...kj->...ki", turn, points)


def stands(frames: int) -> Tensor:
    """The rest pose, which faces +Z; its shoulders are wider than its hips."""
    rest = SMPL22.forward(np.broadcast_to(np.eye(3), (1, 22, 3, 3)), SMPL22.offsets[None])[0]
    return torch.from_numpy(rest).expand(frames, -1, -1)


def test_relative_features_are_those_of_the_public_code() -> None:
    rows = FIXTURE["rows"]
    for dtype, bound in ((torch.float64, 2e-6), (torch.float32, 2e-5)):
        found = relative(extract(JOINTS.to(dtype)))[rows].double()
        assert (found - theirs("relative", 263)).abs().max() < bound


def test_absolute_roots_and_joints_are_those_of_the_public_code() -> None:
    features = extract(JOINTS)[FIXTURE["rows"]]
    assert (features[:, :3] - theirs("root", 3)).abs().max() < 2e-6
    assert (joints_of(features) - theirs("joints", 22, 3)).abs().max() < 2e-6


def test_bones_laid_along_the_rotations_end_where_the_public_code_has_them() -> None:
    features = extract(JOINTS)
    assert (laid(features)[FIXTURE["rows"]] - theirs("joints_of_rotations", 22, 3)).abs().max() < 2e-6
    assert (laid(features) - JOINTS[:-1]).abs().max() < 1e-9


def laid(features: Tensor) -> Tensor:
    """Joints by the root, the rotations and the bones of SMPL22 along HumanML3D's chains."""
    turns, offsets = rotations_of(features), torch.from_numpy(SMPL22.offsets)
    joints = joints_of(features).clone()
    for chain in CHAINS:
        turn = turns[:, 0]
        for parent, joint in pairwise(chain):
            turn = turn @ turns[:, joint]
            joints[:, joint] = joints[:, parent] + turn @ offsets[joint]
    return joints


@pytest.mark.parametrize(("dtype", "bound"), [(torch.float32, 1e-5), (torch.float64, 1e-12)])
def test_joints_come_back_from_their_features(dtype: torch.dtype, bound: float) -> None:
    any_joints = JOINTS + 0.1 * wave((60, 22, 3)).double() + torch.tensor([3.0, 0.2, -5.0])
    for joints in (JOINTS, any_joints):
        features = extract(joints.to(dtype))
        assert features.shape == (59, 263)
        assert (joints_of(features).double() - joints[:-1]).abs().max() < bound


def test_rotations_are_orthonormal_and_the_roots_turns_the_facing_to_z() -> None:
    features = extract(JOINTS)
    turns = rotations_of(features)
    assert turns.shape == (59, 22, 3, 3)
    eye = torch.eye(3, dtype=torch.float64)
    assert (turns @ turns.mT - eye).abs().max() < 1e-12
    assert (torch.linalg.det(turns) - 1).abs().max() < 1e-12
    angle = -2 * facing(JOINTS)[:-1]
    ahead = torch.stack([angle.sin(), torch.zeros(59), angle.cos()], -1)[..., None]
    assert (turns[:, 0] @ ahead - eye[:, 2:]).abs().max() < 1e-12
    stretched = features.clone()
    stretched[:, 67:193] *= 1.7
    assert (rotations_of(stretched) - turns).abs().max() < 1e-12


def test_each_channel_is_its_definition() -> None:
    yaw = 0.3 * wave((60,)).double()
    features = extract(JOINTS, yaw)
    for frame in (0, 13, 58):
        now, then, angle = JOINTS[frame].tolist(), JOINTS[frame + 1].tolist(), 2 * float(yaw[frame])
        cos, sin = math.cos(angle), math.sin(angle)
        root = now[0]
        found = features[frame].tolist()
        assert found[:4] == pytest.approx([angle / 2, root[0], root[2], root[1]], abs=1e-12)
        for joint in (1, 7, 21):
            x, y, z = now[joint][0] - root[0], now[joint][1], now[joint][2] - root[2]
            at = 4 + 3 * (joint - 1)
            assert found[at : at + 3] == pytest.approx([cos * x + sin * z, y, cos * z - sin * x], abs=1e-12)
        for joint in (0, 10, 20):
            x, y, z = (b - a for a, b in zip(now[joint], then[joint], strict=True))
            at = 193 + 3 * joint
            assert found[at : at + 3] == pytest.approx([cos * x + sin * z, y, cos * z - sin * x], abs=1e-12)
        squares = [sum((b - a) ** 2 for a, b in zip(now[j], then[j], strict=True)) for j in (7, 10, 8, 11)]
        assert found[259:] == [float(square < 0.002) for square in squares]


@pytest.mark.parametrize(("joint", "channel"), [(7, 259), (10, 260), (8, 261), (11, 262)])
def test_a_foot_is_in_contact_until_it_moves_faster_than_the_root_of_two_square_millimetres(
    joint: int, channel: int
) -> None:
    joints = stands(5).clone()
    limit = math.sqrt(0.002)
    joints[2:, joint, 0] += 0.999 * limit  # from frame 1 to 2: below
    joints[4:, joint, 1] += 1.001 * limit  # from frame 3 to 4: above
    wanted = torch.ones(4, 4, dtype=torch.float64)
    wanted[3, channel - 259] = 0
    assert torch.equal(extract(joints)[:, 259:], wanted)


def test_the_rest_pose_faces_z_and_a_turned_one_where_it_was_turned() -> None:
    assert facing(stands(3)).abs().max() < 1e-12
    for angle in (0.4, -1.1, 3.0):
        assert (facing(turned(stands(3), angle)) + angle / 2).abs().max() < 1e-12


def test_facing_is_unwrapped_over_several_turns() -> None:
    # A Gaussian over a circle walked evenly leaves its direction; the ends, which are repeated, are another matter.
    angle = 0.2 * torch.arange(400, dtype=torch.float64)
    found = facing(turned(stands(400), angle))[100:300]
    wanted = -angle[100:300] / 2
    assert (found - found[0] - wanted + wanted[0]).abs().max() < 1e-9


def test_facing_is_across_the_shoulders_less_the_hips() -> None:
    joints = torch.zeros(2, 22, 3, dtype=torch.float64)
    for joint, place in {
        RIGHT_SHOULDER: (-0.5, 1.4, 0.1),
        LEFT_SHOULDER: (0.1, 1.4, 0.2),
        RIGHT_HIP: (-0.1, 0.9, -0.3),
        LEFT_HIP: (0.1, 0.9, 0.1),
    }.items():
        joints[:, joint] = torch.tensor(place, dtype=torch.float64)
    across = (-0.6 + 0.2, -0.1 + 0.4)  # x and z of shoulders less hips, each from left to right
    ahead = (across[1], -across[0])  # of (0, 1, 0) × across
    assert facing(joints).tolist() == pytest.approx([-math.atan2(*ahead) / 2] * 2, abs=1e-12)


def test_a_body_that_faces_nowhere_is_refused() -> None:
    joints = stands(3).clone()
    joints[1, LEFT_SHOULDER], joints[1, RIGHT_SHOULDER] = joints[1, LEFT_HIP], joints[1, RIGHT_HIP]
    with pytest.raises(ValueError, match="the body faces nowhere"):
        facing(joints)


def test_facing_is_smoothed_by_a_gaussian_of_twenty_frames() -> None:
    angle = torch.zeros(300, dtype=torch.float64)
    angle[150:] = 1.0
    found = facing(turned(stands(300), angle))
    weights = [math.exp(-0.5 * (k / 20) ** 2) for k in range(-80, 81)]
    for frame in (120, 149, 163):
        late = sum(w for k, w in zip(range(-80, 81), weights, strict=True) if frame + k >= 150) / sum(weights)
        x, z = late * math.sin(1.0), 1 - late + late * math.cos(1.0)
        assert float(found[frame]) == pytest.approx(-math.atan2(x, z) / 2, abs=1e-9)


def test_walking_a_circle_takes_the_same_relative_step_again_and_again() -> None:
    turn, radius = 0.05, 2.0
    angle = turn * torch.arange(30, dtype=torch.float64)
    joints = turned(stands(30) + torch.tensor([radius, 0.0, 0.0]), angle)
    features = relative(extract(joints, -angle / 2))
    # The chord from frame to frame, seen by one who has turned half of its arc too far: +X is outwards, −Z the way.
    chord = 2 * radius * math.sin(turn / 2)
    step = torch.tensor([-turn / 2, chord * math.sin(turn / 2), -chord * math.cos(turn / 2)], dtype=torch.float64)
    assert (features[:, :3] - step).abs().max() < 1e-12
    assert (features - features[:1])[:, BUT_ROTATIONS].abs().max() < 1e-12


def test_relative_and_absolute_features_are_each_others_inverses() -> None:
    features = extract(JOINTS)
    start = placed(features, features[0, 0], features[0, 1:3])
    assert (absolute(relative(features)) - start).abs().max() < 1e-12
    steps = relative(features)
    assert (relative(absolute(steps))[:-1] - steps[:-1]).abs().max() < 1e-12
    assert torch.equal(steps[-1, :3], steps[-2, :3])
    assert torch.equal(absolute(steps)[0, :3], torch.zeros(3, dtype=torch.float64))


def test_placed_moves_the_body_rigidly_and_has_an_inverse() -> None:
    features = extract(JOINTS)
    yaw, ground = torch.tensor(0.7, dtype=torch.float64), torch.tensor([1.3, -0.4], dtype=torch.float64)
    moved = placed(features, yaw, ground)
    from_there = JOINTS[:-1] - torch.tensor([1.3, 0.0, -0.4], dtype=torch.float64)
    assert (joints_of(moved) - turned(from_there, 1.4)).abs().max() < 1e-12
    assert torch.equal(moved[:, 3:], features[:, 3:])
    x, z = ground.tolist()
    back = -torch.tensor([math.cos(1.4) * x + math.sin(1.4) * z, math.cos(1.4) * z - math.sin(1.4) * x])
    assert (placed(moved, -yaw, back.double()) - features).abs().max() < 1e-6
    own = placed(features, features[20, 0], features[20, 1:3])
    assert own[20, :3].abs().max() < 1e-12


def test_a_motion_from_elsewhere_has_the_same_features_but_for_root_and_rotations() -> None:
    features = extract(JOINTS)
    other = extract(turned(JOINTS, 0.9) + torch.tensor([4.0, 0.0, -2.0]))
    assert (other - features)[:, BUT_ROTATIONS][:, 3:].abs().max() < 1e-12
    assert (other[:, 0] - features[:, 0] + 0.45).abs().max() < 1e-12
    moved = extract(JOINTS + torch.tensor([4.0, 0.0, -2.0]))
    assert (moved - features)[:, 3:].abs().max() < 1e-12


def test_rotations_are_the_shortest_turns_in_the_world_seen_from_the_root() -> None:
    # A body at rest turned about Y by 0.6: its bones along Y are turned no way, its hips by 0.6, and the root by −0.6.
    turns = rotations_of(extract(turned(stands(3), 0.6)))[0]
    wanted = {0: -0.6, 3: 0.6, 6: 0.0, 1: 0.6 + 0.6, 4: 0.0 - 0.6, 7: 0.0, 10: 0.6, 13: 0.6 + 0.6, 16: 0.0 - 0.6}
    for joint, angle in wanted.items():
        columns = turned(torch.eye(3, dtype=torch.float64), angle).mT
        assert (turns[joint] - columns).abs().max() < 1e-12


def test_batches_are_extracted_and_placed_row_by_row() -> None:
    both = torch.stack([JOINTS, turned(JOINTS, 0.9) + 1])
    features = extract(both)
    yaw, ground = features[:, 5, 0], features[:, 5, 1:3]
    for row in range(2):
        assert torch.equal(extract(both[row]), features[row])
        assert torch.equal(placed(features[row], yaw[row], ground[row]), placed(features, yaw, ground)[row])
        for turn in (relative, absolute, joints_of, rotations_of):
            assert (turn(features[row]) - turn(features)[row]).abs().max() < 1e-12


def local(joint: int) -> set[int]:
    return set(range(4 + 3 * (joint - 1), 4 + 3 * joint))


def turn(joint: int) -> set[int]:
    return set(range(67 + 6 * (joint - 1), 67 + 6 * joint))


def way(joint: int) -> set[int]:
    return set(range(193 + 3 * joint, 196 + 3 * joint))


def unknown(given: Tensor, frame: int) -> set[int]:
    return set((~observed_channels(given)[frame]).nonzero().flatten().tolist())


EVERY, TO_THE_NEXT = set(range(263)), set(range(193, 263))


def test_all_is_known_of_given_joints_but_for_the_last_frames_way() -> None:
    given = torch.ones(4, 22, dtype=torch.bool)
    assert [unknown(given, frame) for frame in range(4)] == [set(), set(), set(), TO_THE_NEXT]
    assert unknown(~given, 0) == EVERY


def test_the_pelvis_alone_gives_the_root_and_its_way() -> None:
    given = torch.zeros(3, 22, dtype=torch.bool)
    given[:, 0] = True
    assert unknown(given, 0) == EVERY - {0, 1, 2, 3} - way(0)
    assert unknown(given, 2) == EVERY - {0, 1, 2, 3}


def test_nothing_is_known_without_the_pelvis() -> None:
    given = torch.ones(3, 22, dtype=torch.bool)
    given[1, 0] = False
    assert [unknown(given, frame) for frame in range(3)] == [TO_THE_NEXT, EVERY, TO_THE_NEXT]


def test_a_missing_joint_takes_the_rotations_below_it_along() -> None:
    given = torch.ones(3, 22, dtype=torch.bool)
    given[:, 4] = False  # the left knee: ankle and ball hang from it
    assert unknown(given, 0) == local(4) | turn(4) | turn(7) | turn(10) | way(4)
    given = torch.ones(3, 22, dtype=torch.bool)
    given[:, 9] = False  # the third of the spine: neck and head, both arms
    below = {9, 12, 15, 13, 16, 18, 20, 14, 17, 19, 21}
    assert unknown(given, 0) == local(9) | way(9) | set().union(*(turn(joint) for joint in below))


@pytest.mark.parametrize(("joint", "contact"), [(7, 259), (10, 260), (8, 261), (11, 262)])
def test_ways_and_contacts_want_this_frame_and_the_next(joint: int, contact: int) -> None:
    given = torch.ones(4, 22, dtype=torch.bool)
    given[2, joint] = False
    below = {7: {7, 10}, 10: {10}, 8: {8, 11}, 11: {11}}[joint]
    turns = set().union(*(turn(each) for each in below))
    assert unknown(given, 0) == set()
    assert unknown(given, 1) == way(joint) | {contact}
    assert unknown(given, 2) == way(joint) | {contact} | local(joint) | turns
    assert unknown(given, 3) == TO_THE_NEXT


def test_what_is_called_known_does_not_change_with_the_joints_that_are_not_given() -> None:
    given = torch.ones(60, 22, dtype=torch.bool)
    given[10:30, 3:] = False
    given[40:44, [18, 20, 4]] = False
    changed = torch.where(given[..., None], JOINTS, JOINTS + wave((60, 22, 3)))
    yaw = facing(JOINTS)  # which the pelvis stands for
    known = observed_channels(given)[:-1]
    one, other = extract(JOINTS, yaw), extract(changed, yaw)
    assert torch.equal(one[known], other[known])
    assert known.float().mean() > 0.5
