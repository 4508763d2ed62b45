"""Edits: the three trajectories, what is kept, what it costs, captions, and the command line."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from alm_core import (
    ALM,
    FixedNoise,
    FreshNoise,
    Independent,
    Inversion,
    Method,
    StochasticALM,
    SyncSDE,
)
from alm_core.choices import FUSIONS, METHODS
from alm_image.blend import Hard
from alm_image.edit import edit
from alm_image.io import read_picture
from alm_image.priors import load_prior
from edits import Fine, array, hole, picture, picture_of, strands_of
from fakes import Fake
from PIL import Image

Folder = Callable[[str], Path]
COUPLED = ["alm", "stochastic-alm", "syncsde", "repaint", "replacement", "independent"]


@pytest.mark.parametrize(("size", "mode"), [((64, 64), "RGB"), ((90, 41), "RGBA"), ((33, 70), "L"), ((7, 9), "LA")])
def test_outside_the_mask_pasted_pixels_are_the_sources_to_the_bit(size: tuple[int, int], mode: str) -> None:
    source = picture(size, mode)
    box = (2, 3, size[0] // 2 + 1, size[1] // 2 + 2)
    found = edit(source, mask=hole(size, box), prompt="0.5", prior=Fake(smallest=8), blend=Hard(), steps=4)
    (image,) = found.result.images
    assert (image.mode, image.size) == (mode, size)
    inside = np.asarray(hole(size, box)) > 0
    assert np.array_equal(np.asarray(image)[~inside], np.asarray(source)[~inside])
    assert (np.asarray(image)[inside] != np.asarray(source)[inside]).mean() > 0.3
    assert (found.result.kept_error, found.result.band) == (0, 0)
    assert found.edited == pytest.approx(inside.mean())
    assert found.soft is None


def test_the_place_is_made_as_the_prompt_says() -> None:
    """The third trajectory is drawn to the second there, whose mean is the prompt's."""
    found = edit(picture(), mask=hole(), prompt="0.5", source_prompt="-0.3", prior=Fine(), steps=20)
    inside = array(found.result.images[0])[26:46, 18:38]
    assert inside.mean() == pytest.approx((0.2 + 0.5 + 1) * 127.5, abs=8)


def test_the_third_trajectory_without_coupling_and_with_the_source_prompt_is_the_source() -> None:
    """It starts from the inverted source, and DDIM leads back; more steps, nearer."""
    source = picture()
    errors = []
    for steps in (10, 40):
        found = edit(
            source,
            mask=hole(),
            prompt="0",
            source_prompt="0",
            prior=Fine(),
            method=Independent(),
            reference=Inversion(),
            paste=False,
            steps=steps,
        )
        errors.append(np.abs(array(found.result.images[0]) - array(source)).mean())
    assert errors[1] < 6
    assert errors[1] < errors[0] / 2


@pytest.mark.parametrize("reference", [Inversion(), FixedNoise()])
def test_a_full_pull_keeps_the_source_outside_the_mask_also_when_nothing_is_pasted(reference: Any) -> None:
    source, far = picture(), "0.7"
    inside = np.asarray(hole()) > 0
    errors = {}
    for strength in (0.0, 1e6):
        found = edit(
            source,
            mask=hole(),
            prompt=far,
            prior=Fine(),
            method=SyncSDE(strength),
            reference=reference,
            paste=False,
            steps=30,
        )
        errors[strength] = np.abs(array(found.result.images[0]) - array(source))[~inside].mean()
    assert errors[1e6] < 6
    assert errors[1e6] < errors[0.0] / 5


def test_raw_results_are_the_third_trajectory_everywhere() -> None:
    source = picture()
    found = edit(source, mask=hole(), prompt="0.5", prior=Fine(), paste=False, steps=3)
    outside = np.asarray(hole()) == 0
    assert (np.asarray(found.result.images[0]) != np.asarray(source))[outside].mean() > 0.5
    pasted = edit(source, mask=hole(), prompt="0.5", prior=Fine(), blend=Hard(), steps=3)
    same = np.asarray(pasted.result.images[0]) == np.asarray(found.result.images[0])
    assert same[~outside].all()


