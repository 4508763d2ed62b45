"""`alm-image anagram`."""

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from alm_core.choices import FUSIONS

from alm_image.anagram import AnagramResult, anagram, paired
from alm_image.animate import check_animation, encode_animation
from alm_image.io import WriteError, check_output, pending, save_images
from alm_image.priors import ImagePrior
from alm_image.priors.deepfloyd_two import NOISE_LEVEL, Upscaler, check_upscaler, load_upscaler, text_of
from alm_image.verbs import common
from alm_image.views import VIEWS

__all__ = ["add", "run"]

METHODS = ("syncsde", "alm", "independent", *FUSIONS)
"""Those that have a meaning where nothing is given."""


def add(parser: argparse.ArgumentParser) -> None:
    """Its flags."""
    parser.add_argument(
        "--prompt", action="append", dest="prompts", default=[], help="what a view shows: once a view, in their order"
    )
    parser.add_argument(
        "--view",
        action="append",
        dest="views",
        default=[],
        help=f"{', '.join(VIEWS)}: once a prompt; one fewer where the first is the picture as it is",
    )
    parser.add_argument("--size", type=int, help="the side in pixels (the model's)")
    common.add_output(parser)
    parser.add_argument("--save-views", type=Path, metavar="DIR", help="write what each view shows into a folder")
    parser.add_argument("--animate", type=Path, metavar="FILE", help="write the way from view to view: .gif or .webp")
    common.add_model(parser, default="examples", prompt=False)
    second = parser.add_argument_group("second stage")
    second.add_argument("--upscaler", metavar="MODEL", help="a DeepFloyd IF stage II: a folder or a hub id")
    second.add_argument("--sync-upscaler", action="store_true", help="enlarge in all views, not in the last alone")
    second.add_argument(
        "--noise-level",
        type=int,
        default=NOISE_LEVEL,
        help=f"how freely it redraws, 0 to 999 ({NOISE_LEVEL})",
    )
    common.add_solver(parser, METHODS)
    parser.set_defaults(method="syncsde")
    common.add_report(parser)


def run(flags: argparse.Namespace) -> None:
    """Makes the picture and writes what was asked for, all or nothing."""
    _, views = paired(flags.prompts, flags.views)
    if flags.reference:
        raise ValueError("nothing is given, so there is no noisy given part: leave --reference out")
    if not flags.upscaler and (flags.sync_upscaler or flags.noise_level != NOISE_LEVEL):
        raise ValueError("--sync-upscaler and --noise-level are of an upscaler: give --upscaler, or leave them out")
    files = _Files.of(flags, len(views))
    if flags.upscaler:
        check_upscaler(flags.upscaler, flags.variant)  # before a first stage of many GB is loaded
    with common.settled(flags, len(files.stills)) as settings:
        result = anagram(
            flags.prompts,
            views,
            size=flags.size,
            upscaler=_upscaler(flags, settings["prior"]),
            sync_upscaler=flags.sync_upscaler,
            noise_level=flags.noise_level,
            **settings,
        )
    files.write(result)
    _tell(flags, result, files)


@dataclass(frozen=True)
class _Files:
    """Where all goes, one entry a variant: the picture, its views, its animation; the latter two may be empty."""

    stills: list[Path]
    views: list[list[Path]]
    animations: list[Path]

    @staticmethod
    def of(flags: argparse.Namespace, views: int) -> "_Files":
        """The files that the flags name, checked. Raises ValueError or OSError."""
        inputs = common.example_inputs(flags.model, flags.prompts)
        stills = common.outputs(flags, False, inputs)
        files = _Files(stills, [], [])
        if flags.animate:
            one = len(stills) == 1
            numbered = [flags.animate if one else _numbered(flags.animate, n) for n in range(len(stills))]
            files.animations.extend(check_animation(path, overwrite=flags.overwrite) for path in numbered)
        if folder := flags.save_views:
            if folder.exists() and not folder.is_dir():
                raise ValueError(f"the folder for the views, {folder}, is a file: give another name")
            if not folder.exists() and not folder.parent.is_dir():
                raise FileNotFoundError(f"the folder {folder.parent} of {folder} does not exist: make it first")
            for path in stills:
                own = [folder / f"{path.stem}-view-{n + 1}.png" for n in range(views)]
                files.views.append(own)
                for view in own if folder.exists() else ():
                    check_output(view, overwrite=flags.overwrite)
        if len(set(files)) < len(list(files)):
            raise ValueError("two outputs have the same name: give each its own")
        for path in files:
            if path.exists() and any(path.samefile(source) for source in inputs):
                raise ValueError(f"the output {path} is an input: give it another name")
        return files

    def __iter__(self) -> Iterator[Path]:
        """Every file."""
        yield from (*self.stills, *(path for own in self.views for path in own), *self.animations)

    def write(self, result: AnagramResult) -> None:
        """Writes all files whole or none. Raises WriteError."""
        with ExitStack() as stack:
            for n, path in enumerate(self.animations):
                stack.enter_context(pending(path, encode_animation(result.animation(n), path.suffix)))
            images, paths = list(result.images), list(self.stills)
            for n, own in enumerate(self.views):
                _make(own[0].parent)
                images += result.shown(n)
                paths += own
            save_images(images, paths)


def _make(folder: Path) -> None:
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise WriteError(f"the folder {folder} cannot be made ({error.strerror or error})") from error


def _numbered(path: Path, n: int) -> Path:
    return path.with_stem(f"{path.stem}-{n + 1}")


def _upscaler(flags: argparse.Namespace, prior: ImagePrior | None) -> Upscaler | None:
    """The second stage that the flags name, which shares the text encoder of a first one."""
    if not flags.upscaler:
        return None
    return load_upscaler(
        flags.upscaler,
        text=text_of(prior),
        device=flags.device,
        dtype=flags.dtype,
        variant=flags.variant,
        guidance=flags.guidance,
        offload=flags.offload,
        attention=flags.attention,
    )


def _tell(flags: argparse.Namespace, result: AnagramResult, files: _Files) -> None:
    """The report on standard output, or one line for a person."""
    if not flags.json:
        print(f"{', '.join(map(str, files))}: {result.seconds:.1f} s", file=sys.stderr)
        return
    report = {
        "output": _one_or_all([str(path) for path in files.stills]),
        "views": _one_or_all([[str(path) for path in own] for own in files.views]),
        "animation": _one_or_all([str(path) for path in files.animations]),
        "evaluations": result.evaluations,
        "calls": result.calls,
        "seconds": round(result.seconds, 3),
        "codec_seconds": round(result.codec_seconds, 3),
        "seed": result.seed,
        "model": flags.model,
        "upscaler": flags.upscaler,
        "method": result.method,
    }
    print(json.dumps(report))


def _one_or_all(names: Sequence[object]) -> object:
    """What one variant has by itself, None where nothing was asked for."""
    return None if not names else names[0] if len(names) == 1 else list(names)
