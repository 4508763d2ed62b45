"""The command line: flags reach the verbs; every wrong input is one line and exit status 2, with nothing written."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tiny_motion
import walker
from alm_motion import __version__, cli, read_clip, verbs
from alm_motion.clips import joints_of_clip
from alm_motion.formats.bvh import parse_bvh
from alm_motion.mapping import KNOWN
from PIL import Image

QUICK = ["--model", "tiny", "--steps", "3"]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to work in, with a clip and a tiny model."""
    (tmp_path / "walk.bvh").write_text(walker.text(150))
    tiny_motion.trained(tmp_path / "tiny")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*words: str) -> int:
    return cli.main(list(words))


def complete(*more: str) -> int:
    return run("complete", "walk.bvh", "--keep", "0:40,100:", "-o", "out.bvh", *QUICK, *more)


def test_complete_fills_the_gap_keeps_the_rest_and_says_what_it_took(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert complete("--json", "--progress", "json", "--preview", "look.png") == 0
    said = capsys.readouterr()
    report = json.loads(said.out.splitlines()[-1])
    assert report["output"] == "out.bvh"
    assert (report["frames"], report["made"], report["fps"]) == (150, 60, 60)
    assert report["kept_error_mm"] == 0
    assert report["method"].startswith("ALM(")
    steps = [json.loads(line) for line in said.err.splitlines() if line.startswith("{")]
    assert steps[-1]["step"] == steps[-1]["steps"] == 3
    made, true = (parse_bvh(Path(name).read_text()).values for name in ("out.bvh", "walk.bvh"))
    kept = np.r_[0:40, 100:150]
    assert (made[kept] == true[kept]).all()
    assert np.abs(made[40:100] - true[40:100]).max() > 0.1
    with Image.open("look.png") as picture:
        assert picture.width > picture.height


@pytest.mark.parametrize(
    ("half", "made"), [("first-half", (0, 75)), ("middle-half", (37, 113)), ("last-half", (75, 150))]
)
def test_presets_make_what_they_are_called(half: str, made: tuple[int, int], place: Path) -> None:
    assert run("complete", "walk.bvh", "--make", half, "-o", "out.npz", *QUICK) == 0
    with np.load("out.npz") as file:
        other = np.flatnonzero(np.abs(file["joints"] - joints_of_clip(walker.clip(150))).max((1, 2)) > 1e-6)
    assert (other.min(), other.max()) == (made[0], made[1] - 1)


@pytest.mark.parametrize(
    "words",
    [
        ["extend", "walk.bvh", "--seconds", "0.5", "--where", "before", "-o", "out.bvh"],
        ["inbetween", "walk.bvh", "--every", "50", "-o", "out.glb"],
        ["inbetween", "walk.bvh", "--keys", "0,60,149", "-o", "out.npz", "--method", "syncsde"],
        ["long", "--seconds", "3", "--prompt", "walking", "--prompt", "1.5:jumping", "-o", "out.bvh"],
        ["complete", "walk.bvh", "--keep", ":", "--joints", "left_elbow,left_wrist", "-o", "out.bvh", "--count", "2"],
        ["complete", "walk.bvh", "--make", "last-half", "-o", "out.bvh", "--imputation", "--eta", "1", "--w1", "2"],
    ],
)
def test_the_other_verbs_write_what_they_are_asked_for(words: list[str], place: Path) -> None:
    if "--keep" in words:
        words[words.index(":")] = "0:50,100:"
    assert run(*words, *QUICK) == 0
    names = ["out-1.bvh", "out-2.bvh"] if "--count" in words else [words[words.index("-o") + 1]]
    assert [path.name for path in sorted(place.glob("out*"))] == names


def test_the_same_seed_gives_the_same_file_and_another_another(place: Path) -> None:
    for name, seed in (("a.bvh", "4"), ("b.bvh", "4"), ("c.bvh", "5")):
        assert run("complete", "walk.bvh", "--keep", "0:40,100:", "-o", name, "--seed", seed, *QUICK) == 0
    a, b, c = ((place / name).read_bytes() for name in ("a.bvh", "b.bvh", "c.bvh"))
    assert a == b != c


def test_convert_render_and_models(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("convert", "walk.bvh", "-o", "walk.glb") == 0
    assert run("convert", "walk.bvh", "-o", "walk.npz", "--as", "poses", "--json") == 0
    assert json.loads(capsys.readouterr().out)["frames"] == 150
    assert run("convert", "walk.npz", "-o", "back.bvh") == 0
    for name in ("walk.png", "walk.gif", "walk.mp4"):
        assert run("render", "walk.bvh", "--keep", "0:40", "-o", name) == 0
        assert (place / name).stat().st_size > 1000
    capsys.readouterr()
    assert run("models", "--json") == 0
    listed = json.loads(capsys.readouterr().out)
    assert set(listed["shipped"]) == {"cmu", "exemplar"}
    assert run("complete", "walk.bvh", "--keep", "0:9", "-o", "out.bvh", "--prompt", "fly") == 2
    assert f"it knows {', '.join(listed['actions']['cmu'])}, or" in capsys.readouterr().err
    assert run("models") == 0
    said = capsys.readouterr().out
    assert "CondMDI" in said
    assert "salsa, soccer" in said


def test_a_mapping_reaches_every_output(place: Path) -> None:
    (place / "odd.bvh").write_text(walker.text(150).replace("Left", "Port"))
    joints = json.dumps(KNOWN["Mixamo and MotionBuilder"]).replace("Left", "Port")
    (place / "map.json").write_text(joints)
    odd = ["odd.bvh", "--mapping", "map.json"]
    assert run("complete", *odd, "--keep", "0:40,100:", "-o", "out.npz", "--preview", "out.png", *QUICK) == 0
    for kind in ("joints", "features", "poses"):
        assert run("convert", *odd, "-o", f"{kind}.npz", "--as", kind) == 0
        assert run("convert", "walk.bvh", "-o", "plain.npz", "--as", kind, "--overwrite") == 0
        assert (place / f"{kind}.npz").read_bytes() == (place / "plain.npz").read_bytes()
    assert run("render", *odd, "-o", "look.png") == 0
    assert run("evaluate", *odd, "--truth", "odd.bvh", "--keep", "0:40") == 0


def test_outputs_of_one_name_are_formats_of_one_motion_and_others_variants(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    keep = ["complete", "walk.bvh", "--keep", "0:40,100:", *QUICK]
    assert run(*keep, "-o", "a.bvh", "-o", "b.bvh", "-o", "a.npz", "--json") == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["output"] == ["a.bvh", "a.npz", "b.bvh"]
    a, b = (joints_of_clip(read_clip(name)) for name in ("a.bvh", "b.bvh"))
    with np.load("a.npz") as file:
        np.testing.assert_allclose(file["joints"], a, atol=1e-6)
    assert np.abs(a - b).max() > 1e-3
    assert run(*keep, "-o", "c.bvh", "-o", "c.npz", "--count", "2") == 0
    assert {path.name for path in place.glob("c*")} == {"c-1.bvh", "c-1.npz", "c-2.bvh", "c-2.npz"}
    assert (place / "c-2.bvh").read_bytes() == (place / "b.bvh").read_bytes()
    assert run(*keep, "-o", "d.bvh", "-o", "d.npz", "-o", "e.bvh", "--count", "3") == 2
    assert "--count 3 does not fit 2 names" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["complete", "--keep", "-30:"], ["inbetween", "--keys", "-150,-1"]])
def test_numbers_from_the_end_are_no_flags(words: list[str], place: Path) -> None:
    assert run(words[0], "walk.bvh", *words[1:], "-o", "out.bvh", *QUICK) == 0
    made, true = (parse_bvh(Path(name).read_text()).values for name in ("out.bvh", "walk.bvh"))
    assert (made[-1] == true[-1]).all()
    assert np.abs(made[60:110] - true[60:110]).max() > 0.1


def test_joints_without_a_rate_and_with_z_up_are_measured(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    x, y, z = np.moveaxis(joints_of_clip(walker.clip(60)), 2, 0)
    np.save("laid.npy", np.stack([x, -z, y], 2))
    words = ["evaluate", "laid.npy", "--truth", "laid.npy", "--keep", "0:20", "--json"]
    assert run(*words) == 2
    assert "--fps" in capsys.readouterr().err
    assert run(*words, "--fps", "60") == 2
    assert "--up z" in capsys.readouterr().err
    assert run(*words, "--fps", "60", "--up", "z") == 0
    turned = json.loads(capsys.readouterr().out)
    np.save("plain.npy", np.stack([x, y, z], 2))
    words[1] = words[3] = "plain.npy"
    assert run(*words, "--fps", "60") == 0
    assert json.loads(capsys.readouterr().out) == turned


def test_evaluate_measures_a_completed_clip(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert complete() == 0
    assert run("evaluate", "out.bvh", "--truth", "walk.bvh", "--keep", "0:40,100:", "--json") == 0
    report = json.loads(capsys.readouterr().out)
    assert report["kept_error_mm"] == 0
    assert report["gap_error_m"] > 0
    assert {"foot_skate_made", "seam_jerk_true"} <= set(report)
    assert run("evaluate", "out.bvh", "--truth", "walk.bvh", "--keep", "0:40,100:") == 0
    assert "gap_error_m" in capsys.readouterr().out


WRONG = {
    "no such clip": (["complete", "none.bvh", "--keep", "0:9", "-o", "out.bvh"], "no motion at none.bvh"),
    "not a BVH": (["complete", "bad.bvh", "--keep", "0:9", "-o", "out.bvh"], "does not begin with HIERARCHY"),
    "zero frames": (["complete", "empty.bvh", "--keep", "0:9", "-o", "out.bvh"], "no frames"),
    "NaN": (["complete", "nan.bvh", "--keep", "0:9", "-o", "out.bvh"], "Hips Xposition is nan"),
    "frame time 0": (["complete", "still.bvh", "--keep", "0:9", "-o", "out.bvh"], "must be above 0 seconds"),
    "fps 0": (["complete", "walk.bvh", "--fps", "0", "--keep", "0:9", "-o", "out.bvh"], "fps must be above 0"),
    "unknown joints": (["complete", "odd.bvh", "--keep", "0:9", "-o", "out.bvh"], "--mapping FILE"),
    "outside": (["complete", "walk.bvh", "--keep", "0:999", "-o", "out.bvh"], "frames 0 to 149"),
    "everything": (["complete", "walk.bvh", "--keep", ":", "-o", "out.bvh"], "everything is kept"),
    "nothing said": (["complete", "walk.bvh", "-o", "out.bvh"], "say what of the clip to keep"),
    "no range": (["complete", "walk.bvh", "--keep", "a:b", "-o", "out.bvh"], "is no range of frames"),
    "no joint": (["complete", "walk.bvh", "--keep", "0:9", "--joints", "tail", "-o", "out.bvh"], "tail are not of"),
    "no mapping": (["complete", "walk.bvh", "--keep", "0:9", "--mapping", "m.json", "-o", "out.bvh"], "no mapping at"),
    "other ending": (["complete", "walk.bvh", "--keep", "0:9", "-o", "out.fbx"], "must end in .bvh, .npz, .glb"),
    "no folder": (["complete", "walk.bvh", "--keep", "0:9", "-o", "none/out.bvh"], "does not exist: make it first"),
    "the input": (["complete", "walk.bvh", "--keep", "0:9", "-o", "walk.bvh", "--overwrite"], "is the input"),
    "there already": (["complete", "walk.bvh", "--keep", "0:9", "-o", "there.bvh"], "--overwrite"),
    "two alike": (["complete", "walk.bvh", "--keep", "0:9", "-o", "out.bvh", "-o", "out.bvh"], "the same name"),
    "count": (["complete", "walk.bvh", "--keep", "0:9", "-o", "out.bvh", "--count", "0"], "--count must be 1"),
    "preview": (["complete", "walk.bvh", "--keep", "0:9", "-o", "out.bvh", "--preview", "a.avi"], ".mp4, .gif, .png"),
    "steps": (["complete", "walk.bvh", "--keep", "0:9", "-o", "out.bvh", "--model", "tiny", "--steps", "0"], "steps"),
    "no model": (["complete", "walk.bvh", "--keep", "0:9", "-o", "out.bvh", "--model", "none"], "no model none"),
    "prompt": (["complete", "walk.bvh", "--keep", "0:9", "-o", "out.bvh", "--prompt", "fly"], "knows no action 'fly'"),
    "option": (
        ["complete", "walk.bvh", "--keep", "0:9", "-o", "o.bvh", "--method", "repaint", "--w2", "1"],
        "no option",
    ),
    "device": (["complete", "walk.bvh", "--keep", "0:9", "-o", "out.bvh", "--device", "abacus"], "unknown device"),
    "one key": (["inbetween", "walk.bvh", "--keys", "4", "-o", "out.bvh"], "two keyframes or more"),
    "keys": (["inbetween", "walk.bvh", "--keys", "a,b", "-o", "out.bvh"], "numbers of frames"),
    "every": (["inbetween", "walk.bvh", "--every", "1", "-o", "out.bvh"], "--every must be 2"),
    "no seconds": (["extend", "walk.bvh", "--seconds", "0", "-o", "out.bvh"], "a frame or more"),
    "long nothing": (["long", "--seconds", "0", "-o", "out.bvh"], "a tenth of a second"),
    "two at once": (["long", "--seconds", "4", "--prompt", "a", "--prompt", "b", "-o", "out.bvh"], "begin at 0 s"),
    "as": (["convert", "walk.bvh", "-o", "out.glb", "--as", "poses"], "is for .npz"),
    "render": (["render", "walk.bvh", "-o", "out.bvh"], "must end in .mp4, .gif, .png"),
    "no clips": (["train", "tiny", "-o", "out"], "holds no .bvh files"),
    "no train folder": (["train", "none", "-o", "out"], "no folder of clips"),
    "evaluate nothing": (["evaluate"], "give a completed clip"),
    "evaluate half": (["evaluate", "walk.bvh"], "against --truth"),
    "lengths": (["evaluate", "walk.bvh", "--truth", "short.bvh", "--keep", "0:9"], "got 150 and 20"),
    "no evaluator": (["evaluate", "--humanml", "tiny"], "wants --evaluator"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_input_is_one_line_and_status_2_and_writes_nothing(
    name: str, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good = walker.text(20)
    (place / "bad.bvh").write_text("solid cube")
    head = good.partition("Frame Time")[0].replace("Frames: 20", "Frames: 0")
    (place / "empty.bvh").write_text(head + "Frame Time: 0.1\n")
    rows = good.splitlines()
    rows[-1] = "nan " + rows[-1].partition(" ")[2]
    (place / "nan.bvh").write_text("\n".join(rows))
    (place / "still.bvh").write_text("\n".join("Frame Time: 0" if "Time" in r else r for r in good.splitlines()))
    (place / "odd.bvh").write_text(good.replace("mixamorig:Left", "mixamorig:Port"))
    (place / "short.bvh").write_text(good)
    (place / "there.bvh").write_text("mine")
    before = {path: path.stat().st_mtime_ns for path in place.rglob("*")}
    words, said = WRONG[name]
    assert run(*words) == 2
    err = capsys.readouterr().err
    assert err.startswith("alm-motion: ")
    assert said in err
    assert err.count("\n") == 1
    assert {path: path.stat().st_mtime_ns for path in place.rglob("*")} == before


def test_a_parser_s_refusal_is_one_line_too(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for words in (["fly"], ["complete"], ["complete", "walk.bvh", "-o", "a.bvh", "--method", "magic"]):
        with pytest.raises(SystemExit) as stop:
            run(*words)
        assert stop.value.code == 2
        assert capsys.readouterr().err.count("\n") == 1


def test_a_failure_while_working_is_status_1_and_writes_nothing(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for error, said in ((MemoryError(), "out of memory"), (FloatingPointError("NaN"), "NaN; no result")):

        def fail(*words: object, error: Exception = error, **more: object) -> None:
            raise error

        monkeypatch.setattr("alm_motion.verbs.complete.complete", fail)
        assert complete() == 1
        assert said in capsys.readouterr().err
        assert not (place / "out.bvh").exists()


def test_an_interrupted_job_leaves_nothing(place: Path) -> None:
    (place / "long.bvh").write_text(walker.text(1200))
    words = [sys.executable, "-m", "alm_motion", "complete", "long.bvh", "--keep", "0:60,1140:", "-o", "out.bvh"]
    job = subprocess.Popen([*words, "--model", "tiny", "--steps", "800", "--progress", "json"], stderr=subprocess.PIPE)
    assert job.stderr is not None
    job.stderr.readline()
    job.send_signal(signal.SIGTERM)
    _, err = job.communicate(timeout=60)
    assert job.returncode == 130
    assert b"interrupted; no result was written" in err
    assert not list(place.glob("out*")) + list(place.glob(".out*"))


def test_every_verb_has_help_and_the_version_is_the_package_s(capsys: pytest.CaptureFixture[str]) -> None:
    for verb in verbs.VERBS:
        with pytest.raises(SystemExit) as stop:
            run(verb, "--help")
        assert stop.value.code == 0
        assert "--json" in capsys.readouterr().out or verb in ("render",)
    done = subprocess.run([sys.executable, "-m", "alm_motion", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == f"alm-motion {__version__}"
