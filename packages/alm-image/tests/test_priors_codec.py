"""Pixels to latents and back, by the VAE's own config."""

from collections.abc import Callable
from pathlib import Path

import pytest
import tiny
import torch
from alm_core.codec import VaeCodec
from alm_image.priors import load_prior
from diffusers import AutoencoderKL

Folder = Callable[[str], Path]
CPU = torch.device("cpu")


@pytest.fixture
def pixels() -> torch.Tensor:
    return torch.rand(2, 3, 32, 64, generator=torch.Generator().manual_seed(1)) * 2 - 1


@pytest.mark.parametrize(
    ("name", "scaling", "shift"),
    [("stable_diffusion", 0.18215, 0.0), ("sdxl", 0.13025, 0.0), ("flux_dev", 0.3611, 0.1159)],
)
def test_latents_are_the_shifted_and_scaled_mean(
    folder: Folder, name: str, scaling: float, shift: float, pixels: torch.Tensor
) -> None:
    prior = load_prior(folder(name))
    vae = AutoencoderKL.from_pretrained(folder(name) / "vae")
    with torch.no_grad():
        mean = vae.encode(pixels).latent_dist.mean
    state = prior.encode(pixels)
    torch.testing.assert_close(state, (mean - shift) * scaling, atol=1e-6, rtol=1e-5)
    assert state.shape[1:] == prior.state_shape(32, 64)
    with torch.no_grad():
        decoded = vae.decode(state / scaling + shift).sample
    torch.testing.assert_close(prior.decode(state), decoded, atol=1e-5, rtol=1e-5)
    # The decoder is handed the very latent that the encoder gave.
    with torch.no_grad():
        torch.testing.assert_close(prior.decode(state), vae.decode(mean).sample, atol=1e-5, rtol=1e-4)


def test_latents_mean_and_std_of_the_config_are_used(pixels: torch.Tensor) -> None:
    vae = tiny.vae(scaling=0.5, latents_mean=[0.1, 0.2, 0.3, 0.4], latents_std=[1.0, 2.0, 3.0, 4.0])
    codec = VaeCodec(vae, CPU)
    with torch.no_grad():
        mean = vae.encode(pixels).latent_dist.mean
    shift, std = torch.tensor([0.1, 0.2, 0.3, 0.4]), torch.tensor([1.0, 2.0, 3.0, 4.0])
    wanted = (mean - shift.view(-1, 1, 1)) / std.view(-1, 1, 1) * 0.5
    torch.testing.assert_close(codec.encode(pixels), wanted)
    with torch.no_grad():
        torch.testing.assert_close(codec.decode(wanted), vae.decode(mean).sample, atol=1e-5, rtol=1e-4)


def test_encoding_is_deterministic(folder: Folder, pixels: torch.Tensor) -> None:
    prior = load_prior(folder("stable_diffusion"))
    assert torch.equal(prior.encode(pixels), prior.encode(pixels))


@pytest.mark.parametrize("name", ["deepfloyd", "pixel_epsilon", "guided_diffusion"])
def test_pixel_models_keep_pixels(folder: Folder, name: str, pixels: torch.Tensor) -> None:
    prior = load_prior(folder(name))
    assert torch.equal(prior.encode(pixels), pixels)
    assert torch.equal(prior.decode(pixels), pixels)
    assert prior.state_shape(32, 64) == (3, 32, 64)


def test_a_half_precision_vae_that_overflows_is_kept_wide() -> None:
    wide, half = (tiny.vae(force_upcast=force).to(torch.float16) for force in (True, False))
    for vae, dtype in ((wide, torch.float32), (half, torch.float16)):
        VaeCodec(vae, CPU)
        assert vae.dtype == dtype
    kept = tiny.vae(force_upcast=True).to(torch.bfloat16)
    VaeCodec(kept, CPU)
    assert kept.dtype == torch.bfloat16


def test_tiling_is_a_switch(folder: Folder) -> None:
    vae = tiny.vae()
    VaeCodec(vae, CPU)
    assert not vae.use_tiling
    VaeCodec(vae, CPU, tiling=True)
    assert vae.use_tiling
    assert vae.use_slicing
    tiled, whole = (load_prior(folder("stable_diffusion"), vae_tiling=on) for on in (True, False))
    state = torch.randn(2, *whole.state_shape(64, 64), generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(tiled.decode(state), whole.decode(state), atol=1e-5, rtol=1e-5)  # fits into one tile


def test_states_are_float32_in_any_dtype(folder: Folder, pixels: torch.Tensor) -> None:
    prior = load_prior(folder("stable_diffusion"), dtype="bfloat16")
    state = prior.encode(pixels)
    assert state.dtype == prior.decode(state).dtype == torch.float32
    condition = prior.condition("a boat", "", 32, 64)
    prediction = prior.predict_guided(state, prior.schedule(5).levels[2], (condition, condition))
    assert prediction.eps.dtype == prediction.x0.dtype == torch.float32
    assert prior.plain.network.unet.dtype == torch.bfloat16  # type: ignore[attr-defined]
