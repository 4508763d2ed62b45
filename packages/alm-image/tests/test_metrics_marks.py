"""What looks at a picture by itself or with a prompt: CLIP, the aesthetic predictor, Q-Align."""

import json
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from alm_image.metrics import Aesthetic, Clip, ClipScale, QAlign
from metric_pictures import save_clip, seeded, smooth
from PIL import Image
from torch import Tensor

# CLIP


@pytest.fixture(scope="module")
def clip_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clip")
    save_clip(folder)
    return folder


@pytest.fixture(scope="module")
def clip(clip_folder: Path) -> Clip:
    return Clip.load(clip_folder)


def test_cosines_are_those_of_transformers(clip: Clip) -> None:
    from transformers import CLIPImageProcessor

    pixels = smooth(2, (18, 30), seed=6)
    prompts = ["a red door", "b"]
    levels = [((each + 1) * 127.5).round().to(torch.uint8).permute(1, 2, 0).numpy() for each in pixels]
    processor = CLIPImageProcessor(size={"shortest_edge": 12}, crop_size={"height": 12, "width": 12})
    shown = processor([Image.fromarray(each) for each in levels], return_tensors="pt")["pixel_values"]
    expected = []
    for number, prompt in enumerate(prompts):
        tokens = clip.tokenizer(prompt, return_tensors="pt")
        with torch.no_grad():
            out = clip.model(**tokens, pixel_values=shown[number : number + 1])
        expected.append(float(out.logits_per_image / clip.model.logit_scale.exp()))
    found = clip.cosines(pixels, prompts)
    assert found.tolist() == pytest.approx(expected, abs=1e-5)
    assert abs(float(found[0] - found[1])) > 0.02
    assert float(clip.cosines(pixels[:1], ["b"])) != pytest.approx(expected[0], abs=1e-3)


def test_a_prompt_that_comes_again_is_read_once(clip: Clip, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[int] = []
    own = clip.model.text_model.forward
    monkeypatch.setattr(clip.model.text_model, "forward", lambda **told: read.append(1) or own(**told))
    pixels = smooth(3, (18, 30), seed=6)
    likeness = clip.likeness(["b", "a red door", "b"])
    found = torch.cat([likeness(pixels[:2], ["a red door", "b"]), likeness(pixels[2:], ["b"])])
    assert len(read) == 2
    expected = torch.cat([clip.cosines(pixels[n : n + 1], [told]) for n, told in enumerate(["a red door", "b", "b"])])
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=0)


def test_clip_is_of_float32_whatever_its_files_hold(clip: Clip, clip_folder: Path, tmp_path: Path) -> None:
    from transformers import CLIPModel

    CLIPModel.from_pretrained(clip_folder).half().save_pretrained(tmp_path)
    clip.tokenizer.save_pretrained(tmp_path)
    found = Clip.load(tmp_path)
    assert found.model.dtype == torch.float32
    pixels = smooth(1, (18, 30), seed=6)
    torch.testing.assert_close(found.cosines(pixels, ["b"]), clip.cosines(pixels, ["b"]), atol=2e-2, rtol=0)


def test_clip_sees_the_middle_square(clip: Clip) -> None:
    pixels = smooth(1, (24, 72), seed=7)
    other = pixels.clone()
    other[..., :20], other[..., 52:] = 0.9, -0.9  # beyond what the resampling of the middle 24 reaches
    torch.testing.assert_close(clip.pictures(other), clip.pictures(pixels))
    other[..., 30:42] = 0.9
    assert float((clip.pictures(other) - clip.pictures(pixels)).abs().max()) > 1e-3


def test_scales_are_cosines_and_their_positive_part_times_a_weight() -> None:
    cosines = torch.tensor([-0.2, 0.3])
    assert ClipScale.COSINE.of(cosines).tolist() == pytest.approx([-0.2, 0.3])
    assert ClipScale.HESSEL.of(cosines).tolist() == pytest.approx([0, 0.75])
    assert ClipScale("percent").of(cosines).tolist() == pytest.approx([0, 30])


