"""Which family a path is, and every way in which a model, a part of it or an option does not fit."""

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import diffusers
import pytest
import torch
from alm_core.placement import Options
from alm_video.priors import FAMILIES, SHIPPED, load_prior
from alm_video.priors.animatediff import MotionNetwork
from alm_video.priors.exemplar import Exemplar
from alm_video.priors.folders import Turn, place
from alm_video.priors.lavie import LaVieNetwork
from alm_video.priors.wan import WanNetwork
from tiny_video import folder, load, prior


@pytest.mark.parametrize(
    ("name", "network"),
    [
        ("lavie", LaVieNetwork),
        ("lavie_beside", LaVieNetwork),
        ("animatediff", MotionNetwork),
        ("stable_diffusion", MotionNetwork),
        ("wan", WanNetwork),
        ("wan_two", WanNetwork),
    ],
)
def test_the_files_say_the_family(name: str, network: type) -> None:
    assert isinstance(prior(name).network, network)


@pytest.mark.parametrize(
    ("name", "parts", "said"),
    [
        ("stable_diffusion", {}, "is a picture model: give motion_adapter"),
        ("inpainting", {"motion_adapter": "motion_adapter"}, "takes 9 input channels, wanted the 4 of its VAE"),
        ("wan_image_to_video", {}, "takes 36 input channels, wanted the 16 of its VAE.*give the text-to-video"),
        ("stable_diffusion", {"motion_adapter": "wider_adapter"}, r"its block_out_channels is \[8, 32\], the U-Net's"),
        ("stable_diffusion", {"motion_adapter": "deeper_adapter"}, "its layers_per_block is 2, the U-Net's 1"),
        ("stable_diffusion", {"motion_adapter": "pia_adapter"}, r"wants a picture to start from \(9 channels"),
        ("stable_diffusion", {"motion_adapter": "vae"}, "holds a AutoencoderKL: wanted a MotionAdapter"),
        (
            "animatediff",
            {"motion_adapter": "motion_adapter"},
            "has its motion modules in it has no use for motion_adap",
        ),
        ("animatediff", {"base": "stable_diffusion"}, "AnimateDiff has no use for base"),
        ("wan", {"base": "stable_diffusion"}, "Wan has no use for base"),
        ("wan", {"motion_adapter": "motion_adapter"}, "Wan has no use for motion_adapter"),
        ("lavie", {"motion_adapter": "motion_adapter"}, "LaVie has no use for motion_adapter"),
    ],
)
def test_what_does_not_belong_together_is_refused_before_weights_are_read(
    tmp_path: Path, name: str, parts: dict[str, str], said: str
) -> None:
    shutil.copytree(folder(name), tmp_path / "model", ignore=shutil.ignore_patterns("*.safetensors"))
    given = {key: folder("stable_diffusion") / "vae" if each == "vae" else folder(each) for key, each in parts.items()}
    with pytest.raises(ValueError, match=said):
        load_prior(tmp_path / "model", **given)  # type: ignore[arg-type]


def test_the_families_are_named_as_their_modules() -> None:
    assert set(FAMILIES) == {"lavie", "animatediff", "wan"}
    assert set(SHIPPED) == {"exemplar"}
    assert load("lavie", guidance=3).guidance == 3


def test_the_exemplar_is_the_default_and_has_no_parts() -> None:
    assert type(load_prior()) is type(load_prior("exemplar")) is Exemplar
    for part in ("base", "motion_adapter"):
        with pytest.raises(ValueError, match=f"the exemplar prior has no use for {part}, got here"):
            load_prior("exemplar", **{part: "here"})  # type: ignore[arg-type]


def test_an_adapter_may_lie_in_the_picture_models_folder(tmp_path: Path) -> None:
    shutil.copytree(folder("stable_diffusion"), tmp_path / "model")
    shutil.copytree(folder("motion_adapter"), tmp_path / "model" / "motion_adapter")
    found, wanted = load_prior(tmp_path / "model"), prior("stable_diffusion")
    x, level = torch.ones(1, 4, 3, 2, 2), wanted.schedule(5, 16, 16, 3).levels[2]
    of = [made.predict(x, level, (made.condition("a boat", ""),)).eps for made in (found, wanted)]
    torch.testing.assert_close(*of, atol=0, rtol=0)


