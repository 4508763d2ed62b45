"""Video files in and out: the one place where films are opened, checked and written.

Whatever ffmpeg reads is read, and folders of pictures; MP4, WebM, GIF and numbered PNG pictures are written. Outputs
are written whole or not at all, several of them together.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Protocol

import numpy as np

from alm_video.film import Film, Frame
from alm_video.formats import by_decord
from alm_video.formats.by_pyav import film_of
from alm_video.formats.drawn import Gif, Pictures
from alm_video.formats.encode import MOVIES, Movie, sound_of, written_sides
from alm_video.formats.pictures import ENDINGS, counted, film_of_pictures, is_pattern
from alm_video.formats.timing import rational

__all__ = ["READERS", "WRITABLE", "WriteError", "Writing", "check_output", "read_film", "writing", "written_sides"]

READERS = ("pyav", "decord")
WRITABLE = (*MOVIES, ".gif")


class WriteError(RuntimeError):
    """A result could not be written: the disk is full, or its folder has gone."""


def read_film(path: str | Path, *, fps: float | Fraction | None = None, reader: str | None = None) -> Film:
    """The film in a video file, in a folder of pictures, or in pictures named by a pattern such as frames/%04d.png.

    Frames are read as they are asked for, the same ones whichever way they are reached, and shown as players show
    them: upright, and with square pixels (where the file's are not, the width is scaled to the nearest even one, the
    height never). Colours are converted by the matrix and range that the file names; where it names none, by BT.709 for
    HD and BT.601 below. Interlaced frames come as they are.

    A film of constant rate keeps every frame. One of variable rate is resampled to its average rate: frame n is the one
    on screen at n / `fps` seconds (within a quarter of a frame); so is every film for which another `fps` is asked.
    Pictures have `fps`, 24 where it is None.

    `reader` is "pyav" (the default) or "decord"; see `alm_video.formats.by_decord` for how their colours differ.

    Raises FileNotFoundError, or ValueError where it cannot be read, breaks off, holds no frames, or is HDR; ImportError
    where the reader asked for is missing.
    """
    path = Path(path)
    if fps is not None and not 0 < fps < float("inf"):
        raise ValueError(f"the frame rate must be above 0, got {float(fps):g}")
    if reader not in (None, *READERS):
        raise ValueError(f"the reader must be {' or '.join(READERS)}, got {reader!r}")
    rate = None if fps is None else rational(fps)
    if not path.exists() and is_pattern(path):
        return film_of_pictures(path, rate)
    if not path.exists():
        raise FileNotFoundError(f"there is no film at {path}")
    if path.is_dir() or path.suffix.lower() in ENDINGS:
        return film_of_pictures(path, rate)
    return film_of(path, rate, by_decord.numbered if reader == "decord" else None)


def check_output(path: str | Path, *, source: str | Path | None = None, overwrite: bool = False) -> Path:
    """The path of an output that can be written, or its pattern; raises before any work is done.

    It ends in .mp4, .webm or .gif, or is a pattern for PNG pictures such as frames/%04d.png, whose folder may be new.
    ValueError for another ending, a folder, or the `source` itself; FileNotFoundError where the folder that it goes to
    is missing; FileExistsError where it exists and `overwrite` is False.
    """
    path = Path(path)
    if path.is_dir():
        raise ValueError(f"the output {path} is a folder: give a file name, or a pattern such as {path / '%04d.png'}")
    pictures = path.suffix.lower() == ".png" and is_pattern(path)
    if is_pattern(path) and not pictures:
        raise ValueError(f"the output {path.name} counts pictures, which only .png does: name one film")
    if not pictures and path.suffix.lower() not in WRITABLE:
        raise ValueError(
            f"the output must end in {', '.join(WRITABLE)} or count pictures as in frames/%04d.png, got {path.name!r}"
        )
    folder = path.parent.parent if pictures and not path.parent.exists() else path.parent
    if not folder.is_dir():
        raise FileNotFoundError(f"the folder {folder} of the output does not exist: make it first")
    there = [file for _, file in counted(path)] if pictures else [path] if path.exists() else []
    if source is not None and _is_input(path, Path(source), there, pictures):
        raise ValueError(f"the output {path} is the input: choose another name")
    if there and not overwrite:
        raise FileExistsError(f"{there[0]} exists: choose another name, or allow it with --overwrite (overwrite=True)")
    return path


def _is_input(path: Path, source: Path, there: Sequence[Path], pictures: bool) -> bool:
    if path == source:
        return True
    if not source.exists():
        return False
    return any(file.samefile(source) or (pictures and file.parent.samefile(source)) for file in there)


class _Writer(Protocol):
    def add(self, frame: Frame) -> None: ...
    def finish(self) -> None: ...
    def put(self) -> None: ...
    def drop(self) -> None: ...


class Writing:
    """Outputs that are being written; made by `writing`."""

    def __init__(self, writers: Sequence[_Writer], height: int, width: int) -> None:
        self._writers, self._shape = writers, (height, width, 3)
        self._count = 0

    @property
    def count(self) -> int:
        """How many frames have been added."""
        return self._count

    def add(self, frame: Frame) -> None:
        """One more frame to every output. Raises ValueError for another shape, WriteError where it cannot be."""
        if frame.shape != self._shape or frame.dtype != np.uint8:
            raise ValueError(f"a frame must be uint8 {self._shape}, got {frame.dtype} {frame.shape}")
        with _nothing_written():
            for writer in self._writers:
                writer.add(frame)
        self._count += 1


@contextmanager
def writing(
    paths: Sequence[str | Path],
    *,
    height: int,
    width: int,
    fps: float | Fraction,
    crf: float = 18,
    sound: str | Path | None = None,
    sound_from: float = 0.0,
) -> Iterator[Writing]:
    """Writes frames of one film to one or more outputs, all of them when the block ends, or none where it raises.

    Paths are as `check_output` gives them; what exists is replaced. `crf` is the quality of MP4 and WebM, 0 (best) to
    51; 18 can hardly be told from the frames. An MP4 of odd sides repeats its last row or column (see `written_sides`).
    The sound of the file `sound` goes to MP4 and WebM, copied where they take it, and begins at `sound_from` seconds;
    the film's length rules.

    Raises ValueError for what cannot be before anything is written, and WriteError where the disk is full.
    """
    places = [Path(path) for path in paths]
    if not places or not 0 < fps < float("inf") or not 0 <= crf <= 51 or not 0 <= sound_from < float("inf"):
        raise ValueError(
            f"a path, a rate above 0, a crf in [0, 51] and a sound from 0 s on are wanted, got {len(places)} paths, "
            f"{float(fps):g}, {crf:g} and {sound_from:g}"
        )
    if sound is not None and not any(place.suffix.lower() in MOVIES for place in places):
        raise ValueError(f"{', '.join(place.name for place in places)} cannot hold sound: name a .mp4 or .webm")
    rate, heard = rational(fps), None if sound is None else sound_of(Path(sound))
    writers: list[_Writer] = []
    try:
        for place in places:
            with _nothing_written():
                if place.suffix.lower() in MOVIES:
                    sides = {"height": height, "width": width}
                    writers.append(Movie(place, **sides, fps=rate, crf=crf, sound=heard, sound_from=sound_from))
                elif place.suffix.lower() == ".gif":
                    writers.append(Gif(place, height=height, width=width, fps=rate))
                else:
                    writers.append(Pictures(place))
        under_way = Writing(writers, height, width)
        yield under_way
        if not under_way.count:
            raise ValueError("a film must have at least one frame, none was added: nothing was written")
        with _nothing_written():
            for writer in writers:
                writer.finish()
            for writer in writers:
                writer.put()
    finally:
        for writer in writers:
            writer.drop()


@contextmanager
def _nothing_written() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise WriteError(f"{error.strerror or error}: nothing was written") from None
