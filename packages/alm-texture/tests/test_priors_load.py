"""Which folders are taken, and every way in which a model, its ControlNet or an option does not fit."""

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import diffusers
import huggingface_hub
import pytest
import torch
from alm_core.placement import Options
from alm_texture.priors import load_prior
from alm_texture.priors.controlnet_depth import ControlNetDepth
from alm_texture.priors.folders import open_pipeline
from diffusers import ControlNetModel, StableDiffusionPipeline
from tiny_controlnet import view

Folder = Callable[[str], Path]


def without_weights(source: Path, target: Path) -> Path:
    shutil.copytree(source, target, ignore=shutil.ignore_patterns("*.safetensors"))
    return target


def changed(source: Path, target: Path, **values: Any) -> Path:
    """A copy whose config.json has other values."""
    shutil.copytree(source, target)
    config = target / "config.json"
    config.write_text(json.dumps({**json.loads(config.read_text()), **values}))
    return target


def test_a_missing_folder_never_asks_the_hub(folder: Folder, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(diffusers.DiffusionPipeline, "download", _fail)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", _fail)
    single = tmp_path / "one.safetensors"
    single.write_bytes(b"")
    for name in (tmp_path / "no" / "model", "./model", "a/b/c", "model", single):
        with pytest.raises(FileNotFoundError, match=r"there is no model folder .*: give the path of one in the diff"):
            load_prior(name, controlnet=folder("sd_depth"))
        with pytest.raises(FileNotFoundError, match=r"there is no ControlNet folder .*or a hub id as owner/name"):
            load_prior(folder("sd"), controlnet=name)


def test_ids_are_fetched_from_the_hub(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []

    def pipeline(name: str, **options: object) -> str:
        asked.append((name, options["variant"]))
        return str(folder("sd"))

    def snapshot(name: str, *, allow_patterns: list[str]) -> str:
        asked.append((name, allow_patterns[1]))
        return str(folder("sd_depth"))

    monkeypatch.setattr(diffusers.DiffusionPipeline, "download", pipeline)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot)
    assert load_prior("owner/model", controlnet="owner/depth").size == 96
    with pytest.raises(ValueError, match="cannot be loaded"):  # the tiny ones have no such weights
        load_prior("owner/model", controlnet="owner/depth", variant="fp16")
    assert asked == [
        ("owner/model", None),
        ("owner/depth", "diffusion_pytorch_model.safetensors"),
        ("owner/model", "fp16"),
        ("owner/depth", "*.fp16.safetensors"),
    ]


def test_an_id_that_cannot_be_fetched_says_so_in_one_line(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    def offline(*args: object, **options: object) -> str:
        raise OSError("We couldn't connect to the hub.\nCheck your connection.\n")

    monkeypatch.setattr(diffusers.DiffusionPipeline, "download", offline)
    with pytest.raises(FileNotFoundError) as caught:
        load_prior("owner/name", controlnet=folder("sd_depth"))
    said = str(caught.value)
    assert said.startswith("model 'owner/name' was found neither here nor on the hub (We couldn't connect")
    assert "\n" not in said


def test_a_controlnet_is_wanted(folder: Folder, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"by a ControlNet, and none is given: give controlnet, the folder or hub id"):
        load_prior(folder("sd"))
    shutil.copytree(folder("sd"), tmp_path / "model")
    shutil.copytree(folder("sd_depth"), tmp_path / "model" / "controlnet")
    assert isinstance(load_prior(tmp_path / "model"), ControlNetDepth)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("sd_depth", "holds a bare ControlNetModel: wanted a Stable Diffusion or SDXL folder in the diffusers format"),
        ("refiner", "holds the SDXL refiner.*give the base model"),
        ("inpainting", "takes 9 input channels, wanted the 4 of its VAE: .*give the text-to-image model"),
        ("distilled", "distilled to few steps.*give the model that it was distilled from"),
    ],
)
def test_a_model_of_another_kind_is_refused_before_its_weights_are_read(
    folder: Folder, tmp_path: Path, name: str, said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        load_prior(without_weights(folder(name), tmp_path / "model"), controlnet=folder("sd_depth"))


def test_other_folders_are_refused_by_what_they_hold(folder: Folder, tmp_path: Path) -> None:
    def index(**parts: object) -> None:
        (tmp_path / "model_index.json").write_text(json.dumps(parts))

    with pytest.raises(ValueError, match=r"has no model_index\.json: wanted"):
        load_prior(tmp_path, controlnet=folder("sd_depth"))
    index(_class_name="FluxPipeline", transformer=["diffusers", "FluxTransformer2DModel"])
    with pytest.raises(ValueError, match="holds a FluxPipeline: wanted"):
        load_prior(tmp_path, controlnet=folder("sd_depth"))
    unet, vae = ["diffusers", "UNet2DConditionModel"], ["diffusers", "AutoencoderKL"]
    index(_class_name="OtherPipeline", unet=unet, vae=vae, text_encoder=["transformers", "T5EncoderModel"])
    with pytest.raises(ValueError, match="holds a OtherPipeline without a CLIP text encoder"):
        load_prior(tmp_path, controlnet=folder("sd_depth"))
    (tmp_path / "model_index.json").write_text("{broken")
    with pytest.raises(ValueError, match=r"model_index\.json is not a JSON object"):
        load_prior(tmp_path, controlnet=folder("sd_depth"))


def test_a_controlnet_for_another_model_is_refused(folder: Folder, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"was made for another model .*cross_attention_dim is 32, wanted 16"):
        load_prior(folder("sd"), controlnet=folder("sdxl_depth"))
    with pytest.raises(ValueError, match="its cross_attention_dim is 16, wanted 32; give the depth ControlNet"):
        load_prior(folder("sdxl"), controlnet=folder("sd_depth"))
    with pytest.raises(ValueError, match=r"its block_out_channels is \[8, 32\], wanted \[8, 16\]"):
        load_prior(folder("sd"), controlnet=folder("wide_depth"))
    other = changed(folder("sd_depth"), tmp_path / "grey", conditioning_channels=1)
    with pytest.raises(ValueError, match="reads 1 channels, wanted the 3 of a depth map"):
        load_prior(folder("sd"), controlnet=other)
    other = changed(folder("sd_depth"), tmp_path / "union", _class_name="ControlNetUnionModel")
    with pytest.raises(ValueError, match="holds a ControlNetUnionModel: wanted a ControlNetModel made for depth"):
        load_prior(folder("sd"), controlnet=other)
    with pytest.raises(ValueError, match="holds a UNet2DConditionModel: wanted a ControlNetModel"):
        load_prior(folder("sd"), controlnet=folder("sd") / "unet")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match=r"empty has no config\.json: wanted a component"):
        load_prior(folder("sd"), controlnet=tmp_path / "empty")


