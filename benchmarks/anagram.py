"""The effect of λ on ambiguous pictures (SyncSDE, Sec. 4.3), on priors whose densities are known.

    ./run bench anagram [--samples 1000] [--steps 30] [--prompts 8] [--json anagram.json]

A canvas of 8 × 8 is to be likely under prompt 1 as it is, and under prompt 2 when it is turned by 90 degrees. The
prior of a prompt is a mixture of Gaussians over the canvas, with modes of its own and one covariance for all, so its ε
is exact and what a method does is the method's own. For each method, over samples of all pairs of prompts:

    first, second    the mean log-density of what view i shows under the prior of prompt i, minus that of samples of the
                     prior (nats): 0 is as likely as they are, far below is none of the prompt, above is over-dense
    total            their sum
    spread           the standard deviation of a pixel over samples, over that of the product of both densities

with standard errors over samples. `product` are exact samples of p_1(x) p_2(f(x)), scaled to integrate to 1: what a
canvas that owes both prompts alike would be. `syncsde 1/λ` runs from 0, the second prompt alone, to 7. Each trajectory
begins from noise of its own, as in the public code of SyncSDE and in `alm-image anagram`; with `one noise` all begin
from one, each in its view. The same seed gives the same numbers.
"""

import argparse
import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from alm_core import ALM, Counted, Method, Noise, Prediction, Schedule, SyncSDE, extend
from alm_core.analytic import GaussianMixture, rbf
from alm_core.fuse import fuse
from alm_core.fusions import Fusion, StochSync, SyncTweedies, VisualAnagrams
from alm_core.prior import Conditions
from alm_core.schedule import Level, cosine
from alm_image.views import VIEWS
from torch import Tensor

from benchmarks.common import write_results

__all__ = ["WAYS", "Prompted", "measure", "pairs"]

GRID = (8, 8)
MODES = 3
FIRST, SECOND = VIEWS["identity"], VIEWS["rotate-cw"]
WAYS: dict[str, tuple[Method | Fusion, bool]] = {
    **{f"syncsde 1/λ = {n:g}": (SyncSDE(strength=n), False) for n in (0, 0.5, 1, 1.5, 2, 3, 4, 5, 6, 7)},
    **{f"syncsde 1/λ = {n}, one noise": (SyncSDE(strength=n), True) for n in (0, 1, 3, 5, 7)},
    **{f"alm w1 = {w:g}": (ALM(w1=w, off_last=1), False) for w in (0.125, 0.25, 0.5, 1, 2)},
    **{f"alm w1 = {w:g}, one noise": (ALM(w1=w, off_last=1), True) for w in (0.25, 1)},
    "visual-anagrams": (VisualAnagrams(), True),
    "visual-anagrams, alternate": (VisualAnagrams(alternate=True), True),
    "synctweedies": (SyncTweedies(), True),
    "stochsync": (StochSync(), True),
}
"""Each way to make a canvas, and whether all trajectories begin from one noise."""
Row = dict[str, str | float]


@dataclass(frozen=True)
class Prompted:
    """A conditional prior: the condition of a row is the density that it is to follow."""

    guided_rows: int = 1

    def predict(self, x_t: Tensor, level: Level, conditions: Conditions) -> Prediction:
        """Each row by its own density, those of one together."""
        told = [c for c in conditions or () if isinstance(c, GaussianMixture)]
        x0, eps = torch.empty_like(x_t), torch.empty_like(x_t)
        for number in {id(c): n for n, c in enumerate(told)}.values():
            rows = [n for n, other in enumerate(told) if other is told[number]]
            prediction = told[number].predict(x_t[rows], level)
            x0[rows], eps[rows] = prediction.x0, prediction.eps
        return Prediction(x0, eps)

    def predict_guided(self, x_t: Tensor, level: Level, conditions: Conditions) -> Prediction:
        """As `predict`."""
        return self.predict(x_t, level, conditions)


def pairs(count: int, seed: int = 0) -> list[tuple[GaussianMixture, GaussianMixture]]:
    """Pairs of prompts: smooth modes, each drawn for itself, and a covariance around them that a turn leaves alone."""
    modes = torch.linalg.cholesky(rbf(GRID, length_scale=0.3, variance=1.0, jitter=1e-6))
    covariance = rbf(GRID, length_scale=0.2, variance=0.3, jitter=0.02)
    z = Noise((seed,)).draw((count, 2, MODES, modes.shape[0])).double()[0]
    means = (z @ modes.T).view(count, 2, MODES, *GRID)
    return [tuple(GaussianMixture(m, covariance, torch.ones(MODES)) for m in both) for both in means]  # type: ignore[misc]


