"""Cameras by hand: where they stand, what they look at, and what they call it."""

import math

import numpy as np
import pytest
from alm_texture.camera import Camera, direction_of, paper_views


@pytest.mark.parametrize(
    ("azimuth", "elevation", "stands"),
    [
        (0, 0, (0, 0, 1)),
        (90, 0, (1, 0, 0)),
        (180, 0, (0, 0, -1)),
        (-90, 0, (-1, 0, 0)),
        (0, 90, (0, 1, 0)),
        (33, -90, (0, -1, 0)),
        (45, 0, (math.sqrt(0.5), 0, math.sqrt(0.5))),
        (90, 30, (math.sqrt(0.75), 0.5, 0)),
    ],
)
def test_orbits_stand_where_they_say_and_look_at_the_origin(
    azimuth: float, elevation: float, stands: tuple[float, float, float]
) -> None:
    camera = Camera.orbit(azimuth, elevation, 3.5)
    np.testing.assert_allclose(camera.position, 3.5 * np.array(stands), atol=1e-12)
    # The camera's −Z points from where it stands to the origin, and its +X stays level.
    np.testing.assert_allclose(-camera.pose[:3, 2] * 3.5, -camera.position, atol=1e-12)
    assert camera.pose[1, 0] == pytest.approx(0, abs=1e-12)
    assert camera.pose[1, 1] >= -1e-12


def test_a_camera_in_front_has_the_axes_of_the_world_and_one_on_the_right_looks_along_minus_x() -> None:
    np.testing.assert_allclose(Camera.orbit(0, 0).pose[:3, :3], np.eye(3), atol=1e-12)
    np.testing.assert_allclose(Camera.orbit(90, 0).pose[:3, :3], [[0, 0, 1], [0, 1, 0], [-1, 0, 0]], atol=1e-12)
    np.testing.assert_allclose(Camera.orbit(0, 90).pose[:3, :3], [[1, 0, 0], [0, 0, 1], [0, -1, 0]], atol=1e-12)


@pytest.mark.parametrize(("azimuth", "elevation"), [(12.5, 7.25), (-170, 44), (179, -61), (90, 0)])
def test_azimuth_and_elevation_are_read_back(azimuth: float, elevation: float) -> None:
    camera = Camera.orbit(azimuth, elevation, 1.7, 35)
    assert camera.azimuth == pytest.approx(azimuth)
    assert camera.elevation == pytest.approx(elevation)
    assert Camera.orbit(azimuth + 360, elevation).azimuth == pytest.approx(azimuth)


def projected(camera: Camera, point: tuple[float, float, float]) -> tuple[np.ndarray, float]:
    x, y, z, w = camera.projection() @ [*point, 1]
    return np.array([x, y, z]) / w, w


@pytest.mark.parametrize("distance", [1.5, 4.0])
def test_points_project_as_similar_triangles_say(distance: float) -> None:
    fov = 50.0
    half = math.tan(math.radians(fov) / 2)
    place, depth = projected(Camera.orbit(0, 0, distance, fov), (0.3, -0.2, 0.4))
    assert depth == pytest.approx(distance - 0.4)
    np.testing.assert_allclose(place[:2], [0.3 / (distance - 0.4) / half, -0.2 / (distance - 0.4) / half], atol=1e-12)
    # On +X, what is towards −Z is on the right.
    place, depth = projected(Camera.orbit(90, 0, distance, fov), (0.1, 0.25, -0.3))
    assert depth == pytest.approx(distance - 0.1)
    np.testing.assert_allclose(place[:2], [0.3 / (distance - 0.1) / half, 0.25 / (distance - 0.1) / half], atol=1e-12)
    # From above, what is towards −Z is at the top.
    place, depth = projected(Camera.orbit(0, 90, distance, fov), (0.15, 0.5, -0.35))
    assert depth == pytest.approx(distance - 0.5)
    np.testing.assert_allclose(place[:2], [0.15 / (distance - 0.5) / half, 0.35 / (distance - 0.5) / half], atol=1e-12)


def test_depth_in_clip_space_is_minus_one_near_and_one_far() -> None:
    camera = Camera.orbit(0, 0, 2)
    assert projected(camera, (0, 0, 2 - 1e-3))[0][2] == pytest.approx(-1)
    assert projected(camera, (0, 0, 2 - 100))[0][2] == pytest.approx(1)
    assert projected(camera, (0, 0, 0.5))[0][2] < projected(camera, (0, 0, 0.4))[0][2]


@pytest.mark.parametrize(("fov", "size"), [(90, 10), (60, 768), (25, 300)])
def test_a_footprint_is_the_width_of_a_pixel_at_depth_one(fov: float, size: int) -> None:
    camera = Camera.orbit(0, 0, 1.0, fov)
    step = camera.footprint(size)
    across = projected(camera, (step, 0, 0))[0][0] - projected(camera, (0, 0, 0))[0][0]
    assert across == pytest.approx(2 / size)
    assert Camera.orbit(0, 0, 1.0, 90).footprint(10) == pytest.approx(0.2)


def test_the_papers_views_are_eight_around_and_two_from_above() -> None:
    views = paper_views()
    where = [(round(view.azimuth) % 360, round(view.elevation)) for view in views]
    assert where == [*((azimuth, 0) for azimuth in range(0, 360, 45)), (0, 30), (180, 30)]
    assert all(np.linalg.norm(view.position) == pytest.approx(2) and view.fov == 60 for view in views)


@pytest.mark.parametrize(
    ("azimuth", "elevation", "name"),
    [
        (0, 0, "front"),
        (30, 30, "front"),
        (-30, 0, "front"),
        (45, 0, "side"),
        (-90, 0, "side"),
        (110, -20, "side"),
        (120, 0, "back"),
        (180, 30, "back"),
        (-120, 0, "back"),
        (0, 45, "top"),
        (180, 60, "top"),
        (90, -45, "bottom"),
        (0, -30, "front"),
    ],
)
def test_directions_have_the_names_of_their_sides(azimuth: float, elevation: float, name: str) -> None:
    assert direction_of(Camera.orbit(azimuth, elevation)) == name


def test_what_is_no_pose_is_refused() -> None:
    good = Camera.orbit(20, 30).pose
    scaled, mirrored, sheared, broken = (good.copy() for _ in range(4))
    scaled[:3, :3] *= 1.01
    mirrored[:3, 0] *= -1
    sheared[3, 0] = 0.5
    broken[0, 3] = np.nan
    for pose, words in (
        (scaled, "without scale or mirroring"),
        (mirrored, "without scale or mirroring"),
        (sheared, "ends in 0 0 0 1"),
        (broken, "4 x 4"),
        (good[:3], "4 x 4"),
    ):
        with pytest.raises(ValueError, match=words):
            Camera(pose)


@pytest.mark.parametrize("fov", [0, -10, 180, math.nan])
def test_a_field_of_view_beyond_0_to_180_is_refused(fov: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 180"):
        Camera(np.eye(4), fov)


@pytest.mark.parametrize(
    ("elevation", "distance"), [(91, 2), (-90.5, 2), (0, 0), (0, -1), (math.nan, 2), (0, math.nan)]
)
def test_an_orbit_that_stands_nowhere_is_refused(elevation: float, distance: float) -> None:
    with pytest.raises(ValueError, match=r"within ±90 and a distance above 0"):
        Camera.orbit(10, elevation, distance)
