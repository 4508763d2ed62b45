"""One prior for every family: a network, its guidance, its grid of levels and its codec, put together.

A family's file brings the network call, the codec and the text; what is the same for all is here, once.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import torch
from alm_core import Conditions, Level, Prediction, Schedule
from alm_core.codec import VaeCodec, check_multiple
from alm_core.grid import Grid
from alm_core.guidance import ClassifierFree, Condition, Evaluate, Network, Unguided, known_conditions
from torch import Tensor

from alm_video.priors.base import Defaults, ForWindow, VideoPrior

__all__ = ["FrameCodec", "NetworkPrior", "Text", "VideoCodec"]


class Text(Protocol):
    """Makes conditions."""

    def __call__(self, prompt: str, negative_prompt: str) -> Condition:
        """See `VideoPrior.condition`."""


class VideoCodec(Protocol):
    """Between pixels and the state."""

    @property
    def pace(self) -> int:
        """See `VideoPrior`."""

    def state_shape(self, height: int, width: int) -> tuple[int, int, int]:
        """See `VideoPrior`."""

    def encode(self, pixels: Tensor) -> Tensor:
        """See `VideoPrior`."""

    def decode(self, states: Iterable[Tensor]) -> Iterator[Tensor]:
        """See `VideoPrior`."""


@dataclass(frozen=True)
class FrameCodec:
    """A VAE of pictures, frame by frame, `at_once` frames in a call of it."""

    vae: VaeCodec
    at_once: int = 1
    pace: int = 1

    def state_shape(self, height: int, width: int) -> tuple[int, int, int]:
        """See `VideoPrior`."""
        channels, rows, columns = self.vae.state_shape(height, width)
        return channels, rows, columns

    def encode(self, pixels: Tensor) -> Tensor:
        """See `VideoPrior`."""
        parts = torch.split(pixels, self.at_once, 2)
        return torch.cat([_per_frame(self.vae.encode, part) for part in parts], 2)

    def decode(self, states: Iterable[Tensor]) -> Iterator[Tensor]:
        """See `VideoPrior`."""
        for state in states:
            for part in torch.split(state, self.at_once, 2):
                yield _per_frame(self.vae.decode, part)


@dataclass(frozen=True)
class NetworkPrior:
    """A `VideoPrior` made of parts.

    `fusible` makes the network whose temporal attention is windowed, of a window and a stride; None where none is.
    """

    network: Network
    grid: Grid
    codec: VideoCodec
    text: Text
    device: torch.device
    size: tuple[int, int]
    multiple: int
    frames: int
    fps: float
    guidance: float
    defaults: Defaults
    fusible: Callable[[int, int], Network] | None = None

    @property
    def pace(self) -> int:
        """See `VideoPrior`."""
        return self.codec.pace

    @property
    def guided_rows(self) -> int:
        """See `Prior`."""
        return self._guided.rows

    @property
    def _guided(self) -> Evaluate:
        """At scale 1 guidance would cost twice as much and change nothing."""
        return Unguided(self.network) if self.guidance == 1 else ClassifierFree(self.network, self.guidance)

    def recalls(self, height: int, width: int) -> int:
        """See `VideoPrior`: it needs no clip."""
        return 0

    def given(self, examples: Sequence[Tensor], shape: tuple[int, ...]) -> ForWindow:
        """See `VideoPrior`: the network itself."""
        return lambda x_0, mask: self

    def fused(self, window: int, stride: int) -> VideoPrior:
        """See `VideoPrior`."""
        if self.fusible is None:
            raise ValueError(
                "this model's temporal attention cannot be taken over windows, which FreeNoise wants: use --method "
                "alm, or a LaVie or AnimateDiff model"
            )
        return replace(self, network=self.fusible(window, stride))

    def predict(self, x_t: Tensor, level: Level, conditions: Conditions) -> Prediction:
        """See `Prior`."""
        return self._evaluate(Unguided(self.network), x_t, level, conditions)

    def predict_guided(self, x_t: Tensor, level: Level, conditions: Conditions) -> Prediction:
        """See `Prior`."""
        return self._evaluate(self._guided, x_t, level, conditions)

    def schedule(self, steps: int, height: int, width: int, frames: int) -> Schedule:
        """See `VideoPrior`."""
        return self.grid.schedule(steps, frames * (height // self.multiple) * (width // self.multiple))

    def state_shape(self, height: int, width: int) -> tuple[int, int, int]:
        """See `VideoPrior`."""
        check_multiple(height, width, self.multiple)
        return self.codec.state_shape(height, width)

    def encode(self, pixels: Tensor) -> Tensor:
        """See `VideoPrior`."""
        check_multiple(pixels.shape[-2], pixels.shape[-1], self.multiple)
        return self.codec.encode(pixels)

    def decode(self, states: Iterable[Tensor]) -> Iterator[Tensor]:
        """See `VideoPrior`."""
        return self.codec.decode(states)

    def condition(self, prompt: str, negative_prompt: str) -> Condition:
        """See `VideoPrior`."""
        return self.text(prompt, negative_prompt)

    def _evaluate(self, evaluate: Evaluate, x_t: Tensor, level: Level, conditions: Conditions) -> Prediction:
        raw = evaluate(x_t, level.t, known_conditions(conditions, len(x_t)))
        return self.grid.convert(x_t, level, raw[:, : x_t.shape[1]])


def _per_frame(of_pictures: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """What a function of pictures (n, c, h, w) makes of each frame of x (rows, c, frames, h, w)."""
    made = of_pictures(x.transpose(1, 2).flatten(0, 1))
    return made.view(len(x), -1, *made.shape[1:]).transpose(1, 2)