@pytest.mark.parametrize(
    "index",
    [
        {"_class_name": "FluxPipeline", "transformer": ["diffusers", "FluxTransformer2DModel"]},
        {
            "_class_name": "StableDiffusionXLPipeline",
            "unet": ["diffusers", "UNet2DConditionModel"],
            "vae": ["diffusers", "AutoencoderKL"],
            "text_encoder": ["transformers", "CLIPTextModel"],
            "text_encoder_2": ["transformers", "CLIPTextModelWithProjection"],
        },
        {
            "_class_name": "WanVACEPipeline",
            "transformer": ["diffusers", "WanVACETransformer3DModel"],
            "vae": ["diffusers", "AutoencoderKLWan"],
        },
    ],
    ids=lambda index: str(index["_class_name"]),
)
def test_an_unknown_family_is_refused_with_those_that_are_known(tmp_path: Path, index: dict[str, Any]) -> None:
    (tmp_path / "model_index.json").write_text(json.dumps(index))
    with pytest.raises(ValueError, match=rf"{index['_class_name']}, which is of no supported family: LaVie's.*Wan 2"):
        load_prior(tmp_path)


def test_a_folder_of_anything_else_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"holds no model \(no model_index\.json, no lavie_base\.pt\)"):
        load_prior(tmp_path)
    (tmp_path / "model_index.json").write_text("{broken")
    with pytest.raises(ValueError, match="is not a JSON object"):
        load_prior(tmp_path)
    single = tmp_path / "model.safetensors"
    single.write_bytes(b"")
    with pytest.raises(ValueError, match="is a single file, of no supported family"):
        load_prior(single)


@pytest.mark.parametrize(
    ("name", "part"), [("wan", "transformer"), ("wan", "vae"), ("animatediff", "unet"), ("stable_diffusion", "unet")]
)
def test_a_folder_without_its_weights_is_refused(tmp_path: Path, name: str, part: str) -> None:
    shutil.copytree(folder(name), tmp_path / "model")
    next((tmp_path / "model" / part).glob("*.safetensors")).unlink()
    with pytest.raises(ValueError, match=rf"model/{part} cannot be loaded: "):
        load_prior(tmp_path / "model", motion_adapter=folder("motion_adapter") if "stable" in name else None)


@pytest.mark.parametrize("part", ["transformer", "vae"])
def test_a_part_without_its_config_is_refused(tmp_path: Path, part: str) -> None:
    shutil.copytree(folder("wan"), tmp_path / "model")
    (tmp_path / "model" / part / "config.json").unlink()
    with pytest.raises(FileNotFoundError, match=rf"model/{part} has no config\.json"):
        load_prior(tmp_path / "model")


@pytest.mark.parametrize("name", ["lavie", "animatediff", "wan"])
def test_a_tokenizer_without_words_is_refused(tmp_path: Path, name: str) -> None:
    shutil.copytree(folder(name), tmp_path / "model")
    for path in (tmp_path / "model" / "tokenizer").iterdir():
        if path.name != "tokenizer_config.json":
            path.unlink()
    with pytest.raises(FileNotFoundError, match="model/tokenizer has no vocabulary"):
        load_prior(tmp_path / "model")


def test_a_boundary_wants_two_transformers(tmp_path: Path) -> None:
    shutil.copytree(folder("wan"), tmp_path / "model")
    path = tmp_path / "model" / "model_index.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "boundary_ratio": 0.9}))
    with pytest.raises(ValueError, match="has a boundary but not both transformers"):
        load_prior(tmp_path / "model")


def test_a_variant_is_picked_and_an_absent_one_named(tmp_path: Path) -> None:
    shutil.copytree(folder("animatediff"), tmp_path / "model")
    pipe = diffusers.AnimateDiffPipeline.from_pretrained(tmp_path / "model")
    pipe.save_pretrained(tmp_path / "model", variant="fp16")
    for path in (tmp_path / "model").glob("*/*.safetensors"):
        if "fp16" not in path.name:
            path.unlink()
    assert load_prior(tmp_path / "model", variant="fp16").size == (64, 64)
    with pytest.raises(ValueError, match="in variant 'fp16' cannot be loaded"):
        load_prior(folder("animatediff"), variant="fp16")


def test_a_path_that_is_not_there_never_asks_the_hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(diffusers.DiffusionPipeline, "download", _fail)
    for name in (str(tmp_path / "no" / "model"), "./model", "a/b/c", "lavie_base.pt", "models/lavie_base.pt"):
        with pytest.raises(FileNotFoundError, match=r"there is no model .*: give the path of a model"):
            load_prior(name)


