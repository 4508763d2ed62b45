"""Measures of a picture against its truth, without a network: formulas by hand, and other libraries' values."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from alm_image.metrics import fsim, fsimc, masked_mse, masked_ssim, ms_ssim, mse, phase, ssim
from alm_image.metrics.full_reference import ssim_map
from alm_image.metrics.phase import phase_congruency
from metric_pictures import pair, smooth
from skimage.metrics import structural_similarity
from torch import Tensor
from torch.nn.functional import avg_pool2d

MEASURES = (mse, ssim, fsim, fsimc)


# All


@pytest.mark.parametrize("measure", MEASURES)
def test_a_value_is_that_of_the_picture_alone(measure: Any) -> None:
    made, truth = pair(3, (40, 36), seed=1)
    alone = torch.cat([measure(made[k : k + 1], truth[k : k + 1]) for k in range(3)])
    assert measure(made, truth).shape == (3,)
    torch.testing.assert_close(measure(made, truth), alone)
    assert len(set(alone.tolist())) == 3


@pytest.mark.parametrize("measure", MEASURES)
def test_more_noise_is_worse(measure: Any) -> None:
    made, truth = pair(1, (48, 40), seed=2)
    nearer = truth + 0.3 * (made - truth)
    worse, better = (float(measure(each, truth)) for each in (made, nearer))
    assert (worse > better) if measure is mse else (worse < better)


@pytest.mark.parametrize("measure", MEASURES)
def test_the_order_of_the_two_does_not_matter_and_equals_are_perfect(measure: Any) -> None:
    made, truth = pair(2, (40, 44), seed=3)
    torch.testing.assert_close(measure(made, truth), measure(truth, made))
    torch.testing.assert_close(measure(made, made), torch.full((2,), 0.0 if measure is mse else 1.0))


@pytest.mark.parametrize("measure", MEASURES)
def test_pixels_of_another_shape_or_range_are_refused(measure: Any) -> None:
    made, truth = pair(1, (40, 40), seed=4)
    with pytest.raises(ValueError, match="one size are compared"):
        measure(made, truth[..., 1:])
    with pytest.raises(ValueError, match=r"in \[-1, 1\], got"):
        measure(made * 255, truth)
    with pytest.raises(ValueError, match="pixels are float"):
        measure(made[0], truth[0])
    with pytest.raises(ValueError, match="pixels are float"):
        measure(made.to(torch.uint8), truth.to(torch.uint8))


# Mean squares


def test_mean_squares_are_of_the_range_from_minus_one_to_one() -> None:
    black, white = torch.full((1, 3, 2, 2), -1.0), torch.ones(1, 3, 2, 2)
    assert float(mse(black, white)) == 4.0
    half = black.clone()
    half[..., :1] = 0.5
    assert float(mse(half, black)) == pytest.approx(0.5 * 1.5**2)


def test_the_masked_mean_square_is_over_the_hole_by_the_masks_weights() -> None:
    made, truth = pair(2, (5, 4), seed=5)
    mask = torch.rand(2, 1, 5, 4, generator=torch.Generator().manual_seed(6))
    for k in range(2):
        total = weight = 0.0
        for row in range(5):
            for column in range(4):
                m = float(mask[k, 0, row, column])
                weight += m
                total += m * sum(float(made[k, c, row, column] - truth[k, c, row, column]) ** 2 for c in range(3)) / 3
        assert float(masked_mse(made, truth, mask)[k]) == pytest.approx(total / weight, rel=1e-5)


def test_a_mask_without_white_or_of_another_size_is_refused() -> None:
    made, truth = pair(2, (16, 12), seed=7)
    mask = torch.ones(2, 1, 16, 12)
    mask[1] = 0
    for measure in (masked_mse, masked_ssim):
        with pytest.raises(ValueError, match="some white"):
            measure(made, truth, mask)
        with pytest.raises(ValueError, match=r"a mask \(2, 1, 16, 12\) is wanted"):
            measure(made, truth, mask[..., 1:])


# SSIM


def of_skimage(made: Tensor, truth: Tensor) -> Any:
    """The value and the map by scikit-image, with the window of Wang et al., of values in [0, 1]."""
    x, y = ((each.double().numpy() + 1) / 2 for each in (made, truth))
    options: Any = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
    return structural_similarity(x, y, channel_axis=0, data_range=1.0, full=True, **options)


@pytest.mark.parametrize("size", [(11, 11), (40, 33)])
def test_ssim_and_its_map_are_those_of_scikit_image(size: tuple[int, int]) -> None:
    made, truth = pair(2, size, seed=8)
    for k in range(2):
        value, values = of_skimage(made[k], truth[k])
        assert float(ssim(made.double(), truth.double())[k]) == pytest.approx(value, abs=1e-10)
        assert float(ssim(made, truth)[k]) == pytest.approx(value, abs=1e-4)
        np.testing.assert_allclose(ssim_map(made.double(), truth.double())[k, 0], values.mean(0), atol=1e-10)


def test_masked_ssim_is_the_map_averaged_over_the_hole() -> None:
    made, truth = pair(2, (30, 26), seed=9)
    mask = torch.zeros(1, 1, 30, 26)
    mask[..., 20:, 3:9] = 1  # down to the border, where the map is that of the mirrored picture
    for k in range(2):
        _, values = of_skimage(made[k], truth[k])
        expected = values.mean(0)[20:, 3:9].mean()
        assert float(masked_ssim(made, truth, mask)[k]) == pytest.approx(expected, abs=1e-4)


def test_what_is_far_from_the_hole_does_not_change_masked_ssim() -> None:
    made, truth = pair(1, (40, 30), seed=10)
    mask = torch.zeros(1, 1, 40, 30)
    mask[..., :12, :] = 1
    other = made.clone()
    other[..., 17:, :] = 0.9  # six pixels beyond: the window's radius is five
    assert float(masked_ssim(other, truth, mask)) == float(masked_ssim(made, truth, mask))
    other[..., 16, :] = 0.9
    assert float(masked_ssim(other, truth, mask)) != float(masked_ssim(made, truth, mask))


def test_a_picture_smaller_than_the_window_is_refused() -> None:
    with pytest.raises(ValueError, match="11 pixels a side or more are wanted, got 12 x 10"):
        ssim(*pair(1, (10, 12), seed=0))


# MS-SSIM


def test_ms_ssim_is_that_of_another_library() -> None:
    pytest.importorskip("torchmetrics")
    from pytorch_msssim import ms_ssim as other

    made, truth = pair(2, (176, 190), seed=11)
    expected = other((made + 1) / 2, (truth + 1) / 2, data_range=1.0, size_average=False)
    torch.testing.assert_close(ms_ssim(made, truth), expected, atol=5e-4, rtol=0)
    torch.testing.assert_close(ms_ssim(made[:1], truth[:1]), ms_ssim(made, truth)[:1])


def test_ms_ssim_wants_larger_pictures_and_its_library(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="176 pixels a side or more are wanted, got 180 x 175"):
        ms_ssim(*pair(1, (175, 180), seed=0))
    monkeypatch.setitem(__import__("sys").modules, "torchmetrics.functional.image", None)
    with pytest.raises(ImportError, match=r"torchmetrics.*'alm-image\[metrics\]'"):
        ms_ssim(*pair(1, (176, 176), seed=0))


# FSIM

# By piq 0.8.0 on the CPU, of `pair(2, size, seed)` of float32:
#   x, y = ((each + 1) / 2 for each in pair(2, size, seed=20))
#   piq.fsim(x, y, chromatic=False, reduction="none"), piq.fsim(x, y, reduction="none")
# Its pictures of sides that are no multiples of the factor lose their last pixels, which the authors' code keeps: none
# such is here. Where colours disagree it takes the absolute value where the paper takes the real part: 0.0005.
PIQ = {
    (32, 40): ([0.9794326, 0.9266342], [0.9676632, 0.8975542]),
    (71, 93): ([0.9608151, 0.9041656], [0.9497451, 0.8763999]),
    (512, 520): ([0.9824218, 0.9406837], [0.9794474, 0.9287345]),
}


@pytest.mark.parametrize("size", PIQ)
def test_fsim_is_that_of_another_library(size: tuple[int, int]) -> None:
    made, truth = pair(2, size, seed=20)
    grey, colour = PIQ[size]
    assert fsim(made, truth).tolist() == pytest.approx(grey, abs=5e-5)
    assert fsimc(made, truth).tolist() == pytest.approx(colour, abs=1e-3)


def test_fsim_sees_no_colour_and_fsimc_does() -> None:
    grey = smooth(1, (40, 40), seed=12).mean(1, keepdim=True).expand(-1, 3, -1, -1)
    # Along this axis I and Q change, and the brightness does not.
    tint = torch.tensor([0.114, 0.0, -0.299])[:, None, None]
    coloured = (grey * 0.5 + tint).clamp(-1, 1)
    assert float(fsim(coloured, grey * 0.5)) == pytest.approx(1, abs=1e-4)
    assert float(fsimc(coloured, grey * 0.5)) < 0.99


def test_fsim_of_pictures_that_show_nothing_is_1() -> None:
    flat = torch.full((1, 3, 32, 32), 0.3)
    assert float(fsim(flat, flat)) == float(fsim(flat, -flat)) == 1.0
    assert float(fsim(flat, smooth(1, (32, 32), seed=1))) < 0.5


def test_large_pictures_are_made_smaller_by_means_first() -> None:
    made, truth = pair(1, (256, 264), seed=13)
    twice = [each.repeat_interleave(2, 2).repeat_interleave(2, 3) for each in (made, truth)]
    torch.testing.assert_close(fsim(*twice), fsim(made, truth), atol=1e-5, rtol=0)
    torch.testing.assert_close(fsimc(*twice), fsimc(made, truth), atol=1e-5, rtol=0)


def test_phase_congruency_is_high_at_edges_and_independent_of_contrast() -> None:
    step = torch.full((1, 64, 64), 100.0, dtype=torch.float64)
    step[..., 14:44] = 140.0
    found = phase_congruency(step)[0]
    assert float(found.min()) >= 0
    assert float(found.max()) <= 1
    row = found[32]
    assert {13, 14, 43, 44} >= set(row.topk(3).indices.tolist())
    assert float(row[13]) > 0.7
    assert float(row[3:10].max()) < 0.3
    assert float(row[19:23].max()) < 0.3
    torch.testing.assert_close(phase_congruency(5 * step - 300), phase_congruency(step), atol=1e-4, rtol=0)


def test_phase_congruency_turns_with_the_picture() -> None:
    grey = 127.5 * (smooth(1, (48, 48), seed=14).mean(1).double() + 1)
    found = phase_congruency(grey)
    # Directions of a quarter turn are among the four; an even size is turned about a pixel's corner.
    turned = phase_congruency(grey.rot90(1, (1, 2))).rot90(-1, (1, 2))
    torch.testing.assert_close(turned, found, atol=0.02, rtol=0)
    assert float((phase_congruency(grey.flip(2)).flip(2) - found).abs().max()) < 0.02


def test_the_colour_term_is_the_real_part_of_the_power() -> None:
    # Flat colours of opposite I and Q beside one common edge, so that both similarities are constants.
    edge = torch.zeros(1, 3, 32, 32)
    edge[..., 16:] = 0.2
    yiq = torch.tensor([[0.299, 0.587, 0.114], [0.596, -0.274, -0.322], [0.211, -0.523, 0.312]], dtype=torch.float64)
    tint = torch.linalg.solve(yiq, torch.tensor([0.0, 0.3, 0.1], dtype=torch.float64)).float()[:, None, None]
    other = torch.linalg.solve(yiq, torch.tensor([0.0, -0.3, 0.1], dtype=torch.float64)).float()[:, None, None]
    # I and Q in levels; the offset of [−1, 1] to levels adds the same to both.
    shift = [127.5 * sum(row) for row in ((0.596, -0.274, -0.322), (0.211, -0.523, 0.312))]
    i_x, i_y, q = 127.5 * 0.3 + shift[0], -127.5 * 0.3 + shift[0], 127.5 * 0.1 + shift[1]
    s_i = (2 * i_x * i_y + 200) / (i_x**2 + i_y**2 + 200)
    s_q = (2 * q * q + 200) / (q * q + q * q + 200)
    assert s_i < 0
    expected = abs(s_i * s_q) ** 0.03 * math.cos(0.03 * math.pi)
    found = float(fsimc(edge + tint, edge + other)) / float(fsim(edge + tint, edge + other))
    assert found == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize(("side", "factor"), [(383, 1), (384, 2), (639, 2), (640, 3)])
def test_between_two_factors_fsim_takes_the_larger(side: int, factor: int) -> None:
    """As the authors' code rounds: 640 / 256 is 2.5, which is 3."""
    made, truth = pair(1, (side, side + 1), seed=17)
    # Means of squares that lie as the factor says, by hand: one pixel of black before them where it is 3.
    before, long = (factor - 1) // 2, -(-(side + 1) // factor) * factor
    framed = []
    for each in (made, truth):
        canvas = torch.full((1, 3, long, long), -1.0)
        canvas[..., before : before + side, before : before + side + 1] = each
        framed.append(avg_pool2d(canvas, factor)[..., : -(-side // factor), :])
    torch.testing.assert_close(fsim(made, truth), fsim(*framed), atol=1e-5, rtol=0)


def test_the_waves_of_one_size_are_made_once(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[int] = []
    own = phase._frequencies
    monkeypatch.setattr(phase, "_frequencies", lambda size: made.append(size) or own(size))
    first = fsim(*pair(2, (29, 31), seed=3))
    assert made == [29, 31]
    assert torch.equal(fsim(*pair(2, (29, 31), seed=3)), first)
    assert made == [29, 31]
