"""What the tables of wide pictures share: the prompts, the windows, and how a picture is made."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from alm_core import SyncSDE
from alm_image import ImagePrior, wide
from alm_image.options import Way

from benchmarks.tables import sets
from benchmarks.tables.flags import whole

__all__ = ["LANDSCAPES", "SMALL", "Row", "WidePictures", "load", "near", "options", "tiny"]

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
SMALL = {**sets.SMALL, "width": 128}
"""What --tiny sets beside paths."""


@dataclass(frozen=True)
class Row:
    """How a row's wide pictures are made: windows lie `stride` of the model's size apart."""

    way: Way
    stride: float = 3 / 4
    later_on_top: bool = False


@dataclass(frozen=True)
class WidePictures:
    """The `sets.Maker` of wide pictures; a subject is a prompt."""

    flags: argparse.Namespace
    prior: ImagePrior

    def prompts(self, subject: str) -> tuple[str, ...]:
        """See `sets.Maker`."""
        return (subject,)

    def made(self, subject: str, way: Row, seed: int, count: int) -> Sequence[sets.Pictures]:
        """See `sets.Maker`."""
        windows = {"stride": round(way.stride * self.prior.size), "later_on_top": way.later_on_top}
        settings = sets.told(self.flags, self.prior, way.way, seed, count)
        return [(image,) for image in wide(width=self.flags.width, prompt=subject, **windows, **settings).images]

    def reference(self, prompt: str, seed: int, count: int) -> sets.Pictures:
        """See `sets.Maker`."""
        return sets.plain(self.flags, self.prior, prompt, seed, count)


def load(flags: argparse.Namespace, known: Sequence[str]) -> tuple[list[str], WidePictures]:
    """The prompts, a list of them in a file, and what makes their pictures. Raises ValueError."""

    def read(told: object) -> str:
        if not isinstance(told, str):
            raise TypeError(f"a prompt is wanted, got {told!r}")
        return told

    listed, prior = sets.subjects(flags, known, read), sets.prior_of(flags)
    if flags.width < prior.size:
        raise ValueError(f"--width is the model's {prior.size} or more, got {flags.width}")
    return listed, WidePictures(flags, prior)


def near(way: SyncSDE) -> Row:
    """SyncSDE's own windows: every quarter of the model's size, the later on top."""
    return Row(way, stride=1 / 4, later_on_top=True)


def options(parser: argparse.ArgumentParser) -> None:
    """How wide pictures are made."""
    sets.options(parser)
    parser.add_argument("--width", type=whole(8, multiple=8), default=2048, help="(2048)")


def tiny(folder: Path) -> dict[str, object]:
    """The flags of a tiny model and two prompts."""
    return sets.tiny_set(folder, "stable_diffusion", ["a lake", "hills"])
