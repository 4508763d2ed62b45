"""Least squares: exact where the views determine the texture, and numpy's solution elsewhere."""

import numpy as np
import pytest
from alm_texture.atlas import shade
from alm_texture.camera import Camera
from alm_texture.least_squares import LeastSquares
from alm_texture.mesh import Mesh
from alm_texture.raster import Fragments
from alm_texture.scene import Scene
from alm_texture.sight import GRAZING
from numpy.typing import NDArray
from shapes import in_box, joined, moved, quad

Array = NDArray[np.float64]
RANDOM = np.random.default_rng(9)
SIZE = 8
MESH = joined(quad(1, (0.1, 0.1, 0.9, 0.9)), moved(quad(1, (0.0, 0.2, 0.5, 0.7)), (0, 0, -2)), pages=True)
CAMERAS = [Camera.orbit(10, 5, 2.0, 45), Camera.orbit(-30, 20, 2.4, 50)]


def views() -> list[Fragments]:
    scene = Scene(MESH)
    return [scene.look(camera, 36) for camera in CAMERAS]


def matrix(mesh: Mesh, view: Fragments, size: int) -> Array:
    """(n, T) the bilinear weights by which the pixels read the texels, one at a time."""
    assert mesh.uv is not None
    rows = np.zeros((len(view.pixel), len(mesh.materials) * size * size))
    for row, face, bary in zip(rows, view.face, view.bary.astype(np.float64), strict=True):
        u, v = bary @ mesh.uv[face]
        x, y = u * size - 0.5, (1 - v) * size - 0.5
        for i in range(int(np.floor(y)), int(np.floor(y)) + 2):
            for j in range(int(np.floor(x)), int(np.floor(x)) + 2):
                share = (1 - abs(x - j)) * (1 - abs(y - i))
                row[mesh.page[face] * size * size + i % size * size + j % size] += share
    return rows


def dense(
    power: float, pictures: list[tuple[Fragments, NDArray[np.float32], NDArray[np.float32]]]
) -> tuple[Array, Array]:
    """The rows of all pixels that see the outside, times the root of what they are worth, and what they show."""
    left, right = [], []
    for view, values, weight in pictures:
        front = view.cosine > 0
        root = np.sqrt(np.maximum(view.cosine[front], GRAZING) ** power * weight[front])[:, None]
        left.append(matrix(MESH, view, SIZE)[front] * root)
        right.append(values[front] * root)
    return np.concatenate(left), np.concatenate(right)


def random_pictures() -> list[tuple[Fragments, NDArray[np.float32], NDArray[np.float32]]]:
    return [
        (view, RANDOM.random((len(view.pixel), 2), np.float32), RANDOM.random(len(view.pixel), np.float32))
        for view in views()
    ]


def test_a_texture_is_recovered_where_the_views_determine_it() -> None:
    truth = RANDOM.random((2 * SIZE**2, 3), np.float32)
    equations = LeastSquares(MESH, SIZE, 3)
    used = np.zeros(2 * SIZE**2)
    for view in views():
        equations.add(view, shade(MESH, view, truth, SIZE))
        used = used + matrix(MESH, view, SIZE)[view.cosine > 0].sum(0)
    start = RANDOM.random(truth.shape, np.float32)
    made = equations.texture(start, hold=1e-6, tolerance=1e-9, iterations=2000)
    determined = used > 3
    assert determined.sum() > 50
    np.testing.assert_allclose(made[determined], truth[determined], atol=5e-3)
    assert np.abs(start[determined] - truth[determined]).max() > 0.5


@pytest.mark.parametrize(("power", "hold"), [(2.0, 0.1), (0.7, 1.3)])
def test_the_solution_is_the_one_of_the_whole_system(power: float, hold: float) -> None:
    pictures = random_pictures()
    equations = LeastSquares(MESH, SIZE, 2, power=power)
    for picture in pictures:
        equations.add(*picture)
    start = RANDOM.random((2 * SIZE**2, 2), np.float32)
    left, right = dense(power, pictures)
    left = np.concatenate([left, np.sqrt(hold) * np.eye(len(start))])
    wanted = np.linalg.lstsq(left, np.concatenate([right, np.sqrt(hold) * start]), rcond=None)[0]
    made = equations.texture(start, hold=hold, tolerance=1e-8, iterations=1000)
    np.testing.assert_allclose(made, wanted, atol=1e-4)


