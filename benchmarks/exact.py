"""The exact benchmark: every method on a prior whose posterior is known.

    ./run bench exact --instance benchmarks/instances/a-middle.json [--methods alm,syncsde] [--json OUT]

For every method: network evaluations a sample; the gap in log-density to the exact posterior's samples, of the result
with the observed part put back (nats; below zero is over-dense and as wrong as above); the unbiased energy distance
of (observed, filled) to samples of the prior, beside the exact posterior's own; the hole's rmse to the truth and its
standard deviation over samples, each over the posterior's; and the mean jump across the hole's border. An instance
with several masks is measured on each, and the averages are reported. The same seed gives the same numbers.
"""

import argparse
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from alm_core import (
    ALM,
    Counted,
    FixedNoise,
    FreshNoise,
    Independent,
    Method,
    Noise,
    ReconstructionGuidance,
    Reference,
    RePaint,
    Replacement,
    Schedule,
    StochasticALM,
    SyncSDE,
    sample,
)
from alm_core.analytic import GaussianMixture, exponential, rbf
from alm_core.metrics import boundary_jump, energy_distance, log_density_gap
from alm_core.schedule import cosine, linear, scaled_linear

__all__ = ["METHODS", "Instance", "measure"]

METHODS: dict[str, tuple[Method, Reference]] = {
    "independent": (Independent(), FixedNoise()),
    "replacement": (Replacement(), FreshNoise()),
    "reconstruction-guidance": (ReconstructionGuidance(), FixedNoise()),
    "syncsde": (SyncSDE(), FixedNoise()),
    "alm-no-delta": (ALM(off_last=1), FixedNoise()),
    "alm": (ALM(), FixedNoise()),
    "alm-50": (ALM(iterations=50), FixedNoise()),
    "repaint-4": (RePaint(4), FreshNoise()),
    "repaint-10": (RePaint(10), FreshNoise()),
    "stochastic-alm": (StochasticALM(), FreshNoise()),
}
KERNELS = {"rbf": rbf, "exponential": exponential}
PRIOR, TRUTH, POSTERIOR = 0, 1, 2
"""Keys of the independent sources of noise beside the sampler's own."""


@dataclass(frozen=True)
class Instance:
    """A prior, the masks to complete, the levels to do it on, how many samples, and the seed."""

    prior: GaussianMixture
    masks: list[Tensor]
    schedule: Schedule
    samples: int
    seed: int

    @staticmethod
    def read(text: str) -> "Instance":
        """Parses the JSON of an instance. Raises ValueError, KeyError or TypeError on what it cannot mean."""
        given = json.loads(text)
        grid = tuple(int(n) for n in given["grid"])
        kernel = given.get("kernel", "rbf")
        if kernel not in KERNELS:
            raise ValueError(f"kernel must be one of {', '.join(KERNELS)}, got {kernel!r}")
        parameters = {k: float(given[k]) for k in ("length_scale", "variance", "jitter") if k in given}
        means = _arrays("means", given["means"], grid)
        weights = torch.tensor(given.get("weights", [1.0] * len(means)), dtype=torch.float64)
        masks = _arrays("mask", given["masks"] if "masks" in given else given["mask"], grid)
        if not all(0 < float(mask.mean()) < 1 for mask in masks) or not bool(((masks == 0) | (masks == 1)).all()):
            raise ValueError("a mask must hold 1 where unobserved and 0 where given, and some of both")
        samples = int(given.get("samples", 512))
        if samples < 2:
            raise ValueError(f"samples must be 2 or more, got {samples}")
        return Instance(
            prior=GaussianMixture(means, KERNELS[kernel](grid, **parameters), weights),
            masks=list(masks),
            schedule=_schedule(given.get("schedule", {}), int(given.get("steps", 50))),
            samples=samples,
            seed=int(given.get("seed", 0)),
        )


