"""What runs any table, by a table of numbers: what is kept, what is shown, and what is refused before any work."""

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmarks.tables import common
from benchmarks.tables.common import Job, Table, run
from benchmarks.tables.flags import STEPS

Run = Callable[..., dict[str, Any]]


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
