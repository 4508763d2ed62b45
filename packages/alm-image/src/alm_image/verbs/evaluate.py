"""`alm-image evaluate`: pictures beside their truths, or a set of them, by the papers' protocols."""

import argparse
import json
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import torch
from alm_core.placement import as_device

from alm_image.evaluation import PAIRED, SET, evaluate_pairs, evaluate_set, features_of, pictures_of, read_prompts
from alm_image.evaluation.folders import Told
from alm_image.evaluation.sets import DISTANCES, Array, Marks, Paths, check_crop
from alm_image.io import pending
from alm_image.metrics import LPIPS, Aesthetic, Clip, ClipScale, Inception, QAlign
from alm_image.metrics.lpips import NETS
from alm_image.progress import PROGRESS, bar

__all__ = ["add", "run"]


def add(parser: argparse.ArgumentParser) -> None:
    """Its flags."""
    parser.add_argument("made", metavar="MADE", type=Path, help="the folder of the pictures that were made, or one")
    pairs = parser.add_argument_group("beside truths")
    pairs.add_argument(
        "--truth", metavar="DIR", type=Path, help="the true pictures, of the same names and sizes, or one"
    )
    pairs.add_argument(
        "--mask", metavar="DIR", type=Path, help="masks, of the same names or one for all: white is made"
    )
    pairs.add_argument("--lpips-net", choices=NETS, default="alex", help="what LPIPS looks with (alex)")
    pairs.add_argument("--lpips-weights", metavar="DIR", type=Path, help="the folder of its two files of weights")
    whole = parser.add_argument_group("as a set")
    whole.add_argument(
        "--reference", metavar="DIR", type=Path, help="pictures to compare with, for FID and KID, or a .npy of --keep"
    )
    whole.add_argument("--keep", metavar="FILE", type=Path, help="write the references' features, to be given again")
    whole.add_argument("--overwrite", action="store_true", help="allow an existing file of --keep to be replaced")
    whole.add_argument("--prompts", metavar="FILE", type=Path, help="one a line, one for all, or JSON {name: prompt}")
    whole.add_argument("--crop", type=int, help="the side of a random square to be cut out of each made picture (none)")
    whole.add_argument("--inception", metavar="FILE", type=Path, help="pt_inception-2015-12-05-6726825d.pth")
    whole.add_argument("--clip", metavar="DIR", type=Path, help="a CLIP model of transformers, with its tokenizer")
    whole.add_argument("--clip-scale", choices=[each.value for each in ClipScale], default="cosine", help="(cosine)")
    whole.add_argument("--aesthetic", metavar="FILE", type=Path, help="sac+logos+ava1-l14-linearMSE.pth")
    whole.add_argument("--aesthetic-clip", metavar="DIR", type=Path, help="CLIP ViT-L/14, if --clip is another")
    both = parser.add_argument_group("both")
    both.add_argument(
        "--metric",
        choices=(*PAIRED, *SET),
        action="append",
        metavar="NAME",
        help=f"measure this alone; may be repeated: {', '.join((*PAIRED, *SET))}",
    )
    both.add_argument("--seed", type=int, default=0, help="of the crops and the intervals (0)")
    both.add_argument("--resamplings", type=int, default=100, help="of FID's and KID's intervals (100)")
    both.add_argument("--batch", type=int, default=8, help="pictures a network call (8)")
    both.add_argument("--device", default="cpu", help="cpu, cuda, mps, … (cpu)")
    both.add_argument("--progress", choices=PROGRESS, default="auto", help="a bar on a terminal, JSON lines, or none")
    both.add_argument("--json", action="store_true", help="print one JSON object")


def run(flags: argparse.Namespace) -> None:
    """Prints a table, or with --json one JSON object, in which what cannot be told is null."""
    _check(flags)
    made = pictures_of(flags.made)
    left_out: dict[str, str] = {}
    work = [each for each in (_pairs(flags, made, left_out), _set(flags, made)) if each is not None]
    report: dict[str, Any] = {}
    with _told(flags.progress) as tell:
        for part in work:
            found = part(tell)
            left_out |= {name: why for name, why in found.pop("left_out", {}).items() if name not in left_out}
            protocol = report.get("protocol", {}) | found.pop("protocol")
            report |= found | {"protocol": protocol}
    if left_out:
        report["left_out"] = left_out
    report = _plain(report)
    print(json.dumps(report) if flags.json else "\n".join(_lines(report)))


