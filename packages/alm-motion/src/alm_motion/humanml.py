"""A folder of HumanML3D (Guo et al., CVPR 2022): motions at 20 frames a second, each with sentences.

`test.txt` lists names; `texts/NAME.txt` has a line `sentence#word/KIND …#from#to` for each sentence, the last two in
seconds, 0 for the whole; motions are `NAME.npy` in `new_joint_vecs` (relative features), in GMD's
`new_joint_vecs_abs_3d` (absolute ones) or in `new_joints` (F, 22, 3), whichever comes first.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from alm_motion.evaluators.base import relative_features
from alm_motion.features import CHANNELS, FPS, absolute, joints_of, relative
from alm_motion.skeleton import Array

__all__ = ["Caption", "Captioned", "Split", "joints_of_relative", "read_split"]

SHORTEST, LONGEST = 40, 200
"""Motions of fewer frames, or of as many as the second or more, are not in the protocol of the field."""
CUT = 196
UNIT = 4


@dataclass(frozen=True)
class Caption:
    """A sentence, and its words as `word/KIND`."""

    text: str
    tokens: tuple[str, ...]


@dataclass(frozen=True)
class Captioned:
    """Frames `start` to `stop` of a file, and what was said of them."""

    path: Path
    read: Callable[[Path], Array]
    start: int
    stop: int
    captions: tuple[Caption, ...]

    def features(self) -> Array:
        """HumanML3D's relative features (F, 263). Raises ValueError for a file of another shape."""
        return self.read(self.path)[self.start : self.stop]

    def draw(self, rng: np.random.Generator) -> tuple[Array, Caption]:
        """A cut of the features whose length four divides, one time in three four frames less, and one of the captions.

        So the field's loaders draw at each reading: what they score varies a little from pass to pass.
        """
        units = (self.stop - self.start) // UNIT - int(rng.integers(3) == 2)
        start = int(rng.integers(self.stop - self.start - units * UNIT + 1))
        caption = self.captions[int(rng.integers(len(self.captions)))]
        return self.features()[start : start + units * UNIT], caption


@dataclass(frozen=True)
class Split:
    """What there is of a list of names, and how many of them the folder lacks."""

    entries: tuple[Captioned, ...]
    missing: int


def read_split(folder: str | Path, name: str = "test") -> Split:
    """The motions of a list. A sentence on a part of a motion makes an entry of that part.

    Raises FileNotFoundError where the list, the texts or the motions are not there, ValueError where none fits.
    """
    folder = Path(folder)
    listed, texts = folder / f"{name}.txt", folder / "texts"
    motions = [folder / kind for kind in READERS if (folder / kind).is_dir()]
    if not listed.is_file() or not texts.is_dir() or not motions:
        raise FileNotFoundError(
            f"{folder} is not a HumanML3D folder: {name}.txt, texts and one of {', '.join(READERS)} are wanted"
        )
    read = READERS[motions[0].name]
    entries: list[Captioned] = []
    missing = 0
    for each in listed.read_text(encoding="utf-8").split():
        path, text = motions[0] / f"{each}.npy", texts / f"{each}.txt"
        if path.is_file() and text.is_file():
            entries += _entries(path, read, text)
        else:
            missing += 1
    if not entries:
        raise ValueError(f"{listed} names no motion of {SHORTEST} to {LONGEST - 1} frames that {folder} has")
    return Split(tuple(entries), missing)


def joints_of_relative(features: Array) -> Array:
    """Joints (F, 22, 3) of relative features (F, 263), which begin at the origin and face +Z."""
    return joints_of(absolute(torch.from_numpy(features))).numpy()


def _entries(path: Path, read: Callable[[Path], Array], text: Path) -> list[Captioned]:
    """The whole with the sentences on it, and each part that has one of its own, where their lengths are in range."""
    frames = len(np.load(path, mmap_mode="r", allow_pickle=False))
    if not SHORTEST <= frames < LONGEST:
        return []
    whole: list[Caption] = []
    parts: list[Captioned] = []
    for number, line in enumerate(text.read_text(encoding="utf-8").splitlines(), 1):
        if not line.strip():
            continue
        try:
            sentence, words, begins, ends = line.strip().split("#")
            start, stop = (0.0 if math.isnan(float(at)) else float(at) for at in (begins, ends))
        except ValueError:
            raise ValueError(f"{text}, line {number}: sentence#word/KIND …#from#to is wanted, got {line!r}") from None
        caption = Caption(sentence, tuple(words.split()))
        if start == stop == 0:
            whole.append(caption)
            continue
        first, last = int(start * FPS), min(int(stop * FPS), frames)
        if SHORTEST <= last - first < LONGEST:
            parts.append(Captioned(path, read, first, last, (caption,)))
    return parts + ([Captioned(path, read, 0, min(frames, CUT), tuple(whole))] if whole else [])


def _loaded(path: Path, *shape: int) -> Array:
    values: Array = np.load(path, allow_pickle=False).astype(float)
    if values.shape[1:] != shape or not np.isfinite(values).all():
        wanted = ", ".join(str(size) for size in shape)
        raise ValueError(f"{path} must hold finite numbers (F, {wanted}), got {values.shape}")
    return values


def _of_relative(path: Path) -> Array:
    return _loaded(path, CHANNELS)


def _of_absolute(path: Path) -> Array:
    return relative(torch.from_numpy(_loaded(path, CHANNELS))).numpy()


def _of_joints(path: Path) -> Array:
    return relative_features(_loaded(path, 22, 3))


READERS: dict[str, Callable[[Path], Array]] = {
    "new_joint_vecs": _of_relative,
    "new_joint_vecs_abs_3d": _of_absolute,
    "new_joints": _of_joints,
}
