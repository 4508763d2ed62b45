"""Pictures to a texture and back: bounds that were measured, with a margin."""

import numpy as np
import pytest
from alm_texture.atlas import shade
from alm_texture.bake import Baked, Fit, Kept, Picture, Solver, Splatting, bake
from alm_texture.camera import Camera, paper_views
from alm_texture.mesh import Mesh
from alm_texture.scene import Scene
from alm_texture.views import auto_views
from shapes import icosphere, mesh_of, quad, ten_spheres, uv_sphere, waves

RANDOM = np.random.default_rng(13)
AROUND = [*paper_views(), Camera.orbit(0, -50), Camera.orbit(180, 75)]


def pictures_of(scene: Scene, cameras: list[Camera], size: int = 128) -> list[Picture]:
    made = []
    for camera in cameras:
        view = scene.look(camera, size)
        made.append(Picture(camera, view, waves(view.point)))
    return made


def psnr(scene: Scene, baked: Baked, size: int) -> float:
    """Of the texels that some view sees, against the colours of their places."""
    atlas = scene.atlas(size)
    seen = baked.seen.ravel()[atlas.texel]
    made = baked.values.reshape(-1, 3)[atlas.texel[seen]]
    return float(-10 * np.log10(((made - waves(atlas.point[seen])) ** 2).mean()))


@pytest.mark.parametrize(
    ("mesh", "solver", "least"),
    [
        (uv_sphere(24, 48), Splatting(), 42.0),
        (uv_sphere(24, 48), Fit(), 42.0),
        (ten_spheres(), Splatting(), 55.0),
        (ten_spheres(), Fit(), 57.0),
    ],
)
def test_a_texture_comes_back_from_its_pictures(mesh: Mesh, solver: Solver, least: float) -> None:
    scene, size = Scene(mesh), 128
    baked = bake(scene, pictures_of(scene, AROUND), size=size, solver=solver)
    assert psnr(scene, baked, size) > least
    assert baked.values.shape == (1, size, size, 3)
    assert baked.seen.shape == (1, size, size)


def test_coverage_is_the_share_of_the_surface_that_is_seen() -> None:
    # One camera at distance 2 sees a quarter of a sphere: (1 − 1 / 2) / 2.
    scene = Scene(icosphere(3))
    baked = bake(scene, pictures_of(scene, [Camera.orbit(33, 12)]), size=128)
    assert baked.coverage == pytest.approx(0.25, abs=0.01)
    atlas = scene.atlas(128)
    assert baked.coverage == pytest.approx(atlas.area[baked.seen.ravel()[atlas.texel]].sum())
    assert bake(scene, pictures_of(scene, auto_views(scene)), size=128).coverage > 0.99


@pytest.mark.parametrize("solver", [Splatting(), Fit(hold=1e-3)])
def test_every_texel_is_filled_with_what_the_views_show(solver: Solver) -> None:
    scene = Scene(ten_spheres())
    view = scene.look(Camera.orbit(20, 10), 96)
    colour = np.array([0.2, 0.9, 0.6], np.float32)
    picture = Picture(Camera.orbit(20, 10), view, np.tile(colour, (len(view.pixel), 1)))
    baked = bake(scene, [picture], size=64, solver=solver)
    assert not baked.seen.all()
    np.testing.assert_allclose(baked.values, np.tile(colour, (1, 64, 64, 1)), atol=1e-3)


@pytest.mark.parametrize("solver", [Splatting(), Fit(), None])
def test_kept_texels_stay_bit_by_bit_and_count_as_covered(solver: Solver | None) -> None:
    scene, size = Scene(uv_sphere()), 64
    texels = RANDOM.random(size * size) < 0.3
    values = RANDOM.random((size * size, 3), np.float32)
    pictures = pictures_of(scene, [Camera.orbit(0, 0)], 64)
    baked = bake(scene, pictures, size=size, solver=solver, kept=Kept(values, texels))
    assert np.array_equal(baked.values.reshape(-1, 3)[texels], values[texels])
    assert baked.seen.ravel()[texels].all()
    free = bake(scene, pictures, size=size, solver=solver)
    assert np.isfinite(baked.values).all()
    assert baked.coverage == pytest.approx(free.coverage + 0.3 * (1 - free.coverage), abs=0.02)
    # What is not kept is no longer what it was.
    assert not np.array_equal(baked.values.reshape(-1, 3)[~texels], values[~texels])


