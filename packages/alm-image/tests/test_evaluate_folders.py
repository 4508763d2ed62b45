"""Folders of pictures: their names, sizes, batches, crops and prompts."""

import json
from pathlib import Path

import pytest
import torch
from alm_image.evaluation import pictures_of, read_prompts
from alm_image.evaluation.folders import batches, size_of
from metric_pictures import save_pictures, smooth
from PIL import Image


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Four pictures of one size, then one of another."""
    folder = save_pictures(tmp_path / "made", smooth(4, (40, 36), 0), ["1", "2", "3", "10"])
    return save_pictures(folder, smooth(1, (33, 48), 1), ["x"])


def test_pictures_are_found_by_name_2_before_10(pictures: Path) -> None:
    (pictures / "notes.txt").touch()
    (pictures / ".hidden.png").touch()
    assert list(pictures_of(pictures)) == ["1", "2", "3", "10", "x"]
    assert list(pictures_of(pictures / "3.png")) == ["3"]
    (pictures / "3.jpg").touch()
    with pytest.raises(ValueError, match="two pictures of the name 3"):
        pictures_of(pictures)
    with pytest.raises(FileNotFoundError, match=r"there is no folder .*none: give one of pictures"):
        pictures_of(pictures / "none")
    (pictures / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match="empty holds no pictures"):
        pictures_of(pictures / "empty")


def test_sizes_are_those_that_are_seen(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (30, 20)).save(tmp_path / "turned.jpg", exif=exif)
    assert size_of(tmp_path / "turned.jpg") == (30, 20)
    assert [tuple(whole.shape[2:]) for _, whole, _ in batches([tmp_path / "turned.jpg"], 1)] == [(30, 20)]
    (tmp_path / "text.png").write_text("no picture")
    with pytest.raises(ValueError, match=r"text.png cannot be read"):
        size_of(tmp_path / "text.png")


def test_batches_hold_pictures_of_one_size_in_order(pictures: Path) -> None:
    found = list(batches(list(pictures_of(pictures).values()), 3))
    assert [numbers for numbers, _, _ in found] == [[0, 1, 2], [3], [4]]
    assert [tuple(whole.shape) for _, whole, _ in found] == [(3, 3, 40, 36), (1, 3, 40, 36), (1, 3, 33, 48)]
    assert found[0][1] is found[0][2]


def test_a_crop_goes_by_the_seed_and_the_number_and_reaches_everywhere(tmp_path: Path) -> None:
    position = torch.linspace(-1, 1, 50).expand(1, 3, 8, 50)
    paths = [save_pictures(tmp_path, position, [str(k)]) / f"{k}.png" for k in range(60)]
    found = torch.cat([cropped for _, _, cropped in batches(paths, 7, (8, 3))])
    assert found.shape == (60, 3, 8, 8)
    starts = found[:, 0, 0, 0]
    assert len(starts.unique()) > 20
    assert float(starts.min()) < -0.8
    assert float(starts.max()) > 0.6
    alone = torch.cat([cropped for _, _, cropped in batches(paths[:20], 1, (8, 3))])
    torch.testing.assert_close(alone, found[:20], atol=0, rtol=0)
    assert not torch.equal(torch.cat([cropped for _, _, cropped in batches(paths, 7, (8, 4))]), found)


def test_prompts_are_lines_one_for_all_or_named(tmp_path: Path) -> None:
    text, named = tmp_path / "prompts.txt", tmp_path / "prompts.json"
    text.write_text("a dog\n\n a cat \n", encoding="utf-8-sig")
    assert read_prompts(text, ["p", "q"]) == {"p": "a dog", "q": "a cat"}
    with pytest.raises(ValueError, match="2 for 3 pictures"):
        read_prompts(text, ["p", "q", "r"])
    text.write_text("a dog")
    assert read_prompts(text, ["p", "q"]) == {"p": "a dog", "q": "a dog"}
    named.write_text(json.dumps({"q.png": "a cat", "p": "a dog", "z": "more"}))
    assert read_prompts(named, ["p", "q"]) == {"p": "a dog", "q": "a cat"}
    with pytest.raises(ValueError, match="no prompt for 1 of the pictures, the first r"):
        read_prompts(named, ["p", "r"])
    named.write_text("[1]")
    with pytest.raises(ValueError, match="must be an object of prompts"):
        read_prompts(named, ["p"])
