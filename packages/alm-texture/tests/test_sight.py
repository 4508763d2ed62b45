"""What a view shows of an atlas: occlusion, cosines and the pixels that are mixed, against closed forms."""

import numpy as np
import pytest
from alm_texture.atlas import Atlas, atlas_of
from alm_texture.camera import Camera, paper_views
from alm_texture.raster import Fragments
from alm_texture.scene import Scene
from alm_texture.sight import Sight, sight
from numpy.typing import NDArray
from shapes import box, icosphere, joined, moved, quad

Array = NDArray[np.float64]
RANDOM = np.random.default_rng(6)


def atlas_at(scene: Scene, size: int) -> Atlas:
    """By the faces' own winding: `Scene.normals` turns a sheet that is hidden on its front."""
    return atlas_of(scene.mesh, scene.mesh.normals, size)


def seen_from(scene: Scene, camera: Camera, texels: int, pixels: int) -> tuple[Sight, Fragments]:
    view = scene.look(camera, pixels)
    return sight(atlas_at(scene, texels), camera, view), view


def in_picture(camera: Camera, point: NDArray[np.float32], size: int) -> tuple[Array, Array]:
    """Columns and rows of points, pixel (0, 0) at (0, 0), by similar triangles."""
    local = (point - camera.position) @ camera.pose[:3, :3]
    half = np.tan(np.radians(camera.fov) / 2)
    x, y = local[:, 0] / -local[:, 2] / half, local[:, 1] / -local[:, 2] / half
    return (x + 1) / 2 * size - 0.5, (1 - y) / 2 * size - 0.5


# A small quad before a large one, a page each: in the unit frame both are scaled by 1 / reach.
PAIR = joined(quad(1.0), moved(quad(0.4), (0.1, 0.05, 0.6)), pages=True)


@pytest.mark.parametrize("camera", [Camera.orbit(0, 0, 2.2, 58), Camera.orbit(24, 17, 2.6, 47)])
def test_a_texel_is_seen_unless_the_quad_before_it_hides_it(camera: Camera) -> None:
    scene = Scene(PAIR)
    atlas = atlas_at(scene, 64)
    seen, _ = seen_from(scene, camera, 64, 160)
    front = scene.mesh.unit[4:]
    (left, bottom, z), (right, top, _) = front.min(0), front.max(0)
    point = atlas.point.astype(np.float64)
    # Where the line from the eye to the texel passes the plane of the quad before.
    t = (z - camera.position[2]) / (point[:, 2] - camera.position[2])
    at = camera.position + t[:, None] * (point - camera.position)
    margin = 2 * camera.footprint(160) * 2.6
    inside = np.minimum.reduce([at[:, 0] - left, right - at[:, 0], at[:, 1] - bottom, top - at[:, 1]])
    behind = (atlas.texel < 64**2) & (inside > margin)
    free = (atlas.texel >= 64**2) | (inside < -margin)
    shown = np.zeros(len(point), bool)
    shown[seen.at] = True
    assert behind.sum() > 300
    assert free.sum() > 4000
    assert not shown[behind].any()
    assert shown[free].all()


@pytest.mark.parametrize("gap", [0.6, 0.11])
def test_what_is_before_and_behind_a_silhouette_is_never_mixed(gap: float) -> None:
    # The smaller gap is three pixels' width.
    scene = Scene(joined(quad(1.0), moved(quad(0.4), (0.1, 0.05, gap)), pages=True))
    camera = Camera.orbit(24, 17, 2.6, 47)
    seen, view = seen_from(scene, camera, 64, 90)
    page = scene.mesh.page[view.face].astype(np.float32)[:, None]
    mine = (atlas_at(scene, 64).texel[seen.at] >= 64**2).astype(np.float32)[:, None]
    assert set(mine[:, 0].tolist()) == {0, 1}
    np.testing.assert_allclose(seen.read(page), mine, atol=1e-6)


def test_the_background_is_never_mixed_in() -> None:
    scene = Scene(icosphere(2))
    seen, view = seen_from(scene, Camera.orbit(11, 3, 2.6), 128, 60)
    np.testing.assert_allclose(seen.weight.sum(0), 1, atol=1e-5)
    assert (seen.weight >= 0).all()
    np.testing.assert_allclose(seen.read(np.full((len(view.pixel), 1), 0.7, np.float32)), 0.7, atol=1e-5)
    # At the silhouette some of the four pixels show no mesh: their weight is 0, whatever stands in for them.
    image = np.full(60 * 60, np.nan)
    image[view.pixel] = 1
    column, row = np.floor(seen.x).astype(int), np.floor(seen.y).astype(int)
    around = image[(row + np.array([[0], [0], [1], [1]])) * 60 + column + np.array([[0], [1], [0], [1]])]
    assert np.isnan(around).any()
    assert (seen.weight[np.isnan(around)] == 0).all()


