"""Wan against diffusers: the levels, whole runs of its pipeline, two transformers, and the causal VAE."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from alm_core import Schedule
from alm_video.priors.wan import WanGrid, WanNetwork
from alm_video.priors.wan_vae import WanCodec
from diffusers import DDIMScheduler, FlowMatchEulerDiscreteScheduler, UniPCMultistepScheduler, WanPipeline
from tiny_video import FLOW, folder, load, prior, run, state, wan_vae
from torch import Tensor

PROMPT, NEGATIVE = "a red boat on a lake", "grey"


@pytest.mark.parametrize("name", ["wan_euler", "wan_two", "wan_patches"])
def test_our_loop_is_diffusers_own_pipeline(name: str) -> None:
    made = load(name, guidance=3.5)
    pipe = WanPipeline.from_pretrained(folder(name))
    pipe.set_progress_bar_config(disable=True)
    start, side = state(made, frames=3, seed=7), 2 * made.multiple
    wanted = pipe(
        PROMPT,
        NEGATIVE,
        height=side,
        width=side,
        num_frames=9,
        num_inference_steps=6,
        guidance_scale=3.5,
        latents=start,
        output_type="latent",
    ).frames
    torch.testing.assert_close(run(made, 3, 6, PROMPT, NEGATIVE), wanted, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("shift", [1.0, 3.0, 8.0])
@pytest.mark.parametrize("steps", [1, 7, 50])
def test_the_levels_are_unipcs_own_sigmas_and_shifted_as_the_flow_is(shift: float, steps: int) -> None:
    scheduler = UniPCMultistepScheduler(**{**FLOW, "flow_shift": shift})
    schedule = WanGrid(scheduler).schedule(steps, 1)
    scheduler.set_timesteps(steps)
    assert [level.t for level in schedule.levels] == pytest.approx(scheduler.sigmas.tolist(), abs=1e-7)
    # Its timesteps are those sigmas, cut to whole numbers.
    for level, time in zip(schedule.levels, scheduler.timesteps.tolist(), strict=False):
        assert 0 <= 1000 * level.t - time < 1.001
    # It spreads them over 0.999 of the plain flow's times, which matters little.
    plain = Schedule.rectified_flow(steps, shift=shift)
    for found, wanted in zip(schedule.levels, plain.levels, strict=True):
        assert found.t == pytest.approx(wanted.t, abs=6e-3)
    assert schedule.flow


def test_the_levels_are_those_that_the_pipeline_asks_euler_for() -> None:
    scheduler = FlowMatchEulerDiscreteScheduler(shift=5.0)
    schedule = WanGrid(scheduler).schedule(9, 1)
    before = scheduler.sigmas.clone()
    other = FlowMatchEulerDiscreteScheduler(shift=5.0)
    other.set_timesteps(9)
    assert [level.t for level in schedule.levels] == pytest.approx(other.sigmas.tolist(), abs=1e-7)
    assert torch.equal(scheduler.sigmas, before)


@pytest.mark.parametrize(
    ("scheduler", "said"),
    [
        (UniPCMultistepScheduler(), "UniPCMultistepScheduler is not supported: wanted FlowMatchEuler"),
        (UniPCMultistepScheduler(**FLOW, final_sigmas_type="sigma_min"), "UniPCMultistepScheduler is not supported"),
        (FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True), "with use_dynamic_shifting is not supported"),
        (FlowMatchEulerDiscreteScheduler(invert_sigmas=True), "with invert_sigmas is not supported"),
        (DDIMScheduler(), "DDIMScheduler is not supported"),
    ],
)
def test_a_scheduler_that_is_no_plain_flow_is_refused(scheduler: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        WanGrid(scheduler)


def test_steps_must_be_one_or_more() -> None:
    with pytest.raises(ValueError, match="steps must be 1 or more, got 0"):
        prior("wan").schedule(0, 32, 32, 3)


def test_the_second_transformer_answers_below_the_boundary() -> None:
    """And the first from it up."""
    asked: list[tuple[str, float]] = []

    class Asked(torch.nn.Module):
        dtype = torch.float32

        def __init__(self, name: str) -> None:
            super().__init__()
            self.name = name

        def forward(self, hidden_states: Tensor, timestep: Tensor, **rest: Any) -> tuple[Tensor]:
            asked.append((self.name, float(timestep[0])))
            return (hidden_states,)

    network = WanNetwork(Asked("first"), Asked("second"), 0.875, 1000)
    for time in (1.0, 0.875, 0.8749, 0.1):
        network(torch.zeros(1, 16, 1, 2, 2), time, (torch.zeros(1, 3, 32),))
    assert asked == [("first", 1000), ("first", 875), ("second", pytest.approx(874.9)), ("second", 100)]


def test_the_two_transformers_differ_in_what_they_answer() -> None:
    made = prior("wan_two")
    network = made.network
    assert isinstance(network, WanNetwork)
    x, embedding = state(made), (made.condition(PROMPT, "").positive[0][None],)
    first, second = network(x, 0.9, embedding), network(x, 0.8, embedding)
    as_one = replace(network, boundary=0.0)
    torch.testing.assert_close(as_one(x, 0.9, embedding), first)
    assert (as_one(x, 0.8, embedding) - second).abs().max() > 1e-2


@pytest.mark.parametrize("name", ["wan", "wan_patches"])
def test_decoding_in_parts_is_the_vaes_own_decoding_of_the_whole(name: str) -> None:
    made = prior(name)
    vae = WanPipeline.from_pretrained(folder(name)).vae
    z = state(made, rows=2, frames=6)
    mean, std = (torch.tensor(each).view(1, -1, 1, 1, 1) for each in (vae.config.latents_mean, vae.config.latents_std))
    with torch.no_grad():
        wanted = vae.decode(z * std + mean).sample
    parts = list(made.decode(iter(z.split([1, 2, 3], 2))))
    assert [part.shape[2] for part in parts] == [1, 4, 4, 4, 4, 4]
    torch.testing.assert_close(torch.cat(parts, 2).clamp(-1, 1), wanted, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", ["wan", "wan_patches"])
def test_the_state_is_the_posteriors_mean_by_the_configs_moments(name: str) -> None:
    made = prior(name)
    vae = WanPipeline.from_pretrained(folder(name)).vae
    pixels = torch.rand(1, 3, 9, 64, 64, generator=torch.Generator().manual_seed(8)) * 2 - 1
    with torch.no_grad():
        posterior = vae.encode(pixels).latent_dist.mean
    z = made.encode(pixels)
    for channel in (0, 5, 15):
        mean, std = vae.config.latents_mean[channel], vae.config.latents_std[channel]
        torch.testing.assert_close(z[:, channel], (posterior[:, channel] - mean) / std, atol=1e-5, rtol=1e-5)


def test_a_number_of_frames_that_the_vae_would_cut_is_refused() -> None:
    for frames, fits in ((8, 9), (6, 9), (2, 5)):
        with pytest.raises(
            ValueError, match=rf"1 frame more than a multiple of 4, got {frames}: give {fits}, or fewer"
        ):
            prior("wan").encode(torch.zeros(1, 3, frames, 16, 16))
    assert prior("wan").encode(torch.zeros(1, 3, 1, 16, 16)).shape[2] == 1


def tiles(min_size: int, stride: int) -> WanCodec:
    vae = wan_vae()
    codec = WanCodec(vae.eval(), torch.device("cpu"), tiled=True)
    vae.enable_tiling(min_size, min_size, stride, stride)
    return codec


def test_tiles_as_large_as_the_picture_change_nothing() -> None:
    whole, z = WanCodec(wan_vae().eval(), torch.device("cpu")), torch.randn(1, 16, 3, 6, 8)
    for codec in (tiles(64, 48), tiles(256, 192)):
        torch.testing.assert_close(torch.cat(list(codec.decode([z])), 2), torch.cat(list(whole.decode([z])), 2))


def test_tiles_are_each_decoded_alone_and_mixed_where_they_overlap() -> None:
    """On an axis of 7 cells, tiles of 4 from cells 0, 2 and 3; the first 2 cells are of the first tile alone."""
    z = torch.randn(1, 16, 3, 4, 7)
    codec, whole = tiles(32, 16), WanCodec(wan_vae().eval(), torch.device("cpu"))
    found = torch.cat(list(codec.decode([z])), 2)
    alone = [torch.cat(list(whole.decode([z[..., a : a + 4]])), 2) for a in (0, 2, 3)]
    torch.testing.assert_close(found[..., :16], alone[0][..., :16], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(found[..., 48:], alone[2][..., 24:], atol=1e-5, rtol=1e-5)
    # Pixel 20: the 21st of the first tile, 12 from its end, and the 5th of the second.
    mixed = (12 * alone[0][..., 20] + 5 * alone[1][..., 4]) / 17
    torch.testing.assert_close(found[..., 20], mixed, atol=1e-5, rtol=1e-5)
    parts = torch.cat(list(codec.decode(iter(z.split(1, 2)))), 2)
    torch.testing.assert_close(parts, found, atol=0, rtol=0)


def test_tiling_is_asked_of_the_vae_for_encoding_too() -> None:
    made = load("wan", vae_tiling=True)
    assert isinstance(made.codec, WanCodec)
    assert made.codec.vae.use_tiling
    assert not prior("wan").codec.vae.use_tiling  # type: ignore[attr-defined]


def test_the_vae_stays_in_float32() -> None:
    made = load("wan", dtype="bfloat16")
    assert made.codec.vae.dtype == torch.float32  # type: ignore[attr-defined]
    assert made.network.transformer.dtype == torch.bfloat16  # type: ignore[attr-defined]


def test_freenoise_is_refused() -> None:
    with pytest.raises(ValueError, match="cannot be taken over windows"):
        prior("wan").fused(8, 4)
