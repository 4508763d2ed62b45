"""The two networks against the public code's keys and outputs.

The fixture was made by `fixtures/make_networks.py`; weights and inputs are those of `motion_formula`.
"""

import hashlib
import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from alm_motion.priors.networks.embeddings import PositionTable
from alm_motion.priors.networks.mdm import MDM, MDMConfig
from alm_motion.priors.networks.unet1d import UNet1d, UNet1dConfig
from motion_formula import state, wave
from torch import Tensor, nn

FIXTURE: dict[str, Any] = json.loads((Path(__file__).parent / "fixtures" / "networks.json").read_text(encoding="utf-8"))
TEXT, FRAMES = 24, 52
X, TIMES, LABELS = wave((2, 263, FRAMES), 2), torch.tensor([981, 3]), torch.tensor([4, 0])
UNETS, MDMS = FIXTURE["unet"], FIXTURE["mdm"]


def unet_of(theirs: dict[str, Any]) -> UNet1d:
    config = UNet1dConfig(
        width=theirs["latent_dim"],
        multipliers=tuple(theirs["dim_mults"]),
        adaptive=theirs["adagn"],
        text=TEXT if theirs["cond_mode"] == "text" else 0,
        actions=5 if theirs["cond_mode"] == "action" else 0,
        keyframes=theirs.get("keyframe_conditioned", False),
        attention=theirs.get("attention", False),
    )
    return filled(UNet1d(config))


def mdm_of(theirs: dict[str, Any]) -> MDM:
    config = MDMConfig(
        width=theirs["latent_dim"],
        layers=theirs["num_layers"],
        feedforward=theirs["ff_size"],
        heads=theirs["num_heads"],
        text=TEXT if theirs["cond_mode"] == "text" else 0,
        actions=5 if theirs["cond_mode"] == "action" else 0,
        positions=theirs.get("pos_embed_max_len", 5000),
    )
    return filled(MDM(config))


def filled(network: Any) -> Any:
    shapes = {key: tuple(value.shape) for key, value in network.state_dict().items()}
    network.load_state_dict(state(shapes), strict=False)
    return network.eval().requires_grad_(False)


def shapes_of(network: nn.Module) -> dict[str, list[int]]:
    return {key: list(value.shape) for key, value in network.state_dict().items()}


def conditions(theirs: dict[str, Any]) -> dict[str, list[Tensor | None]]:
    """What stands for the outputs' two names: no condition can be said in two ways."""
    if theirs["cond_mode"] == "text":
        return {"conditional": [wave((2, TEXT), 1)], "unconditional": [torch.zeros(2, TEXT)]}
    if theirs["cond_mode"] == "action":
        return {"conditional": [LABELS], "unconditional": [torch.tensor([-1, -1]), None]}
    return {"conditional": [None]}


def check(network: nn.Module, fixture: dict[str, Any], x: Tensor, **more: Any) -> None:
    assert shapes_of(network) == fixture["shapes"]
    told = conditions(fixture["config"])
    assert told.keys() == fixture["outputs"].keys()
    for name, ways in told.items():
        for condition in ways:
            y = network(x, TIMES, condition, **more)[:, ::37, ::9]
            wanted = torch.tensor(fixture["outputs"][name]).reshape(y.shape)
            assert (y - wanted).abs().max() < 1e-4


@pytest.mark.parametrize("name", UNETS)
def test_keys_and_outputs_of_the_unet_are_those_of_the_public_code(name: str) -> None:
    fixture, x = UNETS[name], X
    if fixture["config"].get("keyframe_conditioned"):
        given = wave((2, 263, FRAMES), 4) > 0.2
        x = torch.cat([torch.where(given, wave((2, 263, FRAMES), 3), x), given.float()], 1)
    check(unet_of(fixture["config"]), fixture, x)


@pytest.mark.parametrize("name", MDMS)
def test_keys_and_outputs_of_mdm_are_those_of_the_public_code(name: str) -> None:
    fixture = MDMS[name]
    real = torch.arange(FRAMES)[None] < torch.tensor([[FRAMES], [20]])
    network = mdm_of(fixture["config"])
    check(network, fixture, X, **({"mask_frames": real} if fixture["config"].get("mask_frames") else {}))


@pytest.mark.parametrize("name", ["text", "masked"])
def test_mdm_without_a_condition_is_unconditional(name: str) -> None:
    network = mdm_of(MDMS[name]["config"])
    torch.testing.assert_close(network(X, TIMES), network(X, TIMES, torch.zeros(2, TEXT)))
    assert (network(X, TIMES) - network(X, TIMES, wave((2, TEXT), 1))).abs().max() > 1e-2