def _check(flags: argparse.Namespace) -> None:
    """Raises ValueError for flags that do not go together, before any file is read."""
    asked = set(flags.metric or ())
    wants = {"truth": PAIRED, "reference": ("fid", "kid"), "prompts": ("clip_score",), "aesthetic": ("aesthetic",)}
    for flag, names in wants.items():
        if getattr(flags, flag) is None and (lacking := sorted(asked & set(names))):
            raise ValueError(f"{lacking[0]} wants --{flag}: give it, or leave the measure out")
    if not asked and all(getattr(flags, flag) is None for flag in wants):
        raise ValueError(
            "there is nothing to compare with: give --truth, --reference, --prompts with --clip, --aesthetic, or "
            "--metric q_align"
        )
    for flag, other in (("mask", "truth"), ("keep", "reference"), ("prompts", "clip")):
        if getattr(flags, flag) is not None and getattr(flags, other) is None:
            raise ValueError(f"--{flag} wants --{other}: give both")
    sets = asked & set(SET) if asked else (flags.reference, flags.prompts, flags.aesthetic)
    if flags.crop is not None and not any(sets):
        raise ValueError("--crop is of pictures measured as a set, and only pairs are measured: leave it out")
    if flags.aesthetic and not (flags.aesthetic_clip or flags.clip):
        raise ValueError("--aesthetic wants CLIP ViT-L/14: give --aesthetic-clip, or --clip where that is it")
    if flags.resamplings < 2 or flags.batch < 1 or flags.seed < 0:
        raise ValueError(
            "--resamplings is 2 or more, --batch 1 or more and --seed 0 or more: got "
            f"{flags.resamplings}, {flags.batch} and {flags.seed}"
        )
    if flags.keep:
        _check_keep(flags.keep, flags)
    as_device(flags.device)


def _check_keep(path: Path, flags: argparse.Namespace) -> None:
    """Raises ValueError where --keep has nothing to write, or cannot write it, FileExistsError for an existing file."""
    if path.suffix != ".npy" or path.is_dir() or not path.parent.is_dir():
        raise ValueError(f"--keep writes a .npy file into a folder that exists, got {path}")
    if flags.reference.suffix == ".npy":
        raise ValueError(f"--keep writes features of pictures, and {flags.reference} holds features: leave --keep out")
    if flags.metric and not set(flags.metric) & set(DISTANCES):
        raise ValueError("--keep writes the features that FID and KID compare, and neither is asked for: leave it out")
    if path.exists() and not flags.overwrite:
        raise FileExistsError(f"{path} exists: choose another name, or allow it with --overwrite")


def _keep(path: Path, rows: Array) -> None:
    """Writes features, whole or not at all. Raises WriteError."""
    file = BytesIO()
    np.save(file, rows)
    with pending(path, file.getvalue()):
        pass


def _pairs(flags: argparse.Namespace, made: Paths, left_out: dict[str, str]) -> Callable[[Told], dict[str, Any]] | None:
    """The work beside truths, its weights loaded; None where none is asked for."""
    names = [name for name in PAIRED if name in (flags.metric or PAIRED)]
    if flags.truth is None or not names:
        return None
    truth = pictures_of(flags.truth)
    if flags.made.is_file() and flags.truth.is_file():  # one beside one, whatever they are called
        truth = dict(zip(made, truth.values(), strict=True))
    masks = pictures_of(flags.mask) if flags.mask else None
    lpips = None
    if any(name.endswith("lpips") for name in names):
        try:
            lpips = LPIPS.load(flags.lpips_net, folder=flags.lpips_weights, device=flags.device)
        except FileNotFoundError as error:
            if flags.metric or flags.lpips_weights:
                raise
            left_out["lpips"] = str(error)
    return lambda tell: evaluate_pairs(
        made,
        truth,
        masks=masks,
        metrics=names if flags.metric else None,
        lpips=lpips,
        batch=flags.batch,
        seed=flags.seed,
        device=flags.device,
        on_picture=tell,
    )


