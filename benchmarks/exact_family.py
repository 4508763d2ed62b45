"""The exact benchmark on many instances: those of the repository, and random ones that nothing was tuned on.

    ./run bench exact_family [--first 5000] [--count 32] [--random-only] [--results benchmarks/results/0.1.0]

Writes exact-<name>.json for each named instance and exact-family.json for the random ones, with the machine and the
versions beside, and prints how the methods compare with the targets. The random ones leave out `alm-50` and
`smcdiff-64`, whose 5,050 and 3,200 evaluations a sample are most of the time.
"""

import argparse
import json
import sys
from collections.abc import Iterable
from pathlib import Path
from statistics import median

import torch

from benchmarks.common import ROOT, write_results
from benchmarks.exact import METHODS, Instance, measure
from benchmarks.make_instances import NAMED, random_instance

__all__ = ["run"]

Row = dict[str, str | float]


def run(given: dict[str, object], names: Iterable[str]) -> list[Row]:
    """One row a method."""
    instance = Instance.read(json.dumps(given))
    return [{"method": name, **measure(instance, *METHODS[name])} for name in names]


def targets(rows: list[Row]) -> dict[str, float]:
    """How the methods compare, as ratios of gaps."""
    gap = {str(row["method"]): float(row["gap_nats"]) for row in rows}
    std = {str(row["method"]): float(row["std_ratio"]) for row in rows}
    return {
        "alm_over_syncsde": gap["alm"] / gap["syncsde"],
        "alm_over_no_delta": gap["alm"] / gap["alm-no-delta"],
        **({"alm_over_50_inner": gap["alm"] / gap["alm-50"]} if "alm-50" in gap else {}),
        "stochastic_over_repaint": abs(gap["stochastic-alm"] / gap["repaint-10"]),
        "stochastic_over_repaint_ancestral": abs(gap["stochastic-alm"] / gap["repaint-10-ancestral"]),
        "stochastic_gap": gap["stochastic-alm"],
        "repaint_gap": gap["repaint-10"],
        "stochastic_std_ratio": std["stochastic-alm"],
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--first", type=int, default=5000, help="seed of the first random instance")
    parser.add_argument("--count", type=int, default=32, help="how many random instances")
    parser.add_argument("--results", type=Path, default=ROOT / "benchmarks" / "results" / "0.1.0")
    parser.add_argument("--random-only", action="store_true", help="leave out the named instances")
    given = parser.parse_args()
    for each in [] if given.random_only else NAMED:
        rows = run(each, METHODS)
        write_results(given.results / f"exact-{each['name']}.json", instance=each["name"], rows=rows)
        print(each["name"], {key: round(value, 3) for key, value in targets(rows).items()}, flush=True)
    family = []
    for seed in range(given.first, given.first + given.count):
        about = random_instance(seed)
        rows = run(about, [name for name in METHODS if name not in ("alm-50", "smcdiff-64")])
        short = {key: about[key] for key in ("grid", "kernel", "length_scale", "jitter")}
        short |= {"modes": len(about["weights"]), "hole": sum(about["mask"]), "schedule": about["schedule"]["kind"]}
        family.append({"seed": seed, **short, "targets": targets(rows), "rows": rows})
        print(seed, short, {key: round(value, 3) for key, value in targets(rows).items()}, flush=True)
    if not family:
        return 0
    middle = {key: median(one["targets"][key] for one in family) for key in family[0]["targets"]}
    write_results(given.results / "exact-family.json", medians=middle, instances=family)
    print("medians", {key: round(value, 3) for key, value in middle.items()})
    return 0


if __name__ == "__main__":
    torch.set_num_threads(1)
    sys.exit(main())