def test_fixed_texels_stay_and_the_rest_solves_what_remains() -> None:
    pictures, hold = random_pictures(), 0.3
    equations = LeastSquares(MESH, SIZE, 2, power=1.2)
    for picture in pictures:
        equations.add(*picture)
    start = RANDOM.random((2 * SIZE**2, 2), np.float32)
    fixed = RANDOM.random(len(start)) < 0.4
    made = equations.texture(start, hold=hold, fixed=fixed, tolerance=1e-8, iterations=1000)
    assert np.array_equal(made[fixed], start[fixed])
    left, right = dense(1.2, pictures)
    right = right - left[:, fixed] @ start[fixed]
    left = np.concatenate([left[:, ~fixed], np.sqrt(hold) * np.eye((~fixed).sum())])
    wanted = np.linalg.lstsq(left, np.concatenate([right, np.sqrt(hold) * start[~fixed]]), rcond=None)[0]
    np.testing.assert_allclose(made[~fixed], wanted, atol=1e-4)


def test_views_added_in_any_order_and_twice_are_one_sum() -> None:
    pictures = random_pictures()
    start = RANDOM.random((2 * SIZE**2, 2), np.float32)

    def solved(order: tuple[int, ...], worth: float) -> NDArray[np.float32]:
        equations = LeastSquares(MESH, SIZE, 2)
        for i in order:
            view, values, weight = pictures[i]
            equations.add(view, values, weight * np.float32(worth))
        return equations.texture(start, hold=0.2, tolerance=1e-8, iterations=1000)

    np.testing.assert_allclose(solved((0, 1), 1.0), solved((1, 0), 1.0), atol=1e-4)
    np.testing.assert_allclose(solved((0, 1, 0, 1), 0.5), solved((0, 1), 1.0), atol=1e-4)
    assert np.abs(solved((0, 1), 1.0) - solved((0,), 1.0)).max() > 0.05


def test_what_no_pixel_reads_is_kept_bit_by_bit() -> None:
    equations = LeastSquares(MESH, SIZE, 1)
    read = np.zeros(2 * SIZE**2, bool)
    for view in views():
        front = view.cosine > 0
        equations.add(view, np.zeros((len(view.pixel), 1), np.float32))
        read |= (matrix(MESH, view, SIZE)[front] > 1e-6).any(0)
    start = RANDOM.random((2 * SIZE**2, 1), np.float32)
    assert 10 < (~read).sum() < 100
    assert np.array_equal(equations.read, read)
    made = equations.texture(start, hold=1e-3)
    assert np.array_equal(made[~read], start[~read])
    assert (made[read] != start[read]).all()


def test_pixels_that_see_the_back_of_a_face_do_not_count() -> None:
    mesh = in_box(quad(), 0.1, 0.1, 0.9, 0.9)
    view = Scene(mesh).look(Camera.orbit(0, 0), 24)
    behind = Fragments(**{**vars(view), "cosine": -view.cosine})
    equations = LeastSquares(mesh, SIZE, 1)
    equations.add(behind, np.ones((len(view.pixel), 1), np.float32))
    assert not equations.read.any()
    equations.add(view, np.ones((len(view.pixel), 1), np.float32), np.zeros(len(view.pixel), np.float32))
    assert not equations.read.any()


def test_grazing_pixels_count_with_the_least_cosine() -> None:
    pictures = [
        (
            Fragments(**{**vars(view), "cosine": np.where(RANDOM.random(len(weight)) < 0.5, 1e-3, view.cosine)}),
            v,
            weight,
        )
        for view, v, weight in random_pictures()
    ]
    equations = LeastSquares(MESH, SIZE, 2, power=1.0)
    for picture in pictures:
        equations.add(*picture)
    start, hold = RANDOM.random((2 * SIZE**2, 2), np.float32), 0.05
    left, right = dense(1.0, pictures)
    left = np.concatenate([left, np.sqrt(hold) * np.eye(len(start))])
    wanted = np.linalg.lstsq(left, np.concatenate([right, np.sqrt(hold) * start]), rcond=None)[0]
    made = equations.texture(start, hold=hold, tolerance=1e-8, iterations=1000)
    np.testing.assert_allclose(made, wanted, atol=1e-4)


def test_a_start_that_renders_as_the_views_show_stays() -> None:
    truth = RANDOM.random((2 * SIZE**2, 2), np.float32)
    equations = LeastSquares(MESH, SIZE, 2)
    for view in views():
        equations.add(view, shade(MESH, view, truth, SIZE))
    np.testing.assert_allclose(equations.texture(truth, hold=0.5), truth, atol=1e-4)


def test_a_larger_hold_stays_closer_to_the_start() -> None:
    pictures = random_pictures()
    equations = LeastSquares(MESH, SIZE, 2)
    for picture in pictures:
        equations.add(*picture)
    start = RANDOM.random((2 * SIZE**2, 2), np.float32)
    moved_by = [np.abs(equations.texture(start, hold=hold) - start).mean() for hold in (1e-3, 1.0, 100.0)]
    assert moved_by[0] > moved_by[1] > moved_by[2]
