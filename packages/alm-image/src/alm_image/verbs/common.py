"""Flags and steps that several verbs share."""

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import fields, replace
from pathlib import Path

from alm_core.choices import FUSIONS, METHODS, REFERENCES, fusion_named, method_named, reference_named

from alm_image.blend import Blend, Gaussian, Hard, Membrane, Poisson
from alm_image.complete import Result
from alm_image.io import check_output, save_images
from alm_image.metrics import kept_error
from alm_image.options import Preview, Settings, Way
from alm_image.priors import ImagePrior, load_prior
from alm_image.priors.examples import pictures_of
from alm_image.progress import PROGRESS, bar, previews, steps_in, together

__all__ = [
    "BLENDS",
    "COUPLED",
    "add_model",
    "add_output",
    "add_report",
    "add_solver",
    "add_work",
    "example_inputs",
    "load",
    "outputs",
    "settled",
    "tell",
    "work",
]

BLENDS: dict[str, type[Blend]] = {"none": Hard, "gaussian": Gaussian, "poisson": Poisson, "membrane": Membrane}
COUPLED = tuple(name for name, kind in METHODS.items() if not kind().needs_clean and kind().particles == 1)
"""Methods that need nothing finished to go by, so that trajectories can follow one another by them."""
WEIGHTS = ("w1", "w2", "strength", "eta", "particles")
"""Options of methods that have flags."""
VIEWS = ("visual-anagrams",)
"""Joint methods of views, which see the same everywhere."""


def add_work(parser: argparse.ArgumentParser, *, joint: bool) -> None:
    """All that the verbs which complete pictures share; `joint` offers methods that join windows, too."""
    add_output(parser)
    add_model(parser)
    add_solver(parser, (*METHODS, *(name for name in FUSIONS if joint and name not in VIEWS)))
    parser.add_argument("--blend", choices=BLENDS, help="how to paste the result (what suits the model)")
    add_report(parser)


def add_output(parser: argparse.ArgumentParser) -> None:
    """Where results go, whole or not at all."""
    files = parser.add_argument_group("files")
    files.add_argument(
        "-o", "--output", type=Path, action="append", required=True, help="the result; given several times, variants"
    )
    files.add_argument("--count", type=int, help="make N variants, numbered after the name of -o")
    files.add_argument("--overwrite", action="store_true", help="allow an existing output to be replaced")
    files.add_argument("--save-steps", type=Path, metavar="DIR", help="write a preview of every step into a folder")


def add_model(parser: argparse.ArgumentParser, *, default: str = "exemplar", prompt: bool = True) -> None:
    """Which model, and what it is told; `prompt` is for verbs that have but one."""
    model = parser.add_argument_group("model")
    model.add_argument("--model", default=default, help=f"{default}, emoji, a folder or a hub id ({default})")
    if prompt:
        model.add_argument("--prompt", default="", help="what to make, for models that read text")
    model.add_argument("--negative-prompt", default="", help="what not to make")
    model.add_argument("--guidance", type=float, help="the scale of classifier-free guidance (the model's usual)")
    model.add_argument("--device", default="cpu", help="cpu, cuda, mps, … (cpu)")
    model.add_argument("--dtype", help="float32, float16 or bfloat16 (what suits the device)")
    model.add_argument("--variant", help="the variant of weights in the folder, such as fp16")
    model.add_argument("--offload", action="store_true", help="keep parts of the model in main memory until used")
    model.add_argument("--vae-tiling", action="store_true", help="decode large pictures in tiles")
    model.add_argument("--attention", help="slicing, or an attention backend of diffusers")


def add_solver(parser: argparse.ArgumentParser, methods: Sequence[str], *, coupled: bool = False) -> None:
    """How it is sampled; `coupled` where trajectories follow one another, for which models have a method of its own."""
    parser.set_defaults(coupled=coupled, methods=tuple(methods))
    solver = parser.add_argument_group("solver")
    solver.add_argument("--method", choices=methods, help="how to make it (what suits the model)")
    solver.add_argument("--reference", choices=REFERENCES, help="where the noisy given part comes from")
    solver.add_argument("--steps", type=int, help="steps from noise to clean (what suits the model)")
    solver.add_argument("--w1", type=float, help="weight of ALM's conditional term and pull (1; 64 on a flow)")
    solver.add_argument("--w2", type=float, help="weight of ALM's joint term (0.005)")
    solver.add_argument("--strength", type=float, help="SyncSDE's 1/λ (5)")
    solver.add_argument("--eta", type=float, help="0 is DDIM, 1 DDPM's ancestral sampling (what suits the method)")
    solver.add_argument("--particles", type=int, help="how many smcdiff has a sample (64)")
    solver.add_argument("--seed", type=int, default=0, help="variant n is what seed + n alone gives (0)")
    solver.add_argument("--together", type=int, default=1, help="windows a network call; more is faster, larger (1)")


def add_report(parser: argparse.ArgumentParser) -> None:
    """What is said of the work."""
    report = parser.add_argument_group("report")
    report.add_argument("--progress", choices=PROGRESS, default="auto", help="a bar on a terminal, JSON lines, or none")
    report.add_argument("--json", action="store_true", help="print one JSON object last on standard output")


