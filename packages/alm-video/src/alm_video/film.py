"""A video as frames that come one after another: nobody holds all of them."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

__all__ = ["Film", "Frame"]

Frame = NDArray[np.uint8]
"""uint8 (height, width, 3), RGB."""


@dataclass(frozen=True)
class Film:
    """`count` frames of `height` × `width` pixels at `fps` a second.

    `read(start, stop)` begins anew each time it is called and yields those frames in order. `sound` is the file whose
    audio belongs to it, where there is any, beginning with the first frame.
    """

    height: int
    width: int
    fps: Fraction
    count: int
    read: Callable[[int, int], Iterator[Frame]]
    sound: Path | None = None

    @staticmethod
    def of(frames: Frame, fps: float | Fraction) -> "Film":
        """The film of an array, uint8 (count, height, width, 3). Raises ValueError for another, or no rate above 0."""
        if frames.ndim != 4 or frames.shape[-1] != 3 or frames.dtype != np.uint8 or 0 in frames.shape:
            raise ValueError(f"frames must be uint8 (count, height, width, 3), got {frames.dtype} {frames.shape}")
        if not 0 < fps < float("inf"):
            raise ValueError(f"the frame rate must be above 0, got {fps}")
        count, height, width = frames.shape[:3]

        def read(start: int, stop: int) -> Iterator[Frame]:
            return iter(frames[start:stop])

        return Film(height, width, Fraction(fps).limit_denominator(100_000), count, read)

    def frames(self, start: int = 0, stop: int | None = None) -> Frame:
        """Some frames in memory, (stop − start, height, width, 3)."""
        return np.stack(list(self.read(start, self.count if stop is None else stop)))
