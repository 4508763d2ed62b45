"""One suite for all rasterisers: what is hit, where in it, and what is in front. Those not installed are skipped."""

import math
import sys
from collections.abc import Callable
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
import torch
from alm_texture.camera import Camera
from alm_texture.raster import RASTERIZERS, Hits, Rasterizer, rasterizer_named
from alm_texture.raster.base import Fragments
from alm_texture.scene import Scene
from numpy.typing import NDArray
from shapes import icosphere

Array = NDArray[np.float64]
Backend = Callable[[NDArray[np.float32], NDArray[np.int32]], Rasterizer]
TRIANGLE = np.array([[-0.61, -0.52, 0.0], [0.72, -0.43, 0.0], [0.11, 0.83, 0.0]], np.float32)
SLANTED = np.array([[-0.81, -0.52, 0.9], [0.92, -0.33, -1.1], [0.21, 0.93, 0.4]], np.float32)
ONE = np.array([[0, 1, 2]], np.int32)
FOV = 71.0
FRONT = Camera.orbit(0, 0, 2.6, FOV)
FLAT = np.diag([0.8, 0.7, -0.25, 1.0])
"""An orthographic projection along −Z."""
RANDOM = np.random.default_rng(4)


def missing(name: str) -> str:
    """Why a backend cannot be made on this machine, or nothing."""
    try:
        rasterizer_named(name)(TRIANGLE, ONE)
    except (ImportError, RuntimeError) as error:
        return str(error)
    return ""


MISSING = {name: missing(name) for name in RASTERIZERS}
HERE = [name for name in RASTERIZERS if not MISSING[name]]


@pytest.mark.parametrize("name", list(RASTERIZERS))
def test_this_suite_runs_on_the_backend(name: str) -> None:
    """Skipped, with a reason, for one that cannot run on this machine: then no other test here runs on it."""
    if MISSING[name]:
        pytest.skip(MISSING[name])


@pytest.fixture(params=HERE)
def backend(request: pytest.FixtureRequest) -> object:
    return rasterizer_named(request.param)


def centres(height: int, width: int) -> tuple[Array, Array]:
    """x and y (height, width) of the pixels' centres, in −1 to 1 over the picture."""
    x, y = (2 * np.arange(width) + 1) / width - 1, 1 - (2 * np.arange(height) + 1) / height
    return np.broadcast_to(x, (height, width)), np.broadcast_to(y[:, None], (height, width))


def met(triangle: NDArray[np.float32], start: Array, along: Array) -> tuple[Array, Array]:
    """Barycentrics (…, 3) of the points in which rays meet a triangle's plane, and how far along, by Cramer's rule."""
    a, b, c = triangle.astype(np.float64)
    system = np.stack(np.broadcast_arrays(b - a, c - a, -along), -1)
    u, v, t = np.moveaxis(np.linalg.solve(system, (start - a)[..., None])[..., 0], -1, 0)
    return np.stack([1 - u - v, u, v], -1), t


def rays(height: int, width: int) -> tuple[Array, Array]:
    """From `FRONT`, by its angle and distance alone."""
    x, y = centres(height, width)
    half = math.tan(math.radians(FOV) / 2)
    return np.broadcast_to([0, 0, 2.6], (height, width, 3)), np.stack([x * half, y * half, -np.ones_like(x)], -1)


def agrees(hits: Hits, bary: Array, margin: float = 0.01) -> None:
    """The triangle is hit where the barycentrics say, but for a margin at its edges, and there they are those."""
    assert (hits.face[(bary > margin).all(-1)] == 0).all()
    assert (hits.face[(bary < -margin).any(-1)] == -1).all()
    hit = hits.face == 0
    assert hit.sum() > 100
    np.testing.assert_allclose(hits.bary[hit], bary[hit], atol=1e-4)


@pytest.mark.parametrize("triangle", [TRIANGLE, SLANTED])
@pytest.mark.parametrize(("height", "width"), [(64, 64), (40, 88), (96, 56)])
def test_a_triangle_is_hit_where_rays_meet_it_with_perspective_correct_barycentrics(
    backend: Backend, triangle: NDArray[np.float32], height: int, width: int
) -> None:
    bary, _ = met(triangle, *rays(height, width))
    agrees(backend(triangle, ONE).cast(FRONT.projection(), height, width), bary)


