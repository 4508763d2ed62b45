"""Small meshes with closed forms, for the tests."""

import numpy as np
from alm_texture.mesh import Material, Mesh
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def mesh_of(vertices: object, faces: object, uv: Floats | None = None, page: Ints | None = None, up: str = "y") -> Mesh:
    """A mesh of one part, with as many pages as `page` (F) names."""
    vertices, faces = np.asarray(vertices, np.float64), np.asarray(faces, np.int64)
    page = np.zeros(len(faces), np.int64) if page is None else np.asarray(page, np.int64)
    materials = tuple(Material(f"page {i}") for i in range(int(page.max()) + 1))
    return Mesh(vertices, faces, uv, page, materials, np.zeros(len(faces), np.int64), ("mesh",), up)


def joined(*meshes: Mesh, pages: bool = False) -> Mesh:
    """Several meshes as one, on one page, or with `pages` on one each."""
    offsets = np.cumsum([0, *(len(mesh.vertices) for mesh in meshes)])
    return mesh_of(
        np.concatenate([mesh.vertices for mesh in meshes]),
        np.concatenate([mesh.faces + n for mesh, n in zip(meshes, offsets, strict=False)]),
        np.concatenate([_uv(mesh) for mesh in meshes]),
        np.concatenate([np.full(len(mesh.faces), i if pages else 0) for i, mesh in enumerate(meshes)]),
    )


def moved(mesh: Mesh, offset: object, scale: float = 1.0) -> Mesh:
    """The mesh scaled about the origin, then moved."""
    return mesh_of(mesh.vertices * scale + np.asarray(offset), mesh.faces, mesh.uv, mesh.page, mesh.up)


def in_box(mesh: Mesh, left: float, bottom: float, right: float, top: float) -> Mesh:
    """The mesh with its UVs, of [0, 1]², squeezed into a box of the page."""
    low, high = np.array([left, bottom]), np.array([right, top])
    return mesh_of(mesh.vertices, mesh.faces, low + _uv(mesh) * (high - low), mesh.page, mesh.up)


def quad(half: float = 1.0, box: tuple[float, float, float, float] = (0.0, 0.0, 1.0, 1.0)) -> Mesh:
    """The square |x|, |y| ≤ half at z = 0, which faces +Z; u runs with x and v with y over the box of the page."""
    square = np.array([[0, 0], [1, 0], [1, 1], [0, 1]])
    faces = np.array([[0, 1, 2], [0, 2, 3]])
    vertices = np.concatenate([(2 * square - 1) * half, np.zeros((4, 1))], 1)
    return in_box(mesh_of(vertices, faces, square[faces].astype(np.float64)), *box)


def icosphere(levels: int) -> Mesh:
    """The unit sphere of 20 · 4^levels triangles, a chart each: two to a cell of a grid, with gutters."""
    golden = (1 + 5**0.5) / 2
    v = [(-1, golden, 0), (1, golden, 0), (-1, -golden, 0), (1, -golden, 0)]
    vertices = np.array([*v, *((c, a, b) for a, b, c in v), *((b, c, a) for a, b, c in v)])
    # The faces of a convex solid: those triples of neighbours that are wound outwards.
    near = np.isclose(np.linalg.norm(vertices[:, None] - vertices[None], axis=2), 2)
    faces = np.array(
        [
            (i, j, k)
            for i in range(12)
            for j in range(i + 1, 12)
            for k in range(i + 1, 12)
            if near[i, j] and near[j, k] and near[k, i] and np.linalg.det(vertices[[i, j, k]]) > 0
        ]
    )
    vertices = vertices / np.linalg.norm(vertices, axis=1, keepdims=True)
    for _ in range(levels):
        vertices, faces = _subdivided(vertices, faces)
        vertices = vertices / np.linalg.norm(vertices, axis=1, keepdims=True)
    return mesh_of(vertices, faces, grid_uv(len(faces)))


