"""The default: no network, views painted from the patches of example pictures (`alm_core.exemplar`)."""

import hashlib
from dataclasses import dataclass, field

import torch
from alm_core import ALM, Conditions, FixedNoise, Level, Prediction, Prior, Schedule
from alm_core.exemplar import ExemplarPrior
from torch import Tensor

from alm_texture.priors.base import Defaults, View

__all__ = ["Exemplar"]


@dataclass(frozen=True)
class Exemplar:
    """A `ViewPrior` of example pictures, each (3, height, width) float32 in [−1, 1]; the state is the pixels.

    It knows texture and no objects: prefer a pretrained model where the painting must follow the shape. Raises
    ValueError without an example.
    """

    examples: tuple[Tensor, ...]
    size: int = 384
    factor: int = 1
    multiple: int = 1
    lockstep: bool = False
    shared: bool = False
    guided_rows: int = 1
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    defaults: Defaults = field(default_factory=lambda: Defaults(30, ALM(off_last=0.2), FixedNoise()))

    def __post_init__(self) -> None:
        """Checks that there are examples."""
        if not self.examples:
            raise ValueError("the exemplar prior paints from example pictures: give one or more with --exemplar")

    @property
    def identity(self) -> str:
        """A hash of the examples."""
        digest = hashlib.blake2b(digest_size=16)
        for example in self.examples:
            digest.update(repr(tuple(example.shape)).encode() + example.cpu().numpy().tobytes())
        return f"exemplar {digest.hexdigest()}"

    def given(self, x_0: Tensor, mask: Tensor, outside: Tensor) -> Prior:
        """The patch density of the examples and of what the view shows already, over the mesh's silhouette."""
        return ExemplarPrior(x_0, mask, examples=[e.to(x_0) for e in self.examples], outside=outside)

    def predict(self, x_t: Tensor, level: Level, conditions: Conditions) -> Prediction:
        """Refused: the density is that of a view."""
        raise ValueError("the exemplar prior predicts nothing before it is given a view: use `given`")

    def predict_guided(self, x_t: Tensor, level: Level, conditions: Conditions) -> Prediction:
        """Refused, as `predict`."""
        return self.predict(x_t, level, conditions)

    def schedule(self, steps: int) -> Schedule:
        """Even in log σ: pixels need many levels where texture forms."""
        return ExemplarPrior.schedule(steps)

    def encode(self, pixels: Tensor) -> Tensor:
        """The pixels."""
        return pixels

    def decode(self, state: Tensor) -> Tensor:
        """The pixels."""
        return state

    def condition(self, prompt: str, negative_prompt: str, view: View) -> object:
        """Refuses a prompt."""
        if prompt or negative_prompt:
            raise ValueError(
                f"the exemplar prior does not use a prompt, got {prompt or negative_prompt!r}: "
                "leave it out, or name a model with --model and its depth ControlNet with --controlnet"
            )
        return None

    def backdrop(self, view: View, seed: int) -> Tensor:
        """Grey, which nothing looks at."""
        return torch.zeros(1, 3, view.fragments.height, view.fragments.width)