@pytest.mark.parametrize(
    ("name", "network"),
    [
        ("gmd", lambda: UNet1d(UNet1dConfig())),
        ("condmdi_keyframes", lambda: UNet1d(UNet1dConfig(keyframes=True))),
        ("mdm", lambda: MDM(MDMConfig())),
    ],
)
def test_the_keys_and_shapes_of_the_published_sizes_are_complete(name: str, network: Any) -> None:
    with torch.device("meta"):
        shapes = sorted(shapes_of(network()).items())
    assert len(shapes) == FIXTURE["full"][name]["count"]
    assert hashlib.sha256(json.dumps(shapes).encode()).hexdigest() == FIXTURE["full"][name]["sha256"]


def test_the_table_of_positions_holds_sines_and_cosines_of_falling_frequency() -> None:
    table = PositionTable(6, 40).pe
    for position, pair in ((0, 0), (1, 0), (7, 1), (39, 2)):
        angle = position * 10000 ** (-2 * pair / 6)
        assert table[position, 0, 2 * pair] == pytest.approx(math.sin(angle), abs=1e-5)
        assert table[position, 0, 2 * pair + 1] == pytest.approx(math.cos(angle), abs=1e-5)


def test_the_unet_pads_with_zeros_and_cuts_its_answer() -> None:
    network, text = unet_of(UNETS["gmd"]["config"]), wave((2, TEXT), 1)
    padded = torch.cat([X, torch.zeros(2, 263, 224 - FRAMES)], -1)
    torch.testing.assert_close(network(X, TIMES, text), network(padded, TIMES, text)[..., :FRAMES])
    with pytest.raises(ValueError, match="at most 224 frames at once, got 225"):
        network(torch.zeros(1, 263, 225), TIMES[:1], text[:1])


def test_mdm_does_not_look_at_masked_frames() -> None:
    network, real = mdm_of(MDMS["masked"]["config"]), torch.arange(FRAMES)[None].expand(2, -1) < 20
    changed = torch.where(real[:, None], X, X + 5)
    one, other = (network(x, TIMES, mask_frames=real)[..., :20] for x in (X, changed))
    torch.testing.assert_close(one, other, atol=1e-5, rtol=0)
    assert (network(X, TIMES)[..., :20] - network(changed, TIMES)[..., :20]).abs().max() > 1e-2


def test_mdm_refuses_more_frames_than_positions() -> None:
    network = mdm_of(MDMS["masked"]["config"])
    assert network(torch.zeros(1, 263, 999), TIMES[:1]).shape == (1, 263, 999)
    with pytest.raises(ValueError, match="at most 999 frames at once, got 1000"):
        network(torch.zeros(1, 263, 1000), TIMES[:1])


@pytest.mark.parametrize(
    "make", [lambda: unet_of(UNETS["gmd_attention"]["config"]), lambda: mdm_of(MDMS["text"]["config"])]
)
def test_rows_do_not_depend_on_one_another_and_gradients_flow(make: Any) -> None:
    network, text = make(), wave((2, TEXT), 1)
    both = network(X, TIMES, text)
    torch.testing.assert_close(both[1:], network(X[1:], TIMES[1:], text[1:]), atol=1e-5, rtol=1e-5)
    x = X.clone().requires_grad_(True)
    network(x, TIMES, text)[0].sum().backward()
    assert x.grad is not None
    assert x.grad[0].abs().sum() > 0
    assert x.grad[1].abs().sum() == 0


def test_the_arguments_beside_a_checkpoint_give_its_config() -> None:
    old = {"arch": "trans_enc", "dataset": "humanml", "latent_dim": 256, "layers": 6, "emb_trans_dec": False}
    assert MDMConfig.from_args(old) == MDMConfig(width=256, layers=6)
    new = {**old, "ff_size": 96, "pos_embed_max_len": 300, "unconstrained": True, "text_encoder_type": "clip"}
    assert MDMConfig.from_args(new) == MDMConfig(width=256, layers=6, feedforward=96, positions=300, text=0)
    assert MDMConfig.from_args({}) == MDMConfig()


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("arch", "trans_dec"),
        ("arch", "gru"),
        ("dataset", "kit"),
        ("text_encoder_type", "bert"),
        ("emb_policy", "concat"),
        ("context_len", 20),
        ("multi_target_cond", True),
        ("lambda_target_loc", 1.0),
    ],
)
def test_other_networks_of_mdm_are_refused(key: str, value: object) -> None:
    with pytest.raises(ValueError, match=f"only those with {key} .* can be loaded, got {value!r}"):
        MDMConfig.from_args({key: value})


@pytest.mark.parametrize("value", [0, "512", 1.5, None])
def test_sizes_that_are_none_are_refused(value: object) -> None:
    with pytest.raises(ValueError, match="latent_dim must be a whole number above 0"):
        MDMConfig.from_args({"latent_dim": value})


def test_mdm_reads_text_or_labels() -> None:
    with pytest.raises(ValueError, match="got text=512, actions=3"):
        MDMConfig(actions=3)