def test_a_pixel_of_worth_zero_leaves_no_trace() -> None:
    scene, size = Scene(quad()), 32
    camera = Camera.orbit(0, 0)
    view = scene.look(camera, 96)
    bad = view.pixel % 96 < 48
    values = np.where(bad[:, None], 50.0, waves(view.point)).astype(np.float32)
    worth = np.where(bad, 0, 1).astype(np.float32)
    for solver in (Splatting(), Fit()):
        baked = bake(scene, [Picture(camera, view, values, worth)], size=size, solver=solver)
        assert baked.values.max() < 1.1
        assert 0.4 < baked.seen.mean() < 0.6


def test_the_fit_renders_closer_to_the_pictures_than_the_splat() -> None:
    # A checker finer than splatting can tell, seen at several angles.
    scene, size = Scene(uv_sphere(24, 48)), 96
    pictures = []
    for camera in AROUND[:8]:
        view = scene.look(camera, 200)
        pictures.append(Picture(camera, view, waves(view.point, turns=25.0)))

    def error(solver: Solver) -> float:
        baked = bake(scene, pictures, size=size, solver=solver)
        flat = baked.values.reshape(-1, 3)
        return float(
            np.mean(
                [
                    ((shade(scene.mesh, p.view, flat, size) - p.values) ** 2 * p.view.cosine[:, None] ** 2).mean()
                    for p in pictures
                ]
            )
        )

    assert error(Fit()) < 0.5 * error(Splatting())


def test_the_fit_is_what_is_made_unless_another_solver_is_named() -> None:
    scene = Scene(icosphere(1))
    pictures = pictures_of(scene, AROUND[:3], 48)
    plain = bake(scene, pictures, size=32).values
    assert np.array_equal(plain, bake(scene, pictures, size=32, solver=Fit()).values)
    assert not np.array_equal(plain, bake(scene, pictures, size=32, solver=Splatting()).values)


def test_power_says_how_much_the_better_view_counts() -> None:
    scene = Scene(quad())
    cameras = [Camera.orbit(0, 0), Camera.orbit(60, 0)]
    pictures = []
    for camera, colour in zip(cameras, (0.0, 1.0), strict=True):
        view = scene.look(camera, 64)
        pictures.append(Picture(camera, view, np.full((len(view.pixel), 1), colour, np.float32)))
    middle = [
        float(bake(scene, pictures, size=33, solver=Splatting(power)).values[0, 16, 16, 0]) for power in (0, 1, 4)
    ]
    np.testing.assert_allclose(middle, [1 / 2, 0.5 / 1.5, 0.5**4 / (1 + 0.5**4)], atol=0.01)
    fits = [float(bake(scene, pictures, size=33, solver=Fit(0.1, power)).values.mean()) for power in (0, 1, 4)]
    assert fits[0] > 1.2 * fits[1] > 2 * fits[2]


def test_what_cannot_be_baked_is_refused() -> None:
    scene = Scene(quad())
    with pytest.raises(ValueError, match="no view sees the mesh"):
        bake(scene, pictures_of(scene, [Camera(Camera.orbit(0, 0).pose @ np.diag([-1.0, 1, -1, 1]))], 16), size=16)
    bare = Scene(mesh_of(quad().vertices, quad().faces))
    with pytest.raises(ValueError, match="no UVs"):
        bake(bare, pictures_of(bare, [Camera.orbit(0, 0)], 16), size=16)
