"""The exemplar prior with example pictures for prompts: what a place is to look like is shown, not said."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from alm_core import Conditions, FreshNoise, Level, Prediction, Prior, Schedule
from alm_core.exemplar import METHOD, ExemplarPrior
from alm_core.placement import Options
from torch import Tensor

from alm_image.blend import Membrane
from alm_image.io import read_picture
from alm_image.priors.base import Defaults
from alm_image.priors.exemplar import NEARNESS, Exemplar

__all__ = ["Examples"]

PATCH = 7


@dataclass(frozen=True)
class Examples:
    """An `ImagePrior` of which a prompt is a picture's file name, or several with "+" between them.

    A row is sampled from the patches of the pictures that its condition names, at their own size. It knows texture and
    nothing else: prefer a pretrained model where a place must hold a thing. The state is the pixels.
    """

    size: int = 256
    sides: tuple[int, int] = (1, 1024)
    multiple: int = 1
    fixed_size: bool = False
    windowed: bool = False
    guidance: float = 1.0
    guided_rows: int = 1
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    defaults: Defaults = field(default_factory=lambda: Defaults(30, METHOD, FreshNoise(), Membrane()))

    @staticmethod
    def from_options(options: Options) -> "Examples":
        """The prior on the device asked for. Raises ValueError for options of networks."""
        return Examples(device=Exemplar.from_options(options).device)

    def given(self, x_0: Tensor, mask: Tensor) -> Prior:
        """Itself: examples are all that it knows."""
        return self

    def predict(self, x_t: Tensor, level: Level, conditions: Conditions) -> Prediction:
        """Each row by the density of its condition; rows of one condition together."""
        told = _densities(conditions, len(x_t))
        x0, eps = torch.empty_like(x_t), torch.empty_like(x_t)
        for density in dict.fromkeys(told):
            rows = [n for n, other in enumerate(told) if other is density]
            prediction = density.predict(x_t[rows], level, None)
            x0[rows], eps[rows] = prediction.x0, prediction.eps
        return Prediction(x0, eps)

    def predict_guided(self, x_t: Tensor, level: Level, conditions: Conditions) -> Prediction:
        """As `predict`: there is nothing to guide by."""
        return self.predict(x_t, level, conditions)

    def schedule(self, steps: int, height: int | None = None, width: int | None = None) -> Schedule:
        """Even in log σ: pixels need many levels where texture forms."""
        return ExemplarPrior.schedule(steps)

    def state_shape(self, height: int, width: int) -> tuple[int, ...]:
        """The pixels'."""
        return 3, height, width

    def encode(self, pixels: Tensor) -> Tensor:
        """The pixels."""
        return pixels

    def decode(self, state: Tensor) -> Tensor:
        """The pixels."""
        return state

    def mask_to_state(self, mask: Tensor) -> Tensor:
        """The mask."""
        return mask

    def condition(self, prompt: str, negative_prompt: str, height: int, width: int) -> object:
        """The density of the pictures' patches over a canvas of the size.

        Raises ValueError for words, and as `read_picture` does.
        """
        if negative_prompt:
            raise ValueError(f"examples have no negative prompt, got {negative_prompt!r}: leave it out")
        names = [name.strip() for name in prompt.split("+") if name.strip()]
        if not names:
            raise ValueError(
                'the model "examples" is told what to make by pictures: give the name of a picture as the prompt, or '
                "name a text-to-image model with --model (prior=load_prior(…))"
            )
        pictures = [read_picture(name).pixels()[0].to(self.device) for name in names]
        blank = torch.zeros(1, 3, height, width, device=self.device)
        return ExemplarPrior(blank, torch.ones_like(blank), examples=pictures, patch=PATCH, nearness=NEARNESS)


def _densities(conditions: Conditions, rows: int) -> Sequence[ExemplarPrior]:
    known = [c for c in conditions or () if isinstance(c, ExemplarPrior)]
    if len(known) != rows:
        raise ValueError(f"one condition of this prior a row is wanted: got {len(known)} for {rows} rows")
    return known