def _set(flags: argparse.Namespace, made: Paths) -> Callable[[Told], dict[str, Any]] | None:
    """The work of a set, its weights loaded; None where none is asked for."""

    def wanted(name: str, given: bool) -> bool:
        return name in flags.metric if flags.metric else given

    distances = [name for name in DISTANCES if wanted(name, flags.reference is not None)]
    clip_score, aesthetic = wanted("clip_score", bool(flags.prompts)), wanted("aesthetic", bool(flags.aesthetic))
    q_align = wanted("q_align", False)
    if not (distances or clip_score or aesthetic or q_align):
        return None
    check_crop(made, flags.crop)
    prompts = read_prompts(flags.prompts, list(made)) if clip_score else None
    references: Paths | Array | None = _references(flags.reference) if distances else None
    features = Inception.load(flags.inception, device=flags.device) if distances else None
    marking = flags.aesthetic_clip or flags.clip
    paths = [path for path, use in ((flags.clip, clip_score), (marking, aesthetic)) if use]
    clips = {path: Clip.load(path, device=flags.device) for path in dict.fromkeys(paths)}
    marks: dict[str, Marks] = {"aesthetic": Aesthetic.load(flags.aesthetic, clips[marking])} if aesthetic else {}
    if q_align:
        marks["q_align"] = QAlign.load(device=flags.device)

    def work(tell: Told) -> dict[str, Any]:
        known = references
        if flags.keep and features is not None and isinstance(known, dict):
            known = features_of(known, features, batch=flags.batch, device=flags.device, on_picture=tell)
            _keep(flags.keep, known)
        return evaluate_set(
            made,
            references=known,
            prompts=prompts,
            features=features,
            distances=distances or DISTANCES,
            similarity=clips[flags.clip].likeness(prompts.values()) if prompts else None,
            clip_scale=ClipScale(flags.clip_scale),
            marks=marks,
            crop=flags.crop,
            seed=flags.seed,
            batch=flags.batch,
            resamplings=flags.resamplings,
            device=flags.device,
            on_picture=tell,
        )

    return work


def _references(path: Path) -> Paths | Array:
    """Pictures, or the features that --keep wrote."""
    if path.suffix != ".npy":
        return pictures_of(path)
    try:
        rows = np.load(path, allow_pickle=False)
    except FileNotFoundError:
        raise FileNotFoundError(f"there is no {path}: give the file that --keep wrote, or a folder") from None
    except (OSError, ValueError, EOFError):  # numpy advises to run what is in the file
        raise ValueError(
            f"{path} is no .npy file, or is cut short: give the one that --keep wrote, or a folder"
        ) from None
    if rows.ndim != 2 or rows.shape[1] != 2048:
        raise ValueError(f"{path} must hold features (n, 2048), as --keep writes: got {rows.shape}")
    return np.asarray(rows, float)


@contextmanager
def _told(kind: str) -> Iterator[Told]:
    """Told of batches, tells the bar of each picture."""
    with bar(kind) as show:
        seen = 0

        def tell(done: int, count: int) -> None:
            nonlocal seen
            seen = seen if done > seen else 0  # the next work begins anew
            for number in range(seen + 1, done + 1):
                show(number, count, lambda: torch.zeros(1, 3, 1, 1))
            seen = done

        yield tell


def _lines(report: dict[str, Any]) -> Iterator[str]:
    for name, value in report.items():
        if name not in ("protocol", "left_out", "notes"):
            ends = "" if value["low"] is None else f"  [{_cell(value['low'])}, {_cell(value['high'])}]"
            yield f"{name:<12} {_cell(value['value'])}{ends}"
    yield from (f"left out: {name}: {why}" for name, why in report.get("left_out", {}).items())
    yield from (f"note: {note}" for note in report.get("notes", []))


def _plain(value: Any) -> Any:
    """What JSON can hold, rounded: null for nan and inf."""
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    return (float(f"{value:.7g}") if math.isfinite(value) else None) if isinstance(value, float) else value


def _cell(value: object) -> str:
    return "-" if value is None else f"{value:.5g}" if isinstance(value, float) else str(value)