def test_what_is_no_clip_or_no_prompt_is_refused(clip: Clip, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="holds no CLIP model"):
        Clip.load(tmp_path)
    with pytest.raises(ValueError, match="an empty prompt"):
        clip.texts(["a", " "])
    with pytest.raises(ValueError, match="got 1 for 2"):
        clip.cosines(smooth(2, (12, 12), seed=0), ["a"])


# Marks


def save_head(path: Path, inside: int) -> dict[str, Tensor]:
    widths = (inside, 1024, 128, 64, 16, 1)
    shapes: dict[str, tuple[int, ...]] = {}
    for number, before, after in zip((0, 2, 4, 6, 7), widths, widths[1:], strict=False):
        shapes |= {f"layers.{number}.weight": (after, before), f"layers.{number}.bias": (after,)}
    weights = seeded(shapes, 8)
    torch.save(weights, path)
    return weights


def test_the_aesthetic_mark_is_a_product_of_matrices(clip: Clip, tmp_path: Path) -> None:
    weights = {name: value.double().numpy() for name, value in save_head(tmp_path / "head.pth", 24).items()}
    pixels = smooth(2, (20, 16), seed=9)
    x = clip.pictures(pixels).double().numpy()
    assert np.linalg.norm(x, axis=1) == pytest.approx([1, 1])
    for number in (0, 2, 4, 6, 7):
        x = x @ weights[f"layers.{number}.weight"].T + weights[f"layers.{number}.bias"]
    assert Aesthetic.load(tmp_path / "head.pth", clip)(pixels).tolist() == pytest.approx(x[:, 0].tolist(), rel=1e-4)


def test_the_aesthetic_predictor_wants_its_clip_and_its_file(clip: Clip, tmp_path: Path) -> None:
    save_head(tmp_path / "large.pth", 768)
    with pytest.raises(ValueError, match="marks CLIP embeddings of 768, this CLIP has 24: give the folder of ViT-L/14"):
        Aesthetic.load(tmp_path / "large.pth", clip)
    torch.save({"layers.0.weight": torch.zeros(7, 24)}, tmp_path / "other.pth")
    with pytest.raises(ValueError, match=r"is not sac\+logos.*\(1024, 24\) is wanted, got \(7, 24\)"):
        Aesthetic.load(tmp_path / "other.pth", clip)


@pytest.fixture
def one_align(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Q-Align's place in the hub's cache, and in place of pyiqa what marks a picture by its red at the corner."""

    def mark(picture: Tensor) -> Tensor:
        assert picture.shape == (1, 3, 8, 8)
        return 1 + 4 * picture[0, 0, 0, 0]

    def create_metric(name: str, device: Any) -> Any:
        assert (name, str(device)) == ("qalign", "cpu")
        return mark

    monkeypatch.setitem(sys.modules, "pyiqa", types.SimpleNamespace(create_metric=create_metric))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    return tmp_path / "models--q-future--one-align"


def test_q_align_marks_pictures_one_by_one(one_align: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"q-future/one-align whole in the hub's cache.*there is none"):
        QAlign.load()
    snapshot = one_align / "snapshots" / "abc"
    snapshot.mkdir(parents=True)
    (one_align / "refs").mkdir()
    (one_align / "refs" / "main").write_text("abc")
    (snapshot / "config.json").write_text("{}")
    with pytest.raises(FileNotFoundError, match="its weights is missing"):
        QAlign.load()
    (snapshot / "pytorch_model.bin.index.json").write_text(json.dumps({"weight_map": {"a": "1.bin", "b": "2.bin"}}))
    (snapshot / "1.bin").touch()
    with pytest.raises(FileNotFoundError, match=r"2\.bin is missing"):
        QAlign.load()
    (snapshot / "2.bin").touch()
    pixels = torch.zeros(2, 3, 8, 8)
    pixels[1, 0] = 1
    assert QAlign.load()(pixels).tolist() == pytest.approx([1 + 4 * 128 / 255, 5])


def test_q_align_names_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyiqa", None)
    with pytest.raises(ImportError, match=r"pyiqa.*'alm-image\[q-align\]'"):
        QAlign.load()
