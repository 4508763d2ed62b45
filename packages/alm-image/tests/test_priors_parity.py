"""Against diffusers, called by hand: the network's arguments, the parameterisations, the levels, and whole steps."""

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from alm_core import Level, Noise, Prediction
from alm_core.grid import FlowGrid, grid_of
from alm_core.prior import ddim
from alm_image.priors import load_prior
from alm_image.priors.bound import Bound
from diffusers import (
    DDIMScheduler,
    DDPMScheduler,
    EulerDiscreteScheduler,
    FlowMatchEulerDiscreteScheduler,
    FluxPipeline,
    IFPipeline,
    PNDMScheduler,
    StableDiffusionPipeline,
    StableDiffusionXLPipeline,
    UNet2DModel,
)
from torch import Tensor

Folder = Callable[[str], Path]
PROMPT, NEGATIVE = "a red boat on a lake", "grey"


def close(found: Tensor, wanted: Tensor, tolerance: float = 1e-4) -> None:
    torch.testing.assert_close(found, wanted, atol=tolerance, rtol=tolerance)


def pixel_state(rows: int = 2) -> Tensor:
    return Noise.batch(4, rows).draw((3, 16, 16))


@pytest.mark.parametrize("name", ["pixel_epsilon", "pixel_v", "pixel_x0", "pixel_variance"])
def test_a_step_of_a_pixel_model_is_diffusers_own_ddim_step(folder: Folder, name: str) -> None:
    prior = load_prior(folder(name))
    unet = UNet2DModel.from_pretrained(folder(name) / "unet")
    own = DDIMScheduler.from_pretrained(folder(name) / "scheduler")
    # diffusers ends at α_0 unless told otherwise, and steps by T // n whatever the grid: 10 fits leading and trailing.
    schedule = prior.schedule(10)
    for index in (1, 4, 7):
        t, s = schedule.levels[index : index + 2]
        x = pixel_state()
        with torch.no_grad():
            out = unet(x, torch.tensor(int(t.t))).sample[:, :3]
        scheduler = DDIMScheduler.from_config(own.config, variance_type=None)
        scheduler.set_timesteps(10)
        if name == "pixel_x0":  # linspace: the next index is not t − T // n, so the formula is held against s itself
            eps = (x - t.a * out) / t.s
            wanted = s.a * out + s.s * eps
        else:
            clipped = bool(scheduler.config.clip_sample)
            wanted = scheduler.step(out, int(t.t), x, use_clipped_model_output=clipped).prev_sample
        close(ddim(prior.predict_guided(x, t, None), s), wanted)


def test_a_learned_variance_is_dropped_and_a_clipped_sample_is_clipped(folder: Folder) -> None:
    prior = load_prior(folder("pixel_variance"))
    level = prior.schedule(10).levels[0]
    prediction = prior.predict(3 * pixel_state(), level, None)
    assert prediction.x0.shape == (2, 3, 16, 16)
    assert prediction.x0.abs().max() == 1
    free = replace(prior, bound=None).predict(3 * pixel_state(), level, None)  # type: ignore[type-var]
    close(prediction.x0, free.x0.clamp(-1, 1))
    close(prediction.eps, (3 * pixel_state() - level.a * prediction.x0) / level.s)


def test_dynamic_thresholding_divides_by_a_quantile_between_one_and_the_limit() -> None:
    level = Level(500.0, 0.6, 0.8)
    x_t = torch.full((3, 1, 1, 5), 0.1)
    x0 = torch.tensor([[0.1, -0.2, 0.3, 0.4, 0.5], [0.5, -1.0, 1.2, 0.2, -1.2], [3.0, -4.0, 5.0, 1.0, 2.0]])
    x0 = x0.reshape(3, 1, 1, 5)
    found = Bound(1.5, 0.75)(Prediction.from_x0(x_t, level, x0), x_t, level)
    # The 0.75-quantile of the five magnitudes is the fourth: 0.4 counts as 1, 1.2 stands, 4 counts as 1.5.
    for row, end in enumerate((1, 1.2, 1.5)):
        close(found.x0[row], x0[row].clamp(-end, end) / end)
    close(level.a * found.x0 + level.s * found.eps, x_t)


