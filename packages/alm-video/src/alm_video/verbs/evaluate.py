"""`alm-video evaluate`: what can be measured of one film, or of folders of them by the paper's protocol."""

import argparse
import json
import math
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from alm_video.drift import drift
from alm_video.extractors import I3D, ClipSimilarity
from alm_video.film import Film, Frame
from alm_video.fit import fit
from alm_video.io import read_film
from alm_video.metrics import WarpError, flicker, kept_error, seam_contrast, seams_of, warp_error
from alm_video.progress import PROGRESS, progress
from alm_video.protocol import evaluate, films_of, read_prompts

__all__ = ["add", "run"]

WINDOW, STRIDE = 16, 8


def add(parser: argparse.ArgumentParser) -> None:
    """Its flags."""
    one = parser.add_argument_group("a film")
    one.add_argument("film", metavar="CLIP", type=Path, nargs="?", help="the film that was made")
    one.add_argument(
        "--reference", metavar="CLIP", type=Path, help="what it was made of: drift is from there (its start)"
    )
    one.add_argument("--truth", metavar="CLIP", type=Path, help="the true film, of as many frames, for comparison")
    one.add_argument("--first", type=int, help="its frames before the first seam (those of --reference, or a window)")
    paper = parser.add_argument_group("the protocol of ALM's Table 9")
    paper.add_argument("--videos", metavar="DIR", type=Path, help="the folder of the videos that were made")
    paper.add_argument("--references", metavar="DIR", type=Path, help="the folder of videos to compare them with")
    paper.add_argument("--i3d", metavar="FILE", type=Path, help="i3d_torchscript.pt of StyleGAN-V, for FVD and KVD")
    paper.add_argument("--clip", dest="clip_model", metavar="FOLDER", type=Path, help="a CLIP model, for similarity")
    paper.add_argument("--prompts", metavar="FILE", type=Path, help="one a line, or JSON {name: prompt}")
    paper.add_argument("--resamplings", type=int, default=100, help="of the intervals (100)")
    paper.add_argument("--seed", type=int, default=0, help="of the intervals (0)")
    paper.add_argument("--device", default="cpu", help="cpu, cuda, mps, … (cpu)")
    both = parser.add_argument_group("both")
    both.add_argument("--window", type=int, default=WINDOW, help="frames of a window (16)")
    both.add_argument("--stride", type=int, default=STRIDE, help="frames from one window to the next (8)")
    both.add_argument("--progress", choices=PROGRESS, default="auto", help="a bar on a terminal, JSON lines, or none")
    both.add_argument("--json", action="store_true", help="print one JSON object")


def run(flags: argparse.Namespace) -> None:
    """Prints a table, or with --json one JSON object, in which what cannot be told is null."""
    if (flags.film is None) == (flags.videos is None):
        raise ValueError("give one film, or --videos with --references and --i3d, or with --clip and --prompts")
    report = _plain(_film(flags) if flags.film is not None else _paper(flags))
    if flags.json:
        print(json.dumps(report))
        return
    true = _rows(report.pop("true", {}))
    for name, cells in _rows(report).items():
        print(f"{name:<18}  {cells}")
        if name in true:
            print(f"{'  true':<18}  {true[name]}")


def _film(flags: argparse.Namespace) -> dict[str, Any]:
    """The measures of one film: levels, mean squares, ratios and per cent."""
    film = read_film(flags.film)
    reference = read_film(flags.reference) if flags.reference else None
    truth = read_film(flags.truth) if flags.truth else None
    usual = reference.count if reference else flags.window
    first = usual if flags.first is None else flags.first
    # A film that was made at another height is compared with its clip as it was fitted.
    reference, truth = (each and fit(each, height=film.height, width=film.width) for each in (reference, truth))
    if truth is not None and truth.count != film.count:
        raise ValueError(f"the true film must have as many frames: got {film.count} and {truth.count}")
    kept = min(first, reference.count, film.count) if reference else 0
    seams = seams_of(film.count, first, flags.stride)
    found: dict[str, Any] = {"frames": film.count, "fps": float(film.fps), "seams": len(seams)}
    if reference is not None:
        found["kept_frames"] = kept
        found["kept_error"] = kept_error(reference.read(0, kept), film.read(0, kept))
    with progress(flags.progress) as tell:
        counted = _Counted(tell, (3 + bool(seams)) * film.count * (1 if truth is None else 2))
        found |= _measures(film, reference, seams, flags.window, counted)
        if truth is not None:
            found["true"] = _measures(truth, reference, seams, flags.window, counted)
    return found


def _measures(film: Film, reference: Film | None, seams: list[int], window: int, counted: "_Counted") -> dict[str, Any]:
    """Those that the true film has as well."""
    start = reference.read(0, reference.count) if reference else None
    found: dict[str, Any] = {"drift": asdict(drift(counted(film), start, window=window))}
    found["flicker"] = flicker(counted(film))
    if seams:
        seam = seam_contrast(counted(film), seams)
        found |= {"seam_contrast": seam.step, "seam_jolt": seam.jolt}
    try:
        warp = warp_error(counted(film))
    except ImportError as error:
        print(f"no warp_error: {error}", file=sys.stderr)
        warp = WarpError(math.nan, math.nan)
    return found | {"warp_error": warp.error, "warp_compared": warp.compared}


def _paper(flags: argparse.Namespace) -> dict[str, Any]:
    """ALM's Table 9, of folders."""
    if bool(flags.i3d) != bool(flags.references) or bool(flags.clip_model) != bool(flags.prompts):
        raise ValueError("FVD and KVD want --i3d and --references, CLIP similarity wants --clip and --prompts")
    videos = films_of(flags.videos, read_film)
    references = films_of(flags.references, read_film) if flags.references else {}
    prompts = read_prompts(flags.prompts, list(videos)) if flags.prompts else None
    i3d = I3D.load(flags.i3d, device=flags.device) if flags.i3d else None
    clip = ClipSimilarity.load(flags.clip_model, device=flags.device) if flags.clip_model else None
    with progress(flags.progress) as tell:
        return evaluate(
            videos,
            references,
            i3d=i3d,
            clip=clip,
            prompts=prompts,
            window=flags.window,
            stride=flags.stride,
            resamplings=flags.resamplings,
            seed=flags.seed,
            on_video=tell,
        )


@dataclass
class _Counted:
    """Frames of films, of which each is told as it goes by."""

    tell: Callable[[int, int], None]
    count: int
    done: int = 0

    def __call__(self, film: Film) -> Iterator[Frame]:
        for frame in film.read(0, film.count):
            yield frame
            self.done += 1
            self.tell(self.done, self.count)


def _rows(report: dict[str, Any], name: str = "") -> dict[str, str]:
    """Lines of a table by their names: one for each number, or for those that belong together."""
    rows: dict[str, str] = {}
    for key, value in report.items():
        full = f"{name} {key}".strip()
        if not isinstance(value, dict):
            rows[full] = _cell(value)
        elif any(isinstance(each, dict) for each in value.values()):
            rows |= _rows(value, full)
        else:
            rows[full] = "  ".join(f"{part} {_cell(each)}" for part, each in value.items())
    return rows


def _plain(value: Any) -> Any:
    """What JSON can hold, rounded: null for nan and inf."""
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    return (float(f"{value:.7g}") if math.isfinite(value) else None) if isinstance(value, float) else value


def _cell(value: object) -> str:
    return "-" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)
