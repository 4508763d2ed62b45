"""Flags and steps that several verbs share."""

import argparse
import json
import re
import sys
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path

from alm_core.choices import FUSIONS, METHODS, REFERENCES, fusion_named, method_named, reference_named
from alm_core.fusions import Fusion

from alm_video.film import Film
from alm_video.freenoise import FreeNoise
from alm_video.io import check_output, read_film, writing, written_sides
from alm_video.options import Settings, Way
from alm_video.priors import VideoPrior, load_prior
from alm_video.progress import PROGRESS, progress
from alm_video.result import Result

__all__ = ["add_clip", "add_output", "add_report", "add_work", "opened", "work"]

JOINT: dict[str, type[Fusion] | type[FreeNoise]] = {
    **{name: fusion for name, fusion in FUSIONS.items() if name != "visual-anagrams"},
    "freenoise": FreeNoise,
}
"""Ways that make all windows at once. Visual anagrams are for views of one picture, not for stretches of a film."""
WEIGHTS = ("w1", "w2", "strength", "eta", "particles")
"""Options of methods that have flags."""


def add_clip(parser: argparse.ArgumentParser, *names: str) -> None:
    """The clips, and how they are read."""
    for name in names:
        parser.add_argument(name, type=Path, help="a video file, a folder of pictures, or frames/%%04d.png")
    parser.add_argument("--fps", type=float, help="frames a second: of pictures, or to read a video at (its own)")
    parser.add_argument(
        "--height", type=int, help="of the result, in pixels (the model's; at most the clip's for exemplar)"
    )


def add_work(parser: argparse.ArgumentParser) -> None:
    """All that the verbs which make video share."""
    add_output(parser)
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
        help="the result: .mp4, .webm, .gif, or frames/%%04d.png; again with another ending for another format of it",
    )
    files.add_argument("--count", type=int, default=1, help="make N variants, numbered after the name of -o (1)")
    files.add_argument("--overwrite", action="store_true", help="allow existing outputs to be replaced")
    files.add_argument("--crf", type=float, default=18, help="quality of MP4 and WebM, 0 (best) to 51 (18)")
    files.add_argument("--sound", choices=("keep", "drop"), default="keep", help="the clip's audio (keep)")


def add_model(parser: argparse.ArgumentParser) -> None:
    """Which model, and what it is told."""
    model = parser.add_argument_group("model")
    model.add_argument("--model", default="exemplar", help="exemplar, lavie_base.pt, a folder or a hub id (exemplar)")
    model.add_argument("--base", type=Path, help="the folder of Stable Diffusion 1.4, for LaVie (what is beside it)")
    model.add_argument("--motion-adapter", type=Path, help="makes a folder of Stable Diffusion 1.5 one of AnimateDiff")
    model.add_argument(
        "--prompt", action="append", default=[], help='what to show; "40:TEXT" from made frame 40 on, several times'
    )
    model.add_argument("--negative-prompt", default="", help="what not to show")
    model.add_argument("--guidance", type=float, help="the scale of classifier-free guidance (the model's usual)")
    model.add_argument("--device", default="cpu", help="cpu, cuda, mps, … (cpu)")
    model.add_argument("--dtype", help="float32, float16 or bfloat16 (what suits the device)")
    model.add_argument("--variant", help="the variant of weights in the folder, such as fp16")
    model.add_argument("--offload", action="store_true", help="keep parts of the model in main memory until used")
    model.add_argument("--vae-tiling", action="store_true", help="encode and decode large frames in tiles")
    model.add_argument("--attention", help="slicing, or an attention backend of diffusers")


