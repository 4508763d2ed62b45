"""The exact benchmark against the number of particles: does `SMCDiff` approach the exact posterior as they grow?

    ./run bench exact_particles [--instances a-middle,g-flow] [--particles 1,4,16,64,256] [--steps 50,200] [--json OUT]

For each instance, number of steps and number of particles K, the columns of `exact.py`. A diffusion is run on its own
levels, Stable Diffusion's, and on levels even in log σ down to σ = 0.003 and then clean; a flow on its own. What is
left as K grows is the chain's and not the filter's: its transitions have one variance for all directions, and its last
level may be noisy. A row that would take more than `--most` evaluations a sample is left out. A gap is a mean over
`--samples`.
"""

import argparse
import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import torch
from alm_core import FreshNoise, Schedule, SMCDiff

from benchmarks.common import ROOT, write_results
from benchmarks.exact import COLUMNS, Instance, measure

__all__ = ["levels"]

INSTANCES = ROOT / "benchmarks" / "instances"


def levels(text: str, steps: int, samples: int) -> Iterator[tuple[str, Instance]]:
    """The instance of a JSON text on its own levels, and a diffusion on levels that end clean, by name."""
    own = Instance.read(json.dumps({**json.loads(text), "steps": steps, "samples": samples}))
    yield "own", own
    if not own.schedule.flow:
        yield "log sigma", replace(own, schedule=Schedule.log_sigma(steps, highest=20.0, lowest=0.003))


def main(arguments: list[str] | None = None) -> int:
    """Runs the command; returns its exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    usual = ["a-middle", "g-flow"]
    parser.add_argument("--instances", type=_names, default=usual, help="of benchmarks/instances")
    parser.add_argument("--particles", type=_numbers, default=[1, 4, 16, 64, 256], help="numbers separated by commas")
    parser.add_argument("--steps", type=_numbers, default=[50, 200], help="numbers separated by commas")
    parser.add_argument("--samples", type=int, default=96, help="of each row")
    parser.add_argument("--most", type=int, default=12_800, help="evaluations a sample; rows beyond are left out")
    parser.add_argument("--json", type=Path, help="write the rows there, with where they come from")
    given = parser.parse_args(arguments)
    rows: list[dict[str, object]] = []
    print(
        f"{'instance':10}{'levels':>10}{'steps':>7}{'particles':>11}" + "".join(_cell(name, name) for name in COLUMNS)
    )
    for name in given.instances:
        text = (INSTANCES / f"{name}.json").read_text()
        for steps in given.steps:
            for kind, instance in levels(text, steps, given.samples):
                for particles in (k for k in given.particles if k * steps <= given.most):
                    found = measure(instance, SMCDiff(particles), FreshNoise())
                    rows.append({"instance": name, "levels": kind, "steps": steps, "particles": particles, **found})
                    cells = "".join(_cell(key, found[key]) for key in COLUMNS)
                    print(f"{name:10}{kind:>10}{steps:7}{particles:11}{cells}", flush=True)
    if given.json:
        write_results(given.json, samples=given.samples, rows=rows)
    return 0


def _cell(column: str, value: float | str) -> str:
    spec = COLUMNS[column]
    return f"{value:>{spec.split('.')[0]}}" if isinstance(value, str) else format(value, spec)


def _names(text: str) -> list[str]:
    there = sorted(path.stem for path in INSTANCES.glob("*.json"))
    names = text.split(",")
    if not set(names) <= set(there):
        raise argparse.ArgumentTypeError(f"instances are {', '.join(there)}; got {text}")
    return names


def _numbers(text: str) -> list[int]:
    return [int(number) for number in text.split(",")]


if __name__ == "__main__":
    torch.set_num_threads(1)
    sys.exit(main())
