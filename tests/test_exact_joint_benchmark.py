"""benchmarks/exact_joint.py as a command: its rows, the same numbers for a seed, and its windows' exact priors."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmarks import exact_joint


def run(folder: Path, *options: str) -> list[dict[str, Any]]:
    target = folder / "rows.json"
    assert exact_joint.main(["--samples", "6", "--steps", "4", "--json", str(target), *options]) == 0
    found = json.loads(target.read_text())
    assert found["environment"]["torch"] == torch.__version__
    rows: list[dict[str, Any]] = found["rows"]
    return rows


def test_every_method_has_a_row_for_each_process(tmp_path: Path) -> None:
    rows = run(tmp_path)
    wanted = [(process, method) for process in exact_joint.PROCESSES for method in exact_joint.METHODS]
    assert [(row["process"], row["method"]) for row in rows] == wanted
    assert all(list(row)[2:] == list(exact_joint.COLUMNS) for row in rows)
    evaluations = {row["method"]: row["evaluations"] for row in rows}
    assert (evaluations["whole"], evaluations["alm"], evaluations["synctweedies"]) == (4, 4 + 4 * 3 * 4, 5 * 4)
    # Three levels above the stop, sets of 3 windows, which cover all, and 2; in the last two steps all 5, or a set.
    assert evaluations["stochsync"] == 3 * 4 + 5 * 3 + 5 * 2
    assert evaluations["stochsync-alternating"] == 3 * 4 + 2 * 3 + 3 * 2


def test_the_same_seed_gives_the_same_numbers(tmp_path: Path) -> None:
    assert run(tmp_path, "--methods", "stochsync") == run(tmp_path, "--methods", "stochsync")


@pytest.mark.parametrize("process", exact_joint.PROCESSES.values(), ids=exact_joint.PROCESSES)
def test_what_a_window_sees_is_the_exact_marginal_of_the_whole(process: exact_joint.Process) -> None:
    whole, window = process.over(exact_joint.LENGTH), process.over(exact_joint.WINDOW)
    for start in exact_joint.STARTS:
        places = slice(start, start + exact_joint.WINDOW)
        torch.testing.assert_close(whole.covariance[places, places], window.covariance)
        torch.testing.assert_close(whole.means[:, places], window.means)


def test_an_unknown_method_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        exact_joint.main(["--methods", "magic"])
    assert stopped.value.code == 2
    assert "unknown method magic; there are whole, independent" in capsys.readouterr().err
