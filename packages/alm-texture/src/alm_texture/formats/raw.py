"""What a mesh file holds, before anything of it is checked."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

__all__ = ["FormatError", "Page", "Raw", "join", "one_part"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class FormatError(ValueError):
    """A mesh file cannot be used as it is; the message says which, why, and what to do."""


@dataclass(frozen=True)
class Page:
    """A material's name and its base-colour picture: opened, a file that may be missing, a file's bytes, or None."""

    name: str
    picture: Image.Image | Path | bytes | None = None


@dataclass(frozen=True, eq=False)
class Raw:
    """As in `Mesh`, but `uv` (F, 3, 2) counts only where `mapped` (F) is True, and no index or value is checked."""

    vertices: Floats
    faces: Ints
    uv: Floats
    mapped: NDArray[np.bool_]
    page: Ints
    pages: tuple[Page, ...]
    part: Ints
    parts: tuple[str, ...]


def join(pieces: list[Raw]) -> Raw:
    """Several in one, in their order; pages that are the same object become one, parts stay apart."""
    if not pieces:
        none = np.zeros(0, np.int64)
        uv = np.zeros((0, 3, 2))
        return Raw(np.zeros((0, 3)), none.reshape(0, 3), uv, none.astype(bool), none, (), none, ())
    pages = list({id(page): page for piece in pieces for page in piece.pages}.values())
    where = {id(page): number for number, page in enumerate(pages)}
    vertex = np.cumsum([0, *(len(piece.vertices) for piece in pieces)])
    part = np.cumsum([0, *(len(piece.parts) for piece in pieces)])
    return Raw(
        vertices=np.concatenate([piece.vertices for piece in pieces]),
        faces=np.concatenate([piece.faces + start for piece, start in zip(pieces, vertex, strict=False)]),
        uv=np.concatenate([piece.uv for piece in pieces]),
        mapped=np.concatenate([piece.mapped for piece in pieces]),
        page=np.concatenate([np.array([where[id(p)] for p in piece.pages])[piece.page] for piece in pieces]),
        pages=tuple(pages),
        part=np.concatenate([piece.part + start for piece, start in zip(pieces, part, strict=False)]),
        parts=tuple(name for piece in pieces for name in piece.parts),
    )


def one_part(raw: Raw) -> Raw:
    """All of it as one part, by the first one's name."""
    return replace(raw, part=np.zeros_like(raw.part), parts=raw.parts[:1])
