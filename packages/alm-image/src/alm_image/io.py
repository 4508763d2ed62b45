"""Pictures and masks in and out: the one place where files, modes and value ranges are converted.

Inside the package pixels are float32 (rows, 3, height, width) in [−1, 1] and masks float32 (1, 1, height,
width) in [0, 1], 1 = to be generated. A file's own 8-bit values are kept aside, so that what is not generated goes
out as it came in.
"""

import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

__all__ = [
    "Picture",
    "WriteError",
    "check_output",
    "image_of",
    "pending",
    "read_map",
    "read_mask",
    "read_picture",
    "save_images",
]

WRITABLE = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP"}
QUALITY: dict[str, dict[str, object]] = {
    "PNG": {},
    "JPEG": {"quality": 95, "subsampling": 0},
    "WEBP": {"lossless": True, "exact": True},
}
DIRECT = {"L", "RGB", "RGBA", "LA"}
CONVERTED = {"1": "L", "P": "RGBA", "PA": "RGBA"}
NEARLY = 8 / 255
"""How far from black or white a mask may be and still be meant so: JPEG leaves that much around edges."""


class WriteError(RuntimeError):
    """A result could not be written: the disk is full, or the folder is no longer there."""


@dataclass(frozen=True)
class Picture:
    """An 8-bit picture, upright: `values` uint8 (height, width, 1 or 3), `alpha` (height, width) or None.

    `exif` and `icc` are the source's metadata, its orientation already applied and reset.
    """

    values: NDArray[np.uint8]
    alpha: NDArray[np.uint8] | None = None
    exif: bytes = b""
    icc: bytes = b""

    @property
    def height(self) -> int:
        """In pixels."""
        return int(self.values.shape[0])

    @property
    def width(self) -> int:
        """In pixels."""
        return int(self.values.shape[1])

    def pixels(self) -> Tensor:
        """Float32 (1, 3, height, width) in [−1, 1]; grey is repeated."""
        rgb = np.broadcast_to(self.values, (self.height, self.width, 3)).astype(np.float32)
        return torch.from_numpy(rgb / 127.5 - 1).permute(2, 0, 1)[None]

    def transparent(self) -> Tensor:
        """Float32 (1, 1, height, width): 1 where the picture is wholly transparent, so that no colour is known."""
        alpha = np.ones((self.height, self.width), np.uint8) if self.alpha is None else self.alpha
        return torch.from_numpy((alpha == 0).astype(np.float32))[None, None]

    def channels_of(self, pixels: Tensor) -> NDArray[np.float32]:
        """Pixels (3, height, width) in [−1, 1] as this picture's channels, (height, width, 1 or 3) in [0, 255]."""
        rgb = (pixels.clamp(-1, 1) + 1).permute(1, 2, 0).cpu().float().numpy() * 127.5
        if self.values.shape[2] == 3:
            return np.asarray(rgb, np.float32)
        return np.asarray(rgb @ np.array([[0.299], [0.587], [0.114]], np.float32), np.float32)

    def with_values(
        self, values: NDArray[np.float32], weight: NDArray[np.float32], made: NDArray[np.float32]
    ) -> Image.Image:
        """The picture with other values in [0, 255] where `weight` (height, width) > 0; opaque where `made` is 1."""
        mixed = np.where(weight[..., None] > 0, np.rint(values).clip(0, 255).astype(np.uint8), self.values)
        if self.alpha is not None:
            alpha = np.maximum(self.alpha, np.rint(made * 255).astype(np.uint8))
            mixed = np.concatenate([mixed, alpha[..., None]], 2)
        image = Image.fromarray(mixed[..., 0] if mixed.shape[2] == 1 else mixed)
        if self.exif:
            image.info["exif"] = self.exif
        if self.icc:
            image.info["icc_profile"] = self.icc
        return image


def read_picture(source: str | Path | Image.Image) -> Picture:
    """A picture from a file or a PIL image: 8-bit grey, RGB, palette, with or without alpha; EXIF orientation applied.

    Raises FileNotFoundError, or ValueError when it cannot be read or has another depth or colour space.
    """
    image = _open(source, "picture")
    exif = ImageOps.exif_transpose(image).getexif().tobytes() if image.getexif() else b""
    icc = image.info.get("icc_profile") or b""
    image = ImageOps.exif_transpose(image)
    if image.mode in CONVERTED:
        palette = "transparency" in image.info or image.mode == "PA"
        image = image.convert(CONVERTED[image.mode] if palette or image.mode == "1" else "RGB")
    elif image.mode in ("L", "RGB") and "transparency" in image.info:
        image = image.convert("RGBA" if image.mode == "RGB" else "LA")
    if image.mode not in DIRECT:
        raise ValueError(
            f"8-bit grey, RGB or RGBA is wanted, {_name(source)} has mode {image.mode}: "
            "convert it first, for example to RGB"
        )
    array = np.asarray(image)
    array = array[..., None] if array.ndim == 2 else array
    if array.shape[2] in (2, 4):
        return Picture(array[..., :-1].copy(), array[..., -1].copy(), exif, icc)
    return Picture(array.copy(), None, exif, icc)


def read_mask(source: str | Path | Image.Image, picture: Picture) -> Tensor:
    """A mask for the picture, float32 (1, 1, height, width) in [0, 1]: white is to be generated, grey is a soft edge.

    It is read as `read_map` reads. Raises FileNotFoundError, or ValueError when it cannot be read, has another size,
    has no white, or leaves no pixel wholly black.
    """
    mask = read_map(source)
    if tuple(mask.shape[2:]) != (picture.height, picture.width):
        raise ValueError(
            f"the mask must be as large as the picture, {picture.width} x {picture.height}; "
            f"{_name(source)} is {mask.shape[3]} x {mask.shape[2]}: resize it"
        )
    return check_mask(mask)


