"""FLUX's joint attention: the maps by hand, against the layers' own queries and keys, and edits without a mask."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from alm_image import cli
from alm_image.attention import Maps, probabilities
from alm_image.attention_flux import JointAttention
from alm_image.edit import edit
from alm_image.priors import load_prior
from alm_image.priors.flux import pack, places
from alm_image.priors.network import NetworkPrior
from alm_image.verbs import common
from diffusers import FluxTransformer2DModel
from edits import SOURCE, TARGET, array, middle, picture_of
from PIL import Image
from tiny import t5_tokenizer
from torch import Tensor

Folder = Callable[[str], Path]
AT = (2, 5)
TEXT = 7


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def close(found: Tensor, wanted: Tensor, tolerance: float = 1e-5) -> None:
    torch.testing.assert_close(found, wanted, atol=tolerance, rtol=tolerance)


def network(layers: int = 6) -> Any:
    """All weights are random, those of the norms too, and large enough for attention that is not flat."""
    torch.manual_seed(4)
    made = FluxTransformer2DModel(
        in_channels=16,
        num_layers=layers,
        num_single_layers=2,
        attention_head_dim=16,
        num_attention_heads=3,
        joint_attention_dim=12,
        pooled_projection_dim=10,
        axes_dims_rope=(4, 4, 8),
    ).requires_grad_(False)
    for n, (name, weight) in enumerate(made.named_parameters()):
        if ".attn.norm" in name:
            weight.copy_(1.5 + random(*weight.shape, seed=n))
    return made.eval()


def call(made: Any, size: tuple[int, int] = (8, 8), seed: int = 0) -> Tensor:
    """One call for a state of `size`, which is half as many places."""
    out: Tensor = made(
        hidden_states=pack(random(1, 4, *size, seed=seed)),
        encoder_hidden_states=random(1, TEXT, 12, seed=seed + 1),
        pooled_projections=random(1, 10, seed=seed + 2),
        timestep=torch.tensor([0.3 + seed / 10]),
        img_ids=places(size[0] // 2, size[1] // 2, torch.device("cpu"), torch.float32),
        txt_ids=torch.zeros(TEXT, 3),
        return_dict=False,
    )[0]
    return out


def seen_by_torch(monkeypatch: pytest.MonkeyPatch, made: Any, size: tuple[int, int], seed: int) -> list[Tensor]:
    """softmax(q kᵀ/√d) (heads, tokens, tokens) of every layer, of what torch's attention is given in a call."""
    found: list[Tensor] = []
    real = torch.nn.functional.scaled_dot_product_attention

    def spy(query: Tensor, key: Tensor, *more: Any, **named: Any) -> Tensor:
        found.append(torch.softmax(query[0] @ key[0].transpose(-1, -2) / query.shape[-1] ** 0.5, -1))
        return real(query, key, *more, **named)

    with monkeypatch.context() as patch:
        patch.setattr(torch.nn.functional, "scaled_dot_product_attention", spy)
        call(made, size, seed)
    return found


