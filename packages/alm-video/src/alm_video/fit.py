"""Frames scaled and cropped to the sides that a network takes."""

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction

import numpy as np
from PIL import Image

from alm_video.film import Film, Frame

__all__ = ["fit"]

Box = tuple[float, float, float, float]


def fit(
    film: Film, *, height: int | None = None, width: int | None = None, multiple: int = 1, most: int | None = None
) -> Film:
    """The film scaled to a `height` or a `width`, with sides that are multiples of `multiple`.

    The other side follows from the film's proportions, rounded to the nearest multiple. Nothing is stretched: the frame
    is scaled to cover what is wanted, and what stands out, less than a multiple, is cropped off evenly. With both sides
    given the film's proportions may be others, and more is cropped. `most` is the longer side at most, in pixels: a
    larger film is scaled down to it.

    Where no scaling is asked for pixels stay as they are: sides that are no multiples are cropped to the next smaller,
    and a film whose sides fit comes back itself. Frames are scaled as they are read, smoothed where they shrink.
    Raises ValueError for sides that are no multiples or smaller than one.
    """
    for name, side in (("height", height), ("width", width), ("multiple", multiple), ("most", most)):
        if side is not None and side < 1:
            raise ValueError(f"{name} must be at least 1, got {side}")
    for name, side in (("height", height), ("width", width)):
        if side is not None and side % multiple:
            below = side // multiple * multiple
            raise ValueError(f"the {name} must be a multiple of {multiple}, got {side}: {below or multiple} is one")
    tall, wide = _sides(film, height, width, multiple, most)
    if (tall, wide) == (film.height, film.width):
        return film
    box = _box(film, tall, wide, scaled=(height, width) != (None, None) or _exceeds(film, most))

    def read(start: int, stop: int) -> Iterator[Frame]:
        for frame in film.read(start, stop):
            yield _cut(frame, box, tall, wide)

    return replace(film, height=tall, width=wide, read=read)


def _exceeds(film: Film, most: int | None) -> bool:
    return most is not None and max(film.height, film.width) > most


def _sides(film: Film, height: int | None, width: int | None, multiple: int, most: int | None) -> tuple[int, int]:
    def near(side: Fraction) -> int:
        return max(multiple, round(side / multiple) * multiple)

    shape = Fraction(film.width, film.height)
    if height is not None or width is not None:
        tall = height if height is not None else near(Fraction(width or 1) / shape)
        wide = width if width is not None else near(tall * shape)
    elif most is not None and _exceeds(film, most):
        scale = Fraction(most, max(film.height, film.width))
        tall, wide = near(film.height * scale), near(film.width * scale)
    else:
        tall, wide = (side // multiple * multiple for side in (film.height, film.width))
        if not (tall and wide):
            raise ValueError(
                f"frames of {film.width} × {film.height} are smaller than {multiple}: give a height to enlarge them to"
            )
    if most is not None and max(tall, wide) > most:
        if height is not None or width is not None:
            raise ValueError(f"{wide} × {tall} is more than the {most} that a side may have: give a smaller height")
        limit = most // multiple * multiple
        if not limit:
            raise ValueError(f"a side of at most {most} cannot be a multiple of {multiple}: allow {multiple}")
        tall, wide = min(tall, limit), min(wide, limit)
    return tall, wide


def _box(film: Film, tall: int, wide: int, *, scaled: bool) -> Box:
    """What is kept of each frame, (left, top, right, bottom) in its pixels: the middle."""
    scale = max(Fraction(tall, film.height), Fraction(wide, film.width)) if scaled else Fraction(1)
    left, top = (film.width - wide / scale) / 2, (film.height - tall / scale) / 2
    if not scaled:
        left, top = Fraction(int(left)), Fraction(int(top))
    return float(left), float(top), float(left + wide / scale), float(top + tall / scale)


def _cut(frame: Frame, box: Box, tall: int, wide: int) -> Frame:
    left, top, right, bottom = box
    if (right - left, bottom - top) == (wide, tall) and left == int(left) and top == int(top):
        return np.ascontiguousarray(frame[int(top) : int(bottom), int(left) : int(right)])
    return np.array(Image.fromarray(frame).resize((wide, tall), Image.Resampling.BICUBIC, box=box))