def test_the_slanted_triangle_tells_perspective_from_none() -> None:
    start, along = rays(64, 64)
    bary, _ = met(SLANTED, start, along)
    clip = np.concatenate([SLANTED, np.ones((3, 1))], 1) @ FRONT.projection().T
    picture = (np.concatenate([clip[:, :2] / clip[:, 3:], np.zeros((3, 1))], 1)).astype(np.float32)
    x, y = centres(64, 64)
    affine, _ = met(picture, np.stack([x, y, 1 + 0 * x], -1), np.array([0.0, 0.0, -1.0]))
    assert np.abs(bary - affine)[(bary > 0).all(-1)].max() > 0.1


@pytest.mark.parametrize(("height", "width"), [(64, 64), (48, 80)])
def test_an_orthographic_projection_meets_it_with_parallel_rays(backend: Backend, height: int, width: int) -> None:
    x, y = centres(height, width)
    bary, _ = met(SLANTED, np.stack([x / 0.8, y / 0.7, 3 + 0 * x], -1), np.array([0.0, 0.0, -1.0]))
    agrees(backend(SLANTED, ONE).cast(FLAT, height, width), bary)


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
@pytest.mark.parametrize("projection", [FRONT.projection(), FLAT])
def test_the_nearest_of_two_faces_is_hit(backend: Backend, order: tuple[int, int], projection: Array) -> None:
    stack = [TRIANGLE, TRIANGLE * 0.5 + np.array([0, 0, 0.4], np.float32)]
    vertices = np.concatenate([stack[i] for i in order])
    hits = backend(vertices, np.array([[0, 1, 2], [3, 4, 5]], np.int32)).cast(projection, 64, 64)
    alone = backend(stack[1], ONE).cast(projection, 64, 64)
    near = alone.face == 0
    assert near.sum() > 50
    assert (hits.face[near] == order.index(1)).all()
    np.testing.assert_allclose(hits.bary[near], alone.bary[near], atol=1e-4)
    assert set(np.unique(hits.face)) == {-1, 0, 1}


def test_two_faces_that_cross_are_each_in_front_where_they_are_nearer(backend: Backend) -> None:
    vertices = np.concatenate([SLANTED, SLANTED * np.array([1, 1, -1], np.float32)])
    hits = backend(vertices, np.array([[0, 1, 2], [3, 4, 5]], np.int32)).cast(FRONT.projection(), 64, 64)
    (first, t0), (second, t1) = met(vertices[:3], *rays(64, 64)), met(vertices[3:], *rays(64, 64))
    both = (first > 0.01).all(-1) & (second > 0.01).all(-1) & (np.abs(t0 - t1) > 0.01)
    assert both.sum() > 100
    assert np.array_equal(hits.face[both], np.where(t0 < t1, 0, 1)[both])
    assert {0, 1} <= set(hits.face[both].tolist())


def test_row_0_is_on_top_and_columns_run_to_the_right(backend: Backend) -> None:
    high_and_right = (TRIANGLE * 0.2 + np.array([0.9, 0.6, 0])).astype(np.float32)
    row, column = np.nonzero(backend(high_and_right, ONE).cast(FRONT.projection(), 64, 48).face == 0)
    assert row.max() < 32
    assert column.min() >= 24


def test_both_sides_of_a_face_are_seen(backend: Backend) -> None:
    front = backend(SLANTED, ONE).cast(FRONT.projection(), 64, 64)
    back = backend(SLANTED, ONE[:, [0, 2, 1]]).cast(FRONT.projection(), 64, 64)
    assert (front.face == 0).sum() > 100
    assert np.array_equal(front.face, back.face)
    hit = front.face == 0
    np.testing.assert_allclose(back.bary[hit][:, [0, 2, 1]], front.bary[hit], atol=1e-4)


@pytest.mark.parametrize("away", [np.array([9, 0, 0]), np.array([0, 0, 2.9]), np.array([0, 0, 9])])
def test_a_view_of_nothing_is_empty(backend: Backend, away: Array) -> None:
    hits = backend((TRIANGLE + away).astype(np.float32), ONE).cast(FRONT.projection(), 24, 40)
    assert hits.face.shape == (24, 40)
    assert hits.bary.shape == (24, 40, 3)
    assert (hits.face == -1).all()


def test_a_face_that_reaches_behind_the_camera_is_seen_before_it(backend: Backend) -> None:
    floor = np.array([[-3, -1, -4], [3, -1, -4], [0, -1, 7]], np.float32)
    bary, t = met(floor, *rays(64, 64))
    seen = (bary > 0.02).all(-1) & (t > 0.05)
    hits = backend(floor, ONE).cast(FRONT.projection(), 64, 64)
    assert seen.sum() > 200
    assert (hits.face[seen] == 0).all()
    assert (hits.face[t < 0] == -1).all()
    np.testing.assert_allclose(hits.bary[seen], bary[seen], atol=2e-4)


