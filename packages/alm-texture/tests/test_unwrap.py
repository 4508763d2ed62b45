from pathlib import Path

import numpy as np
import pytest
import trimesh
from alm_texture.io import read_mesh
from alm_texture.mesh import Material, Mesh
from alm_texture.raster import Embree
from alm_texture.unwrap import check_overlap, check_uv, overlap, unwrap
from numpy.typing import ArrayLike, NDArray

SPOT = Path(__file__).parents[3] / "examples" / "meshes" / "spot.obj"


def mesh_of(vertices: ArrayLike, faces: ArrayLike, uv: ArrayLike | None = None, page: ArrayLike | None = None) -> Mesh:
    faces = np.asarray(faces, np.int64)
    page = np.zeros(len(faces), np.int64) if page is None else np.asarray(page, np.int64)
    materials = tuple(Material(f"page {n}") for n in range(page.max() + 1))
    corners = None if uv is None else np.asarray(uv, float)
    return Mesh(np.asarray(vertices, float), faces, corners, page, materials, page * 0, ("it",))


def flat(uv: ArrayLike, page: ArrayLike | None = None) -> Mesh:
    """Faces (F, 3, 2) that lie in space as in the UV plane."""
    uv = np.asarray(uv, float)
    return mesh_of(np.pad(uv.reshape(-1, 2), ((0, 0), (0, 1))), np.arange(3 * len(uv)).reshape(-1, 3), uv, page)


def square(u: float, v: float, side: float) -> list[list[tuple[float, float]]]:
    a, b, c, d = (u, v), (u + side, v), (u + side, v + side), (u, v + side)
    return [[a, b, c], [a, c, d]]


def bumpy(count: int = 12, seed: int = 0) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """A closed surface of genus 1, 2 · count · 2 count faces, its vertices moved at random."""
    i, j = np.meshgrid(np.arange(2 * count), np.arange(count), indexing="ij")
    u, w = np.pi * i / count, 2 * np.pi * j / count
    r = 0.4 * (1 + 0.2 * np.sin(5 * u) * np.sin(3 * w))
    v = np.stack([(1 + r * np.cos(w)) * np.cos(u), (1 + r * np.cos(w)) * np.sin(u), r * np.sin(w)], -1).reshape(-1, 3)
    a, b = i * count + j, (i + 1) % (2 * count) * count + j
    c, d = (i + 1) % (2 * count) * count + (j + 1) % count, i * count + (j + 1) % count
    faces = np.concatenate([np.stack(t, -1).reshape(-1, 3) for t in ((a, b, c), (a, c, d))])
    return v + np.random.default_rng(seed).normal(0, 0.01, v.shape), faces


def uv_areas(mesh: Mesh) -> NDArray[np.float64]:
    assert mesh.uv is not None
    a, b = mesh.uv[:, 1] - mesh.uv[:, 0], mesh.uv[:, 2] - mesh.uv[:, 0]
    return np.abs(a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]) / 2


def charts(mesh: Mesh) -> NDArray[np.int64]:
    """(F) the number of each face's chart: faces whose corners share UVs are of one."""
    assert mesh.uv is not None
    corners = np.unique(mesh.uv.reshape(-1, 2), axis=0, return_inverse=True)[1].reshape(-1, 3)
    edges = np.concatenate([corners[:, [0, 1]], corners[:, [1, 2]]])
    return trimesh.graph.connected_component_labels(edges, node_count=corners.max() + 1)[corners[:, 0]]


def is_valid(mesh: Mesh) -> None:
    assert mesh.uv is not None
    assert mesh.uv.min() >= 0
    assert mesh.uv.max() <= 1
    assert overlap(mesh, 512) == 0


def test_overlap_is_the_share_of_covered_texels_that_have_two_faces() -> None:
    assert overlap(flat(square(0.1, 0.1, 0.5)), 400) == 0
    two = flat(square(0.1, 0.1, 0.4) + square(0.3, 0.3, 0.4))
    assert overlap(two, 400) == pytest.approx(0.2**2 / (2 * 0.4**2 - 0.2**2), abs=0.005)
    off_diagonal = 1 - 1 / 100
    assert overlap(flat(square(0, 0, 1) * 2), 100) >= off_diagonal
    assert overlap(flat(square(0, 0, 1) * 3), 100) >= off_diagonal


def test_overlap_knows_pages_apart_and_sees_mirrored_faces() -> None:
    apart = square(0.1, 0.1, 0.4) + square(0.3, 0.3, 0.4)
    assert overlap(flat(apart, [0, 0, 1, 1]), 256) == 0
    mirrored = [face[::-1] for face in square(0.1, 0.1, 0.4)]
    assert overlap(flat(square(0.1, 0.1, 0.4) + mirrored), 256) >= 1 - 1 / 100


