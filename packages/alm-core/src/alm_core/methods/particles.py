"""SMCDiff (Trippe et al., ICLR 2023): particles of the hole, weighed by how well they foretell the given part.

The given part is noised once and followed down, one way a sample; of the hole there are K particles y_t^k:

    X_T = a_T X_0 + s_T z;   X_s ~ q(X_s | X_t, X_0) = ancestral(X_t; X_0);   E_t^k = X_t (1 − M) + y_t^k M
    log w^k = −‖(1 − M) ⊙ (X_s − μ_t(E_t^k))‖² / 2σ_t²,      p(y_s | E_t) = N(μ_t(E_t), σ_t²) of the ancestral step
    k' ~ w^k / Σ w, for each k anew;   Y_s = X_s (1 − M) + (μ_t(E_t^k') + σ_t z) M
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from alm_core.methods.base import Method, Step, blend, clean
from alm_core.prior import Prediction, ancestral
from alm_core.schedule import sigma

__all__ = ["SMCDiff"]


@dataclass(frozen=True)
class SMCDiff(Method):
    """A particle filter with `particles` K ≥ 1 a sample, each its own row: one call of K rows a sample and step.

    As K grows what it samples tends to the exact p(hole | given) of the ancestral chain, which as the steps grow is
    the prior's: the yardstick for the other methods where no posterior is known. K = 1 is ancestral replacement with
    one noise of the given part that is followed down, and not exact. It never reads the reference's X_t, since the
    weights want a way of X that is the chain's own, and it needs the clean X_0. Given M between 0 and 1, the weights
    count 1 − M of each error.

    Unlike the Twisted Diffusion Sampler (Wu et al., NeurIPS 2023), which moves particles by a gradient through the
    network, it weighs before it moves, from the one prediction that the move needs. Take it to check, with K = 64 or
    more; where calls count, `StochasticALM` is nearer to the posterior for as many.
    """

    fresh_noise: ClassVar[bool] = True
    needs_clean: ClassVar[bool] = True

    particles: int = 64

    def __post_init__(self) -> None:
        """Checks ranges."""
        if self.particles < 1:
            raise ValueError(f"particles must be 1 or more, got {self.particles}")

    def step(self, y_t: Tensor, at: Step) -> Tensor:
        """Returns y_s after the weighing at this level; row r is particle r // n of sample r mod n, of n samples."""
        t, s, spread = at.t, at.s, sigma(at.t, at.s)
        if at.observed is None:
            return ancestral(at.predict_guided(y_t), t, s, at.noise(0))
        x_0, mask = clean(at.observed), at.observed.mask
        if at.index == 0:
            y_t = blend(t.a * x_0 + t.s * self._shared(y_t), y_t, mask)
        z = at.noise(0)
        x_s = ancestral(Prediction.from_x0(y_t, t, x_0), t, s, self._shared(z))
        mean = ancestral(at.predict_guided(y_t), t, s, torch.zeros_like(y_t))
        # The last step onto clean data has no spread to weigh by, and no noise that would leave anything open.
        if spread > 0:
            errors = ((1 - mask) * (x_s - mean).double().square()).flatten(1).sum(1)
            log_w = (-errors / (2 * spread**2)).view(self.particles, -1)
            mean = mean[_ancestors(log_w, at.noise(1))]
        return blend(x_s, mean + spread * z, mask)

    def _shared(self, z: Tensor) -> Tensor:
        """The first particle's part of z, for all particles of its sample."""
        first = z[: len(z) // self.particles]
        return first.repeat(self.particles, *[1] * (z.ndim - 1))


def _ancestors(log_w: Tensor, z: Tensor) -> Tensor:
    """The row that each row continues: systematic resampling of log_w (particles, samples), with u = Φ(z) a sample."""
    count, samples = log_w.shape
    edges = log_w.softmax(0).cumsum(0).T.contiguous()
    u = torch.special.ndtr(z.flatten(1)[:samples, :1].double())
    places = (torch.arange(count, dtype=u.dtype, device=u.device) + u) / count
    chosen = torch.searchsorted(edges, places).clamp(max=count - 1)
    return (chosen.T * samples + torch.arange(samples, device=u.device)).flatten()
