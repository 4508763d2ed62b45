"""Files to clips and back: what came goes back as it came; what was made is worked out."""

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import walker
from alm_motion import Clip, read_clip
from alm_motion.clips import bvh_of, clip_of, clip_of_joints, features_file, joints_file, joints_of_clip, poses_file
from alm_motion.features import absolute, joints_of, placed_joints, relative
from alm_motion.formats.bvh import parse_bvh, write_bvh
from alm_motion.formats.npz import Features, Joints, Poses, parse_npz, write_npz
from alm_motion.io import WriteError, check_output, encode_clip, write_files
from alm_motion.mapping import KNOWN
from alm_motion.retarget import lengths_of
from alm_motion.skeleton import SMPL22, Skeleton

RNG = np.random.default_rng(0)


@pytest.fixture
def walk(tmp_path: Path) -> Path:
    (tmp_path / "walk.bvh").write_text(walker.text(frames=80))
    return tmp_path / "walk.bvh"


def poses(frames: int = 12, width: int = 156) -> Poses:
    turns = RNG.normal(0, 0.2, (frames, width)).astype(np.float32)
    return Poses(turns, RNG.normal(0, 0.3, (frames, 3)), RNG.normal(size=16), "female", 30.0)


def test_a_bvh_goes_back_to_the_number(walk: Path) -> None:
    assert parse_bvh(encode_clip(read_clip(walk), "x.bvh").decode()).values.tolist() == walker.bvh(80).values.tolist()


def test_only_frames_that_were_made_are_worked_out(walk: Path) -> None:
    clip = read_clip(walk)
    rows = clip.rows.copy()
    rows[30:40] = -1
    turned = clip.rotations.copy()
    turned[30:40] = turned[30:31]
    made = bvh_of(replace(clip, rotations=turned, rows=rows))
    true = walker.bvh(80).values
    kept = np.r_[0:30, 40:80]
    assert (made.values[kept] == true[kept]).all()
    np.testing.assert_allclose(made.values[30:40, 3:], np.repeat(true[30:31, 3:], 10, 0), atol=1e-9)
    again = parse_bvh(encode_clip(replace(clip, rotations=turned, rows=rows), "x.bvh").decode())
    found, _ = again.local()
    np.testing.assert_allclose(found[30:40], turned[30:40], atol=1e-9)


@pytest.mark.parametrize(("unit", "scale"), [(0.01, 1.0), (1.0, 0.01), (0.001, 10.0)])
def test_the_unit_is_the_power_of_ten_that_fits_a_leg(unit: float, scale: float, tmp_path: Path) -> None:
    bvh = walker.bvh(frames=4)
    nodes = tuple(replace(node, offset=tuple(scale * x for x in node.offset)) for node in bvh.nodes)
    values = bvh.values.copy()
    values[:, :3] *= scale
    (tmp_path / "a.bvh").write_bytes(encode_clip(walker.clip(4), "x.bvh"))
    clip = clip_of(replace(bvh, nodes=nodes, values=values))
    assert clip.unit == pytest.approx(unit)
    np.testing.assert_allclose(clip.positions(), walker.clip(4).positions())
    assert clip_of(replace(bvh, nodes=nodes, values=values), unit=0.5).unit == 0.5


def test_a_rate_that_is_told_holds(walk: Path) -> None:
    assert read_clip(walk, fps=30).fps == 30
    assert parse_bvh(encode_clip(read_clip(walk, fps=30), "x.bvh").decode()).frame_time == pytest.approx(1 / 30)


def test_joints_become_a_body_with_their_lengths_and_nearly_their_places() -> None:
    joints = joints_of_clip(walker.clip(frames=60))
    clip = clip_of_joints(joints, 60.0)
    assert clip.skeleton.names == SMPL22.names
    np.testing.assert_allclose(np.linalg.norm(clip.skeleton.offsets, axis=1), lengths_of(joints), atol=1e-6)
    assert np.linalg.norm(clip.positions() - joints, axis=2).mean() < 0.01


def test_joints_of_a_rigid_body_are_met_exactly() -> None:
    from motion_formula import motion

    joints = motion(40)
    np.testing.assert_allclose(clip_of_joints(joints, 20.0).positions(), joints, atol=0.03)


@pytest.mark.parametrize("kind", ["joints", "features", "poses"])
def test_an_npz_goes_back_as_it_came(kind: str, tmp_path: Path) -> None:
    data = encode_clip(walker.clip(frames=80), "x.npz", kind=kind)
    (tmp_path / "a.npz").write_bytes(data)
    assert encode_clip(read_clip(tmp_path / "a.npz"), "x.npz") == data


