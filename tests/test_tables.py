"""The papers' tables as commands: each runs on tiny models, goes on where it stopped, and says what it wants."""

import argparse
import json
from collections.abc import Callable
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
from benchmarks.tables.flags import STEPS
from benchmarks.tables.store import Store, fingerprint

FOLDER = Path(common.__file__).parent
NAMES = sorted(path.stem for pattern in ("alm_*.py", "syncsde_*.py") for path in FOLDER.glob(pattern))
QUICK = ("alm_10",)
Run = Callable[..., dict[str, Any]]


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


# The framework, by a table of numbers


def toy(made: list[str], *, fail_at: str = "", wrong: str = "") -> Table:
    """Items are numbers: the row's own, times the place, plus what the file holds."""

    def start(flags: Any) -> common.Measure:
        offset = float(flags.data.read_text())
        if wrong:
            raise ValueError(wrong)

        def measure(job: Job) -> tuple[common.Cells, int]:
            def make(path: Path, number: int) -> None:
                made.append(f"{job.row}{job.group}{number}")
                path.write_text(str(job.way * number + offset))
                if made[-1] == fail_at:
                    raise KeyboardInterrupt

            files = [job.items.file(f"{n}.txt", lambda path, n=n: make(path, n)) for n in range(job.limit)]
            shared = job.shared.file("reference.txt", lambda path: (made.append("reference"), path.write_text("1")))
            value = flags.scale * sum(float(file.read_text()) for file in files) + float(shared.read_text())
            judge = float(flags.judge.read_text())
            return {"FID ↓": {"value": value * judge, "low": None, "high": None}, "KID ↓": None}, len(files)

        return measure

    def options(parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--scale", type=float, default=1)
        parser.add_argument("--w", type=float, default=1.0)
        parser.add_argument("--steps", type=STEPS, default=4)

    def tiny(folder: Path) -> dict[str, object]:
        made.append("tiny")
        for name in ("data", "judge"):
            (folder / name).write_text("1")
        return {"data": folder / "data", "judge": folder / "judge"}

    return Table(
        name="toy",
        text="A table.",
        groups=("a", "b"),
        metrics=("FID ↓", "KID ↓"),
        paper={"One": "1.10 - 3 4", "Two": "5 6 7 8", "Other": "9 10 11 12"},
        items=3,
        rows=lambda flags: {"One": flags.w, "Two": 2.0, "Ours": 5.0},
        not_run={"Other": "theirs"},
        made_from={"data": "a number"},
        judged_by={"judge": "a factor"},
        start=start,
        tiny=tiny,
        small={"limit": 2, "steps": 3},
        loose=("scale", "w"),
        options=options,
    )


@pytest.fixture
def go(tmp_path: Path) -> Run:
    (tmp_path / "data").write_text("10")
    (tmp_path / "judge").write_text("1")

    def with_flags(of: Table, *words: str) -> dict[str, Any]:
        paths = [word for name in ("data", "judge") for word in (f"--{name}", str(tmp_path / name))]
        assert run(of, [*paths, "--out", str(tmp_path / "out.json"), *words]) == 0
        results: dict[str, Any] = json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))
        return {f"{each['row']} {each['group']}": each for each in results["rows"]} | {"": results}

    return with_flags


