"""Views of a square canvas: each is a window onto all of it that shows its pixels elsewhere, turned, or negated.

    v(x) = Q x,   v⁻¹(y) = Qᵀ y,   Q a permutation of the pixels with signs

so a view is orthogonal: `write` undoes `read` to the last bit, and white noise stays white, which is what a diffusion
model must be shown (Geng et al., CVPR 2024, Sec. 3.3). A view fits every square size; on a coarse state and on its
enlargement it is the same move, exactly or, where its docstring says so, nearly. An autoencoder does not commute with
moves: on latents expect artefacts, and prefer a pixel model.
"""

import math
import random
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import Tensor

__all__ = ["VIEWS", "Disc", "Flip", "Jigsaw", "Negate", "Skew", "Turn", "View", "show", "view_named"]

WHITE = (255, 255, 255)
KEPT = 8
"""How many orders of pixels are kept, each for one view, side and device: they are the same at every step."""
FINE = 4
"""By how much the outline of a turning disc is drawn finer than the picture, for a smooth edge."""


class View(Protocol):
    """A window that shows all of a square canvas (…, side, side), and how it comes about."""

    def read(self, canvas: Tensor) -> Tensor:
        """What this view shows: Q canvas, of its shape."""

    def write(self, canvas: Tensor, piece: Tensor) -> Tensor:
        """The canvas of which this view shows the piece: Qᵀ piece; nothing of the old canvas is left."""

    def between(self, picture: Image.Image, along: float) -> Image.Image:
        """A picture (RGB, square) on its way to what the view shows, 0 < `along` < 1."""


@dataclass(frozen=True)
class Turn:
    """The canvas turned by `quarters` of a full turn, counter-clockwise; below 0 clockwise, 0 as it is."""

    quarters: int = 0

    def read(self, canvas: Tensor) -> Tensor:
        """See `View`."""
        _side(canvas)
        return canvas.rot90(self.quarters, (-2, -1))

    def write(self, canvas: Tensor, piece: Tensor) -> Tensor:
        """See `View`."""
        return piece.rot90(-self.quarters, (-2, -1))

    def between(self, picture: Image.Image, along: float) -> Image.Image:
        """See `View`: turned, white in the corners."""
        return picture.rotate(90 * self.quarters * along, Image.Resampling.BICUBIC, fillcolor=WHITE)