@pytest.mark.parametrize("width", [66, 72, 156, 165])
def test_poses_of_every_width_go_back_as_they_came(width: int, tmp_path: Path) -> None:
    (tmp_path / "a.npz").write_bytes(write_npz(poses(width=width)))
    clip = read_clip(tmp_path / "a.npz")
    assert clip.fps == 30
    found = poses_file(clip)
    assert found.gender == "female"
    made = poses_file(replace(clip, rows=np.full(len(clip), -1)))  # as if all were made: worked out anew
    np.testing.assert_allclose(made.poses, clip.source.poses, atol=1e-5)
    np.testing.assert_allclose(made.trans, clip.source.trans, atol=1e-6)


def test_amass_s_z_is_up_here_y(tmp_path: Path) -> None:
    still = Poses(np.zeros((3, 156)), np.array([[1.0, 2.0, 3.0]] * 3), fps=30.0)
    (tmp_path / "a.npz").write_bytes(write_npz(still))
    joints = joints_of_clip(read_clip(tmp_path / "a.npz"))
    pelvis, head = joints[0, 0], joints[0, 15]
    # A body of zero turns lies along Y in AMASS's world, and along −Z in this one.
    assert pelvis[1] == pytest.approx(3.0, abs=0.4)
    assert (head - pelvis)[2] < -0.4


def test_features_hold_the_joints_on_humanml3d_s_skeleton() -> None:
    clip = walker.clip(frames=121)
    found = features_file(clip, with_absolute=True)
    assert len(found.features) == 41
    joints = joints_of(torch.from_numpy(found.features)).numpy()
    from alm_motion.retarget import Fitted

    own = joints_of_clip(clip)
    np.testing.assert_allclose(joints[:41], Fitted.of(own).forth(own)[::3], atol=1e-4)


def test_joints_are_written_at_the_clip_s_rate() -> None:
    found = joints_file(walker.clip(frames=10, fps=50))
    assert found.fps == pytest.approx(50)
    np.testing.assert_allclose(found.joints, joints_of_clip(walker.clip(frames=10, fps=50)))