@pytest.mark.parametrize("size", [(8, 8), (12, 20)])
def test_maps_are_those_of_what_attention_is_given_in_the_last_four_layers_of_two_streams(
    monkeypatch: pytest.MonkeyPatch, size: tuple[int, int]
) -> None:
    """Of six, and with two of one stream after them; two calls."""
    made, grid = network(), (size[0] // 2, size[1] // 2)
    cross, own = torch.zeros(grid), torch.zeros(grid[0] * grid[1], grid[0] * grid[1])
    for seed in (0, 5):
        layers = seen_by_torch(monkeypatch, made, size, seed)
        assert len(layers) == 6 + 2
        mean = torch.stack(layers[2:6]).mean((0, 1))[TEXT:]
        close(mean.sum(1), torch.ones(len(mean)))
        word = mean[:, list(AT)].mean(1).view(grid)
        cross += word / word.max() / 2
        own += mean[:, TEXT:] / 2
    own /= own.sum(1, keepdim=True)
    with JointAttention(made, None, TEXT).watch(AT, size) as maps:
        for seed in (0, 5):
            call(made, size, seed)
    assert maps.times == 2
    close(maps.cross, cross)
    close(maps.own, own.view(*grid, *grid))
    close(maps.fore.flatten(), own @ cross.flatten())
    close(maps.own.sum((2, 3)), torch.ones(grid))
    assert 0 <= float(maps.fore.min()) < float(maps.fore.max()) <= 1
    assert float(own.max()) > 3 * float(own.mean())


def by_hand(x: Tensor, weight: Tensor, ids: Tensor) -> Tensor:
    """(heads, tokens, 16) of a projection (tokens, 48): normed, and pairs turned by place / 10000^(2 n / width)."""
    x = x.view(len(x), 3, 16)
    x = x / (x.square().mean(-1, keepdim=True) + 1e-6).sqrt() * weight
    angles = [ids[:, axis, None] / 10000 ** (torch.arange(0, d, 2) / d) for axis, d in enumerate((4, 4, 8))]
    turned = torch.view_as_complex(x.unflatten(-1, (8, 2))) * torch.exp(1j * torch.cat(angles, 1))[:, None]
    return torch.view_as_real(turned).flatten(2).transpose(0, 1)


def test_one_layer_by_hand_from_what_its_projections_put_out() -> None:
    made, size = network(1), (4, 6)
    attn, seen = made.transformer_blocks[0].attn, {}
    hooks = [
        getattr(attn, name).register_forward_hook(lambda module, args, out, name=name: seen.update({name: out[0]}))
        for name in ("to_q", "to_k", "add_k_proj")
    ]
    call(made, size)
    for hook in hooks:
        hook.remove()
    image, text = torch.tensor([[0.0, r, c] for r in range(2) for c in range(3)]), torch.zeros(TEXT, 3)
    query = by_hand(seen["to_q"], attn.norm_q.weight, image)
    key = torch.cat(
        [
            by_hand(seen["add_k_proj"], attn.norm_added_k.weight, text),
            by_hand(seen["to_k"], attn.norm_k.weight, image),
        ],
        1,
    )
    weights = torch.softmax(query @ key.transpose(1, 2) / 4, -1).mean(0)
    with JointAttention(made, None, TEXT).watch(AT, size) as maps:
        call(made, size)
    word, own = weights[:, list(AT)].mean(1), weights[:, TEXT:]
    close(maps.cross.flatten(), word / word.max())
    close(maps.own.view(6, 6), own / own.sum(1, keepdim=True))


@pytest.mark.parametrize("chunk", [1, 500, 10**6])
def test_chunks_change_nothing_in_what_is_read(chunk: int) -> None:
    """Blocks of 2 × 2 places, of which the last column is narrower; M_self is the mean that its sum divides."""
    size, tokens = (16, 20), 8 * 10
    query, key = random(1, 3, tokens, 4), random(1, 3, TEXT + tokens, 4, seed=1)
    ((_, whole),) = probabilities(query, key, 0.7, 10**6)
    close(whole.sum(1), torch.ones(tokens))
    maps = Maps(AT, size, side=7, chunk=chunk)
    maps.see_joint(query, key, 0.7)
    maps.end()
    assert maps.own.shape == (4, 5, 4, 5)
    word = whole[:, list(AT)].mean(1).view(1, 1, 8, 10)
    close(maps.cross, torch.nn.functional.interpolate(word / word.max(), (4, 5), mode="bicubic")[0, 0].clamp(0, 1))
    own = whole[:, TEXT:].view(4, 2, 5, 2, 4, 2, 5, 2).sum((1, 3, 5, 7))
    close(maps.own, own / own.sum((2, 3), keepdim=True))


@pytest.mark.parametrize("name", ["flux_dev", "flux_schnell"])
def test_the_network_answers_the_same_to_the_bit_while_it_is_watched(folder: Folder, name: str) -> None:
    prior = small(folder, name)
    reader: Any = prior.attention
    level, conditions = prior.schedule(5).levels[1], (prior.condition("a cat", "", 64, 64),)
    x = random(1, 16, 8, 8)
    before = dict(reader.transformer.attn_processors)
    plain = prior.predict(x, level, conditions)
    with reader.watch(reader.positions("a cat", ("cat",)), (8, 8)) as maps:
        seen = prior.predict(x, level, conditions)
        assert reader.transformer.attn_processors != before
    assert (maps.times, maps.fore.shape) == (1, (4, 4))
    assert torch.equal(seen.eps, plain.eps)
    assert reader.transformer.attn_processors == before


def small(folder: Folder, name: str) -> NetworkPrior:
    prior = load_prior(folder(name))
    assert isinstance(prior, NetworkPrior)
    return replace(prior, size=64)


def test_processors_are_put_back_after_an_error_and_no_hook_stays() -> None:
    made = network(2)
    before = dict(made.attn_processors)
    kept = []

    def fail() -> None:
        with JointAttention(made, None, TEXT).watch(AT, (8, 8)) as maps:
            kept.append(maps)
            call(made)
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        fail()
    assert made.attn_processors == before
    call(made)
    assert kept[0].times == 1


def test_of_a_network_of_the_real_shape_layers_15_to_18_of_two_streams_are_read() -> None:
    """Built without memory for weights."""
    with torch.device("meta"):
        made = FluxTransformer2DModel()
    before = dict(made.attn_processors)
    with JointAttention(made, None, 512).watch(AT, (128, 128)):
        seen = [key for key, each in made.attn_processors.items() if each is not before[key]]
    assert seen == [f"transformer_blocks.{n}.attn.processor" for n in (15, 16, 17, 18)]


def test_positions_are_of_the_tokens_of_t5_that_the_pipeline_encodes(tmp_path: Path) -> None:
    """Letters are tokens, after one for the space before a word; none comes before the text."""
    clip = t5_tokenizer(tmp_path)
    reader = JointAttention(None, clip, 256)
    assert reader.positions("a cat on a mat", ("cat",)) == (2, 3, 4, 5)
    assert reader.positions("cat, a cat", ("cat",)) == (0, 1, 2, 3, 7, 8, 9, 10)
    ids = clip("a cat on a mat", padding="max_length", max_length=256, truncation=True).input_ids
    assert clip.decode([ids[n] for n in reader.positions("a cat on a mat", ("mat",))]) == "mat"


@pytest.mark.parametrize(("name", "tokens"), [("flux_dev", 512), ("flux_schnell", 256)])
def test_as_many_tokens_are_read_as_the_pipeline_is_asked_for(folder: Folder, name: str, tokens: int) -> None:
    """The tokenizer's own limit of 77 does not count; the last token is the end's."""
    prior = small(folder, name)
    reader: Any = prior.attention
    states, _ = prior.condition("a cat", "", 64, 64).positive  # type: ignore[misc]
    assert len(states) == reader.tokens == tokens
    assert reader.positions("z" * (tokens - 5) + " cat", ("cat",)) == tuple(range(tokens - 4, tokens - 1))
    with pytest.raises(ValueError, match=f"beyond the {tokens - 1} tokens that this model reads"):
        reader.positions("z" * tokens + " cat", ("cat",))


@pytest.mark.parametrize("name", ["flux_dev", "flux_schnell"])
def test_words_are_found_by_attention_in_edits(folder: Folder, name: str) -> None:
    """3 steps: 3 calls read the attention, 2 × 3 of one row sample; the map is on the grid of 4 × 3 places."""
    prior, image = small(folder, name), picture_of(1, (64, 48))
    options: dict[str, Any] = {"source_prompt": SOURCE, "prompt": TARGET, "prior": prior, "steps": 3}
    threshold = middle(image, **options)
    found = edit(image, threshold=threshold, **options)
    assert (found.result.calls, found.result.evaluations) == (3 + 6, 3 + 6)
    assert (found.words, found.size) == (("cat",), (64, 48))
    soft, mask = array(found.soft), array(found.mask)  # type: ignore[arg-type]
    assert set(np.unique(mask)) == {0, 255}
    sure = np.abs(soft / 255 - threshold) > 1 / 255
    assert np.array_equal((soft / 255 > threshold)[sure], mask[sure] > 0)
    again = edit(image, mask=found.mask, **options)
    assert np.array_equal(np.asarray(again.result.images[0]), np.asarray(found.result.images[0]))


def test_the_command_line_edits_by_words(
    tmp_path: Path, folder: Folder, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    prior = small(folder, "flux_dev")
    picture_of(1).save(tmp_path / "a.png")
    threshold = middle(picture_of(1), source_prompt=SOURCE, prompt=TARGET, prior=prior, steps=2)
    monkeypatch.setattr(common, "load_prior", lambda name, **_: prior)
    arguments = ["edit", f"{tmp_path}/a.png", "-o", f"{tmp_path}/out.png", "--model", "flux", "--steps", "2", "--json"]
    words = ["--source-prompt", SOURCE, "--prompt", TARGET, "--threshold", str(threshold)]
    assert cli.main([*arguments, *words]) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["words"], report["size"]) == (["cat"], [64, 64])
    mask = np.asarray(Image.open(report["mask"]))
    assert 0 < report["edited"] < 1
    assert report["edited"] == pytest.approx((mask > 0).mean(), abs=1e-6)
    assert (tmp_path / "out-mask-soft.png").exists()
    assert Image.open(tmp_path / "out.png").size == (64, 64)
