"""Lists of cameras: chosen by coverage, and in files in the mesh's own frame."""

import json
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from alm_texture.camera import Camera, paper_views
from alm_texture.mesh import Mesh
from alm_texture.scene import Scene
from alm_texture.sight import CLEARLY, sight
from alm_texture.views import GAIN, auto_views, describe_views, read_views
from numpy.typing import NDArray
from shapes import box, icosphere, mesh_of, moved, ten_spheres


@cache
def ten() -> Scene:
    return Scene(ten_spheres())


@cache
def chosen_for_ten(most: int) -> list[Camera]:
    return auto_views(ten(), most=most)


def coverage(scene: Scene, cameras: list[Camera], size: int = 128) -> float:
    """The share of the surface that some camera sees well."""
    atlas = scene.atlas(size)
    seen = np.zeros(len(atlas.texel), bool)
    for camera in cameras:
        shown = sight(atlas, camera, scene.look(camera, 160))
        seen[shown.at[shown.cosine >= CLEARLY]] = True
    return float(atlas.area[seen].sum())


def test_chosen_views_see_at_least_what_the_papers_ten_do_with_no_more_of_them() -> None:
    scene = Scene(icosphere(2))
    chosen = auto_views(scene, most=10)
    assert len(chosen) <= 10
    assert coverage(scene, chosen) > coverage(scene, paper_views())
    assert coverage(scene, chosen) > 0.9
    assert coverage(scene, auto_views(scene)) > 0.99


@pytest.mark.parametrize("make", [lambda: Scene(box()), ten])
def test_each_chosen_view_adds_less_than_the_one_before_and_all_more_than_the_least(make: Callable[[], Scene]) -> None:
    scene = make()
    chosen = auto_views(scene)
    grown = [coverage(scene, chosen[:n], 256) for n in range(len(chosen) + 1)]
    gains = [b - a for a, b in pairwise(grown)]
    assert all(gain > GAIN / 2 for gain in gains)
    assert all(b < a + 0.01 for a, b in pairwise(gains))


@pytest.mark.parametrize("most", [1, 3])
def test_no_more_views_are_chosen_than_allowed_and_they_are_the_first_ones(most: int) -> None:
    few, many = chosen_for_ten(most), chosen_for_ten(5)
    assert len(few) == most
    for camera, other in zip(few, many, strict=False):
        assert np.array_equal(camera.pose, other.pose)


def test_chosen_views_stand_where_they_are_told_to() -> None:
    for camera in auto_views(Scene(icosphere(1)), most=4, fov=41.0, distance=3.25):
        assert camera.fov == 41
        assert np.linalg.norm(camera.position) == pytest.approx(3.25)


def test_a_mesh_that_no_camera_sees_is_refused() -> None:
    with pytest.raises(ValueError, match="no camera sees the mesh"):
        auto_views(Scene(icosphere(1)), distance=0.2, fov=5)


FAR_AND_BIG = replace(moved(icosphere(1), (4, -2, 30), 12.5), up="z")
POSED = Camera(
    Camera.orbit(20, 30).pose @ np.array([[1, 0, 0, 0.1], [0, 0.8, -0.6, 0.2], [0, 0.6, 0.8, -0.3], [0, 0, 0, 1]]), 37
)
LIST = [Camera.orbit(45, 10), Camera.orbit(-100, -70, 3.1, 24.5), POSED]


@pytest.mark.parametrize("mesh", [icosphere(1), FAR_AND_BIG, moved(box(), (0, 0, 1), 0.001)])
def test_what_is_described_is_read_as_the_same_cameras(tmp_path: Path, mesh: Mesh) -> None:
    path = tmp_path / "views.json"
    path.write_text(json.dumps(describe_views(LIST, mesh, ["a.png", "b.png", "c.png"])))
    cameras, images = read_views(path, mesh)
    assert images == ["a.png", "b.png", "c.png"]
    for camera, wanted in zip(cameras, LIST, strict=True):
        np.testing.assert_allclose(camera.pose, wanted.pose, atol=1e-6)
        assert camera.fov == wanted.fov


def test_azimuth_elevation_and_distance_are_described_too(tmp_path: Path) -> None:
    described: Any = describe_views(LIST[:2], FAR_AND_BIG)
    for view in described["views"]:
        del view["camera_to_world"]
    path = tmp_path / "views.json"
    path.write_text(json.dumps(described))
    for camera, wanted in zip(read_views(path, FAR_AND_BIG)[0], LIST[:2], strict=True):
        np.testing.assert_allclose(camera.pose, wanted.pose, atol=1e-5)