def test_an_id_is_fetched_by_diffusers_and_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def download(name: str, *, variant: str | None, safety_checker: None) -> str:
        asked.append((name, variant))
        return str(folder("wan"))

    monkeypatch.setattr(diffusers.DiffusionPipeline, "download", download)
    assert load_prior("owner/name").pace == 4
    assert asked == [("owner/name", None)]


def test_an_id_that_cannot_be_fetched_says_so_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def offline(*args: object, **options: object) -> str:
        raise OSError("We couldn't connect to the hub.\nCheck your connection.\n")

    monkeypatch.setattr(diffusers.DiffusionPipeline, "download", offline)
    monkeypatch.setattr("huggingface_hub.snapshot_download", offline)
    for what, parts in (("model", {}), ("motion adapter", {"motion_adapter": "owner/name"})):
        with pytest.raises(FileNotFoundError) as caught:
            load_prior(folder("stable_diffusion") if parts else "owner/name", **parts)  # type: ignore[arg-type]
        message = str(caught.value)
        assert message.startswith(f"{what} 'owner/name' was found neither here nor on the hub (We couldn't connect")
        assert "\n" not in message


@pytest.mark.parametrize("hidden", ["diffusers", "transformers"])
@pytest.mark.parametrize("name", ["lavie", "wan"])
def test_without_the_extra_the_error_names_it(monkeypatch: pytest.MonkeyPatch, hidden: str, name: str) -> None:
    path = folder(name)
    monkeypatch.setitem(sys.modules, hidden, None)
    with pytest.raises(ImportError, match=rf"needs {hidden}.*pip install 'alm-video\[diffusers\]'"):
        load_prior(path)


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("wan", {"attention": "slicing"}, "'slicing' is not offered by WanTransformer3DModel: leave attention out"),
        ("wan", {"attention": "no such"}, "backend"),
        ("lavie", {"attention": "native"}, "attention of LaVie may be 'slicing' alone, got 'native'"),
        ("lavie", {"guidance": -1}, "guidance must be 0 or more, got -1"),
        ("animatediff", {"offload": True}, "the device is the CPU: leave offload out"),
        ("animatediff", {"dtype": "int8"}, "dtype must be float32, float16 or bfloat16, got int8"),
        ("animatediff", {"device": "abacus"}, "unknown device 'abacus'"),
    ],
)
def test_options_that_do_not_fit_are_refused(name: str, options: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        load(name, **options)


def test_attention_backends_change_nothing_but_the_way() -> None:
    plain, chosen = prior("wan"), load("wan", attention="native")
    x, level = torch.ones(1, 16, 2, 4, 4), plain.schedule(4, 32, 32, 2).levels[1]
    found = [made.predict(x, level, (made.condition("a boat", ""),)).eps for made in (plain, chosen)]
    torch.testing.assert_close(*found, atol=1e-5, rtol=1e-5)


class Moved(torch.nn.Linear):
    """Says where it is without being there."""

    def __init__(self, log: list[tuple[str, str]], name: str) -> None:
        super().__init__(1, 1)
        self.log, self.name, self.at = log, name, torch.device("cpu")

    def to(self, device: Any) -> "Moved":  # type: ignore[override]
        self.at = torch.device(device)
        self.log.append((self.name, str(device)))
        return self

    def parameters(self, recurse: bool = True) -> Any:
        return iter([type("At", (), {"device": self.at})()])


def test_offloaded_parts_make_room_for_one_another_in_any_order() -> None:
    log: list[tuple[str, str]] = []
    parts = [Moved(log, name) for name in ("text", "network", "vae")]
    place(parts, Options(torch.device("cuda"), offload=True))
    assert log == []
    text, network, vae = parts
    for part in (text, vae, vae, network, vae):
        part(torch.zeros(1, 1))
    assert log == [
        ("text", "cuda"),
        ("text", "cpu"),
        ("vae", "cuda"),
        ("vae", "cpu"),
        ("network", "cuda"),
        ("network", "cpu"),
        ("vae", "cuda"),
    ]
    assert all(isinstance(part._hf_hook, Turn) for part in parts)


def test_without_offloading_all_parts_go_to_the_device() -> None:
    log: list[tuple[str, str]] = []
    place([Moved(log, "network"), Moved(log, "vae")], Options(torch.device("cuda")))
    assert log == [("network", "cuda"), ("vae", "cuda")]


def _fail(*args: object, **options: object) -> None:
    raise AssertionError("this was not to be called")
