"""Weights that do not fit their network are refused with their keys; old names and shared weights are not."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import diffusers
import pytest
import torch
import transformers
from alm_core.placement import Options
from alm_video.priors import folders, load_prior
from alm_video.priors.network import NetworkPrior
from safetensors.torch import load_file, save_file
from tiny_video import folder, prior, state
from torch import Tensor

State = dict[str, Tensor]

PARTS = [
    ("wan", "transformer"),
    ("wan_two", "transformer_2"),
    ("wan", "vae"),
    ("wan", "text_encoder"),
    ("animatediff", "unet"),
    ("animatediff", "vae"),
    ("animatediff", "text_encoder"),
    ("stable_diffusion", "unet"),
    ("stable_diffusion", "motion_adapter"),
    ("lavie", "vae"),
    ("lavie", "text_encoder"),
]
ATTENTION = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}
"""What the VAE's attention calls its layers today, and what it called them in Stable Diffusion 1.4's file."""
OPTIONS = Options(torch.device("cpu"))


def changed(where: Path, name: str, changes: dict[str, Callable[[State], object]]) -> Path:
    """A copy of a tiny model, its motion adapter within, with other weights in some parts."""
    model = where / "model"
    shutil.copytree(folder(name), model)
    if name == "stable_diffusion":
        shutil.copytree(folder("motion_adapter"), model / "motion_adapter")
    for part, change in changes.items():
        path = next((model / part).glob("*.safetensors"))
        weights = load_file(path)
        change(weights)
        save_file(weights, path, metadata={"format": "pt"})
    return model


def refusal(model: Path) -> tuple[str, str]:
    """The part that is named, and what is said of its keys."""
    with pytest.raises(ValueError, match=r"has weights that do not fit its config\.json: ") as caught:
        load_prior(model)
    path, _, said = str(caught.value).partition(" has weights that do not fit its config.json: ")
    return str(Path(path).relative_to(model)), said


@pytest.mark.parametrize(("name", "part"), PARTS)
def test_a_missing_key_is_refused_with_its_name(tmp_path: Path, name: str, part: str) -> None:
    lost: list[str] = []

    def lose(weights: State) -> None:
        lost.append(max(weights.keys() - {"shared.weight"}))
        del weights[lost[0]]

    model = changed(tmp_path, name, {part: lose})
    # CLIP's text network of today has its keys without the prefix that they have in files
    assert refusal(model) in {(part, f"missing {key}") for key in (lost[0], lost[0].removeprefix("text_model."))}


@pytest.mark.parametrize(("name", "part"), PARTS)
def test_an_unknown_key_is_refused_with_its_name(tmp_path: Path, name: str, part: str) -> None:
    model = changed(tmp_path, name, {part: lambda weights: weights.update({"head.gain": torch.ones(2)})})
    assert refusal(model) == (part, "unknown head.gain")


@pytest.mark.parametrize(
    ("name", "part", "key", "wanted"),
    [
        ("wan", "transformer", "proj_out.bias", "(64,)"),
        ("lavie", "vae", "quant_conv.bias", "(8,)"),
        ("wan", "text_encoder", "encoder.final_layer_norm.weight", "(32,)"),
    ],
)
def test_a_key_of_another_shape_is_refused_with_both(
    tmp_path: Path, name: str, part: str, key: str, wanted: str
) -> None:
    model = changed(tmp_path, name, {part: lambda weights: weights.update({key: torch.ones(7, 5)})})
    assert refusal(model) == (part, f"of another shape {key} (7, 5) for {wanted}")


@pytest.mark.parametrize(("name", "part"), [("wan", "vae"), ("wan", "text_encoder")])
def test_of_each_kind_the_first_ten_are_named(tmp_path: Path, name: str, part: str) -> None:
    more = {f"more.{index:02}": torch.ones(1) for index in range(13)}
    lost: list[str] = []

    def change(weights: State) -> None:
        lost.extend(sorted(weights.keys() - {"shared.weight"})[:12])
        for key in lost:
            del weights[key]
        weights.update(more)

    assert refusal(changed(tmp_path, name, {part: change})) == (
        part,
        f"missing {', '.join(lost[:10])} and 2 more; unknown {', '.join(sorted(more)[:10])} and 3 more",
    )


@pytest.mark.parametrize("name", ["lavie", "stable_diffusion"])
def test_the_names_in_stable_diffusions_files_are_known(tmp_path: Path, name: str) -> None:
    def rename(weights: State) -> None:
        found = [key for key in weights if "mid_block.attentions.0.to_" in key]
        assert len(found) == 16
        for key in found:
            new, kind = key.split("attentions.0.")[1].rsplit(".", 1)
            weights[f"{key.split('to_')[0]}{ATTENTION[new]}.{kind}"] = weights.pop(key)

    def prefix(weights: State) -> None:
        for key in [key for key in weights if not key.startswith("text_model.")]:
            weights[f"text_model.{key}"] = weights.pop(key)
        weights["text_model.embeddings.position_ids"] = torch.arange(77)[None]

    made = load_prior(changed(tmp_path, name, {"vae": rename, "text_encoder": prefix}))
    for found, wanted in zip(_outputs(made), _outputs(prior(name)), strict=True):
        torch.testing.assert_close(found, wanted, atol=0, rtol=0)


@pytest.mark.parametrize("kept", ["shared.weight", "encoder.embed_tokens.weight", "both"])
def test_the_weights_that_umt5_shares_may_have_either_name(tmp_path: Path, kept: str) -> None:
    def share(weights: State) -> None:
        names = ("shared.weight", "encoder.embed_tokens.weight")
        found = next(weights.pop(name) for name in names if name in weights)
        weights.update({name: found.clone() for name in names if kept in (name, "both")})

    made = load_prior(changed(tmp_path, "wan", {"text_encoder": share}))
    for found, wanted in zip(_outputs(made), _outputs(prior("wan")), strict=True):
        torch.testing.assert_close(found, wanted, atol=0, rtol=0)


@pytest.mark.parametrize("part", ["vae", "text_encoder"])
def test_a_cut_file_is_refused_with_its_part(tmp_path: Path, part: str) -> None:
    model = changed(tmp_path, "wan", {})
    path = next((model / part).glob("*.safetensors"))
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(ValueError, match=rf"model/{part} cannot be loaded: "):
        load_prior(model)


@pytest.mark.parametrize(("name", "networks"), [("wan_two", 4), ("stable_diffusion", 4), ("animatediff", 3)])
def test_each_network_is_loaded_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, networks: int) -> None:
    model, loaded = changed(tmp_path, name, {}), []
    for base in (diffusers.ModelMixin, transformers.PreTrainedModel):
        plain = base.from_pretrained.__func__

        def noted(cls: Any, /, path: Path, *, of: Any = plain, **settings: Any) -> Any:
            loaded.append(Path(path).name)
            return of(cls, path, **settings)

        monkeypatch.setattr(base, "from_pretrained", classmethod(noted))
    load_prior(model)
    assert len(loaded) == len(set(loaded)) == networks


def test_each_part_has_its_dtype_and_is_made_for_inference() -> None:
    dtypes = {"default": torch.float16, "vae": torch.float32, "transformer": torch.bfloat16}
    pipe = folders.load(diffusers.WanPipeline, folder("wan"), OPTIONS, dtypes)
    found = (pipe.text_encoder.dtype, pipe.vae.dtype, pipe.transformer.proj_out.weight.dtype)
    assert found == (torch.float16, torch.float32, torch.bfloat16)
    for part in (pipe.text_encoder, pipe.vae, pipe.transformer):
        assert not part.training
        assert not any(each.requires_grad for each in part.parameters())


def test_a_part_without_the_variant_is_loaded_without_it(tmp_path: Path) -> None:
    model = changed(tmp_path, "wan", {})
    path = next((model / "transformer").glob("*.safetensors"))
    weights = load_file(path)
    weights["proj_out.bias"] += 3
    save_file(weights, path.with_name("diffusion_pytorch_model.fp16.safetensors"), metadata={"format": "pt"})
    pipe = folders.load(diffusers.WanPipeline, model, Options(torch.device("cpu"), variant="fp16"), torch.float32)
    torch.testing.assert_close(pipe.transformer.proj_out.bias, weights["proj_out.bias"])
    with pytest.raises(ValueError, match="in variant 'fp32' cannot be loaded: no part of it has files"):
        folders.load(diffusers.WanPipeline, model, Options(torch.device("cpu"), variant="fp32"), torch.float32)


def _outputs(made: object) -> list[Tensor]:
    """What the VAE encodes and decodes, and what becomes of a prompt."""
    assert isinstance(made, NetworkPrior)
    pixels = torch.cat(list(made.decode([state(made, frames=2)])), 2)
    said: Any = made.condition("a boat", "a car")
    return [pixels, made.encode(pixels[:, :, :5]), *said.positive, *said.negative]