def test_texels_lie_where_the_camera_projects_them() -> None:
    camera = Camera.orbit(-33, 21, 2.4, 51)
    scene = Scene(icosphere(2))
    seen, _ = seen_from(scene, camera, 96, 80)
    column, row = in_picture(camera, atlas_at(scene, 96).point[seen.at], 80)
    np.testing.assert_allclose(seen.x, column, atol=1e-3)
    np.testing.assert_allclose(seen.y, row, atol=1e-3)


def test_a_picture_that_is_linear_in_its_pixels_is_read_exactly() -> None:
    size, camera = 70, Camera.orbit(19, -12, 2.0, 66)
    scene = Scene(quad())
    seen, view = seen_from(scene, camera, 48, size)
    row, column = np.divmod(view.pixel, size)
    values = np.stack([0.2 + 0.03 * column - 0.01 * row, 0.5 * row], 1).astype(np.float32)
    whole = (seen.weight > 0).all(0)
    assert whole.sum() > 1500
    x, y = seen.x[whole], seen.y[whole]
    np.testing.assert_allclose(seen.read(values)[whole], np.stack([0.2 + 0.03 * x - 0.01 * y, 0.5 * y], 1), atol=1e-4)


def test_cosines_are_those_between_normal_and_view() -> None:
    azimuth, elevation, distance = 40.0, 25.0, 2.3
    scene = Scene(quad())
    seen, _ = seen_from(scene, Camera.orbit(azimuth, elevation, distance), 32, 64)
    assert len(seen.at) == 32**2
    a, e = np.radians(azimuth), np.radians(elevation)
    for i in RANDOM.choice(len(seen.at), 20):
        x, y, z = atlas_at(scene, 32).point[seen.at[i]]
        towards = (
            distance * np.cos(e) * np.sin(a) - x,
            distance * np.sin(e) - y,
            distance * np.cos(e) * np.cos(a) - z,
        )
        # The quad's normal is +Z.
        assert seen.cosine[i] == pytest.approx(towards[2] / np.hypot(np.hypot(*towards[:2]), towards[2]), abs=1e-5)


def test_faces_that_look_away_are_not_seen() -> None:
    scene = Scene(box())
    atlas = atlas_at(scene, 60)
    camera = Camera.orbit(30, 20, 3.0)
    seen, _ = seen_from(scene, camera, 60, 128)
    away = ((camera.position - atlas.point) * atlas.normal).sum(1) <= 0
    shown = np.zeros(len(atlas.texel), bool)
    shown[seen.at] = True
    assert away.sum() > 100
    assert not shown[away].any()
    assert shown[~away].mean() > 0.99
    assert (seen.cosine > 0).all()


def test_a_sphere_shows_the_cap_that_faces_the_camera() -> None:
    # From distance d a unit sphere shows the cap n · v > 1 / d.
    distance, camera = 2.0, Camera.orbit(70, -35, 2.0)
    scene = Scene(icosphere(3))
    atlas = atlas_at(scene, 128)
    seen, _ = seen_from(scene, camera, 128, 200)
    height = atlas.point @ camera.position / np.linalg.norm(atlas.point, axis=1) / distance
    shown = np.zeros(len(atlas.texel), bool)
    shown[seen.at] = True
    assert shown[height > 1 / distance + 0.1].all()
    assert not shown[height < 1 / distance - 0.1].any()
    assert atlas.area[shown].sum() == pytest.approx((1 - 1 / distance) / 2, abs=0.01)


def test_what_lies_outside_the_picture_is_not_seen() -> None:
    camera = Camera.orbit(0, 0, 1.2, 40)
    scene = Scene(quad())
    seen, _ = seen_from(scene, camera, 64, 50)
    shown = np.zeros(64**2, bool)
    shown[seen.at] = True
    column, row = in_picture(camera, atlas_at(scene, 64).point, 50)
    inside = (column > -0.5) & (column < 49.5) & (row > -0.5) & (row < 49.5)
    assert 0 < inside.sum() < 64**2
    assert np.array_equal(shown, inside)


def test_texels_are_named_in_order_across_the_chunks_in_which_they_are_looked_at() -> None:
    scene = Scene(quad())
    seen, _ = seen_from(scene, Camera.orbit(0, 0), 256, 64)
    assert np.array_equal(seen.at, np.arange(256**2))


def test_a_camera_that_sees_nothing_shows_no_texel() -> None:
    camera = Camera.orbit(0, 0)
    turned = camera.pose @ np.diag([-1.0, 1, -1, 1])
    away = Camera(turned)
    scene = Scene(quad())
    seen, view = seen_from(scene, away, 16, 16)
    assert len(view.pixel) == len(seen.at) == 0
    assert seen.read(np.zeros((0, 3), np.float32)).shape == (0, 3)


def test_a_sheet_seen_edge_on_shows_nothing() -> None:
    scene = Scene(quad())
    atlas = scene.atlas(16)
    for camera in paper_views():
        seen = sight(atlas, camera, scene.look(camera, 24))
        assert len(seen.at) == len(seen.cosine) == seen.weight.shape[1]
