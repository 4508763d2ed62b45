"""Noise levels and time grids.

A level is a marginal `x_t = a x_0 + s ε`. For a variance-preserving (VP) diffusion `a = √α_t` and
`s = √(1 − α_t)`, where α is cumulative (DDPM's ᾱ, diffusers' `alphas_cumprod`); for a rectified flow
`a = 1 − t` and `s = t`. Time runs from T (noise) down to 0 (clean). No other module knows which is which,
but for `Schedule.flow`, which the methods with different settings on flows read.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

__all__ = ["Level", "Schedule", "cosine", "linear", "scaled_linear", "sigma"]


@dataclass(frozen=True)
class Level:
    """One marginal `x_t = a x_0 + s ε`; `t` is the time as the network is told it."""

    t: float
    a: float
    s: float


@dataclass(frozen=True)
class Schedule:
    """The sampled levels, from noise to clean: N steps have N + 1 levels.

    `flow` says that the levels are a rectified flow's. Raises ValueError when the levels do not descend.
    """

    levels: tuple[Level, ...]
    flow: bool = field(default=False)

    def __post_init__(self) -> None:
        """Checks that noise falls from level to level."""
        if len(self.levels) < 2:
            raise ValueError(f"a schedule needs two levels or more, got {len(self.levels)}: ask for one step or more")
        for t, s in zip(self.levels, self.levels[1:], strict=False):
            if not t.s * s.a > s.s * t.a:
                raise ValueError(f"noise must fall from level to level, got {t} before {s}: sort the times descending")

    @property
    def steps(self) -> int:
        """The number of transitions."""
        return len(self.levels) - 1

    @staticmethod
    def vp(alphas: Sequence[float], times: Sequence[int], *, final_alpha: float = 1.0) -> "Schedule":
        """The levels of a VP diffusion at the training indices `times` (descending), then `final_alpha`.

        `alphas` holds the cumulative α of every training index. A `final_alpha` below 1 ends slightly noisy, as
        Stable Diffusion's own scheduler does (`set_alpha_to_one=False`).
        """
        levels = [Level(float(t), math.sqrt(alphas[t]), math.sqrt(1 - alphas[t])) for t in times]
        return Schedule((*levels, Level(0.0, math.sqrt(final_alpha), math.sqrt(1 - final_alpha))))

    @staticmethod
    def leading(alphas: Sequence[float], steps: int, *, offset: int = 1, final_alpha: float = 1.0) -> "Schedule":
        """`steps` evenly spaced training indices counted from `offset`: 981, 961, …, 1 for 50 of 1000.

        This is the grid of both papers' image experiments.
        """
        stride = _stride(len(alphas), steps)
        if steps * stride < 0.9 * len(alphas):
            raise ValueError(
                f"{steps} steps counted from {offset} reach {steps * stride} of the {len(alphas)} that the model was "
                f"trained with, and would start where noise has part of the picture in it: ask for {len(alphas) // 2} "
                f"or fewer, or for {len(alphas)}"
            )
        times = [min(i * stride + offset, len(alphas) - 1) for i in reversed(range(steps))]
        return Schedule.vp(alphas, times, final_alpha=final_alpha)

    @staticmethod
    def trailing(alphas: Sequence[float], steps: int, *, final_alpha: float = 1.0) -> "Schedule":
        """`steps` training indices that include the last one, T − 1."""
        _stride(len(alphas), steps)
        times = [round(len(alphas) * i / steps) - 1 for i in range(steps, 0, -1)]
        return Schedule.vp(alphas, times, final_alpha=final_alpha)

    @staticmethod
    def rectified_flow(steps: int, *, shift: float = 1.0) -> "Schedule":
        """Times t from 1 to 0, `t ← shift t / (1 + (shift − 1) t)`; a shift above 1 spends more steps near noise."""
        if steps < 1:
            raise ValueError(f"steps must be 1 or more, got {steps}")
        times = [1 - i / steps for i in range(steps + 1)]
        return Schedule.from_flow_times([shift * t / (1 + (shift - 1) * t) for t in times])

    @staticmethod
    def from_flow_times(times: Sequence[float]) -> "Schedule":
        """The levels of a rectified flow at the given times in [0, 1], descending to 0."""
        return Schedule(tuple(Level(t, 1 - t, t) for t in times), flow=True)

    @staticmethod
    def log_sigma(steps: int, *, highest: float = 20.0, lowest: float = 0.03) -> "Schedule":
        """Levels even in log σ, σ = s/a, from `highest` to `lowest`, then clean; `t` is σ.

        Made for priors that work in pixels: half of the levels lie where texture forms.
        """
        if steps < 2:
            raise ValueError(f"levels even in log σ need 2 steps or more, got {steps}")
        if not highest > lowest > 0:
            raise ValueError(f"wanted highest > lowest > 0, got {highest} and {lowest}")
        ratio = (lowest / highest) ** (1 / (steps - 1))
        sigmas = [highest * ratio**i for i in range(steps)]
        levels = [Level(v, 1 / math.hypot(1, v), v / math.hypot(1, v)) for v in sigmas]
        return Schedule((*levels, Level(0.0, 1.0, 0.0)))


def sigma(t: Level, s: Level) -> float:
    """The σ_t of ALM Eq. 12 and 22 over the *sampled* pair of levels.

    `σ_t² = (s_s²/s_t²) (s_t² − (a_t/a_s)² s_s²)`, which for a VP diffusion is
    `(1 − α_s)/(1 − α_t) · (1 − α_t/α_s)`: the standard deviation of q(x_s | x_t, x_0), and of DDIM with η = 1.
    """
    variance = (s.s / t.s) ** 2 * (t.s**2 - (t.a / s.a) ** 2 * s.s**2)
    return math.sqrt(max(variance, 0.0))


def scaled_linear(start: float = 0.00085, end: float = 0.012, steps: int = 1000) -> list[float]:
    """Cumulative α of Stable Diffusion: √β even from √start to √end."""
    roots = (math.sqrt(start) + (math.sqrt(end) - math.sqrt(start)) * i / (steps - 1) for i in range(steps))
    return _cumulative([root**2 for root in roots])


def linear(start: float = 1e-4, end: float = 0.02, steps: int = 1000) -> list[float]:
    """Cumulative α of DDPM, guided diffusion and LaVie: β even from start to end."""
    return _cumulative([start + (end - start) * i / (steps - 1) for i in range(steps)])


def cosine(steps: int = 1000, *, offset: float = 0.008, largest_beta: float = 0.999) -> list[float]:
    """Cumulative α of improved DDPM's cosine schedule, as human-motion models use it."""

    def bar(u: float) -> float:
        return math.cos((u + offset) / (1 + offset) * math.pi / 2) ** 2

    return _cumulative([min(1 - bar((i + 1) / steps) / bar(i / steps), largest_beta) for i in range(steps)])


def _cumulative(betas: Sequence[float]) -> list[float]:
    """α_t = Π (1 − β)."""
    alphas, alpha = [], 1.0
    for beta in betas:
        alpha *= 1 - beta
        alphas.append(alpha)
    return alphas


def _stride(trained: int, steps: int) -> int:
    if not 1 <= steps <= trained:
        raise ValueError(f"steps must lie between 1 and the {trained} that the model was trained with, got {steps}")
    return trained // steps
