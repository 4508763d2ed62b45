"""Flags and steps that several verbs share."""

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from alm_core import ALM, Method
from alm_core.choices import METHODS, REFERENCES, method_named, reference_named

from alm_motion.clip import Clip
from alm_motion.complete import Result
from alm_motion.encode import check_film
from alm_motion.io import check_output, encode_clip, read_clip, write_files
from alm_motion.mapping import read_mapping
from alm_motion.options import Settings
from alm_motion.pictures import picture_of
from alm_motion.priors import MotionPrior, load_prior
from alm_motion.progress import PROGRESS, progress

__all__ = [
    "add_clip",
    "add_model",
    "add_reading",
    "add_report",
    "add_solver",
    "add_work",
    "method_of",
    "opened",
    "outputs_of",
    "ranges",
    "work",
]

WEIGHTS = ("w1", "w2", "imputation", "eta", "strength", "particles")
"""Options of methods that have flags."""
USUAL = {"syncsde": {"strength": 3.0}}
"""What methods have for motion where nothing else is said (SyncSDE 4.2.6)."""


def add_clip(parser: argparse.ArgumentParser) -> None:
    """The clip, and how it is read."""
    parser.add_argument("clip", type=Path, help="the motion: BVH, NPZ or NPY")
    add_reading(parser)


def add_reading(parser: argparse._ActionsContainer) -> None:
    """How a clip is read."""
    parser.add_argument("--fps", type=float, help="its frames a second, where the file does not say or is wrong")
    parser.add_argument("--unit", type=float, help="how many metres a BVH's unit is (the power of ten that fits a leg)")
    parser.add_argument("--up", choices=("y", "z"), help="the axis that points up, of BVH and joints (y)")
    parser.add_argument("--mapping", type=Path, help="a JSON file: which joints are the 22, for a skeleton not known")


def add_work(parser: argparse.ArgumentParser, *, prompt: bool = True) -> None:
    """All that the verbs which make motion share; `prompt` leaves that out, where it is another's."""
    add_output(parser)
    if prompt:
        parser.add_argument("--prompt", default="", help="what to show: an action of cmu (see `models`), or a sentence")
    add_model(parser)
    add_solver(parser)
    add_report(parser)


def add_output(parser: argparse.ArgumentParser) -> None:
    """Where results go, whole or not at all."""
    files = parser.add_argument_group("files")
    files.add_argument(
        "-o",
        "--output",
        type=Path,
        action="append",
        required=True,
        help="the result: .bvh, .npz or .glb; again with another ending for another format of it, "
        "or with another name for a variant",
    )
    files.add_argument("--count", type=int, help="make N variants, numbered after the name of a single -o")
    files.add_argument("--overwrite", action="store_true", help="allow an existing output to be replaced")
    files.add_argument(
        "--preview", type=Path, help="stick figures of the first variant, too: .mp4, .gif or a .png strip"
    )


def add_model(parser: argparse.ArgumentParser) -> None:
    """Which model, and what it is told."""
    model = parser.add_argument_group("model")
    model.add_argument("--model", default="cmu", help="cmu, exemplar, a folder of `train`, or a checkpoint's .pt (cmu)")
    model.add_argument("--guidance", type=float, help="the scale of classifier-free guidance (the model's usual)")
    model.add_argument("--text-encoder", help="the folder or hub id of CLIP ViT-B/32, for models that read text")
    model.add_argument("--device", default="cpu", help="cpu, cuda, mps, … (cpu)")
    model.add_argument("--dtype", help="float32, float16 or bfloat16 (what suits the device)")


def add_solver(parser: argparse.ArgumentParser) -> None:
    """How it is sampled."""
    solver = parser.add_argument_group("solver")
    solver.add_argument("--method", choices=METHODS, help="how to complete (what suits the model)")
    solver.add_argument("--reference", choices=REFERENCES, help="where the noisy given part comes from")
    solver.add_argument("--steps", type=int, help="steps from noise to motion (what suits the model)")
    solver.add_argument("--w1", type=float, help="weight of ALM's conditional term and pull (1)")
    solver.add_argument("--w2", type=float, help="weight of ALM's joint term (0.005)")
    solver.add_argument("--strength", type=float, help="SyncSDE's 1/λ (3)")
    solver.add_argument("--eta", type=float, help="0 is DDIM, 1 DDPM's ancestral sampling, for hundreds of steps (0)")
    solver.add_argument("--particles", type=int, help="how many smcdiff has a sample (64)")
    solver.add_argument(
        "--imputation",
        action=argparse.BooleanOptionalAction,
        help="what is given stands in each prediction, too (no for ALM, yes for reconstruction guidance)",
    )
    solver.add_argument("--seed", type=int, default=0, help="variant n is what seed + n alone gives (0)")
    solver.add_argument("--no-pin-feet", action="store_true", help="leave standing feet as the model moves them")