def test_without_pictures_none_are_named(tmp_path: Path) -> None:
    path = tmp_path / "views.json"
    path.write_text(json.dumps(describe_views(LIST, FAR_AND_BIG)))
    assert read_views(path, FAR_AND_BIG)[1] == [None] * 3


def own_pose(camera: Camera, mesh: Mesh) -> NDArray[np.float64]:
    described: Any = describe_views([camera], mesh)
    return np.array(described["views"][0]["camera_to_world"])


def test_camera_to_world_is_in_the_meshs_own_frame_and_units() -> None:
    # A square of half side 3 with its centre at (1, 2, 5): a reach of 3 √2. Y is up.
    vertices = [[-2, -1, 5], [4, -1, 5], [4, 5, 5], [-2, 5, 5]]
    mesh = mesh_of(vertices, [[0, 1, 2], [0, 2, 3]])
    reach = 3 * np.sqrt(2)
    pose = own_pose(Camera.orbit(90, 0, 2.5), mesh)
    np.testing.assert_allclose(pose[:3, 3], [1 + 2.5 * reach, 2, 5], atol=1e-9)
    np.testing.assert_allclose(pose[:3, :3], [[0, 0, 1], [0, 1, 0], [-1, 0, 0]], atol=1e-9)
    # With z up the front is −Y, where Blender's front view stands, and up is +Z.
    pose = own_pose(Camera.orbit(0, 0, 2.0), replace(mesh, up="z"))
    np.testing.assert_allclose(pose[:3, 3], [1, 2 - 2 * reach, 5], atol=1e-9)
    np.testing.assert_allclose(pose[:3, 1], [0, 0, 1], atol=1e-9)
    np.testing.assert_allclose(pose[:3, 0], [1, 0, 0], atol=1e-9)


def test_a_camera_in_the_meshs_own_frame_is_read_by_hand(tmp_path: Path) -> None:
    mesh = mesh_of([[-2, -1, 5], [4, -1, 5], [4, 5, 5], [-2, 5, 5]], [[0, 1, 2], [0, 2, 3]])
    path = tmp_path / "views.json"
    pose = [[1, 0, 0, 1], [0, 1, 0, 8], [0, 0, 1, 11], [0, 0, 0, 1]]
    path.write_text(json.dumps([{"camera_to_world": pose, "fov": 33}]))
    (camera,), _ = read_views(path, mesh)
    reach = 3 * np.sqrt(2)
    np.testing.assert_allclose(camera.position, [0, 6 / reach, 6 / reach], atol=1e-9)
    np.testing.assert_allclose(camera.pose[:3, :3], np.eye(3), atol=1e-9)
    assert camera.fov == 33


def test_angles_are_read_with_their_defaults_from_a_list_or_an_object(tmp_path: Path) -> None:
    entries = [
        {"azimuth": 30, "elevation": -5},
        {"azimuth": "12", "elevation": 8, "distance": 3.5, "fov": 20, "image": "x.png"},
    ]
    for found in (entries, {"views": entries}):
        path = tmp_path / "views.json"
        path.write_text(json.dumps(found))
        cameras, images = read_views(path, FAR_AND_BIG)
        assert images == [None, "x.png"]
        np.testing.assert_allclose(cameras[0].pose, Camera.orbit(30, -5, 2, 60).pose)
        np.testing.assert_allclose(cameras[1].pose, Camera.orbit(12, 8, 3.5, 20).pose)
        assert [camera.fov for camera in cameras] == [60, 20]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "cannot be read.*a JSON list of views is wanted"),
        ("[]", "holds no views"),
        ('{"cameras": []}', "holds no views"),
        ("3", "holds no views"),
        ("[4]", "view 0 of .* is no object"),
        ('[{"azimuth": 1, "elevation": 2}, {"azimuth": 1}]', "view 1 of .* has no 'elevation'"),
        ('[{"azimuth": "x", "elevation": 2}]', "view 0 of .*could not convert"),
        ('[{"azimuth": 1, "elevation": 120}]', "view 0 of .*within ±90"),
        ('[{"azimuth": 1, "elevation": 2, "fov": 200}]', "view 0 of .*between 0 and 180"),
        ('[{"camera_to_world": [[1, 2], [3, 4]]}]', "view 0 of"),
        (
            '[{"camera_to_world": [[2, 0, 0, 0], [0, 2, 0, 0], [0, 0, 2, 0], [0, 0, 0, 1]]}]',
            "view 0 of .*without scale",
        ),
    ],
)
def test_what_is_no_list_of_views_is_refused(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "views.json"
    path.write_text(text)
    with pytest.raises(ValueError, match=f"(?s){words}"):
        read_views(path, FAR_AND_BIG)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no file of views at .*none.json"):
        read_views(tmp_path / "none.json", FAR_AND_BIG)