@dataclass(frozen=True)
class Flip:
    """The canvas mirrored: top to bottom where `vertical`, else left to right."""

    vertical: bool = True

    def read(self, canvas: Tensor) -> Tensor:
        """See `View`."""
        return canvas.flip(-2 if self.vertical else -1)

    def write(self, canvas: Tensor, piece: Tensor) -> Tensor:
        """See `View`."""
        return self.read(piece)

    def between(self, picture: Image.Image, along: float) -> Image.Image:
        """See `View`: as a card that is turned over."""
        face = picture if along < 0.5 else show(self, picture)
        side = picture.width
        narrow = max(1, round(side * abs(math.cos(math.pi * along))))
        size, place = ((side, narrow), (0, (side - narrow) // 2)) if self.vertical else ((narrow, side), None)
        frame = Image.new("RGB", picture.size, WHITE)
        frame.paste(face.resize(size, Image.Resampling.BICUBIC), place or ((side - narrow) // 2, 0))
        return frame


@dataclass(frozen=True)
class Skew:
    """Column j rolled down by `factor` · (j − side/2), towards 0 to a whole pixel: a shear that wraps around.

    1.5 is what the public code of Visual Anagrams and of SyncSDE rolls the second view by; −1.5 takes it back. Offsets
    grow with the side, so a finer canvas is sheared alike, in finer steps: less than 2 + |factor| coarse pixels apart.
    """

    factor: float = 1.5

    def read(self, canvas: Tensor) -> Tensor:
        """See `View`."""
        return _taken(canvas, _rolled(self.factor, 1, _side(canvas), canvas.device))

    def write(self, canvas: Tensor, piece: Tensor) -> Tensor:
        """See `View`."""
        return _taken(piece, _rolled(self.factor, -1, _side(piece), piece.device))

    def between(self, picture: Image.Image, along: float) -> Image.Image:
        """See `View`: sheared by a part of the factor."""
        return show(Skew(self.factor * along), picture)


@dataclass(frozen=True)
class Negate:
    """The canvas with opposite values, as a photographic negative; for models whose state is the pixels."""

    def read(self, canvas: Tensor) -> Tensor:
        """See `View`."""
        return -canvas

    def write(self, canvas: Tensor, piece: Tensor) -> Tensor:
        """See `View`."""
        return -piece

    def between(self, picture: Image.Image, along: float) -> Image.Image:
        """See `View`: faded through grey."""
        return Image.blend(picture, show(self, picture), along)


@dataclass(frozen=True)
class Jigsaw:
    """The canvas cut into `grid` × `grid` square pieces, which are laid anew and turned, as `seed` says.

    Where the side is no multiple of the grid, the rows and columns left over at the end stay where they are. Where both
    sides are multiples, a finer canvas is laid exactly as the coarser one. Raises ValueError for a grid below 2, and
    for a canvas too small for it.
    """

    grid: int = 4
    seed: int = 0

    def __post_init__(self) -> None:
        """Checks ranges."""
        if self.grid < 2:
            raise ValueError(f"a jigsaw has 2 or more pieces a side, got {self.grid}")

    def read(self, canvas: Tensor) -> Tensor:
        """See `View`."""
        return _taken(canvas, _laid(self, _side(canvas), canvas.device)[0])

    def write(self, canvas: Tensor, piece: Tensor) -> Tensor:
        """See `View`."""
        return _taken(piece, _laid(self, _side(piece), piece.device)[1])

    def between(self, picture: Image.Image, along: float) -> Image.Image:
        """See `View`: pieces that travel, each turning on its way."""
        edge = picture.width // self.grid
        frame = Image.new("RGB", picture.size, WHITE)
        frame.paste(picture)
        frame.paste(WHITE, (0, 0, edge * self.grid, edge * self.grid))
        for place, (source, quarters) in enumerate(self.moves()):
            (y0, x0), (y1, x1) = (divmod(cell, self.grid) for cell in (source, place))
            piece = picture.crop((x0 * edge, y0 * edge, (x0 + 1) * edge, (y0 + 1) * edge)).convert("RGBA")
            piece = piece.rotate(90 * quarters * along, Image.Resampling.BICUBIC, expand=True)
            x, y = ((a + (b - a) * along + 0.5) * edge for a, b in ((x0, x1), (y0, y1)))
            frame.paste(piece, (round(x - piece.width / 2), round(y - piece.height / 2)), piece)
        return frame

    def moves(self) -> list[tuple[int, int]]:
        """For each place in turn, the piece that comes to lie there and its quarter turns counter-clockwise."""
        dice = random.Random(self.seed)
        keys = [dice.random() for _ in range(self.grid**2)]
        order = sorted(range(len(keys)), key=keys.__getitem__)
        # From −1 to 2: no piece takes the long way round.
        return [(source, int(dice.random() * 4) - 1) for source in order]


@dataclass(frozen=True)
class Disc:
    """The disc in the middle turned by `quarters`, counter-clockwise, and what is around it left as it is.

    `radius` is a fraction of the side, below ½; three eighths is that of the public code of Visual Anagrams. On a finer
    canvas the disc's edge is finer: by a coarse pixel of difference at most.
    """

    quarters: int = 2
    radius: float = 0.375

    def __post_init__(self) -> None:
        """Checks ranges."""
        if not 0 < self.radius < 0.5:
            raise ValueError(f"the radius is a fraction of the side, above 0 and below 0.5, got {self.radius}")

    def read(self, canvas: Tensor) -> Tensor:
        """See `View`."""
        return self._turned(canvas, self.quarters)

    def write(self, canvas: Tensor, piece: Tensor) -> Tensor:
        """See `View`."""
        return self._turned(piece, -self.quarters)

    def between(self, picture: Image.Image, along: float) -> Image.Image:
        """See `View`: a disc that turns."""
        side = picture.width
        outline = Image.new("L", (side * FINE, side * FINE))
        low, high = side * FINE * (0.5 - self.radius), side * FINE * (0.5 + self.radius) - 1
        ImageDraw.Draw(outline).ellipse((low, low, high, high), fill=255)
        turned = picture.rotate(90 * self.quarters * along, Image.Resampling.BICUBIC)
        return Image.composite(turned, picture, outline.resize(picture.size, Image.Resampling.BOX))

    def _turned(self, x: Tensor, quarters: int) -> Tensor:
        side = _side(x)
        squares = (torch.arange(side, device=x.device) - (side - 1) / 2).square()
        inside = squares[:, None] + squares < (self.radius * side) ** 2
        return torch.where(inside, x.rot90(quarters, (-2, -1)), x)


VIEWS: dict[str, View] = {
    "identity": Turn(),
    "rotate-cw": Turn(-1),
    "rotate-ccw": Turn(1),
    "rotate-180": Turn(2),
    "flip-vertical": Flip(),
    "flip-horizontal": Flip(vertical=False),
    "skew": Skew(),
    "negate": Negate(),
    "jigsaw": Jigsaw(),
    "inner-180": Disc(),
    "inner-cw": Disc(-1),
    "inner-ccw": Disc(1),
}
"""Every view, by name."""


def view_named(name: str) -> View:
    """The view of that name. Raises ValueError for an unknown one."""
    if name not in VIEWS:
        raise ValueError(f"unknown view {name!r}: wanted one of {', '.join(VIEWS)}")
    return VIEWS[name]


def show(view: View, picture: Image.Image) -> Image.Image:
    """What a view shows of an 8-bit RGB picture, exactly: no value is rounded."""
    values = torch.from_numpy(np.asarray(picture, np.int16) * 2 - 255).permute(2, 0, 1)  # 0 is the middle, for Negate
    seen = (view.read(values).permute(1, 2, 0) + 255) // 2
    return Image.fromarray(seen.to(torch.uint8).contiguous().numpy())


def _side(x: Tensor) -> int:
    """The side of a square canvas. Raises ValueError for another."""
    height, width = x.shape[-2:]
    if height != width:
        raise ValueError(f"views are of square canvases, got {height} x {width}: make both sides equal")
    return int(width)


@lru_cache(maxsize=KEPT)
def _rolled(factor: float, sign: int, side: int, device: torch.device) -> Tensor:
    """From where a `Skew` takes each pixel, flat; sign −1 takes it back."""
    offsets = torch.tensor([sign * int(factor * (j - side // 2)) for j in range(side)])
    rows = torch.arange(side)[:, None]
    return ((rows - offsets) % side * side + torch.arange(side)).flatten().to(device)


@lru_cache(maxsize=KEPT)
def _laid(jigsaw: Jigsaw, side: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """From where a `Jigsaw` takes each pixel, flat, and the same backwards."""
    grid, edge = jigsaw.grid, side // jigsaw.grid
    if edge < 1:
        raise ValueError(f"a jigsaw of {grid} x {grid} pieces wants as many pixels a side, got {side}")
    whole = torch.arange(side * side).view(side, side)
    index = whole.clone()
    for place, (source, quarters) in enumerate(jigsaw.moves()):
        (y0, x0), (y1, x1) = ([n * edge for n in divmod(cell, grid)] for cell in (source, place))
        index[y1 : y1 + edge, x1 : x1 + edge] = whole[y0 : y0 + edge, x0 : x0 + edge].rot90(quarters)
    index = index.flatten()
    return index.to(device), index.argsort().to(device)


def _taken(x: Tensor, index: Tensor) -> Tensor:
    """x with each pixel taken from where `index`, of flat pixels, says."""
    return x.flatten(-2)[..., index].view(x.shape)
