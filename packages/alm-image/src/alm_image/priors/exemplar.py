"""The default: no network, the picture's own patches (`alm_core.exemplar`)."""

from dataclasses import dataclass, field, replace

import torch
from alm_core import Conditions, FreshNoise, Level, Prediction, Prior, Schedule
from alm_core.exemplar import METHOD, ExemplarPrior
from alm_core.placement import Options
from torch import Tensor

from alm_image.blend import Membrane
from alm_image.priors.base import Defaults

__all__ = ["Exemplar"]

PATCHES = (7, 5, 3)
"""Widths of patches, the best first."""
NEARNESS = (1000.0, 0.0)
"""Of rows and columns: what lies at another height is rarely alike, what lies to the side often is."""


@dataclass(frozen=True)
class Exemplar:
    """An `ImagePrior` made afresh from each picture; `examples` are further pictures, pixels (1, 3, h, w).

    The state is the pixels. It knows texture and structure of the picture itself and nothing else: prefer a pretrained
    model where the hole must hold something that is not in the picture.
    """

    examples: tuple[Tensor, ...] = ()
    size: int = 512
    sides: tuple[int, int] = (1, 1024)
    multiple: int = 1
    fixed_size: bool = False
    windowed: bool = False
    guidance: float = 1.0
    guided_rows: int = 1
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    defaults: Defaults = field(default_factory=lambda: Defaults(30, METHOD, FreshNoise(), Membrane()))

    @staticmethod
    def from_options(options: Options) -> "Exemplar":
        """The exemplar prior on the device asked for. Raises ValueError for options of networks."""
        asked = replace(
            options, device=torch.device("cpu"), guidance=None if options.guidance == 1 else options.guidance
        )
        if asked != Options(torch.device("cpu")):
            raise ValueError(
                "the exemplar prior has no network: leave out guidance, dtype, variant, offload, VAE tiling "
                "and attention"
            )
        return Exemplar(device=options.device)

    def given(self, x_0: Tensor, mask: Tensor) -> Prior:
        """The patch density of what is given. Raises ValueError where not even a patch of 3 × 3 is."""
        examples = [example[0] for example in self.examples]
        for patch in PATCHES:
            try:
                return ExemplarPrior(x_0, mask, examples=examples, patch=patch, nearness=NEARNESS)
            except ValueError:  # no patch of this size was given whole: a small picture may have a smaller one
                continue
        raise ValueError(
            "too little of the picture is given: the exemplar prior wants at least 3 x 3 given pixels in one place; "
            "leave more of the mask black, or name a model with --model (prior=load_prior(…))"
        )

    def predict(self, x_t: Tensor, level: Level, conditions: Conditions) -> Prediction:
        """Refused: without a picture there are no exemplars."""
        raise ValueError("the exemplar prior predicts nothing before it is given a picture: use `given`")

    def predict_guided(self, x_t: Tensor, level: Level, conditions: Conditions) -> Prediction:
        """Refused, as `predict`."""
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
        """Refuses a prompt."""
        if prompt or negative_prompt:
            raise ValueError(
                f"the exemplar prior does not use a prompt, got {prompt or negative_prompt!r}: "
                "leave it out, or name a text-to-image model with --model (prior=load_prior(…))"
            )
        return None
