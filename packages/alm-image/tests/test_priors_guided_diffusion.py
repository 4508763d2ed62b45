"""The guided-diffusion network against the public code's keys and outputs, and its files' formats.

The fixture was made by `fixtures/make_guided_diffusion.py`; its weights are `formula.state`'s.
"""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from alm_core.schedule import cosine, linear
from alm_image.priors import load_prior
from alm_image.priors.guided_diffusion import DiffusionConfig
from alm_image.priors.network import NetworkPrior
from alm_image.priors.networks.guided_diffusion import GuidedDiffusionConfig, GuidedDiffusionUNet
from formula import state

Folder = Callable[[str], Path]
FIXTURE: dict[str, Any] = json.loads(
    (Path(__file__).parent / "fixtures" / "guided_diffusion.json").read_text(encoding="utf-8")
)


@pytest.mark.parametrize("name", FIXTURE["tiny"])
def test_outputs_are_those_of_the_public_code(name: str) -> None:
    fixture = FIXTURE["tiny"][name]
    unet = GuidedDiffusionUNet(GuidedDiffusionConfig(**fixture["config"])).eval()
    assert {key: list(value.shape) for key, value in unet.state_dict().items()} == fixture["shapes"]
    unet.load_state_dict(state({key: tuple(shape) for key, shape in fixture["shapes"].items()}))
    x = torch.sin(torch.arange(2 * 3 * 16 * 16, dtype=torch.float64) * 0.37).reshape(2, 3, 16, 16).float()
    labels = torch.tensor([7, 421]) if fixture["config"]["class_cond"] else None
    with torch.no_grad():
        y = unet(x, torch.tensor([981.0, 3.0]), labels)[:, :, ::3, ::3]
    wanted = torch.tensor(fixture["output"]).reshape(fixture["output_shape"])
    torch.testing.assert_close(y, wanted, atol=1e-4, rtol=1e-4)


def test_the_keys_and_shapes_of_repaints_celeba_model_are_complete() -> None:
    for config in (GuidedDiffusionConfig(), GuidedDiffusionConfig(**FIXTURE["celeba"]["config"])):
        with torch.device("meta"):
            unet = GuidedDiffusionUNet(config)
        shapes = sorted((key, list(value.shape)) for key, value in unet.state_dict().items())
        assert len(shapes) == FIXTURE["celeba"]["count"]
        assert hashlib.sha256(json.dumps(shapes).encode()).hexdigest() == FIXTURE["celeba"]["sha256"]


def test_the_prior_calls_the_network_with_the_training_index(folder: Folder) -> None:
    prior = load_prior(folder("guided_diffusion"))
    assert isinstance(prior, NetworkPrior)
    fixture = FIXTURE["tiny"]["as_repaint"]
    unet = GuidedDiffusionUNet(GuidedDiffusionConfig(**fixture["config"])).eval()
    unet.load_state_dict(state({key: tuple(shape) for key, shape in fixture["shapes"].items()}))
    x = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(2))
    level = prior.schedule(250).levels[100]
    with torch.no_grad():
        wanted = unet(x, torch.tensor([level.t, level.t]))[:, :3]
    torch.testing.assert_close(prior.predict(x, level, None).eps, wanted, atol=1e-5, rtol=1e-5)
    assert (prior.size, prior.multiple, prior.guided_rows, prior.fixed_size) == (32, 4, 1, True)


def test_levels_are_respaced_from_the_first_training_index_to_the_last(folder: Folder) -> None:
    schedule = load_prior(folder("guided_diffusion")).schedule(250)
    times = [int(level.t) for level in schedule.levels[:-1]]
    assert (times[0], times[-1], schedule.levels[-1].s) == (999, 0, 0)
    assert times == [round(i * 999 / 249) for i in reversed(range(250))]
    assert abs(schedule.levels[0].a ** 2 - linear()[-1]) < 1e-12


def test_a_class_is_the_prompt_of_a_class_conditional_model(folder: Folder) -> None:
    prior = load_prior(folder("guided_diffusion_classes"))
    x, level = torch.ones(1, 3, 32, 32), prior.schedule(4).levels[1]
    one, other = (prior.predict(x, level, (prior.condition(c, "", 32, 32),)).eps for c in ("7", "421"))
    assert (one - other).abs().max() > 1e-3
    with pytest.raises(ValueError, match="a number from 0 to 999, got 'a cat'"):
        prior.condition("a cat", "", 32, 32)