def product(first: GaussianMixture, second: GaussianMixture) -> GaussianMixture:
    """p_1(x) p_2(f(x)), scaled: N(m, C) N(m', C) = N((m + m')/2, C/2) with weight exp(−¼ (m − m')ᵀ C⁻¹ (m − m'))."""
    seen = SECOND.write(second.means, second.means)
    between = (first.means[:, None] - seen).flatten(0, 1).flatten(1)
    solved = torch.linalg.solve(first.covariance, between.T).T
    weights = (-0.25 * (between * solved).sum(1)).exp().clamp(min=1e-300)
    means = ((first.means[:, None] + seen) / 2).flatten(0, 1)
    return GaussianMixture(means, first.covariance / 2, weights)


def made(
    way: Method | Fusion, shared: bool, told: Sequence[GaussianMixture], noise: Noise, steps: int
) -> tuple[Tensor, float]:
    """Canvases (samples, 8, 8), and the evaluations that one took."""
    prior, schedule = Counted(Prompted()), Schedule.leading(cosine(), steps, offset=0)
    conditions: list[Conditions] = [(one,) for one in told]
    if isinstance(way, Fusion):
        y = fuse(prior, schedule, (FIRST, SECOND), GRID, noise=noise, fusion=way, conditions=conditions)
    else:
        y = extend(
            prior,
            schedule,
            (FIRST, SECOND),
            torch.zeros(1, *GRID),
            torch.ones(1, *GRID),
            noise=noise,
            method=way,
            conditions=conditions,
            later_on_top=True,
            shared_noise=shared,
        )
    return y, prior.rows / len(noise.seeds)


def measure(names: Sequence[str], count: int, samples: int, steps: int, seed: int) -> list[Row]:
    """One row a way, over all pairs of prompts, and first that of exact samples of their product."""
    canvases: dict[str, list[Tensor]] = {name: [] for name in ("product", *names)}
    evaluations = dict.fromkeys(canvases, 0.0)
    both = pairs(count, seed)
    for n, told in enumerate(both):
        noise = Noise.batch(seed + 1000 * n, samples)
        canvases["product"].append(product(*told).sample(noise.child(1)))
        for name in names:
            y, evaluations[name] = made(*WAYS[name], told, noise, steps)
            canvases[name].append(y)
    own = [[p.log_prob(p.sample(Noise.batch(seed + 7, 4000).child(2))).mean() for p in told] for told in both]
    exact = torch.stack([c.double().std(0).mean() for c in canvases["product"]])
    rows: list[Row] = []
    for name, made_of in canvases.items():
        first, second = (
            torch.cat([told[i].log_prob(view.read(c)) - o[i] for told, c, o in zip(both, made_of, own, strict=True)])
            for i, view in enumerate((FIRST, SECOND))
        )
        row: Row = {"way": name, "evaluations": evaluations[name]}
        for column, values in (("first", first), ("second", second), ("total", first + second)):
            row[column] = float(values.mean())
            row[f"{column}_error"] = float(values.std() / math.sqrt(len(values)))
        row["spread"] = float((torch.stack([c.double().std(0).mean() for c in made_of]) / exact).mean())
        rows.append(row)
    return rows


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=1000, help="canvases a pair of prompts")
    parser.add_argument("--steps", type=int, default=30, help="from noise to clean; the paper's 30")
    parser.add_argument("--prompts", type=int, default=8, help="pairs of prompts")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, help="write the rows to this file")
    given = parser.parse_args()
    if min(given.samples, given.steps, given.prompts) < 2:
        parser.error("samples, steps and prompts must be 2 or more")
    rows = measure(list(WAYS), given.prompts, given.samples, given.steps, given.seed)
    for row in rows:
        parts = (f"{c} {row[c]:8.2f} ± {row[f'{c}_error']:.2f}" for c in ("first", "second", "total"))
        print(f"{row['way']:30}", *parts, f"spread {row['spread']:.2f}  evaluations {row['evaluations']:.0f}")
    if given.json:
        write_results(given.json, **{k: v for k, v in vars(given).items() if k != "json"}, rows=rows)
    return 0


if __name__ == "__main__":
    torch.set_num_threads(1)
    sys.exit(main())