def test_raw_results_leave_alone_what_was_not_worked_on_and_what_is_transparent() -> None:
    source = picture((200, 64), "RGBA")
    alpha = Image.new("L", source.size, 255)
    alpha.paste(0, (0, 0, 20, 64))
    source.putalpha(alpha)
    found = edit(source, mask=hole((200, 64)), prompt="0.5", prior=Fine(), paste=False, steps=3)
    made = np.asarray(found.result.images[0])
    assert np.array_equal(made[:, 100:], np.asarray(source)[:, 100:])
    assert np.array_equal(made[:, :16], np.asarray(source)[:, :16])


def test_the_three_trajectories_are_those_of_the_paper(monkeypatch: pytest.MonkeyPatch) -> None:
    prior = Fine()
    options = {"mask": hole(), "prompt": "0.5", "source_prompt": "0.1", "reference": Inversion()}
    source = picture()
    first, second, third = strands_of(monkeypatch, source, prior=prior, **options)
    m = torch.from_numpy(np.asarray(hole()) / 255).float()[None, None]
    assert first.given is not None
    assert torch.equal(first.given, read_picture(source).pixels())
    assert (dict(first.follows), list(second.follows), list(third.follows)) == ({}, [0], [0, 1])
    assert torch.equal(second.follows[0], 1 - m)
    assert torch.equal(third.follows[0], 1 - m)
    assert torch.equal(third.follows[1], m)
    assert (first.start, second.start, third.start) == (None, None, 0)
    assert (first.conditions, second.conditions, third.conditions) == ((0.1,), (0.5,), (0.5,))


class Away(Fine):
    """Whose conditions are the prompt and an eighth of the negative prompt less."""

    def condition(self, prompt: str, negative_prompt: str, height: int, width: int) -> object:
        return float(prompt) - float(negative_prompt or 0) / 8


@pytest.mark.parametrize(
    ("rows", "negative", "wanted"), [(1, "", (0.5, 0.5)), (2, "", (0.5, 0.4375)), (2, "1", (0.375, 0.375))]
)
def test_the_third_leads_away_from_the_source_prompt_where_it_is_guided(
    monkeypatch: pytest.MonkeyPatch, rows: int, negative: str, wanted: tuple[float, float]
) -> None:
    """As the released code; a negative prompt of the user's goes before."""
    options = {"source_prompt": "0.5", "prompt": "0.5", "negative_prompt": negative, "mask": hole()}
    _, second, third = strands_of(monkeypatch, prior=Away(guided_rows=rows), **options)
    assert (second.conditions, third.conditions) == ((wanted[0],), (wanted[1],))


def test_variants_are_what_their_seeds_alone_give() -> None:
    source = picture()
    both = edit(source, mask=hole(), prompt="0.5", prior=Fine(), count=2, seed=4, steps=3).result.images
    alone = edit(source, mask=hole(), prompt="0.5", prior=Fine(), seed=5, steps=3).result.images[0]
    assert np.array_equal(np.asarray(both[1]), np.asarray(alone))
    assert not np.array_equal(np.asarray(both[0]), np.asarray(alone))


class Sealed(Fine):
    """Fails where it is asked for anything."""

    def predict(self, x_t, level, conditions):  # type: ignore[no-untyped-def]
        raise AssertionError("work began")

    def encode(self, pixels):  # type: ignore[no-untyped-def]
        raise AssertionError("work began")


@pytest.mark.parametrize("name", sorted(METHODS))
def test_methods_that_cannot_be_coupled_are_refused_before_any_work(name: str) -> None:
    options: dict[str, Any] = {"mask": hole((32, 32), (8, 8, 20, 20)), "prompt": "0.5", "method": METHODS[name]()}
    if name in COUPLED:
        found = edit(picture((32, 32)), prior=Fine(size=32), steps=3, **options)
        assert type(METHODS[name]()).__name__ in found.result.method
    else:
        with pytest.raises(ValueError, match=f"{METHODS[name].__name__} needs the clean source or particles"):
            edit(picture((32, 32)), prior=Sealed(size=32), steps=3, **options)


