"""Views as windows: the laws of a lens, and what two views of one place share."""

import numpy as np
import pytest
import torch
from alm_core.testing import check_window
from alm_texture.camera import Camera
from alm_texture.scene import Scene
from alm_texture.sight import CLEARLY, sight
from alm_texture.windows import MeshView, mesh_views
from numpy.typing import NDArray
from shapes import box, icosphere, quad

CAMERAS = [Camera.orbit(0, 0), Camera.orbit(40, 15), Camera.orbit(180, -20)]
RANDOM = np.random.default_rng(11)


def windows_of(
    scene: Scene,
    texels: int,
    cells: int,
    cameras: list[Camera] | None = None,
    alone: list[NDArray[np.bool_]] | None = None,
) -> tuple[list[MeshView], int]:
    cameras = cameras or CAMERAS
    return mesh_views(scene.atlas(texels), cameras, [scene.look(camera, cells) for camera in cameras], alone)


@pytest.mark.parametrize(("texels", "cells"), [(128, 32), (64, 17), (48, 64), (16, 40)])
def test_a_view_keeps_the_laws_of_a_window(texels: int, cells: int) -> None:
    windows, places = windows_of(Scene(icosphere(2)), texels, cells)
    canvas = torch.rand(2, 3, places, generator=torch.Generator().manual_seed(1))
    for window in windows:
        check_window(window, canvas)
        assert window.read(canvas).shape == (2, 3, cells, cells)


def test_every_place_is_shown_by_some_view_and_every_cell_shows_one() -> None:
    windows, places = windows_of(Scene(box()), 64, 24)
    for window in windows:
        assert window.shown.min() >= 0
        assert window.shown.max() < places
        # What a cell reads takes its value from that cell.
        takes = torch.full((places,), -1)
        takes[window.place] = window.cell
        assert torch.equal(takes[window.shown], torch.arange(24 * 24))
    assert torch.unique(torch.cat([window.place for window in windows])).tolist() == list(range(places))


def test_what_one_view_writes_another_reads_at_the_same_place() -> None:
    scene, cells = Scene(icosphere(3)), 40
    (first, second), places = windows_of(scene, 512, cells, CAMERAS[:2])
    view, other = (scene.look(camera, cells) for camera in CAMERAS[:2])
    # A picture whose every cell says where on the surface it lies.
    piece = torch.full((1, 3, cells * cells), torch.nan)
    piece[0][:, view.pixel] = torch.from_numpy(view.point).T
    canvas = first.write(torch.full((1, 3, places), torch.nan), piece.view(1, 3, cells, cells))
    read = second.read(canvas)[0].flatten(1).numpy().T[other.pixel]
    known = ~np.isnan(read[:, 0])
    apart = np.linalg.norm(read - other.point, axis=1)
    # Both see well what lies within 60 degrees of both.
    cosine = (other.point * CAMERAS[0].position).sum(1) / 2
    clear = (other.cosine > 0.5) & (cosine > 0.7)
    assert clear.sum() > 200
    assert known[clear].mean() > 0.99
    # Off by no more than half a cell of each view, and as wide as the other sees it.
    assert np.quantile(apart[clear & known], 0.99) < 2.5 * CAMERAS[0].footprint(cells) * 1.3


def test_cells_that_show_no_mesh_are_each_views_own() -> None:
    scene, cells = Scene(icosphere(2)), 24
    windows, _places = windows_of(scene, 128, cells)
    own = []
    for camera, window in zip(CAMERAS, windows, strict=True):
        backdrop = np.setdiff1d(np.arange(cells * cells), scene.look(camera, cells).pixel)
        own.append(set(window.shown[torch.from_numpy(backdrop)].tolist()))
        assert len(own[-1]) == len(backdrop) > 0
    for i, window in enumerate(windows):
        assert not any(own[j] & set(window.place.tolist()) for j in range(3) if j != i)


def test_cells_that_are_to_be_alone_are_not_shared() -> None:
    scene, cells = Scene(icosphere(2)), 24
    alone = [RANDOM.random(cells * cells) < 0.5 for _ in CAMERAS]
    windows, places = windows_of(scene, 128, cells, alone=alone)
    shared, _ = windows_of(scene, 128, cells)
    for i, window in enumerate(windows):
        others = {p for j, other in enumerate(windows) if j != i for p in other.place.tolist()}
        mine = window.shown[torch.from_numpy(alone[i])].tolist()
        assert len(set(mine)) == alone[i].sum()
        assert not others & set(mine)
        check_window(window, torch.rand(1, 2, places))

    def both(pair: list[MeshView]) -> set[int]:
        return set(pair[0].place.tolist()) & set(pair[1].place.tolist())

    assert len(both(shared)) > len(both(windows)) > 0


