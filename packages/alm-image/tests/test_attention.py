"""Attention: the maps of Eq. 24 and 25 by hand, against the layers' own queries and keys, and what they cost."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from alm_image.attention import CHUNK, SIDE, Maps, UNetAttention, background, foreground, probabilities
from alm_image.priors import load_prior
from alm_image.words import differing, positions, swapped, words_of
from diffusers import UNet2DConditionModel
from tiny import conditional_unet, tokenizer
from torch import Tensor
from torch.nn.functional import interpolate

Folder = Callable[[str], Path]
AT = (2, 5)


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def two_levels() -> Any:
    """A U-Net with attention at two resolutions: at the state's and at half of it."""
    blocks = {"down_block_types": ("CrossAttnDownBlock2D",) * 2, "up_block_types": ("CrossAttnUpBlock2D",) * 2}
    return conditional_unet(**blocks).requires_grad_(False).eval()


def call(unet: Any, size: tuple[int, int] = (8, 8), rows: int = 1, seed: int = 0) -> Tensor:
    out: Tensor = unet(random(rows, 4, *size, seed=seed), 10.0, random(rows, 7, 16, seed=seed + 1), return_dict=False)[
        0
    ]
    return out


@contextmanager
def hooked(unet: Any) -> Iterator[list[tuple[str, Tensor]]]:
    """The whole softmax(q kᵀ/√d) (rows, heads, queries, keys) of each layer, from what its projections put out."""
    seen: dict[str, Tensor] = {}
    found: list[tuple[str, Tensor]] = []
    hooks = []
    for name, layer in unet.named_modules():
        if name.endswith(("attn1", "attn2")):

            def keep(module: Any, args: Any, out: Tensor, key: str) -> None:
                seen[key] = out

            def end(module: Any, args: Any, out: Any, key: str = name) -> None:
                q, k = (
                    seen[part].reshape(*seen[part].shape[:2], module.heads, -1).transpose(1, 2) for part in ("q", "k")
                )
                found.append((key, torch.softmax(q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5, -1)))

            hooks += [
                layer.to_q.register_forward_hook(lambda m, a, o: keep(m, a, o, "q")),
                layer.to_k.register_forward_hook(lambda m, a, o: keep(m, a, o, "k")),
                layer.register_forward_hook(end),
            ]
    yield found
    for hook in hooks:
        hook.remove()


def test_the_foreground_is_eq_25_and_the_background_eq_24_and_12() -> None:
    own, cross = random(2, 3, 2, 3).softmax(0), random(2, 3, seed=1).sigmoid()
    found = foreground(own, cross)
    for h in range(2):
        for w in range(3):
            wanted = sum(float(own[h, w, i, j]) * float(cross[i, j]) for i in range(2) for j in range(3))
            assert float(found[h, w]) == pytest.approx(wanted, rel=1e-5)
    tau = 1 - float(found.flatten().sort().values[2])
    soft, kept = background(found, tau)
    for m, b, k in zip(found.flatten(), soft.flatten(), kept.flatten(), strict=True):
        assert float(b) == pytest.approx(1 - float(m))
        assert float(k) == (1.0 if 1 - float(m) >= tau - 1e-7 else 0.0)
    assert float(kept.sum()) == 3


@pytest.mark.parametrize("size", [(8, 8), (12, 20), (24, 20)])
def test_maps_are_those_of_the_layers_queries_and_keys(size: tuple[int, int]) -> None:
    """Two calls; 24 × 20 tokens are too many for cross-attention, which then is read at half of it alone."""
    unet = two_levels()
    crosses, owns = [], []
    for seed in (0, 5):
        with hooked(unet) as found:
            call(unet, size, seed=seed)
        half = size[0] // 2, size[1] // 2
        grids = {size[0] * size[1]: size, half[0] * half[1]: half}
        common = size if size[0] * size[1] <= 256 else half
        layers = []
        for name, weights in found:
            grid = grids[weights.shape[2]]
            if name.endswith("attn2") and weights.shape[2] <= 256:
                layer = weights[0].mean(0)[:, list(AT)].mean(1).view(1, 1, *grid)
                layers.append(interpolate(layer, common, mode="bicubic") if grid != common else layer)
        assert {layer.shape[-2:] for layer in layers} == {torch.Size(common)}
        mean = sum(layers) / len(layers)  # type: ignore[arg-type]
        crosses.append(mean / mean.max())
        owns.append([weights for name, weights in found if name.startswith("up_blocks.1") and "attn1" in name][-1])
    cross = interpolate(sum(crosses) / 2, size, mode="bicubic") if common != size else sum(crosses) / 2  # type: ignore
    own = sum(each[0].mean(0) for each in owns) / 2
    with UNetAttention(unet, None).watch(AT, size) as maps:
        for seed in (0, 5):
            call(unet, size, seed=seed)
    assert maps.times == 2
    close(maps.cross, cross[0, 0].clamp(0, 1))
    close(maps.own, own.view(*size, *size))  # type: ignore[union-attr]
    close(maps.fore.flatten(), own @ cross.clamp(0, 1).flatten())
    close(maps.own.sum((2, 3)), torch.ones(size))
    assert 0 <= float(maps.fore.min()) < float(maps.fore.max()) <= 1


