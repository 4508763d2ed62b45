"""The papers' tables as commands: each runs on tiny models, goes on where it stopped, and says what it wants."""

import argparse
import json
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import torch
from alm_core import ALM, Independent, Noise, Schedule, SyncSDE, sample
from alm_core.analytic import GaussianMixture, exponential
from alm_core.schedule import scaled_linear
from alm_texture import canvas

from benchmarks.tables import common, meshes
from benchmarks.tables.common import Job, Table, run
from benchmarks.tables.store import Store, fingerprint

FOLDER = Path(common.__file__).parent
NAMES = sorted(path.stem for pattern in ("alm_*.py", "syncsde_*.py") for path in FOLDER.glob(pattern))
QUICK = ("alm_10",)


def table(name: str) -> Table:
    found: Table = import_module(f"benchmarks.tables.{name}").TABLE
    return found


@pytest.mark.parametrize("name", NAMES)
def test_a_table_has_all_that_the_rules_ask_for(name: str) -> None:
    of = table(name)
    assert of.name == name
    assert f"./run bench tables/{name} " in of.text
    for part in ("The paper's protocol", "What the paper leaves open, and what was chosen:\n\n- "):
        assert part in of.text, part
    assert f"| `{name}.py` |" in (FOLDER / "README.md").read_text(encoding="utf-8")
    assert len((FOLDER / f"{name}.py").read_text(encoding="utf-8").splitlines()) <= 200
    for row in of.paper:
        for group in of.groups:
            assert all(value == "-" or float(value) >= 0 for value in of.printed(row, group).values())


