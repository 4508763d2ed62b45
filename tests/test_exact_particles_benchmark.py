"""benchmarks/exact_particles.py as a command: its rows, and what it leaves out or refuses."""

import json
from pathlib import Path

import pytest
import torch

from benchmarks import exact_particles
from benchmarks.exact import COLUMNS


def test_every_number_of_particles_that_is_not_too_dear_has_a_row(tmp_path: Path) -> None:
    target = tmp_path / "rows.json"
    options = ["--instances", "c-half,g-flow", "--particles", "1,3", "--steps", "4,8", "--samples", "6", "--most", "12"]
    assert exact_particles.main([*options, "--json", str(target)]) == 0
    found = json.loads(target.read_text())
    assert found["environment"]["torch"] == torch.__version__
    assert found["samples"] == 6
    keys = ("instance", "levels", "steps", "particles")
    assert all(list(row) == [*keys, *COLUMNS] for row in found["rows"])
    assert [tuple(row[key] for key in keys) for row in found["rows"]] == [
        ("c-half", "own", 4, 1),
        ("c-half", "own", 4, 3),
        ("c-half", "log sigma", 4, 1),
        ("c-half", "log sigma", 4, 3),
        ("c-half", "own", 8, 1),
        ("c-half", "log sigma", 8, 1),
        ("g-flow", "own", 4, 1),
        ("g-flow", "own", 4, 3),
        ("g-flow", "own", 8, 1),
    ]
    assert all(row["evaluations"] == row["steps"] * row["particles"] for row in found["rows"])


def test_an_unknown_instance_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        exact_particles.main(["--instances", "z-none"])
    assert "instances are a-middle, b-exponential" in capsys.readouterr().err
