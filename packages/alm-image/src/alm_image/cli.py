"""The command line: flags become one call of a verb."""

import argparse
import json
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import NoReturn

import torch
from alm_core import ALM, Method
from alm_core.choices import METHODS, REFERENCES, method_named, reference_named

from alm_image import __version__
from alm_image.blend import Blend, Gaussian, Hard, Membrane, Poisson
from alm_image.complete import Result
from alm_image.inpaint import inpaint
from alm_image.io import WriteError, check_output, read_mask, read_picture, save_images
from alm_image.metrics import kept_error
from alm_image.outpaint import outpaint
from alm_image.priors import FAMILIES, ImagePrior, load_prior
from alm_image.progress import PROGRESS, Preview, bar, previews, together
from alm_image.wide import wide

__all__ = ["main"]

NO_MEMORY = ("not enough memory", "can't allocate memory", "out of memory")
"""How allocators say it: torch's on Windows, on Linux, and those of other accelerators."""
BLENDS: dict[str, type[Blend]] = {"none": Hard, "gaussian": Gaussian, "poisson": Poisson, "membrane": Membrane}


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a verb and returns the exit status: 0 done, 2 wrong input, 1 failed, 130 interrupted."""
    flags = _parser().parse_args(arguments)
    before = signal.signal(signal.SIGTERM, _interrupt)
    try:
        flags.run(flags)
    except (ValueError, OSError, ImportError) as error:
        print(f"alm-image: {error}", file=sys.stderr)
        return 2
    except (ArithmeticError, MemoryError, WriteError) as error:
        print(f"alm-image: {error}; no result was written", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("alm-image: interrupted; no result was written", file=sys.stderr)
        return 130
    finally:
        signal.signal(signal.SIGTERM, before)
    return 0


class _Parser(argparse.ArgumentParser):
    """Refuses in one line, as all else does."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"alm-image: {message}; see {self.prog} --help\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="alm-image", description="Complete pictures with any diffusion or flow model, or with none.")
    parser.add_argument("--version", action="version", version=f"alm-image {__version__}")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    common = _common()

    verb = verbs.add_parser("inpaint", parents=[common], help="fill a hole in a picture")
    verb.add_argument("image", type=Path, help="the picture: PNG, JPEG or WebP")
    verb.add_argument("--mask", type=Path, required=True, help="a picture of the same size: white is to be generated")
    verb.add_argument("--tile", action="store_true", help="work on a large hole at full resolution, in windows")
    verb.set_defaults(run=_inpaint)

    verb = verbs.add_parser("outpaint", parents=[common], help="continue a picture beyond its borders")
    verb.add_argument("image", type=Path, help="the picture: PNG, JPEG or WebP")
    for side in ("left", "right", "top", "bottom"):
        verb.add_argument(f"--{side}", type=int, default=0, metavar="PIXELS", help=f"pixels to add: {side}")
    verb.set_defaults(run=_outpaint)

    verb = verbs.add_parser("wide", parents=[common], help="make a wide picture, from a prompt or around a picture")
    verb.add_argument("image", type=Path, nargs="?", help="stands in the middle; left out, all comes from the prompt")
    verb.add_argument("--width", type=int, default=2048, help="pixels (2048)")
    verb.add_argument("--height", type=int, help="pixels (the model's size)")
    verb.add_argument("--stride", type=int, help="pixels from window to window (three quarters of the model's size)")
    verb.add_argument("--first", type=int, help="the column to go outward from (the middle of a picture, else 0)")
    verb.add_argument("--loop", action="store_true", help="join the right edge to the left: a panorama")
    verb.add_argument("--later-on-top", action="store_true", help="in overlaps the later window wins, as in SyncSDE")
    verb.set_defaults(run=_wide)

    verb = verbs.add_parser("models", help="list the models that --model takes")
    verb.add_argument("--json", action="store_true", help="print JSON")
    verb.set_defaults(run=_models)
    return parser


def _common() -> _Parser:
    common = _Parser(add_help=False)
    files = common.add_argument_group("files")
    files.add_argument(
        "-o", "--output", type=Path, action="append", required=True, help="the result; given several times, variants"
    )
    files.add_argument("--count", type=int, help="make N variants, numbered after the name of -o")
    files.add_argument("--overwrite", action="store_true", help="allow an existing output to be replaced")
    files.add_argument("--save-steps", type=Path, metavar="DIR", help="write a preview of every step into a folder")
    model = common.add_argument_group("model")
    model.add_argument("--model", default="exemplar", help="exemplar, emoji, a folder or a hub id (exemplar)")
    model.add_argument("--prompt", default="", help="what to make, for models that read text")
    model.add_argument("--negative-prompt", default="", help="what not to make")
    model.add_argument("--guidance", type=float, help="the scale of classifier-free guidance (the model's usual)")
    model.add_argument("--device", default="cpu", help="cpu, cuda, mps, … (cpu)")
    model.add_argument("--dtype", help="float32, float16 or bfloat16 (what suits the device)")
    model.add_argument("--variant", help="the variant of weights in the folder, such as fp16")
    model.add_argument("--offload", action="store_true", help="keep parts of the model in main memory until used")
    model.add_argument("--vae-tiling", action="store_true", help="decode large pictures in tiles")
    model.add_argument("--attention", help="slicing, or an attention backend of diffusers")
    solver = common.add_argument_group("solver")
    solver.add_argument("--method", choices=METHODS, help="how to complete (what suits the model)")
    solver.add_argument("--reference", choices=REFERENCES, help="where the noisy given part comes from")
    solver.add_argument("--steps", type=int, help="steps from noise to clean (what suits the model)")
    solver.add_argument("--w1", type=float, help="weight of ALM's conditional term and pull (1; 64 on a flow)")
    solver.add_argument("--w2", type=float, help="weight of ALM's joint term (0.005)")
    solver.add_argument("--seed", type=int, default=0, help="variant n is what seed + n alone gives (0)")
    solver.add_argument("--together", type=int, default=1, help="windows a network call; more is faster, larger (1)")
    solver.add_argument("--blend", choices=BLENDS, help="how to paste the result (what suits the model)")
    report = common.add_argument_group("report")
    report.add_argument("--progress", choices=PROGRESS, default="auto", help="a bar on a terminal, JSON lines, or none")
    report.add_argument("--json", action="store_true", help="print one JSON object last on standard output")
    return common


