"""UVs: whether a mesh's own can be painted on, and new ones by xatlas.

A page repeats beyond [0, 1], so a chart may cross its border. A texel belongs to one place of the surface only if no
two faces lie over each other on the page so folded. `check_uv` and `check_overlap` refuse UVs that cannot be painted
on; `unwrap` makes new ones, in [0, 1].
"""

from dataclasses import replace
from itertools import product
from typing import Literal, get_args

import numpy as np
import xatlas
from numpy.typing import NDArray

from alm_texture.mesh import Material, Mesh
from alm_texture.raster import Rasterize, rasterizer_named

__all__ = ["check_overlap", "check_uv", "overlap", "unwrap"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Outside = Literal["wrap", "refuse"]
ROUNDING = 1e-6
"""How far outside [0, 1] a UV may lie and still be meant to be on the border: rounding in files."""
TILES = 8
"""Repetitions of a page, at most: beyond that a picture is tiled, and its texels are not of one place."""
OVERLAP = 0.002
"""The share of texels that may have two faces: slivers of other programs' atlases, which no eye finds."""
GUTTER = 2
"""Texels between two charts, at least: what bilinear filtering reads belongs to one chart."""
PADDING = 2
"""Texels around a chart on xatlas' own page, which is larger than asked for, the more so with many charts."""
ROOM = 0.8
"""The share of the size that xatlas is asked for."""
SLOW = 6e-4
"""Seconds a face at most, by xatlas' defaults; measured to 25,000 faces on two cores, beyond which it is slower."""
SMALLEST = 500.0
"""Faces of the largest chart, at least: below that, more and smaller charts take longer again."""
GROWTH = 7e-6
"""Seconds a face and square root of a chart's faces, at most: how the size of charts makes `max_cost` 0.5 slower."""


def check_uv(mesh: Mesh, *, outside: Outside = "wrap") -> Mesh:
    """The mesh as it is. A page repeats outside [0, 1]; with `outside` "refuse" no UV may lie there.

    Raises ValueError where there are no UVs, some are NaN or infinite, or they reach over more than 8 tiles.
    """
    if outside not in get_args(Outside):
        raise ValueError(f"`outside` must be one of {', '.join(get_args(Outside))}, got {outside!r}")
    if mesh.uv is None:
        raise ValueError("a mesh with UVs is wanted, this one has none: make them with --unwrap (unwrap(mesh))")
    broken = int((~np.isfinite(mesh.uv)).any((1, 2)).sum())
    if broken:
        raise ValueError(f"{broken} of {len(mesh.uv)} faces have NaN or infinite UVs: make new ones with --unwrap")
    low, high = mesh.uv.min((0, 1)), mesh.uv.max((0, 1))
    reach = f"from ({low[0]:.4g}, {low[1]:.4g}) to ({high[0]:.4g}, {high[1]:.4g})"
    if (high - low > TILES).any():
        raise ValueError(f"UVs may reach over {TILES} tiles, these reach {reach}: make new ones with --unwrap")
    over = int(((mesh.uv < -ROUNDING) | (mesh.uv > 1 + ROUNDING)).any((1, 2)).sum())
    if outside == "refuse" and over:
        raise ValueError(
            f"UVs must be in [0, 1], those of {over} of {len(mesh.uv)} faces are not; all reach {reach}: make new ones "
            "with --unwrap, or let the page repeat with --uv-outside wrap"
        )
    return mesh


def check_overlap(mesh: Mesh, size: int = 1024, rasterizer: str = "embree") -> None:
    """Raises ValueError where more than a few texels in a thousand have two faces or more; see `overlap`."""
    share = overlap(mesh, size, rasterizer)
    if share > OVERLAP:
        raise ValueError(
            f"each texel must belong to one face, {share:.1%} of the covered texels belong to two or more (mirrored or "
            "stacked UVs?): make new ones with --unwrap"
        )


def overlap(mesh: Mesh, size: int = 1024, rasterizer: str = "embree") -> float:
    """The share, in [0, 1], of the covered texels of all pages that are covered twice or more, at `size` texels a side.

    Every face is laid in the UV plane at a height of its own, and seen from above and from below, tile by tile. Where
    the two views show different faces there are two; faces in two tiles that show at one texel are two as well. A
    texel's centre on an edge that two faces share counts for one.
    """
    if mesh.uv is None:
        raise ValueError("a mesh with UVs is wanted, this one has none: unwrap it first")
    covered = double = 0
    for page in np.unique(mesh.page):
        corners = mesh.uv[mesh.page == page]
        corners = corners - np.floor(corners.min((0, 1)))
        texel, face, tile = _layers(rasterizer_named(rasterizer), corners, size)
        covered += len(np.unique(texel))
        many = np.bincount(texel, minlength=size * size)[texel] > 1
        texel, face, tile = texel[many], face[many], tile[many]
        centre = tile + np.stack([(texel % size + 0.5) / size, 1 - (texel // size + 0.5) / size], 1)
        deep = _depth(corners[face], centre) > 1e-3 / size
        double += int((np.bincount(texel[deep]) > 1).sum())
    return double / max(covered, 1)


def _layers(rasterize: Rasterize, corners: Floats, size: int) -> tuple[Ints, Ints, Floats]:
    """Texels (n), the faces seen there (n), and in which tiles of the plane (n, 2): from above, and else from below."""
    height = np.repeat(np.linspace(-0.5, 0.5, len(corners)), 3)
    vertices = np.column_stack([corners.reshape(-1, 2), height]).astype(np.float32)
    scene = rasterize(vertices, np.arange(len(vertices), dtype=np.int32).reshape(-1, 3))
    low, high = np.floor(corners.min(1)), np.ceil(corners.max(1))
    texels, faces, tiles = [], [], []
    for tile in product(*(range(int(end)) for end in high.max(0))):
        if not ((low <= tile) & (high > tile)).all(1).any():
            continue
        u, v = tile
        views = [
            np.array([[2, 0, 0, -2 * u - 1], [0, 2, 0, -2 * v - 1], [0, 0, side, 0], [0, 0, 0, 1]])
            for side in (1.0, -1.0)
        ]
        above, below = (scene.cast(view, size, size).face.ravel() for view in views)
        for seen in (above, np.where(below == above, -1, below)):
            texels.append(np.flatnonzero(seen >= 0))
            faces.append(seen[texels[-1]].astype(np.int64))
            tiles.append(np.tile(np.array(tile, float), (len(texels[-1]), 1)))
    if not texels:
        return np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros((0, 2))
    return np.concatenate(texels), np.concatenate(faces), np.concatenate(tiles)


def unwrap(mesh: Mesh, *, size: int = 1024, seconds: float = 15.0) -> Mesh:
    """The mesh with new UVs on one page, all else as before; the page is named after the first and has no texture.

    Corners at equal positions are one vertex for this, so that a file's seams make no new ones. Charts lie at least
    two texels apart on a page of `size`, if it has room. A mesh of more faces than xatlas does by
    default in about so many `seconds`, on two cores, gets smaller and more charts; one of over 100,000 faces that falls
    into thousands of charts takes longer all the same. A face without area gets one point as its UV. Raises ValueError
    for a size below 64 or no time.
    """
    if size < 64 or not seconds > 0:
        raise ValueError(f"a size of at least 64 and some seconds are wanted, got {size} and {seconds}")
    positions, faces, area = _welded(mesh)
    uv, laid = np.zeros((len(faces), 3, 2)), np.zeros(len(faces), bool)
    options = _options(len(faces), seconds)
    sheets = _sheets(faces, np.flatnonzero(area > 0))
    atlas = _packed(positions, [faces[sheet] for sheet in sheets], options, size)
    scale = np.array([atlas.width, atlas.height]) / max(atlas.width, atlas.height)
    for number, sheet in enumerate(sheets):
        _, indices, points = atlas[number]
        uv[sheet] = points[indices].astype(np.float64) * scale
        for chart in range(atlas.get_mesh_chart_count(number)):
            laid[sheet[atlas.get_mesh_chart(number, chart).faces]] = True
    return replace(
        mesh,
        uv=_placed(uv, faces, laid).clip(0, 1),
        page=np.zeros(len(faces), np.int64),
        materials=(Material(mesh.materials[0].name),),
    )


def _packed(
    positions: NDArray[np.float32], sheets: list[Ints], options: xatlas.ChartOptions, size: int
) -> xatlas.Atlas:
    """The sheets' charts on one page, asked for smaller until its gutters hold at `size`; three times at most."""
    resolution = round(ROOM * size)
    for _ in range(3):
        atlas = xatlas.Atlas()
        for faces in sheets:
            used, indices = np.unique(faces, return_inverse=True)
            atlas.add_mesh(positions[used], indices.reshape(-1, 3).astype(np.uint32))
        pack = xatlas.PackOptions()
        pack.resolution, pack.padding, pack.bilinear = max(resolution, 16), PADDING, True
        atlas.generate(options, pack)
        side = max(atlas.width, atlas.height)
        if (2 * PADDING + 1) * size >= (GUTTER + 1) * side:
            break
        resolution = resolution * size // side
    return atlas


def _options(count: int, seconds: float) -> xatlas.ChartOptions:
    """The defaults for few faces; for many, charts as large as the time allows, where faces have area 1 on average."""
    options = xatlas.ChartOptions()
    if count * SLOW > seconds:
        options.max_cost = 0.5
        options.max_chart_area = max((seconds / (count * GROWTH)) ** 2, SMALLEST)
    return options


def _welded(mesh: Mesh) -> tuple[NDArray[np.float32], Ints, Floats]:
    """Distinct positions (n, 3) of the corners, the faces among them, and the faces' areas, which are 1 on average."""
    corners = mesh.vertices[mesh.faces].reshape(-1, 3) + 0.0
    _, first, inverse = np.unique(corners.view("V24")[:, 0], return_index=True, return_inverse=True)
    positions = mesh.unit.astype(np.float64)[mesh.faces.reshape(-1)[first]]
    faces = inverse.reshape(-1, 3)
    a, b, c = np.moveaxis(positions[faces], 1, 0)
    area = np.linalg.norm(np.cross(b - a, c - a), axis=1) / 2
    return (positions / np.sqrt(area.mean())).astype(np.float32), faces, area / area.mean()


def _sheets(faces: Ints, left: Ints) -> list[Ints]:
    """The faces `left`, by number, in sheets where no two run along an edge in one direction.

    A surface with one outside is one sheet. Repeated faces, the second side of doubled ones, and what meets an edge
    that has two faces already come on sheets of their own: charts across such edges would lie over themselves.
    """
    sheets = []
    while len(left):
        edges = np.stack([faces[left], np.roll(faces[left], -1, 1)], -1).reshape(-1, 2)
        _, first, inverse = np.unique(edges @ (faces.max() + 1, 1), return_index=True, return_inverse=True)
        free = (first[inverse] == np.arange(len(edges))).reshape(-1, 3).all(1)
        sheets.append(left[free])
        left = left[~free]
    return sheets


def _placed(uv: Floats, faces: Ints, laid: NDArray[np.bool_]) -> Floats:
    """UVs (F, 3, 2) where a face that is not laid out has one point: that of a vertex that it shares with one."""
    point = np.zeros((faces.max() + 1, 2))
    point[faces[laid]] = uv[laid]
    known = np.zeros(len(point), bool)
    known[faces[laid]] = True
    missing = faces[~laid]
    best = missing[np.arange(len(missing)), known[missing].argmax(1)]
    out = uv.copy()
    out[~laid] = point[best][:, None]
    return out


def _depth(corners: Floats, points: Floats) -> Floats:
    """(n) how far each point lies within its triangle (n, 3, 2): the distance to the nearest edge's line."""
    edge = np.roll(corners, -1, 1) - corners
    towards = points[:, None] - corners
    cross = edge[..., 0] * towards[..., 1] - edge[..., 1] * towards[..., 0]
    length = np.linalg.norm(edge, axis=-1)
    depth: Floats = np.abs(np.divide(cross, length, out=np.zeros_like(cross), where=length > 0)).min(1)
    return depth