@pytest.mark.parametrize("name", ["stable_diffusion", "stable_diffusion_v"])
def test_stable_diffusion_agrees_with_diffusers_by_hand(folder: Folder, name: str) -> None:
    prior = load_prior(folder(name), guidance=4)
    pipe = StableDiffusionPipeline.from_pretrained(folder(name), safety_checker=None)
    scheduler = DDIMScheduler.from_config(pipe.scheduler.config, clip_sample=False)
    scheduler.set_timesteps(10)
    schedule = prior.schedule(10)
    x = Noise.batch(6, 1).draw((4, 8, 8))
    tokens = pipe.tokenizer([NEGATIVE, PROMPT], padding="max_length", max_length=77, return_tensors="pt").input_ids
    assert (tokens[0] != tokens[1]).any()
    condition = prior.condition(PROMPT, NEGATIVE, 64, 64)
    for index in (0, 5, 9):
        t, s = schedule.levels[index : index + 2]
        assert t.t == int(scheduler.timesteps[index])
        with torch.no_grad():
            states = pipe.text_encoder(tokens)[0]
            of_u, of_c = pipe.unet(torch.cat([x, x]), int(t.t), encoder_hidden_states=states).sample.chunk(2)
        wanted = scheduler.step(of_u + 4 * (of_c - of_u), scheduler.timesteps[index], x).prev_sample
        close(ddim(prior.predict_guided(x, t, (condition,)), s), wanted)


def test_sdxl_agrees_with_diffusers_by_hand(folder: Folder) -> None:
    prior = load_prior(folder("sdxl"), guidance=4)
    pipe = StableDiffusionXLPipeline.from_pretrained(folder("sdxl"))
    x = Noise.batch(6, 1).draw((4, 8, 12))
    t = prior.schedule(10, 64, 96).levels[3]
    sizes = torch.tensor([[64.0, 96, 0, 0, 64, 96]]).repeat(2, 1)
    for negative in (NEGATIVE, None):
        with torch.no_grad():
            c, u, pooled_c, pooled_u = pipe.encode_prompt(PROMPT, device="cpu", negative_prompt=negative)
            added = {"text_embeds": torch.cat([pooled_u, pooled_c]), "time_ids": sizes}
            states = torch.cat([u, c])
            of_u, of_c = pipe.unet(
                torch.cat([x, x]), t.t, encoder_hidden_states=states, added_cond_kwargs=added
            ).sample.chunk(2)
        found = prior.predict_guided(x, t, (prior.condition(PROMPT, negative or "", 64, 96),))
        close(found.eps, of_u + 4 * (of_c - of_u))


def test_sdxl_is_told_the_size_of_the_picture(folder: Folder) -> None:
    prior = load_prior(folder("sdxl"))
    x, t = Noise.batch(6, 1).draw((4, 8, 8)), prior.schedule(10).levels[3]
    small, large = (prior.condition(PROMPT, "", side, side) for side in (64, 1024))
    assert (prior.predict(x, t, (small,)).eps - prior.predict(x, t, (large,)).eps).abs().max() > 1e-4


