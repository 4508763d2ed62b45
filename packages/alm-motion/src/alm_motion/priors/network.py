"""One prior for both families of networks: a network that predicts x_0, its guidance, schedule and normalisation."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Protocol

import torch
from alm_core import ALM, Conditions, FixedNoise, Level, Prediction, Prior, Schedule
from alm_core.guidance import ClassifierFree, Condition, Embedding, Network, Unguided, known_conditions
from alm_core.schedule import cosine
from torch import Tensor, nn
from torch.nn.functional import pad

from alm_motion.features import absolute, relative
from alm_motion.priors.base import Defaults
from alm_motion.priors.text import NoText

__all__ = ["Codec", "NetworkPrior", "Text", "TimeNetwork"]


class Text(Protocol):
    """Makes conditions."""

    def __call__(self, prompt: str) -> Condition:
        """See `MotionPrior.condition`."""


@dataclass(frozen=True)
class TimeNetwork:
    """A torch module as a `Network`: x (rows, channels, F), a time and at most one tensor of conditions.

    `blank` channels of zeros are put after x: a network that was trained to be told keyframes is told of none.
    """

    module: nn.Module
    dtype: torch.dtype
    blank: int = 0

    def __call__(self, x: Tensor, time: float, embedding: Embedding) -> Tensor:
        """See `Network`."""
        times = torch.full((len(x),), int(time), device=x.device)
        told = pad(x, (0, 0, 0, self.blank)) if self.blank else x
        out: Tensor = self.module(told.to(self.dtype), times, *embedding)
        return out.to(x.dtype)


@dataclass(frozen=True)
class Codec:
    """How features become the state: relative or not, normalised by mean and deviation (C), mixed by a matrix.

    C is 263, or 67 where rotations, ways and contacts are left out, which follow from the places. `mix` (263, 263) is
    GMD's random projection, applied to rows as its file has it, and `unmix` its inverse.
    """

    mean: Tensor
    std: Tensor
    absolute: bool = True
    mix: Tensor | None = None
    unmix: Tensor | None = None

    def on(self, device: torch.device) -> "Codec":
        """The same on a device."""
        mix, unmix = (each if each is None else each.to(device) for each in (self.mix, self.unmix))
        return replace(self, mean=self.mean.to(device), std=self.std.to(device), mix=mix, unmix=unmix)

    def encode(self, features: Tensor) -> Tensor:
        """(rows, F, 263) to (rows, C, F)."""
        own = (features if self.absolute else relative(features))[..., : len(self.mean)]
        x = (own.to(self.mean) - self.mean) / self.std
        return (x if self.mix is None else x @ self.mix).transpose(1, 2).contiguous()

    def decode(self, state: Tensor) -> Tensor:
        """(rows, C, F) to (rows, F, C)."""
        x = state.float().transpose(1, 2)
        own = (x if self.unmix is None else x @ self.unmix) * self.std + self.mean
        return own if self.absolute else absolute(own)

    def mask(self, unknown: Tensor) -> Tensor:
        """(rows, F, 263) to (rows, C, F). A mixture is unknown where any channel is; so is a relative root's step."""
        unknown = unknown[..., : len(self.mean)]
        if self.mix is not None:
            unknown = unknown.amax(-1, keepdim=True).expand(unknown.shape)
        elif not self.absolute:
            steps = torch.ones_like(unknown[..., :3])
            steps[:, :-1] = torch.maximum(unknown[:, :-1, :3], unknown[:, 1:, :3])
            unknown = torch.cat([steps, unknown[..., 3:]], -1)
        return unknown.transpose(1, 2).contiguous()


@dataclass(frozen=True)
class NetworkPrior:
    """A `MotionPrior` made of parts; `alphas` are the cumulative α that the network was trained with.

    `convert` says what it predicts: x_0, as all published ones do, of which ε̂ is derived in float32, or v. `bound`
    clips x̂_0, as GMD does with 6 deviations.
    """

    network: Network
    codec: Codec
    text: Text
    device: torch.device
    frames: int
    guidance: float = 1.0
    anchored: bool = True
    bound: float | None = None
    convert: Callable[[Tensor, Level, Tensor], Prediction] = Prediction.from_x0
    lowest: int = 0
    alphas: tuple[float, ...] = field(default_factory=lambda: tuple(cosine()), repr=False)
    usual: Defaults = field(default_factory=lambda: Defaults(50, ALM(), FixedNoise()))

    def __post_init__(self) -> None:
        """Raises ValueError for guidance that would cost twice as much and change nothing."""
        if self.guidance != 1 and isinstance(self.text, NoText):
            raise ValueError(
                f"this model reads no prompt, so that nothing guides it, got {self.guidance:g}: leave guidance out"
            )

    @property
    def defaults(self) -> Defaults:
        """See `MotionPrior`: the `usual` ones, in no more steps than there are."""
        return replace(self.usual, steps=min(self.usual.steps, self._most))

    @property
    def _most(self) -> int:
        return len(self.alphas) - self.lowest

    @property
    def absolute(self) -> bool:
        """See `MotionPrior`."""
        return self.codec.absolute

    @property
    def partial(self) -> bool:
        """See `MotionPrior`."""
        return self.codec.mix is None

    @property
    def guided_rows(self) -> int:
        """See `Prior`."""
        return 1 if self.guidance == 1 else 2

    def given(self, x_0: Tensor, mask: Tensor) -> Prior:
        """See `MotionPrior`."""
        return self

    def schedule(self, steps: int) -> Schedule:
        """See `MotionPrior`: evenly from the last training index on, down to `lowest`. Raises ValueError for more."""
        last, lowest = len(self.alphas) - 1, self.lowest
        if not 1 <= steps <= self._most:
            raise ValueError(f"this model takes between 1 and {self._most} steps, got {steps}")
        if not lowest:
            return Schedule.trailing(self.alphas, steps)
        times = [round(last - i * (last - lowest) / max(steps - 1, 1)) for i in range(steps)]
        return Schedule.vp(self.alphas, times)

    def encode(self, features: Tensor) -> Tensor:
        """See `MotionPrior`."""
        return self.codec.encode(features.to(self.device))

    def decode(self, state: Tensor) -> Tensor:
        """See `MotionPrior`."""
        return self.codec.decode(state)

    def mask_to_state(self, unknown: Tensor) -> Tensor:
        """See `MotionPrior`."""
        return self.codec.mask(unknown.to(self.device))

    def condition(self, prompt: str) -> Condition:
        """See `MotionPrior`."""
        return self.text(prompt)

    def predict(self, x_t: Tensor, level: Level, conditions: Conditions) -> Prediction:
        """See `Prior`."""
        return self._evaluate(Unguided(self.network), x_t, level, conditions)

    def predict_guided(self, x_t: Tensor, level: Level, conditions: Conditions) -> Prediction:
        """See `Prior`."""
        plain = self.guidance == 1
        return self._evaluate(
            Unguided(self.network) if plain else ClassifierFree(self.network, self.guidance), x_t, level, conditions
        )

    def _evaluate(
        self,
        evaluate: Callable[..., Tensor],
        x_t: Tensor,
        level: Level,
        conditions: Conditions,
    ) -> Prediction:
        rows = [self.text("")] * len(x_t) if conditions is None else known_conditions(conditions, len(x_t))
        found = self.convert(x_t, level, evaluate(x_t, level.t, rows))
        if self.bound is None:
            return found
        return Prediction.from_x0(x_t, level, found.x0.clamp(-self.bound, self.bound))
