"""LaVie's network from its files: the config that it takes or refuses, and the weights."""

from pathlib import Path
from typing import Any

import pytest
import torch
from alm_video.priors.networks.lavie import LaVieConfig, load_lavie
from tiny_lavie import SD14, SMALL, inputs, network

# The config.


def test_config_of_stable_diffusion_1_4_is_the_default() -> None:
    assert LaVieConfig.of(SD14) == LaVieConfig()
    assert LaVieConfig().heads == (8, 8, 8, 8)


def test_config_written_by_a_later_diffusers_is_the_same() -> None:
    models = pytest.importorskip("diffusers.models")
    with torch.device("meta"):
        written = dict(models.UNet2DConditionModel(**{k: v for k, v in SD14.items() if k[0] != "_"}).config)
    assert len(written) > 40
    assert LaVieConfig.of(written) == LaVieConfig()


def test_config_takes_every_field_of_its_own() -> None:
    values = {
        "block_out_channels": [64, 96, 160],
        "layers_per_block": 1,
        "cross_attention_dim": 24,
        "attention_head_dim": [2, 3, 4],
        "in_channels": 5,
        "out_channels": 3,
        "norm_num_groups": 8,
        "norm_eps": 1e-4,
        "down_block_types": ["CrossAttnDownBlock3D", "CrossAttnDownBlock3D", "DownBlock3D"],
        "use_first_frame": False,
    }
    assert LaVieConfig.of(values) == LaVieConfig((64, 96, 160), 1, 24, (2, 3, 4), 5, 3, 8, 1e-4)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"use_linear_projection": True}, "use_linear_projection = True"),
        ({"use_relative_position": True, "use_first_frame": True}, "relative_position = True, use_first_frame = True"),
        ({"act_fn": "mish"}, "act_fn = 'mish'"),
        ({"flip_sin_to_cos": False}, "flip_sin_to_cos = False"),
        ({"num_class_embeds": 10}, "num_class_embeds = 10"),
        ({"down_block_types": ["DownBlock2D"] * 4}, "down_block_types"),
        ({"block_out_channels": [320, 640, 1280]}, "down_block_types"),
        ({"block_out_channels": "320"}, "must be a list"),
        ({"block_out_channels": [320, 640, 1280, "1280"]}, "whole and above 0"),
        ({"layers_per_block": 0}, "whole and above 0"),
        ({"attention_head_dim": [8, 8]}, "heads for each"),
        ({"attention_head_dim": 16}, "32 or more a head"),
        ({"norm_num_groups": 33}, r"norm_num_groups \(33\)"),
        ({"norm_eps": 0.0}, "norm_eps must be above 0"),
    ],
)
def test_config_of_another_network_is_refused(change: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        LaVieConfig.of(SD14 | change)


# The file.


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("under", ["", "ema"])
def test_loaded_network_is_the_saved_one(tmp_path: Path, under: str, zipped: bool) -> None:
    made, path = network(), tmp_path / "lavie_base.pt"
    own = made.state_dict()
    torch.save({under: own, "step": 7} if under else own, path, _use_new_zipfile_serialization=zipped)
    loaded = load_lavie(path, SMALL)
    assert torch.equal(loaded(*inputs()), made(*inputs()))
    assert not loaded.training
    assert not any(value.requires_grad for value in loaded.parameters())


def test_loaded_network_is_of_the_dtype_asked_for(tmp_path: Path) -> None:
    torch.save(network().state_dict(), tmp_path / "x.pt")
    loaded = load_lavie(tmp_path / "x.pt", SMALL, torch.bfloat16)
    assert {value.dtype for value in loaded.state_dict().values()} == {torch.bfloat16}


def test_checkpoint_of_another_network_is_refused_with_what_differs(tmp_path: Path) -> None:
    own = network().state_dict()
    for key in list(own)[:12]:
        del own[key]
    own |= {"strange.weight": torch.zeros(1), "conv_out.bias": torch.zeros(4)}
    torch.save(own, tmp_path / "x.pt")
    with pytest.raises(ValueError, match="does not fit") as refusal:
        load_lavie(tmp_path / "x.pt", SMALL)
    told = str(refusal.value)
    assert "missing conv_in.weight, conv_in.bias, " in told
    assert "and 2 more; unknown strange.weight; of another shape conv_out.bias (4,) for (5,)" in told


@pytest.mark.parametrize("content", [{"ema": 3}, [torch.zeros(1)], {"a": torch.zeros(1), "b": "c"}, Path("x")])
def test_file_of_anything_but_a_state_dict_is_refused(tmp_path: Path, content: object) -> None:
    torch.save(content, tmp_path / "x.pt")
    with pytest.raises(ValueError, match=r"x\.pt"):
        load_lavie(tmp_path / "x.pt", SMALL)


def test_missing_and_broken_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="there is no file"):
        load_lavie(tmp_path / "x.pt", SMALL)
    (tmp_path / "x.pt").write_bytes(b"")
    with pytest.raises(ValueError, match="fetch it again"):
        load_lavie(tmp_path / "x.pt", SMALL)
