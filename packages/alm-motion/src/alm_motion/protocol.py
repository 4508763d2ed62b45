"""The published protocol of motion completion: ALM's Table 5, which is CondMDI's evaluation on masks of its own.

Of HumanML3D's test motions 1,000 are drawn (rounded up to whole batches of 32), half of each is taken away, and what a
method makes of it is scored against its sentence and against all of the test motions. This is done ten times.

What is scored goes the way of CondMDI's code: relative features → joints from the origin, facing +Z → completed
joints → relative features → the evaluator. The row "ground truth" is all of the test motions, drawn once more.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from alm_motion.evaluators.base import Evaluator, relative_features
from alm_motion.features import FPS
from alm_motion.humanml import Caption, Captioned, Split, joints_of_relative, read_split
from alm_motion.metrics import (
    BATCH,
    Bools,
    diversity,
    foot_skate,
    frechet_distance,
    gap_error,
    kept_error,
    matching_score,
    r_precision,
)
from alm_motion.skeleton import Array

__all__ = ["HALVES", "Complete", "evaluate", "half_given"]

Complete = Callable[[Sequence[Array], Sequence[Bools], Sequence[str], int], Sequence[Array]]
"""`complete(joints, given, prompts, seed)`: whole motions (F, 22, 3), on HumanML3D's skeleton, at 20 frames a second.

A batch of 32 of any lengths F, of which number n has the seed `seed` + n. `given` (F, 22) is True for whole frames; the
others of `joints` (F, 22, 3) repeat the nearest given one.
"""
HALVES = {"first half": (0.0, 0.5), "middle half": (0.25, 0.75), "last half": (0.5, 1.0)}
"""What is taken away, as shares of a motion's own length."""
TRUTH = "ground truth"


def half_given(half: str, frames: int) -> Bools:
    """(F, 22): True but for a half of the frames, one of `HALVES`."""
    start, stop = (int(share * frames) for share in HALVES[half])
    given = np.ones((frames, 22), bool)
    given[start:stop] = False
    return given


