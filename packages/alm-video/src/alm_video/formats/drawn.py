"""Films by Pillow: an animated GIF, and numbered PNG pictures. One frame is in memory at a time."""

import math
import os
import shutil
import struct
import tempfile
from contextlib import suppress
from fractions import Fraction
from pathlib import Path

import numpy as np
from PIL import Image
from PIL.GifImagePlugin import getdata

from alm_video.film import Frame
from alm_video.formats.pictures import counted
from alm_video.formats.place import Beside, opened

__all__ = ["Gif", "Pictures"]

LEAST = 2
"""Hundredths of a second that viewers show a frame of a GIF at least: shorter ones they slow down."""
SQUEEZE = 3
"""zlib's level: from 3 to its usual 6 a film's frames become 3 % smaller and take 2.5 times as long."""
SAMPLES = 10_000
"""Of about how many pixels a frame's colours are chosen."""
FOREVER = b"\x21\xff\x0bNETSCAPE2.0\x03\x01\x00\x00\x00"


class Gif:
    """Frames into a GIF that plays forever, each with 256 colours of its own.

    Delays are whole hundredths of a second, chosen so that frame n ends at (n + 1) / fps to the nearest. Viewers show
    50 frames a second at most: of a faster film some are left out, and it lasts as long.
    """

    def __init__(self, path: Path, *, height: int, width: int, fps: Fraction) -> None:
        self._beside, self._fps = Beside(path), fps
        self._count, self._shown = 0, 0
        self._waiting: Frame | None = None
        try:
            self._file = self._beside.file.open("wb")
        except OSError:
            self._beside.drop()
            raise
        self._file.write(b"GIF89a" + struct.pack("<HHBBB", width, height, 0x70, 0, 0) + FOREVER)

    def add(self, frame: Frame) -> None:
        """One more frame. Raises OSError."""
        now = self._time()
        if self._waiting is None or now - self._shown >= LEAST:
            self._show(now)
            self._waiting, self._shown = frame.copy(), now
        self._count += 1

    def finish(self) -> None:
        """The GIF complete. Raises OSError."""
        self._show(max(self._time(), self._shown + LEAST))
        self._file.write(b";")
        self._file.close()

    def put(self) -> None:
        """The GIF to its place."""
        self._beside.put()

    def drop(self) -> None:
        """Nothing left of it beside its place."""
        with suppress(OSError):
            self._file.close()
        self._beside.drop()

    def _time(self) -> int:
        """The hundredth of a second at which the next frame begins."""
        return round(100 * self._count / self._fps)

    def _show(self, until: int) -> None:
        if self._waiting is not None:
            few, hundredths = _of_256_colours(self._waiting), until - self._shown
            for part in getdata(few, duration=10 * hundredths, include_color_table=True):
                self._file.write(part)


def _of_256_colours(frame: Frame) -> Image.Image:
    """The frame in its own best colours, chosen from a grid of its pixels: from all of them takes 30 times longer."""
    every = max(1, math.isqrt(frame.shape[0] * frame.shape[1] // SAMPLES))
    colours = Image.fromarray(np.ascontiguousarray(frame[::every, ::every])).quantize(256)
    if every == 1:
        return colours
    return Image.fromarray(frame).quantize(palette=colours, dither=Image.Dither.NONE)


class Pictures:
    """Frames into PNG pictures numbered from 1, in a folder of their own until all are there.

    A folder that is new comes as a whole. In one that exists, pictures of that name beyond the last are removed: they
    belong to an earlier, longer film.
    """

    def __init__(self, pattern: Path) -> None:
        self._pattern, self._count = pattern, 0
        folder = pattern.parent
        self._new = not folder.exists()
        where = folder.parent if self._new else folder
        self._folder = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=where))

    def add(self, frame: Frame) -> None:
        """One more frame. Raises OSError."""
        self._count += 1
        Image.fromarray(frame).save(self._folder / (self._pattern.name % self._count), "PNG", compress_level=SQUEEZE)

    def finish(self) -> None:
        """Every picture is complete as it is added."""

    def put(self) -> None:
        """The pictures to their places."""
        if self._new:
            opened(self._folder)
            os.rename(self._folder, self._pattern.parent)
            return
        for number in range(1, self._count + 1):
            name = self._pattern.name % number
            (self._folder / name).replace(self._pattern.parent / name)
        for number, file in counted(self._pattern):
            if not 1 <= number <= self._count:
                file.unlink()

    def drop(self) -> None:
        """Nothing left of them beside their places."""
        shutil.rmtree(self._folder, ignore_errors=True)
