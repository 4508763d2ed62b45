"""What long work shows: a bar on a terminal, JSON lines for scripts, previews in a folder."""

import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from torch import Tensor
from tqdm import tqdm

from alm_image.io import image_of, save_images
from alm_image.options import Preview

__all__ = ["PROGRESS", "bar", "previews", "steps_in", "together"]

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
    """A callback that writes what each step expects the result to be: step-001.png, … of the first variant.

    Steps of an earlier run go when the first new one is there, so that a folder never shows two runs. Raises ValueError
    for a file, FileExistsError where steps are there that may not be overwritten.
    """
    if folder.is_file():
        raise ValueError(f"the folder for the steps, {folder}, is a file: give another name")
    older = steps_in(folder)
    if older and not overwrite:
        raise FileExistsError(f"{folder} holds steps already: choose another folder, or allow it with --overwrite")

    def write(index: int, count: int, pixels: Callable[[], Tensor]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"step-{index:03d}.png"
        save_images([image_of(pixels()[0])], [path])
        for other in older - {path}:
            other.unlink(missing_ok=True)
        older.clear()

    return write


def steps_in(folder: Path) -> set[Path]:
    """The previews that an earlier run left in the folder, which a new one may replace."""
    return {path for path in folder.glob("step-*.png") if path.stem.removeprefix("step-").isdecimal()}


def together(watchers: Sequence[Preview]) -> Preview:
    """One callback for several."""

    def tell(index: int, count: int, pixels: Callable[[], Tensor]) -> None:
        for watch in watchers:
            watch(index, count, pixels)

    return tell
