"""Windows onto pictures: squares of a model's size, overlapping, over one axis or two."""

from collections.abc import Sequence

from alm_core.window import Slice, slices
from torch import Tensor

__all__ = ["grid", "most_known_first"]


def grid(
    size: tuple[int, int], side: int, stride: int, *, loop: bool = False, outward_from: int | None = None
) -> tuple[Slice, ...]:
    """Squares of `side` every `stride` that cover a picture of `size` (height, width), all in pixels.

    Where the picture is smaller than a square, windows are as small. They come row by row, or outward from the column
    `outward_from`, so that each has what came before beside it. With `loop` the width is a ring. Raises ValueError when
    the stride leaves gaps.
    """
    height, width = size
    tall, broad = min(side, height), min(side, width)
    rows = slices(height, tall, min(stride, tall))
    columns = slices(width, broad, min(stride, broad), loop=loop and width > broad)
    if outward_from is not None:
        middle = outward_from - broad // 2
        columns.sort(key=lambda start: min(abs(start - middle), width - abs(start - middle) if loop else width))
    return tuple(Slice((row, column), (tall, broad), (False, loop)) for column in columns for row in rows)


def most_known_first(windows: Sequence[Slice], mask: Tensor) -> tuple[Slice, ...]:
    """The windows in the order in which each sees the most of what is given or made before it.

    `mask` (1, 1, height, width) is 1 where nothing is given. A window that saw nothing would be made freely, and the
    rest would have to meet it.
    """
    left, ordered = list(windows), []
    while left:
        ordered.append(min(left, key=lambda window: float(window.read(mask).mean())))
        left.remove(ordered[-1])
        mask = ordered[-1].write(mask, ordered[-1].read(mask) * 0)
    return tuple(ordered)