def work(
    flags: argparse.Namespace, verb: Callable[[Settings], Result], inputs: Sequence[Path], *, has_alpha: bool = False
) -> None:
    """Checks what can be checked, loads the model, runs the verb with what the flags say, writes and tells."""
    paths = outputs(flags, has_alpha, inputs)
    with settled(flags, len(paths)) as settings:
        result = verb(settings)
    save_images(result.images, paths)
    tell(flags, result, paths)


@contextmanager
def settled(flags: argparse.Namespace, count: int) -> Iterator[Settings]:
    """What the flags say of `count` variants, with the model loaded; while it is open, progress is shown."""
    reference = reference_named(flags.reference) if flags.reference else None
    with bar(flags.progress) as report:
        watchers: list[Preview] = [report]
        if flags.save_steps:
            watchers.append(previews(flags.save_steps, flags.overwrite))
        prior = load(flags)
        settings = Settings(
            prior=prior,
            method=_method(flags, prior),
            reference=reference,
            negative_prompt=flags.negative_prompt,
            steps=flags.steps,
            count=count,
            seed=flags.seed,
            together=flags.together,
            on_step=together(watchers),
        )
        if "prompt" in flags:
            settings["prompt"] = flags.prompt
        if "blend" in flags:
            settings["blend"] = BLENDS[flags.blend]() if flags.blend else None
        yield settings


def load(flags: argparse.Namespace) -> ImagePrior:
    """The model that the flags name."""
    return load_prior(
        flags.model,
        device=flags.device,
        dtype=flags.dtype,
        variant=flags.variant,
        guidance=flags.guidance,
        offload=flags.offload,
        vae_tiling=flags.vae_tiling,
        attention=flags.attention,
    )


def example_inputs(model: str, prompts: Iterable[str]) -> list[Path]:
    """The pictures that the prompts name, where the model takes names: no output may replace them."""
    if model != "examples":
        return []
    # A name that is no file is refused later, with a reason; it may be any text, longer than a file's name can be.
    return [Path(name) for prompt in prompts for name in pictures_of(prompt) if os.path.isfile(name)]


def outputs(flags: argparse.Namespace, has_alpha: bool, inputs: Sequence[Path]) -> list[Path]:
    """Where the variants go, checked. Raises ValueError."""
    paths: list[Path] = flags.output
    if flags.count is not None:
        if flags.count < 1:
            raise ValueError(f"--count must be 1 or more, got {flags.count}")
        if len(paths) not in (1, flags.count):
            raise ValueError(f"--count {flags.count} does not fit {len(paths)} outputs: give one -o, or as many")
        if flags.count > 1 and len(paths) == 1:
            paths = [paths[0].with_stem(f"{paths[0].stem}-{n + 1}") for n in range(flags.count)]
    if len(set(paths)) < len(paths):
        raise ValueError("two outputs have the same name: give each its own")
    for path in (*paths, *(steps_in(flags.save_steps) if flags.save_steps else ())):
        if path.exists() and any(path.samefile(source) for source in inputs if source.exists()):
            raise ValueError(f"the output {path} is an input: give it another name, or another folder")
    return [check_output(path, has_alpha=has_alpha, overwrite=flags.overwrite) for path in paths]


def tell(flags: argparse.Namespace, result: Result, paths: Sequence[Path], **more: object) -> None:
    """The report on standard output, or one line for a person; `more` is what a verb adds to the former."""
    if not flags.json:
        print(f"{', '.join(map(str, paths))}: {result.seconds:.1f} s", file=sys.stderr)
        return
    names = [str(path) for path in paths]
    report = {
        "output": names[0] if len(names) == 1 else names,
        "evaluations": result.evaluations,
        "calls": result.calls,
        "seconds": round(result.seconds, 3),
        "codec_seconds": round(result.codec_seconds, 3),
        "seed": result.seed,
        # Of what is in the files: JPEG changes kept pixels too.
        "kept_error": max(kept_error(result.source, path, result.kept) for path in paths),
        "band": result.band,
        "model": flags.model,
        "method": result.method,
    }
    print(json.dumps(report | more))


def _method(flags: argparse.Namespace, prior: ImagePrior) -> Way | None:
    """The method asked for; weights alone adjust the model's usual one."""
    asked = {name: value for name in WEIGHTS if (value := getattr(flags, name)) is not None}
    if flags.method in FUSIONS:
        return fusion_named(flags.method, **asked)
    if flags.method:
        return method_named(flags.method, **asked)
    if not asked:
        return None
    usual = prior.defaults.coupled if flags.coupled else prior.defaults.method
    unknown = sorted(asked.keys() - {field.name for field in fields(usual)})  # type: ignore[arg-type]
    if unknown:
        raise ValueError(
            f"{flags.model} uses {type(usual).__name__} by default, which has no "
            f"{', '.join('--' + name for name in unknown)}: {_instead(flags.methods, asked)}"
        )
    return replace(usual, **asked)  # type: ignore[type-var]


def _instead(methods: Sequence[str], asked: Iterable[str]) -> str:
    """What to do where the usual method lacks an option: which of these methods has all that was asked for."""
    kinds = {**METHODS, **FUSIONS}
    for name in methods:
        if set(asked) <= {field.name for field in fields(kinds[name])}:  # type: ignore[arg-type]
            return f"name a method that does, such as --method {name}"
    return "no method here has that, so leave it out"