@pytest.mark.parametrize(("name", "guidance"), [("flux_dev", 2.5), ("flux_schnell", None)])
def test_flux_agrees_with_diffusers_by_hand(folder: Folder, name: str, guidance: float | None) -> None:
    prior = load_prior(folder(name), guidance=guidance)
    pipe = FluxPipeline.from_pretrained(folder(name))
    schedule = prior.schedule(4, 64, 96)
    scheduler = pipe.scheduler
    mu = 0.5 + (4 * 6 - 256) * (1.15 - 0.5) / (4096 - 256)  # 4 × 6 patches of 16 pixels
    scheduler.set_timesteps(sigmas=[1, 0.75, 0.5, 0.25], mu=mu)
    x = Noise.batch(6, 1).draw((16, 8, 12))
    with torch.no_grad():
        states, pooled, text_ids = pipe.encode_prompt(
            PROMPT, device="cpu", max_sequence_length=512 if guidance else 256
        )
    packed = FluxPipeline._pack_latents(x, 1, 16, 8, 12)
    ids = FluxPipeline._prepare_latent_image_ids(1, 4, 6, "cpu", torch.float32)
    condition = prior.condition(PROMPT, "", 64, 96)
    for index, time in enumerate(scheduler.timesteps):
        t, s = schedule.levels[index : index + 2]
        assert math.isclose(1000 * t.t, float(time), rel_tol=1e-6)
        with torch.no_grad():
            velocity = pipe.transformer(
                hidden_states=packed,
                timestep=time.view(1) / 1000,
                guidance=None if guidance is None else torch.tensor([guidance]),
                pooled_projections=pooled,
                encoder_hidden_states=states,
                txt_ids=text_ids,
                img_ids=ids,
            ).sample
        wanted = scheduler.step(velocity, time, packed).prev_sample
        found = ddim(prior.predict_guided(x, t, (condition,)), s)
        close(FluxPipeline._pack_latents(found, 1, 16, 8, 12), wanted)


def test_flux_dev_is_guided_by_its_embedding_alone(folder: Folder) -> None:
    low, high = (load_prior(folder("flux_dev"), guidance=scale) for scale in (1, 5))
    x, t = Noise.batch(6, 1).draw((16, 4, 4)), low.schedule(4, 32, 32).levels[1]
    conditions = (low.condition(PROMPT, "", 32, 32),)
    assert (high.guided_rows, high.guidance, load_prior(folder("flux_dev")).guidance) == (1, 5, 3.5)
    close(high.predict(x, t, conditions).eps, low.predict_guided(x, t, conditions).eps)
    assert (high.predict_guided(x, t, conditions).eps - high.predict(x, t, conditions).eps).abs().max() > 1e-4


def test_deepfloyd_agrees_with_diffusers_by_hand(folder: Folder) -> None:
    prior = load_prior(folder("deepfloyd"), guidance=4)
    pipe = IFPipeline.from_pretrained(folder("deepfloyd"), safety_checker=None, watermarker=None)
    x, schedule = 2 * pixel_state(1), prior.schedule(10)
    condition = prior.condition(PROMPT, NEGATIVE, 16, 16)
    scheduler = DDPMScheduler.from_config(pipe.scheduler.config, variance_type="fixed_small")
    scheduler.set_timesteps(10)
    with torch.no_grad():
        states = torch.cat(pipe.encode_prompt(PROMPT, negative_prompt=NEGATIVE, device="cpu")[::-1])
    for index in (0, 5, 8):
        t = schedule.levels[index]
        assert t.t == int(scheduler.timesteps[index])
        with torch.no_grad():
            out = pipe.unet(torch.cat([x, x]), t.t, encoder_hidden_states=states).sample[:, :3]
        of_u, of_c = out.chunk(2)
        wanted = scheduler.step(of_u + 4 * (of_c - of_u), int(t.t), x).pred_original_sample
        found = prior.predict_guided(x, t, (condition,))
        close(found.x0, wanted)  # thresholded dynamically, as the config asks
        close(t.a * found.x0 + t.s * found.eps, x)


SCALED = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}


