"""The exact benchmark: every method on a prior whose posterior is known.

    ./run bench exact --instance benchmarks/instances/a-middle.json [--methods alm,syncsde] [--json OUT]

For every method: network evaluations a sample; the gap in log-density to the exact posterior's samples, of the result
with the observed part put back (nats; below zero is over-dense and as wrong as above); the unbiased energy distance
of (observed, filled) to samples of the prior, beside the exact posterior's own; the hole's rmse to the truth and its
standard deviation over samples, each over the posterior's; and the root mean square jump across the hole's border. An
instance with several masks is measured on each, and the averages are reported. The same seed gives the same numbers.

The levels are Stable Diffusion's: leading timesteps from 1, ending on the first training level and not on clean data.
`alm`, `syncsde` and `blended-latents` have fixed noise for X_t, the others fresh where they use it. `repaint-*` takes
DDIM's steps, as the table that we compare with does; `repaint-*-ancestral` is the paper's. `corrector-2` is the plain
corrector, to beat. `smcdiff-*` is a filter with as many particles; `exact_particles.py` says how its gap falls
with their number.
"""

import argparse
import json
import math
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import torch
from alm_core import (
    ALM,
    DPS,
    BlendedLatents,
    Counted,
    FixedNoise,
    FreshNoise,
    Independent,
    LanPaint,
    Method,
    Noise,
    ReconstructionGuidance,
    Reference,
    RePaint,
    Replacement,
    Schedule,
    SMCDiff,
    Step,
    StochasticALM,
    SyncSDE,
    sample,
)
from alm_core.analytic import GaussianMixture, exponential, rbf
from alm_core.methods import blend
from alm_core.metrics import boundary_jump, energy_distance, log_density_gap
from alm_core.prior import ddim
from alm_core.schedule import cosine, linear, scaled_linear
from torch import Tensor

__all__ = ["COLUMNS", "METHODS", "Instance", "measure"]


class Corrector:
    """The joint-density corrector, 2 inner steps: Y ← x̂ + c (E − x̂) + √(1 − c²) s_t z, x̂ = E − s_t ε(E), c = 1/e.

    Then blended, and DDIM's step. A method for this table alone, so it joins no list of methods.
    """

    particles = 1

    def step(self, y_t: Tensor, at: Step) -> Tensor:
        observed, c = at.observed, math.exp(-1)
        for k in range(2):
            e_t = blend(observed.x_t(k), y_t, observed.mask)
            (of_e,) = at.predict(e_t)
            centre = e_t - at.t.s * of_e.eps
            y_t = centre + c * (e_t - centre) + math.sqrt(1 - c * c) * at.t.s * at.noise(k)
        return ddim(at.predict_guided(blend(observed.x_t(2), y_t, observed.mask)), at.s)


METHODS: dict[str, tuple[Method, Reference]] = {
    "independent": (Independent(), FixedNoise()),
    "replacement": (Replacement(), FreshNoise()),
    "blended-latents": (BlendedLatents(), FixedNoise()),
    "reconstruction-guidance": (ReconstructionGuidance(), FixedNoise()),
    "dps": (DPS(), FixedNoise()),
    "syncsde": (SyncSDE(), FixedNoise()),
    "alm-no-delta": (ALM(off_last=1), FixedNoise()),
    "alm": (ALM(), FixedNoise()),
    "alm-50": (ALM(iterations=50), FixedNoise()),
    "repaint-4": (RePaint(4, eta=0), FreshNoise()),
    "repaint-10": (RePaint(10, eta=0), FreshNoise()),
    "repaint-4-ancestral": (RePaint(4), FreshNoise()),
    "repaint-10-ancestral": (RePaint(10), FreshNoise()),
    "lanpaint": (LanPaint(), FreshNoise()),
    "corrector-2": (cast(Method, Corrector()), FreshNoise()),
    "stochastic-alm": (StochasticALM(), FreshNoise()),
    "smcdiff-4": (SMCDiff(4), FreshNoise()),
    "smcdiff-64": (SMCDiff(64), FreshNoise()),
}
COLUMNS = {
    "evaluations": "13.0f",
    "gap_nats": "10.2f",
    "energy": "9.4f",
    "energy_posterior": "18.4f",
    "hole_rmse_ratio": "17.3f",
    "std_ratio": "11.3f",
    "boundary_jump": "15.3f",
}
KERNELS = {"rbf": rbf, "exponential": exponential}
PRIOR, TRUTH, POSTERIOR = 10, 11, 12
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
        if not isinstance(given, dict):
            raise ValueError(f"an instance is a JSON object, got {type(given).__name__}")
        grid = tuple(int(n) for n in given["grid"])
        kernel = given.get("kernel", "rbf")
        if kernel not in KERNELS:
            raise ValueError(f"kernel must be one of {', '.join(KERNELS)}, got {kernel!r}")
        length_scale, variance = float(given["length_scale"]), float(given.get("variance", 1.0))
        jitter = float(given.get("jitter", 1e-3))
        if not (length_scale > 0 and variance > 0 and jitter >= 0):
            raise ValueError(f"length_scale and variance must be above 0 and jitter 0 or more, got {given}")
        covariance = KERNELS[kernel](grid, length_scale=length_scale, variance=variance, jitter=jitter)
        means = _arrays("means", given.get("means", [0.0] * torch.Size(grid).numel()), grid)
        weights = torch.tensor(given.get("weights") or [1.0] * len(means), dtype=torch.float64)
        masks = _arrays("mask", given["masks"] if "masks" in given else given["mask"], grid)
        if not bool(((masks == 0) | (masks == 1)).all()) or not all(0 < float(m.mean()) < 1 for m in masks):
            raise ValueError("a mask must hold 1 where unobserved and 0 where given, and some of both")
        samples = int(given.get("samples", 512))
        if samples < 2:
            raise ValueError(f"samples must be 2 or more, got {samples}")
        return Instance(
            prior=GaussianMixture(means, covariance, weights),
            masks=list(masks),
            schedule=_schedule(given.get("schedule", {}), int(given.get("steps", 50))),
            samples=samples,
            seed=int(given.get("seed", 0)),
        )


