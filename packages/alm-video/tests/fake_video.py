"""A video model in a few lines: what it makes can be told by hand, and it can be asked for what it was told."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from alm_core import ALM, Conditions, FixedNoise, Level, Prediction, Prior, Schedule
from alm_core.schedule import linear
from alm_video.film import Film
from alm_video.priors import Defaults
from torch import Tensor


@dataclass(frozen=True)
class Fake:
    """Expects each place of a frame to be as it was in the frames around it, and as light as its prompt is long."""

    size: tuple[int, int] = (6, 10)
    multiple: int = 2
    frames: int = 16
    pace: int = 1
    fps: float = 8.0
    guidance: float = 1.0
    guided_rows: int = 1
    remembers: int = 0
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    defaults: Defaults = field(default_factory=lambda: Defaults(4, ALM(), FixedNoise(), 8, 4))
    told: list[tuple[object, ...]] = field(default_factory=list)
    shapes: list[tuple[int, ...]] = field(default_factory=list)
    known: list[Tensor] = field(default_factory=list)

    def recalls(self, height: int, width: int) -> int:
        return self.remembers

    def given(self, examples: Sequence[Tensor], shape: tuple[int, ...]) -> Callable[[Tensor, Tensor], Prior]:
        self.known.extend(examples)
        return lambda x_0, mask: self

    def fused(self, window: int, stride: int) -> Fake:
        return replace(self, frames=1000)

    def predict(self, x_t: Tensor, level: Level, conditions: Conditions) -> Prediction:
        assert conditions is not None
        self.told.append(conditions)
        self.shapes.append(tuple(x_t.shape))
        around = torch.nn.functional.avg_pool3d(x_t, (3, 1, 1), 1, (1, 0, 0), count_include_pad=False)
        light = torch.tensor([float(len(str(each))) for each in conditions]).view(-1, 1, 1, 1, 1) / 100
        return Prediction.from_x0(x_t, level, level.a * around + light)

    def predict_guided(self, x_t: Tensor, level: Level, conditions: Conditions) -> Prediction:
        return self.predict(x_t, level, conditions)

    def schedule(self, steps: int, height: int, width: int, frames: int) -> Schedule:
        return Schedule.trailing(linear(), steps)

    def state_shape(self, height: int, width: int) -> tuple[int, int, int]:
        return 3, height, width

    def encode(self, pixels: Tensor) -> Tensor:
        return pixels

    def decode(self, states: Iterable[Tensor]) -> Iterator[Tensor]:
        return iter(states)

    def condition(self, prompt: str, negative_prompt: str) -> object:
        if prompt == "refused":
            raise ValueError("no such prompt")
        return prompt


@dataclass(frozen=True)
class Counting(Fake):
    """Decodes each frame of the state to its number: 1 frame of the first, `pace` of each other."""

    def encode(self, pixels: Tensor) -> Tensor:
        return pixels[:, :, :: self.pace]

    def decode(self, states: Iterable[Tensor]) -> Iterator[Tensor]:
        number = 0
        for part in states:
            for _ in range(part.shape[2]):
                shape = (1, 3, self.pace if number else 1, *part.shape[3:])
                yield torch.full(shape, number / 127.5 - 1)
                number += 1


def clip(count: int = 12, height: int = 6, width: int = 10, seed: int = 0) -> Film:
    """A film of noise: no two of its frames are alike."""
    frames = np.random.default_rng(seed).integers(0, 256, (count, height, width, 3), np.uint8)
    return Film.of(frames, 12)
