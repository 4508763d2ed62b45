"""The weightless prior in space and time: a clip that repeats goes on as it did."""

import numpy as np
import pytest
import torch
from alm_core import RePaint
from alm_core.testing import check_prior
from alm_video import Film, extend
from alm_video.priors import load_prior
from alm_video.priors.exemplar import Exemplar
from fake_video import clip


def swinging(count: int, period: int = 12) -> np.ndarray:
    """A light that goes to and fro over a still pattern."""
    y, x = np.mgrid[:16, :24]
    ground = 90 + 40 * np.sin(x / 2) * np.cos(y / 3)
    frames = []
    for n in range(count):
        at = 12 + 8 * np.sin(2 * np.pi * n / period)
        light = 110 * np.exp(-((x - at) ** 2 + (y - 8) ** 2) / 12)
        frames.append(np.stack([ground + light, ground + light / 2, ground], -1))
    return np.clip(np.round(frames), 0, 255).astype(np.uint8)


def likeness(one: np.ndarray, other: np.ndarray) -> float:
    """Correlation of what moves."""
    still = swinging(12).mean(0)
    return float(np.corrcoef((one - still).ravel(), (other - still).ravel())[0, 1])


def test_what_repeats_is_continued() -> None:
    whole = swinging(52)
    made = extend(Film.of(whole[:40], 24), 12).all()[40:]
    assert likeness(made, whole[40:]) > 0.9
    assert likeness(made, whole[46:52].repeat(2, 0)) < 0.6, "the phase matters"


def test_what_repeats_is_known_backward_too() -> None:
    whole = swinging(52)
    made = extend(Film.of(whole[12:], 24), 12, where="before").all()[:12]
    assert likeness(made, whole[:12]) > 0.9


def test_it_is_a_prior() -> None:
    prior = Exemplar()
    film = clip(8, 9, 11)
    examples = torch.from_numpy(film.frames()).permute(3, 0, 1, 2)[None] / 127.5 - 1
    mask = torch.ones(1, 1, 6, 1, 1)
    mask[:, :, :2] = 0
    made = prior.given([examples], (3, 6, 9, 11))(examples[:, :, 2:], mask)
    check_prior(made, prior.schedule(5, 9, 11, 6), (3, 6, 9, 11))


def test_what_was_made_is_no_exemplar() -> None:
    prior, shape = Exemplar(), (3, 8, 9, 11)
    examples = torch.rand(1, 3, 10, 9, 11) * 0.2
    x_0, mask = torch.full((1, *shape), 0.9), torch.ones(1, 1, 8, 1, 1)
    mask[:, :, :4] = 0
    made = prior.given([examples], shape)(x_0, mask)
    level = prior.schedule(6, 9, 11, 8).levels[-2]
    x0 = made.predict(x_0 + level.s * torch.randn(1, *shape), level, None).x0
    assert x0[:, :, 4:].max() < 0.5
    assert torch.equal(x0[:, :, :4], x_0[:, :, :4])


def test_how_much_is_held_falls_with_the_size() -> None:
    prior = Exemplar()
    assert [prior.recalls(*size) for size in ((16, 24), (96, 160), (240, 320), (1080, 1920))] == [48, 39, 7, 4]


def test_it_is_the_default_and_takes_no_options_of_networks() -> None:
    assert isinstance(load_prior(), Exemplar)
    assert load_prior().defaults.method == RePaint(2, eta=0.0)
    for wrong in ({"guidance": 3.0}, {"dtype": "bfloat16"}, {"attention": "slicing"}):
        with pytest.raises(ValueError, match="no network"):
            load_prior(**wrong)
    with pytest.raises(ValueError, match="3 frames"):
        extend(clip(2), 4)
