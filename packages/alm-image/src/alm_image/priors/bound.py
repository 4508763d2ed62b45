"""Keeps x̂_0 of a pixel model in its range.

Every picture lies in [−1, 1], so its posterior mean does too: clipping x̂_0 only ever brings it nearer to the truth.
ε̂ follows from the clipped x̂_0, so that `x_t = a x̂_0 + s ε̂` holds as the protocol promises.
"""

from dataclasses import dataclass
from typing import Any

import torch
from alm_core import Level, Prediction
from torch import Tensor

__all__ = ["Bound", "bound_of"]


@dataclass(frozen=True)
class Bound:
    """Clips x̂_0 to ±`limit`; where `quantile` < 1, dynamically (Saharia et al. 2022, "dynamic thresholding").

    Then the limit is that quantile of |x̂_0| over the picture, at least 1 and at most `limit`, and x̂_0 is divided by
    it: pixels near the ends move inwards, which lets strong guidance be.
    """

    limit: float = 1.0
    quantile: float = 1.0

    def __call__(self, prediction: Prediction, x_t: Tensor, level: Level) -> Prediction:
        """The bounded prediction; of x_t at the level."""
        x0 = prediction.x0
        if self.quantile == 1:
            return Prediction.from_x0(x_t, level, x0.clamp(-self.limit, self.limit))
        end = torch.quantile(x0.flatten(1).abs(), self.quantile, dim=1).clamp(1, self.limit)
        end = end.view(-1, *[1] * (x0.ndim - 1))
        return Prediction.from_x0(x_t, level, torch.minimum(torch.maximum(x0, -end), end) / end)


def bound_of(config: Any) -> Bound | None:
    """What a scheduler's config asks for: `thresholding`, `clip_sample`, or nothing."""
    if config.get("thresholding", False):
        return Bound(float(config.sample_max_value), float(config.dynamic_thresholding_ratio))
    if config.get("clip_sample", False):
        return Bound(float(config.get("clip_sample_range", 1.0)))
    return None
