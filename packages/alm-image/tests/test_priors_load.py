"""Which family a folder is, and every way in which a model or an option does not fit."""

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import alm_image
import diffusers
import pytest
import torch
from alm_core.placement import Options
from alm_image.priors import FAMILIES, load_prior
from alm_image.priors.load import family_of

Folder = Callable[[str], Path]


@pytest.mark.parametrize(
    ("name", "family"),
    [
        ("stable_diffusion", "stable_diffusion"),
        ("inpainting", "stable_diffusion"),
        ("sdxl", "sdxl"),
        ("flux_dev", "flux"),
        ("flux_schnell", "flux"),
        ("deepfloyd", "deepfloyd"),
        ("pixel_v", "pixel_unet"),
        ("guided_diffusion", "guided_diffusion"),
    ],
)
def test_the_files_say_the_family(folder: Folder, name: str, family: str) -> None:
    assert family_of(folder(name)) == family
    assert family in FAMILIES


def test_a_pt_file_and_its_folder_are_the_same_model(folder: Folder) -> None:
    one, other = load_prior(folder("guided_diffusion") / "tiny.pt"), load_prior(folder("guided_diffusion"))
    x, level = torch.ones(1, 3, 32, 32), one.schedule(4).levels[1]
    assert torch.equal(one.predict(x, level, None).eps, other.predict(x, level, None).eps)


@pytest.mark.parametrize("flat", [True, False])
def test_a_bare_unet_with_a_scheduler_is_a_model(folder: Folder, tmp_path: Path, flat: bool) -> None:
    """Both with subfolders and, as old repositories are, with everything at the root."""
    source = folder("pixel_v")
    for part in ("unet", "scheduler"):
        shutil.copytree(source / part, tmp_path if flat else tmp_path / part, dirs_exist_ok=True)
    x, prior = torch.ones(1, 3, 16, 16), load_prior(source)
    level = prior.schedule(4).levels[1]
    assert torch.equal(load_prior(tmp_path).predict(x, level, None).eps, prior.predict(x, level, None).eps)


def test_a_missing_scheduler_config_is_named(folder: Folder, tmp_path: Path) -> None:
    shutil.copytree(folder("pixel_v") / "unet", tmp_path / "unet")
    with pytest.raises(ValueError, match=r"has no scheduler config.*add scheduler/scheduler_config\.json"):
        load_prior(tmp_path)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"_class_name": "NoSuchScheduler"}, "names the scheduler 'NoSuchScheduler': wanted one of diffusers'"),
        ({"_class_name": "ScoreSdeVeScheduler"}, "ScoreSdeVeScheduler with prediction_type .* is not supported"),
        ({"prediction_type": "flow_prediction"}, "prediction_type 'flow_prediction' is not supported"),
        ({"timestep_spacing": "odd"}, "timestep_spacing must be leading, trailing or linspace, got 'odd'"),
    ],
)
def test_an_unusable_scheduler_is_named(folder: Folder, tmp_path: Path, change: dict[str, str], said: str) -> None:
    shutil.copytree(folder("pixel_v"), tmp_path / "model")
    path = tmp_path / "model" / "scheduler" / "scheduler_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(ValueError, match=said):
        load_prior(tmp_path / "model")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("inpainting", r"takes 9 input channels \(an inpainting fine-tune\), wanted 4.*give the text-to-image model"),
        ("flux_fill", "takes 384 input channels, wanted 64"),
        ("deepfloyd_two", "takes 6 input channels, wanted 3"),
        ("refiner", "holds the SDXL refiner.*give the base model"),
        ("distilled", "distilled to few steps.*give the model that it was distilled from"),
    ],
)
def test_a_fine_tune_for_something_else_is_refused_before_its_weights_are_read(
    folder: Folder, tmp_path: Path, name: str, said: str
) -> None:
    shutil.copytree(folder(name), tmp_path / "model", ignore=shutil.ignore_patterns("*.safetensors"))
    with pytest.raises(ValueError, match=said):
        load_prior(tmp_path / "model")