def read_map(source: str | Path | Image.Image) -> Tensor:
    """A mask by itself, float32 (1, 1, height, width) in [0, 1], white as 1.

    Within 8 of 255 black is black and white is white, since a mask that was saved as JPEG has no pure ones.
    Colours are read by their brightness, transparent parts as black. Raises FileNotFoundError, or ValueError when it
    cannot be read.
    """
    image = ImageOps.exif_transpose(_open(source, "mask"))
    white = {"1": 1, "I;16": 65535, "I": 65535, "F": 1}.get(image.mode, 255)
    if image.mode not in ("1", "L", "I;16", "I", "F"):
        image = image.convert("RGBA")
        flat = Image.new("RGBA", image.size, (0, 0, 0, 255))
        flat.alpha_composite(image)
        image = flat.convert("L")
    values = (np.asarray(image, np.float32) / white).clip(0, 1)
    values = np.where(values <= NEARLY, 0, np.where(values >= 1 - NEARLY, 1, values)).astype(np.float32)
    return torch.from_numpy(values)[None, None]


def check_mask(mask: Tensor) -> Tensor:
    """The mask itself; raises ValueError when there is nothing to generate or nothing to keep."""
    if not bool((mask > 0).any()):
        raise ValueError("the mask is empty (all black): paint white, 255, where the picture is to be generated")
    if not bool((mask == 0).any()):
        raise ValueError("the mask is full (no pixel is wholly black), so nothing is given: paint black what is kept")
    return mask


def check_output(path: str | Path, *, has_alpha: bool = False, overwrite: bool = False) -> Path:
    """The path, when a picture can be written there; raises ValueError or FileExistsError before any work is done."""
    path = Path(path)
    if path.is_dir():
        raise ValueError(f"the output {path} is a folder: give a file name")
    if path.suffix.lower() not in WRITABLE:
        raise ValueError(f"the output must end in {', '.join(WRITABLE)}, got {path.name!r}")
    if has_alpha and WRITABLE[path.suffix.lower()] == "JPEG":
        raise ValueError(f"JPEG cannot hold the picture's transparency: name {path.name} .png or .webp instead")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"the folder {path.parent} of the output does not exist: make it first")
    if path.exists() and not overwrite:
        raise FileExistsError(f"{path} exists: choose another name, or allow it with --overwrite (overwrite=True)")
    return path


def image_of(pixels: Tensor) -> Image.Image:
    """An 8-bit picture of pixels (3, height, width) in [−1, 1]."""
    size = tuple(pixels.shape[-2:])
    blank, all_of_it = Picture(np.zeros((*size, 3), np.uint8)), np.ones(size, np.float32)
    return blank.with_values(blank.channels_of(pixels), all_of_it, all_of_it)


def save_images(images: Sequence[Image.Image], paths: Sequence[Path]) -> None:
    """Writes all pictures whole or none at all: PNG and WebP without loss, JPEG at quality 95. Raises WriteError."""
    written: list[Path] = []
    try:
        for image, path in zip(images, paths, strict=True):
            kind = WRITABLE[path.suffix.lower()]
            options: dict[str, object] = {k: image.info[k] for k in ("exif", "icc_profile") if k in image.info}
            handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem}-", suffix=path.suffix)
            written.append(Path(name))
            with os.fdopen(handle, "wb") as file:
                image.save(file, kind, **options, **QUALITY[kind])
            os.chmod(name, 0o666 & ~_umask())
        for made, path in zip(written, paths, strict=True):
            os.replace(made, path)
    except OSError as error:
        raise _unwritable(paths[0], error) from error
    finally:
        for made in written:
            made.unlink(missing_ok=True)


@contextmanager
def pending(path: Path, data: bytes) -> Iterator[None]:
    """Writes a file under another name, which becomes its own where the block succeeds. Raises WriteError."""
    name: str | None = None
    try:
        try:
            handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem}-", suffix=path.suffix)
            with os.fdopen(handle, "wb") as file:
                file.write(data)
            os.chmod(name, 0o666 & ~_umask())
        except OSError as error:
            raise _unwritable(path, error) from error
        yield
        try:
            os.replace(name, path)
        except OSError as error:
            raise _unwritable(path, error) from error
    finally:
        if name is not None:
            Path(name).unlink(missing_ok=True)


def _unwritable(path: Path, error: OSError) -> WriteError:
    return WriteError(f"the result cannot be written to {path.parent} ({error.strerror or error})")


def _open(source: str | Path | Image.Image, what: str) -> Image.Image:
    if isinstance(source, Image.Image):
        return source
    if Path(source).is_dir():
        raise ValueError(f"the {what} {source} is a folder: a PNG, JPEG or WebP file is wanted")
    try:
        image = Image.open(source)
        deep = any("16" in str(tile[3]) and image.mode in ("RGB", "RGBA", "LA") for tile in image.tile)
        image.load()
    except FileNotFoundError:
        raise FileNotFoundError(f"there is no {what} at {source}") from None
    except (UnidentifiedImageError, OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise ValueError(f"the {what} {source} cannot be read ({error}): a PNG, JPEG or WebP is wanted") from None
    if deep and what == "picture":
        raise ValueError(f"the picture {source} has 16 bits a channel and half would be lost: make it 8-bit first")
    return image


def _name(source: str | Path | Image.Image) -> str:
    return "the image" if isinstance(source, Image.Image) else str(source)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
