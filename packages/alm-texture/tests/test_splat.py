"""Splatting: the equation by hand."""

import numpy as np
import pytest
from alm_texture.camera import Camera
from alm_texture.scene import Scene
from alm_texture.sight import GRAZING, sight
from alm_texture.splat import Splat
from shapes import icosphere, quad, waves

RANDOM = np.random.default_rng(8)
FIRST, SECOND = Camera.orbit(-20, 10, 2.1), Camera.orbit(55, -25, 2.7)


def cosine_on_a_quad(camera: Camera, point: np.ndarray) -> float:
    x, y, z = camera.position - point
    return float(z / np.sqrt(x * x + y * y + z * z))


@pytest.mark.parametrize("power", [1.0, 3.5])
def test_two_views_are_mixed_by_their_cosines_and_worths(power: float) -> None:
    scene = Scene(quad())
    atlas = scene.atlas(12)
    splat = Splat(atlas, 2, power=power)
    colours, worths = RANDOM.random((2, 2)), (0.35, 0.8)
    for camera, colour, worth in zip((FIRST, SECOND), colours, worths, strict=True):
        view = scene.look(camera, 64)
        values = np.tile(colour.astype(np.float32), (len(view.pixel), 1))
        splat.add(camera, view, values, np.full(len(view.pixel), worth, np.float32))
    texture, seen = splat.texture()
    assert seen.all()
    for texel, point in zip(atlas.texel, atlas.point, strict=True):
        shares = [cosine_on_a_quad(c, point) ** power * w for c, w in zip((FIRST, SECOND), worths, strict=True)]
        wanted = (shares[0] * colours[0] + shares[1] * colours[1]) / (shares[0] + shares[1])
        np.testing.assert_allclose(texture[texel], wanted, atol=1e-5)


def test_pixels_of_one_view_are_mixed_by_their_worths() -> None:
    scene, size = Scene(quad()), 40
    atlas, view, other = scene.atlas(20), scene.look(FIRST, size), scene.look(SECOND, size)
    values, weight = RANDOM.random((len(view.pixel), 3), np.float32), RANDOM.random(len(view.pixel), np.float32)
    splat = Splat(atlas, 3, power=2.0)
    splat.add(FIRST, view, values, weight)
    splat.add(SECOND, other, np.full((len(other.pixel), 3), 0.5, np.float32))
    texture, _ = splat.texture()
    first, second = sight(atlas, FIRST, view), sight(atlas, SECOND, other)
    c2 = dict(zip(second.at.tolist(), second.cosine, strict=True))
    for i in RANDOM.choice(len(first.at), 30, replace=False):
        parts = [first.weight[k, i] * weight[first.pixel[k, i]] for k in range(4)]
        colour = sum(part * values[first.pixel[k, i]] for k, part in enumerate(parts))
        share, rest = first.cosine[i] ** 2, c2[int(first.at[i])] ** 2
        wanted = (share * colour + rest * 0.5) / (share * sum(parts) + rest)
        np.testing.assert_allclose(texture[atlas.texel[first.at[i]]], wanted, atol=1e-5)


def test_what_views_paint_constant_comes_out_constant() -> None:
    scene = Scene(icosphere(2))
    atlas = scene.atlas(96)
    splat = Splat(atlas, 3)
    colour = np.array([0.9, 0.1, 0.4], np.float32)
    for camera in (FIRST, SECOND):
        view = scene.look(camera, 50)
        splat.add(camera, view, np.tile(colour, (len(view.pixel), 1)), RANDOM.random(len(view.pixel), np.float32))
    texture, seen = splat.texture()
    assert 0.2 < seen[atlas.texel].mean() < 0.95
    np.testing.assert_allclose(texture[seen], np.tile(colour, (seen.sum(), 1)), atol=1e-4)
    assert (texture[~seen] == 0).all()


def test_a_pixel_of_worth_zero_is_not_read() -> None:
    scene, size = Scene(quad()), 40
    atlas = scene.atlas(24)
    view = scene.look(FIRST, size)
    left = view.pixel % size < size // 2
    values = np.where(left, 1e4, 0.3)[:, None].astype(np.float32)
    splat = Splat(atlas, 1)
    splat.add(FIRST, view, values, np.where(left, 0, 0.6).astype(np.float32))
    texture, seen = splat.texture()
    shown = sight(atlas, FIRST, view)
    for i, texel in enumerate(atlas.texel[shown.at]):
        read = shown.pixel[shown.weight[:, i] > 0, i]
        assert seen[texel] == (~left[read]).any()
    assert 0 < seen.sum() < len(atlas.texel)
    np.testing.assert_allclose(texture[seen], 0.3, atol=1e-4)


def test_views_added_in_any_order_give_one_texture() -> None:
    scene = Scene(icosphere(2))
    atlas = scene.atlas(64)
    cameras = [FIRST, SECOND, Camera.orbit(170, 40)]
    made = []
    for order in ((0, 1, 2), (2, 0, 1)):
        splat = Splat(atlas, 3)
        for camera in (cameras[i] for i in order):
            view = scene.look(camera, 48)
            splat.add(camera, view, waves(view.point))
        made.append(splat.texture())
    np.testing.assert_allclose(made[0][0], made[1][0], atol=1e-5)
    assert np.array_equal(made[0][1], made[1][1])


def test_views_one_by_one_are_the_sum_of_the_views_alone() -> None:
    scene = Scene(icosphere(2))
    atlas = scene.atlas(64)
    both, shares, sums = Splat(atlas, 3, power=1.5), np.zeros(atlas.count), np.zeros((atlas.count, 3))
    for camera in (FIRST, SECOND):
        view = scene.look(camera, 48)
        both.add(camera, view, waves(view.point))
        alone = Splat(atlas, 3, power=1.5)
        alone.add(camera, view, waves(view.point))
        shown = sight(atlas, camera, view)
        share = np.zeros(atlas.count)
        share[atlas.texel[shown.at]] = np.maximum(shown.cosine, GRAZING) ** 1.5
        shares, sums = shares + share, sums + share[:, None] * alone.texture()[0]
    texture, seen = both.texture()
    assert np.array_equal(seen, shares > 0)
    np.testing.assert_allclose(texture[seen], (sums[seen] / shares[seen, None]), atol=1e-4)


def test_grazing_views_count_with_the_least_cosine() -> None:
    scene = Scene(quad())
    atlas, camera = scene.atlas(8), Camera.orbit(89.7, 0, 2.5)
    view = scene.look(camera, 512)
    shown = sight(atlas, camera, view)
    assert len(shown.at)
    assert (shown.cosine < GRAZING).all()
    front = Camera.orbit(0, 0)
    splat = Splat(atlas, 1, power=1.0)
    splat.add(camera, view, np.ones((len(view.pixel), 1), np.float32))
    other = scene.look(front, 64)
    splat.add(front, other, np.zeros((len(other.pixel), 1), np.float32))
    texel = atlas.texel[shown.at]
    c = np.array([cosine_on_a_quad(front, point) for point in atlas.point[shown.at]])
    np.testing.assert_allclose(splat.texture()[0][texel, 0], GRAZING / (GRAZING + c), atol=1e-5)
