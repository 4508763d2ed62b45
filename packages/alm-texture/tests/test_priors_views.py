"""What a ControlNet prior is told of a view: how near, which side, which backdrop."""

import numpy as np
import pytest
import torch
from alm_texture.camera import Camera, direction_of
from alm_texture.priors.backdrop import COLOURS, backdrop
from alm_texture.priors.depth import nearness
from alm_texture.priors.words import OPPOSITE, directed
from tiny_controlnet import fragments


def test_nearness_is_inverse_depth_from_the_farthest_to_the_nearest_pixel() -> None:
    pixel, depth = np.array([1, 2, 6]), np.array([2.0, 1.6, 4.0])
    found = nearness(fragments(3, pixel, depth))
    assert found.shape == (1, 3, 3)
    assert found.dtype == torch.float32
    wanted = torch.zeros(9)
    # 1/z is 0.5, 0.625 and 0.25: of the range 0.375, two thirds, all and none.
    wanted[pixel] = torch.tensor([2 / 3, 1.0, 0.0])
    torch.testing.assert_close(found.flatten(), wanted)


@pytest.mark.parametrize("depth", [[], [2.5], [3.0, 3.0, 3.0], [1e-3, 1e-3]])
def test_a_view_of_nothing_or_of_one_depth_is_finite(depth: list[float]) -> None:
    pixel = np.arange(len(depth))
    found = nearness(fragments(2, pixel, np.array(depth))).flatten()
    assert found.tolist() == [1.0] * len(depth) + [0.0] * (4 - len(depth))


@pytest.mark.parametrize(
    ("camera", "said", "denied"),
    [
        (Camera.orbit(0, 0), "front", "back"),
        (Camera.orbit(-90, 10), "side", "front"),
        (Camera.orbit(180, 30), "back", "front"),
        (Camera.orbit(10, 80), "top", "bottom"),
        (Camera.orbit(10, -80), "bottom", "top"),
    ],
)
def test_a_direction_has_its_opposite(camera: Camera, said: str, denied: str) -> None:
    assert (direction_of(camera), OPPOSITE[direction_of(camera)]) == (said, denied)


def test_a_direction_ends_the_prompt() -> None:
    assert directed("a red boat", "side") == "a red boat, side view."
    assert directed(" ", "top") == "top view."


def test_a_backdrop_is_one_named_colour_by_seed_and_view() -> None:
    drawn = {(seed, index): backdrop(4, seed, index) for seed in range(12) for index in range(10)}
    named = {tuple(map(float, colour)) for colour in COLOURS.values()}
    for pixels in drawn.values():
        assert pixels.shape == (1, 3, 4, 4)
        assert (pixels == pixels[..., :1, :1]).all()
    colours = {key: tuple(pixels[0, :, 0, 0].tolist()) for key, pixels in drawn.items()}
    assert set(colours.values()) == named
    assert len({colours[3, index] for index in range(10)}) > 3
    assert len({colours[seed, 5] for seed in range(12)}) > 3
    assert torch.equal(backdrop(4, 3, 5), drawn[3, 5])


def test_half_tones_are_not_black() -> None:
    assert len(set(COLOURS.values())) == 14
    assert [name for name, colour in COLOURS.items() if colour == (-1, -1, -1)] == ["black"]
