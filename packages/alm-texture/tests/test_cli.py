"""The command line: flags reach the verbs; every wrong input is one line and exit status 2, with nothing written."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from alm_texture import __version__, canvas, cli, save_mesh, verbs
from alm_texture.io import read_mesh
from alm_texture.verbs import common
from PIL import Image
from shapes import uv_sphere

QUICK = ["--size", "64", "--view-size", "32", "--steps", "3", "--views", "few.json"]
FEW = [{"azimuth": 10, "elevation": 0}, {"azimuth": 130, "elevation": 20}, {"azimuth": 250, "elevation": -20}]


@pytest.fixture(autouse=True)
def small_canvas(monkeypatch: pytest.MonkeyPatch) -> None:
    """An auxiliary texture that suits views of 32 cells."""
    monkeypatch.setattr(canvas, "AUXILIARY", 256)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to work in, with a textured ball, an example and a mask."""
    random = np.random.default_rng(0)
    save_mesh(uv_sphere(), [random.integers(0, 256, (64, 64, 3), np.uint8)], tmp_path / "ball.glb")
    Image.fromarray(random.integers(0, 256, (40, 48, 3), np.uint8)).save(tmp_path / "moss.png")
    mask = np.zeros((64, 64), np.uint8)
    mask[40:] = 255
    Image.fromarray(mask).save(tmp_path / "todo.png")
    (tmp_path / "few.json").write_text(json.dumps(FEW))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def paint(*more: str) -> int:
    return cli.main(["paint", "ball.glb", "--exemplar", "moss.png", "-o", "out.glb", *QUICK, *more])


