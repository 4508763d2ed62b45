"""Measures of a completion that need no network.

Samples are (rows, …), masks are of the shape of the last axes of a sample: 1 = unobserved, 0 = given, as everywhere.
"""

import math

import torch
from torch import Tensor

__all__ = ["boundary_jump", "energy_distance", "log_density_gap", "seam_contrast"]


def energy_distance(x: Tensor, y: Tensor) -> float:
    """Unbiased energy distance 2 E‖x − y‖ − E‖x − x'‖ − E‖y − y'‖ between two sets of samples (rows, …).

    Székely and Rizzo 2013, with the averages over pairs of *different* rows: its expectation is 0 for equal
    distributions, so it can come out slightly negative. Raises ValueError with fewer than two rows in a set.
    """
    x, y = x.double().flatten(1), y.double().flatten(1)
    if min(len(x), len(y)) < 2:
        raise ValueError(f"the energy distance wants two rows or more on each side, got {len(x)} and {len(y)}")

    def within(z: Tensor) -> Tensor:
        return _distances(z, z).sum() / (len(z) * (len(z) - 1))

    return float(2 * _distances(x, y).mean() - within(x) - within(y))


def log_density_gap(exact: Tensor, result: Tensor) -> float:
    """Mean log p of the exact posterior's samples minus that of the results, in nats; both (rows,).

    Above 0 the results lie where the prior is thinner than it should be; below 0 they are over-dense (too near
    the modes), which is as wrong. Needs the exact density: see `analytic`.
    """
    return float(exact.double().mean() - result.double().mean())


def boundary_jump(x: Tensor, mask: Tensor) -> float:
    """Root mean square difference of neighbours of which one is given and one is not, over all axes of the mask.

    Compare it with that of the truth: a completion that jumps more shows a seam, one that jumps less is blurred
    there. Raises ValueError where nothing or everything is masked.
    """
    return _jump(x, mask, across=True)


def seam_contrast(x: Tensor, mask: Tensor) -> float:
    """`boundary_jump` over the same of neighbours that are both given: 1 where no seam is seen."""
    return _jump(x, mask, across=True) / _jump(x, mask, across=False)


def _jump(x: Tensor, mask: Tensor, *, across: bool) -> float:
    """Over neighbours on two sides of the mask's boundary, or both in the given part."""
    hole = mask > 0.5
    total, count = 0.0, 0
    for axis in range(-mask.ndim, 0):
        n = mask.shape[axis]
        first, second = hole.narrow(axis, 0, n - 1), hole.narrow(axis, 1, n - 1)
        pairs = first ^ second if across else ~(first | second)
        jumps = (x.narrow(axis, 1, n - 1) - x.narrow(axis, 0, n - 1)).double().square()
        total += float((jumps * pairs).sum())
        count += int(pairs.expand_as(jumps).sum())
    if count == 0:
        raise ValueError("no neighbours to compare: the mask must leave something given and something to generate")
    return math.sqrt(total / count)


def _distances(x: Tensor, y: Tensor) -> Tensor:
    return torch.cdist(x, y, compute_mode="donot_use_mm_for_euclid_dist")