def test_keys_that_an_old_config_lacks_are_the_classes_defaults(folder: Folder, tmp_path: Path) -> None:
    shutil.copytree(folder("stable_diffusion"), tmp_path / "model")
    for name, keys in {
        "unet": ("in_channels", "time_cond_proj_dim"),
        "vae": ("latent_channels", "scaling_factor"),
    }.items():
        path = tmp_path / "model" / name / "config.json"
        config = json.loads(path.read_text())
        path.write_text(json.dumps({key: value for key, value in config.items() if key not in keys}))
    old, new = load_prior(tmp_path / "model"), load_prior(folder("stable_diffusion"))
    x, level = torch.ones(1, 4, 8, 8), new.schedule(4).levels[1]
    found = [p.predict(x, level, (p.condition("a boat", "", 64, 64),)).eps for p in (old, new)]
    assert torch.equal(*found)


def test_an_unknown_family_is_refused_with_those_that_are_known(tmp_path: Path) -> None:
    index = {"_class_name": "WanPipeline", "transformer": ["diffusers", "WanTransformer3DModel"]}
    (tmp_path / "model_index.json").write_text(json.dumps(index))
    with pytest.raises(ValueError, match=r"WanPipeline, which is of no supported family: Stable Diffusion 1.x.*FLUX"):
        load_prior(tmp_path)


def test_a_folder_of_anything_else_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"holds no model: wanted model_index\.json"):
        load_prior(tmp_path)
    (tmp_path / "model_index.json").write_text("{broken")
    with pytest.raises(ValueError, match="not valid JSON"):
        load_prior(tmp_path)
    single = tmp_path / "model.safetensors"
    single.write_bytes(b"")
    with pytest.raises(ValueError, match=r"is a single file: wanted a diffusers folder"):
        load_prior(single)


def test_a_folder_without_its_weights_is_refused(folder: Folder, tmp_path: Path) -> None:
    shutil.copytree(folder("pixel_v"), tmp_path / "model")
    next((tmp_path / "model" / "unet").glob("*.safetensors")).unlink()
    with pytest.raises(ValueError, match="cannot be loaded: "):
        load_prior(tmp_path / "model")
    with pytest.raises(ValueError, match="in variant 'fp16' cannot be loaded"):
        load_prior(folder("pixel_v"), variant="fp16")


def test_a_variant_is_picked(folder: Folder, tmp_path: Path) -> None:
    shutil.copytree(folder("stable_diffusion"), tmp_path / "model")
    pipe = diffusers.StableDiffusionPipeline.from_pretrained(tmp_path / "model", safety_checker=None)
    pipe.save_pretrained(tmp_path / "model", variant="fp16")
    for path in (tmp_path / "model").glob("*/*.safetensors"):
        if "fp16" not in path.name:
            path.unlink()
    assert load_prior(tmp_path / "model", variant="fp16").size == 64


def test_a_path_that_is_not_there_never_asks_the_hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(diffusers.DiffusionPipeline, "download", _fail)
    for name in (str(tmp_path / "no" / "model"), "./model", "a/b/c"):
        with pytest.raises(FileNotFoundError, match=r"there is no model folder .*: give the path of a model folder"):
            load_prior(name)


def test_an_id_that_cannot_be_fetched_says_so_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def offline(*args: object, **options: object) -> str:
        raise OSError("We couldn't connect to the hub.\nCheck your connection.\n")

    monkeypatch.setattr(diffusers.DiffusionPipeline, "download", offline)
    with pytest.raises(FileNotFoundError) as caught:
        load_prior("owner/name")
    message = str(caught.value)
    assert message.startswith("model 'owner/name' was not found locally nor on the hub (OSError: We couldn't connect")
    assert "give the path of a model folder" in message
    assert "\n" not in message


def test_an_id_is_fetched_by_diffusers_and_loaded(monkeypatch: pytest.MonkeyPatch, folder: Folder) -> None:
    asked = []

    def download(name: str, *, variant: str | None, safety_checker: None) -> str:
        asked.append((name, variant))
        return str(folder("pixel_v"))

    monkeypatch.setattr(diffusers.DiffusionPipeline, "download", download)
    assert load_prior("owner/name").size == 16
    assert asked == [("owner/name", None)]


@pytest.mark.parametrize("hidden", ["diffusers", "transformers"])
def test_without_the_extra_the_error_names_it(monkeypatch: pytest.MonkeyPatch, folder: Folder, hidden: str) -> None:
    path = folder("stable_diffusion")
    monkeypatch.setitem(sys.modules, hidden, None)
    with pytest.raises(ImportError, match=r"pip install 'alm-image\[diffusers\]'"):
        load_prior(path)