def close(found: Tensor, wanted: Tensor, tolerance: float = 1e-5) -> None:
    torch.testing.assert_close(found, wanted, atol=tolerance, rtol=tolerance)


def test_coarser_layers_than_256_tokens_are_not_waited_for() -> None:
    """As in SDXL, whose cross-attention is fine everywhere: the coarsest is read."""
    unet = two_levels()
    with UNetAttention(unet, None).watch(AT, (36, 32)) as maps, hooked(unet) as found:
        call(unet, (36, 32))
    layers = [w[0].mean(0)[:, list(AT)].mean(1) for name, w in found if "attn2" in name and w.shape[2] == 18 * 16]
    mean = sum(layers) / len(layers)
    wanted = interpolate((mean / mean.max()).view(1, 1, 18, 16), (36, 32), mode="bicubic")[0, 0].clamp(0, 1)
    close(maps.cross, wanted)


@pytest.mark.parametrize("name", ["stable_diffusion", "sdxl"])
@pytest.mark.parametrize("attention", [None, "slicing"])
def test_the_network_answers_the_same_while_it_is_watched(folder: Folder, name: str, attention: str | None) -> None:
    prior = load_prior(folder(name), attention=attention)
    reader = prior.attention  # type: ignore[attr-defined]
    level, conditions = prior.schedule(5).levels[1], (prior.condition("a cat", "", 64, 64),)
    x = random(1, 4, 8, 8)
    before = dict(reader.unet.attn_processors)
    plain = prior.predict(x, level, conditions)
    with reader.watch(reader.positions("a cat", ("cat",)), (8, 8)) as maps:
        seen = prior.predict(x, level, conditions)
        assert reader.unet.attn_processors != before
    assert maps.times == 1
    close(seen.eps, plain.eps)
    assert reader.unet.attn_processors == before


def test_processors_are_put_back_after_an_error_and_no_hook_stays() -> None:
    unet = two_levels()
    before = dict(unet.attn_processors)
    reader = UNetAttention(unet, None)
    kept = []

    def fail() -> None:
        with reader.watch(AT, (8, 8)) as maps:
            kept.append(maps)
            call(unet)
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        fail()
    assert unet.attn_processors == before
    call(unet)
    assert kept[0].times == 1


@pytest.mark.parametrize("chunk", [1, 200, 3000])
def test_chunks_change_nothing_and_hold_no_more_than_they_may(chunk: int) -> None:
    query, key = random(2, 3, 20, 4), random(2, 3, 15, 4, seed=1)
    whole = torch.softmax(query @ key.transpose(-1, -2) * 0.4, -1).mean((0, 1))
    parts = list(probabilities(query, key, 0.4, chunk))
    close(torch.cat([weights for _, weights in parts]), whole)
    assert [n for part, _ in parts for n in range(part.start, part.stop)] == list(range(20))
    assert all(2 * 3 * weights.numel() <= max(chunk, 2 * 3 * 15) for _, weights in parts)
    assert len(parts) == {1: 20, 200: 10, 3000: 1}[chunk]


def test_what_is_kept_is_bounded_however_many_tokens_there_are() -> None:
    """Blocks of 3 × 3 tokens, of which the last ones are smaller; rows still sum to 1."""
    size, side = (20, 16), 7
    maps = Maps(AT, size, side=side, chunk=5000)
    query, key = random(1, 2, 320, 4), random(1, 2, 320, 4, seed=1)
    maps.see_own(query, key, 0.7)
    maps.see_cross(random(1, 2, 80, 4), random(1, 2, 9, 4), 0.7)
    maps.end()
    whole = torch.softmax(query @ key.transpose(-1, -2) * 0.7, -1).mean((0, 1)).view(*size, *size)
    assert maps.own.shape == (7, 6, 7, 6)
    assert maps.own.numel() <= side**4
    close(maps.own.sum((2, 3)), torch.ones(7, 6))
    close(maps.own[1, 2, 3, 0], whole[3:6, 6:9, 9:12, 0:3].mean((0, 1)).sum())
    close(maps.own[6, 5, 0, 5], whole[18:, 15:, :3, 15:].mean((0, 1)).sum())


def test_the_bounds_are_those_of_the_documents() -> None:
    assert SIDE**4 * 4 == 64 * 2**20
    assert CHUNK * 4 == 16 * 2**20


