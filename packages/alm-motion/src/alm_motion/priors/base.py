"""What a pretrained motion model is to the verbs: an `alm_core.Prior` that knows its features.

The state is float32 (rows, channels, F) at 20 frames a second. Features are absolute ones (rows, F, 263), see
`alm_motion.features`; what the network itself was trained on, relative or absolute, normalised, mixed, is the prior's.
"""

from dataclasses import dataclass
from typing import Protocol

import torch
from alm_core import Method, Prior, Reference, Schedule
from torch import Tensor

__all__ = ["Defaults", "MotionPrior"]


@dataclass(frozen=True)
class Defaults:
    """What a verb uses where the caller names nothing."""

    steps: int
    method: Method
    reference: Reference


class MotionPrior(Prior, Protocol):
    """A pretrained motion model. Nothing here changes after construction."""

    @property
    def device(self) -> torch.device:
        """Where the state and the noise are to be."""

    @property
    def frames(self) -> int:
        """The most frames that it makes at once."""

    @property
    def absolute(self) -> bool:
        """Whether its state says where the body is. Else it says how it moves: what comes after a gap may drift."""

    @property
    def anchored(self) -> bool:
        """Whether it knows motions only as beginning at the origin and facing +Z; else as seen from any frame."""

    @property
    def partial(self) -> bool:
        """Whether single joints can be given; else whole frames alone."""

    @property
    def defaults(self) -> Defaults:
        """The steps, method and reference that suit the model."""

    def given(self, x_0: Tensor, mask: Tensor) -> Prior:
        """The prior for a motion x_0 (1, …) of which mask = 1 is unknown: itself, unless it is made from the motion."""

    def schedule(self, steps: int) -> Schedule:
        """`steps` steps as the model was trained to take them."""

    def encode(self, features: Tensor) -> Tensor:
        """The state of absolute features (rows, F, 263), on `device`."""

    def decode(self, state: Tensor) -> Tensor:
        """The absolute features (rows, F, 67 or more) of a state; of a relative one from the origin, facing +Z."""

    def mask_to_state(self, unknown: Tensor) -> Tensor:
        """M (rows, channels, F) of which features (rows, F, 263) are unknown: 1 is to be generated."""

    def condition(self, prompt: str) -> object:
        """What a row is conditioned on. Raises ValueError where the model does not read such a prompt."""
