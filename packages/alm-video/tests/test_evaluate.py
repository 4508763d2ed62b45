"""The networks that measure, the protocol of ALM's Table 9, and the verb, on films and networks that are made here."""

import argparse
import json
import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from alm_video.extractors import I3D, ClipSimilarity
from alm_video.film import Film
from alm_video.fit import fit
from alm_video.metrics import flicker, seam_contrast
from alm_video.protocol import clips_of, evaluate, films_of, read_prompts
from alm_video.statistics import frechet_of_features, kernel_distance
from alm_video.verbs import evaluate as verb
from PIL import Image
from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel, CLIPTokenizer


class Detector(torch.nn.Module):
    """In place of I3D: says what it is shown. Each flag that is not as it should be adds a thousand."""

    def forward(
        self, x: torch.Tensor, rescale: bool = True, resize: bool = True, return_features: bool = False
    ) -> torch.Tensor:
        wrong = 1000.0 * (int(rescale) + int(resize) + int(not return_features))
        sizes = torch.tensor([x.size(0), x.size(1), x.size(2), x.size(3), x.size(4)]).to(x).expand(x.size(0), 5)
        means = x.mean(dim=[3, 4])  # (n, 3, frames)
        ends = torch.stack([x[:, 0, 0, 0, 0], x[:, 0, 0, 0, 223], x[:, 0, 0, 223, 0]], 1)
        return torch.cat([sizes, means.amin([1, 2])[:, None], means[:, :, 0], means[:, 2, 1:3], ends], 1) + wrong