def test_a_clip_without_a_file_becomes_a_bvh_that_stands_alike() -> None:
    clip = clip_of_joints(joints_of_clip(walker.clip(frames=20)), 60.0)
    again = clip_of(parse_bvh(encode_clip(clip, "x.bvh").decode()))
    np.testing.assert_allclose(joints_of_clip(again), joints_of_clip(clip), atol=1e-6)


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("a.bvh", b"not a bvh", "does not begin with HIERARCHY"),
        ("a.npz", b"no zip", "cannot be read as NPZ"),
        ("a.fbx", b"", "must end in .bvh, .npz, .npy"),
        ("a.npz", write_npz(Joints(np.zeros((3, 22, 3)))), "give --fps"),
    ],
)
def test_what_is_no_motion_is_refused(name: str, data: bytes, said: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(ValueError, match=re.escape(said)):
        read_clip(tmp_path / name)


def test_no_file_a_folder_and_a_rate_of_0_are_refused(tmp_path: Path, walk: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no motion at"):
        read_clip(tmp_path / "none.bvh")
    (tmp_path / "folder.bvh").mkdir()
    with pytest.raises(ValueError, match="is a folder"):
        read_clip(tmp_path / "folder.bvh")
    with pytest.raises(ValueError, match="fps must be above 0, got 0"):
        read_clip(walk, fps=0.0)
    with pytest.raises(ValueError, match="unit must be above 0"):
        read_clip(walk, unit=-1.0)


def test_a_clip_without_frames_or_of_wrong_sizes_is_refused() -> None:
    skeleton = Skeleton(("a",), (-1,), np.zeros((1, 3)))
    with pytest.raises(ValueError, match="no frames"):
        Clip(skeleton, np.zeros((0, 1, 3, 3)), np.zeros((0, 1, 3)), 30.0)
    with pytest.raises(ValueError, match="of 1 joints are wanted"):
        Clip(skeleton, np.zeros((2, 2, 3, 3)), np.zeros((2, 2, 3)), 30.0)
    with pytest.raises(ValueError, match="above 0, got 0"):
        Clip(skeleton, np.zeros((2, 1, 3, 3)), np.zeros((2, 1, 3)), 0.0)
    with pytest.raises(ValueError, match="parent must stand before"):
        Skeleton(("a", "b"), (1, -1), np.zeros((2, 3)))


def test_outputs_are_checked_before_any_work(walk: Path) -> None:
    folder = walk.parent
    with pytest.raises(ValueError, match=r"must end in \.bvh, \.npz, \.glb"):
        check_output(folder / "a.fbx")
    with pytest.raises(ValueError, match="is the input"):
        check_output(walk, source=walk, overwrite=True)
    with pytest.raises(FileExistsError, match="--overwrite"):
        check_output(walk)
    with pytest.raises(FileNotFoundError, match="does not exist"):
        check_output(folder / "none" / "a.bvh")
    assert check_output(walk, overwrite=True) == walk


def test_nothing_is_left_where_a_file_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(WriteError, match="nothing was written"):
        write_files([(b"a", tmp_path / "a.bvh"), (b"b", tmp_path / "none" / "b.bvh")])
    assert not list(tmp_path.iterdir())


PORT = json.loads(json.dumps(KNOWN["Mixamo and MotionBuilder"]).replace("Left", "Port"))
"""The walker's joints where its left ones are called otherwise."""


def test_a_mapping_goes_with_the_clip_into_every_file(tmp_path: Path, walk: Path) -> None:
    (tmp_path / "odd.bvh").write_text(walker.text(frames=80).replace("Left", "Port"))
    clip, true = read_clip(tmp_path / "odd.bvh", mapping=PORT), read_clip(walk)
    assert clip.unit == true.unit
    assert clip.frames(slice(3, 9)).mapping == PORT
    for kind in ("joints", "features", "poses"):
        assert encode_clip(clip, "x.npz", kind=kind) == encode_clip(true, "x.npz", kind=kind)
    given = {**PORT, "head": "Neck"}  # one that is given goes before the clip's own
    assert np.abs(joints_of_clip(clip, given) - joints_of_clip(clip))[:, 15].max() > 0.05
    with pytest.raises(ValueError, match="--mapping FILE"):
        joints_of_clip(read_clip(tmp_path / "odd.bvh"))


def test_the_unit_is_that_of_the_mapped_leg() -> None:
    bvh = walker.bvh(frames=2)
    nodes = [replace(node, name=node.name.replace("Left", "Port")) for node in bvh.nodes]
    for n, node in enumerate(nodes):  # with short legs: the whole says centimetres, the leg decimetres
        if node.name.endswith(("Leg", "Foot")):
            nodes[n] = replace(node, offset=tuple(0.2 * x for x in node.offset))
    odd = replace(bvh, nodes=tuple(nodes))
    assert clip_of(odd).unit == pytest.approx(0.01)
    assert clip_of(odd, mapping=PORT).unit == pytest.approx(0.1)


def with_gap(absolute_root: bool, rows: np.ndarray) -> tuple[Clip, Features]:
    """The walker's features as a clip whose frames are these rows of the file, −1 where the walker's feet are aside."""
    file = features_file(walker.clip(frames=241), with_absolute=True)
    values = torch.from_numpy(file.features)
    source = Features((values if absolute_root else relative(values)).numpy(), absolute_root)
    clip = clip_of(source).frames(np.where(rows < 0, np.arange(len(rows)), rows))
    moved = clip.translations.copy()
    bump = np.sin(np.linspace(0.3, np.pi, (rows < 0).sum()))
    moved[rows < 0, 0, 0] += 0.3 * bump
    return replace(clip, rows=rows, translations=moved), source


@pytest.mark.parametrize("absolute_root", [True, False])
@pytest.mark.parametrize(
    "rows",
    [
        np.r_[0:30, [-1] * 20, 50:81],
        np.r_[[-1] * 20, 20:50, [-1] * 31],
        np.r_[0:20, 40:81],
        np.full(81, -1),
    ],
    ids=["gap", "ends", "cut", "all"],
)
def test_features_that_are_written_are_the_clip_s_motion(absolute_root: bool, rows: np.ndarray) -> None:
    clip, source = with_gap(absolute_root, rows)
    written = parse_npz(encode_clip(clip, "x.npz"))
    assert isinstance(written, Features)
    values = torch.from_numpy(written.features)
    found = joints_of(values if absolute_root else absolute(values))
    # The pose of a kept frame is the file's; that of a clip is of a rigid body, which is off by its own error.
    wanted, kept = joints_of_clip(clip), rows >= 0
    own = torch.from_numpy(source.features)
    wanted[kept] = joints_of(own if absolute_root else absolute(own)).numpy()[rows[kept]]
    if not absolute_root:  # It has no place: where the first frame is made, that is put where the clip's is.
        yaw, first = yaw_between(found[0].numpy(), wanted[0]), torch.from_numpy(wanted[0, 0, ::2].copy())
        found = placed_joints(found, torch.tensor(yaw, dtype=torch.float64), torch.zeros(2, dtype=torch.float64))
        found = found + torch.stack([first[0], torch.tensor(0.0), first[1]])
    np.testing.assert_allclose(found.numpy(), wanted, atol=1e-3)


def yaw_between(a: np.ndarray, b: np.ndarray) -> float:
    """Half the angle about Y that turns one body (22, 3) to the other."""
    (x, z), (u, w) = (each[:, ::2].T - each[0, ::2][:, None] for each in (a, b))
    return float(np.arctan2((z * u - x * w).sum(), (x * u + z * w).sum())) / 2


@pytest.mark.parametrize("absolute_root", [True, False])
def test_a_row_of_features_stays_only_where_the_next_frame_is_the_file_s_next(absolute_root: bool) -> None:
    rows = np.r_[0:30, [-1] * 20, 50:81]
    clip, source = with_gap(absolute_root, rows)
    found = features_file(clip).features
    stay = np.r_[0:29, 50:81]
    assert (found[stay] == source.features[stay]).all()
    assert (found[29, 4:193] == source.features[29, 4:193]).all()
    assert np.abs(found[29, 193:259] - source.features[29, 193:259]).max() > 0.01
    if absolute_root:
        assert (found[29, :4] == source.features[29, :4]).all()
    values = torch.from_numpy(source.features)
    true = joints_of(values if absolute_root else absolute(values)).numpy()
    ways = np.linalg.norm(joints_of_clip(clip)[30] - true[29], axis=1)
    np.testing.assert_allclose(np.linalg.norm(found[29, 193:259].reshape(22, 3), axis=1), ways, atol=1e-9)
    # Made rows stand on the same ground and are as tall: one bone is as long as the file's.
    thigh = np.linalg.norm(found[:, 4 + 9 : 4 + 12] - found[:, 4:7], axis=1)
    np.testing.assert_allclose(thigh, thigh[0], atol=1e-4)


LAID = np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]])
"""From Y up to Z up."""


