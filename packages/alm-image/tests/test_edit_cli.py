"""`alm-image edit`: what it writes and says, and that every wrong input is one line, with nothing written."""

import json
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from alm_core import SyncSDE
from alm_image import cli
from alm_image.priors import load_prior
from alm_image.verbs import common
from edits import SOURCE, TARGET, Fine, hole, middle, picture_of
from fakes import Fake
from PIL import Image

Folder = Callable[[str], Path]


@pytest.fixture
def job(tmp_path: Path, folder: Folder, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The arguments of a small job in an empty folder; `--model fake` is exact, `tiny` is a Stable Diffusion."""
    picture_of(1).save(tmp_path / "a.png")
    hole().save(tmp_path / "m.png")
    real = common.load_prior

    def load(name: str, **options: Any) -> Any:
        if name == "fake":
            return Fine()
        return real(folder("stable_diffusion") if name == "tiny" else name, **options)

    monkeypatch.setattr(common, "load_prior", load)
    return ["edit", f"{tmp_path}/a.png", "-o", f"{tmp_path}/out.png", "--steps", "2", "--model"]


WORDS = ["--source-prompt", SOURCE, "--prompt", TARGET]


def threshold_of(image: Path, folder: Folder) -> str:
    prior = load_prior(folder("stable_diffusion"))
    return str(middle(Image.open(image), source_prompt=SOURCE, prompt=TARGET, prior=prior, steps=2))


def test_the_mask_and_its_map_are_saved_beside_the_result(
    job: list[str], tmp_path: Path, folder: Folder, capsys: pytest.CaptureFixture[str]
) -> None:
    threshold = threshold_of(tmp_path / "a.png", folder)
    assert cli.main([*job, "tiny", *WORDS, "--threshold", threshold, "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["mask"] == f"{tmp_path}/out-mask.png"
    assert report["soft"] == f"{tmp_path}/out-mask-soft.png"
    assert (report["source_prompt"], report["prompt"], report["words"]) == (SOURCE, TARGET, ["cat"])
    mask = np.asarray(Image.open(report["mask"]))
    assert report["edited"] == pytest.approx((mask > 0).mean(), abs=1e-6)
    assert Image.open(report["soft"]).size == (64, 64)
    again = [*job, "tiny", *WORDS, "--threshold", threshold]
    assert cli.main(again) == 2
    assert cli.main([*again, "--overwrite"]) == 0
    assert cli.main([*again, "--save-mask", f"{tmp_path}/here.png", "--overwrite"]) == 0
    assert (tmp_path / "here-soft.png").exists()


def test_a_mask_that_was_given_is_written_only_where_it_is_asked_for(job: list[str], tmp_path: Path) -> None:
    arguments = [*job, "fake", "--mask", f"{tmp_path}/m.png", "--prompt", "0.5"]
    assert cli.main(arguments) == 0
    assert sorted(p.name for p in tmp_path.glob("*.png")) == ["a.png", "m.png", "out.png"]
    assert cli.main([*arguments, "--overwrite", "--save-mask", f"{tmp_path}/n.png"]) == 0
    assert np.array_equal(np.asarray(Image.open(tmp_path / "n.png")), np.asarray(hole()))


def test_flags_reach_the_edit(job: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, Any] = {}
    verb = import_module("alm_image.verbs.edit")
    monkeypatch.setattr(
        verb, "edit", lambda image, **options: seen.update(options) or (_ for _ in ()).throw(ValueError)
    )
    flags = ["--swap", "cat", "dog", "--word", "cat", "--raw", "--threshold", "0.4", "--captioner", "here"]
    assert cli.main([*job, "fake", *flags, "--strength", "3", "--together", "2"]) == 2
    assert (seen["swap"], seen["word"], seen["paste"], seen["threshold"]) == (("cat", "dog"), "cat", False, 0.4)
    assert (seen["method"], seen["captioner"], seen["together"]) == (SyncSDE(3.0), Path("here"), 2)


@pytest.mark.parametrize(
    ("model", "flags", "reason"),
    [
        ("fake", ["--prompt", "0.5"], "attention cannot be read"),
        ("fake", ["--mask", "{tmp}/none.png", "--prompt", "0.5"], "there is no mask at"),
        ("fake", ["--mask", "{tmp}/small.png", "--prompt", "0.5"], "the mask must be as large as the picture"),
        ("fake", ["--mask", "{tmp}/empty.png", "--prompt", "0.5"], "the mask is empty"),
        (
            "fake",
            ["--mask", "{tmp}/m.png", "--prompt", "0.5", "--save-mask", "{tmp}/m.png"],
            "another file of this job: choose another name",
        ),
        ("fake", ["--mask", "{tmp}/m.png", "--prompt", "0.5", "--save-mask", "{tmp}/out.png"], "another file of this"),
        ("fake", ["--mask", "{tmp}/m.png", "--prompt", "0.5", "--save-mask", "{tmp}/x.gif"], "must end in .png"),
        ("fake", ["--mask", "{tmp}/m.png", "--prompt", "0.5", "--save-mask", "{tmp}/no/x.png"], "does not exist"),
        ("fake", ["--mask", "{tmp}/m.png", "--prompt", "0.5", "--w1", "1"], "has no option 'w1'"),
        ("fake", ["--mask", "{tmp}/m.png", "--prompt", "0.5", "--threshold", "0.3"], "so no map has a threshold"),
        ("fake", ["--mask", "{tmp}/m.png", "--prompt", "0.5", "--raw", "--blend", "poisson"], "so it has no blend"),
        (
            "examples",
            ["--mask", "{tmp}/m.png", "--prompt", "{tmp}/a.png", "--source-prompt", "{tmp}/a.png"],
            "reads a source prompt only where the source is inverted",
        ),
        ("examples", ["--mask", "{tmp}/m.png", "--prompt", "{tmp}/a.png+"], 'before and after each "+"'),
        ("fake", ["--mask", "{tmp}/m.png", "--swap", "a", "b"], "the source prompt is wanted"),
        ("fake", ["--mask", "{tmp}/m.png", "--prompt", "0.5", "--word", "cat"], "so no word is looked for"),
        ("tiny", ["--prompt", TARGET], "the source prompt is wanted"),
        ("tiny", ["--source-prompt", SOURCE], "say what the picture is to show"),
        ("tiny", ["--source-prompt", SOURCE, "--prompt", SOURCE], "every word of the source prompt"),
        ("tiny", [*WORDS, "--word", "horse"], "it has a, cat, on, a, sofa"),
        ("tiny", [*WORDS, "--threshold", "0.9999"], "nothing of the picture is above the threshold"),
        ("tiny", [*WORDS, "--threshold", "1.5"], "the threshold must lie between 0 and 1"),
        ("tiny", [*WORDS, "--swap", "cat", "dog"], "give the one or the other"),
        ("tiny", ["--captioner", "{tmp}/none", "--prompt", TARGET], "there is no captioner at"),
        ("tiny", ["--captioner", "{tmp}", "--prompt", TARGET], "wanted a BlipForConditionalGeneration folder"),
        ("examples", ["--mask", "{tmp}/m.png"], "told what to make by pictures"),
        ("examples", ["--mask", "{tmp}/m.png", "--prompt", "a dog"], "there is no picture 'a dog'"),
        ("exemplar", ["--mask", "{tmp}/m.png", "--prompt", "a dog"], "the exemplar prior does not use a prompt"),
        ("emoji", ["--mask", "{tmp}/m.png", "--prompt", "a dog"], "takes no prompt"),
        ("tiny", [*WORDS, "-o", "{tmp}/out.png"], "the same name"),
    ],
)
def test_wrong_input_is_one_line_and_status_2_and_writes_nothing(
    job: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str], model: str, flags: list[str], reason: str
) -> None:
    Image.new("L", (9, 9), 255).save(tmp_path / "small.png")
    Image.new("L", (64, 64), 0).save(tmp_path / "empty.png")
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.*")}
    assert cli.main([*job, model, *(flag.format(tmp=tmp_path) for flag in flags)]) == 2
    out, err = capsys.readouterr()
    assert reason in err
    assert (out, err.count("\n")) == ("", 1)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*.*")} == before


def test_only_methods_that_trajectories_can_follow_one_another_by_are_offered(
    job: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert set(common.COUPLED) == {"alm", "stochastic-alm", "syncsde", "repaint", "replacement", "independent"}
    with pytest.raises(SystemExit):
        cli.main([*job, "fake", "--method", "dps"])
    assert "invalid choice: 'dps'" in capsys.readouterr().err


@pytest.mark.parametrize(("reference", "told"), [("inversion", "0.2"), ("fixed", "")])
def test_the_report_says_the_source_prompt_only_where_it_was_read(
    job: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str], reference: str, told: str
) -> None:
    flags = ["--mask", f"{tmp_path}/m.png", "--prompt", "0.5", "--source-prompt", "0.2", "--reference", reference]
    assert cli.main([*job, "fake", *flags, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["source_prompt"] == told


def test_an_existing_mask_is_not_overwritten_unasked(job: list[str], tmp_path: Path) -> None:
    (tmp_path / "out-mask-soft.png").write_text("precious")
    assert cli.main([*job, "tiny", *WORDS]) == 2
    assert (tmp_path / "out-mask-soft.png").read_text() == "precious"
    assert not (tmp_path / "out.png").exists()


def test_a_network_that_fails_is_status_1_and_writes_nothing(
    job: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(common, "load_prior", lambda *_, **__: Fake(broken=500))
    assert cli.main([*job, "broken", "--mask", f"{tmp_path}/m.png", "--prompt", "0.5"]) == 1
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.png", "m.png"]


@pytest.mark.parametrize("model", ["examples", "emoji"])
def test_without_weights_an_example_picture_or_emoji_edit_by_a_mask(job: list[str], tmp_path: Path, model: str) -> None:
    picture_of(7, (20, 20)).save(tmp_path / "example.png")
    picture_of(1, (24, 24)).save(tmp_path / "a.png")
    hole((24, 24), (8, 8, 16, 16)).save(tmp_path / "m.png")
    prompt = ["--prompt", f"{tmp_path}/example.png"] if model == "examples" else []
    assert cli.main([*job, model, "--mask", f"{tmp_path}/m.png", "--blend", "none", *prompt]) == 0
    source, made = (np.asarray(Image.open(tmp_path / name)) for name in ("a.png", "out.png"))
    inside = np.asarray(hole((24, 24), (8, 8, 16, 16))) > 0
    assert np.array_equal(source[~inside], made[~inside])
    assert not np.array_equal(source[inside], made[inside])


@pytest.mark.parametrize(
    "flags",
    [
        ["--source-prompt", "{tmp}/x.png", "--prompt", "{tmp}/a.png"],
        ["--prompt", "{tmp}/x.png"],
        ["--prompt", "+".join(["{tmp}/a.png", "{tmp}/m.png"] * 8 + ["{tmp}/x.png"])],
        ["--source-prompt", "{tmp}/y.png", "--swap", "y", "x"],
    ],
)
def test_no_output_replaces_a_picture_that_a_prompt_names(
    job: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str], flags: list[str]
) -> None:
    picture_of(7).save(tmp_path / "x.png")
    picture_of(8).save(tmp_path / "y.png")
    before = (tmp_path / "x.png").read_bytes()
    job[3] = f"{tmp_path}/x.png"
    more = ["--mask", f"{tmp_path}/m.png", "--overwrite", *(flag.format(tmp=tmp_path) for flag in flags)]
    assert cli.main([*job, "examples", *more]) == 2
    assert "is an input" in capsys.readouterr().err
    assert (tmp_path / "x.png").read_bytes() == before
