"""benchmarks/exact.py as a command: its rows, the same numbers for a seed, and bad input in one line."""

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks import exact, make_instances

KEYS = [
    "method",
    "evaluations",
    "gap_nats",
    "energy",
    "energy_posterior",
    "hole_rmse_ratio",
    "std_ratio",
    "boundary_jump",
]
INSTANCES = Path(exact.__file__).parent / "instances"


def small(**changes: Any) -> dict[str, Any]:
    """An instance that runs in a moment."""
    mask = [0, 0, 0, 0, 1, 1, 1, 1, 0, 0, 0, 0]
    return {
        **make_instances.instance("small", (12,), [("sin", 1.0), ("cos", 1.0)], mask, samples=24, steps=8),
        **changes,
    }


def run(folder: Path, given: dict[str, Any] | str, *options: str) -> tuple[int, list[dict[str, Any]]]:
    source, target = folder / "instance.json", folder / "rows.json"
    source.write_text(given if isinstance(given, str) else json.dumps(given))
    target.unlink(missing_ok=True)
    status = exact.main(["--instance", str(source), "--json", str(target), *options])
    return status, json.loads(target.read_text()) if target.exists() else []


def test_every_method_has_a_row_with_these_keys_alone(tmp_path: Path) -> None:
    status, rows = run(tmp_path, small())
    assert status == 0
    assert [row["method"] for row in rows] == list(exact.METHODS)
    for row in rows:
        assert list(row) == KEYS
        assert all(isinstance(row[key], float | int) for key in KEYS[1:])
    evaluations = {row["method"]: row["evaluations"] for row in rows}
    assert evaluations["independent"] == 8
    assert evaluations["alm"] == 24
    assert evaluations["alm-50"] == 8 * 101
    assert evaluations["repaint-10"] == 80


def test_the_same_seed_gives_the_same_numbers_and_another_does_not(tmp_path: Path) -> None:
    names = ("--methods", "alm,stochastic-alm")
    first = run(tmp_path, small(), *names)
    assert run(tmp_path, small(), *names) == first
    assert run(tmp_path, small(seed=1), *names) != first
    assert [row["method"] for row in first[1]] == ["alm", "stochastic-alm"]


def test_several_masks_are_averaged(tmp_path: Path) -> None:
    one, two = [0] * 6 + [1] * 6, [1] * 4 + [0] * 8
    alone = [run(tmp_path, small(mask=mask), "--methods", "alm")[1][0] for mask in (one, two)]
    for given in (small(mask=[one, two]), small(masks=[one, two])):
        (row,) = run(tmp_path, given, "--methods", "alm")[1]
        assert row["gap_nats"] == pytest.approx((alone[0]["gap_nats"] + alone[1]["gap_nats"]) / 2)


def test_nested_arrays_mean_what_flat_ones_do(tmp_path: Path) -> None:
    flat = small(grid=[3, 4])
    means = [[mean[i : i + 4] for i in (0, 4, 8)] for mean in flat["means"]]
    nested = {**flat, "means": means, "mask": [flat["mask"][i : i + 4] for i in (0, 4, 8)]}
    assert run(tmp_path, nested, "--methods", "alm") == run(tmp_path, flat, "--methods", "alm")


@pytest.mark.parametrize("kind", ["linear", "cosine", "flow"])
@pytest.mark.parametrize("kernel", ["rbf", "exponential"])
def test_every_schedule_and_kernel_is_read_and_most_keys_may_be_missing(tmp_path: Path, kind: str, kernel: str) -> None:
    full = small(schedule={"kind": kind}, kernel=kernel)
    given = {key: full[key] for key in ("grid", "length_scale", "mask", "schedule", "kernel", "steps")}
    status, rows = run(tmp_path, {**given, "samples": 8}, "--methods", "syncsde,stochastic-alm")
    assert (status, len(rows)) == (0, 2)


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ("{", "Expecting"),
        ("[1, 2]", "object"),
        (small(kernel="matern"), "rbf, exponential, got 'matern'"),
        (small(schedule={"kind": "sqrt"}), "scaled_linear, linear, cosine, flow; got 'sqrt'"),
        (small(mask=[0, 1]), "mask must hold arrays of 12"),
        (small(mask=[0] * 12), "some of both"),
        (small(mask=[0.5] * 12), "1 where unobserved"),
        (small(means=[[1.0, 2.0]]), "means must hold arrays of 12"),
        (small(weights=[1.0]), "2 modes want as many positive weights"),
        (small(samples=1), "samples must be 2 or more"),
        (small(steps=0), "steps must lie between 1 and the 1000"),
        (small(length_scale=-1), "length_scale"),
        (small(length_scale="wide"), "wide"),
        (small(jitter=0, length_scale=5), "positive definite"),
        ({key: value for key, value in small().items() if key != "mask"}, "'mask' is missing"),
    ],
)
def test_a_wrong_instance_is_refused_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], given: dict[str, Any] | str, wanted: str
) -> None:
    assert run(tmp_path, given) == (2, [])
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("\n") == 1
    assert wanted in said.err


def test_an_unknown_method_or_file_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tmp_path, small(), "--methods", "alm,magic") == (2, [])
    assert exact.main(["--instance", str(tmp_path / "missing.json")]) == 2
    source = str(INSTANCES / "a-middle.json")
    assert exact.main(["--instance", source, "--json", str(tmp_path / "none" / "rows.json")]) == 2
    said = capsys.readouterr().err
    assert "there is no folder" in said
    assert "unknown method magic; there are independent, " in said
    assert "missing.json" in said


def test_the_instances_in_the_repository_are_those_that_the_script_makes() -> None:
    for each in make_instances.NAMED:
        assert json.loads((INSTANCES / f"{each['name']}.json").read_text()) == each
    assert len(list(INSTANCES.iterdir())) == len(make_instances.NAMED)


def test_two_seeds_make_two_instances_and_one_the_same() -> None:
    assert make_instances.random_instance(5) == make_instances.random_instance(5)
    assert make_instances.random_instance(5) != make_instances.random_instance(6)