def test_paint_writes_a_mesh_views_and_a_turntable_and_says_what_it_took(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert paint("--json", "--progress", "json", "--save-views", "views", "--turntable", "round.gif") == 0
    said = capsys.readouterr()
    report = json.loads(said.out.splitlines()[-1])
    assert report["output"] == "out.glb"
    assert report["views"] == 3
    assert 0.7 < report["coverage"] <= 1
    steps = [json.loads(line) for line in said.err.splitlines() if line.startswith("{")]
    assert steps[-1]["step"] == steps[-1]["steps"] == 9
    made = read_mesh("out.glb")
    assert made.materials[0].texture is not None
    assert made.materials[0].texture.shape == (64, 64, 3)
    assert len(list((place / "views").glob("view-*.png"))) == 3
    with Image.open("round.gif") as film:
        assert film.n_frames == 48


def test_render_writes_what_bake_reads_and_the_texture_comes_back(place: Path) -> None:
    assert cli.main(["render", "ball.glb", "--size", "128", "-o", "views"]) == 0
    assert sorted(p.name for p in (place / "views").iterdir())[0] == "cameras.json"
    assert cli.main(["bake", "ball.glb", "--images", "views", "--size", "64", "-o", "again.glb"]) == 0
    before, after = (read_mesh(name).materials[0].texture for name in ("ball.glb", "again.glb"))
    assert before is not None
    assert after is not None
    # Random texels at 128 pixels: most are read by some pixel, and then come back to the bit or nearly.
    assert np.median(np.abs(before.astype(int) - after)) <= 2


def test_bake_leaves_transparent_pixels_out(place: Path) -> None:
    assert cli.main(["render", "ball.glb", "--size", "64", "-o", "views"]) == 0
    for path in (place / "views").glob("*.png"):
        picture = np.array(Image.open(path))
        picture[..., :3] = (255, 0, 0)
        picture[:, :32] = (0, 0, 255, 0)
        Image.fromarray(picture).save(path)
    assert (
        cli.main(["bake", "ball.glb", "--images", "views", "--size", "32", "--solver", "splat", "-o", "red.glb"]) == 0
    )
    texture = read_mesh("red.glb").materials[0].texture
    assert texture is not None
    assert (texture == (255, 0, 0)).all()


@pytest.mark.parametrize("given", [["--mask", "todo.png"], ["--texture", "holed.png"]])
def test_what_is_kept_of_a_texture_comes_out_to_the_bit(place: Path, given: list[str]) -> None:
    before = read_mesh("ball.glb").materials[0].texture
    assert before is not None
    alpha = 255 - np.array(Image.open("todo.png"))
    Image.fromarray(np.concatenate([before, alpha[..., None]], 2)).save("holed.png")
    assert paint("--keep-texture", *given) == 0
    after = read_mesh("out.glb").materials[0].texture
    assert after is not None
    assert np.array_equal(before[:40], after[:40])
    assert not np.array_equal(before[40:], after[40:])


def test_views_lists_cameras_that_other_verbs_take(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["views", "ball.glb", "-o", "cameras.json", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["coverage"] > 0.97
    assert cli.main(["render", "ball.glb", "--views", "cameras.json", "--size", "32", "-o", "v"]) == 0
    assert len(list((place / "v").glob("*.png"))) == len(report["views"])


def test_unwrap_moves_the_texture_and_paint_unwraps_what_has_no_uvs(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["unwrap", "ball.glb", "-o", "new.obj", "--size", "64", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["texture_moved"] is True
    lines = [
        line for line in Path("new.obj").read_text().splitlines() if not line.startswith(("vt", "usemtl", "mtllib"))
    ]
    Path("bare.obj").write_text("\n".join(line if line[:1] != "f" else _without_uv(line) for line in lines))
    arguments = ["paint", "bare.obj", "--exemplar", "moss.png", "-o", "bare.glb", *QUICK]
    assert cli.main(arguments) == 0
    assert "new ones are made" in capsys.readouterr().err


def _without_uv(line: str) -> str:
    return " ".join(word.split("/")[0] for word in line.split())


def test_models_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["models", "--json"]) == 0
    assert "exemplar" in json.loads(capsys.readouterr().out)


def test_the_same_verb_drives_a_controlnet(place: Path, folder: Callable[[str], Path]) -> None:
    words = ["--model", str(folder("sd")), "--controlnet", str(folder("sd_depth")), "--prompt", "a red boat"]
    flags = ["--size", "64", "--view-size", "64", "--steps", "2", "--views", "few.json", "-o", "net.glb"]
    assert cli.main(["paint", "ball.glb", *words, *flags]) == 0
    assert read_mesh("net.glb").materials[0].texture is not None


WRONG = {
    "no mesh": (["paint", "none.glb", "--exemplar", "moss.png", "-o", "out.glb"], "no mesh at none.glb"),
    "no exemplar": (["paint", "ball.glb", "-o", "out.glb"], "--exemplar"),
    "missing exemplar": (["paint", "ball.glb", "--exemplar", "none.png", "-o", "out.glb"], "none.png"),
    "no controlnet": (["paint", "ball.glb", "--model", "moss.png", "-o", "out.glb"], "moss.png"),
    "wrong output": (["paint", "ball.glb", "--exemplar", "moss.png", "-o", "out.fbx"], ".glb or .obj"),
    "the input": (["paint", "ball.glb", "--exemplar", "moss.png", "-o", "ball.glb"], "is the input"),
    "exists": (["paint", "ball.glb", "--exemplar", "moss.png", "-o", "there.glb"], "--overwrite"),
    "no folder": (["paint", "ball.glb", "--exemplar", "moss.png", "-o", "no/out.glb"], "make it first"),
    "prompt": (["paint", "ball.glb", "--exemplar", "moss.png", "-o", "out.glb", "--prompt", "oak", *QUICK], "prompt"),
    "zero steps": (["paint", "ball.glb", "--exemplar", "moss.png", "-o", "out.glb", "--steps", "0"], "--steps"),
    "tiny texture": (["paint", "ball.glb", "--exemplar", "moss.png", "-o", "out.glb", "--size", "4"], "16 texels"),
    "memory": (["paint", "ball.glb", "--exemplar", "moss.png", "-o", "out.glb", "--size", "900000"], "GB"),
    "roughness": (["paint", "ball.glb", "--exemplar", "moss.png", "-o", "out.glb", "--roughness", "2"], "roughness"),
    "views": (["paint", "ball.glb", "--exemplar", "moss.png", "-o", "out.glb", "--views", "no.json"], "no.json"),
    "bad views": (["render", "ball.glb", "--views", "moss.png", "-o", "v"], "cannot be read"),
    "mask alone": (
        ["paint", "ball.glb", "--exemplar", "moss.png", "-o", "out.glb", "--mask", "todo.png"],
        "--keep-texture",
    ),
    "nothing to do": (["paint", "ball.glb", "--exemplar", "moss.png", "-o", "out.glb", "--keep-texture"], "--mask"),
    "wrong mask": (
        ["paint", "ball.glb", "--exemplar", "moss.png", "-o", "out.glb", "--keep-texture", "--mask", "moss.png"],
        "64 x 64",
    ),
    "w1 without alm": (
        ["paint", "ball.glb", "--exemplar", "moss.png", "-o", "out.glb", "--method", "syncsde", "--w1", "1", *QUICK],
        "w1",
    ),
    "strength without syncsde": (
        ["paint", "ball.glb", "--exemplar", "moss.png", "-o", "out.glb", "--strength", "3", *QUICK],
        "--strength",
    ),
    "a joint method with weights": (
        ["paint", "ball.glb", "--exemplar", "moss.png", "-o", "out.glb", "--method", "synctweedies", "--w1", "1"],
        "w1",
    ),
    "outside": (["paint", "far.obj", "--exemplar", "moss.png", "-o", "out.glb", "--uv-outside", "refuse"], "[0, 1]"),
    "overlap": (["paint", "double.obj", "--exemplar", "moss.png", "-o", "out.glb"], "--unwrap"),
    "missing texture": (["render", "lost.obj", "-o", "v"], "gone.png"),
    "NaN": (["unwrap", "nan.obj", "-o", "out.glb"], "NaN"),
    "points": (["unwrap", "points.obj", "-o", "out.glb"], "no faces"),
    "no images": (["bake", "ball.glb", "--images", "none", "-o", "out.glb"], "no folder"),
    "turntable": (
        ["paint", "ball.glb", "--exemplar", "moss.png", "-o", "out.glb", "--turntable", "round.avi"],
        ".mp4, .gif, .png",
    ),
    "seed": (["paint", "ball.glb", "--exemplar", "moss.png", "-o", "out.glb", *QUICK, "--seed", "9" * 20], "64 bits"),
    "tiny views": (
        ["paint", "ball.glb", "--exemplar", "moss.png", "-o", "out.glb", *QUICK, "--view-size", "1"],
        "16 pixels",
    ),
    "resume file": (
        ["paint", "ball.glb", "--exemplar", "moss.png", "-o", "out.glb", *QUICK, "--resume", "moss.png"],
        "is a file",
    ),
    "views nowhere": (["views", "ball.glb", "-o", "no/cameras.json"], "make it first"),
    "no verb": ([], "VERB"),
    "unknown verb": (["pint"], "pint"),
    "unknown flag": (["models", "--no-such"], "--no-such"),
}


@pytest.fixture
def broken(place: Path) -> Path:
    """Meshes that cannot be painted."""
    corners = "v 0 0 0\nv 1 0 0\nv 0 1 0\nv 1 1 0\n"
    (place / "there.glb").write_bytes(b"mine")
    (place / "far.obj").write_text(corners + "vt 0 0\nvt 3 0\nvt 0 3\nf 1/1 2/2 3/3\n")
    (place / "double.obj").write_text(corners + "vt 0 0\nvt 1 0\nvt 0 1\nf 1/1 2/2 3/3\nf 2/1 4/2 3/3\n")
    (place / "lost.mtl").write_text("newmtl a\nmap_Kd gone.png\n")
    (place / "lost.obj").write_text("mtllib lost.mtl\nusemtl a\n" + corners + "vt 0 0\nvt 1 0\nvt 0 1\nf 1/1 2/2 3/3\n")
    (place / "nan.obj").write_text(corners.replace("v 1 1 0", "v nan 1 0") + "f 1 2 3\nf 2 4 3\n")
    (place / "points.obj").write_text(corners)
    return place


@pytest.mark.parametrize("name", WRONG)
def test_wrong_input_is_one_line_and_2_and_writes_nothing(
    broken: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments, said = WRONG[name]
    before = {path: path.read_bytes() for path in broken.rglob("*") if path.is_file()}
    try:
        status = cli.main(arguments)
    except SystemExit as stop:
        status = stop.code
    error = capsys.readouterr().err
    assert status == 2
    assert said in error
    assert len(error.strip().splitlines()) == 1
    assert {path: path.read_bytes() for path in broken.rglob("*") if path.is_file()} == before


def test_a_camera_that_sees_nothing_is_refused(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    away = [{"camera_to_world": [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, -9], [0, 0, 0, 1]], "fov": 40}]
    Path("away.json").write_text(json.dumps(away))
    assert paint("--views", "away.json") == 2
    assert "no view sees" in capsys.readouterr().err
    assert not Path("out.glb").exists()


def test_running_out_of_memory_is_told_with_what_helps(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(*_: object, **__: object) -> None:
        raise MemoryError

    monkeypatch.setattr(verbs.paint, "paint", full)
    assert paint() == 1
    assert "--view-size" in capsys.readouterr().err


def test_memory_is_counted_before_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(common, "_free_memory", lambda: 1e9)
    common.check_memory(2, 1024)
    with pytest.raises(ValueError, match=r"about 2 GB .* and 1 are free"):
        common.check_memory(1, 2048)


def test_an_interrupted_paint_leaves_no_result_and_goes_on(place: Path) -> None:
    words = [sys.executable, "-m", "alm_texture", "paint", "ball.glb", "--exemplar", "moss.png", "-o", "out.glb"]
    words += ["--size", "64", "--view-size", "64", "--steps", "8", "--resume", "parts", "--json"]
    job = subprocess.Popen(words, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    for _ in range(600):
        if (place / "parts" / "view-001.npy").exists():
            break
        time.sleep(0.1)
    job.send_signal(signal.SIGTERM)
    _, error = job.communicate(timeout=60)
    assert job.returncode == 130
    assert "interrupted" in error
    assert not (place / "out.glb").exists()
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["resumed"] >= 2


def test_the_module_runs_as_the_command_does() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "alm_texture", "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == f"alm-texture {__version__}"
