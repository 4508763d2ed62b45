"""Meshes and pictures in and out: the one place where files are opened, checked and written.

A mesh comes as `alm_texture.mesh.Mesh`, a picture as uint8 (height, width, 3), row 0 on top. Files are written whole or
not at all, several of them together.
"""

import os
import tempfile
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError
from torch import Tensor

from alm_texture.formats import FormatError, Page, Raw
from alm_texture.formats.by_trimesh import read_gltf, read_ply, read_stl
from alm_texture.formats.obj import read_obj
from alm_texture.mesh import Material, Mesh

__all__ = [
    "WriteError",
    "check_output",
    "encode_image",
    "read_image",
    "read_mesh",
    "read_picture",
    "save_images",
    "write_files",
]

Pixels = NDArray[np.uint8]
READABLE = (".obj", ".glb", ".gltf", ".ply", ".stl")
WRITABLE = (".glb", ".obj")
KINDS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP"}
EIGHT_BIT = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr")


class WriteError(RuntimeError):
    """A result could not be written: the disk is full, or its folder has gone."""


def read_mesh(path: str | Path, *, up: str | None = None, keep_uv: bool = True) -> Mesh:
    """The triangles of an OBJ, GLB, glTF, PLY or STL file in world coordinates; nothing is merged, reordered or mended.

    `up` is the file's up axis, "y" or "z"; by default "y", which glTF prescribes. With `keep_uv` False the file's UVs
    and textures are left aside, as for a mesh that is unwrapped anew. Raises FileNotFoundError where the file or one
    that it names is missing, ValueError where it cannot be read, holds no surface, or has UVs in some of its parts
    only.
    """
    path = Path(path)
    if up not in (None, "y", "z"):
        raise ValueError(f"the up axis must be 'y' or 'z', got {up!r}")
    raw = _parse(path, keep_uv)
    _check_surface(raw, path)
    mapped = keep_uv and bool(raw.mapped.any())
    if mapped and not raw.mapped.all():
        bare = ", ".join(repr(raw.parts[n]) for n in np.unique(raw.part[~raw.mapped])[:5])
        raise ValueError(
            f"all of the mesh must have UVs or none of it; {path} has none in {int((~raw.mapped).sum())} of "
            f"{len(raw.faces)} faces (of {bare}): make new UVs with --unwrap (keep_uv=False, then unwrap)"
        )
    materials = tuple(_material(page, path) if keep_uv else Material(page.name) for page in raw.pages)
    uv = raw.uv if mapped else None
    return Mesh(raw.vertices, raw.faces, uv, raw.page, materials, raw.part, raw.parts, up or "y")


def check_output(
    path: str | Path, *, pages: int = 1, source: str | Path | None = None, overwrite: bool = False
) -> list[Path]:
    """All files that `save_mesh` writes for a mesh of so many pages, the mesh first; raises before any work is done.

    ValueError for another extension than .glb and .obj, a folder, or the `source` itself; FileNotFoundError where the
    folder is missing; FileExistsError where one of the files exists and `overwrite` is False.
    """
    path = Path(path)
    if path.is_dir():
        raise ValueError(f"the output {path} is a folder: give a file name")
    if path.suffix.lower() not in WRITABLE:
        raise ValueError(f"the output must end in {' or '.join(WRITABLE)}, got {path.name!r}")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"the folder {path.parent} of the output does not exist: make it first")
    if source is not None and path.exists() and Path(source).exists() and path.samefile(source):
        raise ValueError(f"the output {path} is the input: choose another name")
    files = [path]
    if path.suffix.lower() == ".obj":
        names = [path.stem] if pages == 1 else [f"{path.stem}-{number}" for number in range(1, pages + 1)]
        files += [path.with_suffix(".mtl"), *(path.with_name(f"{name}.png") for name in names)]
    for file in files:
        if file.exists() and not overwrite:
            raise FileExistsError(f"{file} exists: choose another name, or allow it with --overwrite (overwrite=True)")
    return files