def copied(folder: Folder, tmp_path: Path, **changes: object) -> Path:
    """The model of the fixture with a changed json config."""
    source = folder("guided_diffusion")
    (tmp_path / "tiny.pt").write_bytes((source / "tiny.pt").read_bytes())
    config = {**FIXTURE["tiny"]["as_repaint"]["config"], "clip_denoised": False, **changes}
    (tmp_path / "tiny.json").write_text(json.dumps(config))
    return tmp_path


def test_the_config_sets_the_levels_and_the_parameterisation(folder: Folder, tmp_path: Path) -> None:
    plain = load_prior(folder("guided_diffusion"))
    x = torch.randn(1, 3, 32, 32, generator=torch.Generator().manual_seed(2))
    changed = load_prior(
        copied(
            folder, tmp_path, noise_schedule="cosine", predict_xstart=True, diffusion_steps=500, rescale_timesteps=True
        )
    )
    level = changed.schedule(10).levels[5]
    assert abs(level.a**2 - cosine(500)[int(level.t)]) < 1e-12
    # The same network at twice the index, whose output is x_0 here and ε there.
    twice = type(level)(2 * level.t, level.a, level.s)
    torch.testing.assert_close(changed.predict(x, level, None).x0, plain.predict(x, twice, None).eps)
    assert DiffusionConfig(diffusion_steps=500).alphas() == linear(2e-4, 0.04, 500)


def test_clip_denoised_clips(folder: Folder, tmp_path: Path) -> None:
    prior = load_prior(copied(folder, tmp_path, clip_denoised=True))
    x = 3 * torch.randn(1, 3, 32, 32, generator=torch.Generator().manual_seed(2))
    assert prior.predict(x, prior.schedule(10).levels[0], None).x0.abs().max() == 1


def test_half_precision_stays_near(folder: Folder) -> None:
    wide, half = (load_prior(folder("guided_diffusion"), dtype=dtype) for dtype in (None, "bfloat16"))
    x = torch.randn(1, 3, 32, 32, generator=torch.Generator().manual_seed(2))
    level = wide.schedule(10).levels[5]
    a, b = (p.predict(x, level, None).eps for p in (wide, half))
    assert b.dtype == torch.float32
    assert (a - b).std() < 0.1 * a.std()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"num_res_blocks": 2}, "does not fit its config .*put the yaml or json that it was trained with beside it"),
        ({"channel_mult": ""}, "image_size 32 is none of .*give channel_mult"),
        ({"noise_schedule": "sigmoid"}, "noise_schedule must be linear or cosine, got 'sigmoid'"),
        ({"num_channels": "many"}, "the config's num_channels must be of type int, got 'many'"),
    ],
)
def test_a_config_that_does_not_fit_is_refused(
    folder: Folder, tmp_path: Path, changes: dict[str, object], said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        load_prior(copied(folder, tmp_path, **changes))


def test_weights_that_are_none_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.pt").write_bytes(b"not a checkpoint")
    with pytest.raises(ValueError, match="is not a state dict of tensors"):
        load_prior(tmp_path)
    torch.save({"model": torch.nn.Linear(1, 1)}, tmp_path / "a.pt")  # a pickled class: never unpickled
    with pytest.raises(ValueError, match="is not a state dict of tensors"):
        load_prior(tmp_path)
    torch.save({"a": torch.zeros(1)}, tmp_path / "b.pt")
    with pytest.raises(ValueError, match=r"holds 2 \.pt files: give the path of one of them"):
        load_prior(tmp_path)


def test_an_ambiguous_config_is_refused(folder: Folder, tmp_path: Path) -> None:
    copied(folder, tmp_path)
    (tmp_path / "tiny.json").rename(tmp_path / "one.json")
    (tmp_path / "other.yml").write_text("image_size: 32")
    with pytest.raises(ValueError, match=r"which config is tiny.pt's: one.json, other.yml\? name one of them tiny.yml"):
        load_prior(tmp_path)