def test_keys_that_an_old_config_lacks_are_the_classes_defaults(folder: Folder, tmp_path: Path) -> None:
    shutil.copytree(folder("sd"), tmp_path / "model")
    for part, keys in {"unet": ("in_channels", "time_cond_proj_dim"), "vae": ("latent_channels",)}.items():
        path = tmp_path / "model" / part / "config.json"
        config = json.loads(path.read_text())
        path.write_text(json.dumps({key: value for key, value in config.items() if key not in keys}))
    assert load_prior(tmp_path / "model", controlnet=folder("sd_depth")).factor == 8


def test_the_identity_is_of_weights_and_settings_wherever_they_lie(folder: Folder, tmp_path: Path) -> None:
    shutil.copytree(folder("sd"), tmp_path / "sd")
    model = ControlNetModel.from_pretrained(folder("sd_depth"))
    model.controlnet_mid_block.bias.data[0] += 0.5
    model.save_pretrained(tmp_path / "tuned")
    plain = load_prior(folder("sd"), controlnet=folder("sd_depth")).identity
    assert load_prior(tmp_path / "sd", controlnet=folder("sd_depth")).identity == plain
    others = [
        load_prior(folder("sd"), controlnet=tmp_path / "tuned"),
        load_prior(folder("sd"), controlnet=folder("sd_depth"), guidance=3),
        load_prior(folder("sd"), controlnet=folder("sd_depth"), cross_view=False),
        load_prior(folder("sdxl"), controlnet=folder("sdxl_depth")),
    ]
    assert len({plain, *(prior.identity for prior in others)}) == 5


