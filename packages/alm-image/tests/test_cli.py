"""The command line: flags reach the verb, and every wrong input is one line and exit status 2, with nothing written."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from alm_core import SyncSDE
from alm_image import cli
from alm_image.verbs import common
from alm_image.verbs import inpaint as inpaint_verb
from fakes import Fake
from PIL import Image


@pytest.fixture
def job(tmp_path: Path) -> list[str]:
    """The arguments of a small job in an empty folder."""
    array = np.random.default_rng(0).integers(0, 256, (40, 48, 3), np.uint8)
    Image.fromarray(array).save(tmp_path / "a.png")
    hole = Image.new("L", (48, 40))
    hole.paste(255, (10, 10, 24, 22))
    hole.save(tmp_path / "m.png")
    return ["inpaint", f"{tmp_path}/a.png", "--mask", f"{tmp_path}/m.png", "-o", f"{tmp_path}/out.png", "--steps", "3"]


@pytest.fixture(autouse=True)
def fake(monkeypatch: pytest.MonkeyPatch) -> None:
    """`--model fake` and its kin; all other names are the real thing."""
    real = common.load_prior

    class Full(Fake):
        def predict(self, x_t, level, conditions):  # type: ignore[no-untyped-def]
            raise torch.OutOfMemoryError("CUDA out of memory")

    class Impatient(Fake):
        def predict(self, x_t, level, conditions):  # type: ignore[no-untyped-def]
            raise KeyboardInterrupt

    fakes = {"fake": Fake(), "broken": Fake(broken=500), "full": Full(), "impatient": Impatient()}

    def load(name: str, **options: object) -> Fake:
        if name == "huge":
            raise RuntimeError(
                "[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"
            )
        return fakes.get(name) or real(name, **options)

    monkeypatch.setattr(common, "load_prior", load)


def run(arguments: list[str], *more: str) -> int:
    return cli.main([*arguments, *more])


def test_the_default_model_fills_the_hole_offline(job: list[str], tmp_path: Path) -> None:
    assert run(job) == 0
    assert Image.open(tmp_path / "out.png").size == (48, 40)


def test_json_is_one_object_on_standard_output(job: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(job, "--model", "fake", "--json", "--seed", "5", "--progress", "json") == 0
    out, err = capsys.readouterr()
    report = json.loads(out)
    assert {"output", "evaluations", "seconds", "seed", "kept_error"} <= report.keys()
    assert (report["seed"], report["kept_error"], report["output"]) == (5, 0, job[5])
    lines = [json.loads(line) for line in err.splitlines()]
    assert [(line["step"], line["steps"]) for line in lines] == [(1, 3), (2, 3), (3, 3)]


def test_nothing_is_shown_when_piped(job: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    run(job, "--model", "fake")
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1


def test_variants_are_numbered_or_named(job: list[str], tmp_path: Path) -> None:
    assert run(job, "--model", "fake", "--count", "2") == 0
    assert run(job, "--model", "fake", "-o", f"{tmp_path}/second.png") == 0
    names = {p.name for p in tmp_path.glob("*.png")}
    assert {"out-1.png", "out-2.png", "out.png", "second.png"} <= names
    pairs = [("out-1.png", "out.png"), ("out-2.png", "second.png")]
    for first, second in pairs:
        assert (tmp_path / first).read_bytes() == (tmp_path / second).read_bytes()


def test_previews_of_each_step_are_written(job: list[str], tmp_path: Path) -> None:
    assert run(job, "--model", "fake", "--save-steps", f"{tmp_path}/steps") == 0
    assert sorted(p.name for p in (tmp_path / "steps").iterdir()) == [f"step-00{i}.png" for i in (1, 2, 3)]


def test_flags_reach_the_verb(job: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, object] = {}
    monkeypatch.setattr(inpaint_verb, "inpaint", lambda *_, **options: seen.update(options) or sys.exit(9))
    with pytest.raises(SystemExit):
        run(job, "--model", "fake", "--method", "syncsde", "--blend", "none", "--prompt", "1", "--together", "3")
    assert (seen["method"], seen["prompt"], seen["together"], seen["steps"]) == (SyncSDE(), "1", 3, 3)


def test_weights_alone_adjust_the_usual_method(job: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, object] = {}
    monkeypatch.setattr(inpaint_verb, "inpaint", lambda *_, **options: seen.update(options) or sys.exit(9))
    with pytest.raises(SystemExit):
        run(job, "--model", "fake", "--w1", "0.7")
    assert seen["method"].w1 == 0.7  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({1: "{tmp}/none.png"}, "there is no picture at"),
        ({1: "{tmp}/text.png"}, "cannot be read"),
        ({3: "{tmp}/none.png"}, "there is no mask at"),
        ({3: "{tmp}/small.png"}, "the mask must be as large as the picture, 48 x 40"),
        ({3: "{tmp}/empty.png"}, "the mask is empty"),
        ({3: "{tmp}/full.png"}, "the mask is full"),
        ({1: "{tmp}"}, "is a folder"),
        ({5: "{tmp}"}, "is a folder"),
        ({8: ["--save-steps", "{tmp}/text.png"]}, "is a file"),
        ({8: ["--save-steps", "{tmp}/steps"]}, "holds steps already"),
        ({5: "{tmp}/out.gif"}, "must end in .png"),
        ({5: "{tmp}/none/out.png"}, "does not exist: make it first"),
        ({5: "{tmp}/a.png"}, "is an input"),
        ({5: "{tmp}/m.png"}, "is an input"),
        ({5: "{tmp}/text.png"}, "exists: choose another name"),
        ({7: "0"}, "steps must be 1 or more"),
        ({8: ["--model", "nowhere/nothing"]}, "nowhere/nothing"),
        ({8: ["--prompt", "a house"]}, "does not use a prompt"),
        ({8: ["--guidance", "7"]}, "no network"),
        ({8: ["--count", "0"]}, "--count must be 1 or more"),
        ({8: ["--count", "3", "-o", "{tmp}/b.png"]}, "does not fit 2 outputs"),
        ({8: ["-o", "{tmp}/out.png"]}, "the same name"),
        ({8: ["--method", "syncsde", "--w1", "1"]}, "has no option 'w1'"),
        ({8: ["--device", "abacus"]}, "abacus"),
        ({8: ["--model", "fake", "--w1", "-1"]}, "weights must be 0 or more"),
        ({8: ["--method", "alm", "--w2", "nan"]}, "weights must be 0 or more"),
        ({8: ["--model", "stable-diffusion/"]}, "there is no model folder stable-diffusion/"),
    ],
)
def test_wrong_input_is_one_line_and_status_2(
    job: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str], change: dict[int, str | list[str]], reason: str
) -> None:
    (tmp_path / "text.png").write_text("no picture")
    Image.new("L", (9, 9), 255).save(tmp_path / "small.png")
    Image.new("L", (48, 40), 0).save(tmp_path / "empty.png")
    Image.new("L", (48, 40), 255).save(tmp_path / "full.png")
    (tmp_path / "steps").mkdir()
    (tmp_path / "steps" / "step-001.png").touch()
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.*")}
    for place, value in change.items():
        job[place : place + 1] = [v.format(tmp=tmp_path) for v in ([value] if isinstance(value, str) else value)]
    assert run(job) == 2
    out, err = capsys.readouterr()
    assert reason in err
    assert (out, err.count("\n")) == ("", 1)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*.*")} == before


@pytest.mark.parametrize("flag", [["--method", "magic"], ["--blend", "glue"], ["--seed", "one"], ["--reference", "x"]])
def test_unknown_choices_are_status_2(job: list[str], flag: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        run(job, *flag)
    assert stop.value.code == 2
    err = capsys.readouterr().err
    assert (err.count("\n"), flag[0] in err, "see alm-image inpaint --help" in err) == (1, True, True)


@pytest.mark.parametrize(
    ("model", "status", "reason"),
    [
        ("broken", 1, "step 2 of 3 gave NaN"),
        ("full", 1, "--dtype bfloat16"),
        ("huge", 1, "--offload"),
        ("impatient", 130, "interrupted"),
    ],
)
def test_failures_write_nothing(
    job: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str], model: str, status: int, reason: str
) -> None:
    assert run(job, "--model", model) == status
    assert reason in capsys.readouterr().err
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.png", "m.png"]


def test_a_full_disk_is_a_failure_and_leaves_nothing(
    job: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Image.Image, "save", fail)
    assert run(job, "--model", "fake", "--count", "2") == 1
    assert "No space left on device" in capsys.readouterr().err
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.png", "m.png"]


def test_an_existing_output_is_replaced_only_when_asked(job: list[str], tmp_path: Path) -> None:
    (tmp_path / "out.png").write_text("precious")
    assert run(job, "--model", "fake") == 2
    assert (tmp_path / "out.png").read_text() == "precious"
    assert run(job, "--model", "fake", "--overwrite") == 0


def test_jpeg_tells_what_it_changed(job: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    job[5] = f"{tmp_path}/out.jpg"
    assert run(job, "--model", "fake", "--json") == 0
    assert json.loads(capsys.readouterr().out)["kept_error"] > 0


def test_outpaint_and_wide_run(job: list[str], tmp_path: Path) -> None:
    assert cli.main(["outpaint", job[1], "--right", "16", "-o", f"{tmp_path}/o.png", "--model", "fake"]) == 0
    arguments = ["wide", "--width", "128", "--height", "32", "--loop", "-o", f"{tmp_path}/w.png", "--model", "fake"]
    assert cli.main(arguments) == 0
    assert Image.open(tmp_path / "o.png").size == (64, 40)
    assert Image.open(tmp_path / "w.png").size == (128, 32)


@pytest.mark.parametrize("method", ["multidiffusion", "synctweedies", "stochsync"])
def test_wide_runs_with_methods_that_join_windows(
    job: list[str], tmp_path: Path, method: str, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["wide", "--width", "96", "--stride", "8", "--method", method, "--steps", "3", "--model", "fake"]
    more = ["--save-steps", f"{tmp_path}/steps", "--json", "-o", f"{tmp_path}/w.png"]
    assert cli.main([*arguments, *more]) == 0
    assert Image.open(tmp_path / "w.png").size == (96, 32)
    assert json.loads(capsys.readouterr().out)["method"].lower().startswith(method)
    assert len(list((tmp_path / "steps").iterdir())) == 3


def test_models_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["models"]) == 0
    assert "Stable Diffusion" in capsys.readouterr().out
    assert cli.main(["models", "--json"]) == 0
    assert "exemplar" in json.loads(capsys.readouterr().out)["shipped"]


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_process_leaves_no_file(job: list[str], tmp_path: Path, stop: signal.Signals) -> None:
    command = [sys.executable, "-m", "alm_image", *job[:-1], "400", "--progress", "json"]
    # A suite that was started in the background ignores SIGINT, and a process inherits that.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env={**os.environ, "PYTHONUNBUFFERED": "1"})
    signal.signal(signal.SIGINT, before)
    assert process.stderr is not None
    process.stderr.readline()
    process.send_signal(stop)
    assert "interrupted" in process.stderr.read()
    assert process.wait(30) == 130
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.png", "m.png"]


@pytest.mark.parametrize(("given", "found"), [(None, "PASSIVE"), ("ACTIVE", "ACTIVE")])
def test_threads_wait_without_spinning_unless_the_user_says_otherwise(given: str | None, found: str) -> None:
    environment = {key: value for key, value in os.environ.items() if key != "OMP_WAIT_POLICY"}
    environment |= {"OMP_WAIT_POLICY": given} if given else {}
    # Before torch, which reads it when it is imported.
    code = (
        "import sys, os; sys.modules['torch'] = None\n"
        "try: import alm_image\n"
        "except ImportError: print(os.environ['OMP_WAIT_POLICY'])"
    )
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == found


def test_steps_of_a_longer_run_go_when_new_ones_come(job: list[str], tmp_path: Path) -> None:
    folder = tmp_path / "steps"
    more = ["--model", "fake", "--save-steps", str(folder), "--overwrite"]
    assert run(job, *more, "--steps", "5") == 0
    (folder / "step-notes.png").write_text("mine")
    assert run(job, *more, "--model", "full") == 1
    assert len(list(folder.glob("step-00?.png"))) == 5  # for there is nothing newer
    assert run(job, *more) == 0
    assert sorted(p.name for p in folder.iterdir()) == [*(f"step-00{n}.png" for n in (1, 2, 3)), "step-notes.png"]


def test_a_step_of_an_earlier_run_that_is_an_input_is_no_preview_to_replace(
    job: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "steps"
    folder.mkdir()
    source = (tmp_path / "a.png").rename(folder / "step-009.png")
    before = source.read_bytes()
    job[1] = str(source)
    assert run(job, "--model", "fake", "--save-steps", str(folder), "--overwrite") == 2
    assert "step-009.png is an input" in capsys.readouterr().err
    assert source.read_bytes() == before
