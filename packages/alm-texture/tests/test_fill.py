"""Voronoi completion against brute force, and what it must not do."""

import numpy as np
import pytest
from alm_texture.atlas import Atlas, atlas_of
from alm_texture.fill import TURN, fill_atlas, fill_gutters, fill_surface
from alm_texture.mesh import Mesh
from numpy.typing import NDArray
from shapes import box, icosphere, in_box, joined, moved, quad

RANDOM = np.random.default_rng(10)


def atlas_at(mesh: Mesh, size: int) -> Atlas:
    return atlas_of(mesh, mesh.normals, size)


def some(atlas: Atlas, share: float) -> NDArray[np.bool_]:
    """Some of the texels of the charts."""
    seen = np.zeros(atlas.count, bool)
    seen[atlas.texel] = RANDOM.random(len(atlas.texel)) < share
    return seen


@pytest.mark.parametrize("mesh", [icosphere(1), box()])
def test_the_surface_is_filled_from_the_nearest_place_with_a_like_normal(mesh: Mesh) -> None:
    atlas = atlas_at(mesh, 40)
    values, seen = RANDOM.random((atlas.count, 2), np.float32), some(atlas, 0.1)
    filled = fill_surface(atlas, values, seen)
    known = seen[atlas.texel]
    point, normal = atlas.point.astype(float), atlas.normal.astype(float)
    for i in RANDOM.choice(np.flatnonzero(~known), 60, replace=False):
        apart = ((point[known] - point[i]) ** 2).sum(1)
        apart += (TURN / 2) ** 2 * ((normal[known] - normal[i]) ** 2).sum(1)
        # One of the nearest, where several are as near as rounding tells.
        nearest = np.flatnonzero(apart <= apart.min() + 1e-6)
        assert (filled[atlas.texel[i]] == values[atlas.texel[known][nearest]]).all(1).any()
    assert np.array_equal(filled[seen], values[seen])
    inside = np.zeros(atlas.count, bool)
    inside[atlas.texel] = True
    assert np.array_equal(filled[~inside], values[~inside])


def test_the_inside_of_a_thin_wall_does_not_take_the_outsides_colour() -> None:
    # Two sheets 0.04 apart back to back, of which the inner is seen at its far end alone.
    back = quad()
    back = Mesh(back.vertices, back.faces[:, ::-1], back.uv[:, ::-1], back.page, back.materials, back.part, back.parts)  # type: ignore[index]
    wall = joined(in_box(quad(), 0, 0, 0.45, 1), moved(in_box(back, 0.55, 0, 1, 1), (0, 0, -0.04)))
    atlas = atlas_at(wall, 32)
    inner = atlas.normal[:, 2] < 0
    assert 0.3 < inner.mean() < 0.7
    values, seen = np.zeros((atlas.count, 1), np.float32), np.zeros(atlas.count, bool)
    values[atlas.texel[inner]] = 1
    ends = inner & (np.abs(atlas.point[:, 0] - atlas.point[inner, 0].max()) < 0.05)
    near = inner & (atlas.point[:, 0] > atlas.point[inner, 0].max() - 0.1)
    seen[atlas.texel[~inner | ends]] = True
    values[atlas.texel[inner & ~ends]] = 0.5
    filled = fill_surface(atlas, values, seen)
    assert (near & ~ends).any()
    assert (filled[atlas.texel[near]] == 1).all()
    # By place alone the outside would be the nearest for most of them.
    assert TURN > 0.04


def test_charts_side_by_side_in_the_atlas_but_apart_in_space_do_not_leak() -> None:
    # Three quads in a row of the atlas; the one in the middle is far from the first and close to the last.
    first, middle, last = (in_box(quad(), i / 3, 0, (i + 1) / 3, 1) for i in range(3))
    mesh = joined(first, moved(middle, (9, 0, 0)), moved(last, (11, 0, 0)))
    atlas = atlas_at(mesh, 24)
    part = atlas.face // 2
    values, seen = np.zeros((atlas.count, 1), np.float32), np.zeros(atlas.count, bool)
    values[atlas.texel] = part[:, None]
    seen[atlas.texel[part != 1]] = True
    filled = fill_surface(atlas, values, seen)
    assert (filled[atlas.texel[part == 1]] == 2).all()
    # In the atlas alone, half of them would have taken the first's.
    assert (fill_atlas(atlas, values, seen)[atlas.texel[part == 1]] == 0).any()


