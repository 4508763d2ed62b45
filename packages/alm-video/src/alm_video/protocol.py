"""The published protocol of long video: ALM's Table 9 (B.5), of folders of videos.

Each generated video, there of 104 frames, is cut into clips of 16 frames that begin every 8: 12 of 104. FVD and KVD are
between all of these and the references, there videos of 16 frames by the model alone; references that are longer are
cut in the same way. CLIP similarity is the mean over all frames of a video, and then over videos.

FVD and KVD are given as they are: ALM's table has them "scaled by 10⁻³". Their references are of the authors' own
sampling, and neither the files of the networks nor the cropping are named: compare what was measured here.
"""

import json
import math
import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alm_video.film import Film, Frame
from alm_video.statistics import Interval, bootstrap, frechet_of_features, kernel_distance

__all__ = ["VIDEOS", "Features", "Similarity", "clips_of", "evaluate", "films_of", "read_prompts"]

Features = Callable[[Frame], NDArray[np.float64]]
"""(n, D) of clips, uint8 (n, frames, height, width, 3): `I3D` is one."""
Similarity = Callable[[Iterable[Frame], str], float]
"""Of frames and a prompt: `ClipSimilarity` is one."""
VIDEOS = (".avi", ".gif", ".m4v", ".mkv", ".mov", ".mp4", ".webm")
"""The endings of files that `films_of` finds."""


def evaluate(
    videos: Mapping[str, Film],
    references: Mapping[str, Film],
    *,
    i3d: Features | None = None,
    clip: Similarity | None = None,
    prompts: Mapping[str, str] | None = None,
    window: int = 16,
    stride: int = 8,
    resamplings: int = 100,
    seed: int = 0,
    on_video: Callable[[int, int], None] = lambda done, count: None,
) -> dict[str, Any]:
    """A table that JSON can hold: `protocol`, and of `fvd`, `kvd` and `clip_similarity` each {value, low, high}.

    FVD and KVD want `i3d` and references, similarity wants `clip` and a prompt for each video. Intervals are of 95 %:
    videos are drawn anew with all of their clips, which are alike, and so are references. `on_video` is told how many
    videos are done, and of how many. Raises ValueError, before any work, for what is missing or too short.
    """
    _check(videos, references, i3d, clip, prompts)
    _check_lengths([*videos.items(), *(references.items() if i3d else ())], window, stride)
    count, done = len(videos) + (len(references) if i3d else 0), 0
    found: tuple[list[NDArray[np.float64]], list[NDArray[np.float64]]] = ([], [])
    similarities = []
    for side, films in enumerate((videos, references if i3d else {})):
        for name, film in films.items():
            if i3d:
                found[side].append(_features(film, i3d, window, stride))
            if clip and prompts and side == 0:
                similarities.append(clip(film.read(0, film.count), prompts[name]))
            done += 1
            on_video(done, count)
    result: dict[str, Any] = {"protocol": {"videos": len(videos), "window": window, "stride": stride}}
    if i3d:
        of = {
            "clips": sum(map(len, found[0])),
            "references": len(references),
            "reference_clips": sum(map(len, found[1])),
        }
        result["protocol"] |= {**of, "resamplings": resamplings, "seed": seed}
        for key, distance in (("fvd", frechet_of_features), ("kvd", kernel_distance)):
            result[key] = asdict(_interval(distance, found, resamplings, seed))
    if clip:
        result["clip_similarity"] = asdict(_mean(similarities))
    return result


def clips_of(frames: Iterable[Frame], window: int, stride: int) -> Iterator[Frame]:
    """Clips (window, height, width, 3) that begin every `stride` frames; no more than one is held.

    A rest that fills no clip is left out.
    """
    held: deque[Frame] = deque(maxlen=window)
    for count, frame in enumerate(frames, 1):
        held.append(frame)
        if count >= window and (count - window) % stride == 0:
            yield np.stack(held)