def measure(instance: Instance, name: str) -> dict[str, str | float]:
    """One row of the table: `METHODS[name]` on every mask of the instance, averaged."""
    method, reference = METHODS[name]
    rows = [_measure(instance, mask, method, reference) for mask in instance.masks]
    return {"method": name} | {key: sum(row[key] for row in rows) / len(rows) for key in rows[0]}


def _measure(instance: Instance, mask: Tensor, method: Method, reference: Reference) -> dict[str, float]:
    prior, noise = instance.prior, Noise.batch(instance.seed, instance.samples)
    truth = prior.sample(noise.child(TRUTH))
    exact = prior.posterior(truth, mask).sample(noise.child(POSTERIOR))
    others = prior.sample(noise.child(PRIOR))
    counted = Counted(prior)
    y = sample(counted, instance.schedule, noise=noise, x_0=truth, mask=mask, method=method, reference=reference)
    filled = torch.where(mask > 0.5, y.double(), truth)
    hole = mask.flatten() > 0.5

    def in_hole(x: Tensor) -> Tensor:
        return x.flatten(1)[:, hole]

    def rmse(x: Tensor) -> float:
        return float(in_hole(x - truth).square().mean().sqrt())

    return {
        "evaluations": counted.rows / instance.samples,
        "gap_nats": log_density_gap(prior.log_prob(exact), prior.log_prob(filled)),
        "energy": energy_distance(filled, others),
        "energy_posterior": energy_distance(exact, others),
        "hole_rmse_ratio": rmse(filled) / rmse(exact),
        "std_ratio": float(in_hole(filled).std(0).mean() / in_hole(exact).std(0).mean()),
        "boundary_jump": boundary_jump(filled, mask),
    }


def _arrays(name: str, values: object, grid: tuple[int, ...]) -> Tensor:
    """One array of the grid's shape or several, flat or nested, as (count, *grid) float64."""
    array = torch.tensor(values, dtype=torch.float64)
    size = torch.Size(grid).numel()
    if array.numel() == 0 or array.numel() % size:
        raise ValueError(f"{name} must hold arrays of {size} numbers, as the grid {list(grid)} says; got {array.numel()}")
    return array.view(-1, *grid)


def _schedule(given: dict[str, object], steps: int) -> Schedule:
    """The grid of the papers: timesteps from 1, leading."""
    kinds: dict[str, Callable[..., list[float]]] = {"scaled_linear": scaled_linear, "linear": linear, "cosine": cosine}
    names = {"beta_start": "start", "beta_end": "end", "train_steps": "steps", "shift": "shift"}
    kind = given.get("kind", "scaled_linear")
    options = {names[key]: value for key, value in given.items() if key in names}
    if kind == "flow":
        return Schedule.rectified_flow(steps, shift=float(options.get("shift", 1.0)))
    if kind not in kinds:
        raise ValueError(f"schedule kind must be one of {', '.join(kinds)}, flow; got {kind!r}")
    return Schedule.leading(kinds[kind](**options), steps)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--instance", type=Path, required=True, help="a JSON file: see benchmarks/instances")
    parser.add_argument("--methods", default=",".join(METHODS), help="names, separated by commas (all)")
    parser.add_argument("--json", type=Path, help="write the rows there")
    given = parser.parse_args()
    names = given.methods.split(",")
    instance = Instance.read(given.instance.read_text())
    print(f"{'method':24}{'evals':>7}{'gap':>9}{'energy':>9}{'(post.)':>9}{'rmse':>7}{'std':>7}{'jump':>7}")
    rows = []
    for name in names:
        row = measure(instance, name)
        rows.append(row)
        print(f"{name:24}{row['evaluations']:7.0f}{row['gap_nats']:9.2f}{row['energy']:9.4f}{row['energy_posterior']:9.4f}{row['hole_rmse_ratio']:7.3f}{row['std_ratio']:7.3f}{row['boundary_jump']:7.3f}", flush=True)
    if given.json:
        given.json.write_text(json.dumps(rows, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    torch.set_num_threads(1)
    sys.exit(main())
