"""What priors without a network share: they are made from pictures, and their state is the pixels."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field, replace
from typing import Self

import torch
from alm_core import Conditions, FreshNoise, Level, Prediction, Prior, Replacement, Schedule
from alm_core.exemplar import METHOD, ExemplarPrior
from alm_core.placement import Options
from torch import Tensor

from alm_image.blend import Membrane
from alm_image.priors.base import Defaults

__all__ = ["NEARNESS", "PATCHES", "Weightless"]

PATCHES = (7, 5, 3)
"""Widths of patches, the best first."""
NEARNESS = (1000.0, 0.0)
"""Of rows and columns: what lies at another height is rarely alike, what lies to the side often is."""


@dataclass(frozen=True)
class Weightless(ABC):
    """An `ImagePrior` of patches (`alm_core.exemplar`), but for what it is made from: `given` and `condition` say that.

    Any size of picture suits it, and it is taken whole: windows of it would be priors of their own.
    """

    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    size: int = 512
    sides: tuple[int, int] = (1, 1024)
    multiple: int = 1
    fixed_size: bool = False
    windowed: bool = False
    guidance: float = 1.0
    guided_rows: int = 1
    defaults: Defaults = field(
        default_factory=lambda: Defaults(30, METHOD, FreshNoise(), Membrane(), coupled=Replacement(), between="+")
    )

    @classmethod
    def from_options(cls, options: Options) -> Self:
        """The prior on the device asked for. Raises ValueError for options of networks."""
        asked = replace(
            options, device=torch.device("cpu"), guidance=None if options.guidance == 1 else options.guidance
        )
        if asked != Options(torch.device("cpu")):
            raise ValueError(
                f"the model {cls.__name__.lower()!r} has no network: leave out guidance, dtype, variant, offload, VAE "
                "tiling and attention"
            )
        return cls(device=options.device)

    @abstractmethod
    def given(self, x_0: Tensor, mask: Tensor) -> Prior:
        """See `ImagePrior`."""

    @abstractmethod
    def condition(self, prompt: str, negative_prompt: str, height: int, width: int) -> object:
        """See `ImagePrior`."""

    @abstractmethod
    def predict(self, x_t: Tensor, level: Level, conditions: Conditions) -> Prediction:
        """See `Prior`."""

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