def add_solver(parser: argparse.ArgumentParser) -> None:
    """How it is sampled."""
    solver = parser.add_argument_group("solver")
    solver.add_argument("--method", choices=(*METHODS, *JOINT), help="how to make it (what suits the model)")
    solver.add_argument("--reference", choices=REFERENCES, help="where the noisy given part comes from")
    solver.add_argument("--steps", type=int, help="steps from noise to clean (what suits the model)")
    solver.add_argument("--window", type=int, help="frames of the model's state in a window (the model's usual, 16)")
    solver.add_argument("--stride", type=int, help="frames from window to window (half a window)")
    solver.add_argument("--together", type=int, default=1, help="windows in lockstep: faster, more memory (1)")
    solver.add_argument("--later-on-top", action="store_true", help="in overlaps the later window wins, as in SyncSDE")
    solver.add_argument("--w1", type=float, help="weight of ALM's conditional term and pull (1; 64 on a flow)")
    solver.add_argument("--w2", type=float, help="weight of ALM's joint term (0.005)")
    solver.add_argument("--strength", type=float, help="SyncSDE's 1/λ (5)")
    solver.add_argument("--eta", type=float, help="0 is DDIM, 1 DDPM's ancestral sampling (what suits the method)")
    solver.add_argument("--particles", type=int, help="how many smcdiff has a sample (64)")
    solver.add_argument("--seed", type=int, default=0, help="variant n is what seed + n alone gives (0)")


def add_report(parser: argparse.ArgumentParser) -> None:
    """What is said of the work."""
    report = parser.add_argument_group("report")
    report.add_argument("--progress", choices=PROGRESS, default="auto", help="a bar on a terminal, JSON lines, or none")
    report.add_argument("--json", action="store_true", help="print one JSON object last on standard output")


def opened(flags: argparse.Namespace, path: Path) -> Film:
    """The clip as the flags say."""
    return read_film(path, fps=flags.fps)


def work(flags: argparse.Namespace, verb: Callable[[Settings], Result], *sources: Path) -> None:
    """Loads the model, runs the verb with the options that the flags say, writes variant by variant, and tells."""
    variants = _outputs(flags, sources)
    _check(flags)
    prompt, prompts = _prompts(flags.prompt)
    reference = reference_named(flags.reference) if flags.reference else None
    prior = load_prior(
        flags.model,
        base=flags.base,
        motion_adapter=flags.motion_adapter,
        device=flags.device,
        dtype=flags.dtype,
        variant=flags.variant,
        guidance=flags.guidance,
        offload=flags.offload,
        vae_tiling=flags.vae_tiling,
        attention=flags.attention,
    )
    for number, paths in enumerate(variants):
        with progress(flags.progress) as report:
            result = verb(
                Settings(
                    prior=prior,
                    method=_method(flags, prior),
                    reference=reference,
                    prompt=prompt,
                    prompts=prompts,
                    negative_prompt=flags.negative_prompt,
                    window=flags.window,
                    stride=flags.stride,
                    together=flags.together,
                    later_on_top=flags.later_on_top,
                    steps=flags.steps,
                    seed=flags.seed + number,
                    on_step=report,
                )
            )
            _write(flags, result, paths)
        _tell(flags, result, paths)


def _check(flags: argparse.Namespace) -> None:
    """Refuses what needs no model to be told wrong: loading one may take minutes. Raises ValueError."""
    if not 0 <= flags.crf <= 51:
        raise ValueError(f"--crf must lie in [0, 51], got {flags.crf:g}")
    if flags.frames < 1:
        raise ValueError(f"at least one frame is to be made, got --frames {flags.frames}")
    for name, least in (("steps", 1), ("together", 1), ("window", 2), ("stride", 1)):
        value = getattr(flags, name)
        if value is not None and value < least:
            raise ValueError(f"--{name} must be {least} or more, got {value}")
    if flags.window is not None and flags.stride is not None and flags.stride >= flags.window:
        raise ValueError(
            f"windows of {flags.window} frames every {flags.stride} would leave gaps or see nothing of one another: "
            f"give a stride below {flags.window}"
        )
    asked = [f"--{name}" for name in WEIGHTS if getattr(flags, name) is not None]
    if flags.method in JOINT and asked:
        raise ValueError(f"the method {flags.method!r} has no {', '.join(asked)}: leave it out")


