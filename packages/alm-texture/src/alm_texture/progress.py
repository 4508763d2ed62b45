"""What long work shows: a bar on a terminal, JSON lines for scripts, nothing when piped."""

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from tqdm import tqdm

from alm_texture.job import OnStep

__all__ = ["PROGRESS", "progress"]

PROGRESS = ("auto", "json", "none")


@contextmanager
def progress(kind: str, views: int) -> Iterator[OnStep]:
    """A callback that shows each step of a job on standard error: a bar by "auto", only where that is a terminal."""
    begun = time.perf_counter()
    with tqdm(unit="step", file=sys.stderr, disable=kind != "auto" or not sys.stderr.isatty()) as shown:

        def tell(done: int, count: int) -> None:
            if kind == "json":
                line = {"step": done, "steps": count, "views": views, "seconds": round(time.perf_counter() - begun, 3)}
                print(json.dumps(line), file=sys.stderr, flush=True)
            shown.total = count
            shown.update(done - shown.n)

        yield tell
