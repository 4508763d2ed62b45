"""Any picture to a size that suits the model and back; windows; what stands in the hole before encoding."""

import pytest
import torch
from alm_core import Slice
from alm_core.testing import check_window
from alm_image.fit import fit
from alm_image.latent import decode_ring, smooth_fill, to_cells
from alm_image.windows import grid
from fakes import Fake


def hole(height: int, width: int, top: int, left: int, tall: int, broad: int) -> torch.Tensor:
    mask = torch.zeros(1, 1, height, width)
    mask[..., top : top + tall, left : left + broad] = 1
    return mask


def test_a_small_hole_is_worked_on_at_full_resolution_around_it() -> None:
    placed = fit(Fake(size=32), hole(100, 120, 50, 60, 10, 12))
    assert placed.size == placed.crop[2:] == (32, 32)
    assert placed.crop[0] <= 50
    assert placed.crop[0] + 32 >= 60


def test_a_crop_stays_inside_the_picture() -> None:
    top, left, tall, broad = fit(Fake(size=32), hole(100, 120, 90, 110, 10, 10)).crop
    assert (top + tall, left + broad) == (100, 120)


def test_a_large_hole_is_resized_to_the_model_or_tiled() -> None:
    mask = hole(200, 200, 20, 20, 150, 160)
    assert max(fit(Fake(size=32), mask).size) == 32
    tiled = fit(Fake(size=32), mask, tile=True)
    assert tiled.size == tiled.crop[2:]
    covered = torch.zeros(1, 1, *tiled.size)
    for window in tiled.windows:
        covered = window.write(covered, torch.ones(1, 1, *window.size))
    assert bool((covered == 1).all())


def test_a_small_picture_is_enlarged_only_for_a_model_that_wants_it() -> None:
    mask = hole(20, 24, 4, 4, 6, 6)
    assert max(fit(Fake(size=32, multiple=1), mask).size) == 32
    assert fit(Fake(size=32, multiple=1, smallest=1), mask).size == (20, 24)


def test_a_model_of_one_size_gets_it_and_sees_as_much_as_a_square_holds() -> None:
    prior = Fake(size=32, fixed_size=True)
    placed = fit(prior, hole(50, 90, 5, 5, 40, 80))
    assert (placed.size, placed.crop) == ((32, 32), (0, 0, 50, 90))
    placed = fit(prior, hole(200, 300, 20, 200, 10, 12))
    assert (placed.size, placed.crop[2:]) == ((32, 32), (200, 200))


def test_a_prior_of_one_canvas_is_not_given_more_than_it_takes() -> None:
    mask = hole(300, 400, 20, 20, 250, 300)
    placed = fit(Fake(size=32, windowed=False), mask, tile=True)
    assert (max(placed.size), placed.windows) == (32, ())


def test_what_stands_in_the_hole_does_not_reach_what_is_kept_by_resizing() -> None:
    mask = hole(200, 200, 20, 20, 150, 160)
    placed = fit(Fake(size=32), mask)
    pixels = torch.rand(1, 3, 200, 200)
    other = torch.where(mask > 0, torch.rand(1, 3, 200, 200), pixels)
    assert torch.equal(placed.to_work(pixels, mask)[0], placed.to_work(other, mask)[0])


@pytest.mark.parametrize("size", [(64, 64), (37, 91), (20, 24)])
def test_what_is_not_resized_comes_back_exactly(size: tuple[int, int]) -> None:
    mask, pixels = hole(*size, 4, 4, 6, 7), torch.rand(1, 3, *size)
    placed = fit(Fake(size=32, multiple=1), mask)
    work, _ = placed.to_work(pixels, mask)
    returned = placed.to_picture(work, pixels)
    if placed.size == placed.crop[2:]:
        assert torch.equal(returned, pixels)
    assert returned.shape == pixels.shape


def test_any_share_of_hole_is_hole_after_shrinking() -> None:
    mask = hole(128, 128, 3, 3, 110, 110)
    mask[0, 0, 127, 127] = 1
    placed = fit(Fake(size=32), mask)
    _, work = placed.to_work(torch.zeros(1, 3, 128, 128), mask)
    assert work[0, 0, -1, -1] == 1


def test_grid_windows_cover_and_go_outward() -> None:
    windows = grid((64, 256), 64, 48, outward_from=128)
    assert windows[0].start[1] == 96
    assert sorted(w.start[1] for w in windows) == [0, 48, 96, 144, 192]


def test_a_looped_grid_is_a_lens_across_the_seam() -> None:
    windows = grid((8, 32), 8, 6, loop=True)
    assert any(w.start[1] + w.size[1] > 32 for w in windows)
    for window in windows:
        check_window(window, torch.rand(1, 2, 8, 32))


def test_windows_in_pixels_become_cells() -> None:
    assert to_cells(Slice((64, 128), (512, 512)), (1024, 2048), torch.zeros(1, 4, 128, 256)) == Slice((8, 16), (64, 64))


def test_the_hole_is_filled_by_its_surroundings_and_nothing_leaks_out_of_it() -> None:
    pixels = torch.full((1, 3, 33, 40), 0.3)
    mask = hole(33, 40, 5, 6, 20, 30)
    pixels[mask.expand_as(pixels) > 0] = torch.rand(20 * 30 * 3)
    assert torch.allclose(smooth_fill(pixels, mask), torch.full_like(pixels, 0.3), atol=1e-5)


def test_a_ring_is_decoded_without_a_seam() -> None:
    state = torch.rand(1, 3, 4, 20)
    ring = decode_ring(lambda s: torch.nn.functional.avg_pool2d(s, (1, 3), 1, (0, 1)), state)
    expected = (state.roll(1, -1) + state + state.roll(-1, -1)) / 3
    torch.testing.assert_close(ring, expected)
