"""Edits by words: where attention finds them, what that costs, and captions."""

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from alm_core import FixedNoise
from alm_core.reference import Recorded
from alm_image.captions import Captioner
from alm_image.edit import edit
from alm_image.io import read_picture
from alm_image.priors import load_prior
from edits import SOURCE, TARGET, Fine, array, hole, middle, picture_of, strands_of
from tiny_blip import blip

Folder = Callable[[str], Path]
edit_module = import_module("alm_image.edit")


@pytest.mark.parametrize("name", ["stable_diffusion", "sdxl"])
def test_words_are_found_by_attention_at_no_further_network_call(folder: Folder, name: str) -> None:
    """3 steps: 3 calls for the inversion, 2 × 3 guided ones of 2 rows for the trajectories that are sampled."""
    prior = load_prior(folder(name))
    options: dict[str, Any] = {"source_prompt": SOURCE, "prompt": TARGET, "prior": prior, "steps": 3}
    threshold = middle(picture_of(1), **options)
    found = edit(picture_of(1), threshold=threshold, **options)
    assert (found.result.calls, found.result.evaluations) == (3 + 6, 3 + 12)
    assert found.words == ("cat",)
    assert found.size == (64, 64)
    soft, mask = array(found.soft), array(found.mask)  # type: ignore[arg-type]
    assert set(np.unique(mask)) == {0, 255}
    sure = np.abs(soft / 255 - threshold) > 1 / 255
    assert np.array_equal((soft / 255 > threshold)[sure], mask[sure] > 0)
    assert 0 < found.edited < 1
    assert found.edited == pytest.approx((mask > 0).mean())
    # A mask that says the same gives the same, for as many calls.
    again = edit(picture_of(1), mask=found.mask, **options)
    assert np.array_equal(np.asarray(again.result.images[0]), np.asarray(found.result.images[0]))
    assert again.result.calls == found.result.calls


def test_under_another_reference_attention_costs_a_call_a_step(folder: Folder) -> None:
    prior = load_prior(folder("stable_diffusion"), guidance=1)
    options: dict[str, Any] = {"source_prompt": SOURCE, "prompt": TARGET, "prior": prior, "steps": 3}
    threshold = middle(picture_of(1), **options)
    found = edit(picture_of(1), threshold=threshold, reference=FixedNoise(), **options)
    assert found.result.calls == 3 + 6
    masked = edit(picture_of(1), mask=found.mask, reference=FixedNoise(), **options)
    assert masked.result.calls == 6
    assert np.array_equal(np.asarray(masked.result.images[0]), np.asarray(found.result.images[0]))


def test_the_states_of_the_inversion_are_the_first_trajectory(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    prior = load_prior(folder("stable_diffusion"), guidance=1)
    options: dict[str, Any] = {"source_prompt": SOURCE, "prompt": TARGET, "prior": prior}
    monkeypatch.setattr(edit_module, "_above", lambda soft, *_: (soft > soft.median()).float())
    first = strands_of(monkeypatch, **options)[0]
    assert isinstance(first.reference, Recorded)
    assert first.given is not None
    assert len(first.reference.states) == 3
    assert torch.equal(first.reference.states[-1], first.given)
    assert not torch.equal(first.reference.states[0], first.reference.states[1])


def test_pictures_of_any_size_are_read_at_the_models_and_come_out_at_theirs(folder: Folder) -> None:
    prior = load_prior(folder("stable_diffusion"), guidance=1)
    image = picture_of(2, (130, 90))
    options: dict[str, Any] = {"source_prompt": SOURCE, "swap": ("cat", "dog"), "prior": prior, "steps": 2}
    found = edit(image, threshold=middle(image, **options), **options)
    assert found.size == (64, 48)  # 44 is no multiple of 8
    assert found.result.images[0].size == found.mask.size == (130, 90)
    assert found.soft is not None
    assert found.soft.size == (130, 90)
    assert found.prompt == TARGET


def test_thresholds_that_leave_nothing_or_all_say_what_the_map_spans(folder: Folder) -> None:
    prior = load_prior(folder("stable_diffusion"), guidance=1)
    options: dict[str, Any] = {"source_prompt": SOURCE, "prompt": TARGET, "prior": prior, "steps": 2}
    with pytest.raises(
        ValueError, match=r"all of the picture is above the threshold 1e-05: the map of cat goes from 0"
    ):
        edit(picture_of(1), threshold=1e-5, **options)
    assert middle(picture_of(1), word="a", **options) > 0


@pytest.mark.parametrize("name", ["deepfloyd", "pixel_epsilon"])
def test_models_whose_attention_is_not_read_ask_for_a_mask(folder: Folder, name: str) -> None:
    with pytest.raises(ValueError, match="attention cannot be read: say with a mask"):
        edit(picture_of(1), source_prompt=SOURCE, prompt=TARGET, prior=load_prior(folder(name)))


def test_a_captioner_writes_the_source_prompt(tmp_path: Path, folder: Folder) -> None:
    blip(tmp_path / "blip")
    image = picture_of(1)
    text = Captioner.load(tmp_path / "blip")(read_picture(image))
    assert set(text.split()) <= {"a", "cat", "dog", "on", "sofa", "the"}
    assert text == Captioner.load(tmp_path / "blip")(read_picture(image))
    word = text.split()[0]
    found = edit(image, captioner=tmp_path / "blip", swap=(word, "1"), mask=hole(), prior=Fine(), steps=2)
    assert found.source_prompt == text
    assert found.prompt.split()[0] == "1"


def test_a_folder_that_is_no_captioner_is_refused(folder: Folder) -> None:
    with pytest.raises(ValueError, match="wanted a BlipForConditionalGeneration folder"):
        Captioner.load(folder("stable_diffusion"))
