"""Texels by hand: where their centres lie, which of them a UV mixes, and what share of the surface each stands for."""

from itertools import pairwise

import numpy as np
import pytest
from alm_texture.atlas import Atlas, atlas_of, corners, shade
from alm_texture.camera import Camera
from alm_texture.mesh import Mesh
from alm_texture.scene import Scene
from shapes import box, icosphere, in_box, joined, mesh_of, moved, quad

ROOT = np.sqrt(0.5)
"""Half the side of any square in its unit frame."""
RANDOM = np.random.default_rng(5)


def atlas_at(mesh: Mesh, size: int) -> Atlas:
    return atlas_of(mesh, mesh.normals, size)


def test_texel_centres_of_a_quad_are_where_u_runs_right_and_v_up() -> None:
    atlas = atlas_at(quad(4.0, (0.25, 0.5, 0.75, 1.0)), 8)
    texels = [row * 8 + column for row in range(4) for column in range(2, 6)]
    assert atlas.texel.tolist() == texels
    for texel, point in zip(texels, atlas.point, strict=True):
        row, column = divmod(texel, 8)
        u, v = (column + 0.5) / 8, 1 - (row + 0.5) / 8
        x, y = (u - 0.25) / 0.5 * 2 - 1, (v - 0.5) / 0.5 * 2 - 1
        np.testing.assert_allclose(point, [x * ROOT, y * ROOT, 0], atol=1e-6)
    assert (atlas.normal == [0, 0, 1]).all()
    # The faces meet on the diagonal from the lower left.
    above = atlas.point[:, 1] - atlas.point[:, 0]
    assert (atlas.face[above > 1e-4] == 1).all()
    assert (atlas.face[above < -1e-4] == 0).all()


@pytest.mark.parametrize("shift", [(1.0, -2.0), (0.5, 0.25), (-0.375, 3.5)])
def test_uvs_beyond_the_page_repeat(shift: tuple[float, float]) -> None:
    size = 16
    here = atlas_at(quad(), size)
    there = atlas_at(in_box(quad(), shift[0], shift[1], 1 + shift[0], 1 + shift[1]), size)
    row, column = np.divmod(here.texel, size)
    moved_to = (row - round(shift[1] * size)) % size * size + (column + round(shift[0] * size)) % size
    order = np.argsort(moved_to)
    assert np.array_equal(there.texel, moved_to[order])
    np.testing.assert_allclose(there.point, here.point[order], atol=1e-5)


def test_a_chart_across_the_border_of_its_page_has_all_its_texels() -> None:
    atlas = atlas_at(quad(1.0, (0.75, -0.25, 1.25, 0.25)), 8)
    assert set(atlas.texel.tolist()) == {r * 8 + c for r in (6, 7, 0, 1) for c in (6, 7, 0, 1)}
    at = {int(t): p for t, p in zip(atlas.texel, atlas.point, strict=True)}
    # u = 7.5/8 and u = 8.5/8 are neighbours; v = 0.5/8 is row 7 and v = −0.5/8 is row 0, below it.
    np.testing.assert_allclose(at[7 * 8 + 0] - at[7 * 8 + 7], [0.5 * ROOT, 0, 0], atol=1e-5)
    np.testing.assert_allclose(at[7 * 8 + 0] - at[0], [0, 0.5 * ROOT, 0], atol=1e-5)


def test_pages_are_numbered_one_after_another() -> None:
    size = 8
    mesh = joined(quad(1, (0, 0, 0.5, 0.5)), moved(quad(1, (0.5, 0.5, 1, 1)), (0, 0, 1)), quad(0.1), pages=True)
    atlas = atlas_at(mesh, size)
    assert atlas.pages == 3
    assert atlas.count == 3 * 64
    pages = atlas.texel // 64
    assert np.array_equal(pages, mesh.page[atlas.face])
    assert np.bincount(pages).tolist() == [16, 16, 64]
    assert (np.diff(atlas.texel) > 0).all()
    row, column = np.divmod(atlas.texel % 64, size)
    assert (row[pages == 0] >= 4).all()
    assert (column[pages == 0] < 4).all()
    assert (row[pages == 1] < 4).all()
    assert (column[pages == 1] >= 4).all()