@pytest.mark.parametrize("name", sorted(FUSIONS))
def test_joint_methods_do_not_apply(name: str) -> None:
    with pytest.raises(ValueError, match="joins windows on one canvas"):
        edit(picture(), mask=hole(), prompt="0.5", prior=Sealed(), method=FUSIONS[name]())


@pytest.mark.parametrize(
    ("method", "reference", "wanted"),
    [
        (None, None, FixedNoise()),
        (StochasticALM(), None, FreshNoise()),
        (ALM(), Inversion(), Inversion()),
    ],
)
def test_the_reference_is_what_suits_the_method_and_the_prior(
    monkeypatch: pytest.MonkeyPatch, method: Method | None, reference: Any, wanted: Any
) -> None:
    strands = strands_of(monkeypatch, prior=Fine(), mask=hole(), prompt="0.5", method=method, reference=reference)
    assert strands[0].reference == wanted


@pytest.mark.parametrize(
    "name", [pytest.param("flux_dev", marks=pytest.mark.slow), "deepfloyd", "pixel_epsilon", "guided_diffusion"]
)
def test_with_a_mask_every_family_edits(folder: Folder, name: str) -> None:
    prior = load_prior(folder(name))
    prompts = {"prompt": "a dog"} if name in ("flux_dev", "deepfloyd") else {}
    found = edit(picture_of(1), mask=hole(), prior=prior, steps=2, blend=Hard(), **prompts)  # type: ignore[arg-type]
    outside = np.asarray(hole()) == 0
    assert np.array_equal(np.asarray(found.result.images[0])[outside], np.asarray(picture_of(1))[outside])


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"prompt": "b", "swap": ("a", "b")}, "give the one or the other"),
        ({"prompt": "0.5", "word": "cat"}, "so no word is looked for"),
        ({"swap": ("a", "b")}, "the source prompt is wanted"),
        ({"source_prompt": "a cat", "captioner": "x", "prompt": "0.5"}, "the captioner makes the source prompt"),
        ({"captioner": "no/where", "prompt": "0.5"}, "there is no captioner at"),
        ({"source_prompt": "a cat", "swap": ("horse", "zebra")}, "the word 'horse' is not in the source prompt"),
        ({"prompt": "0.5", "threshold": 0.0}, "the threshold must lie between 0 and 1"),
        ({"prompt": "0.5", "threshold": float("nan")}, "the threshold must lie between 0 and 1"),
    ],
)
def test_what_does_not_go_together_is_refused_before_any_work(options: dict[str, Any], reason: str) -> None:
    with pytest.raises((ValueError, FileNotFoundError), match=reason):
        edit(picture(), mask=hole(), prior=Sealed(), **options)


def test_previews_show_the_third_trajectory_in_the_place() -> None:
    seen: list[torch.Tensor] = []
    source = picture()
    edit(
        source, mask=hole(), prompt="0.5", prior=Fine(), steps=3, on_step=lambda index, count, show: seen.append(show())
    )
    assert len(seen) == 3
    kept = np.asarray(hole()) == 0
    pixels = read_picture(source).pixels()
    for shown in seen:
        assert torch.equal(shown[..., torch.from_numpy(kept)], pixels[..., torch.from_numpy(kept)])
        assert not torch.equal(shown, pixels)


def test_raw_previews_show_the_third_trajectory_where_the_result_does() -> None:
    seen: list[torch.Tensor] = []
    source = picture()
    edit(
        source,
        mask=hole(),
        prompt="0.5",
        prior=Fine(),
        steps=3,
        paste=False,
        on_step=lambda index, count, show: seen.append(show()),
    )
    kept = torch.from_numpy(np.asarray(hole()) == 0)
    pixels = read_picture(source).pixels()
    assert len(seen) == 3
    assert all(float((shown - pixels)[..., kept].abs().mean()) > 0.01 for shown in seen)