def films_of(folder: str | Path, read: Callable[[Path], Film]) -> dict[str, Film]:
    """The videos of a folder by the names of their files without endings, or of folders of pictures; 2 before 10.

    Raises FileNotFoundError where there is none, ValueError where two have one name.
    """
    folder = Path(folder)
    seen = [path for path in folder.glob("*") if not path.name.startswith(".")]
    paths = [path for path in seen if path.is_dir() or path.suffix.lower() in VIDEOS]
    if not paths:
        raise FileNotFoundError(f"{folder} holds no videos: looked for {', '.join(VIDEOS)}")
    paths.sort(key=lambda path: [(text, int(digits or 0)) for text, digits in re.findall(r"(\D*)(\d*)", path.name)])
    names = [path.name if path.is_dir() else path.stem for path in paths]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"{folder} holds two videos of the name {twice[0]}: keep one of them")
    return {name: read(path) for name, path in zip(names, paths, strict=True)}


def read_prompts(path: str | Path, names: Sequence[str]) -> dict[str, str]:
    """The prompt of each video: a JSON object {name: prompt}, or a text file with one a line, in the order of `names`.

    Names may have their endings. Raises ValueError where a video has none, or lines and videos differ in number.
    """
    path = Path(path)
    text = path.read_text(encoding="utf-8-sig")
    if path.suffix.lower() != ".json":
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        if len(lines) != len(names):
            raise ValueError(
                f"{path} must have a prompt for each video, one a line: {len(lines)} for {len(names)} videos"
            )
        return dict(zip(names, lines, strict=True))
    try:
        named = json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"{path} is no JSON: {error}") from None
    if not isinstance(named, dict) or not all(isinstance(prompt, str) for prompt in named.values()):
        raise ValueError(f"{path} must be an object of prompts by the names of the videos")
    bare = {Path(name).stem if Path(name).suffix.lower() in VIDEOS else name: prompt for name, prompt in named.items()}
    if missing := [name for name in names if name not in bare]:
        raise ValueError(f"{path} has no prompt for {len(missing)} videos, the first {missing[0]}")
    return {name: bare[name] for name in names}


def _check(
    videos: Mapping[str, Film],
    references: Mapping[str, Film],
    i3d: Features | None,
    clip: Similarity | None,
    prompts: Mapping[str, str] | None,
) -> None:
    if i3d is None and clip is None:
        raise ValueError("give I3D, for FVD and KVD, or CLIP, for the similarity, or both")
    if len(videos) < 2 or (i3d is not None and len(references) < 2):
        raise ValueError(
            f"two videos or more, and for FVD two references or more, are wanted: got {len(videos)} and "
            f"{len(references)}"
        )
    if clip is not None:
        without = [name for name in videos if not (prompts or {}).get(name, "").strip()]
        if without:
            raise ValueError(
                f"CLIP's similarity wants prompts: {len(without)} videos have none, the first {without[0]}"
            )


def _check_lengths(films: Sequence[tuple[str, Film]], window: int, stride: int) -> None:
    if min(window, stride) < 1:
        raise ValueError(f"window and stride are 1 or more, got {window} and {stride}")
    for name, film in films:
        if film.count < window:
            raise ValueError(f"{name} has {film.count} frames, fewer than one clip of {window}: leave it out")


def _features(film: Film, i3d: Features, window: int, stride: int) -> NDArray[np.float64]:
    """(clips, D) of all clips of a film, one held at a time."""
    return np.concatenate([i3d(part[None]) for part in clips_of(film.read(0, film.count), window, stride)])


def _interval(
    distance: Callable[[NDArray[np.float64], NDArray[np.float64]], float],
    found: tuple[list[NDArray[np.float64]], list[NDArray[np.float64]]],
    resamplings: int,
    seed: int,
) -> Interval:
    def of(made: NDArray[np.int64], true: NDArray[np.int64]) -> float:
        return distance(*(np.concatenate([rows[i] for i in at]) for rows, at in zip(found, (made, true), strict=True)))

    return bootstrap(of, (len(found[0]), len(found[1])), resamplings=resamplings, seed=seed)


def _mean(values: Sequence[float]) -> Interval:
    half = 1.96 * float(np.std(values, ddof=1)) / math.sqrt(len(values))
    mean = float(np.mean(values))
    return Interval(mean, mean - half, mean + half)
