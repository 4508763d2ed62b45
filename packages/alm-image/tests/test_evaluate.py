"""The two protocols, on pictures and networks that are made here."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from alm_image.evaluation import (
    evaluate_pairs,
    evaluate_set,
    features_of,
    pictures_of,
    score_pairs,
    sets,
)
from alm_image.evaluation.folders import batches
from alm_image.metrics import ClipScale, fsim, masked_ssim, mse
from alm_image.statistics import frechet_of_features, kernel_distance, mean_interval
from metric_pictures import colours, pair, save_pairs, save_set
from torch import Tensor


def levels(pixels: Tensor) -> Tensor:
    """As a file holds them."""
    return ((pixels + 1) * 127.5).round() / 127.5 - 1


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path, Path]:
    return save_pairs(tmp_path)


@pytest.fixture
def wide(tmp_path: Path) -> tuple[Path, Path]:
    return save_set(tmp_path)


# Pairs


def test_scores_of_pairs_are_those_of_the_measures_picture_by_picture(folders: tuple[Path, ...]) -> None:
    made, truth, masks = (pictures_of(folder) for folder in folders)
    told: list[tuple[int, int]] = []
    found = score_pairs(
        made,
        truth,
        masks=masks,
        metrics=("mse", "masked_ssim", "fsim"),
        batch=3,
        on_picture=lambda *state: told.append(state),
    )
    assert told == [(3, 5), (4, 5), (5, 5)]
    x, y = (levels(each) for each in pair(4, (40, 36), 0))
    other_x, other_y = (levels(each) for each in pair(1, (33, 48), 1))
    assert found["mse"] == pytest.approx([*mse(x, y).tolist(), *mse(other_x, other_y).tolist()], rel=1e-5)
    assert found["fsim"] == pytest.approx([*fsim(x, y).tolist(), *fsim(other_x, other_y).tolist()], abs=1e-5)
    for number in range(4):
        mask = torch.zeros(1, 1, 40, 36)
        mask[..., 5 : 12 + number, 3 : 20 + number] = 1
        expected = float(masked_ssim(x[number : number + 1], y[number : number + 1], mask))
        assert found["masked_ssim"][number] == pytest.approx(expected, abs=1e-5)


def test_the_table_of_pairs_has_means_intervals_and_what_was_left_out(folders: tuple[Path, ...]) -> None:
    made, truth, masks = (pictures_of(folder) for folder in folders)
    found = evaluate_pairs(made, truth, masks=masks, seed=7)
    scores = score_pairs(made, truth, masks=masks, metrics=("ssim",))
    expected = mean_interval(scores["ssim"], seed=7)
    assert found["ssim"] == {"value": expected.value, "low": expected.low, "high": expected.high}
    assert list(found) == ["protocol", "mse", "masked_mse", "ssim", "masked_ssim", "fsim", "fsimc", "left_out"]
    assert found["protocol"] == {"pictures": 5, "masks": 5, "resamplings": 2000, "seed": 7}
    assert set(found["left_out"]) == {"lpips", "bg_lpips", "ms_ssim"}
    assert found["left_out"]["ms_ssim"] == "ms_ssim wants pictures of 176 pixels a side or more: the smallest has 33"
    assert json.loads(json.dumps(found)) == found


def test_one_mask_may_be_for_all(folders: tuple[Path, ...]) -> None:
    made, truth = ({name: path for name, path in pictures_of(f).items() if name != "x"} for f in folders[:2])
    one = {"hole": folders[2] / "2.png"}
    many = dict.fromkeys(made, folders[2] / "2.png")
    single, each = (score_pairs(made, truth, masks=m, metrics=("masked_mse",))["masked_mse"] for m in (one, many))
    np.testing.assert_array_equal(single, each)


def test_pairs_that_do_not_fit_are_refused_before_work(folders: tuple[Path, ...]) -> None:
    made, truth, masks = (pictures_of(folder) for folder in folders)

    def refused(match: str, made: Any = made, truth: Any = truth, masks: Any = masks, metrics: Any = ("mse",)) -> None:
        told: list[int] = []
        with pytest.raises(ValueError, match=match):
            score_pairs(made, truth, masks=masks, metrics=metrics, on_picture=lambda done, count: told.append(done))
        assert not told

    less = {name: path for name, path in truth.items() if name != "10"}
    refused("1 picture has no truth of the same name, the first 10", truth=less)
    refused("1 truth has no picture that was made, the first 10", made={k: made[k] for k in less})
    refused("3 pictures have no mask of the same name, the first 2", masks={k: masks[k] for k in ("1", "x")})
    refused(r"truth.x.webp must be as large as .*1.png, 36 x 40; it is 48 x 33", truth=truth | {"1": truth["x"]})
    refused(r"masks.x.png must be as large as", masks=masks | {"1": masks["x"]})
    refused("masked_ssim wants masks", masks=None, metrics=("mse", "masked_ssim"))
    refused("lpips wants LPIPS and its weights", metrics=("lpips",))
    refused("ms_ssim wants pictures of 176", metrics=("ms_ssim",))
    refused("the measures of pairs are .*: got fid", metrics=("fid",))
    refused("one picture or more", made={}, truth={}, masks=None)


# Sets


def test_fid_and_kid_are_of_the_crops_and_the_references(wide: tuple[Path, Path]) -> None:
    made, references = (pictures_of(folder) for folder in wide)
    told: list[tuple[int, int]] = []
    options: Any = {"features": colours, "crop": 16, "seed": 4, "resamplings": 20}
    found = evaluate_set(made, references=references, batch=5, on_picture=lambda *s: told.append(s), **options)
    x, y = features_of(made, colours, crop=16, seed=4), features_of(references, colours)
    crops = torch.cat([cropped for _, _, cropped in batches(list(made.values()), 8, (16, 4))])
    np.testing.assert_allclose(x, colours(crops).numpy())
    assert found["fid"]["value"] == pytest.approx(frechet_of_features(x, y))
    assert found["kid"]["value"] == pytest.approx(kernel_distance(x, y))
    assert found["kid"]["subsets"]["mean"] == pytest.approx(found["kid"]["value"], abs=0.05)
    assert found["fid"]["low"] < found["fid"]["value"] < found["fid"]["high"]
    assert found["protocol"] == {"pictures": 12, "crop": 16, "resamplings": 20, "seed": 4, "references": 9}
    assert told == [(5, 21), (10, 21), (12, 21), (17, 21), (21, 21)]
    assert "notes" not in found
    again = evaluate_set(made, references=y, batch=1, **options)
    assert again["fid"] == pytest.approx(found["fid"])
    assert again["kid"].pop("subsets") == pytest.approx(found["kid"].pop("subsets"))
    assert again["kid"] == pytest.approx(found["kid"])


def test_fid_of_few_pictures_has_a_note(wide: tuple[Path, Path]) -> None:
    made, references = (pictures_of(folder) for folder in wide)
    few = {name: made[name] for name in list(made)[:4]}
    found = evaluate_set(few, references=references, features=colours, crop=16)
    assert found["notes"] == [
        "fid: a Fréchet distance of 4 rows in 6 dimensions comes out too large: it compares only with that of as many "
        "rows"
    ]


def test_clip_sees_whole_pictures_and_marks_see_crops(wide: tuple[Path, Path]) -> None:
    made = pictures_of(wide[0])
    prompts = {name: "a" * (number + 1) for number, name in enumerate(made)}

    def similarity(pixels: Tensor, texts: Any) -> Tensor:
        assert pixels.shape[2:] == (16, 50)
        return torch.tensor([0.1 * len(text) - 0.6 for text in texts])

    def mark(pixels: Tensor) -> Tensor:
        assert pixels.shape[2:] == (10, 10)
        return pixels.mean((1, 2, 3))

    options: Any = {"similarity": similarity, "prompts": prompts, "marks": {"brightness": mark}, "crop": 10, "batch": 5}
    found = evaluate_set(made, **options)
    assert found["clip_score"]["value"] == pytest.approx(np.mean([0.1 * k - 0.6 for k in range(1, 13)]))
    crops = torch.cat([cropped for _, _, cropped in batches(list(made.values()), 8, (10, 0))])
    assert found["brightness"]["value"] == pytest.approx(float(crops.mean()), abs=1e-6)
    assert found["protocol"]["clip_scale"] == "cosine"
    scaled = evaluate_set(made, clip_scale=ClipScale.HESSEL, **options)
    assert scaled["clip_score"]["value"] == pytest.approx(2.5 * np.mean([max(0.1 * k - 0.6, 0) for k in range(1, 13)]))
    assert scaled["protocol"]["clip_scale"] == "hessel"


def test_sets_that_cannot_be_measured_are_refused_before_work(wide: tuple[Path, Path]) -> None:
    made, references = (pictures_of(folder) for folder in wide)

    def never(*seen: object) -> Tensor:
        raise AssertionError("work has begun")

    for match, options in (
        ("nothing is to be measured", {}),
        ("give both", {"features": never}),
        ("give both", {"features": never, "references": references, "prompts": {}}),
        ("two pictures or more on each side", {"features": never, "references": dict(list(references.items())[:1])}),
        ("a prompt for each picture, and picture-0 has none", {"similarity": never, "prompts": {"picture-1": "a"}}),
        ("is 50 x 16, and a square of 17", {"marks": {"m": never}, "crop": 17}),
        ("the crop is 1 pixel or more", {"marks": {"m": never}, "crop": 0}),
        ("kid is the name of another measure", {"marks": {"kid": never}}),
        ("one or more of fid, kid, got fvd", {"features": never, "references": references, "distances": ["fvd"]}),
    ):
        with pytest.raises(ValueError, match=match):
            evaluate_set(made, **options)  # type: ignore[arg-type]


def test_only_the_distances_that_are_asked_for_are_worked_out(
    wide: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    made, references = (pictures_of(folder) for folder in wide)
    few = {name: made[name] for name in list(made)[:4]}
    options: Any = {"references": references, "features": colours, "crop": 16, "resamplings": 4}
    both = evaluate_set(few, **options)

    def never(*told: object, **more: object) -> None:
        raise AssertionError("worked out")

    with monkeypatch.context() as patch:
        patch.setattr(sets, "frechet_interval", never)
        found = evaluate_set(few, distances=("kid",), **options)
    assert list(found) == ["protocol", "kid"]  # and no note of FID's
    assert found["kid"] == both["kid"]
    for name in ("kernel_interval", "kernel_of_subsets"):
        monkeypatch.setattr(sets, name, never)
    found = evaluate_set(few, distances=("fid",), **options)
    assert list(found) == ["protocol", "fid", "notes"]
    assert found["fid"] == both["fid"]