@pytest.mark.parametrize(
    "name", [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in NAMES]
)
def test_a_table_runs_from_end_to_end_and_makes_nothing_twice(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(canvas, "AUXILIARY", 256)
    of, out = table(name), tmp_path / "out.json"
    assert run(of, ["--tiny", "--out", str(out)]) == 0
    results = json.loads(out.read_text(encoding="utf-8"))
    assert [(each["row"], each["group"]) for each in results["rows"]] == [(r, g) for r in of.paper for g in of.groups]
    measured = [each for each in results["rows"] if each["status"] == "measured"]
    assert {each["row"] for each in measured} | set(of.not_run) == set(of.paper)
    for each in measured:
        found = {metric: cell["measured"] for metric, cell in each["cells"].items()}
        assert any(cell is not None and cell["value"] is not None for cell in found.values())
    said = capsys.readouterr()
    assert all(f"  {metric}: " in said.out for metric in of.metrics)

    def again(job: Job) -> Any:
        raise AssertionError(f"{job.row} was measured twice")

    start = of.start
    monkeypatch.setitem(of.__dict__, "start", lambda flags: (start(flags), again)[1])
    assert run(of, ["--tiny", "--out", str(out)]) == 0
    assert json.loads(out.read_text(encoding="utf-8"))["rows"] == results["rows"]


@pytest.mark.parametrize("name", NAMES)
def test_what_is_missing_is_said_in_one_line(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    of = table(name)
    assert run(of, ["--out", str(tmp_path / "out.json")]) == 2
    first = next(iter(of.made_from))
    said = capsys.readouterr().err
    assert said == f"{name}: --{first} is wanted, {of.made_from[first]}: it was not given\n"
    assert run(of, [f"--{first}", str(tmp_path / "none"), "--out", str(tmp_path / "out.json")]) == 2
    assert capsys.readouterr().err.endswith(f"there is no {tmp_path / 'none'}\n")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", NAMES)
def test_a_table_explains_itself(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    of = table(name)
    with pytest.raises(SystemExit, match="0"):
        run(of, ["--help"])
    said = capsys.readouterr().out
    assert of.text.strip() in said
    for flag in (*of.made_from, *of.judged_by, *of.small, "out", "work", "rows", "seed", "device", "dtype", "tiny"):
        assert f"--{flag.replace('_', '-')} " in said, flag


@pytest.mark.parametrize("name", NAMES)
def test_a_tables_own_numbers_are_of_a_range(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    of, parser = table(name), argparse.ArgumentParser()
    of.options(parser)
    switches = {"q_align", "padded_captions", "task", "dtype"}
    own = vars(parser.parse_args([])).keys() - switches
    assert "steps" in own
    for flag in (f"--{each.replace('_', '-')}" for each in own):
        for value in ("-1", "nan", "many"):
            assert run(of, [f"{flag}={value}", "--out", str(tmp_path / "out.json")]) == 2
            assert capsys.readouterr().err.startswith(f"{name}: argument {flag}: a ")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", NAMES)
def test_tiny_refuses_what_it_sets(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    of = table(name)
    numbers = [flag for flag in of.small if flag != "limit"]
    words = [word for flag in numbers for word in (f"--{flag.replace('_', '-')}", "176")]
    for path in (*of.made_from, *of.judged_by):
        words += [f"--{path.replace('_', '-')}", str(tmp_path / "none")]
    for number in range(0, len(words), 2):
        assert run(of, ["--tiny", "--out", str(tmp_path / "out.json"), *words[number : number + 2]]) == 2
        assert capsys.readouterr().err == f"{name}: --tiny sets {words[number]} itself: leave it out, or --tiny\n"
    assert list(tmp_path.iterdir()) == []


def test_the_papers_values_are_printed_by_group_and_metric() -> None:
    assert table("alm_05").printed("ALM (Ours)", "Middle-half") == {
        "FID ↓": "0.447",
        "Match. ↓": "4.175",
        "R-prec. ↑": "0.395",
        "Div. →": "8.820",
    }
    assert table("syncsde_05").printed("SyncSDE (best)", "")["FID ↓"] == "174.756"


# What is kept


def test_a_fingerprint_is_of_names_sizes_and_ends_wherever_they_lie(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name / "deep").mkdir(parents=True)
        (tmp_path / name / "deep" / "weights").write_bytes(bytes(200_000))
        (tmp_path / name / "config").write_text("3")
    known = fingerprint(tmp_path / "one")
    assert fingerprint(tmp_path / "two") == known
    for path, content in (("config", b"4"), ("deep/weights", bytes(199_999) + b"1"), ("deep/weights", bytes(200_001))):
        before = (tmp_path / "two" / path).read_bytes()
        (tmp_path / "two" / path).write_bytes(content)
        assert fingerprint(tmp_path / "two") != known
        (tmp_path / "two" / path).write_bytes(before)
    (tmp_path / "two" / "config").rename(tmp_path / "two" / "configs")
    assert fingerprint(tmp_path / "two") != known


def test_what_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    store = Store(tmp_path, "a store")

    def half(path: Path) -> None:
        path.mkdir()
        (path / "one").write_text("1")
        raise RuntimeError("no more")

    with pytest.raises(RuntimeError, match="no more"):
        store.file("folder", half)
    assert list(tmp_path.iterdir()) == []


# What tables of meshes share


@pytest.mark.parametrize("method", [SyncSDE(3.0), ALM(w1=1.0)])
def test_until_is_the_method_and_then_each_view_alone(method: Any) -> None:
    prior = GaussianMixture(torch.zeros(1, 1, 6), exponential([6], length_scale=2.0, variance=1.0), torch.ones(1))
    schedule = Schedule.leading(scaled_linear(), 5)
    mask = torch.ones(1, 1, 6)
    mask[..., :3] = 0

    def made(way: Any) -> torch.Tensor:
        return sample(prior, schedule, noise=Noise.batch(3, 1), x_0=torch.full((1, 1, 6), 0.7), mask=mask, method=way)

    assert torch.equal(made(meshes.Until(method, 1.0)), made(method))
    assert torch.equal(made(meshes.Until(method, 0.0)), made(Independent()))
    between = made(meshes.Until(method, 0.4))
    assert not torch.equal(between, made(method))
    assert not torch.equal(between, made(Independent()))


def test_pairs_of_meshes_are_the_first_of_their_list(tmp_path: Path) -> None:
    for name in ("b.ply", "a.obj"):
        (tmp_path / name).touch()
    (tmp_path / "prompts.json").write_text('{"b.ply": "a bee", "a.obj": "an ape"}')
    assert meshes.pairs_of(tmp_path, 1) == [meshes.Pair("b", tmp_path / "b.ply", "a bee")]
    assert [pair.name for pair in meshes.pairs_of(tmp_path, 9)] == ["b", "a"]
    for text, said in (('{"c.ply": "x"}', r"c\.ply"), ("[1]", "must hold"), ("{}", "must name")):
        (tmp_path / "prompts.json").write_text(text)
        with pytest.raises(ValueError, match=said):
            meshes.pairs_of(tmp_path, 1)