def read_image(source: str | Path | bytes | Image.Image) -> tuple[Pixels, Pixels | None]:
    """A PNG, JPEG or WebP, its bytes or opened: uint8 (h, w, 3), and its alpha (h, w) or None; grey is repeated.

    Raises FileNotFoundError, or ValueError when it cannot be read or has more than 8 bits a channel.
    """
    path = Path(source) if isinstance(source, str | Path) else None
    name = f"the picture {path}" if path else "an embedded picture"
    if path and path.is_dir():
        raise ValueError(f"{name} is a folder: a PNG, JPEG or WebP file is wanted")
    try:
        if isinstance(source, Image.Image):
            image = source
        else:
            image = Image.open(BytesIO(source) if isinstance(source, bytes) else source)
        image.load()
    except FileNotFoundError:
        raise FileNotFoundError(f"there is no picture at {path}") from None
    except (UnidentifiedImageError, OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise ValueError(f"{name} cannot be read ({error}): a PNG, JPEG or WebP is wanted") from None
    if image.mode not in EIGHT_BIT:
        raise ValueError(f"8 bits a channel are wanted, {name} has mode {image.mode}: convert it first, to RGB")
    transparent = image.mode in ("LA", "PA", "RGBA") or "transparency" in image.info
    values = np.array(image.convert("RGBA" if transparent else "RGB"))
    return values[..., :3].copy(), values[..., 3].copy() if transparent else None


def read_picture(path: str | Path, *, longest: int | None = None) -> Tensor:
    """An example for the exemplar prior: float32 (3, height, width) in [−1, 1], shrunk until no side exceeds `longest`.

    What is transparent is taken as it is. Raises as `read_image` does.
    """
    image = Image.fromarray(read_image(path)[0])
    if longest is not None:
        image.thumbnail((longest, longest), Image.Resampling.LANCZOS)
    return torch.from_numpy(np.asarray(image, np.float32) / 127.5 - 1).permute(2, 0, 1).contiguous()


def save_images(images: Sequence[tuple[Pixels, Path]]) -> None:
    """Writes all pictures, uint8 (h, w), (h, w, 3) or (h, w, 4), whole or none at all. Raises WriteError."""
    write_files([(encode_image(array, path.suffix), path) for array, path in images])


def encode_image(array: Pixels, suffix: str = ".png") -> bytes:
    """The bytes of a PNG or WebP without loss, or of a JPEG at quality 95; raises ValueError for another suffix."""
    if suffix.lower() not in KINDS:
        raise ValueError(f"a picture must end in {', '.join(KINDS)}, got {suffix!r}")
    out = BytesIO()
    kind = KINDS[suffix.lower()]
    options = {"quality": 95, "subsampling": 0} if kind == "JPEG" else {"lossless": True, "exact": True}
    Image.fromarray(array).save(out, kind, **({} if kind == "PNG" else options))
    return out.getvalue()


def write_files(files: Sequence[tuple[bytes, Path]]) -> None:
    """Writes all files whole or none at all, the last one last; those that were there come back. Raises WriteError."""
    made: list[Path] = []
    undo: list[tuple[Path, Path | None]] = []
    try:
        for data, path in files:
            handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem}-", suffix=path.suffix)
            os.close(handle)
            made.append(Path(name))
            made[-1].write_bytes(data)
            made[-1].chmod(0o666 & ~_umask())
        for temporary, (_, path) in zip(made, files, strict=True):
            before = Path(f"{temporary}.old") if path.exists() else None
            if before is not None:
                os.replace(path, before)
            undo.append((path, before))
            os.replace(temporary, path)
    except BaseException as error:
        for path, before in reversed(undo):
            path.unlink(missing_ok=True)
            if before is not None:
                os.replace(before, path)
        if not isinstance(error, OSError):
            raise
        why = error.strerror or error
        raise WriteError(
            f"the result cannot be written to {files[0][1].parent} ({why}): nothing was written"
        ) from error
    else:
        for before in (before for _, before in undo if before is not None):
            before.unlink()
    finally:
        for temporary in made:
            temporary.unlink(missing_ok=True)


def _parse(path: Path, pictures: bool) -> Raw:
    suffix = path.suffix.lower()
    if path.is_dir():
        raise ValueError(f"the mesh {path} is a folder: a file is wanted that ends in {', '.join(READABLE)}")
    if not path.exists():
        raise FileNotFoundError(f"there is no mesh at {path}")
    if suffix not in READABLE:
        raise ValueError(f"a mesh must end in {', '.join(READABLE)}, got {path.name!r}: convert it first")
    try:
        if suffix == ".obj":
            return read_obj(path, pictures)
        if suffix in (".glb", ".gltf"):
            return read_gltf(path, pictures)
        return read_ply(path) if suffix == ".ply" else read_stl(path)
    except (FormatError, FileNotFoundError, MemoryError):
        raise
    except Exception as error:
        why = f"{type(error).__name__}: {error}".split("\n")[0][:120]
        raise ValueError(f"the mesh {path} cannot be read as {suffix[1:]} ({why}): export it again") from error


def _check_surface(raw: Raw, path: Path) -> None:
    """Raises ValueError where there is nothing to paint, or what there is cannot be drawn."""
    if not len(raw.faces):
        raise ValueError(f"{path} holds no faces (points or lines alone are no surface): export it with its triangles")
    wrong = np.flatnonzero(((raw.faces < 0) | (raw.faces >= len(raw.vertices))).any(1))
    if len(wrong):
        raise ValueError(
            f"the faces of {path} must name vertices 0 to {len(raw.vertices) - 1}, {len(wrong)} of {len(raw.faces)} "
            f"do not (face {wrong[0]} names {raw.faces[wrong[0]].tolist()}): export the mesh again"
        )
    broken = int((~np.isfinite(raw.vertices)).any(1).sum())
    if broken:
        raise ValueError(
            f"{broken} of the {len(raw.vertices)} vertices of {path} are NaN or infinite: mend or delete them"
        )
    corners = raw.vertices[raw.faces]
    cross = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    if not cross.any():
        raise ValueError(f"none of the {len(raw.faces)} faces of {path} has an area: export the mesh again")


def _material(page: Page, path: Path) -> Material:
    if page.picture is None:
        return Material(page.name)
    if isinstance(page.picture, Path) and not page.picture.is_file():
        raise FileNotFoundError(
            f"the material {page.name!r} of {path} names the texture {page.picture}, which is missing: put it there, "
            f"or take it out of the {'MTL' if path.suffix.lower() == '.obj' else 'file'}"
        )
    return Material(page.name, read_image(page.picture)[0])


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
