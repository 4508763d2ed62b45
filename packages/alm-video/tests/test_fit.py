"""Frames fitted to sides: nothing is stretched, and what fits is left alone."""

import numpy as np
import pytest
from alm_video.film import Film
from alm_video.fit import fit


def ramp(height: int, width: int, count: int = 3) -> Film:
    """Frames whose red rises by 2 a column and green by 3 a row; blue tells the number."""
    y, x = np.mgrid[:height, :width]
    frames = [np.stack([2 * x, 3 * y, np.full_like(x, 10 * n)], -1) for n in range(count)]
    return Film.of(np.stack(frames).astype(np.uint8), 24)


def test_a_film_that_fits_is_itself() -> None:
    film = ramp(48, 80)
    assert fit(film) is film
    assert fit(film, multiple=16) is film
    assert fit(film, height=48, multiple=8) is film
    assert fit(film, most=80) is film


def test_sides_that_do_not_fit_lose_the_edges_and_nothing_else() -> None:
    film = ramp(45, 83)
    got = fit(film, multiple=8)
    assert (got.height, got.width, got.count, got.fps) == (40, 80, 3, 24)
    np.testing.assert_array_equal(got.frames(), film.frames()[:, 2:42, 1:81])
    np.testing.assert_array_equal(got.frames(1, 2), film.frames(1, 2)[:, 2:42, 1:81])


@pytest.mark.parametrize(
    ("asked", "sides"),
    [
        ({"height": 24}, (24, 40)),
        ({"width": 40}, (24, 40)),
        ({"height": 24, "multiple": 8}, (24, 40)),
        ({"height": 32, "multiple": 16}, (32, 48)),
        ({"width": 64, "multiple": 16}, (32, 64)),
        ({"most": 40}, (24, 40)),
        ({"most": 60, "multiple": 8}, (32, 56)),
        ({"height": 20, "width": 20}, (20, 20)),
    ],
)
def test_nothing_is_stretched(asked: dict[str, int], sides: tuple[int, int]) -> None:
    film = ramp(48, 80)
    got = fit(film, **asked)
    assert (got.height, got.width) == sides
    pixels = got.frames().astype(float)
    assert pixels.shape == (3, *sides, 3)
    # A step of one pixel is as long in both directions, and the middle stays the middle.
    scale = max(sides[0] / 48, sides[1] / 80)
    inner = pixels[1, 3:-3, 3:-3]
    np.testing.assert_allclose(np.diff(inner[..., 0], axis=1).mean(), 2 / scale, rtol=0.03)
    np.testing.assert_allclose(np.diff(inner[..., 1], axis=0).mean(), 3 / scale, rtol=0.03)
    np.testing.assert_allclose(inner.mean((0, 1))[:2], [79, 70.5], atol=0.6)
    np.testing.assert_array_equal(pixels[2, ..., 2], 20)


def test_shrinking_takes_the_mean() -> None:
    noise = np.random.default_rng(1).integers(0, 256, (1, 256, 256, 3)).astype(np.uint8)
    got = fit(Film.of(noise, 5), height=32).frames()
    assert got.astype(float).std() < 20 < noise.astype(float).std()
    np.testing.assert_allclose(got.mean(), noise.mean(), atol=1)


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"height": 20, "multiple": 8}, "height must be a multiple of 8, got 20: 16 is one"),
        ({"width": 5, "multiple": 8}, "width must be a multiple of 8, got 5: 8 is one"),
        ({"multiple": 64}, "smaller than 64"),
        ({"height": 0}, "height must be at least 1, got 0"),
        ({"multiple": 0}, "multiple must be at least 1, got 0"),
        ({"height": 24, "most": 39}, "40 × 24 is more than the 39"),
        ({"most": 6, "multiple": 8}, "allow 8"),
    ],
)
def test_what_cannot_be_is_refused(asked: dict[str, int], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        fit(ramp(48, 80), **asked)
