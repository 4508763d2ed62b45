"""What long work shows: a bar on a terminal, JSON lines for scripts, previews in a folder."""

import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor
from tqdm import tqdm

from alm_image.io import Picture, save_images
from alm_image.options import Preview

__all__ = ["PROGRESS", "bar", "previews", "together"]

PROGRESS = ("auto", "json", "none")


@contextmanager
def bar(kind: str) -> Iterator[Preview]:
    """A callback that shows each step on standard error: nothing where "auto" finds no terminal."""
    start = time.perf_counter()

    def lines(index: int, count: int, pixels: Callable[[], Tensor]) -> None:
        seconds = round(time.perf_counter() - start, 3)
        print(json.dumps({"step": index, "steps": count, "seconds": seconds}), file=sys.stderr, flush=True)

    if kind == "json":
        yield lines
        return
    with tqdm(unit="step", file=sys.stderr, disable=kind == "none" or not sys.stderr.isatty()) as shown:

        def advance(index: int, count: int, pixels: Callable[[], Tensor]) -> None:
            shown.total = count
            shown.update()

        yield advance


def previews(folder: Path, overwrite: bool) -> Preview:
    """A callback that writes what each step expects the result to be: step-001.png, … of the first variant."""
    if folder.is_file():
        raise ValueError(f"the folder for the steps, {folder}, is a file: give another name")
    if not overwrite and next(folder.glob("step-*.png"), None):
        raise FileExistsError(f"{folder} holds steps already: choose another folder, or allow it with --overwrite")

    def write(index: int, count: int, pixels: Callable[[], Tensor]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        save_images([_image(pixels()[0])], [folder / f"step-{index:03d}.png"])

    return write


def together(watchers: Sequence[Preview]) -> Preview:
    """One callback for several."""

    def tell(index: int, count: int, pixels: Callable[[], Tensor]) -> None:
        for watch in watchers:
            watch(index, count, pixels)

    return tell


def _image(pixels: Tensor) -> Image.Image:
    height, width = pixels.shape[-2:]
    blank = Picture(torch.zeros(height, width, 3, dtype=torch.uint8).numpy())
    return blank.with_values(blank.channels_of(pixels), *[torch.ones(height, width).numpy()] * 2)
