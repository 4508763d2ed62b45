"""The benchmark of the bookkeeping's cost runs: with tiny models it says nothing about cost."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.slow
@pytest.mark.skipif(not (ROOT / "benchmarks").is_dir(), reason="wants the whole workspace")
def test_the_benchmark_replays_the_runs_own_calls(tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "benchmarks" / "overhead.py"), "--tiny", "--threads", "1"]
    subprocess.run([*command, "--json", str(tmp_path / "out.json")], check=True, timeout=300)
    results = json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))
    assert {"date", "commit", "cpu", "torch"} <= results["environment"].keys()
    assert [row["model"] for row in results["rows"]] == ["emoji", "stable-diffusion-1.5"]
    for row in results["rows"]:
        # Two a step; where the last one ends clean there is nothing to climb there, and one call less.
        assert 2 * row["steps"] - 1 <= row["calls"] <= 2 * row["steps"]
        assert row["ratio"] > 0
        assert 0 < row["outside"] < 1
        assert 0.5 < row["memory_ratio"] < 2