def _inpaint(flags: argparse.Namespace) -> None:
    picture = read_picture(flags.image)
    read_mask(flags.mask, picture)
    _work(flags, inpaint, (flags.image, flags.mask), {"tile": flags.tile}, picture.alpha is not None)


def _outpaint(flags: argparse.Namespace) -> None:
    picture = read_picture(flags.image)
    sides = {side: getattr(flags, side) for side in ("left", "right", "top", "bottom")}
    _work(flags, outpaint, (flags.image,), sides, picture.alpha is not None)


def _wide(flags: argparse.Namespace) -> None:
    names = ("width", "height", "stride", "first", "loop", "later_on_top")
    has_alpha = flags.image is not None and read_picture(flags.image).alpha is not None
    _work(flags, wide, (flags.image,), {name: getattr(flags, name) for name in names}, has_alpha)


def _work(
    flags: argparse.Namespace,
    verb: Callable[..., Result],
    subject: tuple[Path | None, ...],
    options: dict[str, object],
    has_alpha: bool,
) -> None:
    """Checks what can be checked, loads the model, runs the verb, writes."""
    outputs = _outputs(flags, has_alpha, [path for path in subject if path])
    reference = reference_named(flags.reference) if flags.reference else None
    with bar(flags.progress) as report:
        watchers: list[Preview] = [report]
        if flags.save_steps:
            watchers.append(previews(flags.save_steps, flags.overwrite))
        try:
            prior = load_prior(
                flags.model,
                device=flags.device,
                dtype=flags.dtype,
                variant=flags.variant,
                guidance=flags.guidance,
                offload=flags.offload,
                vae_tiling=flags.vae_tiling,
                attention=flags.attention,
            )
            result = verb(
                *subject,
                prior=prior,
                method=_method(flags, prior),
                reference=reference,
                prompt=flags.prompt,
                negative_prompt=flags.negative_prompt,
                steps=flags.steps,
                count=len(outputs),
                seed=flags.seed,
                blend=BLENDS[flags.blend]() if flags.blend else None,
                together=flags.together,
                on_step=together(watchers),
                **options,
            )
        except (torch.OutOfMemoryError, RuntimeError) as error:
            if isinstance(error, torch.OutOfMemoryError) or any(words in str(error).lower() for words in NO_MEMORY):
                raise MemoryError(
                    "out of memory: try --dtype bfloat16, --offload, --vae-tiling, --attention slicing, "
                    "a smaller --count or --together 1"
                ) from None
            raise
    save_images(result.images, outputs)
    _tell(flags, result, outputs)


def _method(flags: argparse.Namespace, prior: ImagePrior) -> Method | None:
    """The method asked for; weights alone adjust the model's usual one."""
    weights = {name: getattr(flags, name) for name in ("w1", "w2") if getattr(flags, name) is not None}
    if flags.method:
        return method_named(flags.method, **weights)
    if not weights:
        return None
    usual = prior.defaults.method
    if not isinstance(usual, ALM):
        raise ValueError(f"--w1 and --w2 are ALM's, and {flags.model} does not use it by default: add --method alm")
    return replace(usual, **weights)


def _outputs(flags: argparse.Namespace, has_alpha: bool, inputs: list[Path]) -> list[Path]:
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
    for path in paths:
        if path.exists() and any(path.samefile(source) for source in inputs if source.exists()):
            raise ValueError(f"the output {path} is an input: give it another name")
    return [check_output(path, has_alpha=has_alpha, overwrite=flags.overwrite) for path in paths]


def _tell(flags: argparse.Namespace, result: Result, outputs: list[Path]) -> None:
    if flags.json:
        names = [str(path) for path in outputs]
        report = {
            "output": names[0] if len(names) == 1 else names,
            "evaluations": result.evaluations,
            "calls": result.calls,
            "seconds": round(result.seconds, 3),
            "codec_seconds": round(result.codec_seconds, 3),
            "seed": result.seed,
            # Of what is in the files: JPEG changes kept pixels too.
            "kept_error": max(kept_error(result.source, path, result.kept) for path in outputs),
            "band": result.band,
            "model": flags.model,
            "method": result.method,
        }
        print(json.dumps(report))
    else:
        print(f"{', '.join(map(str, outputs))}: {result.seconds:.1f} s", file=sys.stderr)


def _models(flags: argparse.Namespace) -> None:
    shipped = {
        "exemplar": "the picture's own patches: no weights, no download (the default)",
        "emoji": "a small pixel U-Net of emoji that comes with the package: to try and to test",
    }
    if flags.json:
        print(json.dumps({"shipped": shipped, "families": FAMILIES}))
        return
    for name, what in shipped.items():
        print(f"{name:<10} {what}")
    print("and a folder in its own format, or a hub id, of:")
    for what in FAMILIES.values():
        print(f"  {what}")


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt
