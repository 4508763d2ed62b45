"""Which side of a face is the outside, and what a view says of the mesh."""

from dataclasses import replace

import numpy as np
import pytest
from alm_texture.camera import Camera
from alm_texture.scene import Scene
from shapes import box, icosphere, joined, mesh_of, moved, quad


@pytest.mark.parametrize("share", [0.0, 0.4, 1.0])
def test_flipped_faces_of_a_sphere_are_turned_outwards(share: float) -> None:
    sphere = icosphere(2)
    flip = np.random.default_rng(7).random(len(sphere.faces)) < share
    mesh = replace(sphere, faces=np.where(flip[:, None], sphere.faces[:, ::-1], sphere.faces))
    normals = Scene(mesh).normals
    # A flat face of a sphere's polyhedron is normal to the line from the centre to the face's own.
    centres = mesh.unit[mesh.faces].mean(1)
    outwards = centres / np.linalg.norm(centres, axis=1, keepdims=True)
    np.testing.assert_allclose((normals * outwards).sum(1), 1, atol=2e-3)
    assert ((mesh.normals * outwards).sum(1) < 0).sum() == flip.sum()


def test_a_face_that_is_seen_from_its_back_alone_is_turned() -> None:
    inside_out = box()
    mesh = replace(inside_out, faces=inside_out.faces[:, ::-1])
    np.testing.assert_allclose(Scene(mesh).normals, Scene(inside_out).normals, atol=1e-6)
    np.testing.assert_allclose(mesh.normals, -inside_out.normals, atol=1e-6)


@pytest.mark.parametrize("seed", range(4))
def test_a_sheet_that_is_seen_from_both_sides_alike_keeps_the_side_it_is_wound_to(seed: int) -> None:
    turn = np.linalg.qr(np.random.default_rng(seed).normal(size=(3, 3)))[0]
    mesh = mesh_of(quad().vertices @ turn.T, quad().faces)
    assert np.array_equal(Scene(mesh).normals, mesh.normals)


def test_a_sheet_whose_front_is_mostly_hidden_is_turned_to_where_it_is_seen() -> None:
    scene = Scene(joined(quad(), moved(quad(), (0, 0, 0.3))))
    assert scene.normals[:, 2].tolist() == [-1, -1, 1, 1]
    assert scene.mesh.normals[:, 2].tolist() == [1, 1, 1, 1]


def test_a_view_gives_place_depth_and_cosine_of_what_it_shows() -> None:
    distance, fov, size = 2.2, 55.0, 40
    scene = Scene(quad(3.0))
    view = scene.look(Camera.orbit(25, 35, distance, fov), size)
    # In the unit frame the quad is the square |x|, |y| ≤ √½ at z = 0, and its normal is +Z.
    a, e = np.radians(25), np.radians(35)
    eye = distance * np.array([np.cos(e) * np.sin(a), np.sin(e), np.cos(e) * np.cos(a)])
    np.testing.assert_allclose(view.point[:, 2], 0, atol=1e-6)
    assert np.abs(view.point[:, :2]).max() == pytest.approx(np.sqrt(0.5), abs=0.05)
    towards = eye - view.point
    length = np.linalg.norm(towards, axis=1)
    np.testing.assert_allclose(view.cosine, towards[:, 2] / length, atol=1e-5)
    np.testing.assert_allclose(view.depth, towards @ (eye / distance), atol=1e-5)
    assert (view.normal == [0, 0, 1]).all()
    # The pixel's own ray goes through the place.
    right, up = np.array([np.cos(a), 0, -np.sin(a)]), None
    up = np.cross(eye / distance, right)
    half = np.tan(np.radians(fov) / 2)
    x, y = ((view.pixel % size + 0.5) / size * 2 - 1) * half, (1 - (view.pixel // size + 0.5) / size * 2) * half
    np.testing.assert_allclose(-towards @ right / view.depth, x, atol=1e-5)
    np.testing.assert_allclose(-towards @ up / view.depth, y, atol=1e-5)
    assert (np.diff(view.pixel) > 0).all()


def test_the_back_of_a_face_is_seen_with_a_negative_cosine() -> None:
    # Two sheets: whichever way they are turned, someone who looks from behind sees the back of those that face +Z.
    mesh = joined(quad(2.0), moved(quad(2.0), (0, 0, 3)))
    scene = Scene(mesh)
    view = scene.look(Camera.orbit(180, 0), 32)
    assert len(view.pixel) > 50
    towards = Camera.orbit(180, 0).position - view.point
    cosine = (scene.normals[view.face] * towards).sum(1) / np.linalg.norm(towards, axis=1)
    np.testing.assert_allclose(view.cosine, cosine, atol=1e-5)
    assert (view.cosine[scene.normals[view.face, 2] > 0] < 0).all()


def test_a_mesh_without_uvs_has_no_atlas() -> None:
    with pytest.raises(ValueError, match="no UVs: unwrap it first"):
        Scene(mesh_of(icosphere(0).vertices, icosphere(0).faces)).atlas(16)


@pytest.mark.parametrize(("up", "scale"), [("y", 0.02), ("z", 7.0)])
def test_the_unit_frame_has_y_up_the_centroid_at_the_origin_and_a_reach_of_one(up: str, scale: float) -> None:
    mesh = replace(moved(icosphere(1), (0.4, -3, 1), scale), up=up)
    assert np.linalg.norm(mesh.unit, axis=1).max() == pytest.approx(1, abs=1e-5)
    np.testing.assert_allclose(mesh.unit[mesh.faces].mean((0, 1)), 0, atol=1e-2)
    lifted = (mesh.vertices - mesh.frame[:3, 3]) / scale
    wanted = lifted if up == "y" else np.stack([lifted[:, 0], lifted[:, 2], -lifted[:, 1]], 1)
    np.testing.assert_allclose(mesh.unit, wanted / np.linalg.norm(wanted, axis=1).max(), atol=1e-5)


def test_the_origin_is_the_surfaces_centroid_however_finely_parts_of_it_are_cut() -> None:
    # The square 0 ≤ x, y ≤ 2 in three strips, of which two are narrow and on the left.
    columns = [0, 0.1, 0.2, 2]
    vertices = [(x, y, 0) for x in columns for y in (0, 2)]
    faces = [face for i in range(0, 6, 2) for face in ((i, i + 2, i + 3), (i, i + 3, i + 1))]
    mesh = mesh_of(vertices, faces)
    np.testing.assert_allclose(mesh.areas, [0.1, 0.1, 0.1, 0.1, 1.8, 1.8])
    np.testing.assert_allclose(mesh.frame[:3, 3], [1, 1, 0], atol=1e-12)
    np.testing.assert_allclose(mesh.frame[:3, :3], np.eye(3) * np.sqrt(2), atol=1e-12)
