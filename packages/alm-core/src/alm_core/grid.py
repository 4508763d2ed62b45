"""Levels and parameterisation from a scheduler's config: nothing about a model's schedule is written down here.

diffusers fills in each scheduler class's own defaults, and its `alphas_cumprod` is the betas of any kind; the
grid of levels follows `timestep_spacing` and `steps_offset`.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from alm_core.prior import Prediction
from alm_core.schedule import Level, Schedule

__all__ = ["DiffusionGrid", "FlowGrid", "Grid", "grid_of"]

Convert = Callable[[Tensor, Level, Tensor], Prediction]

CONVERT: dict[str, Convert] = {
    "epsilon": Prediction.from_eps,
    "sample": Prediction.from_x0,
    "v_prediction": Prediction.from_v,
}


class Grid(Protocol):
    """Which levels a model is sampled at, and what its raw output means there."""

    @property
    def convert(self) -> Convert:
        """(x_t, level, raw output) → prediction."""

    def schedule(self, steps: int, tokens: int) -> Schedule:
        """The levels of `steps` steps for a sample of `tokens` patches."""


@dataclass(frozen=True)
class DiffusionGrid:
    """A VP diffusion: cumulative `alphas` of the training indices, and how `spacing` picks among them."""

    alphas: tuple[float, ...]
    spacing: str
    convert: Convert
    offset: int = 0
    final_alpha: float = 1.0

    def __post_init__(self) -> None:
        """Checks the spacing."""
        if self.spacing not in ("leading", "trailing", "linspace"):
            raise ValueError(f"timestep_spacing must be leading, trailing or linspace, got {self.spacing!r}")

    def schedule(self, steps: int, tokens: int) -> Schedule:
        """See `Grid`."""
        if self.spacing == "trailing":
            return Schedule.trailing(self.alphas, steps, final_alpha=self._final(1))
        if self.spacing == "leading":
            if steps == 1:
                raise ValueError(
                    "one step of a leading grid would start where there is no noise: ask for 2 steps or more"
                )
            return Schedule.leading(self.alphas, steps, offset=self.offset, final_alpha=self._final(self.offset))
        if not 1 <= steps <= len(self.alphas):
            raise ValueError(f"steps must lie between 1 and the model's {len(self.alphas)}, got {steps}")
        times = torch.linspace(0, len(self.alphas) - 1, steps, dtype=torch.float64).round().long()
        return Schedule.vp(self.alphas, times.flip(0).tolist(), final_alpha=self._final(0))

    def _final(self, last: int) -> float:
        """A grid whose last index is 0 ends clean: a step from α_0 to α_0 would do nothing."""
        return 1.0 if last == 0 else self.final_alpha


@dataclass(frozen=True)
class FlowGrid:
    """A rectified flow: the scheduler places the levels, its shift growing with the number of tokens if it says so."""

    scheduler: Any
    convert: Convert = Prediction.from_velocity

    def schedule(self, steps: int, tokens: int) -> Schedule:
        """See `Grid`."""
        if steps < 1:
            raise ValueError(f"steps must be 1 or more, got {steps}")
        config = self.scheduler.config
        fresh = type(self.scheduler).from_config(config)  # set_timesteps writes into its scheduler
        mu = None
        if config.use_dynamic_shifting:  # linear in the number of tokens, between the two that the config names
            share = (tokens - config.base_image_seq_len) / (config.max_image_seq_len - config.base_image_seq_len)
            mu = config.base_shift + share * (config.max_shift - config.base_shift)
        fresh.set_timesteps(sigmas=[1 - i / steps for i in range(steps)], mu=mu)
        return Schedule.from_flow_times(fresh.sigmas.tolist())


def grid_of(scheduler: Any) -> Grid:
    """The grid of a diffusers scheduler. Raises ValueError for one that is neither a VP diffusion nor a flow."""
    config, name = scheduler.config, type(scheduler).__name__
    if name.startswith("FlowMatch"):
        if config.get("invert_sigmas", False):
            raise ValueError(f"{name} with invert_sigmas runs its flow backwards, which is not supported")
        return FlowGrid(scheduler)
    kind = config.get("prediction_type", "epsilon")
    if kind not in CONVERT or not hasattr(scheduler, "alphas_cumprod"):
        raise ValueError(
            f"the scheduler {name} with prediction_type {kind!r} is not supported: wanted a VP diffusion "
            f"(as DDIMScheduler) of {', '.join(CONVERT)}, or FlowMatchEulerDiscreteScheduler"
        )
    alphas = tuple(scheduler.alphas_cumprod.double().tolist())
    final = float(getattr(scheduler, "final_alpha_cumprod", 1.0))
    # DDPMScheduler and others without the key take the leading grid from 0.
    spacing, offset = config.get("timestep_spacing", "leading"), int(config.get("steps_offset", 0))
    return DiffusionGrid(alphas, spacing, CONVERT[kind], offset, 1.0 if math.isclose(final, 1.0) else final)
