"""The exemplar prior with example pictures for prompts: what a place is to look like is shown, not said."""

import os
from dataclasses import dataclass

import torch
from alm_core import Conditions, Level, Prediction, Prior
from alm_core.exemplar import ExemplarPrior
from alm_core.prior import ByCondition
from torch import Tensor

from alm_image.io import read_picture
from alm_image.priors.weightless import NEARNESS, PATCHES, Weightless

__all__ = ["Examples", "pictures_of"]

WORDS = "or name a text-to-image model with --model (prior=load_prior(…))"


@dataclass(frozen=True)
class Examples(Weightless):
    """An `ImagePrior` of which a prompt is a picture's file name, or several with "+" between them.

    A row is sampled from the patches of the pictures that its condition names, at their own size. It knows texture and
    nothing else: prefer a pretrained model where a place must hold a thing.
    """

    size: int = 128

    def given(self, x_0: Tensor, mask: Tensor) -> Prior:
        """Itself: examples are all that it knows."""
        return self

    def predict(self, x_t: Tensor, level: Level, conditions: Conditions) -> Prediction:
        """Each row by the density of its condition."""
        return ByCondition().predict(x_t, level, _densities(conditions, len(x_t)))

    def condition(self, prompt: str, negative_prompt: str, height: int, width: int) -> object:
        """The density of the pictures' patches over a canvas of the size: as wide as the smallest picture allows.

        It costs a second or two for each 512 × 512 pixels of examples, and as many hundred MB: make one of a prompt.
        Raises FileNotFoundError for words, ValueError for a picture with transparent parts, whose colours are
        nobody's, and as `read_picture` does.
        """
        if negative_prompt:
            raise ValueError(f"examples have no negative prompt, got {negative_prompt!r}: leave it out")
        names = pictures_of(prompt)
        if names and not os.path.isfile(prompt) and not all(name.strip() for name in prompt.split("+")):
            raise ValueError(f'a picture is wanted before and after each "+", got {prompt!r}: leave out the "+"')
        if not names:
            raise ValueError(
                'the model "examples" is told what to make by pictures: give the name of a picture as the prompt, '
                f"{WORDS}"
            )
        pictures = [_example(name).to(self.device) for name in names]
        least = min(side for picture in pictures for side in picture.shape[1:])
        patch = next((width for width in PATCHES if width <= least), PATCHES[-1])
        blank = torch.zeros(1, 3, height, width, device=self.device)
        return ExemplarPrior(blank, torch.ones_like(blank), examples=pictures, patch=patch, nearness=NEARNESS)


def pictures_of(prompt: str) -> list[str]:
    """The names of the pictures in a prompt, each once; a prompt that is a file is one name, whatever "+" it has."""
    names = [prompt] if os.path.isfile(prompt) else [name.strip() for name in prompt.split("+")]
    return [name for name in dict.fromkeys(names) if name]


def _example(name: str) -> Tensor:
    """The pixels (3, height, width) of an example."""
    if not os.path.exists(name):
        raise FileNotFoundError(
            f'the model "examples" is told what to make by pictures, and there is no picture {name!r}: give the name '
            f"of one as the prompt, {WORDS}"
        )
    picture = read_picture(name)
    if bool(picture.transparent().any()):
        raise ValueError(f"the example {name} has transparent parts, which would be taken for content: flatten it")
    return picture.pixels()[0]


def _densities(conditions: Conditions, rows: int) -> tuple[ExemplarPrior, ...]:
    known = tuple(c for c in conditions or () if isinstance(c, ExemplarPrior))
    if len(known) != rows:
        raise ValueError(f"one condition of this prior a row is wanted: got {len(known)} for {rows} rows")
    return known
