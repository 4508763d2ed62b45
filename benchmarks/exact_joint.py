"""Joint methods and windows in order, on a long prior of which windows see exact parts.

    ./run bench exact_joint [--samples 1024] [--steps 50] [--methods alm,stochsync] [--json exact-joint.json]

The long prior is a mixture of Gaussians over 96 places whose covariance depends on the distance of two places alone and
whose modes are constant along it, so the exact marginal of 32 places is the same wherever they lie: the prior of every
window, of which five begin every 16. Nothing is given; what a method makes is held against exact samples of the whole.

For every method: network evaluations a sample; the gap in log-density of the whole to that of exact samples (nats;
below zero is over-dense); the unbiased energy distance to exact samples, beside that of other exact samples; the
standard deviation over samples where one window lies and where two do, each over the prior's; and the root mean square
jump between neighbours of which a window holds one and not the other, over the prior's. The same seed gives the same
numbers. Levels and references are those of `exact`; windows in order are in lockstep. `whole` is DDIM with the long
prior itself, whose evaluations are of the whole: what is lost without any windows. `stochsync-one-step` has Tweedie's
formula for its x̂_0, `stochsync-alternating` no last steps of all windows.
"""

import argparse
import math
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from alm_core import Counted, Independent, Method, Noise, Reference, Schedule, Slice, extend, sample
from alm_core.analytic import GaussianMixture, exponential, rbf
from alm_core.fuse import fuse
from alm_core.fusions import Fusion, MultiDiffusion, StochSync, SyncTweedies, VisualAnagrams
from alm_core.metrics import energy_distance, log_density_gap
from alm_core.schedule import scaled_linear
from alm_core.window import slices
from torch import Tensor

from benchmarks import exact
from benchmarks.common import write_results

__all__ = ["COLUMNS", "METHODS", "PROCESSES", "Process", "made", "measure"]

IN_ORDER = ("independent", "syncsde", "alm", "stochastic-alm")
Way = tuple[Method, Reference] | Fusion | None
METHODS: dict[str, Way] = {
    "whole": None,
    **{name: exact.METHODS[name] for name in IN_ORDER},
    "multidiffusion": MultiDiffusion(),
    "synctweedies": SyncTweedies(),
    "visual-anagrams": VisualAnagrams(),
    "stochsync": StochSync(),
    "stochsync-one-step": StochSync(inner=1),
    "stochsync-alternating": StochSync(joint=0),
}
COLUMNS = {
    "evaluations": "13.0f",
    "gap_nats": "10.2f",
    "energy": "9.4f",
    "energy_exact": "14.4f",
    "std_once": "10.3f",
    "std_twice": "11.3f",
    "seam_jump": "11.3f",
}
LENGTH, WINDOW, STRIDE = 96, 32, 16
STARTS = slices(LENGTH, WINDOW, STRIDE)
TRUTH, OTHERS = 11, 12
"""Keys of the independent sources of noise beside the sampler's own."""


@dataclass(frozen=True)
class Process:
    """A stationary process: a kernel of so many places' reach, and the levels that it may lie around."""

    kernel: Callable[..., Tensor]
    reach: float
    levels: tuple[float, ...] = (0.0,)

    def over(self, places: int) -> GaussianMixture:
        """Its exact prior over so many neighbouring places."""
        covariance = self.kernel((places,), length_scale=self.reach / (places - 1), jitter=1e-3)
        means = torch.tensor(self.levels, dtype=torch.float64)[:, None].expand(-1, places)
        return GaussianMixture(means.contiguous(), covariance, torch.ones(len(self.levels)))


PROCESSES = {
    "rough": Process(exponential, 8.0),
    "smooth": Process(rbf, 4.0),
    "two levels": Process(exponential, 8.0, (-2.0, 2.0)),
}


def measure(process: Process, way: Way, *, samples: int, steps: int) -> dict[str, float]:
    """One row of the table."""
    whole, noise = process.over(LENGTH), Noise.batch(0, samples)
    y, evaluations = made(process, way, noise, steps)
    y = y.double()
    truth, others = (whole.sample(noise.child(key)) for key in (TRUTH, OTHERS))
    edges = sorted({edge for start in STARTS for edge in (start, start + WINDOW)} - {0, LENGTH})
    jumps = y[:, edges] - y[:, [edge - 1 for edge in edges]]
    step = math.sqrt(2 * float(whole.covariance[0, 0] - whole.covariance[0, 1]))
    centre = sum(process.levels) / len(process.levels)
    variance = float(whole.covariance[0, 0]) + sum((v - centre) ** 2 for v in process.levels) / len(process.levels)
    spread = (y - centre).square().mean(0).div(variance)
    twice = spread[STRIDE : LENGTH - STRIDE]
    once = torch.cat([spread[:STRIDE], spread[LENGTH - STRIDE :]])
    return {
        "evaluations": evaluations,
        "gap_nats": log_density_gap(whole.log_prob(truth), whole.log_prob(y)),
        "energy": energy_distance(y, truth),
        "energy_exact": energy_distance(others, truth),
        "std_once": float(once.mean().sqrt()),
        "std_twice": float(twice.mean().sqrt()),
        "seam_jump": float(jumps.square().mean().sqrt()) / step,
    }


def made(process: Process, way: Way, noise: Noise, steps: int) -> tuple[Tensor, float]:
    """The canvases (samples, places), and evaluations of a window a sample."""
    alphas = scaled_linear()
    schedule = Schedule.leading(alphas, steps, final_alpha=alphas[0])
    windows = [Slice((start,), (WINDOW,)) for start in STARTS]
    if way is None:
        counted = Counted(process.over(LENGTH))
        y = sample(counted, schedule, noise=noise, shape=(LENGTH,), method=Independent())
        return y, counted.rows / len(y)
    counted = Counted(process.over(WINDOW))
    if isinstance(way, Fusion):
        y = fuse(counted, schedule, windows, (LENGTH,), noise=noise, fusion=way)
    else:
        method, reference = way
        blank = torch.zeros(1, LENGTH)
        y = extend(counted, schedule, windows, blank, blank + 1, noise=noise, method=method, reference=reference)
    return y, counted.rows / len(y)


def main(arguments: list[str] | None = None) -> int:
    """Runs the command; returns its exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--methods", help=f"names separated by commas; all by default: {', '.join(METHODS)}")
    parser.add_argument("--samples", type=int, default=1024)
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--json", type=Path, help="write the rows there, with the machine and the versions beside")
    given = parser.parse_args(arguments)
    names = given.methods.split(",") if given.methods else list(METHODS)
    unknown = [name for name in names if name not in METHODS]
    if unknown:
        parser.error(f"unknown method {', '.join(unknown)}; there are {', '.join(METHODS)}")
    rows = []
    for title, process in PROCESSES.items():
        print(f"{title:24}" + "".join(f"{name:>{spec.split('.')[0]}}" for name, spec in COLUMNS.items()))
        for name in names:
            row = measure(process, METHODS[name], samples=given.samples, steps=given.steps)
            rows.append({"process": title, "method": name, **row})
            print(f"{name:24}" + "".join(format(row[key], spec) for key, spec in COLUMNS.items()), flush=True)
    if given.json:
        write_results(given.json, samples=given.samples, steps=given.steps, rows=rows)
    return 0


if __name__ == "__main__":
    torch.set_num_threads(1)
    sys.exit(main())