def evaluate(
    folder: str | Path,
    evaluator: Evaluator,
    complete: Complete,
    *,
    samples: int = 1000,
    replications: int = 10,
    pairs: int = 300,
    halves: Sequence[str] = tuple(HALVES),
    seed: int = 0,
    on_sample: Callable[[int, int], None] = lambda done, count: None,
) -> dict[str, Any]:
    """A table that JSON can hold: `rows` has one a half and the ground truth's, each `{measure: {mean, interval}}`.

    Measures are fid, matching_score, r_precision_1 to 3, diversity, foot_skate, and of completions kept_error (mm, the
    largest of all) and gap_error (m). An interval is 1.96 standard deviations of the replications over the root of
    their number, as in the public code; None of a single one. All halves of a replication are of the same motions, and
    each of these has a seed of its own. `on_sample` is told how many samples are done, and of how many.

    Raises ValueError where the folder holds too few motions for the batches or the pairs, or a completion is not
    finite joints of the size that went in.
    """
    split = read_split(folder)
    rows = min(-(-samples // BATCH), len(split.entries) // BATCH) * BATCH
    unknown = [half for half in halves if half not in HALVES]
    if unknown or not halves:
        raise ValueError(f"halves are some of {', '.join(HALVES)}: got {', '.join(unknown) or 'none'}")
    if min(samples, replications) < 1 or not 1 <= pairs <= rows:
        raise ValueError(
            f"{samples} samples, {replications} replications and {pairs} pairs want 1 or more of each and no fewer "
            f"samples than pairs, in batches of {BATCH}: {folder} has {len(split.entries)} motions"
        )
    counted = _Counted(complete, on_sample, rows * replications * len(halves))
    found: list[dict[str, dict[str, float]]] = []
    for replication in range(replications):
        found.append(_replication(split, evaluator, counted, (rows, pairs, seed, replication), halves))
    return {
        "protocol": {
            "evaluator": evaluator.name,
            "motions": len(split.entries),
            "missing": split.missing,
            "samples": rows,
            "replications": replications,
            "pairs": pairs,
            "seed": seed,
        },
        "rows": {
            row: {name: _summary([each[row][name] for each in found]) for name in found[0][row]} for row in found[0]
        },
    }


def _replication(
    split: Split, evaluator: Evaluator, complete: "_Counted", sizes: tuple[int, int, int, int], halves: Sequence[str]
) -> dict[str, dict[str, float]]:
    """The measures of one replication, row by row."""
    rows, pairs, seed, replication = sizes
    rng = np.random.default_rng([seed, replication])
    order = [split.entries[i] for i in rng.permutation(len(split.entries))]
    scores = {name: _Scores() for name in (TRUTH, *halves)}
    reference = np.concatenate(
        [evaluator.motion(*_padded([f for f, _ in batch])) for batch in _batches(order, rng, whole=False)]
    )
    for batch in _batches(order, rng, whole=True):
        joints = [joints_of_relative(features) for features, _ in batch]
        scores[TRUTH].add(evaluator, [f for f, _ in batch], joints, _text(evaluator, batch))
    for number, batch in enumerate(_batches(order[:rows], rng, whole=True)):
        true, text = [joints_of_relative(features) for features, _ in batch], _text(evaluator, batch)
        first = seed + replication * rows + number * BATCH
        for half in halves:
            given = [half_given(half, len(joints)) for joints in true]
            made = complete(true, given, [caption.text for _, caption in batch], first)
            scores[half].add(evaluator, [relative_features(joints) for joints in made], made, text)
            scores[half].compare(true, made, given)
    return {name: each.measures(reference, pairs, seed + replication) for name, each in scores.items()}


@dataclass
class _Counted:
    """The caller's completion, checked, and told of."""

    complete: Complete
    on_sample: Callable[[int, int], None]
    count: int
    done: int = 0

    def __call__(
        self, joints: Sequence[Array], given: Sequence[Bools], prompts: Sequence[str], seed: int
    ) -> list[Array]:
        hidden = [_hidden(*each) for each in zip(joints, given, strict=True)]
        made = [np.asarray(each, float) for each in self.complete(hidden, [g.copy() for g in given], prompts, seed)]
        for number, (true, each) in enumerate(zip(joints, made, strict=True)):
            if each.shape != true.shape or not np.isfinite(each).all():
                raise ValueError(
                    f"a completion must be finite joints {true.shape}, got {each.shape}: on HumanML3D's skeleton and "
                    f"at {FPS:g} frames a second (seed {seed + number})"
                )
        self.done += len(made)
        self.on_sample(self.done, self.count)
        return made


def _hidden(joints: Array, given: Bools) -> Array:
    """Joints of which those that are not given repeat the nearest frame that is."""
    frames, known = np.arange(len(joints)), np.flatnonzero(given[:, 0])
    return np.asarray(joints[known[np.abs(frames[:, None] - known).argmin(1)]])


@dataclass
class _Scores:
    """What is gathered of a row of the table, batch by batch."""

    text: list[Array] = field(default_factory=list)
    motion: list[Array] = field(default_factory=list)
    skate: list[float] = field(default_factory=list)
    kept: list[float] = field(default_factory=list)
    gap: list[float] = field(default_factory=list)

    def add(self, evaluator: Evaluator, features: Sequence[Array], joints: Sequence[Array], text: Array) -> None:
        self.text.append(text)
        self.motion.append(evaluator.motion(*_padded(features)))
        self.skate += [foot_skate(each, FPS) for each in joints]

    def compare(self, true: Sequence[Array], made: Sequence[Array], given: Sequence[Bools]) -> None:
        for each in zip(true, made, given, strict=True):
            self.kept.append(kept_error(*each))
            self.gap.append(gap_error(*each))

    def measures(self, reference: Array, pairs: int, seed: int) -> dict[str, float]:
        text, motion = np.concatenate(self.text), np.concatenate(self.motion)
        found = {"fid": frechet_distance(reference, motion), "matching_score": matching_score(text, motion)}
        found |= {f"r_precision_{k}": float(share) for k, share in enumerate(r_precision(text, motion), 1)}
        found |= {"diversity": diversity(motion, pairs=pairs, seed=seed), "foot_skate": float(np.mean(self.skate))}
        if self.kept:
            found |= {"kept_error": max(self.kept), "gap_error": float(np.mean(self.gap))}
        return found


def _batches(
    entries: Sequence[Captioned], rng: np.random.Generator, *, whole: bool
) -> Iterator[list[tuple[Array, Caption]]]:
    """Cuts and captions, 32 at a time; `whole` leaves out a rest that makes no batch."""
    for start in range(0, len(entries) - BATCH + 1 if whole else len(entries), BATCH):
        yield [entry.draw(rng) for entry in entries[start : start + BATCH]]


def _text(evaluator: Evaluator, batch: Sequence[tuple[Array, Caption]]) -> Array:
    return evaluator.text([caption.tokens for _, caption in batch])


def _padded(features: Sequence[Array]) -> tuple[Array, list[int]]:
    """(N, F, 263) of features of any lengths, and these."""
    lengths = [len(each) for each in features]
    filled = np.zeros((len(lengths), max(lengths), features[0].shape[1]))
    for row, each in zip(filled, features, strict=True):
        row[: len(each)] = each
    return filled, lengths


def _summary(values: Sequence[float]) -> Mapping[str, float | None]:
    spread = 1.96 * float(np.std(values)) / math.sqrt(len(values)) if len(values) > 1 else None
    return {"mean": float(np.mean(values)), "interval": spread}
