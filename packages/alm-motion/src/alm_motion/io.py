"""Motion files in and out: the one place where files are opened, checked and written.

BVH, NPZ and bare NPY are read; BVH, NPZ and GLB are written. Files are written whole or not at all, several of them
together.
"""

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

from alm_motion.clip import Clip, Up
from alm_motion.clips import WRITERS, bvh_of, clip_of
from alm_motion.formats import FormatError
from alm_motion.formats.bvh import parse_bvh, write_bvh
from alm_motion.formats.glb import write_glb
from alm_motion.formats.npz import Features, Joints, Poses, parse_npz, write_npz
from alm_motion.mapping import Joints as Mapping

__all__ = ["READABLE", "WRITABLE", "WriteError", "check_output", "encode_clip", "read_clip", "write_files"]

READABLE = (".bvh", ".npz", ".npy")
WRITABLE = (".bvh", ".npz", ".glb")


class WriteError(RuntimeError):
    """A result could not be written: the disk is full, or its folder has gone."""


def read_clip(
    path: str | Path,
    *,
    fps: float | None = None,
    unit: float | None = None,
    mapping: Mapping | None = None,
    up: Up | None = None,
) -> Clip:
    """The clip in a BVH, NPZ or NPY file.

    `fps` is its rate, where the file does not say or is wrong; `unit` how many metres a BVH's unit is, by default the
    power of ten that makes a leg as long as legs are; `mapping` which of its joints are the 22, where its skeleton is
    not a known one. `up` is the axis that points up in a BVH or in joints: Y by default. With Z the clip is turned, and
    turned back where it is written in the same format. Raises FileNotFoundError, or ValueError where it cannot be read
    or where `up` is not said and the body seems to stand along Z.
    """
    path = Path(path)
    if path.suffix.lower() not in READABLE:
        raise ValueError(f"a motion must end in {', '.join(READABLE)}, got {path.name!r}")
    for name, value in (("fps", fps), ("unit", unit)):
        if value is not None and not 0 < value < float("inf"):
            raise ValueError(f"the {name} must be above 0, got {value:g}")
    if up not in (None, "y", "z"):
        raise ValueError(f"up must be y or z, got {up!r}")
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise FileNotFoundError(f"there is no motion at {path}") from None
    except IsADirectoryError:
        raise ValueError(f"{path} is a folder: a file that ends in {', '.join(READABLE)} is wanted") from None
    try:
        if path.suffix.lower() == ".bvh":
            bvh = parse_bvh(data.decode("utf-8", errors="replace"))
            return clip_of(bvh, fps=fps, unit=unit, mapping=mapping, up=up)
        return clip_of(parse_npz(data), fps=fps, up=up)
    except FormatError as error:
        raise ValueError(f"{path} cannot be read as {path.suffix[1:].upper()}: {error}") from None


def encode_clip(clip: Clip, path: str | Path, *, kind: str | None = None) -> bytes:
    """The bytes of a file of that name. Raises ValueError.

    `kind` of an NPZ is joints, features or poses; by default what the clip came from, else joints.
    """
    suffix = Path(path).suffix.lower()
    if suffix == ".bvh":
        return write_bvh(bvh_of(clip)).encode()
    if suffix == ".glb":
        return write_glb(clip)
    own = {Joints: "joints", Features: "features", Poses: "poses"}.get(type(clip.source), "joints")
    return write_npz(WRITERS[kind or own](clip))


def check_output(
    path: str | Path, *, suffixes: Sequence[str] = WRITABLE, source: str | Path | None = None, overwrite: bool = False
) -> Path:
    """The path of an output that can be written; raises before any work is done.

    ValueError for another extension, a folder, or the `source` itself; FileNotFoundError where the folder is missing;
    FileExistsError where it exists and `overwrite` is False.
    """
    path = Path(path)
    if path.is_dir():
        raise ValueError(f"the output {path} is a folder: give a file name")
    if path.suffix.lower() not in suffixes:
        raise ValueError(f"the output must end in {', '.join(suffixes)}, got {path.name!r}")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"the folder {path.parent} of the output does not exist: make it first")
    if source is not None and path.exists() and Path(source).exists() and path.samefile(source):
        raise ValueError(f"the output {path} is the input: choose another name")
    if path.exists() and not overwrite:
        raise FileExistsError(f"{path} exists: choose another name, or allow it with --overwrite (overwrite=True)")
    return path


def write_files(files: Sequence[tuple[bytes, Path]]) -> None:
    """Writes every file in full beside its place before any is put there. Raises WriteError."""
    beside: list[Path] = []
    try:
        for data, path in files:
            handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
            beside.append(Path(name))
            with os.fdopen(handle, "wb") as file:
                file.write(data)
            mask = os.umask(0)
            os.umask(mask)
            beside[-1].chmod(0o666 & ~mask)
        for made, (_, path) in zip(beside, files, strict=True):
            made.replace(path)
    except OSError as error:
        raise WriteError(f"{error.strerror or error}: nothing was written") from None
    finally:
        for made in beside:
            made.unlink(missing_ok=True)