def test_guided_diffusion_needs_no_extra(monkeypatch: pytest.MonkeyPatch, folder: Folder) -> None:
    path = folder("guided_diffusion")
    monkeypatch.setitem(sys.modules, "diffusers", None)
    assert load_prior(path).size == 32


def test_offload_wants_an_accelerator(folder: Folder) -> None:
    with pytest.raises(ValueError, match="the device is the CPU: leave offload out, or give device='cuda'"):
        load_prior(folder("stable_diffusion"), offload=True)


def test_offload_is_the_pipelines_own(monkeypatch: pytest.MonkeyPatch, folder: Folder) -> None:
    """With a device that is not the CPU each part is hooked, and none is moved."""
    from alm_image.priors import pipeline

    pipe = diffusers.StableDiffusionPipeline.from_pretrained(folder("stable_diffusion"), safety_checker=None)
    devices = []
    monkeypatch.setattr(pipe, "enable_model_cpu_offload", lambda device: devices.append(device))
    monkeypatch.setattr(pipe, "to", _fail)
    pipeline.place(pipe, Options(torch.device("cuda"), offload=True))
    assert devices == [torch.device("cuda")]


@pytest.mark.parametrize("name", ["pixel_v", "guided_diffusion"])
@pytest.mark.parametrize(
    ("options", "said"),
    [({"guidance": 7.5}, "has no guidance, got 7.5"), ({"vae_tiling": True}, "has no VAE to tile")],
)
def test_what_a_single_network_has_not_is_refused(
    folder: Folder, name: str, options: dict[str, float], said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        load_prior(folder(name), **options)  # type: ignore[arg-type]


def test_other_options_that_do_not_fit(folder: Folder) -> None:
    with pytest.raises(ValueError, match="guidance must be 0 or more, got -1"):
        load_prior(folder("stable_diffusion"), guidance=-1)
    with pytest.raises(ValueError, match=r"schnell.* has no guidance, got 3\.5"):
        load_prior(folder("flux_schnell"), guidance=3.5)
    with pytest.raises(ValueError, match="no VAE to tile"):
        load_prior(folder("deepfloyd"), vae_tiling=True)
    with pytest.raises(ValueError, match="leave attention out"):
        load_prior(folder("guided_diffusion"), attention="native")


@pytest.mark.parametrize("name", ["stable_diffusion", "flux_dev", "pixel_v"])
def test_attention_backends_change_nothing_but_the_way(folder: Folder, name: str) -> None:
    plain, chosen = load_prior(folder(name)), load_prior(folder(name), attention="native")
    side = 32
    prompt = "" if name == "pixel_v" else "a boat"
    x = torch.ones(1, *plain.state_shape(side, side))
    level = plain.schedule(4, side, side).levels[1]
    found = [p.predict(x, level, (p.condition(prompt, "", side, side),)).eps for p in (plain, chosen)]
    torch.testing.assert_close(*found, atol=1e-5, rtol=1e-5)
    with pytest.raises(ValueError, match="backend"):
        load_prior(folder(name), attention="no such")


def test_attention_slicing_is_offered_where_the_network_has_it(folder: Folder) -> None:
    plain, sliced = (load_prior(folder("stable_diffusion"), attention=how) for how in (None, "slicing"))
    x, level = torch.ones(1, 4, 8, 8), plain.schedule(4).levels[1]
    found = [p.predict(x, level, (p.condition("a boat", "", 64, 64),)).eps for p in (plain, sliced)]
    torch.testing.assert_close(*found, atol=1e-5, rtol=1e-5)
    with pytest.raises(ValueError, match="attention='slicing' is not offered by FluxTransformer2DModel"):
        load_prior(folder("flux_dev"), attention="slicing")


@pytest.mark.skipif(
    not (Path(alm_image.__file__).parent / "models" / "emoji").is_dir(), reason="the emoji model is not there yet"
)
def test_the_shipped_model_loads_by_its_name() -> None:
    prior = load_prior("emoji")
    x = torch.zeros(1, *prior.state_shape(prior.size, prior.size))
    assert bool(torch.isfinite(prior.predict(x, prior.schedule(10).levels[5], None).x0).all())


def test_the_shipped_model_is_named_when_it_is_not_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from alm_image.priors import load

    monkeypatch.setattr(load, "files", lambda package: tmp_path)
    with pytest.raises(FileNotFoundError, match="'emoji' is not in this installation"):
        load_prior("emoji")


def _fail(*args: object, **options: object) -> None:
    raise AssertionError("this was not to be called")
