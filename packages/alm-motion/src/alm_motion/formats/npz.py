"""NPZ: joints, HumanML3D's features, or poses as AMASS keeps them, told by their keys; and bare NPY arrays.

| kind | keys |
| --- | --- |
| `Joints` | `joints` (F, 22, 3) [, `fps`]; or a bare array of that shape, as HumanML3D's `new_joints` |
| `Features` | `features` (F, 263) [, `fps` 20, `absolute`]; or a bare array of that shape, as its `new_joint_vecs` |
| `Poses` | `poses` (F, 156, 165, 72 or 66), `trans` (F, 3) [, `betas`, `gender`, `mocap_framerate` or `…_frame_rate`] |

Arrays keep their type and values, so that what is kept is written back as it came. Nothing is ever unpickled: further
keys are carried as the bytes that they are.
"""

import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alm_motion.features import CHANNELS, FPS
from alm_motion.formats.errors import FormatError

__all__ = ["Features", "Joints", "Poses", "parse_npz", "timeless", "write_npz"]

Numbers = NDArray[Any]
KINDS = ("joints", "features", "poses")
WIDTHS = {156: "SMPL-H", 165: "SMPL-X", 72: "SMPL", 66: "SMPL without hands"}
RATES = ("mocap_framerate", "mocap_frame_rate")


@dataclass(frozen=True, eq=False)
class Joints:
    """`joints` (F, 22, 3) in metres, Y up; `fps` is None where the file does not say."""

    joints: Numbers
    fps: float | None = None
    further: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    """All other keys, each as the bytes of an NPY file."""


@dataclass(frozen=True, eq=False)
class Features:
    """HumanML3D's `features` (F, 263) at 20 frames a second, with an `absolute` or a relative root."""

    features: Numbers
    absolute: bool = False
    further: Mapping[str, bytes] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, eq=False)
class Poses:
    """`poses` (F, 3 J), the axis-angle vectors of joints in their parents, and `trans` (F, 3) in metres.

    J is 52 of SMPL-H, 55 of SMPL-X, 24 of SMPL, or its first 22. **Convention:** AMASS is Z up, and so are these, which
    are as they came. `trans` moves the whole body; the pelvis of the shape at rest comes on top of it.
    """

    poses: Numbers
    trans: Numbers
    betas: Numbers | None = None
    gender: str | None = None
    fps: float | None = None
    rate_key: str = RATES[0]
    """By which of its two names the rate came, and is written."""
    further: Mapping[str, bytes] = field(default_factory=dict, repr=False)


def parse_npz(data: bytes) -> Joints | Features | Poses:
    """The content of an NPZ, or of a bare NPY. Raises FormatError, which names the key."""
    if data.startswith(b"\x93NUMPY"):
        array = _array(data, "the array")
        if array.shape[1:] == (22, 3):
            return Joints(_numbers(array, "the array", (None, 22, 3)))
        if array.shape[1:] == (CHANNELS,):
            return Features(_numbers(array, "the array", (None, CHANNELS)))
        raise FormatError(f"the array must be joints (F, 22, 3) or features (F, {CHANNELS}), got {array.shape}")
    try:
        with zipfile.ZipFile(BytesIO(data)) as file:
            found = {name.removesuffix(".npy"): file.read(name) for name in file.namelist()}
    # zipfile raises NotImplementedError for a compression it does not know, RuntimeError for a password.
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, OSError, zlib.error) as error:
        raise FormatError(f"it is no NPZ, or cut off ({error})") from None
    named = [kind for kind in KINDS if kind in found]
    if len(named) != 1:
        has = ", ".join(named or list(found)[:10]) or "nothing"
        raise FormatError(f"one of the keys joints, features and poses is wanted, it has {has}")
    if named == ["joints"]:
        return _joints(found)
    return _features(found) if named == ["features"] else _poses(found)


def write_npz(motion: Joints | Features | Poses) -> bytes:
    """The file's bytes, compressed; the same content makes the same bytes."""
    arrays: dict[str, object] = {}
    if isinstance(motion, Joints):
        arrays |= {"joints": motion.joints, "fps": motion.fps}
    elif isinstance(motion, Features):
        arrays |= {"features": motion.features, "fps": FPS, "absolute": motion.absolute}
    else:
        arrays |= {"poses": motion.poses, "trans": motion.trans, "betas": motion.betas, "gender": motion.gender}
        arrays[motion.rate_key] = motion.fps
    out = BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as file:
        for name, value in (arrays | dict(motion.further)).items():
            if value is None:
                continue
            member = BytesIO()
            if isinstance(value, bytes):
                member.write(value)
            else:
                np.lib.format.write_array(member, np.asarray(value), allow_pickle=False)
            entry = zipfile.ZipInfo(f"{name}.npy")  # Of 1980, whatever the clock says.
            entry.compress_type = zipfile.ZIP_DEFLATED
            file.writestr(entry, member.getvalue())
    return out.getvalue()


