"""LaVie's adapter: its levels and whole run against diffusers' DDIM, its files, and what it leaves unread."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from alm_video.priors import load_prior
from alm_video.priors.lavie import LaVieNetwork
from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionPipeline
from tiny_video import WITHIN, folder, load, prior, run, state

PROMPT, NEGATIVE = "a red boat on a lake", "grey"


def as_its_authors_sample_it() -> DDIMScheduler:
    """Stable Diffusion 1.4's scheduler with LaVie's betas."""
    return DDIMScheduler.from_pretrained(
        folder("lavie"),
        subfolder="scheduler",
        beta_start=0.0001,
        beta_end=0.02,
        beta_schedule="linear",
        clip_sample=False,
    )


@pytest.mark.parametrize("steps", [7, 50])
def test_the_levels_are_linear_betas_on_the_grid_of_its_authors(steps: int) -> None:
    schedule = prior("lavie").schedule(steps, 320, 512, 16)
    scheduler = as_its_authors_sample_it()
    scheduler.set_timesteps(steps)
    assert [level.t for level in schedule.levels[:-1]] == scheduler.timesteps.tolist()
    for level in schedule.levels[:-1]:
        assert level.a**2 == pytest.approx(float(scheduler.alphas_cumprod[int(level.t)]), abs=1e-6)
    assert schedule.levels[-1].a ** 2 == pytest.approx(float(scheduler.final_alpha_cumprod), abs=1e-6)
    assert schedule.levels[-1].a ** 2 == pytest.approx(1 - 1e-4)
    if steps == 50:
        assert [level.t for level in schedule.levels[:2]] == [981, 961]
        assert schedule.levels[0].a ** 2 == pytest.approx(6e-5, abs=5e-6)


def test_our_loop_is_ddim_over_the_network_by_hand() -> None:
    made = load("lavie", guidance=3.5)
    network = made.network
    assert isinstance(network, LaVieNetwork)
    pipe = StableDiffusionPipeline.from_pretrained(folder("lavie"), safety_checker=None)
    scheduler = as_its_authors_sample_it()
    scheduler.set_timesteps(5)
    x = state(made, frames=3, seed=7)
    with torch.no_grad():
        positive, negative = pipe.encode_prompt(PROMPT, "cpu", 1, True, NEGATIVE)
        for time in scheduler.timesteps:
            of_c, of_u = (network.unet(x, time[None], states) for states in (positive, negative))
            x = scheduler.step(of_u + 3.5 * (of_c - of_u), time, x).prev_sample
    torch.testing.assert_close(run(made, 3, 5, PROMPT, NEGATIVE), x, atol=1e-4, rtol=1e-4)


def test_the_folders_own_scheduler_and_network_are_not_read(tmp_path: Path) -> None:
    shutil.copytree(folder("lavie"), tmp_path / "model")
    shutil.rmtree(tmp_path / "model" / "scheduler")
    (tmp_path / "model" / "model_index.json").unlink()
    for weights in (tmp_path / "model" / "unet").glob("*.safetensors"):
        weights.unlink()
    found = load_prior(tmp_path / "model")
    assert found.schedule(50, 320, 512, 16) == prior("lavie").schedule(50, 320, 512, 16)
    own = DDIMScheduler.from_pretrained(folder("lavie"), subfolder="scheduler")
    assert float(own.alphas_cumprod[981]) > 50 * found.schedule(50, 320, 512, 16).levels[0].a ** 2


@pytest.mark.parametrize("way", ["file", "folder", "beside", "base", "file with base"])
def test_the_files_may_lie_together_beside_or_apart(tmp_path: Path, way: str) -> None:
    """With the weights under ema, as published, and bare."""
    wanted = prior("lavie")
    apart = tmp_path / "other.pt"
    shutil.copy(folder("lavie") / "lavie_base.pt", apart)
    options: dict[str, tuple[Path, dict[str, Any]]] = {
        "file": (folder("lavie") / "lavie_base.pt", {}),
        "folder": (folder("lavie"), {}),
        "beside": (folder("lavie_beside"), {}),
        "base": (tmp_path, {"base": folder("lavie_beside") / WITHIN}),
        "file with base": (apart, {"base": folder("lavie")}),
    }
    path, parts = options[way]
    found = load_prior(path, **parts)
    x, level = state(wanted), wanted.schedule(5, 16, 16, 4).levels[2]
    of = [made.predict(x, level, (made.condition(PROMPT, ""),)).eps for made in (found, wanted)]
    torch.testing.assert_close(*of, atol=0, rtol=0)


def test_a_checkpoint_alone_says_what_else_is_wanted(tmp_path: Path) -> None:
    shutil.copy(folder("lavie") / "lavie_base.pt", tmp_path)
    with pytest.raises(FileNotFoundError, match=r"U-Net alone: wanted Stable Diffusion 1\.4's vae/.*or give base"):
        load_prior(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"no folder of Stable Diffusion 1\.4 .*nowhere"):
        load_prior(tmp_path, base=tmp_path / "nowhere")
    (tmp_path / "vae").mkdir()
    with pytest.raises(FileNotFoundError, match=r"text_encoder has no config\.json"):
        load_prior(tmp_path)


@pytest.mark.parametrize("part", ["vae", "text_encoder"])
def test_a_missing_part_is_named(tmp_path: Path, part: str) -> None:
    shutil.copytree(folder("lavie"), tmp_path / "model")
    for each in (tmp_path / "model" / part).iterdir():
        if each.suffix != ".json":
            each.unlink()
    with pytest.raises(ValueError, match=rf"model/{part} cannot be loaded: "):
        load_prior(tmp_path / "model")


def test_a_text_encoder_of_another_width_is_refused(tmp_path: Path) -> None:
    shutil.copytree(folder("lavie"), tmp_path / "model")
    path = tmp_path / "model" / "text_encoder" / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "hidden_size": 24}))
    with pytest.raises(ValueError, match=r"is 24 wide, wanted 16: give the folder of Stable Diffusion 1\.4"):
        load_prior(tmp_path / "model")


def test_another_network_is_refused(tmp_path: Path) -> None:
    shutil.copytree(folder("lavie"), tmp_path / "model")
    path = tmp_path / "model" / "unet" / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "layers_per_block": 2}))
    with pytest.raises(ValueError, match=r"does not fit the unet/config\.json"):
        load_prior(tmp_path / "model")
    path.write_text(json.dumps({**json.loads(path.read_text()), "class_embed_type": "timestep"}))
    with pytest.raises(ValueError, match="has no class_embed_type"):
        load_prior(tmp_path / "model")


def test_without_the_networks_config_it_is_the_published_one(tmp_path: Path) -> None:
    shutil.copytree(folder("lavie"), tmp_path / "model", ignore=shutil.ignore_patterns("unet"))
    with pytest.raises(ValueError, match="is 16 wide, wanted 768"):
        load_prior(tmp_path / "model")


def test_slicing_changes_nothing_but_the_way() -> None:
    plain, sliced = prior("lavie"), load("lavie", attention="slicing")
    assert sliced.network.attention_slice == 1  # type: ignore[attr-defined]
    x, level = state(plain), plain.schedule(5, 16, 16, 4).levels[2]
    found = [made.predict(x, level, (made.condition(PROMPT, ""),)).eps for made in (plain, sliced)]
    torch.testing.assert_close(*found, atol=1e-5, rtol=1e-5)
    fused = [made.fused(3, 2).predict(x, level, (made.condition(PROMPT, ""),)).eps for made in (plain, sliced)]
    torch.testing.assert_close(*fused, atol=1e-5, rtol=1e-5)


def test_freenoise_is_the_networks_own_windows() -> None:
    made = prior("lavie")
    fused = made.fused(3, 2)
    assert (fused.network.windows, made.network.windows) == ((3, 2), None)  # type: ignore[attr-defined]
    x, level, conditions = state(made, frames=7), made.schedule(5, 16, 16, 7).levels[2], (made.condition(PROMPT, ""),)
    states = made.condition(PROMPT, "").positive[0][None]
    with torch.no_grad():
        wanted = made.network.unet(x, torch.tensor([level.t]), states, windows=(3, 2))  # type: ignore[attr-defined]
    torch.testing.assert_close(fused.predict(x, level, conditions).eps, wanted, atol=0, rtol=0)
    assert (made.predict(x, level, conditions).eps - wanted).abs().max() > 1e-4
    for window, stride in ((3, 4), (3, 0)):
        with pytest.raises(ValueError, match=f"to the window's 3, got {stride}"):
            made.fused(window, stride)


def test_the_vae_is_stable_diffusions_scaled_by_its_config() -> None:
    made = prior("lavie")
    vae = AutoencoderKL.from_pretrained(folder("lavie") / "vae")
    pixels = torch.rand(1, 3, 3, 16, 24, generator=torch.Generator().manual_seed(8)) * 2 - 1
    with torch.no_grad():
        wanted = torch.stack([vae.encode(pixels[:, :, i]).latent_dist.mean * 0.18215 for i in range(3)], 2)
        back = torch.stack([vae.decode(wanted[:, :, i] / 0.18215).sample for i in range(3)], 2)
    z = made.encode(pixels)
    torch.testing.assert_close(z, wanted, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(torch.cat(list(made.decode([z])), 2), back, atol=1e-5, rtol=1e-5)


def test_vae_tiling_is_the_vaes_own() -> None:
    vae = load("lavie", vae_tiling=True).codec.vae._vae  # type: ignore[attr-defined]
    assert vae.use_tiling
    assert vae.use_slicing