def test_folders_without_weights_are_refused(folder: Folder, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="cannot be loaded: "):
        load_prior(without_weights(folder("sd"), tmp_path / "sd"), controlnet=folder("sd_depth"))
    with pytest.raises(ValueError, match="cannot be loaded: "):
        load_prior(folder("sd"), controlnet=without_weights(folder("sd_depth"), tmp_path / "depth"))


def test_a_variant_is_picked_and_the_controlnets_where_it_has_one(folder: Folder, tmp_path: Path) -> None:
    pipe = StableDiffusionPipeline.from_pretrained(folder("sd"), safety_checker=None)
    pipe.save_pretrained(tmp_path / "model", variant="fp16")
    ControlNetModel.from_pretrained(folder("sd_depth")).save_pretrained(tmp_path / "depth", variant="fp16")
    for controlnet in (tmp_path / "depth", folder("sd_depth")):
        assert load_prior(tmp_path / "model", controlnet=controlnet, variant="fp16").size == 96


@pytest.mark.parametrize("hidden", ["diffusers", "transformers"])
def test_without_the_extra_the_error_names_it(folder: Folder, monkeypatch: pytest.MonkeyPatch, hidden: str) -> None:
    paths = folder("sd"), folder("sd_depth")
    monkeypatch.setitem(sys.modules, hidden, None)
    with pytest.raises(ImportError, match=r"pip install 'alm-texture\[diffusers\]'"):
        load_prior(paths[0], controlnet=paths[1])


def test_options_that_do_not_fit(folder: Folder) -> None:
    pair = {"model": folder("sd"), "controlnet": folder("sd_depth")}
    for options, said in (
        ({"guidance": -1}, "guidance must be 0 or more, got -1"),
        ({"offload": True}, "leave offload out"),
        ({"device": "gpu"}, "unknown device 'gpu'"),
        ({"dtype": "float64"}, "dtype must be float32, float16 or bfloat16"),
        ({"attention": "slicing"}, "not offered where views attend to each other: give cross_view=False"),
        ({"attention": "no such"}, "backend"),
    ):
        with pytest.raises(ValueError, match=said):
            load_prior(**pair, **options)


def test_tiling_and_attention_change_nothing_but_the_way(folder: Folder) -> None:
    plain = load_prior(folder("sd"), controlnet=folder("sd_depth"), cross_view=False)
    condition = plain.condition("a boat", "", view(0))
    x, level = torch.ones(1, 4, 8, 8), plain.schedule(4).levels[1]
    for attention, cross_view in (("slicing", False), ("native", True)):
        other = load_prior(
            folder("sd"), controlnet=folder("sd_depth"), vae_tiling=True, attention=attention, cross_view=cross_view
        )
        found = [prior.predict(x, level, (condition,)).eps for prior in (plain, other)]
        torch.testing.assert_close(*found, atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(other.decode(x), plain.decode(x), atol=1e-5, rtol=1e-5)


def test_offload_is_the_pipelines_own(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each part is hooked for the device, and none is moved to it."""
    devices: list[object] = []
    kind = diffusers.StableDiffusionControlNetPipeline
    monkeypatch.setattr(kind, "enable_model_cpu_offload", lambda self, device: devices.append(device))
    monkeypatch.setattr(kind, "to", _fail)
    options = Options(torch.device("cuda"), dtype=torch.float32, offload=True)
    open_pipeline(folder("sd"), folder("sd_depth"), options, two=False)
    assert devices == [torch.device("cuda")]


def _fail(*args: object, **options: object) -> None:
    raise AssertionError("this was not to be called")
