"""Prompts: a tiny CLIP of random weights in the real on-disk format, actions, and refusals."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from alm_core.guidance import Condition, batched
from alm_motion.priors import text as module
from alm_motion.priors.text import ActionText, ClipText, NoText, Sentences
from transformers import CLIPConfig, CLIPModel, CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

WIDTH = 24
CPU = torch.device("cpu")


def save_tokenizer(folder: Path) -> None:
    """Over single letters: words come out as letters, so any two prompts differ."""
    letters = [chr(code) for code in range(33, 127)]
    tokens = [*letters, *(letter + "</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    CLIPTokenizer(vocab={token: index for index, token in enumerate(tokens)}, merges=[]).save_pretrained(folder)


def save_model(folder: Path, width: int = WIDTH) -> None:
    """Text and picture encoder, as the published folder has them."""
    size = {"hidden_size": 16, "intermediate_size": 32, "num_attention_heads": 2, "projection_dim": width}
    text = {
        **size,
        "num_hidden_layers": 2,
        "vocab_size": 190,
        "max_position_embeddings": 77,
        "bos_token_id": 188,
        "eos_token_id": 189,
        "pad_token_id": 189,
    }
    vision = {**size, "num_hidden_layers": 1, "image_size": 8, "patch_size": 4}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=width)).save_pretrained(folder)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("clip")
    save_tokenizer(made)
    save_model(made)
    return made


@pytest.fixture(scope="module")
def clip(folder: Path) -> ClipText:
    return ClipText.load(folder)


def embedding(text: Callable[[str], Condition], prompt: str) -> torch.Tensor:
    (found,) = text(prompt).positive
    return found


def test_two_prompts_give_two_embeddings(clip: ClipText) -> None:
    one, other = (embedding(clip, prompt) for prompt in ("a man walks", "a man runs"))
    assert one.dtype == torch.float32
    assert one.shape == other.shape == (WIDTH,)
    assert (one - other).abs().max() > 0.1
    assert torch.equal(embedding(clip, "a man walks"), one)


def test_the_embedding_is_the_projection_of_the_end_tokens_state(clip: ClipText, folder: Path) -> None:
    model = CLIPTextModelWithProjection.from_pretrained(folder)
    letters = {token: index for index, token in enumerate(chr(code) for code in range(33, 127))}
    words = [letters["w"], letters["a"], letters["l"], letters["k"] + 94]
    with torch.no_grad():
        states = model(torch.tensor([[188, *words, 189]]), output_hidden_states=True).last_hidden_state
        wanted = model.text_projection.weight @ states[0, 5]
    torch.testing.assert_close(embedding(clip, "Walk"), wanted)


def test_prompts_are_cut_at_twenty_tokens_and_the_end_is_kept(clip: ClipText) -> None:
    words = [chr(97 + index) for index in range(26)]
    twenty = embedding(clip, " ".join(words[:20]))
    for more in (words[:21], words, words * 9):
        torch.testing.assert_close(embedding(clip, " ".join(more)), twenty)
    assert (embedding(clip, " ".join(words[:19])) - twenty).abs().max() > 1e-3


def test_what_classifier_free_guidance_leads_away_from_is_zero_and_so_is_no_prompt(clip: ClipText) -> None:
    zero = torch.zeros(WIDTH)
    assert torch.equal(clip("a man walks").negative[0], zero)
    for prompt in ("", "  "):
        assert torch.equal(clip(prompt).positive[0], zero)
        assert torch.equal(clip(prompt).negative[0], zero)
    rows = [clip("a man walks"), clip("")]
    assert batched([row.positive for row in rows])[0].shape == (2, WIDTH)


def test_the_width_is_the_projections(clip: ClipText) -> None:
    assert clip.width == WIDTH
    assert not any(parameter.requires_grad for parameter in clip.model.parameters())


def test_loading_says_nothing_and_leaves_the_libraries_as_they_were(
    folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    from transformers.utils import logging

    before = logging.get_verbosity(), logging.is_progress_bar_enabled()
    ClipText.load(folder)
    assert capfd.readouterr() == ("", "")
    assert (logging.get_verbosity(), logging.is_progress_bar_enabled()) == before


def test_a_folder_with_words_in_the_old_files_is_read(folder: Path, clip: ClipText, tmp_path: Path) -> None:
    for name in ("config.json", "model.safetensors"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    vocab = json.loads((folder / "tokenizer.json").read_text())["model"]["vocab"]
    (tmp_path / "vocab.json").write_text(json.dumps(vocab))
    (tmp_path / "merges.txt").write_text("#version: 0.2\n")
    torch.testing.assert_close(embedding(ClipText.load(tmp_path), "a man"), embedding(clip, "a man"))


def test_a_tokenizer_without_words_is_refused(tmp_path: Path) -> None:
    save_model(tmp_path)
    with pytest.raises(ValueError, match=r"knows no words: put its tokenizer\.json beside the model"):
        ClipText.load(tmp_path)


def test_a_folder_that_is_none_is_refused(tmp_path: Path) -> None:
    for name in (tmp_path / "none", "./none", "none", "~/none/", "a/b/c"):
        with pytest.raises(FileNotFoundError, match="give the folder of a CLIP model, or connect and give a hub id"):
            ClipText.load(name)
    with pytest.raises(FileNotFoundError, match=r"holds no CLIP model .*: give the folder of one"):
        ClipText.load(tmp_path)


def test_a_text_encoder_without_its_projection_is_refused(folder: Path, tmp_path: Path) -> None:
    save_tokenizer(tmp_path)
    CLIPTextModel.from_pretrained(folder).save_pretrained(tmp_path)
    with pytest.raises(ValueError, match=r"lacks 1 weights .*, the first text_projection\.weight: give the folder"):
        ClipText.load(tmp_path)


def test_the_hub_is_asked_once_when_the_cache_has_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub

    asked = []

    def offline(name: str, file: str) -> str:
        asked.append((name, file))
        raise OSError("no route to the hub")

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", offline)
    with pytest.raises(FileNotFoundError, match=r"'some/model' is not here nor on the hub \(no route to the hub\)"):
        ClipText.load("some/model")
    assert asked == [("some/model", "config.json")]


def test_without_transformers_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "transformers.utils", None)
    with pytest.raises(ImportError, match=r"pip install 'alm-motion\[text\]'"):
        ClipText.load("some/model")


def test_sentences_want_no_text_encoder_until_there_is_a_prompt(tmp_path: Path) -> None:
    text = Sentences(str(tmp_path / "none"), CPU)
    assert torch.equal(embedding(text, " "), torch.zeros(512))
    assert torch.equal(text("").negative[0], torch.zeros(512))
    with pytest.raises(FileNotFoundError, match="there is no folder"):
        text("a man walks")


def test_sentences_load_the_text_encoder_once(folder: Path, clip: ClipText, monkeypatch: pytest.MonkeyPatch) -> None:
    loads: list[Any] = []
    load = ClipText.load
    monkeypatch.setattr(ClipText, "load", lambda *args, **more: loads.append(args) or load(*args, **more))
    monkeypatch.setattr(module, "WIDTH", WIDTH)
    for prompt in ("a man walks", "a man runs"):
        assert torch.equal(embedding(Sentences(str(folder), CPU), prompt), embedding(clip, prompt))
    assert len(loads) == 1


def test_embeddings_of_another_width_are_refused(tmp_path: Path) -> None:
    save_tokenizer(tmp_path)
    save_model(tmp_path, 8)
    with pytest.raises(
        ValueError, match=r"read embeddings 512 wide, those of .* are 8: give openai/clip-vit-base-patch32"
    ):
        Sentences(str(tmp_path), CPU)("a man walks")


def test_the_label_of_an_action_is_its_place_and_none_is_minus_one() -> None:
    text = ActionText(("jump", "run", "walk"))
    for prompt, label in (("jump", 0), (" walk ", 2), ("", -1), (" ", -1)):
        (positive,), (negative,) = text(prompt).positive, text(prompt).negative
        assert (positive.dtype, positive.shape, int(positive), int(negative)) == (torch.int64, (), label, -1)


def test_an_unknown_action_is_refused_with_those_that_are_known() -> None:
    with pytest.raises(ValueError, match="knows no action 'fly': it knows jump, run, walk, or leave it out"):
        ActionText(("jump", "run", "walk"))("fly")


def test_a_model_without_text_refuses_a_prompt() -> None:
    assert NoText()("") == NoText()(" ") == Condition()
    with pytest.raises(ValueError, match="takes no prompt, got 'walk': leave it out, or use a model"):
        NoText()("walk")
