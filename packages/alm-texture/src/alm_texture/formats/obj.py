"""Wavefront OBJ with its MTL: vertices as in the file, shared by its objects, and a UV at each corner.

Polygons become fans. `o` lines name the parts, `g` lines where there is no `o`. Curves, points and normals are left
out.

Not through trimesh, which here goes wrong without a word: it drops the UVs of a whole block when one face has none or
one number is too high, reads `a//c` among `a/b` as a UV, counts relative indices from the end of the file, takes index
0 for 1, sees no faces after tabs, cuts vertices apart at seams, and knows one MTL and none of its options. To find
these out one must read each face, and that is the reader.
"""

import re
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import numpy as np

from alm_texture.formats.raw import FormatError, Page, Raw

__all__ = ["read_obj"]

Corner = tuple[int, int | None]
KEYS = re.compile(r"^[ \t]*(newmtl|map_kd)[ \t]+(.*\S)", re.MULTILINE | re.IGNORECASE)
OPTIONS = re.compile(r"^(-[a-z]+\s+((on|off)\s+|([-+.\d]+\s+)*))+", re.IGNORECASE)
"""What may stand before a picture's name, as in `map_Kd -s 1 1 1 -clamp on name.png`."""


@dataclass
class _Lines:
    """The file's lines as they come: a triangle is three corners, its part, its material and its line."""

    vertices: list[tuple[float, ...]] = field(default_factory=list)
    uvs: list[tuple[float, ...]] = field(default_factory=list)
    triangles: list[tuple[Corner, Corner, Corner]] = field(default_factory=list)
    part: list[int] = field(default_factory=list)
    page: list[int] = field(default_factory=list)
    line: list[int] = field(default_factory=list)
    parts: dict[str, int] = field(default_factory=dict)
    pages: dict[str, int] = field(default_factory=dict)
    libraries: list[str] = field(default_factory=list)

    def face(self, corners: list[str], part: str, page: str, line: int) -> None:
        """A polygon, as a fan of triangles."""
        at = [self._corner(corner) for corner in corners]
        for second, third in pairwise(at[1:]):
            self.triangles.append((at[0], second, third))
            self.part.append(self.parts.setdefault(part, len(self.parts)))
            self.page.append(self.pages.setdefault(page, len(self.pages)))
            self.line.append(line)

    def _corner(self, text: str) -> Corner:
        vertex, *more = text.split("/")
        uv = _index(more[0], len(self.uvs)) if more and more[0] else None
        return _index(vertex, len(self.vertices)), uv


def read_obj(path: Path, pictures: bool) -> Raw:
    """The file's triangles; raises FormatError naming the line that is not OBJ, or whose indices are not in the file.

    With `pictures` the MTL is read too; FileNotFoundError where it is missing.
    """
    lines = _parse(path)
    corners = np.array([[[v, -1 if t is None else t] for v, t in face] for face in lines.triangles], np.int64)
    corners = corners.reshape(-1, 3, 2)
    mapped = np.array([all(t is not None for _, t in face) for face in lines.triangles], bool)
    uvs = np.array(lines.uvs, np.float64).reshape(-1, 2)
    for index, count, what in (
        (corners[..., 0], len(lines.vertices), "vertex"),
        (corners[mapped][..., 1], len(uvs), "UV"),
    ):
        wrong = np.argwhere((index < 0) | (index >= count))
        if len(wrong):
            face, corner = wrong[0]
            line = lines.line[face] if what == "vertex" else np.array(lines.line)[mapped][face]
            raise FormatError(
                f"line {line} of {path} names {what} {index[face, corner] + 1} of {count}: the file is cut short or "
                "damaged, export it again"
            )
    uv = np.zeros((len(corners), 3, 2))
    uv[mapped] = uvs[corners[mapped][..., 1]]
    maps = _materials(path, lines.libraries) if pictures else {}
    return Raw(
        vertices=np.array(lines.vertices, np.float64).reshape(-1, 3),
        faces=corners[..., 0],
        uv=uv,
        mapped=mapped,
        page=np.array(lines.page, np.int64),
        pages=tuple(Page(name, maps.get(name)) for name in lines.pages),
        part=np.array(lines.part, np.int64),
        parts=tuple(lines.parts),
    )


def _parse(path: Path) -> _Lines:
    lines = _Lines()
    text = path.read_text("utf-8", "replace").replace("\\\r\n", " ").replace("\\\n", " ")
    part, page, by_object = path.stem, "default", False
    for number, line in enumerate(text.split("\n"), 1):
        key, *after = line.split(None, 1) or [""]
        rest = after[0].strip() if after else ""
        rest = rest.partition("#")[0] if key in ("v", "vt", "f") else rest
        try:
            if key == "v":
                x, y, z, *_ = map(float, rest.split())
                lines.vertices.append((x, y, z))
            elif key == "vt":
                u, v, *_ = map(float, [*rest.split(), "0"])
                lines.uvs.append((u, v))
            elif key == "f":
                lines.face(rest.split(), part, page, number)
            elif key == "o" or (key == "g" and not by_object):
                part, by_object = rest or path.stem, by_object or key == "o"
            elif key == "usemtl":
                page = " ".join(rest.split()) or "default"
            elif key == "mtllib":
                lines.libraries.append(rest)
        except ValueError:
            raise FormatError(f"line {number} of {path} is not OBJ ({line.strip()[:40]!r}): export it again") from None
    return lines


def _index(text: str, count: int) -> int:
    """From 0; a negative one counts back from what the file held so far, and 0, which is none, becomes −1."""
    index = int(text)
    return index - 1 if index >= 0 else max(count + index, -1)


def _materials(path: Path, libraries: list[str]) -> dict[str, Path]:
    """The base-colour picture of each material that has one, whether or not the file is there."""
    maps: dict[str, Path] = {}
    for rest in libraries:
        names = [rest] if (path.parent / rest).is_file() else rest.split()
        for library in (_beside(path, name) for name in names):
            if not library.is_file():
                raise FileNotFoundError(
                    f"{path} keeps its materials in {library}, which is missing: put it there, or take the line "
                    "mtllib out if no texture is needed"
                )
            name = "default"
            for key, value in KEYS.findall(library.read_text("utf-8", "replace")):
                if key.lower() == "newmtl":
                    name = " ".join(value.split())
                else:
                    maps[name] = _beside(library, OPTIONS.sub("", value))
    return maps


def _beside(path: Path, name: str) -> Path:
    """The file that `path` names: as it stands, or by its bare name in the same folder if only that is there."""
    named = path.parent / name.replace("\\", "/")
    near = path.parent / named.name
    return near if near.is_file() and not named.is_file() else named
