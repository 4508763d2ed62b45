"""Films that are pictures in a folder, or pictures whose names count."""

import re
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from alm_video.film import Film, Frame

__all__ = ["ENDINGS", "FPS", "counted", "film_of_pictures", "is_pattern"]

ENDINGS = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp")
FPS = Fraction(24)
"""The rate of pictures where none is said: cinema's, and Blender's own."""
COUNTER = re.compile(r"%0?\d*d")
NUMBER = re.compile(r"(\d+)")
ORIENTATION = 0x0112


def is_pattern(path: Path) -> bool:
    """Whether the name holds one counter such as %04d."""
    return len(COUNTER.findall(path.name)) == 1


def counted(pattern: Path) -> list[tuple[int, Path]]:
    """The files that a pattern such as frames/%04d.png names, by their numbers."""
    before, after = (re.escape(part) for part in COUNTER.split(pattern.name))
    if not pattern.parent.is_dir():
        return []
    named = ((re.fullmatch(before + r"(\d+)" + after, file.name), file) for file in pattern.parent.iterdir())
    return sorted((int(m[1]), file) for m, file in named if m and pattern.name % int(m[1]) == file.name)


def film_of_pictures(path: Path, fps: Fraction | None) -> Film:
    """The film of a folder's pictures in the order of their names (2 before 10), or of a pattern's, or of one picture.

    Pictures are turned as their EXIF says; what is see-through lies on black; 16-bit grey keeps its upper 8 bits. The
    rate is 24 where none is given. Raises FileNotFoundError, or ValueError where there are no pictures, one is missing
    between two, or one differs in size.
    """
    files = _files(path)
    height, width = _sides(files[0])
    for file in files:
        if _sides(file) != (height, width):
            other = _sides(file)
            raise ValueError(
                f"all pictures must have one size: {files[0].name} has {width} × {height}, {file.name} {other[1]} × "
                f"{other[0]}"
            )

    def read(start: int, stop: int) -> Iterator[Frame]:
        for file in files[start:stop]:
            yield _pixels(file)

    return Film(height, width, fps or FPS, len(files), read)


def _files(path: Path) -> list[Path]:
    if is_pattern(path):
        numbered = counted(path)
        if not numbered:
            raise FileNotFoundError(f"there is no picture at {path}: a counter such as %04d stands for its number")
        first = numbered[0][0]
        for place, (number, _) in enumerate(numbered):
            if number != first + place:
                raise ValueError(
                    f"{path.name % (first + place)} is missing in {path.parent}: give the folder to read what is there"
                )
        return [file for _, file in numbered]
    if path.is_file():
        return [path]
    files = [file for file in path.iterdir() if file.suffix.lower() in ENDINGS and not file.name.startswith(".")]
    if not files:
        raise ValueError(f"the folder {path} holds no pictures: files that end in {', '.join(ENDINGS)} are wanted")
    return sorted(files, key=lambda file: [int(p) if p.isdigit() else p.lower() for p in NUMBER.split(file.name)])


def _sides(file: Path) -> tuple[int, int]:
    try:
        with Image.open(file) as image:
            width, height = image.size
            sideways = image.getexif().get(ORIENTATION, 1) >= 5
    except (UnidentifiedImageError, OSError) as error:
        raise ValueError(f"{file} cannot be read as a picture: {_why(error)}") from None
    return (width, height) if sideways else (height, width)


def _pixels(file: Path) -> Frame:
    try:
        with Image.open(file) as image:
            upright = ImageOps.exif_transpose(image)
            if upright.mode.startswith("I"):
                grey = (np.asarray(upright).astype(np.int64) >> 8).clip(0, 255).astype(np.uint8)
                return np.repeat(grey[..., None], 3, axis=2)
            if upright.has_transparency_data:
                whole = upright.convert("RGBA")
                upright = Image.alpha_composite(Image.new("RGBA", whole.size, (0, 0, 0, 255)), whole)
            return np.array(upright.convert("RGB"))
    except (UnidentifiedImageError, OSError, SyntaxError) as error:
        raise ValueError(f"{file} cannot be read as a picture: {_why(error)}") from None


def _why(error: Exception) -> str:
    return "its format is unknown" if isinstance(error, UnidentifiedImageError) else str(error)
