"""What the tables of generated pictures share: prompts, pictures that are kept, references, and the best of a sweep."""

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol, TypeVar

from alm_core import Independent, SyncSDE
from alm_image import ImagePrior, load_prior, wide
from alm_image.options import Settings, Way
from PIL import Image

from benchmarks.tables.common import Cells, Job, Measure, Table
from benchmarks.tables.flags import STEPS, real, whole
from benchmarks.tables.pictures import JUDGES, Judges, tiny_judges
from benchmarks.tables.store import Store
from benchmarks.tables.tiny import makers

__all__ = [
    "BEST",
    "LOOSE",
    "PROMPTS",
    "SMALL",
    "STRENGTHS",
    "UNKNOWN",
    "USUAL",
    "Maker",
    "Pictures",
    "Sweep",
    "best",
    "measuring",
    "options",
    "plain",
    "prior_of",
    "subjects",
    "sweep_option",
    "swept",
    "table",
    "tiny_set",
    "told",
]

METRICS = ("KID ↓", "FID ↓", "CLIP-S ↑")
USUAL, BEST = "SyncSDE (1/λ = 5)", "SyncSDE (best)"
UNKNOWN = "its λ is not published: give --strengths"
"""Why the best is not run unless it is asked for."""
PROMPTS = {"prompts": "optional: a JSON file of prompts, in the form that the table says"}
"""Of a table's `made_from`."""
LOOSE = ("references", "batch", "together")
"""Flags that change no picture: how many there are, and how many are made at once."""
SMALL = {"limit": 1, "references": 1, "steps": 2}
"""What --tiny sets beside paths."""
STRENGTHS = (2.0, 8.0)
"""Those of a sweep that --tiny tries."""
APART = 1 << 20
"""Seeds of references are so far from those of what is compared with them."""
Subject = TypeVar("Subject")
Pictures = Sequence[Image.Image]


class Maker(Protocol[Subject]):
    """What a table makes of a subject with `prior`: pictures of seeds `seed` to `seed + count − 1`."""

    @property
    def prior(self) -> ImagePrior:
        """The model."""

    def prompts(self, subject: Subject) -> tuple[str, ...]:
        """What the pictures of an item are to show, a prompt a picture."""

    def made(self, subject: Subject, way: Any, seed: int, count: int) -> Sequence[Pictures]:
        """The pictures of each item."""

    def reference(self, prompt: str, seed: int, count: int) -> Pictures:
        """What the model makes of a prompt by itself."""


@dataclass(frozen=True)
class Sweep:
    """A row that is the best of several ways."""

    ways: tuple[Any, ...]


def told(flags: argparse.Namespace, prior: ImagePrior, way: Way, seed: int, count: int) -> Settings:
    """What every verb is told."""
    return Settings(prior=prior, method=way, steps=flags.steps, together=flags.together, seed=seed, count=count)


def plain(flags: argparse.Namespace, prior: ImagePrior, prompt: str, seed: int, count: int) -> Pictures:
    """Pictures that the model makes of a prompt, of its own size."""
    return wide(width=prior.size, prompt=prompt, **told(flags, prior, Independent(), seed, count)).images


def prior_of(flags: argparse.Namespace) -> ImagePrior:
    """The model of --weights."""
    return load_prior(flags.weights, device=flags.device, dtype=flags.dtype, guidance=flags.guidance)


def table(
    *,
    name: str,
    text: str,
    paper: Mapping[str, str],
    rows: Callable[[argparse.Namespace], Mapping[str, object]],
    made_from: Mapping[str, str],
    load: Callable[[argparse.Namespace], tuple[Sequence[Subject], Maker[Subject]]],
    tiny: Callable[[Path], Mapping[str, object]],
    small: Mapping[str, object] = SMALL,
    options: Callable[[argparse.ArgumentParser], None],
    crop: bool = False,
) -> Table:
    """One of SyncSDE's three with KID, FID and CLIP-S; with `crop`, the former of squares of the model's size."""

    def add(parser: argparse.ArgumentParser) -> None:
        options(parser)
        sweep_option(parser, "FID")

    def start(flags: argparse.Namespace) -> Measure:
        listed, maker = load(flags)
        judges, side = Judges(flags), maker.prior.size if crop else None
        return measuring(flags, listed, maker, lambda job, *seen: judges.cells(job, METRICS, *seen, crop=side))

    return Table(
        name=name,
        text=text,
        metrics=METRICS,
        paper=paper,
        items=250,
        rows=rows,
        not_run={BEST: UNKNOWN},
        made_from={**made_from, **PROMPTS},
        judged_by=JUDGES,
        loose=(*LOOSE, "strengths"),
        start=start,
        tiny=tiny,
        small={**small, "strengths": STRENGTHS},
        options=add,
    )


