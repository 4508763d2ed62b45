"""What ALM's appendices C and D measure, on any prior: is the joint score sound, and is one step enough?

    D = E ‖s(E') − s(E)‖ / ‖s(E)‖,   E' = X_t (1 − M') + Y_t M'                  (Eq. 29)
    (1/N) Σ_i ‖ΔY^i‖   and   (1/(N − 1)) Σ_i ‖ΔY^{i+1} − ΔY^i‖                    (Eq. 30, 31)

A small D for a slightly changed mask M' says that ε(E) sees the whole and not the edge of the mask; a difference
(Eq. 31) well below the norm (Eq. 30) says that N small moves are one large one: `ALM(iterations=1)` loses nothing.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional

from alm_core.methods import ALM, Method, Step, blend
from alm_core.noise import Noise
from alm_core.prior import Conditions, Prior
from alm_core.reference import Reference
from alm_core.sample import sample
from alm_core.schedule import Schedule

__all__ = ["DeltaNorms", "boundary_noise", "delta_norms", "dilate", "mask_deviation"]


@dataclass(frozen=True)
class DeltaNorms:
    """At one level: `mean`, Eq. 30, and `difference`, Eq. 31, both averaged over the samples."""

    mean: float
    difference: float


def mask_deviation(
    prior: Prior,
    schedule: Schedule,
    *,
    noise: Noise,
    x_0: Tensor,
    mask: Tensor,
    perturbed: Tensor,
    method: Method | None = None,
    reference: Reference | None = None,
    conditions: Conditions = None,
) -> list[float]:
    """Eq. 29 at each level of a run of `method` (`ALM()`) with `mask`; the mean of the list is the paper's D.

    `perturbed` is M', broadcastable to x_0 (rows or 1, …) as the mask is: see `dilate` and `boundary_noise`.
    One more network call a step, of two rows a sample. Raises ValueError as `sample` does.
    """
    found: list[float] = []
    inner = method or ALM()

    def step(y_t: Tensor, at: Step) -> Tensor:
        assert at.observed is not None
        x_t, other = at.observed.x_t(0), perturbed.to(y_t)
        of_e, of_other = at.predict(blend(x_t, y_t, at.observed.mask), blend(x_t, y_t, other))
        # The scores' ratio is that of ε: s = −ε/s_t.
        found.append(float((_norm(of_other.eps - of_e.eps) / _norm(of_e.eps)).mean()))
        return inner.step(y_t, at)

    stepped = _Watched(step, inner.particles)
    sample(prior, schedule, noise=noise, x_0=x_0, mask=mask, method=stepped, reference=reference, conditions=conditions)
    return found


def delta_norms(
    prior: Prior,
    schedule: Schedule,
    *,
    noise: Noise,
    x_0: Tensor,
    mask: Tensor,
    method: ALM | None = None,
    reference: Reference | None = None,
    conditions: Conditions = None,
) -> list[DeltaNorms]:
    """Eq. 30 and 31 of the moves ΔY^1 … ΔY^N at each level of a run of `method`, by default the paper's N = 500.

    It costs what the run costs; an `off_last` is not regarded. Raises ValueError as `sample` does, and for fewer than
    two iterations, which have no difference.
    """
    found: list[DeltaNorms] = []
    inner = method or ALM(iterations=500)
    if inner.iterations < 2:
        raise ValueError(f"two iterations or more are wanted, got {inner.iterations}: take ALM(iterations=500)")

    def step(y_t: Tensor, at: Step) -> Tensor:
        assert at.observed is not None
        norms, differences, last = [], [], None
        for _ in range(inner.iterations):
            delta = inner.delta(y_t, at, at.observed)
            norms.append(_norm(delta).mean())
            if last is not None:
                differences.append(_norm(delta - last).mean())
            y_t, last = y_t + delta, delta
        found.append(DeltaNorms(float(torch.stack(norms).mean()), float(torch.stack(differences).mean())))
        return replace(inner, off_last=1.0).step(y_t, at)

    stepped = _Watched(step)
    sample(prior, schedule, noise=noise, x_0=x_0, mask=mask, method=stepped, reference=reference, conditions=conditions)
    return found


def dilate(mask: Tensor, *, radius: int = 1, axes: int = 2) -> Tensor:
    """The hole grown by `radius` entries along each of the last `axes` axes: the paper's first perturbation."""
    if radius < 1 or not 1 <= axes <= mask.ndim:
        raise ValueError(f"radius must be 1 or more and axes between 1 and {mask.ndim}, got {radius} and {axes}")
    for axis in range(-axes, 0):
        lines = mask.movedim(axis, -1)
        grown = functional.max_pool1d(lines.flatten(0, -2)[:, None].float(), 2 * radius + 1, 1, radius)
        mask = grown.view(lines.shape).movedim(-1, axis)
    return mask


def boundary_noise(mask: Tensor, *, noise: Noise, strength: float = 0.5, radius: int = 1, axes: int = 2) -> Tensor:
    """Normal noise of deviation `strength` on the entries within `radius` of the edge, clamped to [0, 1].

    The paper's second perturbation. `mask` is (1 or rows, …); the answer has a row for each seed of `noise`.
    """
    band = dilate(mask, radius=radius, axes=axes) - (1 - dilate(1 - mask, radius=radius, axes=axes))
    return (mask + strength * band * noise.draw(mask.shape[1:])).clamp(0, 1)


@dataclass(frozen=True)
class _Watched(Method):
    """A step as a method, for this module alone: it watches a run from inside and changes nothing."""

    watched: Callable[[Tensor, Step], Tensor]
    particles: int = 1

    def step(self, y_t: Tensor, at: Step) -> Tensor:
        """As watched."""
        return self.watched(y_t, at)


def _norm(x: Tensor) -> Tensor:
    """Euclidean norm of each row."""
    return x.flatten(1).square().sum(1).sqrt()
