"""What the tables of inpainting share: pairs, what is not pasted and what is, and models that do not fit."""

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from alm_core import ALM, SyncSDE
from alm_image import inpaint
from PIL import Image

from benchmarks.tables import alm_01, inpainting, pairs
from benchmarks.tables.common import run
from benchmarks.tables.store import Store


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Six pictures of one colour each, 20 wide and 10 high, in two folders; the middle square is darker."""
    for number in range(6):
        values = np.full((10, 20, 3), 40 * number + 20, np.uint8)
        values[:, 5:15] -= 10
        folder = tmp_path / "data" / "afhq" / ("val/cat" if number % 2 else "train/dog")
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(values).save(folder / f"{number}.png")
    return tmp_path / "data"


def flags(data: Path, **changes: Any) -> argparse.Namespace:
    told = {"data": data, "masks": None, "captions": None, "captioner": None, "seed": 3, "limit": 4}
    return argparse.Namespace(**{**told, **changes})


def test_pairs_are_drawn_by_the_seed_and_a_limit_takes_the_first_of_them(data: Path) -> None:
    found = pairs.pairs_of(flags(data), "AFHQ")
    assert len({pair.picture for pair in found}) == 4
    assert pairs.pairs_of(flags(data, limit=2), "AFHQ") == found[:2]
    assert pairs.pairs_of(flags(data, seed=4), "AFHQ") != found
    assert len(pairs.pairs_of(flags(data, limit=9), "AFHQ")) == 6
    with pytest.raises(FileNotFoundError, match="celeba-hq holds no pictures"):
        pairs.pairs_of(flags(data), "CelebA-HQ")


def test_masks_of_a_folder_choose_the_pictures(data: Path, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no pictures that have masks in"):
        pairs.pairs_of(flags(data, masks=tmp_path / "masks"), "AFHQ")
    (tmp_path / "masks/afhq/val/cat").mkdir(parents=True)
    mask = tmp_path / "masks/afhq/val/cat/3.webp"
    hole = np.zeros((10, 20), np.uint8)
    hole[2:6, 7:10] = 255
    Image.fromarray(hole).save(mask, lossless=True)
    told = flags(data, masks=tmp_path / "masks")
    (pair,) = pairs.pairs_of(told, "AFHQ")
    assert pair == pairs.Pair(0, data / "afhq/val/cat/3.png", mask, "")
    truth, made, prompt = pairs.prepared(Store(tmp_path / "kept", "kept"), told, pair, 20)
    assert np.abs(np.asarray(Image.open(truth), float) - 130).max() <= 2  # the middle square alone: around it is 140
    assert prompt == ""
    wanted = np.kron(hole[:, 5:15], np.ones((2, 2), np.uint8))
    assert np.array_equal(np.asarray(Image.open(made)), wanted)


def test_tiny_pictures_that_have_masks_are_as_many_as_its_limit(tmp_path: Path) -> None:
    told = flags(**{**pairs.tiny_inpainting(tmp_path, {}, masked=True), "limit": 9})
    for group in pairs.FACES:
        found = pairs.pairs_of(told, group)
        assert len(found) == inpainting.SMALL["limit"]
        assert all(pair.mask and pair.mask.stem == pair.picture.stem for pair in found)


def test_captions_are_by_the_pictures_paths_and_none_may_be_missing(data: Path, tmp_path: Path) -> None:
    names = [path.relative_to(data).as_posix() for path in sorted(data.rglob("*.png"))]
    file = tmp_path / "captions.json"
    file.write_text(json.dumps({name: f"this is {name}" for name in names}), encoding="utf-8")
    for pair in pairs.pairs_of(flags(data, captions=file), "AFHQ"):
        assert pair.prompt == f"this is {pair.picture.relative_to(data).as_posix()}"
    file.write_text(json.dumps({names[0]: "alone"}), encoding="utf-8")
    with pytest.raises(ValueError, match="has no caption for afhq/"):
        pairs.pairs_of(flags(data, captions=file), "AFHQ")


def test_drawn_masks_are_alike_at_every_size_and_leave_half_or_more(data: Path, tmp_path: Path) -> None:
    shares = [np.asarray(pairs.drawn(3, number)).mean() / 255 for number in range(6)]
    assert min(shares) > 0.19
    assert max(shares) < 0.51
    pair = pairs.pairs_of(flags(data), "AFHQ")[1]
    small, large = (
        np.asarray(Image.open(pairs.prepared(Store(tmp_path / str(size), "kept"), flags(data), pair, size)[1]))
        for size in (128, 256)
    )
    assert np.mean(np.kron(small, np.ones((2, 2))) != large) < 0.02


def test_raw_rows_show_the_given_part_as_the_model_made_it() -> None:
    random = np.random.default_rng(0)
    image = Image.fromarray(random.integers(0, 255, (32, 32, 3), np.uint8))
    hole = np.zeros((32, 32), np.uint8)
    hole[8:20, 8:20] = 255
    raw = inpaint(image, Image.fromarray(hole), method=SyncSDE(), steps=2, blend=inpainting.Raw()).images[0]
    pasted = inpaint(image, Image.fromarray(hole), method=SyncSDE(), steps=2).images[0]
    given = hole == 0
    assert np.array_equal(np.asarray(pasted)[given], np.asarray(image)[given])
    assert not np.array_equal(np.asarray(raw)[given], np.asarray(image)[given])


def test_pasting_is_brushnets(tmp_path: Path) -> None:
    cv2 = pytest.importorskip("cv2")
    random = np.random.default_rng(1)
    source, made = (random.integers(0, 255, (512, 512, 3), np.uint8) for _ in range(2))
    mask = np.zeros((512, 512), np.uint8)
    mask[100:300, 150:420] = 255
    files = [tmp_path / f"{name}.png" for name in ("truth", "made", "mask", "out")]
    for file, values in zip(files, (source, made, mask), strict=False):
        Image.fromarray(values).save(file)
    inpainting.paste(*files)
    # examples/brushnet/test_brushnet.py: the mask's blur by 21 pixels, and where it is white, 1.
    weight = 1 - (1 - mask / 255) * (1 - cv2.GaussianBlur(mask.astype(float), (21, 21), 0) / 255)
    wanted = source * (1 - weight[..., None]) + made * weight[..., None]
    assert np.abs(np.asarray(Image.open(files[3])) - wanted).max() < 1


def test_a_pasted_row_is_of_the_pictures_of_the_raw_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    made: list[object] = []

    def fake(flags: argparse.Namespace, folder: Path) -> Any:
        def complete(image: Any, mask: Any, prompt: str, seed: int, row: inpainting.Row) -> Image.Image:
            made.append((row.way, prompt, seed))
            return Image.new("RGB", image.size, (200, 30, 60))

        return 176, complete

    monkeypatch.setattr(inpainting, "_completing", fake)
    words = ["--rows", "ALM (Ours)", "ALM* (Ours)", "--groups", "AFHQ", "--seed", "5", "--limit", "2"]
    assert run(alm_01.TABLE, ["--tiny", "--out", str(tmp_path / "out.json"), *words]) == 0
    assert [(way, seed) for way, _, seed in made] == [(ALM(), 5), (ALM(), 6)]
    assert all(prompt.startswith("a AFHQ ") for _, prompt, _ in made)
    rows = json.loads((tmp_path / "out.json").read_text())["rows"]
    raw, pasted = (
        {name: cell["measured"] for name, cell in each["cells"].items()}
        for each in rows
        if each["status"] == "measured"
    )
    assert pasted["MSE ↓"]["value"] < raw["MSE ↓"]["value"]
    assert pasted["LPIPS ↓"]["value"] < raw["LPIPS ↓"]["value"]


def test_folders_of_other_models_are_refused_before_any_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    tiny = alm_01.TABLE.tiny

    def swapped(folder: Path) -> dict[str, object]:
        found = dict(tiny(folder))
        return {**found, "sdi": found["weights"]}

    monkeypatch.setitem(alm_01.TABLE.__dict__, "tiny", swapped)
    assert run(alm_01.TABLE, ["--tiny", "--out", str(tmp_path / "out.json")]) == 2
    assert "--sdi is a model that was trained to inpaint, of 9 input channels" in capsys.readouterr().err