@pytest.mark.parametrize(
    "scheduler",
    [
        DDIMScheduler(**SCALED, set_alpha_to_one=False, steps_offset=1),
        DDIMScheduler(timestep_spacing="trailing", rescale_betas_zero_snr=True, prediction_type="v_prediction"),
        DDIMScheduler(timestep_spacing="linspace"),
        DDPMScheduler(beta_schedule="squaredcos_cap_v2"),
        DDPMScheduler(num_train_timesteps=400, beta_schedule="sigmoid"),
        EulerDiscreteScheduler(**SCALED, timestep_spacing="trailing"),
        EulerDiscreteScheduler(**SCALED, timestep_spacing="leading", steps_offset=1),
    ],
    ids=lambda scheduler: f"{type(scheduler).__name__}-{scheduler.config.timestep_spacing}",
)
@pytest.mark.parametrize("steps", [7, 20])
def test_levels_are_the_schedulers_times_and_alphas(scheduler: DDIMScheduler, steps: int) -> None:
    schedule = grid_of(scheduler).schedule(steps, 1)
    scheduler.set_timesteps(steps)
    times = [int(t) for t in scheduler.timesteps]
    assert [int(level.t) for level in schedule.levels[:-1]] == times
    for level, time in zip(schedule.levels, times, strict=False):
        assert math.isclose(level.a**2, float(scheduler.alphas_cumprod[time]), abs_tol=1e-6)
        assert math.isclose(level.a**2 + level.s**2, 1, abs_tol=1e-12)
    final = float(getattr(scheduler, "final_alpha_cumprod", 1.0))
    assert math.isclose(schedule.levels[-1].a ** 2, final, abs_tol=1e-6)


def test_stable_diffusion_ends_at_alpha_zero(folder: Folder) -> None:
    prior = load_prior(folder("stable_diffusion"))
    last = prior.schedule(50).levels[-1]
    assert math.isclose(last.a**2, 1 - 0.00085, abs_tol=1e-6)
    assert [level.t for level in prior.schedule(50).levels[:2]] == [981, 961]


def test_a_grid_whose_last_index_is_zero_ends_clean() -> None:
    for spacing in ("leading", "linspace"):
        grid = grid_of(DDIMScheduler(set_alpha_to_one=False, timestep_spacing=spacing))
        assert (grid.schedule(10, 1).levels[-2].t, grid.schedule(10, 1).levels[-1].s) == (0, 0)


def test_pndm_as_shipped_with_stable_diffusion_gives_the_papers_grid() -> None:
    grid = grid_of(PNDMScheduler(**SCALED, skip_prk_steps=True, set_alpha_to_one=False, steps_offset=1))
    assert [int(level.t) for level in grid.schedule(50, 1).levels[:-1]] == list(range(981, 0, -20))


def test_a_flow_shifts_more_for_more_tokens_only_if_its_config_says_so() -> None:
    dynamic = FlowGrid(FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True))
    few, many = (dynamic.schedule(4, tokens).levels[2].t for tokens in (256, 4096))
    # At the config's ends the shift is e^base_shift and e^max_shift, of the time ½.
    assert math.isclose(few, 1 / (1 + math.exp(-0.5)), rel_tol=1e-5)
    assert math.isclose(many, 1 / (1 + math.exp(-1.15)), rel_tol=1e-5)
    fixed = FlowGrid(FlowMatchEulerDiscreteScheduler(shift=3.0))
    assert fixed.schedule(4, 256).levels == fixed.schedule(4, 4096).levels
    assert math.isclose(fixed.schedule(4, 256).levels[2].t, 3 * 0.5 / (1 + 2 * 0.5), rel_tol=1e-5)
    assert fixed.schedule(4, 256).flow


def test_one_step_of_a_leading_grid_is_refused_for_it_starts_clean() -> None:
    with pytest.raises(ValueError, match="would start where there is no noise: ask for 2 steps or more"):
        grid_of(DDIMScheduler()).schedule(1, 1)
    assert grid_of(DDIMScheduler(timestep_spacing="trailing")).schedule(1, 1).levels[0].t == 999


def test_bad_numbers_of_steps_are_refused() -> None:
    for scheduler in (DDIMScheduler(timestep_spacing="linspace"), DDIMScheduler(), FlowMatchEulerDiscreteScheduler()):
        with pytest.raises(ValueError, match="steps must"):
            grid_of(scheduler).schedule(0, 1)