@pytest.fixture(scope="module")
def detector(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("i3d") / "i3d_torchscript.pt"
    torch.jit.script(Detector()).save(str(path))
    return path


def save_clip(folder: Path) -> None:
    """A tiny CLIP with a tokenizer over single letters."""
    letters = [chr(code) for code in range(33, 127)]
    tokens = [*letters, *(letter + "</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    CLIPTokenizer(vocab={token: index for index, token in enumerate(tokens)}, merges=[]).save_pretrained(folder)
    size = {"hidden_size": 16, "intermediate_size": 32, "num_attention_heads": 2, "num_hidden_layers": 2}
    ends = {"bos_token_id": 188, "eos_token_id": 189, "pad_token_id": 189}
    text = {**size, **ends, "vocab_size": 190, "max_position_embeddings": 20}
    vision = {**size, "image_size": 12, "patch_size": 4}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=24))
        for weights in model.parameters():
            torch.nn.init.normal_(weights, std=0.3)
    model.save_pretrained(folder)


@pytest.fixture(scope="module")
def clip_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clip")
    save_clip(folder)
    return folder


@pytest.fixture(scope="module")
def clip(clip_folder: Path) -> ClipSimilarity:
    return ClipSimilarity.load(clip_folder)


def noise(seed: int, *shape: int) -> Any:
    return np.random.default_rng(seed).integers(0, 256, (*shape, 3)).astype(np.uint8)


# I3D


def test_i3d_is_shown_whole_frames_of_224_pixels_from_minus_one_to_one(detector: Path) -> None:
    i3d = I3D.load(detector)
    clips = np.zeros((2, 12, 20, 30, 3), np.uint8)
    clips[1, ..., 0], clips[1, ..., 1] = 255, 51  # the second is red, with a little green
    clips[1, 1, ..., 2], clips[1, 2, ..., 2] = 255, 102  # and blue in two frames
    clips[0, 0, 0, 0, 0] = clips[0, 0, 0, -1, 0] = clips[0, 0, -1, 0, 0] = 255  # corners
    first, second = i3d(clips)
    for row in (first, second):
        assert row[:5].tolist() == [1, 3, 12, 224, 224]  # rows, channels, frames, height, width; no flag is wrong
    assert second[5:9] == pytest.approx([-1, 1, 51 / 127.5 - 1, -1])
    assert second[9:11] == pytest.approx([1, 102 / 127.5 - 1])
    assert second[11:].tolist() == [1, 1, 1]
    assert first[11:] == pytest.approx([1, 1, 1])  # nothing is cut off
    np.testing.assert_array_equal(i3d(clips[1:])[0], second)


def test_frames_are_enlarged_bilinearly(detector: Path) -> None:
    ramp = np.zeros((1, 10, 224, 448, 3), np.uint8)
    ramp[..., 0::2, :], ramp[..., 1::2, :] = 40, 200  # two columns make one, by their mean
    assert I3D.load(detector)(ramp)[0, 6] == pytest.approx(120 / 127.5 - 1)


@pytest.mark.parametrize("count", [9, 17])
def test_i3d_is_shown_10_to_16_frames(detector: Path, count: int) -> None:
    with pytest.raises(ValueError, match=f"10 to 16 frames, got {count}"):
        I3D.load(detector)(noise(0, 1, count, 4, 4))


def test_what_is_no_detector_is_refused(tmp_path: Path, detector: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"i3d_torchscript\.pt"):
        I3D.load(tmp_path / "none.pt")
    (tmp_path / "text.pt").write_text("no network")
    with pytest.raises(ValueError, match="no TorchScript"):
        I3D.load(tmp_path / "text.pt")
    with pytest.raises(ValueError, match="clips are uint8"):
        I3D.load(detector)(np.zeros((1, 12, 4, 4, 3), np.float32))


# CLIP


def test_the_similarity_is_the_mean_cosine(clip: ClipSimilarity, clip_folder: Path) -> None:
    frames = list(noise(1, 20, 18, 25))
    model, tokenizer = CLIPModel.from_pretrained(clip_folder), CLIPTokenizer.from_pretrained(clip_folder)
    shown = CLIPImageProcessor(size={"shortest_edge": 12}, crop_size={"height": 12, "width": 12})
    pixels = shown([Image.fromarray(frame) for frame in frames], return_tensors="pt")["pixel_values"]
    with torch.no_grad():
        found = model(pixel_values=pixels, **tokenizer("a cat", return_tensors="pt"))
    cosines = torch.cosine_similarity(found.image_embeds, found.text_embeds)
    assert clip(iter(frames), "a cat") == pytest.approx(float(cosines.mean()), abs=1e-5)
    assert float(cosines.std()) > 1e-3
    assert clip(frames[3:4], "a cat") == pytest.approx(float(cosines[3]), abs=1e-5)
    assert -1 <= clip(frames, "a cat") <= 1


def test_two_prompts_give_two_similarities(clip: ClipSimilarity) -> None:
    frames = noise(2, 3, 12, 12)
    assert abs(clip(frames, "a cat") - clip(frames, "a dog")) > 1e-3
    assert clip(frames, "a very long story " * 20) == pytest.approx(clip(frames, "a very long story " * 30), abs=1e-6)
    with pytest.raises(ValueError, match="empty prompt"):
        clip(frames, " ")
    with pytest.raises(ValueError, match="one frame"):
        clip([], "a cat")


def test_what_is_no_clip_is_refused(tmp_path: Path, clip_folder: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no CLIP model"):
        ClipSimilarity.load(tmp_path)
    for name in ("config.json", "model.safetensors"):
        (tmp_path / name).write_bytes((clip_folder / name).read_bytes())
    with pytest.raises(ValueError, match="knows no words"):
        ClipSimilarity.load(tmp_path)


# The protocol


def features(clips: Any) -> Any:
    """Two numbers of each clip."""
    assert clips.shape[1:] == (16, 6, 8, 3)
    return np.stack([clips.mean((1, 2, 3, 4)), clips[:, 0].std((1, 2, 3))], 1)


def films(seed: int, number: int, count: int) -> dict[str, Film]:
    return {f"{n}": Film.of((noise(seed + n, count, 6, 8) // (n + 1)).astype(np.uint8), 8) for n in range(number)}


def test_104_frames_are_12_clips() -> None:
    frames = np.arange(104)[:, None, None, None] * np.ones((1, 2, 2, 3), int)
    found = np.stack(list(clips_of(iter(frames), 16, 8)))
    assert found.shape == (12, 16, 2, 2, 3)
    assert found[:, 0, 0, 0, 0].tolist() == list(range(0, 96, 8))
    assert found[:, 15, 0, 0, 0].tolist() == list(range(15, 104, 8))
    assert len(list(clips_of(iter(frames[:16]), 16, 8))) == 1
    assert len(list(clips_of(iter(frames[:23]), 16, 8))) == 1


def test_the_protocol_is_of_all_clips_of_all_videos() -> None:
    made, true = films(0, 3, 104), films(50, 5, 16)
    told: list[tuple[int, int]] = []
    found = evaluate(made, true, i3d=features, resamplings=20, on_video=lambda *at: told.append(at))
    x = np.concatenate([features(film.frames(s, s + 16)[None]) for film in made.values() for s in range(0, 96, 8)])
    y = np.concatenate([features(film.frames()[None]) for film in true.values()])
    assert (len(x), len(y)) == (36, 5)
    assert found["fvd"]["value"] == pytest.approx(frechet_of_features(x, y))
    assert found["kvd"]["value"] == pytest.approx(kernel_distance(x, y))
    assert found["fvd"]["low"] < found["fvd"]["value"] < found["fvd"]["high"]
    assert found["protocol"]["clips"] == 36
    assert found["protocol"]["reference_clips"] == 5
    assert told == [(n, 8) for n in range(1, 9)]
    assert "clip_similarity" not in found
    again = evaluate(made, true, i3d=features, resamplings=20)
    assert again == found == json.loads(json.dumps(found))


def test_similarity_is_of_all_frames_and_each_videos_own_prompt() -> None:
    def similarity(frames: Iterator[Any], prompt: str) -> float:
        return len(list(frames)) / 100 + int(prompt)

    lengths = {"a": 20, "b": 30, "c": 45}
    made = {name: Film.of(noise(0, count, 6, 8), 8) for name, count in lengths.items()}
    told: list[tuple[int, int]] = []
    prompts = {"c": "3", "a": "1", "b": "2"}
    result = evaluate(made, films(0, 2, 5), clip=similarity, prompts=prompts, on_video=lambda *at: told.append(at))
    assert told == [(1, 3), (2, 3), (3, 3)]  # the references are not looked at
    found = result["clip_similarity"]
    values = [1.2, 2.3, 3.45]
    assert found["value"] == pytest.approx(np.mean(values))
    assert found["high"] - found["value"] == pytest.approx(1.96 * np.std(values, ddof=1) / math.sqrt(3))


def test_what_the_protocol_lacks_is_said_before_any_work() -> None:
    def fails(*_: Any) -> Any:
        raise AssertionError("work began")

    good, short = films(0, 2, 16), {"a": Film.of(noise(0, 16, 6, 8), 8), "b": Film.of(noise(0, 15, 6, 8), 8)}
    for videos, references, options, said in (
        (good, good, {}, "give I3D"),
        (good, {}, {"i3d": fails}, "got 2 and 0"),
        (films(0, 1, 16), good, {"i3d": fails}, "got 1 and 2"),
        (good, short, {"i3d": fails}, "b has 15 frames"),
        (good, {}, {"clip": fails, "prompts": {"0": "x"}}, "1 videos have none, the first 1"),
        (good, good, {"i3d": fails, "stride": 0}, "1 or more"),
    ):
        with pytest.raises(ValueError, match=said):
            evaluate(videos, references, **options)


def test_videos_of_a_folder_stand_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    for name in ("10.mp4", "2.MP4", "1.webm", "b2.gif", "notes.txt", ".hidden.mp4"):
        (tmp_path / name).touch()
    (tmp_path / "b11.frames").mkdir()
    film, read = Film.of(noise(0, 1, 2, 2), 8), []

    def reads(path: Path) -> Film:
        read.append(path.name)
        return film

    assert list(films_of(tmp_path, reads)) == ["1", "2", "10", "b2", "b11.frames"]
    assert read == ["1.webm", "2.MP4", "10.mp4", "b2.gif", "b11.frames"]
    (tmp_path / "10.mkv").touch()
    with pytest.raises(ValueError, match="two videos of the name 10"):
        films_of(tmp_path, lambda path: film)
    with pytest.raises(FileNotFoundError, match="holds no videos"):
        films_of(tmp_path / "none", lambda path: film)


def test_prompts_are_lines_or_named(tmp_path: Path) -> None:
    lines, named = tmp_path / "prompts.txt", tmp_path / "prompts.json"
    lines.write_text("a cat\n\n a dog \n")
    assert read_prompts(lines, ["1", "2"]) == {"1": "a cat", "2": "a dog"}
    with pytest.raises(ValueError, match="2 for 3 videos"):
        read_prompts(lines, ["1", "2", "3"])
    named.write_text('{"2.mp4": "a dog", "1": "a cat", "v1.5": "a cow"}')
    assert read_prompts(named, ["1", "2", "v1.5"]) == {"1": "a cat", "2": "a dog", "v1.5": "a cow"}
    with pytest.raises(ValueError, match="the first 7"):
        read_prompts(named, ["1", "7"])
    named.write_text("[1")
    with pytest.raises(ValueError, match="is no JSON"):
        read_prompts(named, ["1"])
    named.write_text('{"1": 2}')
    with pytest.raises(ValueError, match="an object of prompts"):
        read_prompts(named, ["1"])


# The verb


def flags_of(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    verb.add(parser)
    return parser.parse_args([*words, "--progress", "none"])


def run(capsys: pytest.CaptureFixture[str], *words: str) -> Any:
    verb.run(flags_of(*words, "--json"))
    return json.loads(capsys.readouterr().out)


@pytest.fixture
def shelf(monkeypatch: pytest.MonkeyPatch) -> dict[str, Film]:
    """Films by the names of files that are not there."""
    found: dict[str, Film] = {}
    monkeypatch.setattr(verb, "read_film", lambda path: found[Path(path).name])
    return found


def test_a_films_measures_are_those_of_the_library(shelf: dict[str, Film], capsys: pytest.CaptureFixture[str]) -> None:
    frames = noise(3, 40, 16, 20)
    made = frames.copy()
    made[3, 0, 0, 0] ^= 5
    shelf |= {"made.mp4": Film.of(made, 8), "clip.mp4": Film.of(frames[:10], 8), "true.mp4": Film.of(frames // 2, 8)}
    found = run(capsys, "made.mp4", "--reference", "clip.mp4", "--truth", "true.mp4", "--window", "5", "--stride", "12")
    assert found["frames"] == 40
    assert found["fps"] == 8
    assert found["seams"] == 3
    assert found["kept_frames"] == 10
    assert 1 <= found["kept_error"] <= 5
    assert found["flicker"] == pytest.approx(flicker(made), rel=1e-6)
    assert found["seam_contrast"] == pytest.approx(seam_contrast(made, [10, 22, 34]).step, rel=1e-6)
    assert found["seam_jolt"] == pytest.approx(seam_contrast(made, [10, 22, 34]).jolt, rel=1e-6)
    assert found["true"]["flicker"] == pytest.approx(flicker(frames // 2), rel=1e-6)
    assert found["true"]["drift"]["luma"]["final"] == pytest.approx(-50, abs=2)
    assert abs(found["drift"]["luma"]["final"]) < 3
    assert found["warp_error"] > 0.01
    other = run(capsys, "made.mp4", "--first", "7", "--window", "4")
    assert other["seam_contrast"] == pytest.approx(seam_contrast(made, [7, 15, 23, 31, 39]).step, rel=1e-6)
    assert "kept_error" not in other


def test_the_table_has_a_line_a_measure(shelf: dict[str, Film], capsys: pytest.CaptureFixture[str]) -> None:
    shelf |= {"made.mp4": Film.of(np.full((40, 16, 16, 3), 9, np.uint8), 8)}
    shelf["true.mp4"] = shelf["made.mp4"]
    verb.run(flags_of("made.mp4", "--truth", "true.mp4"))
    lines = capsys.readouterr().out.splitlines()
    flat = "largest 0  final 0  change 0  slope 0  error -"
    at = lines.index(f"drift luma          {flat}")
    assert lines[at + 1] == f"  true              {flat}"
    assert "drift contrast      largest -  final -  change -  slope -  error -" in lines
    assert lines[-2:] == ["warp_compared       1", "  true              1"]
    assert run(capsys, "made.mp4")["drift"]["contrast"]["slope"] is None


def test_films_that_do_not_fit_are_refused(shelf: dict[str, Film]) -> None:
    shelf["made"] = Film.of(noise(0, 40, 16, 20), 8)
    shelf["short"] = Film.of(noise(0, 39, 16, 20), 8)
    for words, said in (
        ([], "give one film, or --videos"),
        (["made", "--truth", "short"], "40 and 39"),
        (["made", "--first", "0"], "1 or more"),
        (["--videos", "here", "--i3d", "file"], "--i3d and --references"),
    ):
        with pytest.raises(ValueError, match=said):
            verb.run(flags_of(*words))


def test_a_film_made_at_another_height_is_compared_with_its_clip_as_fitted(
    shelf: dict[str, Film], capsys: pytest.CaptureFixture[str]
) -> None:
    large = Film.of(noise(0, 12, 32, 40), 8)
    small = fit(large, height=16)
    shelf |= {"large": large, "made": Film.of(np.concatenate([small.frames(), noise(1, 8, 16, 20)]), 8)}
    verb.run(flags_of("made", "--reference", "large", "--json"))
    assert json.loads(capsys.readouterr().out)["kept_error"] == 0


def test_without_opencv_the_other_measures_are_told(
    shelf: dict[str, Film], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def without(_: Any) -> Any:
        raise ImportError("cv2 is missing: pip install 'alm-video[metrics]'")

    monkeypatch.setattr(verb, "warp_error", without)
    shelf["made"] = Film.of(noise(0, 40, 16, 20), 8)
    verb.run(flags_of("made", "--json"))
    said = capsys.readouterr()
    assert json.loads(said.out)["warp_error"] is None
    assert json.loads(said.out)["flicker"] > 0
    assert "alm-video[metrics]" in said.err


def test_every_frame_is_told(shelf: dict[str, Film], monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[tuple[int, int]] = []

    @contextmanager
    def listening(kind: str) -> Iterator[Any]:
        assert kind == "none"
        yield lambda *at: told.append(at)

    monkeypatch.setattr(verb, "progress", listening)
    shelf |= {"made": Film.of(noise(0, 40, 16, 20), 8), "true": Film.of(noise(1, 40, 16, 20), 8)}
    verb.run(flags_of("made", "--truth", "true"))
    assert told == [(n, 320) for n in range(1, 321)]


def test_the_protocol_from_files(
    tmp_path: Path,
    shelf: dict[str, Film],
    capsys: pytest.CaptureFixture[str],
    detector: Path,
    clip_folder: Path,
    clip: ClipSimilarity,
) -> None:
    for side, number, count in (("made", 3, 28), ("true", 4, 12)):
        (tmp_path / side).mkdir()
        for n in range(number):
            (tmp_path / side / f"{side}{n}.mp4").touch()
            shelf[f"{side}{n}.mp4"] = Film.of(noise(n, count, 6, 8), 8)
    (tmp_path / "prompts.txt").write_text("a cat\na dog\na cow\n")
    words = ["--videos", f"{tmp_path / 'made'}", "--window", "12", "--stride", "7", "--resamplings", "3"]
    fvd = ["--references", f"{tmp_path / 'true'}", "--i3d", f"{detector}"]
    similarity = ["--clip", f"{clip_folder}", "--prompts", f"{tmp_path / 'prompts.txt'}"]
    with pytest.warns(RuntimeWarning, match="4 rows in 14 dimensions"):
        found = run(capsys, *words, *fvd, *similarity)
    assert found["protocol"]["clips"] == 9
    assert found["protocol"]["reference_clips"] == 4
    assert found["fvd"]["value"] > 0
    prompts = ("a cat", "a dog", "a cow")
    wanted = np.mean([clip(shelf[f"made{n}.mp4"].frames(), prompt) for n, prompt in enumerate(prompts)])
    assert found["clip_similarity"]["value"] == pytest.approx(wanted, rel=1e-5)
    assert run(capsys, *words, *similarity)["clip_similarity"] == found["clip_similarity"]