def test_a_cell_reads_the_texel_that_projects_nearest_to_its_centre() -> None:
    scene, cells, texels, camera = Scene(quad()), 20, 64, Camera.orbit(20, 10)
    (window,), places = windows_of(scene, texels, cells, [camera])
    atlas, view = scene.atlas(texels), scene.look(camera, cells)
    seen = sight(atlas, camera, view)
    # One view: its places are the texels that it sees, in order.
    for cell in RANDOM.choice(view.pixel, 40, replace=False):
        off = (seen.x - cell % cells) ** 2 + (seen.y - cell // cells) ** 2
        if off.min() < 0.25:
            chosen = int(window.shown[cell])
            assert off[chosen] == pytest.approx(off.min(), abs=1e-3)
    # A texel takes the value of the cell that it lies in.
    column, row = np.rint(seen.x).astype(int), np.rint(seen.y).astype(int)
    clear = (np.abs(seen.x - np.floor(seen.x) - 0.5) > 0.05) & (np.abs(seen.y - np.floor(seen.y) - 0.5) > 0.05)
    inside = np.isin(row * cells + column, view.pixel)
    takes = np.full(places, -1)
    takes[window.place.numpy()] = window.cell.numpy()
    right = takes[: len(seen.at)] == row * cells + column
    assert right[clear & inside].all()


def test_writing_leaves_the_texels_of_cells_that_did_not_change() -> None:
    windows, places = windows_of(Scene(icosphere(2)), 256, 20)
    canvas = torch.rand(1, 2, places)
    window = windows[0]
    piece = window.read(canvas)
    changed = torch.zeros(20, 20, dtype=torch.bool)
    changed[8:11, 9:12] = True
    piece = torch.where(changed, piece + 1, piece)
    written = window.write(canvas, piece)
    moved = window.place[changed.flatten()[window.cell]]
    different = (written != canvas).any(1)[0].nonzero()[:, 0]
    assert set(different.tolist()) == set(moved.tolist())
    assert len(moved) > 9
    for place, cell in zip(window.place.tolist(), window.cell.tolist(), strict=True):
        if changed.flatten()[cell]:
            assert torch.equal(written[..., place], piece.flatten(-2)[..., cell])


def test_a_cell_stands_where_it_sees_well_or_no_later_view_sees_better() -> None:
    scene, cells, texels = Scene(quad()), 32, 64
    # The front sees the quad at a glancing angle only from the second camera, which comes before or after it.
    front, glancing = Camera.orbit(0, 0), Camera.orbit(80, 0)
    for order in ([glancing, front], [front, glancing]):
        windows, _ = windows_of(scene, texels, cells, order)
        for camera, window in zip(order, windows, strict=True):
            view = scene.look(camera, cells)
            stands = window.stands.flatten().numpy()
            assert window.stands.shape == (1, 1, cells, cells)
            backdrop = np.setdiff1d(np.arange(cells * cells), view.pixel)
            assert (stands[backdrop] == 1).all()
            if camera is front or order[0] is front:
                assert (stands == 1).all()
            else:
                # The near end is seen at more than 70 degrees off too.
                assert (view.cosine < CLEARLY).all()
                assert (stands[view.pixel] == 0).mean() > 0.9


def test_a_view_that_sees_well_stands_where_a_later_one_sees_better() -> None:
    scene, cells = Scene(quad()), 32
    first, later = Camera.orbit(40, 0), Camera.orbit(0, 0)
    (window, _), _ = windows_of(scene, 64, cells, [first, later])
    cosine = scene.look(first, cells).cosine
    assert CLEARLY < cosine.min() <= cosine.max() < 0.95
    assert (window.stands == 1).all()


def test_a_glancing_view_stands_where_the_later_one_sees_still_less() -> None:
    scene, cells = Scene(quad()), 32
    first, later = Camera.orbit(75, 0), Camera.orbit(80, 0)
    (window, _), _ = windows_of(scene, 64, cells, [first, later])
    assert (scene.look(first, cells).cosine < CLEARLY).any()
    assert (window.stands == 1).all()