def test_results_stand_beside_the_papers(go: Run, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    made: list[str] = []
    rows = go(toy(made), "--seed", "7")
    assert rows["One a"]["cells"] == {
        "FID ↓": {"paper": 1.1, "measured": {"value": 34.0, "low": None, "high": None}},  # 0 + 1 + 2 + 3 · 10 + 1
        "KID ↓": {"paper": None, "measured": None},
    }
    assert rows["Two b"]["cells"]["FID ↓"] == {"paper": 7.0, "measured": {"value": 37.0, "low": None, "high": None}}
    assert (rows["Other a"]["status"], rows["Other a"]["why"]) == ("not run", "theirs")
    assert rows["Ours a"]["cells"]["KID ↓"]["paper"] is None
    assert (rows[""]["items"], rows[""]["settings"]["seed"], rows[""]["settings"]["limit"]) == (3, 7, 3)
    assert rows[""]["environment"]["python"]
    assert str(tmp_path) not in json.dumps(rows)
    said = capsys.readouterr().out
    assert "One, a (3 of 3 items)\n  FID ↓: 1.10 | 34\n  KID ↓: - | -\n" in said
    assert "Other, b (not run: theirs)\n  FID ↓: 11 | -\n" in said
    assert made.count("reference") == 1


def test_a_run_that_was_stopped_goes_on_where_it_stopped(go: Run) -> None:
    made: list[str] = []
    with pytest.raises(KeyboardInterrupt):
        go(toy(made, fail_at="Twoa1"))
    assert made == ["Onea0", "Onea1", "Onea2", "reference", "Oneb0", "Oneb1", "Oneb2", "Twoa0", "Twoa1"]
    made.clear()
    go(toy(made))
    assert made == [*(f"Two{place}" for place in ("a1", "a2", "b0", "b1", "b2")), *made[5:]]
    assert all(each.startswith("Ours") for each in made[5:])
    assert len(made) == 11


def test_items_are_those_of_their_settings(go: Run, tmp_path: Path) -> None:
    made: list[str] = []
    first = go(toy(made))

    def fresh(*words: str) -> set[str]:
        made.clear()
        (tmp_path / "out.json").unlink()
        go(toy(made), *words)
        return {each[:4].rstrip("ab0123") for each in made}

    everything = {"One", "Two", "Ours", "refe"}
    assert fresh() == set()
    assert fresh("--scale", "2", "--limit", "2") == set()
    assert fresh("--w", "3") == {"One"}
    assert fresh("--steps", "5") == everything
    assert fresh("--seed", "5") == everything
    (tmp_path / "judge").write_text("2")
    assert fresh() == set()
    judged = go(toy(made))["One a"]["cells"]["FID ↓"]["measured"]["value"]
    assert judged == 2 * first["One a"]["cells"]["FID ↓"]["measured"]["value"]
    (tmp_path / "data").write_text("11")
    assert fresh() == everything


def test_parts_of_a_table_are_put_together(go: Run) -> None:
    made: list[str] = []
    rows = go(toy(made), "--rows", "Two", "--groups", "b", "--limit", "1")
    assert made == ["Twob0", "reference"]
    assert rows["Two a"]["why"] == rows["One b"]["why"] == "not asked for"
    assert rows["Two b"]["items"] == 1
    rows = go(toy(made), "--rows", "One", "--limit", "1")
    assert [rows[name]["status"] for name in ("One a", "One b", "Two a", "Two b")] == [
        "measured",
        "measured",
        "not run",
        "measured",
    ]


WRONG = {
    "--rows Other": "there is no row 'Other' to run (theirs): name some of 'One', 'Two', 'Ours'",
    "--rows Third": "the paper's table has none",
    "--groups c": "argument --groups: invalid choice: 'c'",
    "--limit 0": "argument --limit: a whole number, 1 or more, is wanted, got '0'",
    "--limit few": "argument --limit: a whole number, 1 or more, is wanted, got 'few'",
    "--seed -1": "argument --seed: a whole number from 0 to 4611686018427387904 is wanted, got '-1'",
    "--dtype float99": "dtype must be float32, float16 or bfloat16, got float99",
    "--device nowhere": "unknown device 'nowhere'",
    "--device cuda": "device 'cuda' is not available here",
    "--stripes 3": "unrecognized arguments: --stripes 3; see ./run bench tables/toy --help",
    "--work {0}/file": "--work is a folder, and {0}/file is a file: name another",
    "--work {0}/none/here": "--work lies in a folder that is there: there is no folder {0}/none",
    "--out {0}/out.txt": "--out is a file that ends in .json, got {0}/out.txt",
    "--out {0}/none/out.json": "--out lies in a folder that is there: there is no folder {0}/none",
    "--out {0}/folder.json": "--out is a file that ends in .json, got {0}/folder.json",
    "--out {0}/other.json": "--out {0}/other.json is there, and is no result of toy: name another file",
    "--out {0}/list.json": "--out {0}/list.json is there, and is no result of toy: name another file",
}


@pytest.mark.parametrize("tiny", [True, False])
@pytest.mark.parametrize("words", WRONG)
def test_flags_that_cannot_be_are_refused_in_one_line_and_nothing_is_made(
    words: str, tiny: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder.json").mkdir()
    for name, text in (("file", ""), ("other.json", '{"table": "alm_01"}'), ("list.json", "[]")):
        (tmp_path / name).write_text(text)
    before, made = sorted(tmp_path.rglob("*")), []
    paths = ["--tiny"] if tiny else ["--data", "file", "--judge", "file"]
    assert run(toy(made), [*paths, *words.format(tmp_path).split()]) == 2
    said = capsys.readouterr()
    assert said.err.startswith("toy: ")
    assert said.err.count("\n") == 1
    assert WRONG[words].format(tmp_path) in said.err
    assert (said.out, made, sorted(tmp_path.rglob("*"))) == ("", [], before)


def test_tiny_sets_what_is_small_and_leaves_a_limit_that_was_given(tmp_path: Path) -> None:
    for words, limit in (([], 2), (["--limit", "1"], 1)):
        out = tmp_path / f"{limit}.json"
        assert run(toy([]), ["--tiny", "--out", str(out), *words]) == 0
        settings = json.loads(out.read_text())["settings"]
        assert (settings["steps"], settings["limit"], settings["w"]) == (3, limit, 1.0)
    assert (
        run(toy([]), ["--tiny", "--steps", "4", "--out", str(tmp_path / "3.json")]) == 2
    )  # 4 is what it is unless given


def test_what_tiny_made_goes_with_what_it_was_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made: list[str] = []
    assert run(toy(made, wrong="it is not\nso"), ["--tiny", "--out", str(tmp_path / "out.json")]) == 2
    assert (made, capsys.readouterr().err) == (["tiny"], "toy: it is not so\n")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "out.work").mkdir()
    (tmp_path / "out.work" / "kept").touch()
    assert run(toy(made, wrong="no"), ["--tiny", "--out", str(tmp_path / "out.json")]) == 2
    assert list((tmp_path / "out.work").iterdir()) == [tmp_path / "out.work" / "kept"]


def test_results_of_other_settings_are_not_lost(go: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made: list[str] = []
    go(toy(made), "--rows", "One")
    out, paths = tmp_path / "out.json", [f"--{name}={tmp_path / name}" for name in ("data", "judge")]
    kept = out.read_text()
    capsys.readouterr()
    for words, other in ((["--steps", "5"], "steps"), (["--seed", "2", "--device", "cpu:0"], "device, seed")):
        assert run(toy(made, wrong="it was loaded"), [*paths, "--out", str(out), *words]) == 2
        said = f"toy: --out {out} is there, and is of other settings ({other}): name another file\n"
        assert capsys.readouterr().err == said
    (tmp_path / "data").write_text("12")
    assert run(toy(made, wrong="it was loaded"), [*paths, "--out", str(out)]) == 2
    assert "(data)" in capsys.readouterr().err
    assert run(toy(made), ["--tiny", "--out", str(out)]) == 2  # of 3 steps
    assert (out.read_text(), set(made)) == (kept, {"Onea0", "Onea1", "Onea2", "Oneb0", "Oneb1", "Oneb2", "reference"})
    (tmp_path / "data").write_text("10")
    rows = go(toy(made), "--rows", "Two")  # goes on
    assert rows["One a"]["status"] == rows["Two a"]["status"] == "measured"
    assert not out.with_suffix(".part").exists()


def test_what_a_table_finds_out_is_of_its_settings(go: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def of(machine: str) -> Table:
        found = toy([])
        start = found.start
        found.__dict__["start"] = lambda flags: (setattr(flags, "machine", machine), start(flags))[1]
        return found

    go(of("slow"))
    go(of("slow"))
    with pytest.raises(AssertionError):
        go(of("quick"))
    assert "of other settings (machine)" in capsys.readouterr().err


def test_fewer_items_than_were_wanted_are_said_to_be_all(go: Run, capsys: pytest.CaptureFixture[str]) -> None:
    of = toy([])
    start = of.start

    def short(flags: argparse.Namespace) -> common.Measure:
        return lambda job: (start(flags)(job)[0], 2 if job.row == "One" else job.limit)

    of.__dict__["start"] = short
    rows = go(of, "--limit", "3")
    assert rows["One a"]["why"] == "there are no more, of 3 that were wanted"
    assert "why" not in rows["Two a"]
    assert "One, a (2 of 3 items: there are no more, of 3 that were wanted)\n" in capsys.readouterr().out


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
