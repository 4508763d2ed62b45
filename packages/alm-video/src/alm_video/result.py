"""What a verb returns: a film that is made while its frames are read."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import numpy as np

from alm_video.film import Frame
from alm_video.make import Tally

__all__ = ["Result"]


@dataclass
class Result:
    """`count` frames of `height` × `width` pixels at `fps` a second, which can be read once, by iteration.

    The work is done meanwhile, so that a long film needs no more memory than a short one. `made` says which frames are
    made; the others are the clip's, as they were. `sound` is the file whose audio belongs to it, from `sound_from`
    seconds on. After the last frame `calls` of the network, `evaluations` (its rows, guided ones counted double) and
    `seconds` are final.
    """

    frames: Iterator[Frame]
    height: int
    width: int
    fps: Fraction
    count: int
    made: range
    seed: int
    method: str
    tally: Tally
    sound: Path | None = None
    sound_from: float = 0.0
    seconds: float = 0.0
    _read: bool = field(default=False, init=False, repr=False)

    def __iter__(self) -> Iterator[Frame]:
        """uint8 (height, width, 3), one after another. Raises ValueError the second time."""
        if self._read:
            raise ValueError("a result is made while it is read, once: keep what `all` returns, or call the verb again")
        self._read = True
        return self._frames()

    def _frames(self) -> Iterator[Frame]:
        begun = time.perf_counter()
        for frame in self.frames:
            self.seconds += time.perf_counter() - begun
            yield frame
            begun = time.perf_counter()
        self.seconds += time.perf_counter() - begun

    @property
    def calls(self) -> int:
        """Network calls so far."""
        return self.tally.calls

    @property
    def evaluations(self) -> int:
        """Network rows so far."""
        return self.tally.evaluations

    def all(self) -> Frame:
        """All frames, uint8 (count, height, width, 3), in memory."""
        return np.stack(list(self))