def grid_uv(count: int) -> Floats:
    """A chart for each of `count` faces: the lower left or the upper right half of a cell."""
    side = int(np.ceil(np.sqrt(count / 2)))
    cell, upper = np.divmod(np.arange(count), 2)
    start = np.stack([cell % side, cell // side], 1)
    low = np.array([[0.08, 0.08], [0.75, 0.08], [0.08, 0.75]])
    return (start[:, None] + np.where(upper[:, None, None] == 1, 1 - low, low)) / side


def uv_sphere(rows: int = 16, columns: int = 32) -> Mesh:
    """The unit sphere by latitude and longitude: u runs around it, cut at azimuth 180, and v from south to north."""
    v, u = np.meshgrid(np.linspace(0, 1, rows + 1), np.linspace(0, 1, columns + 1), indexing="ij")
    latitude, longitude = np.pi * (v - 0.5), 2 * np.pi * (u - 0.5)
    vertices = np.stack(
        [np.cos(latitude) * np.sin(longitude), np.sin(latitude), np.cos(latitude) * np.cos(longitude)], -1
    ).reshape(-1, 3)
    start = (np.arange(rows)[:, None] * (columns + 1) + np.arange(columns)).ravel()
    a, b, c, d = start, start + 1, start + columns + 2, start + columns + 1
    faces = np.concatenate([np.stack([a, b, c], 1), np.stack([a, c, d], 1)])
    corners = vertices[faces]
    area = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)
    faces = faces[area > 1e-9]
    return mesh_of(vertices, faces, np.stack([u.ravel(), v.ravel()], 1)[faces])


def box() -> Mesh:
    """The cube |x|, |y|, |z| ≤ 1: six charts, three to a row, with gutters."""
    sides = []
    for i in range(6):
        axis, sign = i // 2, 1 - 2 * (i % 2)
        turned = quad()
        flat = turned.vertices + np.array([0, 0, 1])
        if sign < 0:
            flat = flat * np.array([-1, 1, -1])
        vertices = np.roll(flat, axis + 1, axis=1)
        left, bottom = (i % 3) / 3, (i // 3) / 2
        side = mesh_of(vertices, turned.faces, turned.uv)
        sides.append(in_box(side, left + 0.03, bottom + 0.03, left + 0.3, bottom + 0.47))
    return joined(*sides)


def ten_spheres() -> Mesh:
    """Ten spheres that do not touch, on one page, four to a row."""
    made = []
    for i in range(10):
        column, row = i % 4, i // 4
        angle = 2 * np.pi * i / 10
        centre = (3 * np.cos(angle), 0.5 * (-1) ** i, 3 * np.sin(angle))
        chart = in_box(uv_sphere(8, 16), column / 4 + 0.01, row / 3 + 0.01, column / 4 + 0.24, row / 3 + 0.32)
        made.append(moved(chart, centre, 0.6 + 0.02 * i))
    return joined(*made)


def waves(point: NDArray[np.float32], turns: float = 3.0) -> NDArray[np.float32]:
    """A smooth colour (n, 3) in [0, 1] of points (n, 3)."""
    x, y, z = point.T
    colour = [np.sin(turns * x + y + 1), np.cos(turns * y - z), np.sin(turns * z + 0.5 * x)]
    return (0.5 + 0.45 * np.stack(colour, 1)).astype(np.float32)


def _subdivided(vertices: Floats, faces: Ints) -> tuple[Floats, Ints]:
    """Each triangle as four."""
    edges = np.sort(faces[:, [[0, 1], [1, 2], [2, 0]]], axis=2)
    unique, at = np.unique(edges.reshape(-1, 2), axis=0, return_inverse=True)
    a, b, c = faces.T
    ab, bc, ca = (len(vertices) + at.reshape(-1, 3)).T
    made = [np.stack(each, 1) for each in ((a, ab, ca), (ab, b, bc), (ca, bc, c), (ab, bc, ca))]
    return np.concatenate([vertices, vertices[unique].mean(1)]), np.concatenate(made)


def _uv(mesh: Mesh) -> Floats:
    assert mesh.uv is not None
    return mesh.uv