def test_neither_shared_edges_through_texel_centres_nor_faces_without_area_overlap() -> None:
    n = 16
    grid = [face for k in range(n * n) for face in square(k % n / n, k // n / n, 1 / n)]
    line = [[(0, 0), (1, 1), (0.5, 0.5)], [(0.2, 0.2)] * 3]
    for size in (16, 17, 64, 250):
        assert overlap(flat(grid + line), size) == 0


def test_check_overlap_says_the_share_and_what_to_do() -> None:
    check_overlap(flat(square(0.1, 0.1, 0.5)), 256)
    with pytest.raises(ValueError, match=r"14\.\d% of the covered texels .* --unwrap"):
        check_overlap(flat(square(0.1, 0.1, 0.4) + square(0.3, 0.3, 0.4)), 256)


def test_spots_own_atlas_crosses_the_border_of_its_page_and_passes_as_it_is() -> None:
    spot = read_mesh(SPOT)
    assert spot.uv is not None
    assert spot.uv.min() < -0.05
    assert check_uv(spot) is spot
    check_overlap(spot, 512)


@pytest.mark.parametrize("shift", [(0.0, 0.0), (-0.3, 0.0), (0.55, -0.7), (40.0, 3.5)])
def test_a_chart_that_crosses_the_border_of_its_page_is_no_overlap(shift: tuple[float, float]) -> None:
    whole = np.add(square(0, 0, 1), shift)
    check_uv(flat(whole))
    for size in (64, 65):
        assert overlap(flat(whole), size) == 0


@pytest.mark.parametrize("tile", [(1, 0), (0, -1), (3, 2)])
def test_faces_in_two_tiles_that_land_on_the_same_texels_overlap(tile: tuple[int, int]) -> None:
    one = square(0.1, 0.1, 0.4)
    folded = flat(np.concatenate([one, np.add(one, tile)]))
    check_uv(folded)
    assert overlap(folded, 256) >= 1 - 1 / 100
    beside = flat(np.concatenate([one, np.add(square(0.5, 0.5, 0.4), tile)]))
    assert overlap(beside, 256) == 0


def test_a_face_that_lies_over_itself_on_the_folded_page_overlaps() -> None:
    assert overlap(flat(square(0.25, 0, 1.5)), 256) == pytest.approx(0.75, abs=0.01)
    strip = [[(0, 0.25), (2, 0.25), (2, 0.5)], [(0, 0.25), (2, 0.5), (0, 0.5)]]
    assert overlap(flat(strip), 256) == 1


def test_with_refuse_uvs_outside_the_page_are_refused_with_their_range() -> None:
    mesh = flat(square(0.5, -0.25, 0.75))
    check_uv(mesh)
    with pytest.raises(
        ValueError,
        match=r"2 of 2 faces are not; all reach from \(0\.5, -0\.25\) to \(1\.25, 0\.5\): .* --uv-outside wrap",
    ):
        check_uv(mesh, outside="refuse")
    check_uv(flat([[(-5e-7, 0), (1, 0), (1, 1 + 5e-7)]]), outside="refuse")
    with pytest.raises(ValueError, match="those of 1 of 1 faces"):
        check_uv(flat([[(-5e-6, 0), (1, 0), (1, 1)]]), outside="refuse")


def test_uvs_over_more_than_eight_tiles_are_refused() -> None:
    check_uv(flat(square(-3.5, -40, 8)))
    with pytest.raises(ValueError, match=r"over 8 tiles, these reach from \(0, 0\) to \(1, 8\.25\): .* --unwrap"):
        check_uv(flat([[(0, 0), (1, 0), (1, 8.25)]]))


def test_missing_and_broken_uvs_are_refused() -> None:
    with pytest.raises(ValueError, match="this one has none: make them with --unwrap"):
        check_uv(mesh_of(*bumpy()))
    with pytest.raises(ValueError, match="1 of 2 faces have NaN or infinite UVs"):
        check_uv(flat([*square(0, 0, 1)[:1], [(0, 0), (np.nan, 0), (1, 1)]]))
    with pytest.raises(ValueError, match="must be one of wrap, refuse, got 'mirror'"):
        check_uv(flat(square(0, 0, 1)), outside="mirror")  # type: ignore[arg-type]


@pytest.mark.parametrize(("scale", "offset"), [(1, 0), (1e-5, 0), (1, 1e6), (1e6, -3e7)])
def test_new_uvs_fill_the_page_without_overlap_whatever_the_units(scale: float, offset: float) -> None:
    vertices, faces = bumpy()
    mesh = mesh_of(vertices * scale + offset, faces)
    new = unwrap(mesh, size=256)
    is_valid(new)
    assert uv_areas(new).min() > 0
    assert uv_areas(new).sum() > 0.25
    assert new.vertices is mesh.vertices
    assert new.faces is mesh.faces


def test_new_uvs_keep_the_shape_of_faces_and_their_sizes_to_each_other() -> None:
    vertices, faces = bumpy()
    new = unwrap(mesh_of(vertices, faces), size=256)
    corners = vertices[faces]
    area = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)
    ratio = uv_areas(new) / area
    assert np.quantile(ratio, 0.95) < 3 * np.quantile(ratio, 0.05)


def test_a_long_flat_strip_is_laid_out_without_stretching() -> None:
    x, y = np.meshgrid(np.arange(31.0), np.arange(3.0), indexing="ij")
    vertices = np.stack([x, y, 0 * x], -1).reshape(-1, 3)
    corner = np.add.outer(np.arange(30) * 3, np.arange(2)).ravel()
    faces = np.concatenate([corner[:, None] + [0, 3, 4], corner[:, None] + [0, 4, 1]])
    new = unwrap(mesh_of(vertices, faces), size=256)
    assert new.uv is not None
    lengths = np.linalg.norm(np.roll(new.uv, -1, 1) - new.uv, axis=-1)
    true = np.linalg.norm(np.roll(vertices[faces], -1, 1) - vertices[faces], axis=-1)
    assert np.ptp(lengths / true) < 0.1 * (lengths / true).mean(), "but for whole texels"


def test_split_vertices_unwrap_as_one_surface() -> None:
    vertices, faces = bumpy()
    welded = unwrap(mesh_of(vertices, faces), size=256)
    soup = unwrap(mesh_of(vertices[faces].reshape(-1, 3), np.arange(faces.size).reshape(-1, 3)), size=256)
    is_valid(soup)
    assert charts(soup).max() == charts(welded).max() < len(faces) / 5


def test_ten_components_lie_apart_by_two_texels() -> None:
    vertices, faces = bumpy(5)
    ten = np.concatenate([np.add(vertices, (3 * k, 0, 0)) for k in range(10)])
    new = unwrap(mesh_of(ten, np.concatenate([faces + k * len(vertices) for k in range(10)])), size=256)
    is_valid(new)
    assert new.uv is not None
    label, size = charts(new), 256
    plane = np.pad(new.uv.reshape(-1, 2) * 2 - 1, ((0, 0), (0, 1))).astype(np.float32)
    face = Embree(plane, np.arange(len(plane), dtype=np.int32).reshape(-1, 3)).cast(np.eye(4), size, size).face
    chart = np.where(face >= 0, label[face], -1)
    for down in (-2, -1, 0, 1, 2):
        for right in (0, 1, 2):
            here = chart[max(down, 0) : size + min(down, 0), right:]
            there = chart[max(-down, 0) : size - max(down, 0), : size - right]
            assert not ((here >= 0) & (there >= 0) & (here != there)).any()


def test_degenerate_repeated_and_non_manifold_faces_get_uvs() -> None:
    vertices, faces = bumpy()
    fin = [[faces[0, 0], faces[0, 1], len(vertices)]]
    more = np.concatenate(
        [faces, faces[:20], faces[30:40, ::-1], fin, [[len(vertices) + 1, 7, 7], [3, 3, 7], [5, 5, 5]]]
    )
    flat_one = [[len(vertices) + 1, len(vertices) + 2, len(vertices) + 3]]
    mesh = mesh_of([*vertices, [3, 3, 3], [4, 0, 0], [5, 0, 0], [6, 0, 0]], np.concatenate([more, flat_one]))
    new = unwrap(mesh, size=256)
    is_valid(new)
    assert (uv_areas(new)[:-4] > 0).all()
    assert (uv_areas(new)[-4:] == 0).all()
    assert new.uv is not None
    for face, vertex in ((-4, 7), (-3, 3), (-2, 5)):
        there = new.uv[:-4][new.faces[:-4] == vertex]
        assert (there == new.uv[face, 0]).all(1).any()


def test_the_second_side_of_a_doubled_mesh_is_laid_out_in_charts_of_its_own() -> None:
    vertices, faces = bumpy()
    new = unwrap(mesh_of(vertices, np.concatenate([faces, faces[:, ::-1]])), size=256)
    is_valid(new)
    assert charts(new).max() < len(faces) / 5


def test_many_faces_at_one_edge_do_not_overlap() -> None:
    vertices, faces = bumpy()
    tip = len(vertices)
    fins = [[a, b, tip] for a, b in faces[:50, :2]] + [[faces[0, 0], faces[0, 1], n] for n in range(30, 40)]
    new = unwrap(mesh_of([*vertices, [3, 3, 3]], np.concatenate([faces, fins])), size=256)
    is_valid(new)
    assert uv_areas(new).min() > 0


def test_pages_become_one_that_is_named_after_the_first_and_parts_stay() -> None:
    vertices, faces = bumpy()
    mesh = mesh_of(vertices, faces, np.zeros((len(faces), 3, 2)), np.arange(len(faces)) % 3)
    new = unwrap(mesh, size=256)
    assert [m.name for m in new.materials] == ["page 0"]
    assert new.materials[0].texture is None
    assert not new.page.any()
    assert new.part is mesh.part


def test_less_time_makes_more_and_smaller_charts() -> None:
    mesh = mesh_of(*bumpy(20))
    unhurried, hurried = unwrap(mesh, size=512), unwrap(mesh, size=512, seconds=0.1)
    is_valid(hurried)
    assert charts(hurried).max() > 1.5 * charts(unhurried).max()


@pytest.mark.parametrize("more", [{"size": 32}, {"seconds": 0}, {"seconds": float("nan")}])
def test_sizes_and_times_that_make_no_sense_are_refused(more: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="a size of at least 64 and some seconds"):
        unwrap(mesh_of(*bumpy()), **more)  # type: ignore[arg-type]
