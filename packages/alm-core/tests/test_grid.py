"""Levels and parameterisations read off a scheduler's config: against plain numbers, with stand-ins for schedulers."""

import math
from typing import Any

import pytest
import torch
from alm_core.grid import grid_of
from alm_core.schedule import Level, scaled_linear

ALPHAS = scaled_linear()


class Config(dict[str, Any]):
    __getattr__ = dict.__getitem__


class Diffusion:
    """As much of a diffusers scheduler as is read."""

    def __init__(self, final: float = 1.0, **config: Any) -> None:
        self.config = Config(config)
        self.alphas_cumprod = torch.tensor(ALPHAS, dtype=torch.float64)
        self.final_alpha_cumprod = torch.tensor(final, dtype=torch.float64)


class FlowMatch:
    """Even levels under a shift e^mu, or as they are."""

    def __init__(self, **config: Any) -> None:
        self.config = Config(config)

    @classmethod
    def from_config(cls, config: Config) -> "FlowMatch":
        return cls(**config)

    def set_timesteps(self, sigmas: list[float], mu: float | None) -> None:
        shift = math.exp(mu or 0.0)
        self.sigmas = torch.tensor([shift * t / (1 + (shift - 1) * t) for t in sigmas] + [0.0], dtype=torch.float64)


@pytest.mark.parametrize(
    ("spacing", "offset", "times"),
    [
        ("leading", 1, [751, 501, 251, 1]),
        ("leading", 0, [750, 500, 250, 0]),
        ("trailing", 0, [999, 749, 499, 249]),
        ("linspace", 0, [999, 666, 333, 0]),
    ],
)
def test_levels_are_where_the_spacing_places_them(spacing: str, offset: int, times: list[int]) -> None:
    grid = grid_of(Diffusion(ALPHAS[0], timestep_spacing=spacing, steps_offset=offset))
    levels = grid.schedule(4, 1).levels
    assert [level.t for level in levels[:-1]] == times
    for level, time in zip(levels, times, strict=False):
        assert math.isclose(level.a**2, ALPHAS[time])
    # One that has been at α_0 already ends clean; a trailing one, and a leading one from 1, end at the final α.
    assert math.isclose(levels[-1].a ** 2, 1.0 if times[-1] == 0 else ALPHAS[0])


def test_without_keys_the_grid_leads_from_zero_and_the_output_is_noise() -> None:
    grid = grid_of(Diffusion())
    assert [level.t for level in grid.schedule(2, 1).levels] == [500, 0, 0]
    x, raw, level = torch.tensor([3.0]), torch.tensor([0.5]), Level(1.0, 0.6, 0.8)
    assert grid.convert(x, level, raw).eps.tolist() == [0.5]


@pytest.mark.parametrize(
    ("kind", "x0", "eps"),
    [("epsilon", (3 - 0.8 * 0.5) / 0.6, 0.5), ("sample", 0.5, (3 - 0.6 * 0.5) / 0.8), ("v_prediction", 1.4, 2.7)],
)
def test_the_output_is_read_as_its_kind(kind: str, x0: float, eps: float) -> None:
    convert = grid_of(Diffusion(prediction_type=kind)).convert
    found = convert(torch.tensor([3.0]), Level(1.0, 0.6, 0.8), torch.tensor([0.5]))
    assert math.isclose(float(found.x0), x0, rel_tol=1e-6)
    assert math.isclose(float(found.eps), eps, rel_tol=1e-6)


def test_a_flow_is_shifted_by_the_number_of_tokens_only_where_it_says_so() -> None:
    ends = {"base_image_seq_len": 100, "max_image_seq_len": 300, "base_shift": 0.5, "max_shift": 1.5}
    dynamic = grid_of(FlowMatch(use_dynamic_shifting=True, **ends))
    for tokens, mu in ((100, 0.5), (150, 0.75), (300, 1.5)):
        assert math.isclose(dynamic.schedule(2, tokens).levels[1].t, 1 / (1 + math.exp(-mu)), rel_tol=1e-9)
    fixed = grid_of(FlowMatch(use_dynamic_shifting=False))
    assert [level.t for level in fixed.schedule(4, 300).levels] == [1, 0.75, 0.5, 0.25, 0]
    assert fixed.schedule(4, 300).flow


def test_what_is_no_vp_diffusion_nor_flow_is_refused() -> None:
    with pytest.raises(ValueError, match=r"FlowMatch with invert_sigmas runs its flow backwards"):
        grid_of(FlowMatch(invert_sigmas=True))
    with pytest.raises(ValueError, match="Diffusion with prediction_type 'score' is not supported: wanted a VP"):
        grid_of(Diffusion(prediction_type="score"))
    with pytest.raises(ValueError, match="must be leading, trailing or linspace, got 'odd'"):
        grid_of(Diffusion(timestep_spacing="odd"))


def test_bad_numbers_of_steps_are_refused() -> None:
    with pytest.raises(ValueError, match="ask for 2 steps or more"):
        grid_of(Diffusion()).schedule(1, 1)
    with pytest.raises(ValueError, match="between 1 and the model's 1000, got 1001"):
        grid_of(Diffusion(timestep_spacing="linspace")).schedule(1001, 1)
    with pytest.raises(ValueError, match="steps must be 1 or more, got 0"):
        grid_of(FlowMatch(use_dynamic_shifting=False)).schedule(0, 1)