def test_maps_that_saw_nothing_say_so() -> None:
    with pytest.raises(ValueError, match="no attention was read"):
        _ = Maps(AT, (8, 8)).fore


def test_a_layer_that_is_no_halving_of_the_state_is_refused() -> None:
    with pytest.raises(ValueError, match="a layer of 50 tokens does not belong to a state of 8 x 8"):
        Maps(AT, (8, 8)).see_cross(random(1, 1, 50, 2), random(1, 1, 9, 2), 1.0)


def test_odd_states_are_halved_as_the_network_does() -> None:
    unet = two_levels()
    with UNetAttention(unet, None).watch(AT, (9, 7)) as maps, hooked(unet) as found:
        call(unet, (9, 7))
    assert {w.shape[2] for _, w in found} == {63, 5 * 4}
    assert maps.fore.shape == (9, 7)


@pytest.fixture
def clip(tmp_path: Path) -> Any:
    return tokenizer(tmp_path)


def test_positions_are_all_tokens_of_all_places_of_a_word(clip: Any) -> None:
    """Letters are tokens: a | cat | on | a | cat, after the start token."""
    assert positions(clip, "a cat on a Cat", ("cat",)) == (2, 3, 4, 8, 9, 10)
    assert positions(clip, "a cat, on a mat", ("on a",)) == (6, 7, 8)
    assert positions(clip, "cats chat; a  cat!", ("cat",)) == (11, 12, 13)
    assert positions(clip, "a cat on", ("on", "a")) == (1, 5, 6)
    ids = clip("a cat on a mat").input_ids
    assert [clip.decode([ids[n]]).strip() for n in positions(clip, "a cat on a mat", ("mat",))] == ["m", "a", "t"]


@pytest.mark.parametrize("word", ["dog", "ca", "at", "cat on mat", " ", ""])
def test_a_word_that_is_not_in_the_prompt_is_refused_with_those_that_are(clip: Any, word: str) -> None:
    with pytest.raises(ValueError, match="it has a, cat, on, a, mat"):
        positions(clip, "a cat on a mat", (word,))


def test_a_word_beyond_what_the_model_reads_is_refused_and_one_across_is_cut(clip: Any) -> None:
    """75 tokens of 77 are text."""
    with pytest.raises(ValueError, match="beyond the 75 tokens that this model reads"):
        positions(clip, "z" * 75 + " cat", ("cat",))
    assert positions(clip, "z" * 74 + " cat", ("cat",)) == (75,)
    assert positions(clip, "cat " + "z" * 90, ("cat",)) == (1, 2, 3)


def test_words_that_differ_are_those_that_the_target_has_not() -> None:
    assert differing("a small Cat on a sofa", "a big dog on a sofa") == ("small", "Cat")
    assert differing("a cat and a cat", "A dog and") == ("cat",)
    assert words_of("a child's, red-hot T-shirt!") == ["a", "child's", "red-hot", "T-shirt"]
    with pytest.raises(ValueError, match="every word of the source prompt 'a cat'"):
        differing("a cat", "a big Cat")


def test_a_swap_replaces_whole_words() -> None:
    assert swapped("A cat, cats and the Cat", "cat", "dog") == "A dog, cats and the dog"
    assert swapped("a red car on a road", "red car", r"blue \1 bus") == r"a blue \1 bus on a road"
    with pytest.raises(ValueError, match="the word 'horse' is not in the source prompt 'a cat': it has a, cat"):
        swapped("a cat", "horse", "zebra")
    with pytest.raises(ValueError, match="a swap wants two words"):
        swapped("a cat", "cat", " ")


REAL = {
    "stable_diffusion": ({}, "up_blocks.3.attentions.2.transformer_blocks.0.attn1.processor"),
    "sdxl": (
        {
            "block_out_channels": (320, 640, 1280),
            "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
            "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
            "transformer_layers_per_block": (1, 2, 10),
        },
        "up_blocks.1.attentions.2.transformer_blocks.1.attn1.processor",
    ),
}


@pytest.mark.parametrize("name", sorted(REAL))
def test_the_self_attention_read_is_the_last_on_the_way_up_of_networks_of_the_real_shape(name: str) -> None:
    """Which for Stable Diffusion 1.x is the layer that the released code reads; built without memory for weights."""
    config, wanted = REAL[name]
    with torch.device("meta"):
        unet = UNet2DConditionModel(**config)
    reader = UNetAttention(unet, None)
    before = dict(unet.attn_processors)
    with reader.watch(AT, (64, 64)) as maps:
        seen = {key: each for key, each in unet.attn_processors.items() if each is not before[key]}
    assert [key for key, each in seen.items() if each.see == maps.see_own] == [wanted]
    assert sorted(key for key in seen if key != wanted) == sorted(key for key in before if ".attn2." in key)
