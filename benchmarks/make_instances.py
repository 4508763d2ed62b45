"""Makes instances of the exact benchmark: those in `benchmarks/instances`, and families of random ones.

    ./run python benchmarks/make_instances.py            writes benchmarks/instances/*.json again

`StochasticALM` was tuned on `random_instance(0)` … `random_instance(23)`, and looked at on the named ones and on a few
seeds from 1000 and 2000 while it was. ALM's weight on a flow was tuned on `g-flow` and flows from 3000 on, and looked
at on some from 4000 on. The seeds from 5000 (`exact_family.py`) were first run when all defaults stood.
"""

import json
import random
from math import cos, pi, sin
from pathlib import Path
from typing import Any

__all__ = ["NAMED", "instance", "random_instance"]

SCALED_LINEAR = {"kind": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012, "train_steps": 1000}
LINEAR = {"kind": "linear", "beta_start": 0.0001, "beta_end": 0.02, "train_steps": 1000}
COSINE = {"kind": "cosine", "train_steps": 1000}
FLOW = {"kind": "flow"}
Waves = list[tuple[str, float]]


def instance(
    name: str,
    grid: tuple[int, ...],
    waves: Waves,
    mask: list[int] | list[list[int]],
    *,
    kernel: str = "rbf",
    length_scale: float = 0.08,
    amplitude: float = 1.5,
    weights: list[float] | None = None,
    jitter: float = 1e-3,
    schedule: dict[str, Any] = SCALED_LINEAR,
    steps: int = 50,
    samples: int = 512,
    seed: int = 0,
) -> dict[str, Any]:
    """One instance, ready for JSON. A wave is ("sin", 1.0): amplitude · sin(2π · 1.0 · mean coordinate)."""
    return {
        "name": name,
        "grid": list(grid),
        "kernel": kernel,
        "length_scale": length_scale,
        "variance": 1.0,
        "jitter": jitter,
        "means": [[round(amplitude * _wave(kind, f, u), 6) for u in _coordinate(grid)] for kind, f in waves],
        "weights": weights or [1 / len(waves)] * len(waves),
        **({"masks": mask} if isinstance(mask[0], list) else {"mask": mask}),
        "schedule": schedule,
        "steps": steps,
        "samples": samples,
        "seed": seed,
    }


def random_instance(seed: int, *, samples: int = 256) -> dict[str, Any]:
    """Any kernel, length scale .03–.3, 1 or 2 axes, 1–5 modes, any weights, mask, jitter and schedule."""
    draw = random.Random(seed)
    grid = draw.choice([(64,), (64,), (48,), (96,), (12, 12), (10, 14)])
    kernel = draw.choice(["rbf", "rbf", "exponential"])
    modes = draw.randint(1, 5)
    return instance(
        f"random-{seed}",
        grid,
        [(draw.choice(["sin", "cos"]), draw.uniform(-3, 3)) for _ in range(modes)],
        draw.choice([middle, half, scattered, two_holes])(grid, draw),
        kernel=kernel,
        length_scale=round(0.03 * 10 ** draw.random(), 4),
        amplitude=round(draw.uniform(0.3, 2.0), 3),
        weights=[round(draw.uniform(0.2, 1.0), 3) for _ in range(modes)],
        jitter=draw.choice([1e-3, 1e-3, 3e-3]),
        schedule=draw.choice([SCALED_LINEAR, SCALED_LINEAR, SCALED_LINEAR, LINEAR, COSINE, FLOW]),
        samples=samples,
        seed=seed,
    )


def middle(grid: tuple[int, ...], draw: random.Random) -> list[int]:
    """A box around the middle, 25 to 60% of each axis."""
    share = draw.uniform(0.25, 0.6)
    return _mask(grid, lambda p: all(abs(u - 0.5) < share / 2 for u in p))


def half(grid: tuple[int, ...], draw: random.Random) -> list[int]:
    """All beyond the middle of the last axis: extrapolation."""
    return _mask(grid, lambda p: p[-1] > 0.5)


def two_holes(grid: tuple[int, ...], draw: random.Random) -> list[int]:
    """Two bands across the last axis."""
    return _mask(grid, lambda p: 0.15 < p[-1] < 0.4 or 0.6 < p[-1] < 0.8)


def scattered(grid: tuple[int, ...], draw: random.Random) -> list[int]:
    """Each entry alone, with probability ½."""
    return _mask(grid, lambda p: draw.random() < 0.5)


def _mask(grid: tuple[int, ...], inside: Any) -> list[int]:
    return [int(inside(p)) for p in _points(grid)]


def _points(grid: tuple[int, ...]) -> list[tuple[float, ...]]:
    """Coordinates in [0, 1] of every entry, in C order."""
    points: list[tuple[float, ...]] = [()]
    for n in grid:
        points = [(*p, i / (n - 1)) for p in points for i in range(n)]
    return points


def _coordinate(grid: tuple[int, ...]) -> list[float]:
    """What the means vary along: the sum of the coordinates over the number of axes."""
    return [sum(p) / len(p) for p in _points(grid)]


def _wave(kind: str, frequency: float, u: float) -> float:
    return (sin if kind == "sin" else cos)(2 * pi * frequency * u)


SINES: Waves = [("sin", 1.0), ("sin", -1.0), ("cos", 2.0)]
LINE = [int(20 <= i < 44) for i in range(64)]
DRAW = random.Random(7)
NAMED = [
    instance("a-middle", (64,), SINES, LINE),
    instance("b-exponential", (64,), SINES, LINE, kernel="exponential", length_scale=0.2),
    instance("c-half", (48,), [("cos", 1.0), ("sin", 1.5)], half((48,), DRAW), length_scale=0.15, weights=[0.7, 0.3]),
    instance("d-two-holes", (64,), [("sin", 0.0)], two_holes((64,), DRAW), length_scale=0.05),
    instance("e-plane", (12, 12), SINES, [middle((12, 12), DRAW), half((12, 12), DRAW)], length_scale=0.2, samples=256),
    instance("f-scattered", (64,), SINES, scattered((64,), DRAW), length_scale=0.05, schedule=COSINE),
    instance("g-flow", (64,), SINES, LINE, schedule=FLOW),
]

if __name__ == "__main__":
    for each in NAMED:
        path = Path(__file__).parent / "instances" / f"{each['name']}.json"
        path.write_text(json.dumps(each) + "\n")
