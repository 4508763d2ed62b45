"""Pictures, masks and an exact prior for the tests of edits."""

from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np
import pytest
import torch
from alm_core import Conditions, Level, Prediction
from alm_core.couple import Strand
from alm_image.edit import edit
from fakes import Fake
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

SOURCE, TARGET = "a cat on a sofa", "a dog on a sofa"
RANDOM = np.random.default_rng(3)
edit_module = import_module("alm_image.edit")


def hole(size: tuple[int, int] = (64, 64), box: tuple[int, int, int, int] = (16, 24, 40, 48)) -> Image.Image:
    image = Image.new("L", size)
    image.paste(255, box)
    return image


@dataclass(frozen=True)
class Fine(Fake):
    """A cell a pixel, so that nothing is lost, of a wider Gaussian; words are no shift."""

    size: int = 64
    multiple: int = 1
    guided_rows: int = 1

    def predict(self, x_t: Tensor, level: Level, conditions: Conditions) -> Prediction:
        shifts = [float(str(c)) for c in conditions or (0.0,) * len(x_t)]
        mean = self.mean + torch.tensor(shifts).view(-1, 1, 1, 1)
        variance = level.a**2 * 0.1 + level.s**2
        return Prediction.from_eps(x_t, level, level.s * (x_t - level.a * mean) / variance)

    def condition(self, prompt: str, negative_prompt: str, height: int, width: int) -> object:
        number = prompt.lstrip("-").replace(".", "").isdecimal()
        return super().condition(prompt if number else "0", "", height, width)


def picture_of(seed: int, size: tuple[int, int] = (64, 64)) -> Image.Image:
    values = np.random.default_rng(seed).integers(0, 256, (5, 5, 3), np.uint8)
    return Image.fromarray(values).resize(size)


def middle(image: Image.Image, **options: Any) -> float:
    """A threshold in the middle of the map, as the message of one that is too high tells."""
    with pytest.raises(ValueError, match="nothing of the picture is above") as stop:
        edit(image, threshold=0.9999, **options)
    words = str(stop.value).split(" goes from ")[1].split(";")[0].split(" to ")
    low, high = map(float, words)
    return (low + high) / 2


def picture(size: tuple[int, int] = (64, 64), mode: str = "RGB") -> Image.Image:
    """Smooth colours, so that an average over a few pixels tells most."""
    channels = len(Image.new(mode, (1, 1)).getbands())
    coarse = RANDOM.integers(60, 200, (4, 4, channels), np.uint8)
    return Image.fromarray(coarse[..., 0] if channels == 1 else coarse).resize(size, Image.Resampling.BICUBIC)


def array(image: Image.Image) -> NDArray[np.float64]:
    return np.asarray(image).astype(float)


def strands_of(monkeypatch: pytest.MonkeyPatch, source: Image.Image | None = None, **options: Any) -> list[Strand]:
    seen: list[Strand] = []
    couple = edit_module.couple

    def spy(prior: Any, schedule: Any, strands: Any, *more: Any, **named: Any) -> Any:
        seen[:] = strands
        return couple(prior, schedule, strands, *more, **named)

    monkeypatch.setattr(edit_module, "couple", spy)
    edit(source or picture(), steps=2, **options)
    return seen
