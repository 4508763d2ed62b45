"""The command line: one call a verb, whole results or none, and errors in one line."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tiny_video
from alm_video import __version__, read_film
from alm_video.cli import main
from films import made, natural

SMALL = ("--height", "16", "--steps", "3")


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made(tmp_path_factory.mktemp("clip") / "clip.mp4", natural(12, 16, 24))


def run(*arguments: str | Path) -> int:
    return main([str(argument) for argument in arguments])


def test_a_clip_is_continued(film: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "longer.mp4"
    assert run("extend", film, "--frames", "5", "-o", out, "--json", *SMALL) == 0
    told = json.loads(capsys.readouterr().out)
    assert read_film(out).count == told["frames"] == 17
    assert told["made"] == [12, 17]
    assert told["size"] == [24, 16]
    assert told["output"] == str(out)
    assert told["model"] == "exemplar"
    assert told["calls"] > 0


def test_kept_frames_are_bit_exact_where_the_format_is(film: Path, tmp_path: Path) -> None:
    for where in ("after", "before"):
        out = tmp_path / where / "%04d.png"
        assert run("extend", film, "--frames", "3", "--where", where, "-o", out, *SMALL) == 0
        whole = read_film(out).frames()
        kept = whole[:12] if where == "after" else whole[3:]
        assert np.array_equal(kept, read_film(film).frames())


def test_clips_are_joined_and_looped(film: Path, tmp_path: Path) -> None:
    other = made(tmp_path / "other.mp4", natural(9, 16, 24)[::-1])
    assert run("inbetween", film, other, "--frames", "4", "-o", tmp_path / "both.webm", *SMALL) == 0
    assert read_film(tmp_path / "both.webm").count == 12 + 4 + 9
    assert run("extend", film, "--frames", "4", "--loop", "-o", tmp_path / "loop.gif", *SMALL) == 0
    assert read_film(tmp_path / "loop.gif").count == 16


def test_several_formats_and_variants(film: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    outs = ("-o", tmp_path / "a.mp4", "-o", tmp_path / "a" / "%03d.png")
    assert run("extend", film, "--frames", "2", *outs, "--count", "2", "--seed", "4", "--json", *SMALL) == 0
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [each["seed"] for each in told] == [4, 5]
    assert {path.name for path in tmp_path.iterdir()} == {"a-1.mp4", "a-2.mp4", "a-1", "a-2"}
    second = read_film(tmp_path / "a-2" / "%03d.png").frames()
    alone = tmp_path / "alone" / "%03d.png"
    assert run("extend", film, "--frames", "2", "-o", alone, "--seed", "5", *SMALL) == 0
    assert np.array_equal(read_film(alone).frames(), second)


def test_a_network_makes_video_from_prompts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "made.mp4"
    small = ("--height", "16", "--width", "16", "--window", "6", "--stride", "3", "--steps", "2")
    prompts = ("--prompt", "a", "--prompt", "5:b")
    status = run(
        "generate", "--model", tiny_video.folder("lavie"), "--frames", "9", "-o", out, *prompts, *small, "--json"
    )
    assert status == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["frames"], told["fps"]) == (9, 8.0)
    assert read_film(out).count == 9


def test_progress_for_scripts_is_a_line_a_step(film: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("extend", film, "--frames", "20", "-o", tmp_path / "a.mp4", "--progress", "json", *SMALL) == 0
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines() if line.startswith("{")]
    assert [(line["step"], line["steps"], line["window"], line["windows"]) for line in lines] == [
        (n + 1, 9, n // 3 + 1, 3) for n in range(9)
    ]


def test_a_method_named_alone_is_the_model_s_own(
    film: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for out, named in (("a.mp4", ()), ("b.mp4", ("--method", "repaint"))):
        assert run("extend", film, "--frames", "2", "-o", tmp_path / out, "--json", *named, *SMALL) == 0
    first, second = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert first["method"] == second["method"] == "RePaint(resamplings=2, eta=0.0)"


def test_freenoise_takes_the_windows_that_are_asked_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    small = ("--height", "16", "--width", "16", "--steps", "2", "--method", "freenoise")
    lavie = ("generate", "--model", tiny_video.folder("lavie"), "--frames", "9", "--json", *small)
    assert run(*lavie, "--window", "6", "--stride", "2", "-o", tmp_path / "a.mp4") == 0
    assert json.loads(capsys.readouterr().out)["method"] == "FreeNoise(window=6, stride=2)"


def test_joint_methods_are_named_but_for_that_of_views(
    film: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    network = (
        "--model",
        tiny_video.folder("lavie"),
        "--window",
        "6",
        "--stride",
        "3",
        "--steps",
        "2",
        "--height",
        "16",
    )
    for name in ("multidiffusion", "synctweedies", "stochsync"):
        out = tmp_path / f"{name}.mp4"
        assert run("extend", film, "--frames", "5", "-o", out, "--method", name, *network, "--json") == 0
        told = json.loads(capsys.readouterr().out)
        assert told["method"].lower().startswith(name)
        assert read_film(out).count == 17
    with pytest.raises(SystemExit) as stopped:
        run("extend", film, "--frames", "5", "-o", tmp_path / "none.mp4", "--method", "visual-anagrams")
    assert stopped.value.code == 2


def test_models_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("models", "--json") == 0
    assert {"shipped", "families"} == set(json.loads(capsys.readouterr().out))
    assert run("models") == 0
    assert "exemplar" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--frames", "0"), "at least one frame"),
        (("--frames", "4", "--stride", "20"), "leave gaps"),
        (("--frames", "4", "--window", "8", "--stride", "9"), "leave gaps"),
        (("--frames", "4", "--prompt", "a dog"), "does not use a prompt"),
        (("--frames", "4", "--prompt", "a", "--prompt", "b"), "two prompts hold"),
        (("--frames", "4", "--method", "multidiffusion"), "one after another"),
        (("--frames", "4", "--method", "syncsde", "--w1", "1"), "no option 'w1'"),
        (("--frames", "4", "--method", "freenoise", "--w1", "1"), "no --w1"),
        (("--frames", "4", "--w1", "1"), "add --method alm"),
        (("--frames", "4", "--guidance", "3"), "no network"),
        (("--frames", "4", "--model", "nowhere"), "nowhere"),
        (("--frames", "4", "--crf", "60"), "--crf must lie"),
        (("--frames", "4", "--count", "0"), "--count must be"),
        (("--frames", "4", "--device", "warp"), "unknown device"),
    ],
)
def test_wrong_input_is_told_in_a_line_and_leaves_nothing(
    arguments: tuple[str, ...], message: str, film: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("extend", film, *arguments, "-o", tmp_path / "a.mp4", *SMALL) == 2
    said = capsys.readouterr().err
    assert message in said
    assert said.startswith("alm-video: ")
    assert said.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_files_are_looked_at_before_any_work(film: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    there = tmp_path / "there.mp4"
    there.write_bytes(b"mine")
    sound = tmp_path / "sound.m4a"
    sound.write_bytes(b"no film")
    for arguments, message in (
        ((tmp_path / "none.mp4", "-o", tmp_path / "a.mp4"), "there is no film"),
        ((sound, "-o", tmp_path / "a.mp4"), "sound.m4a"),
        ((film, "-o", there), "exists"),
        ((film, "-o", film, "--overwrite"), "is the input"),
        ((film, "-o", tmp_path / "a.avi"), "must end in"),
        ((film, "-o", tmp_path / "a%03d.mp4"), "which only .png does"),
        ((film, "-o", tmp_path / "none" / "a.mp4"), "does not exist"),
        ((film, "-o", tmp_path / "a.mp4", "-o", tmp_path / "a.mp4"), "same name"),
    ):
        assert run("extend", *arguments, "--frames", "4", *SMALL) == 2
        assert message in capsys.readouterr().err
    assert there.read_bytes() == b"mine"


def test_an_interrupted_run_leaves_nothing(film: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("alm_core.exemplar.ExemplarPrior.predict_guided", stop)
    assert run("extend", film, "--frames", "4", "-o", tmp_path / "a.mp4", *SMALL) == 130
    assert not list(tmp_path.iterdir())


def test_memory_that_runs_out_is_told(
    film: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def stop(*_: object) -> None:
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory")

    monkeypatch.setattr("alm_core.exemplar.ExemplarPrior.predict_guided", stop)
    assert run("extend", film, "--frames", "4", "-o", tmp_path / "a.mp4", *SMALL) == 1
    assert "--together" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_an_unknown_verb_is_refused_with_2(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["prolong"])
    assert stop.value.code == 2
    assert "invalid choice" in capsys.readouterr().err


def test_the_module_runs_as_the_command_does() -> None:
    done = subprocess.run([sys.executable, "-m", "alm_video", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == f"alm-video {__version__}"
