"""A window is a lens onto a canvas: `read` takes a piece out of it, `write` puts one back.

Laws, which `alm_core.testing.check_window` checks: what was written is read back; writing back what was read
changes nothing; the last write wins; nothing outside the window changes.
"""

from dataclasses import dataclass
from types import EllipsisType
from typing import Protocol

import torch
from torch import Tensor

__all__ = ["Slice", "Window", "coverage", "shown", "slices"]


class Window(Protocol):
    """A view of canvases of shape (rows, …); pieces have shape (rows, …) too."""

    def read(self, canvas: Tensor) -> Tensor:
        """The piece that this window shows."""

    def write(self, canvas: Tensor, piece: Tensor) -> Tensor:
        """A new canvas with the piece in its place; the old one is left as it was."""


@dataclass(frozen=True)
class Slice:
    """A box along the last axes: from `start` (inclusive), `size` long on each; wraps around where `loop` says.

    `start` and `size` have one entry an axis, the last axes of the canvas: time for motion, height and width
    for a picture, time, height and width for video. Raises ValueError where the box leaves a canvas that does not loop.
    """

    start: tuple[int, ...]
    size: tuple[int, ...]
    loop: tuple[bool, ...] = ()

    def read(self, canvas: Tensor) -> Tensor:
        """The box, of shape (…, *size)."""
        for axis, index in self._indices(canvas):
            canvas = canvas.index_select(axis, index)
        return canvas

    def write(self, canvas: Tensor, piece: Tensor) -> Tensor:
        """A new canvas with the box replaced."""
        canvas = canvas.clone()
        axes = self._indices(canvas)
        box: list[Tensor | EllipsisType] = [Ellipsis]
        box += [index.view(-1, *[1] * (len(axes) - 1 - i)) for i, (_, index) in enumerate(axes)]
        canvas[tuple(box)] = piece
        return canvas

    def _indices(self, canvas: Tensor) -> list[tuple[int, Tensor]]:
        count = len(self.start)
        loop = self.loop or (False,) * count
        indices = []
        for i, (start, size, around) in enumerate(zip(self.start, self.size, loop, strict=True)):
            axis = canvas.ndim - count + i
            length = canvas.shape[axis]
            if size > length or (not around and not 0 <= start <= length - size):
                raise ValueError(f"a window of {size} from {start} does not fit an axis of {length}: {self}")
            indices.append((axis, torch.arange(start, start + size, device=canvas.device) % length))
        return indices


def slices(length: int, size: int, stride: int, *, loop: bool = False) -> list[int]:
    """Starts of windows of `size` every `stride` that cover an axis of `length`; the last is moved in to fit.

    With `loop` the axis is a ring: the windows go once round it and the last meets the first. Raises ValueError when
    the stride leaves gaps or the window does not fit.
    """
    if not 0 < stride <= size <= length:
        raise ValueError(f"wanted 0 < stride <= window <= length, got stride {stride}, window {size}, length {length}")
    if loop:
        return list(range(0, length, stride))
    starts = list(range(0, length - size, stride))
    return [*starts, length - size]


def coverage(window: Window, canvas: Tensor) -> Tensor:
    """Where the window lands on the canvas: 1 inside, 0 outside, of its shape, whatever the window does to signs."""
    blank = torch.zeros_like(canvas)
    return window.write(blank, torch.ones_like(window.read(blank))).abs()


def shown(window: Window, places: Tensor) -> Tensor:
    """What the window shows of a map that is nowhere below 0, such as a mask; turning signs is for samples."""
    return window.read(places).abs()