def test_a_page_without_faces_has_no_texels() -> None:
    mesh = mesh_of(quad().vertices, quad().faces, quad().uv, np.array([1, 1]))
    assert set((atlas_at(mesh, 4).texel // 16).tolist()) == {1}


def test_corners_are_the_four_texels_around_a_uv_with_bilinear_weights() -> None:
    uv = np.array([[0.5, 0.5], [0.625, 0.375], [0.55, 0.375], [0.625, 0.3], [0.7, 0.45]])
    texel, weight = corners(uv, np.array([0, 0, 2, 0, 1]), 4)
    by_hand = [
        {(0, 1, 1): 0.25, (0, 1, 2): 0.25, (0, 2, 1): 0.25, (0, 2, 2): 0.25},
        {(0, 2, 2): 1.0},
        {(2, 2, 1): 0.3, (2, 2, 2): 0.7},
        {(0, 2, 2): 0.7, (0, 3, 2): 0.3},
        {(1, 1, 2): 0.3 * 0.7, (1, 1, 3): 0.3 * 0.3, (1, 2, 2): 0.7 * 0.7, (1, 2, 3): 0.7 * 0.3},
    ]
    for texels, weights, wanted in zip(texel, weight, by_hand, strict=True):
        found = {(t // 16, t % 16 // 4, t % 4): w for t, w in zip(texels.tolist(), weights, strict=True) if w > 1e-6}
        assert found.keys() == wanted.keys()
        for key, value in wanted.items():
            assert found[key] == pytest.approx(value, abs=1e-6)


def test_corners_at_the_border_repeat_on_their_own_page() -> None:
    texel, weight = corners(np.array([[0.0, 0.875], [1.0, 0.0], [-0.5, 2.375]]), np.array([1, 0, 0]), 4)
    found = [
        {t: float(w) for t, w in zip(ts.tolist(), ws, strict=True) if w > 1e-6}
        for ts, ws in zip(texel, weight, strict=True)
    ]
    assert found[0] == pytest.approx({16 + 3: 0.5, 16 + 0: 0.5})
    assert found[1] == pytest.approx({0: 0.25, 3: 0.25, 12: 0.25, 15: 0.25})
    assert found[2] == pytest.approx({2 * 4 + 1: 0.5, 2 * 4 + 2: 0.5})


def test_shading_a_linear_ramp_is_exact() -> None:
    size = 32
    mesh = quad(1, (0.1, 0.05, 0.9, 0.85))
    row, column = np.divmod(np.arange(size * size), size)
    u, v = (column + 0.5) / size, 1 - (row + 0.5) / size
    values = np.stack([0.3 + 2 * u - 0.7 * v, v - u], 1).astype(np.float32)
    view = Scene(mesh).look(Camera.orbit(31, -17, 2.1, 50), 48)
    u, v = (0.1 + 0.8 * (view.point[:, 0] / ROOT + 1) / 2, 0.05 + 0.8 * (view.point[:, 1] / ROOT + 1) / 2)
    assert len(u) > 200
    np.testing.assert_allclose(shade(mesh, view, values, size), np.stack([0.3 + 2 * u - 0.7 * v, v - u], 1), atol=1e-4)


def test_shading_reads_each_face_from_its_own_page() -> None:
    mesh = joined(quad(), moved(quad(0.4), (0, 0, 0.5)), pages=True)
    values = np.repeat(np.array([0.2, 0.9], np.float32), 16)[:, None]
    view = Scene(mesh).look(Camera.orbit(0, 0), 32)
    shown = shade(mesh, view, values, 4)[:, 0]
    assert set(np.unique(mesh.page[view.face])) == {0, 1}
    np.testing.assert_allclose(shown, np.where(mesh.page[view.face] == 1, 0.9, 0.2), atol=1e-6)


@pytest.mark.parametrize("mesh", [box(), icosphere(1), joined(quad(), moved(quad(0.3), (0, 0, 1)), pages=True)])
def test_areas_of_texels_are_their_parts_of_their_faces_and_sum_to_one(mesh: Mesh) -> None:
    atlas = atlas_at(mesh, 64)
    assert atlas.area.sum() == pytest.approx(1)
    corner = mesh.vertices[mesh.faces]
    area = np.linalg.norm(np.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0]), axis=1)
    np.testing.assert_allclose(np.bincount(atlas.face, atlas.area), area / area.sum(), atol=1e-6)
    for _, mine in ((f, atlas.area[atlas.face == f]) for f in np.unique(atlas.face)[:5]):
        assert np.ptp(mine) == 0


def test_the_texels_of_a_sphere_lie_on_it_each_in_its_own_face() -> None:
    mesh = icosphere(2)
    atlas = atlas_at(mesh, 128)
    assert len(np.unique(atlas.face)) == len(mesh.faces)
    np.testing.assert_allclose(atlas.bary.sum(1), 1, atol=1e-5)
    place = (atlas.bary[:, :, None] * mesh.unit[mesh.faces[atlas.face]]).sum(1)
    np.testing.assert_allclose(place, atlas.point, atol=1e-6)
    offset = ((atlas.point - mesh.unit[mesh.faces[atlas.face, 0]]) * mesh.normals[atlas.face]).sum(1)
    np.testing.assert_allclose(offset, 0, atol=1e-5)
    corner = mesh.unit[mesh.faces[atlas.face]]
    for a, b in pairwise([0, 1, 2, 0]):
        edge = np.cross(corner[:, b] - corner[:, a], atlas.point - corner[:, a])
        assert ((edge * mesh.normals[atlas.face]).sum(1) > -1e-4).all()
