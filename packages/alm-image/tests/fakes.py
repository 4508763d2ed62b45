"""Small stand-ins for pretrained models, with exact predictions: quick enough for every test of the verbs."""

from dataclasses import dataclass, field

import torch
from alm_core import ALM, Conditions, FixedNoise, Level, Prediction, Prior, Schedule
from alm_core.schedule import scaled_linear
from alm_image.priors.base import Defaults
from torch import Tensor
from torch.nn.functional import avg_pool2d, interpolate, max_pool2d


@dataclass(frozen=True)
class Fake:
    """An `ImagePrior` of independent Gaussian cells around `mean`, behind a codec of `multiple` pixels a cell.

    The prompt is a number that shifts the mean. `broken` answers NaN from that noise level on.
    """

    size: int = 32
    multiple: int = 4
    mean: float = 0.2
    broken: float = -1.0
    fixed_size: bool = False
    windowed: bool = True
    smallest: int = 32
    guidance: float = 1.0
    guided_rows: int = 1
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    defaults: Defaults = field(default_factory=lambda: Defaults(4, ALM(), FixedNoise()))

    @property
    def sides(self) -> tuple[int, int]:
        return self.smallest, self.size

    def given(self, x_0: Tensor, mask: Tensor) -> Prior:
        return self

    def predict(self, x_t: Tensor, level: Level, conditions: Conditions) -> Prediction:
        shifts = [float(str(c)) for c in conditions or (0.0,) * len(x_t)]
        mean = self.mean + torch.tensor(shifts).view(-1, 1, 1, 1)
        if level.t < self.broken:
            mean = mean * torch.nan
        variance = level.a**2 * 0.01 + level.s**2
        return Prediction.from_eps(x_t, level, level.s * (x_t - level.a * mean) / variance)

    def predict_guided(self, x_t: Tensor, level: Level, conditions: Conditions) -> Prediction:
        return self.predict(x_t, level, conditions)

    def schedule(self, steps: int, height: int | None = None, width: int | None = None) -> Schedule:
        return Schedule.leading(scaled_linear(), steps)

    def state_shape(self, height: int, width: int) -> tuple[int, ...]:
        return 3, height // self.multiple, width // self.multiple

    def encode(self, pixels: Tensor) -> Tensor:
        return avg_pool2d(pixels, self.multiple)

    def decode(self, state: Tensor) -> Tensor:
        return interpolate(state, scale_factor=self.multiple, mode="nearest")

    def mask_to_state(self, mask: Tensor) -> Tensor:
        return max_pool2d(mask, self.multiple)

    def condition(self, prompt: str, negative_prompt: str, height: int, width: int) -> object:
        return float(prompt or 0)
