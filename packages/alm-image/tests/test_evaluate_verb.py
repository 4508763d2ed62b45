"""`alm-image evaluate`, on pictures and networks that are made here."""

import argparse
import json
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import torch
from alm_image import io
from alm_image.evaluation import evaluate_pairs, features_of, pictures_of
from alm_image.metrics import LPIPS, Inception
from alm_image.metrics.lpips import NETS, shapes
from alm_image.statistics import frechet_of_features
from alm_image.verbs import evaluate as verb
from metric_pictures import colours, save_clip, save_pairs, save_set, seeded
from torch import Tensor


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path, Path]:
    return save_pairs(tmp_path)


@pytest.fixture
def wide(tmp_path: Path) -> tuple[Path, Path]:
    return save_set(tmp_path)


def run(*arguments: object) -> None:
    parser = argparse.ArgumentParser()
    verb.add(parser)
    verb.run(parser.parse_args([str(each) for each in arguments]))


@pytest.fixture
def lpips_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """LPIPS's files, and nothing in torch's cache."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setattr("alm_image.metrics.lpips.package_folder", lambda package, under: None)
    weights = seeded(shapes(NETS["alex"]), 3)
    folder = tmp_path / "lpips"
    folder.mkdir()
    for file, first in ((NETS["alex"].file, "f"), (NETS["alex"].heads, "l")):
        torch.save({name: value for name, value in weights.items() if name[0] == first}, folder / file)
    return folder


def test_the_verb_measures_pairs(
    folders: tuple[Path, ...], lpips_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made, truth, masks = folders
    run(made, "--truth", truth, "--mask", masks, "--lpips-weights", lpips_folder, "--json", "--seed", 3)
    found = json.loads(capsys.readouterr().out)
    expected = evaluate_pairs(
        *(pictures_of(each) for each in (made, truth)),
        masks=pictures_of(masks),
        lpips=LPIPS.load(folder=lpips_folder),
        seed=3,
    )
    assert found["protocol"] == expected["protocol"]
    assert found["protocol"]["lpips_net"] == "alex"
    assert list(found["left_out"]) == ["ms_ssim"]
    for name in ("lpips", "bg_lpips", "mse", "masked_ssim", "fsim"):
        assert found[name] == pytest.approx(expected[name], rel=1e-5)


def test_networks_are_left_out_only_where_they_are_not_asked_for(
    folders: tuple[Path, ...], lpips_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made, truth, _ = folders
    run(made, "--truth", truth)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("mse          0.")
    assert [line.split()[0] for line in lines[:4]] == ["mse", "ssim", "fsim", "fsimc"]
    assert any(line.startswith("left out: lpips: LPIPS (alex) wants the file alexnet-owt") for line in lines)
    for flags in (["--metric", "lpips"], ["--lpips-weights", made]):
        with pytest.raises(FileNotFoundError, match="wants the file alexnet-owt-7be5be79"):
            run(made, "--truth", truth, *flags)
    run(made, "--truth", truth, "--metric", "mse", "--json")
    assert list(json.loads(capsys.readouterr().out)) == ["mse", "protocol"]


def fake_inception(path: object = None, *, device: str = "cpu") -> Callable[[Tensor], Tensor]:
    """2048 features, of which all but six are 0."""
    return lambda pixels: torch.nn.functional.pad(colours(pixels), (0, 2042))


def test_the_verb_measures_sets(
    wide: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Inception, "load", fake_inception)
    made, references = wide
    save_clip(tmp_path / "clip")
    widths = (24, 1024, 128, 64, 16, 1)
    shapes: dict[str, tuple[int, ...]] = {}
    for number, before, after in zip((0, 2, 4, 6, 7), widths, widths[1:], strict=False):
        shapes |= {f"layers.{number}.weight": (after, before), f"layers.{number}.bias": (after,)}
    torch.save(seeded(shapes, 1), tmp_path / "head.pth")
    (tmp_path / "prompts.txt").write_text("a red door")
    common = [made, "--crop", 12, "--seed", 2, "--resamplings", 5, "--json"]
    marks = ["--prompts", tmp_path / "prompts.txt", "--clip", tmp_path / "clip", "--aesthetic", tmp_path / "head.pth"]
    keep = tmp_path / "references.npy"
    run(*common, "--reference", references, "--keep", keep, *marks)
    found = json.loads(capsys.readouterr().out)
    assert list(found) == ["fid", "kid", "notes", "clip_score", "aesthetic", "protocol"]
    x = features_of(pictures_of(made), colours, crop=12, seed=2)
    y = features_of(pictures_of(references), colours)
    assert np.load(keep)[:, :6] == pytest.approx(y)
    assert found["fid"]["value"] == pytest.approx(frechet_of_features(x, y), rel=1e-4)
    assert -1 <= found["clip_score"]["low"] <= found["clip_score"]["value"] <= 1
    run(*common, "--reference", keep, "--metric", "kid")
    again = json.loads(capsys.readouterr().out)
    assert list(again) == ["kid", "protocol"]
    assert again["kid"] == found["kid"]


def test_kept_features_are_written_whole_and_replace_a_file_only_where_that_is_allowed(
    wide: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    made, references = wide
    keep = tmp_path / "kept" / "f.npy"
    keep.parent.mkdir()
    keep.write_bytes(b"precious")
    words = [made, "--reference", references, "--crop", 12, "--metric", "kid", "--keep", keep]

    def never(*told: object, **more: object) -> None:
        raise AssertionError("work began")

    with monkeypatch.context() as patch:
        patch.setattr(Inception, "load", never)
        with pytest.raises(FileExistsError, match=r"f\.npy exists: choose another name, or allow it with --overwrite"):
            run(*words)
    monkeypatch.setattr(Inception, "load", fake_inception)
    with monkeypatch.context() as patch:

        def full(file: BytesIO, rows: object) -> None:
            file.write(b"half")
            raise OSError(28, "No space left on device")

        patch.setattr(np, "save", full)
        with pytest.raises(OSError, match="No space left"):
            run(*words, "--overwrite")
        patch.undo()
        patch.setattr(io.os, "replace", lambda *paths: (_ for _ in ()).throw(OSError(13, "Permission denied")))
        patch.setattr(Inception, "load", fake_inception)
        with pytest.raises(io.WriteError, match="Permission denied"):
            run(*words, "--overwrite")
    assert [(path.name, path.read_bytes()) for path in keep.parent.iterdir()] == [("f.npy", b"precious")]
    run(*words, "--overwrite")
    assert np.load(keep).shape == (9, 2048)
    assert [path.name for path in keep.parent.iterdir()] == ["f.npy"]


def test_keeping_what_is_not_worked_out_is_refused(wide: tuple[Path, Path], tmp_path: Path) -> None:
    made, references = wide
    features, keep = tmp_path / "features.npy", tmp_path / "f.npy"
    np.save(features, np.zeros((4, 2048)))
    with pytest.raises(ValueError, match=r"features\.npy holds features: leave --keep out"):
        run(made, "--reference", features, "--keep", keep)
    with pytest.raises(ValueError, match="FID and KID compare, and neither is asked for"):
        run(made, "--reference", references, "--truth", made, "--metric", "mse", "--keep", keep)
    assert not keep.exists()


def test_flags_that_do_not_go_together_are_refused(wide: tuple[Path, Path], tmp_path: Path) -> None:
    made, references = wide
    for match, flags in (
        ("there is nothing to compare with", []),
        ("fid wants --reference", ["--metric", "fid"]),
        ("mse wants --truth", ["--metric", "mse", "--reference", references]),
        ("--prompts wants --clip", ["--prompts", made]),
        ("--mask wants --truth", ["--mask", made, "--reference", references]),
        ("--aesthetic wants CLIP ViT-L/14", ["--aesthetic", made]),
        ("--resamplings is 2 or more", ["--reference", references, "--resamplings", 1]),
        ("--crop is of pictures measured as a set", ["--truth", made, "--crop", 0]),
        ("--crop is of pictures", ["--truth", made, "--reference", references, "--metric", "mse", "--crop", 12]),
        ("the crop is 1 pixel or more", ["--reference", references, "--crop", 0]),
        ("--keep writes a .npy file", ["--reference", references, "--keep", tmp_path / "f.txt"]),
        ("unknown device 'gpu'", ["--reference", references, "--device", "gpu"]),
        ("a square of 30 is to be cut out", ["--reference", references, "--crop", 30]),
    ):
        with pytest.raises(ValueError, match=match):
            run(made, *flags)


def test_files_that_cannot_be_read_are_refused_in_words_of_our_own(wide: tuple[Path, Path], tmp_path: Path) -> None:
    made, references = wide
    for name in ("x.npy", "x.pth"):
        (tmp_path / name).write_bytes(b"nonsense")
    for kind, match, flags in (
        (ValueError, r"x\.npy is no \.npy file, or is cut short: give the one", ["--reference", tmp_path / "x.npy"]),
        (FileNotFoundError, r"there is no .*none\.npy: give the file", ["--reference", tmp_path / "none.npy"]),
        (
            ValueError,
            r"x\.pth is no file of FID's and KID's Inception: it is not torch's, cut short, or has code in it$",
            ["--reference", references, "--inception", tmp_path / "x.pth"],
        ),
        (
            FileNotFoundError,
            "there is no folder .*nope: give that of alexnet",
            ["--truth", made, "--lpips-weights", tmp_path / "nope"],
        ),
    ):
        with pytest.raises(kind, match=match):
            run(made, *flags)


def test_one_picture_is_measured_beside_another_whatever_they_are_called(
    folders: tuple[Path, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    made, truth, masks = folders
    run(made / "3.png", "--truth", truth / "2.webp", "--mask", masks / "1.png", "--metric", "masked_mse", "--json")
    found = json.loads(capsys.readouterr().out)
    pictures = ({"p": made / "3.png"}, {"p": truth / "2.webp"})
    expected = evaluate_pairs(*pictures, masks={"p": masks / "1.png"}, metrics=["masked_mse"])
    assert found["masked_mse"] == {
        "value": pytest.approx(expected["masked_mse"]["value"], rel=1e-6),
        "low": None,
        "high": None,
    }
    run(made / "3.png", "--truth", truth / "2.webp", "--metric", "mse")
    assert len(capsys.readouterr().out.split()) == 2  # no interval of one