def test_the_atlas_is_filled_from_the_nearest_texel_of_the_same_page() -> None:
    size = 16
    atlas = atlas_at(joined(quad(), moved(quad(), (0, 0, 1)), pages=True), size)
    values, seen = RANDOM.random((atlas.count, 3), np.float32), RANDOM.random(atlas.count) < 0.04
    filled = fill_atlas(atlas, values, seen).reshape(2, size, size, 3)
    for page in range(2):
        known = np.argwhere(seen.reshape(2, size, size)[page])
        for row, column in np.ndindex(size, size):
            apart = ((known - [row, column]) ** 2).sum(1)
            nearest = known[apart == apart.min()]
            wanted = values.reshape(2, size, size, 3)[page][nearest[:, 0], nearest[:, 1]]
            assert (filled[page, row, column] == wanted).all(1).any()


def test_a_page_of_which_nothing_is_known_is_left_as_it_is() -> None:
    atlas = atlas_at(joined(quad(), moved(quad(), (0, 0, 1)), pages=True), 8)
    values, seen = RANDOM.random((atlas.count, 1), np.float32), np.zeros(atlas.count, bool)
    seen[5] = True
    filled = fill_atlas(atlas, values, seen)
    assert (filled[:64] == values[5]).all()
    assert np.array_equal(filled[64:], values[64:])


def test_gutters_take_the_nearest_texel_of_a_chart_and_leave_charts_and_what_is_kept() -> None:
    size = 20
    atlas = atlas_at(joined(quad(1, (0.1, 0.1, 0.4, 0.9)), moved(quad(1, (0.6, 0.1, 0.9, 0.9)), (0, 0, 1))), size)
    values = RANDOM.random((atlas.count, 2), np.float32)
    inside, kept = np.zeros(atlas.count, bool), np.zeros(atlas.count, bool)
    inside[atlas.texel] = True
    kept[[3, 4, 9 * size + 9]] = True
    assert not inside[kept].any()
    filled = fill_gutters(atlas, values, kept)
    assert np.array_equal(filled[inside | kept], values[inside | kept])
    known = np.argwhere((inside | kept).reshape(size, size))
    for texel in np.flatnonzero(~(inside | kept)):
        apart = ((known - np.divmod(texel, size)) ** 2).sum(1)
        nearest = known[apart == apart.min()]
        assert (filled[texel] == values[nearest[:, 0] * size + nearest[:, 1]]).all(1).any()
    # Without what is kept, its texels are gutter too.
    assert not np.array_equal(fill_gutters(atlas, values)[kept], values[kept])


def test_every_texel_is_filled() -> None:
    atlas = atlas_at(icosphere(1), 32)
    seen = some(atlas, 0.05)
    values = np.where(seen[:, None], 0.5, np.nan).astype(np.float32)
    assert (fill_gutters(atlas, fill_surface(atlas, values, seen)) == 0.5).all()


def test_arguments_stay_as_they_were() -> None:
    atlas = atlas_at(icosphere(1), 24)
    values, seen = RANDOM.random((atlas.count, 1), np.float32), some(atlas, 0.2)
    before = values.copy(), seen.copy()
    for fill in (fill_surface, fill_atlas, fill_gutters):
        fill(atlas, values, seen)
    assert np.array_equal(values, before[0])
    assert np.array_equal(seen, before[1])


def test_where_everything_is_seen_nothing_changes() -> None:
    atlas = atlas_at(icosphere(1), 24)
    values = RANDOM.random((atlas.count, 1), np.float32)
    assert np.array_equal(fill_surface(atlas, values, some(atlas, 2.0)), values)


@pytest.mark.parametrize("fill", [fill_surface, fill_atlas])
def test_a_texture_of_which_nothing_is_seen_is_refused(fill: object) -> None:
    atlas = atlas_at(quad(), 8)
    with pytest.raises(ValueError, match=r"no view sees the mesh.*choose other views"):
        fill(atlas, np.zeros((atlas.count, 1), np.float32), np.zeros(atlas.count, bool))  # type: ignore[operator]