def timeless(further: Mapping[str, bytes], frames: int) -> dict[str, bytes]:
    """Those further keys that do not have a row for each of so many frames: what may stay when the frames change.

    AMASS's soft tissue, its markers and its copies of parts of the poses have one.
    """
    return {name: data for name, data in further.items() if _shape(data)[:1] != (frames,)}


def _joints(found: dict[str, bytes]) -> Joints:
    joints = _numbers(_array(found.pop("joints"), "joints"), "joints", (None, 22, 3))
    return Joints(joints, _rate(found, "fps"), found)


def _features(found: dict[str, bytes]) -> Features:
    features = _numbers(_array(found.pop("features"), "features"), "features", (None, CHANNELS))
    fps = _rate(found, "fps")
    if fps not in (None, FPS):
        raise FormatError(f"fps must be {FPS:g} for HumanML3D's features, got {fps:g}: give joints instead")
    absolute = _array(found.pop("absolute"), "absolute") if "absolute" in found else np.array(False)
    if absolute.size != 1 or absolute.dtype.kind not in "biuf" or absolute.item() not in (0, 1):
        raise FormatError(f"absolute must be true or false, got {absolute.tolist()!r:.40}")
    return Features(features, bool(absolute.item()), found)


def _poses(found: dict[str, bytes]) -> Poses:
    poses = _array(found.pop("poses"), "poses")
    if poses.ndim != 2 or poses.shape[1] not in WIDTHS:
        widths = ", ".join(f"{width} ({name})" for width, name in WIDTHS.items())
        raise FormatError(f"poses must be (F, C) with C one of {widths}, got {poses.shape}")
    _numbers(poses, "poses", (None, poses.shape[1]))
    if "trans" not in found:
        raise FormatError(
            f"the key trans (F, 3) is missing, which goes with poses; it has {', '.join(found) or 'no others'}"
        )
    trans = _numbers(_array(found.pop("trans"), "trans"), "trans", (None, 3))
    if len(trans) != len(poses):
        raise FormatError(f"trans must have a row for each of the {len(poses)} poses, got {len(trans)}")
    betas = _array(found.pop("betas"), "betas") if "betas" in found else None
    if betas is not None:
        _numbers(betas, "betas", betas.shape)
    key = next((key for key in RATES if key in found), RATES[0])
    return Poses(poses, trans, betas, _word(found, "gender"), _rate(found, key), key, found)


def _array(data: bytes, key: str) -> Numbers:
    """The array of an NPY file's bytes, which is never unpickled."""
    try:
        return np.lib.format.read_array(BytesIO(data), allow_pickle=False)
    except (ValueError, EOFError, OSError, SyntaxError, MemoryError) as error:
        why = "it is pickled, which can run code" if "allow_pickle" in str(error) else str(error).split("\n")[0][:80]
        raise FormatError(f"{key} cannot be read ({why}): save it as a plain array of numbers") from None


def _numbers(array: Numbers, key: str, shape: tuple[int | None, ...]) -> Numbers:
    """The array, where it has this shape (None for any number of frames), frames at all, and finite numbers only."""
    wanted = "(" + ", ".join("F" if size is None else str(size) for size in shape) + ")"
    if array.ndim != len(shape) or any(want not in (None, got) for want, got in zip(shape, array.shape, strict=True)):
        raise FormatError(f"{key} must be {wanted}, got {array.shape}")
    if array.dtype.kind not in "fiu":
        raise FormatError(f"{key} must be real numbers, got {array.dtype}")
    if not array.size:
        raise FormatError(f"{key} has no frames: its shape is {array.shape}")
    bad = np.argwhere(~np.isfinite(array))
    if len(bad):
        at = ", ".join(str(index) for index in bad[0])
        raise FormatError(f"{key}[{at}] is {array[tuple(bad[0])]}, as are {len(bad) - 1} others: mend these first")
    return array


def _rate(found: dict[str, bytes], key: str) -> float | None:
    """Takes a rate out of what was found."""
    if key not in found:
        return None
    value = _array(found.pop(key), key)
    if value.size != 1 or value.dtype.kind not in "fiu" or not (np.isfinite(value.item()) and value.item() > 0):
        raise FormatError(f"{key} must be a number of frames a second above 0, got {value.tolist()!r:.40}")
    return float(value.item())


def _word(found: dict[str, bytes], key: str) -> str | None:
    if key not in found:
        return None
    value = _array(found.pop(key), key)
    if value.size != 1 or value.dtype.kind not in "US":
        raise FormatError(f"{key} must be a word, got {value.tolist()!r:.40}")
    word = value.item()
    return word.decode("utf-8", "replace") if isinstance(word, bytes) else str(word)


def _shape(data: bytes) -> tuple[int, ...]:
    """The shape in an NPY file's header, for which nothing is unpickled; empty where there is none."""
    file = BytesIO(data)
    try:
        one = np.lib.format.read_magic(file) == (1, 0)
        read = np.lib.format.read_array_header_1_0 if one else np.lib.format.read_array_header_2_0
        return read(file)[0]
    except ValueError:
        return ()