def measuring(
    flags: argparse.Namespace,
    listed: Sequence[Subject],
    maker: Maker[Subject],
    judge: Callable[[Job, Mapping[str, Path], Mapping[str, Path], Mapping[str, str]], Cells],
) -> Measure:
    """A table's `measure`: `judge` has the job, the pictures, the references, and each picture's prompt."""

    def measure(job: Job) -> tuple[Cells, int]:
        references = {}
        for at, subject in enumerate(listed):
            for view, prompt in enumerate(maker.prompts(subject)):

                def alone(seed: int, count: int, prompt: str = prompt) -> list[Pictures]:
                    return [(image,) for image in maker.reference(prompt, seed, count)]

                name = f"reference-{at:02d}-{view}"
                drawn = _kept(job.shared, name, 1, flags.references, flags.seed + APART, flags.batch, alone)
                references |= {f"{name}-{number}": path for number, (path,) in enumerate(drawn)}

        def cells(way: object, store: Store) -> Cells:
            made, prompts = {}, {}
            for at, subject in enumerate(listed):
                shown, draw = maker.prompts(subject), partial(maker.made, subject, way)
                items = _kept(store, f"{at:02d}", len(shown), job.limit, flags.seed, flags.batch, draw)
                for number, paths in enumerate(items):
                    made |= {f"{at:02d}-{number:04d}-{view}": path for view, path in enumerate(paths)}
                    prompts |= {f"{at:02d}-{number:04d}-{view}": prompt for view, prompt in enumerate(shown)}
            return judge(job, made, references, prompts)

        return swept(job, cells, "FID ↓"), job.limit

    return measure


def swept(job: Job, cells: Callable[[Any, Store], Cells], by: str) -> Cells:
    """What was measured of the row's way; of a `Sweep`, of the way that is least by a metric, which is told."""
    if not isinstance(job.way, Sweep):
        return cells(job.way, job.items)
    found = []
    for way in job.way.ways:
        # Not under the row's own items, so that another strength makes no others anew.
        store = job.shared.under(f"{job.row}, {way}", row=job.row, group=job.group, way=repr(way))
        of_way = cells(way, store)
        cell = of_way[by]
        value = float("inf") if cell is None or cell["value"] is None else cell["value"]
        found.append((value, len(found), way, of_way))
        print(f"{job.row}: {by} is {value:.4g} of {way}", file=sys.stderr, flush=True)
    return min(found)[3]


def sweep_option(parser: argparse.ArgumentParser, by: str) -> None:
    """--strengths."""
    what = f"1/λ to try for the row {BEST!r}: the best by {by} is shown (the row is not run)"
    parser.add_argument("--strengths", type=real(ends=False), nargs="+", metavar="VALUE", help=what)


def best(flags: argparse.Namespace, row: Callable[[SyncSDE], object] = lambda way: way) -> dict[str, object]:
    """The row of the strengths that were asked for, if any were."""
    return {BEST: Sweep(tuple(row(SyncSDE(each)) for each in flags.strengths))} if flags.strengths else {}


def subjects(flags: argparse.Namespace, known: Sequence[Any], read: Callable[[Any], Subject]) -> list[Subject]:
    """Those of the list in --prompts, else the known ones, each read by `read`. They are in the items' key.

    Raises ValueError for what is no list, or cannot be read.
    """
    try:
        flags.subjects = json.loads(flags.prompts.read_text(encoding="utf-8")) if flags.prompts else list(known)
        if not isinstance(flags.subjects, list) or not flags.subjects:
            raise ValueError("a list is wanted")
        return [read(each) for each in flags.subjects]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{flags.prompts or 'the table'} has no such prompts as --help says: {error!r}") from None


def options(parser: argparse.ArgumentParser, *, steps: int = 50, guidance: float = 7.5) -> None:
    """How the pictures of a set are made."""
    parser.add_argument("--steps", type=STEPS, default=steps, help=f"({steps})")
    parser.add_argument("--guidance", type=real(), default=guidance, help=f"the scale ({guidance:g})")
    parser.add_argument("--references", type=whole(), default=2000, help="pictures a prompt (2000)")
    parser.add_argument("--batch", type=whole(), default=1, help="pictures that are made at once (1)")
    parser.add_argument("--together", type=whole(), default=1, help="windows or trajectories that share a call (1)")


def tiny_set(folder: Path, model: str, listed: object) -> dict[str, object]:
    """The flags of a tiny model, its judges, and prompts."""
    makers("alm-image", "tiny").FOLDERS[model](folder / "model")
    (folder / "prompts.json").write_text(json.dumps(listed), encoding="utf-8")
    return {"weights": folder / "model", "prompts": folder / "prompts.json", **tiny_judges(folder)}


def _kept(
    store: Store,
    name: str,
    views: int,
    count: int,
    first: int,
    batch: int,
    draw: Callable[[int, int], Sequence[Pictures]],
) -> list[list[Path]]:
    """The files of `count` items of `views` pictures; `draw` makes up to `batch` items of a first seed at once."""
    ready: dict[int, Pictures] = {}

    def make(number: int, view: int, path: Path) -> None:
        if number not in ready:
            ready.clear()
            ready.update(enumerate(draw(first + number, min(batch, count - number)), number))
        ready[number][view].save(path)

    return [
        [store.file(f"{name}-{number:04d}-{view}.png", partial(make, number, view)) for view in range(views)]
        for number in range(count)
    ]
