import pickle
import struct
import zipfile
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from alm_motion.formats import FormatError
from alm_motion.formats.npz import Features, Joints, Poses, parse_npz, timeless, write_npz
from numpy.typing import NDArray


def npz(**arrays: object) -> bytes:
    """What `numpy.savez` writes: objects are pickled."""
    out = BytesIO()
    np.savez(out, **arrays)  # type: ignore[arg-type]
    return out.getvalue()


def npy(array: NDArray[Any]) -> bytes:
    out = BytesIO()
    np.save(out, array)
    return out.getvalue()


def some(*shape: int, dtype: str = "f4") -> NDArray[Any]:
    return np.random.default_rng(sum(shape)).normal(size=shape).astype(dtype)


def amass(frames: int = 7, width: int = 156, **more: object) -> dict[str, object]:
    return {"poses": some(frames, width, dtype="f8"), "trans": some(frames, 3)} | more


def test_joints_come_back_as_they_went_in() -> None:
    joints = some(5, 22, 3)
    found = parse_npz(write_npz(Joints(joints, 24.5)))
    assert isinstance(found, Joints)
    assert found.joints.dtype == np.float32
    np.testing.assert_array_equal(found.joints, joints)
    assert found.fps == 24.5
    assert not found.further


def test_features_come_back_as_they_went_in_and_say_whether_the_root_is_absolute() -> None:
    features = some(6, 263, dtype="f8")
    for absolute in (True, False):
        found = parse_npz(write_npz(Features(features, absolute)))
        assert isinstance(found, Features)
        assert found.features.dtype == np.float64
        np.testing.assert_array_equal(found.features, features)
        assert found.absolute is absolute


@pytest.mark.parametrize("width", [156, 165, 72, 66])
@pytest.mark.parametrize("key", ["mocap_framerate", "mocap_frame_rate"])
def test_poses_come_back_as_they_went_in_under_the_same_keys(width: int, key: str) -> None:
    given = amass(width=width, betas=some(16), gender=np.array("female"), dmpls=some(7, 8), **{key: np.array(120.0)})
    data = write_npz(parse_npz(npz(**given)))
    with np.load(BytesIO(data), allow_pickle=False) as back:
        assert set(back) == set(given)
        for name, value in given.items():
            np.testing.assert_array_equal(back[name], value)
            assert back[name].dtype == np.asarray(value).dtype
    found = parse_npz(data)
    assert isinstance(found, Poses)
    assert (found.gender, found.fps, found.rate_key) == ("female", 120.0, key)


def test_what_is_not_said_is_none() -> None:
    found = parse_npz(npz(**amass()))
    assert isinstance(found, Poses)
    assert (found.betas, found.gender, found.fps) == (None, None, None)
    assert found.rate_key == "mocap_framerate"
    joints = parse_npz(npz(joints=some(2, 22, 3)))
    assert isinstance(joints, Joints)
    assert joints.fps is None
    features = parse_npz(npz(features=some(2, 263)))
    assert isinstance(features, Features)
    assert not features.absolute


def test_a_bare_array_is_joints_or_features_by_its_shape() -> None:
    joints, features = some(4, 22, 3), some(4, 263)
    found = parse_npz(npy(joints))
    assert isinstance(found, Joints)
    np.testing.assert_array_equal(found.joints, joints)
    other = parse_npz(npy(features))
    assert isinstance(other, Features)
    np.testing.assert_array_equal(other.features, features)
    assert not other.absolute


class Bomb:
    """Makes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str, str]]:
        return open, (str(self.path), "w")


def test_nothing_is_unpickled_and_a_further_pickle_is_carried_along(tmp_path: Path) -> None:
    sly = np.array([Bomb(tmp_path / "made")], object)
    given = npz(**amass(vertices=sly))
    found = parse_npz(given)
    data = write_npz(found)
    with zipfile.ZipFile(BytesIO(given)) as before, zipfile.ZipFile(BytesIO(data)) as after:
        assert before.read("vertices.npy") == after.read("vertices.npy")
    assert not timeless(found.further, 1)
    with pytest.raises(FormatError, match=r"trans cannot be read \(it is pickled.*plain array of numbers"):
        parse_npz(npz(poses=some(1, 72), trans=sly))
    with pytest.raises(FormatError, match="pickled"):
        parse_npz(npy(sly))
    with pytest.raises(FormatError, match="no NPZ"):
        parse_npz(pickle.dumps(sly))
    assert not (tmp_path / "made").exists()


def test_only_what_has_no_row_for_each_frame_may_outlast_a_change_of_frames() -> None:
    found = parse_npz(npz(**amass(dmpls=some(7, 8), labels=np.array(["a", "b"]), seven=np.array(7), odd=some(8, 7))))
    assert set(timeless(found.further, 7)) == {"labels", "seven", "odd"}
    assert timeless({"words": b"not an array"}, 7) == {"words": b"not an array"}


def test_equal_content_makes_equal_bytes_which_numpy_reads() -> None:
    motion = Joints(some(5, 22, 3), 30, {"note": npy(np.array("walk"))})
    assert write_npz(motion) == write_npz(motion)
    with zipfile.ZipFile(BytesIO(write_npz(motion))) as file:
        assert {entry.date_time[0] for entry in file.infolist()} == {1980}
    with np.load(BytesIO(write_npz(motion)), allow_pickle=False) as back:
        assert back["note"] == "walk"
        assert back["fps"] == 30


def holed(*shape: int, at: tuple[int, ...], value: float = np.nan) -> NDArray[Any]:
    array = some(*shape)
    array[at] = value
    return array


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "no NPZ"),
        (b"HIERARCHY\nROOT hips\n", "no NPZ"),
        (npz(joints=some(9, 22, 3))[:-40], "no NPZ, or cut off"),
        (npy(some(9, 22, 3))[:-40], "the array cannot be read"),
        (npz(), "wanted, it has nothing"),
        (npz(pose_body=some(4, 63), root_orient=some(4, 3)), "joints, features and poses is wanted, it has pose_body"),
        (npz(joints=some(4, 22, 3), poses=some(4, 72)), "it has joints, poses"),
        (npz(joints=some(4, 24, 3)), r"joints must be \(F, 22, 3\), got \(4, 24, 3\)"),
        (npz(joints=some(2, 4, 22, 3)), r"joints must be \(F, 22, 3\), got \(2, 4, 22, 3\)"),
        (npz(joints=some(22, 3)), r"got \(22, 3\)"),
        (npz(joints=some(0, 22, 3)), "joints has no frames"),
        (npz(joints=np.zeros((4, 22, 3), complex)), "joints must be real numbers, got complex128"),
        (npz(joints=holed(6, 22, 3, at=(4, 5, 1))), r"joints\[4, 5, 1\] is nan, as are 0 others"),
        (npz(joints=holed(6, 22, 3, at=(2,), value=np.inf)), r"joints\[2, 0, 0\] is inf, as are 65 others"),
        (npz(joints=some(4, 22, 3), fps=np.array(0)), "fps must be .* above 0, got 0"),
        (npz(joints=some(4, 22, 3), fps=np.array(-30.0)), "fps must be .* above 0, got -30"),
        (npz(joints=some(4, 22, 3), fps=np.array(np.nan)), "fps must be .* above 0, got nan"),
        (npz(joints=some(4, 22, 3), fps=np.array(np.inf)), "fps must be .* above 0, got inf"),
        (npz(joints=some(4, 22, 3), fps=np.array("fast")), "fps must be .* above 0, got 'fast'"),
        (npz(features=some(4, 251)), r"features must be \(F, 263\), got \(4, 251\)"),
        (npz(features=some(4, 263), fps=np.array(30)), "fps must be 20 .* got 30"),
        (npz(features=some(4, 263), absolute=np.array(2)), "absolute must be true or false, got 2"),
        (npz(poses=some(4, 100), trans=some(4, 3)), r"poses must be .*156 \(SMPL-H\).*got \(4, 100\)"),
        (npz(poses=some(4, 72)), "the key trans .* is missing"),
        (npz(poses=some(4, 72), trans=some(5, 3)), "each of the 4 poses, got 5"),
        (npz(poses=some(4, 72), trans=some(4, 2)), r"trans must be \(F, 3\), got \(4, 2\)"),
        (npz(poses=holed(4, 72, at=(3, 7)), trans=some(4, 3)), r"poses\[3, 7\] is nan"),
        (npz(poses=some(0, 72), trans=some(0, 3)), "poses has no frames"),
        (npz(**amass(betas=holed(16, at=(2,)))), r"betas\[2\] is nan"),
        (npz(**amass(gender=np.array(1))), "gender must be a word, got 1"),
        (npz(**amass(mocap_framerate=np.array(0.0))), "mocap_framerate must be .* above 0"),
        (npz(**amass(mocap_frame_rate=np.array([30.0, 60.0]))), "mocap_frame_rate must be .* above 0"),
        (npy(some(4, 24, 3)), r"joints \(F, 22, 3\) or features \(F, 263\), got \(4, 24, 3\)"),
    ],
)
def test_what_cannot_be_used_is_refused_with_what_is_wrong_and_where(data: bytes, says: str) -> None:
    with pytest.raises(FormatError, match=says) as error:
        parse_npz(data)
    assert "\n" not in str(error.value)


def test_a_header_that_promises_too_much_is_refused() -> None:
    text = b"{'descr': '<f8', 'fortran_order': False, 'shape': (9000000000000, 22, 3)}"
    text += b" " * (-(len(text) + 11) % 64) + b"\n"
    with pytest.raises(FormatError, match="cannot be read"):
        parse_npz(b"\x93NUMPY\1\0" + struct.pack("<H", len(text)) + text + bytes(64))


def test_bytes_are_a_word_too() -> None:
    found = parse_npz(npz(**amass(gender=np.array(b"male"))))
    assert isinstance(found, Poses)
    assert found.gender == "male"