def _write(flags: argparse.Namespace, result: Result, paths: list[Path]) -> None:
    """Frame by frame, as they are made."""
    films = [path for path in paths if path.suffix.lower() in (".mp4", ".webm")]
    sound = result.sound if flags.sound == "keep" and films else None
    sizes = {"height": result.height, "width": result.width}
    for path in paths:
        if written_sides(path, **sizes) != (result.height, result.width):
            print(
                f"alm-video: {path.name} repeats its last row or column, as its format wants even sides",
                file=sys.stderr,
            )
    with writing(paths, **sizes, fps=result.fps, crf=flags.crf, sound=sound, sound_from=result.sound_from) as out:
        for frame in result:
            out.add(frame)


def _method(flags: argparse.Namespace, prior: VideoPrior) -> Way | None:
    """The method asked for; options alone adjust the model's usual one."""
    asked = {name: value for name in WEIGHTS if (value := getattr(flags, name)) is not None}
    if flags.method in JOINT:
        if flags.method == "freenoise":
            usual_way = FreeNoise()
            return FreeNoise(flags.window or usual_way.window, flags.stride or usual_way.stride)
        return fusion_named(flags.method)
    usual = prior.defaults.method
    if flags.method and type(usual) is not METHODS[flags.method]:
        return method_named(flags.method, **asked)
    unknown = sorted(asked.keys() - {field.name for field in fields(usual)})  # type: ignore[arg-type]
    if unknown:
        advice = f"{flags.model} uses {type(usual).__name__}, add --method alm" if not flags.method else "leave it out"
        raise ValueError(f"the method has no {', '.join('--' + name for name in unknown)}: {advice}")
    return replace(usual, **asked)  # type: ignore[type-var]


def _prompts(texts: list[str]) -> tuple[str, dict[int, str] | None]:
    """One prompt for all, or prompts by the frame from which they hold. Raises ValueError."""
    found: dict[int, str] = {}
    for text in texts:
        numbered = re.fullmatch(r"(\d+):(?!\d)(.*)", text, re.DOTALL)  # "16:9 film" is no frame
        frame, words = (int(numbered[1]), numbered[2].strip()) if numbered else (0, text)
        if frame in found:
            raise ValueError(f'two prompts hold from frame {frame} on: number them, as in --prompt "40:TEXT"')
        found[frame] = words
    if set(found) <= {0}:
        return found.get(0, ""), None
    return "", found


def _outputs(flags: argparse.Namespace, sources: tuple[Path, ...]) -> list[list[Path]]:
    """Where the formats of each variant go, checked. Raises ValueError."""
    if flags.count < 1:
        raise ValueError(f"--count must be 1 or more, got {flags.count}")
    variants = [flags.output]
    if flags.count > 1:
        variants = [[_numbered(path, n + 1) for path in flags.output] for n in range(flags.count)]
    paths = [path for formats in variants for path in formats]
    if len(set(paths)) < len(paths):
        raise ValueError("two outputs have the same name: give each its own")
    for path in paths:
        for source in sources or (None,):
            check_output(path, source=source, overwrite=flags.overwrite)
    return variants


def _numbered(path: Path, number: int) -> Path:
    """The path of a variant: numbered folders for pictures, numbered names for films."""
    if path.suffix.lower() == ".png":
        if not path.parent.name:
            raise ValueError(f"variants of {path.name} want a folder each: name one, as in frames/{path.name}")
        return path.parent.with_name(f"{path.parent.name}-{number}") / path.name
    return path.with_stem(f"{path.stem}-{number}")


def _tell(flags: argparse.Namespace, result: Result, paths: list[Path]) -> None:
    if not flags.json:
        what = f"{result.count} frames of {result.width} x {result.height} at {float(result.fps):.6g} a second"
        print(f"{', '.join(map(str, paths))}: {what}, made in {result.seconds:.1f} s", file=sys.stderr)
        return
    names = [str(path) for path in paths]
    report = {
        "output": names[0] if len(names) == 1 else names,
        "frames": result.count,
        "made": [result.made.start, result.made.stop],
        "fps": round(float(result.fps), 6),
        "size": [result.width, result.height],
        "evaluations": result.evaluations,
        "calls": result.calls,
        "seconds": round(result.seconds, 3),
        "seed": result.seed,
        "model": str(flags.model),
        "method": result.method,
    }
    print(json.dumps(report))
