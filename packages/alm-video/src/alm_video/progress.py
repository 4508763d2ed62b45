"""What long work shows: a bar on a terminal, JSON lines for scripts, nothing when piped."""

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from tqdm import tqdm

__all__ = ["PROGRESS", "OnStep", "progress"]

PROGRESS = ("auto", "json", "none")


class OnStep(Protocol):
    """Told after each step."""

    def __call__(self, done: int, count: int, windows: int = 1) -> None:
        """`done` of `count` steps, evenly those of so many windows, which come one after another."""


@contextmanager
def progress(kind: str) -> Iterator[OnStep]:
    """A callback that shows each step of a job on standard error: a bar by "auto", only where that is a terminal."""
    begun = time.perf_counter()
    with tqdm(unit="step", file=sys.stderr, disable=kind != "auto" or not sys.stderr.isatty()) as shown:

        def tell(done: int, count: int, windows: int = 1) -> None:
            window = -(-done * windows // count)
            if kind == "json":
                line: dict[str, float] = {"step": done, "steps": count, "window": window, "windows": windows}
                line["seconds"] = round(time.perf_counter() - begun, 3)
                print(json.dumps(line), file=sys.stderr, flush=True)
            if windows > 1:
                shown.set_description(f"window {window} of {windows}", refresh=False)
            shown.total = count
            shown.update(done - shown.n)

        yield tell
