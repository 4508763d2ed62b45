"""Pasting: what must stay stays, and the equations hold."""

import numpy as np
import pytest
from alm_image.blend import Blend, Gaussian, Hard, Membrane, Poisson, harmonic
from scipy.ndimage import gaussian_filter, laplace

RANDOM = np.random.default_rng(0)
SOURCE, GENERATED = (RANDOM.uniform(0, 255, (40, 50, 3)).astype(np.float32) for _ in range(2))
MASK = np.zeros((40, 50), np.float32)
MASK[12:25, 20:38] = 1


@pytest.mark.parametrize("blend", [Hard(), Gaussian(), Poisson(), Membrane()])
def test_nothing_changes_where_the_weight_is_zero(blend: Blend) -> None:
    values, weight = blend(SOURCE, GENERATED, MASK)
    assert np.array_equal(values[weight == 0], SOURCE[weight == 0])
    assert (weight[MASK == 1] == 1).all()


@pytest.mark.parametrize("blend", [Hard(), Gaussian()])
def test_the_hole_is_what_was_generated(blend: Blend) -> None:
    values, _ = blend(SOURCE, GENERATED, MASK)
    np.testing.assert_allclose(values[MASK == 1], GENERATED[MASK == 1], atol=1e-3)


def test_the_gaussian_band_is_as_wide_as_said() -> None:
    mask = np.zeros((600, 600), np.float32)
    mask[200:400, 200:400] = 1
    _, weight = Gaussian(radius=10)(np.zeros((600, 600, 1), np.float32), np.zeros((600, 600, 1), np.float32), mask)
    assert weight[300, 189] == 0 < weight[300, 190] < weight[300, 199] < 1


def test_poisson_keeps_the_generated_gradients_and_meets_the_border() -> None:
    values, _ = Poisson()(SOURCE, GENERATED, MASK)
    inside = MASK == 1
    for channel in range(3):
        np.testing.assert_allclose(
            laplace(values[..., channel].astype(float))[inside],
            laplace(GENERATED[..., channel].astype(float))[inside],
            atol=1e-2,
        )


def test_poisson_of_a_constant_offset_removes_it() -> None:
    values, _ = Poisson()(SOURCE, SOURCE + 40, MASK)
    np.testing.assert_allclose(values, SOURCE, atol=1e-2)


def test_poisson_reaches_the_edge_of_the_picture() -> None:
    mask = np.zeros((40, 50), np.float32)
    mask[:9, :] = 1
    values, _ = Poisson()(SOURCE, SOURCE - 25, mask)
    np.testing.assert_allclose(values, SOURCE, atol=1e-2)


def test_levelling_removes_a_step_in_level() -> None:
    smooth = np.full((40, 50, 3), 100, np.float32)
    values, _ = Membrane()(smooth, smooth + 25, MASK)
    np.testing.assert_allclose(values, smooth, atol=1e-2)


def test_levelling_follows_the_border_and_leaves_texture_alone() -> None:
    """A step that grows from left to right is taken off where it is; differences inside the hole stay."""
    ramp = np.broadcast_to(np.linspace(0, 30, 50, dtype=np.float32)[None, :, None], (40, 50, 3))
    texture = RANDOM.normal(0, 5, (40, 50, 3)).astype(np.float32)
    values, _ = Membrane()(np.full((40, 50, 3), 90, np.float32), 90 + ramp + texture, MASK)
    inside = MASK == 1
    rest = (values - 90 - texture)[inside]
    assert np.abs(rest.mean()) < 2.5
    assert rest.std() < 3 < ramp[inside].std()


def test_a_large_hole_is_continued_as_a_small_one_is() -> None:
    """From half the resolution, within a level or two of 30 at a rough border."""
    rough = gaussian_filter(RANDOM.normal(size=(201, 263, 2)), (6, 6, 0)).astype(np.float32)
    rough *= 30 / rough.std()
    hole = np.zeros((201, 263), bool)
    hole[20:190, :150] = hole[50:90, 175:250] = True
    exact, quick = harmonic(rough, hole, direct=10**6), harmonic(rough, hole, direct=1000)
    inside = np.abs(laplace(exact.astype(float), axes=(0, 1)))[hole & (np.arange(263) > 0)]
    assert inside.max() < 1e-3
    assert np.abs(quick - exact)[hole].mean() < 0.4
    assert np.abs(quick - exact).max() < 2.5
    assert np.array_equal(quick[~hole], rough[~hole])