def measure(instance: Instance, method: Method, reference: Reference) -> dict[str, float]:
    """One row of the table, averaged over the masks of the instance."""
    rows = [_measure(instance, mask, method, reference) for mask in instance.masks]
    return {key: sum(row[key] for row in rows) / len(rows) for key in COLUMNS}


def _measure(instance: Instance, mask: Tensor, method: Method, reference: Reference) -> dict[str, float]:
    prior, noise = instance.prior, Noise.batch(instance.seed, instance.samples)
    truth = prior.sample(noise.child(TRUTH))
    exact = prior.posterior(truth, mask).sample(noise.child(POSTERIOR))
    others = prior.sample(noise.child(PRIOR))
    counted = Counted(prior)
    y = sample(counted, instance.schedule, noise=noise, x_0=truth, mask=mask, method=method, reference=reference)
    filled = torch.where(mask > 0.5, y.double(), truth)
    hole = mask.flatten() > 0.5

    def rmse(x: Tensor) -> Tensor:
        return (x - truth).flatten(1)[:, hole].square().mean().sqrt()

    def spread(x: Tensor) -> Tensor:
        return x.flatten(1)[:, hole].std(0).mean()

    return {
        "evaluations": counted.rows / instance.samples,
        "gap_nats": log_density_gap(prior.log_prob(exact), prior.log_prob(filled)),
        "energy": energy_distance(filled, others),
        "energy_posterior": energy_distance(exact, others),
        "hole_rmse_ratio": float(rmse(filled) / rmse(exact)),
        "std_ratio": float(spread(filled) / spread(exact)),
        "boundary_jump": boundary_jump(filled, mask),
    }


def _arrays(name: str, values: object, grid: tuple[int, ...]) -> Tensor:
    """One array of the grid's shape or several, flat or nested, as (count, *grid) float64."""
    array = torch.tensor(values, dtype=torch.float64)
    size = torch.Size(grid).numel()
    if array.numel() == 0 or array.numel() % size or not bool(array.isfinite().all()):
        raise ValueError(
            f"{name} must hold arrays of {size} numbers, as the grid {list(grid)} says; got {array.numel()}"
        )
    return array.view(-1, *grid)


def _schedule(given: dict[str, object], steps: int) -> Schedule:
    """The levels; a diffusion's end on its first training level, a flow's on clean data."""
    kinds: dict[str, Callable[..., list[float]]] = {"scaled_linear": scaled_linear, "linear": linear, "cosine": cosine}
    names = {"beta_start": "start", "beta_end": "end", "train_steps": "steps"}
    kind = given.get("kind", "scaled_linear")
    if kind == "flow":
        return Schedule.rectified_flow(steps, shift=float(given.get("shift", 1.0)))
    if kind not in kinds:
        raise ValueError(f"schedule kind must be one of {', '.join(kinds)}, flow; got {kind!r}")
    wanted = [key for key in names if key in given and (kind != "cosine" or key == "train_steps")]
    alphas = kinds[kind](**{names[key]: given[key] for key in wanted})
    return Schedule.leading(alphas, steps, offset=int(given.get("offset", 1)), final_alpha=alphas[0])


def main(arguments: list[str] | None = None) -> int:
    """Runs the command; returns its exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--instance", type=Path, required=True, help="a JSON file, as in benchmarks/instances")
    parser.add_argument("--methods", help=f"names separated by commas; all by default: {', '.join(METHODS)}")
    parser.add_argument("--json", type=Path, help="write the rows there")
    given = parser.parse_args(arguments)
    names = given.methods.split(",") if given.methods else list(METHODS)
    unknown = [name for name in names if name not in METHODS]
    if unknown:
        return _refuse(f"unknown method {', '.join(unknown)}; there are {', '.join(METHODS)}")
    if given.json and not given.json.absolute().parent.is_dir():
        return _refuse(f"there is no folder {given.json.parent} to write to: make it first")
    try:
        instance = Instance.read(given.instance.read_text())
    except KeyError as error:
        return _refuse(f"{given.instance}: the key {error} is missing")
    except (OSError, ValueError, TypeError, AttributeError, RuntimeError) as error:
        return _refuse(f"{given.instance}: {error}")
    rows = []
    print(f"{'method':24}" + "".join(f"{name:>{spec.split('.')[0]}}" for name, spec in COLUMNS.items()))
    for name in names:
        row = measure(instance, *METHODS[name])
        rows.append({"method": name, **row})
        print(f"{name:24}" + "".join(format(row[key], spec) for key, spec in COLUMNS.items()), flush=True)
    if given.json:
        given.json.write_text(json.dumps(rows, indent=1) + "\n")
    return 0


def _refuse(message: str) -> int:
    print(f"exact: {' '.join(message.split())}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    torch.set_num_threads(1)
    sys.exit(main())
