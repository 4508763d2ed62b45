"""Folders of pictures to be measured: by name, in batches of one size, cropped by a seed."""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError
from torch import Tensor

from alm_image.io import read_mask, read_picture

__all__ = ["PICTURES", "Crop", "Told", "batches", "nobody", "pair_batches", "pictures_of", "read_prompts", "size_of"]

PICTURES = (".jpeg", ".jpg", ".png", ".webp")
"""The endings of files that are pictures."""
Crop = tuple[int, int]
"""The side of a square, and a seed: picture number n is cut by the seed and n, wherever it is measured."""
Told = Callable[[int, int], None]
"""Told how many pictures are done, and of how many."""
TURNED = (5, 6, 7, 8)
"""EXIF orientations that swap width and height."""


def nobody(done: int, count: int) -> None:
    """Is told, and tells nobody."""


def pictures_of(folder: str | Path) -> dict[str, Path]:
    """The pictures of a folder by the names of their files without endings, or one file; 2 before 10.

    Raises FileNotFoundError where there is none, ValueError where two have one name.
    """
    folder = Path(folder)
    if not folder.exists():
        raise FileNotFoundError(f"there is no folder {folder}: give one of pictures, or one picture")
    found = [folder] if folder.is_file() else [p for p in folder.glob("*") if not p.name.startswith(".")]
    paths = [path for path in found if path.suffix.lower() in PICTURES]
    if not paths:
        raise FileNotFoundError(f"{folder} holds no pictures: looked for {', '.join(PICTURES)}")
    paths.sort(key=lambda path: [(text, int(digits or 0)) for text, digits in re.findall(r"(\D*)(\d*)", path.name)])
    names = [path.stem for path in paths]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"{folder} holds two pictures of the name {twice[0]}: keep one of them")
    return dict(zip(names, paths, strict=True))


def read_prompts(path: str | Path, names: Sequence[str]) -> dict[str, str]:
    """The prompt of each picture: a JSON object {name: prompt}, or a text with one a line, in the order of `names`.

    A text of one line is the prompt of all. Names may have their endings. Raises ValueError where a picture has none,
    or lines and pictures differ in number.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is no text in UTF-8: {error}") from None
    if path.suffix.lower() != ".json":
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        lines = lines * len(names) if len(lines) == 1 else lines
        if len(lines) != len(names):
            raise ValueError(
                f"{path} must have a prompt for each picture, one a line, or one for all: {len(lines)} for "
                f"{len(names)} picture{'' if len(names) == 1 else 's'}"
            )
        return dict(zip(names, lines, strict=True))
    try:
        named = json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"{path} is no JSON: {error}") from None
    if not isinstance(named, dict) or not all(isinstance(prompt, str) and prompt.strip() for prompt in named.values()):
        raise ValueError(f"{path} must be an object of prompts by the names of the pictures, none of them empty")
    bare = {Path(name).stem if Path(name).suffix.lower() in PICTURES else name: text for name, text in named.items()}
    if missing := [name for name in names if name not in bare]:
        raise ValueError(f"{path} has no prompt for {len(missing)} of the pictures, the first {missing[0]}")
    return {name: bare[name] for name in names}


def size_of(path: Path) -> tuple[int, int]:
    """Height and width of a picture as it is seen, by the head of its file. Raises ValueError."""
    try:
        with Image.open(path) as image:
            width, height = image.size
            turned = image.getexif().get(0x0112) in TURNED
    except (UnidentifiedImageError, OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise ValueError(f"the picture {path} cannot be read ({error}): a PNG, JPEG or WebP is wanted") from None
    return (width, height) if turned else (height, width)


def batches(
    paths: Sequence[Path], count: int, crop: Crop | None = None, device: str | torch.device = "cpu"
) -> Iterator[tuple[list[int], Tensor, Tensor]]:
    """The numbers of up to `count` pictures of one size that follow one another, the pixels, and those of their crops.

    Pixels are float32 (n, 3, height, width) in [−1, 1]; transparency is not looked at. Without `crop` both are the
    same.
    """
    held: list[tuple[int, Tensor]] = []
    for number, path in enumerate(paths):
        pixels = read_picture(path).pixels()
        if held and (len(held) == count or pixels.shape != held[0][1].shape):
            yield _stacked(held, crop, device)
            held = []
        held.append((number, pixels))
    if held:
        yield _stacked(held, crop, device)


def pair_batches(
    names: Sequence[str],
    made: Mapping[str, Path],
    truth: Mapping[str, Path],
    masks: Mapping[str, Path],
    count: int,
    device: str | torch.device = "cpu",
) -> Iterator[tuple[Tensor, Tensor, Tensor | None]]:
    """Up to `count` made and true pictures of one size, and their masks (n, 1, height, width) where there are any."""
    held: list[tuple[Tensor, Tensor, Tensor | None]] = []
    for name in names:
        picture = read_picture(made[name])
        mask = read_mask(masks[name], picture) if masks else None
        one = picture.pixels(), read_picture(truth[name]).pixels(), mask
        if held and (len(held) == count or one[0].shape != held[0][0].shape):
            yield _joined(held, device)
            held = []
        held.append(one)
    if held:
        yield _joined(held, device)


def _stacked(
    held: list[tuple[int, Tensor]], crop: Crop | None, device: str | torch.device
) -> tuple[list[int], Tensor, Tensor]:
    numbers = [number for number, _ in held]
    whole = torch.cat([pixels for _, pixels in held])
    if crop is None:
        whole = whole.to(device)
        return numbers, whole, whole
    side, seed = crop
    parts = []
    for number, pixels in held:
        random = np.random.default_rng([seed, number])
        top, left = (int(random.integers(0, size - side + 1)) for size in pixels.shape[2:])
        parts.append(pixels[..., top : top + side, left : left + side])
    return numbers, whole.to(device), torch.cat(parts).to(device)


def _joined(
    held: list[tuple[Tensor, Tensor, Tensor | None]], device: str | torch.device
) -> tuple[Tensor, Tensor, Tensor | None]:
    made, truth = torch.cat([one for one, _, _ in held]), torch.cat([other for _, other, _ in held])
    masks = [mask for _, _, mask in held if mask is not None]
    return made.to(device), truth.to(device), torch.cat(masks).to(device) if masks else None