@pytest.fixture
def laid(tmp_path: Path) -> Path:
    """The walker where Z is up."""
    bvh = walker.bvh(frames=80)
    rotations, translations = bvh.local()
    rotations[:, 0], translations[:, 0] = LAID @ rotations[:, 0], translations[:, 0] @ LAID.T
    values = bvh.channel_values(rotations, translations, bvh.values[0])
    (tmp_path / "laid.bvh").write_text(write_bvh(replace(bvh, values=values)))
    return tmp_path / "laid.bvh"


def test_a_bvh_with_z_up_is_turned_and_turned_back(laid: Path, walk: Path) -> None:
    clip, file = read_clip(laid, up="z"), parse_bvh(laid.read_text())
    np.testing.assert_allclose(joints_of_clip(clip), joints_of_clip(read_clip(walk)), atol=1e-9)
    assert parse_bvh(encode_clip(clip, "x.bvh").decode()).values.tolist() == file.values.tolist()
    made = bvh_of(replace(clip, rows=np.where(np.arange(80) < 40, clip.rows, -1)))
    np.testing.assert_allclose(made.values, file.values, atol=1e-6)
    upright = parse_npz(encode_clip(clip, "x.npz"))  # in another format it is Y up
    assert isinstance(upright, Joints)
    np.testing.assert_allclose(upright.joints, joints_of_clip(clip))


def test_joints_with_z_up_are_turned_and_turned_back(tmp_path: Path) -> None:
    joints = (joints_of_clip(walker.clip(frames=40)) @ LAID.T).astype(np.float32)
    (tmp_path / "a.npz").write_bytes(write_npz(Joints(joints, 60.0)))
    clip = read_clip(tmp_path / "a.npz", up="z")
    assert np.abs(joints_of_clip(clip) - joints @ LAID).max() < 0.06
    assert encode_clip(clip, "x.npz") == (tmp_path / "a.npz").read_bytes()
    made = joints_file(replace(clip, rows=np.full(40, -1))).joints
    assert np.abs(made - joints).max() < 0.06


def test_a_body_that_stands_along_z_is_refused_until_up_is_said(laid: Path, tmp_path: Path) -> None:
    joints = joints_of_clip(walker.clip(frames=40)) @ LAID.T
    (tmp_path / "a.npz").write_bytes(write_npz(Joints(joints, 60.0)))
    for path in (laid, tmp_path / "a.npz"):
        with pytest.raises(ValueError, match="--up z"):
            read_clip(path)
        assert read_clip(path, up="y").up == "y"
    (tmp_path / "odd.bvh").write_text(laid.read_text().replace("Left", "Port"))
    assert read_clip(tmp_path / "odd.bvh").up == "y"  # which joint is its head is not known
    with pytest.raises(ValueError, match="--up z"):
        read_clip(tmp_path / "odd.bvh", mapping=PORT)


def test_z_up_is_for_bvh_and_joints(tmp_path: Path) -> None:
    (tmp_path / "a.npz").write_bytes(write_npz(poses()))
    with pytest.raises(ValueError, match="poses are always Z up"):
        read_clip(tmp_path / "a.npz", up="z")
    with pytest.raises(ValueError, match="up must be y or z"):
        read_clip(tmp_path / "a.npz", up="x")
