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
from alm_image.options import Way
from PIL import Image

from benchmarks.tables.common import Cells, Job, Measure
from benchmarks.tables.pictures import tiny_judges
from benchmarks.tables.store import Store
from benchmarks.tables.tiny import makers

__all__ = [
    "BEST",
    "LANDSCAPES",
    "LOOSE",
    "PROMPTS",
    "UNKNOWN",
    "USUAL",
    "Maker",
    "Pictures",
    "Row",
    "Sweep",
    "WidePictures",
    "best",
    "measuring",
    "near",
    "options",
    "plain",
    "prior_of",
    "subjects",
    "sweep_option",
    "swept",
    "tiny_set",
    "wide_options",
]

USUAL, BEST = "SyncSDE (1/λ = 5)", "SyncSDE (best)"
UNKNOWN = "its λ is not published: give --strengths"
"""Why the best is not run unless it is asked for."""
PROMPTS = {"prompts": "optional: a JSON file of prompts, in the form that the table says"}
"""Of a table's `made_from`."""
LOOSE = ("references", "batch", "together")
"""Flags that change no picture: how many there are, and how many are made at once."""
APART = 1 << 20
"""Seeds of references are so far from those of what is compared with them."""
LANDSCAPES = (
    "Natural landscape in anime style illustration",
    "A photo of a mountain range at twilight",
    "A photo of a snowy mountain peak with skiers",
    "A photo of a city skyline at night",
    "Cartoon panorama of spring summer beautiful nature",
    "A beach with palm trees",
    "A film photo of a beachside street under the sunset",
    "Silhouette wallpaper of a dreamy scene with shooting stars",
)
"""Prompts that public code for wide pictures measures with."""
Subject = TypeVar("Subject")
Pictures = Sequence[Image.Image]


class Maker(Protocol[Subject]):
    """What a table makes of a subject: pictures of seeds `seed` to `seed + count − 1`."""

    def prompts(self, subject: Subject) -> tuple[str, ...]:
        """What the pictures of an item are to show, a prompt a picture."""

    def made(self, subject: Subject, way: Any, seed: int, count: int) -> Sequence[Pictures]:
        """The pictures of each item."""

    def reference(self, prompt: str, seed: int, count: int) -> Pictures:
        """What the model makes of a prompt by itself."""


@dataclass(frozen=True)
class Row:
    """How a row's wide pictures are made: windows lie `stride` of the model's size apart."""

    way: Way
    stride: float = 3 / 4
    later_on_top: bool = False


@dataclass(frozen=True)
class Sweep:
    """A row that is the best of several ways."""

    ways: tuple[Any, ...]


@dataclass(frozen=True)
class WidePictures:
    """The `Maker` of wide pictures; a subject is a prompt."""

    flags: argparse.Namespace
    prior: ImagePrior

    def prompts(self, subject: str) -> tuple[str, ...]:
        """See `Maker`."""
        return (subject,)

    def made(self, subject: str, way: Row, seed: int, count: int) -> Sequence[Pictures]:
        """See `Maker`."""
        made = wide(
            width=self.flags.width,
            stride=round(way.stride * self.prior.size),
            later_on_top=way.later_on_top,
            prior=self.prior,
            method=way.way,
            prompt=subject,
            steps=self.flags.steps,
            together=self.flags.together,
            seed=seed,
            count=count,
        )
        return [(image,) for image in made.images]

    def reference(self, prompt: str, seed: int, count: int) -> Pictures:
        """See `Maker`."""
        return plain(self.prior, prompt, self.flags.steps, seed, count)


def plain(prior: ImagePrior, prompt: str, steps: int, seed: int, count: int) -> Pictures:
    """Pictures that the model makes of a prompt, of its own size."""
    told = {"prior": prior, "prompt": prompt, "steps": steps, "seed": seed, "count": count}
    return wide(width=prior.size, method=Independent(), **told).images


def near(way: SyncSDE) -> Row:
    """SyncSDE's own windows: every quarter of the model's size, the later on top."""
    return Row(way, stride=1 / 4, later_on_top=True)


def prior_of(flags: argparse.Namespace) -> ImagePrior:
    """The model of --weights."""
    return load_prior(flags.weights, device=flags.device, dtype=flags.dtype, guidance=flags.guidance)


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
                told, draw = maker.prompts(subject), partial(maker.made, subject, way)
                items = _kept(store, f"{at:02d}", len(told), job.limit, flags.seed, flags.batch, draw)
                for number, paths in enumerate(items):
                    made |= {f"{at:02d}-{number:04d}-{view}": path for view, path in enumerate(paths)}
                    prompts |= {f"{at:02d}-{number:04d}-{view}": prompt for view, prompt in enumerate(told)}
            return judge(job, made, references, prompts)

        return swept(job, cells, "FID ↓"), job.limit

    return measure


def swept(job: Job, cells: Callable[[Any, Store], Cells], by: str) -> Cells:
    """What was measured of the row's way; of a `Sweep`, of the way that is least by a metric, which is told."""
    if not isinstance(job.way, Sweep):
        return cells(job.way, job.items)
    found = []
    for way in job.way.ways:
        of_way = cells(way, job.items.under(f"{job.row}, {way}", swept=repr(way)))
        cell = of_way[by]
        value = float("inf") if cell is None or cell["value"] is None else cell["value"]
        found.append((value, len(found), way, of_way))
        print(f"{job.row}: {by} is {value:.4g} of {way}", file=sys.stderr, flush=True)
    return min(found)[3]


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


def sweep_option(parser: argparse.ArgumentParser, by: str) -> None:
    """--strengths."""
    what = f"1/λ to try for the row {BEST!r}: the best by {by} is shown (the row is not run)"
    parser.add_argument("--strengths", type=float, nargs="+", metavar="VALUE", help=what)


def options(parser: argparse.ArgumentParser, *, steps: int = 50, guidance: float = 7.5, references: int = 2000) -> None:
    """How the pictures of a set are made."""
    parser.add_argument("--steps", type=int, default=steps, help=f"({steps})")
    parser.add_argument("--guidance", type=float, default=guidance, help=f"the scale ({guidance:g})")
    parser.add_argument("--references", type=int, default=references, help=f"pictures a prompt ({references})")
    parser.add_argument("--batch", type=int, default=1, help="pictures that are made at once (1)")
    parser.add_argument("--together", type=int, default=1, help="windows or trajectories that share a call (1)")


def wide_options(parser: argparse.ArgumentParser) -> None:
    """Those of wide pictures."""
    options(parser)
    parser.add_argument("--width", type=int, default=2048, help="(2048)")


def tiny_set(folder: Path, model: str, listed: object) -> dict[str, object]:
    """The flags of a tiny model, its judges, and prompts."""
    makers("alm-image", "tiny").FOLDERS[model](folder / "model")
    (folder / "prompts.json").write_text(json.dumps(listed), encoding="utf-8")
    few = {"limit": 1, "references": 1, "steps": 2}
    return {"weights": folder / "model", "prompts": folder / "prompts.json", **few, **tiny_judges(folder)}


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
