"""Measures against textures of which they are known."""

import math

import numpy as np
import pytest
from alm_texture.atlas import shade
from alm_texture.bake import Picture
from alm_texture.camera import Camera, paper_views
from alm_texture.metrics import seam_contrast, view_agreement
from alm_texture.scene import Scene
from alm_texture.sight import CLEARLY, sight
from numpy.typing import NDArray
from shapes import box, icosphere, in_box, joined, moved, quad, uv_sphere, waves

RANDOM = np.random.default_rng(12)
NEAR_BY = [Camera.orbit(0, 0), Camera.orbit(30, 10), Camera.orbit(-25, 20)]


def pictures_of(scene: Scene, cameras: list[Camera], colours: list[NDArray[np.float32]] | None = None) -> list[Picture]:
    """Of the surface's own colours, or of one colour each."""
    made = []
    for i, camera in enumerate(cameras):
        view = scene.look(camera, 96)
        made.append(Picture(camera, view, np.tile(colours[i], (len(view.pixel), 1)) if colours else waves(view.point)))
    return made


def test_pictures_of_one_surface_agree() -> None:
    scene = Scene(icosphere(3))
    assert view_agreement(scene.atlas(128), pictures_of(scene, NEAR_BY)) < 0.005


def test_pictures_of_two_colours_disagree_by_their_difference() -> None:
    scene = Scene(icosphere(2))
    first, second = RANDOM.random((2, 3), np.float32)
    found = view_agreement(scene.atlas(96), pictures_of(scene, NEAR_BY[:2], [first, second]))
    assert found == pytest.approx(np.abs(first - second).mean(), abs=1e-5)


def test_all_pairs_count_by_what_they_share() -> None:
    scene = Scene(icosphere(2))
    atlas, colours = scene.atlas(96), list(RANDOM.random((3, 2), np.float32))
    shared, total, texels = [], 0.0, 0
    for camera in NEAR_BY:
        shown = sight(atlas, camera, scene.look(camera, 96))
        shared.append(set(shown.at[shown.cosine >= CLEARLY].tolist()))
    for i, j in ((0, 1), (0, 2), (1, 2)):
        both = len(shared[i] & shared[j])
        total, texels = total + both * float(np.abs(colours[i] - colours[j]).mean()), texels + both
    assert view_agreement(atlas, pictures_of(scene, NEAR_BY, colours)) == pytest.approx(total / texels, abs=1e-5)


def test_views_that_share_nothing_have_no_agreement() -> None:
    scene = Scene(icosphere(2))
    assert math.isnan(view_agreement(scene.atlas(64), pictures_of(scene, [Camera.orbit(0, 0), Camera.orbit(180, 0)])))
    assert math.isnan(view_agreement(scene.atlas(64), []))


def test_a_texture_that_runs_on_across_its_cuts_shows_no_seam() -> None:
    # The cut of the sphere lies at azimuth 180.
    scene, size = Scene(uv_sphere(24, 48)), 256
    atlas = scene.atlas(size)
    values = np.zeros((atlas.count, 3), np.float32)
    values[atlas.texel] = waves(atlas.point)
    view = scene.look(Camera.orbit(180, 5), 128)
    assert 0.5 < seam_contrast(scene.mesh, view, shade(scene.mesh, view, values, size), size) < 2


def test_a_texture_that_differs_on_the_two_sides_of_a_cut_shows_its_seam() -> None:
    scene, size = Scene(uv_sphere(24, 48)), 256
    atlas = scene.atlas(size)
    values = np.zeros((atlas.count, 3), np.float32)
    values[atlas.texel] = waves(atlas.point) + np.where(atlas.point[:, :1] > 0, 0.4, 0).astype(np.float32)
    view = scene.look(Camera.orbit(180, 5), 128)
    shown = shade(scene.mesh, view, values, size)
    assert seam_contrast(scene.mesh, view, shown, size) > 5
    # In front the same step lies within a chart: no cut is seen.
    front = scene.look(Camera.orbit(0, 5), 128)
    assert math.isnan(seam_contrast(scene.mesh, front, shade(scene.mesh, front, values, size), size))


@pytest.mark.parametrize("boxes", [((0.1, 0.9), (0.1, 0.9)), ((0.1, 0.5), (0.5, 0.9))])
def test_the_contrast_is_the_ratio_of_jumps_across_cuts_to_the_others(boxes: tuple[tuple[float, float], ...]) -> None:
    # Two halves of a square, a page each, whose UVs may run on: known steps, and one jump where they meet.
    halves = [
        moved(in_box(quad(0.5), low, 0.1, high, 0.9), (x, 0, 0))
        for x, (low, high) in zip((-0.5, 0.5), boxes, strict=True)
    ]
    scene, size = Scene(joined(*halves, pages=True)), 64
    view = scene.look(Camera.orbit(0, 0), 80)
    row, column = np.divmod(view.pixel, 80)
    values = (0.01 * column + 0.03 * row + 0.5 * (scene.mesh.page[view.face] == 1))[:, None].astype(np.float32)
    slot = {(r, c): i for i, (r, c) in enumerate(zip(row.tolist(), column.tolist(), strict=True))}
    across: list[float] = []
    along: list[float] = []
    for (r, c), i in slot.items():
        for other in ((r, c + 1), (r + 1, c)):
            if other in slot:
                j = slot[other]
                jump = float(values[i, 0] - values[j, 0]) ** 2
                (across if scene.mesh.page[view.face[i]] != scene.mesh.page[view.face[j]] else along).append(jump)
    assert across
    wanted = math.sqrt(np.mean(across) / np.mean(along))
    assert wanted > 10
    assert seam_contrast(scene.mesh, view, values, size) == pytest.approx(wanted, rel=1e-4)


def test_a_view_of_one_chart_shows_no_cut_and_a_box_does() -> None:
    for mesh, cut in ((quad(), False), (box(), True)):
        scene = Scene(mesh)
        view = scene.look(Camera.orbit(30, 20, 3), 64)
        assert math.isnan(seam_contrast(mesh, view, waves(view.point), 64)) != cut


def test_a_silhouette_within_a_view_is_no_cut() -> None:
    # Two spheres on two pages, one before the other.
    mesh = joined(icosphere(2), moved(icosphere(2), (0.3, 0, 2.5), 0.5), pages=True)
    scene = Scene(mesh)
    view = scene.look(Camera.orbit(0, 0, 3), 64)
    pages = mesh.page[view.face]
    assert {0, 1} == set(pages.tolist())
    smooth = waves(view.point)
    jumped = smooth + np.where(pages[:, None] == 1, 5, 0).astype(np.float32)
    assert seam_contrast(mesh, view, jumped, 256) == pytest.approx(seam_contrast(mesh, view, smooth, 256), rel=1e-3)


def test_the_measures_of_a_sphere_in_the_papers_views_are_small_and_even() -> None:
    scene = Scene(icosphere(3))
    assert view_agreement(scene.atlas(128), pictures_of(scene, paper_views())) < 0.006