def add_report(parser: argparse.ArgumentParser) -> None:
    """What is said of the work."""
    report = parser.add_argument_group("report")
    report.add_argument("--progress", choices=PROGRESS, default="auto", help="a bar on a terminal, JSON lines, or none")
    report.add_argument("--json", action="store_true", help="print one JSON object last on standard output")


def opened(flags: argparse.Namespace, path: Path | None = None) -> Clip:
    """The clip, or that at the path, as the flags say."""
    mapping = read_mapping(flags.mapping) if flags.mapping else None
    return read_clip(path or flags.clip, fps=flags.fps, unit=flags.unit, mapping=mapping, up=flags.up)


def ranges(texts: list[str]) -> list[slice | int]:
    """Slices and numbers of `0:40,100:`. Raises ValueError."""
    found: list[slice | int] = []
    for text in (part.strip() for whole in texts for part in whole.split(",")):
        start, colon, stop = text.partition(":")
        try:
            found.append(slice(int(start) if start else None, int(stop) if stop else None) if colon else int(text))
        except ValueError:
            raise ValueError(f"--keep {text!r} is no range of frames: wanted A:B, A:, :B or a number") from None
    return found


def outputs_of(flags: argparse.Namespace, source: Path | None) -> list[list[Path]]:
    """Where the formats of each variant go, checked. Raises ValueError.

    Outputs that differ by their ending alone are formats of one variant, others are variants.
    """
    named: dict[Path, list[Path]] = {}
    for path in flags.output:
        named.setdefault(path.with_name(path.stem), []).append(path)
    variants = list(named.values())
    if flags.count is not None:
        if flags.count < 1:
            raise ValueError(f"--count must be 1 or more, got {flags.count}")
        if len(variants) not in (1, flags.count):
            raise ValueError(f"--count {flags.count} does not fit {len(variants)} names of -o: give one, or as many")
        if flags.count > 1 and len(variants) == 1:
            formats = variants[0]
            variants = [[path.with_stem(f"{path.stem}-{n + 1}") for path in formats] for n in range(flags.count)]
    paths = [path for formats in variants for path in formats]
    if len({*paths, flags.preview}) < len(paths) + 1:
        raise ValueError("two outputs have the same name: give each its own")
    for path in paths:
        check_output(path, source=source, overwrite=flags.overwrite)
    if flags.preview is not None:
        check_film(flags.preview, overwrite=flags.overwrite)
    return variants


def work(flags: argparse.Namespace, verb: Callable[[Settings], Result], source: Path | None) -> None:
    """Loads the model, runs the verb with the options that the flags say, writes, and tells."""
    variants = outputs_of(flags, source)
    mapping = read_mapping(flags.mapping) if source is not None and flags.mapping else None
    reference = reference_named(flags.reference) if flags.reference else None
    prior = load_prior(
        flags.model,
        device=flags.device,
        dtype=flags.dtype,
        guidance=flags.guidance,
        text_encoder=flags.text_encoder,
    )
    with progress(flags.progress) as report:
        result = verb(
            Settings(
                prior=prior,
                method=method_of(flags, prior),
                reference=reference,
                prompt=flags.prompt,
                steps=flags.steps,
                count=len(variants),
                seed=flags.seed,
                mapping=mapping,
                pin_feet=not flags.no_pin_feet,
                on_step=report,
            )
        )
    made = zip(result.clips, variants, strict=True)
    files = [(encode_clip(clip, path), path) for clip, formats in made for path in formats]
    if flags.preview is not None:
        files.append((picture_of(result.clips[0], result.made, flags.preview, mapping=mapping), flags.preview))
    write_files(files)
    _tell(flags, result, [path for formats in variants for path in formats])


def method_of(flags: argparse.Namespace, prior: MotionPrior) -> Method | None:
    """The method asked for; options alone adjust the model's usual one."""
    asked = {name: value for name in WEIGHTS if (value := getattr(flags, name)) is not None}
    if flags.method:
        return method_named(flags.method, **{**USUAL.get(flags.method, {}), **asked})
    if not asked:
        return None
    usual = prior.defaults.method
    if not isinstance(usual, ALM):
        raise ValueError(
            f"{', '.join('--' + name for name in asked)}: {flags.model} does not use ALM by default, add --method alm"
        )
    return replace(usual, **asked)


def _tell(flags: argparse.Namespace, result: Result, paths: Sequence[Path]) -> None:
    if not flags.json:
        print(f"{', '.join(map(str, paths))}: {result.seconds:.1f} s", file=sys.stderr)
        return
    names = [str(path) for path in paths]
    report = {
        "output": names[0] if len(names) == 1 else names,
        "frames": len(result.clips[0]),
        "fps": round(result.clips[0].fps, 6),
        "made": int(result.made.sum()),
        "kept_error_mm": round(result.kept_error, 6),
        "evaluations": result.evaluations,
        "calls": result.calls,
        "seconds": round(result.seconds, 3),
        "seed": result.seed,
        "model": str(flags.model),
        "method": result.method,
    }
    print(json.dumps(report))