@pytest.mark.parametrize("name", HERE)
@pytest.mark.parametrize(("azimuth", "elevation"), [(0, 0), (73, 41)])
def test_a_sphere_has_the_area_and_the_depth_of_a_sphere(name: str, azimuth: float, elevation: float) -> None:
    scene = Scene(icosphere(4), name)
    distance, size, fov = 2.3, 200, 67.0
    view = scene.look(Camera.orbit(azimuth, elevation, distance, fov), size)
    # A sphere of radius 1 subtends asin(1 / d): a disc of radius tan(asin(1 / d)) at depth 1.
    radius = 1 / math.sqrt(distance**2 - 1) / (2 * math.tan(math.radians(fov) / 2)) * size
    assert len(view.pixel) == pytest.approx(math.pi * radius**2, rel=0.01)
    x, y = ((view.pixel % size + 0.5) / size * 2 - 1, 1 - (view.pixel // size + 0.5) / size * 2)
    half = math.tan(math.radians(fov) / 2)
    # The ray d − t meets the sphere where t² (x² + y² + 1) − 2 d t + d² − 1 = 0, at depth t.
    square = (x * half) ** 2 + (y * half) ** 2 + 1
    clear = distance**2 - square * (distance**2 - 1) > 0.3
    t = (distance - np.sqrt((distance**2 - square * (distance**2 - 1)).clip(0))) / square
    np.testing.assert_allclose(view.depth[clear], t[clear], atol=0.01)
    np.testing.assert_allclose(np.linalg.norm(view.point[clear], axis=1), 1, atol=0.005)
    np.testing.assert_allclose(view.bary.sum(1), 1, atol=1e-5)


def test_fragments_are_laid_out_in_rows() -> None:
    pixel = np.array([1, 7, 11])
    nothing = np.zeros((3, 3), np.float32)
    view = Fragments(3, 4, pixel, np.zeros(3, np.int32), nothing, nothing, nothing, nothing[:, 0], nothing[:, 0])
    values = RANDOM.random((3, 2), np.float32)
    image = view.image(values, background=0.25)
    assert image.shape == (3, 4, 2)
    for n, (row, column) in enumerate([(0, 1), (1, 3), (2, 3)]):
        assert np.array_equal(image[row, column], values[n])
    assert (image == 0.25).sum() == 2 * 9


def test_an_unknown_rasteriser_is_refused() -> None:
    with pytest.raises(ValueError, match=r"'open3d': wanted one of embree, nvdiffrast, pytorch3d"):
        rasterizer_named("open3d")


@pytest.mark.parametrize(
    ("name", "module", "words"),
    [
        ("embree", "embreex.rtcore_scene", "embreex is missing.* pip install"),
        (
            "nvdiffrast",
            "nvdiffrast.torch",
            "optional.* research and evaluation only.* embree, which needs nothing more",
        ),
        ("pytorch3d", "pytorch3d.structures", "optional.* BSD.* embree, which needs nothing more"),
    ],
)
def test_a_missing_backend_says_what_to_do(monkeypatch: pytest.MonkeyPatch, name: str, module: str, words: str) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ImportError, match=f"(?s){words}"):
        rasterizer_named(name)(TRIANGLE, ONE)


# The optional backends against hand-written stand-ins of what they import, which follow those libraries' documentation
# and ask Embree for the hits: they prove flips, offsets, scales and orders, not the libraries.


AT_ORIGIN = np.array([[1.0, 0, 0, 0], [0, 1, 0, 0], [0, 0, -101 / 99, -200 / 99], [0, 0, -1, 0]])
"""A camera at the origin that looks along −Z: w is the depth, −z, and x and y stay as they are."""


def hits_of(vertices: Array, faces: NDArray[np.int64], projection: Array, height: int, width: int) -> Hits:
    return rasterizer_named("embree")(vertices.astype(np.float32), faces.astype(np.int32)).cast(
        projection, height, width
    )


class FakeNvdiffrast(ModuleType):
    """`nvdiffrast.torch`: clip space with y up and row 0 at the bottom; (u, v, z/w, number + 1) of corners 0 and 1."""

    RasterizeCudaContext = SimpleNamespace

    @staticmethod
    def rasterize(
        context: object, pos: torch.Tensor, tri: torch.Tensor, resolution: tuple[int, int], grad_db: bool
    ) -> tuple[torch.Tensor, None]:
        assert pos.dtype == torch.float32
        assert pos.shape[0] == 1
        assert pos.shape[2] == 4
        assert tri.dtype == torch.int32
        x, y, z, w = pos[0].double().numpy().T
        if (w == 1).all():
            hits = hits_of(np.stack([x, y, -z], 1), tri.numpy(), np.diag([1.0, 1.0, -1.0, 1.0]), *resolution)
            return FakeNvdiffrast.out(hits), None
        hits = hits_of(np.stack([x, y, -w], 1), tri.numpy(), AT_ORIGIN, *resolution)
        return FakeNvdiffrast.out(hits), None

    @staticmethod
    def out(hits: Hits) -> torch.Tensor:
        u, v, _ = hits.bary.transpose(2, 0, 1)
        picture = np.stack([u, v, 0 * u, hits.face + 1], -1).astype(np.float32)
        return torch.from_numpy(picture[::-1].copy())[None]


def fake_meshes(vertices: list[torch.Tensor], faces: list[torch.Tensor]) -> SimpleNamespace:
    return SimpleNamespace(vertices=vertices[0], faces=faces[0])


def fake_rasterize_meshes(
    meshes: SimpleNamespace,
    *,
    image_size: tuple[int, int],
    blur_radius: float,
    faces_per_pixel: int,
    perspective_correct: bool,
    cull_backfaces: bool,
    **_: object,
) -> tuple[torch.Tensor, ...]:
    """PyTorch3D's: x to the left, y up, the shorter side from −1 to 1, z grows with depth and is above 0."""
    assert (blur_radius, faces_per_pixel, cull_backfaces) == (0, 1, False)
    height, width = image_size
    x, y, z = meshes.vertices.double().numpy().T
    assert (z > 0).all()
    unit = min(height, width)
    x, y = -x * unit / width, y * unit / height
    if perspective_correct:
        hits = hits_of(np.stack([x * z, y * z, -z], 1), meshes.faces.numpy(), AT_ORIGIN, height, width)
    else:
        hits = hits_of(np.stack([x, y, -z], 1), meshes.faces.numpy(), np.diag([1.0, 1.0, -0.1, 1.0]), height, width)
    bary = torch.from_numpy(hits.bary)[None, :, :, None]
    return torch.from_numpy(hits.face.astype(np.int64))[None, ..., None], bary, bary, bary


@pytest.fixture(params=["nvdiffrast", "pytorch3d"])
def stood_in(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> object:
    monkeypatch.setitem(sys.modules, "nvdiffrast", ModuleType("nvdiffrast"))
    monkeypatch.setitem(sys.modules, "nvdiffrast.torch", FakeNvdiffrast("nvdiffrast.torch"))
    for name in ("pytorch3d", "pytorch3d.renderer", "pytorch3d.renderer.mesh"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    module = ModuleType("pytorch3d.renderer.mesh.rasterize_meshes")
    module.rasterize_meshes = fake_rasterize_meshes  # type: ignore[attr-defined]
    structures = ModuleType("pytorch3d.structures")
    structures.Meshes = fake_meshes  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setitem(sys.modules, structures.__name__, structures)
    if request.param == "nvdiffrast":
        monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
        monkeypatch.setattr(torch.Tensor, "cuda", lambda self: self)
    else:
        monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    return rasterizer_named(request.param)


@pytest.mark.parametrize(("height", "width"), [(48, 48), (40, 64), (64, 40)])
@pytest.mark.parametrize("flat", [False, True])
def test_optional_backends_turn_what_their_library_says_into_hits(
    stood_in: Backend, height: int, width: int, flat: bool
) -> None:
    vertices = np.concatenate([SLANTED, SLANTED * np.array([0.7, -0.9, -1], np.float32)])
    faces = np.array([[0, 1, 2], [4, 3, 5]], np.int32)
    projection = FLAT if flat else Camera.orbit(17, 12, 3.1, FOV).projection()
    mine = stood_in(vertices, faces).cast(projection, height, width)
    wanted = rasterizer_named("embree")(vertices, faces).cast(projection, height, width)
    assert mine.face.dtype == np.int32
    assert mine.bary.dtype == np.float32
    same = mine.face == wanted.face
    assert same.mean() > 0.995
    assert set(np.unique(mine.face)) == {-1, 0, 1}
    hit = same & (mine.face >= 0)
    np.testing.assert_allclose(mine.bary[hit], wanted.bary[hit], atol=2e-4)


def test_nvdiffrast_without_a_device_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "nvdiffrast", ModuleType("nvdiffrast"))
    monkeypatch.setitem(sys.modules, "nvdiffrast.torch", FakeNvdiffrast("nvdiffrast.torch"))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(RuntimeError, match="CUDA device"):
        rasterizer_named("nvdiffrast")(TRIANGLE, ONE)
