"""One prior for every family: a network, its guidance, its grid of levels and its codec, put together.

A family's file brings the network call and the text; what is the same for all is here, once.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from alm_core import ALM, Conditions, Inversion, Level, Prediction, Prior, Schedule
from alm_core.codec import Codec, check_multiple
from alm_core.grid import Grid
from alm_core.guidance import Condition, Evaluate, known_conditions
from torch import Tensor

from alm_image.attention import Reader
from alm_image.priors.base import Defaults
from alm_image.priors.bound import Bound
from alm_image.priors.text import NoText, Text

__all__ = ["NetworkPrior"]


@dataclass(frozen=True)
class NetworkPrior:
    """An `ImagePrior` made of parts. `plain` answers `predict`, `guided` answers `predict_guided`.

    `attention` reads where words of a prompt lie, as `edit` asks; None where that cannot be read.
    """

    plain: Evaluate
    guided: Evaluate
    grid: Grid
    codec: Codec
    text: Text
    device: torch.device
    size: int
    multiple: int
    guidance: float = 1.0
    fixed_size: bool = False
    bound: Bound | None = None
    windowed: bool = True
    defaults: Defaults = field(default_factory=lambda: Defaults(50, ALM(), Inversion()))
    attention: Reader | None = None

    @property
    def guided_rows(self) -> int:
        """See `Prior`."""
        return self.guided.rows

    @property
    def sides(self) -> tuple[int, int]:
        """See `ImagePrior`."""
        return self.size, self.size

    def given(self, x_0: Tensor, mask: Tensor) -> Prior:
        """See `ImagePrior`: the network itself."""
        return self

    def predict(self, x_t: Tensor, level: Level, conditions: Conditions) -> Prediction:
        """See `Prior`."""
        return self._evaluate(self.plain, x_t, level, conditions)

    def predict_guided(self, x_t: Tensor, level: Level, conditions: Conditions) -> Prediction:
        """See `Prior`."""
        return self._evaluate(self.guided, x_t, level, conditions)

    def schedule(self, steps: int, height: int | None = None, width: int | None = None) -> Schedule:
        """See `ImagePrior`."""
        tokens = ((height or self.size) // self.multiple) * ((width or self.size) // self.multiple)
        return self.grid.schedule(steps, tokens)

    def state_shape(self, height: int, width: int) -> tuple[int, ...]:
        """See `ImagePrior`."""
        check_multiple(height, width, self.multiple)
        return self.codec.state_shape(height, width)

    def encode(self, pixels: Tensor) -> Tensor:
        """See `ImagePrior`."""
        check_multiple(pixels.shape[-2], pixels.shape[-1], self.multiple)
        return self.codec.encode(pixels)

    def decode(self, state: Tensor) -> Tensor:
        """See `ImagePrior`."""
        return self.codec.decode(state)

    def mask_to_state(self, mask: Tensor) -> Tensor:
        """See `ImagePrior`."""
        check_multiple(mask.shape[-2], mask.shape[-1], self.multiple)
        return self.codec.mask_to_state(mask)

    def condition(self, prompt: str, negative_prompt: str, height: int, width: int) -> Condition:
        """See `ImagePrior`."""
        check_multiple(height, width, self.multiple)
        return self.text(prompt, negative_prompt, height, width)

    def _evaluate(self, evaluate: Evaluate, x_t: Tensor, level: Level, conditions: Conditions) -> Prediction:
        raw = evaluate(x_t, level.t, self._rows(conditions, len(x_t)))
        # A learned variance comes as further channels, which no method here reads.
        prediction = self.grid.convert(x_t, level, raw[:, : x_t.shape[1]])
        return self.bound(prediction, x_t, level) if self.bound else prediction

    def _rows(self, conditions: Conditions, rows: int) -> Sequence[Condition]:
        if conditions is None:
            if not isinstance(self.text, NoText):
                raise ValueError(
                    "this model wants a condition for each row, got None: "
                    "pass conditions=(prior.condition(prompt, negative_prompt, height, width),)"
                )
            return [Condition()] * rows
        return known_conditions(conditions, rows)
