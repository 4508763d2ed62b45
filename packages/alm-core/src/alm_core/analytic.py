"""Priors whose answers are known exactly: the yardsticks that methods are measured on.

A mixture of Gaussians that share a covariance C (one mode: a Gaussian) stays one at every level,

    p_t(x) = Σ_k w_k N(x; a m_k, a² C + s² I),      ε(x) = −s ∇ log p_t(x) = s (a² C + s² I)⁻¹ (x − a m̄(x)),

where `m̄(x) = Σ_k r_k(x) m_k` and r_k are the responsibilities, and so does its posterior given some entries. All is
computed in float64 and answered in the dtype of the argument.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from math import log, pi

import torch
from torch import Tensor

from alm_core.noise import Noise
from alm_core.prior import Conditions, Prediction
from alm_core.schedule import Level

__all__ = ["GaussianMixture", "Posterior", "exponential", "rbf"]

CLEAN = Level(0.0, 1.0, 0.0)


@dataclass(frozen=True)
class GaussianMixture:
    """A prior over arrays of one shape; `means` (modes, *shape), `covariance` (n, n) for the n entries in C order.

    `weights` (modes,) are positive and need not sum to 1. Its predictions are exact, so what a method leaves undone is
    the method's own error. Raises ValueError when the sizes do not fit or the covariance is not positive definite.
    """

    means: Tensor
    covariance: Tensor
    weights: Tensor

    def __post_init__(self) -> None:
        """Checks sizes and signs."""
        modes, n = len(self.means), self.means[0].numel()
        if self.weights.shape != (modes,) or not bool((self.weights > 0).all()):
            raise ValueError(f"{modes} modes want as many positive weights, got {self.weights.tolist()}")
        if self.covariance.shape != (n, n):
            raise ValueError(f"{n} entries want a covariance of {n} x {n}, got {tuple(self.covariance.shape)}")
        if not float(self._spectrum[0].min()) > 0:
            raise ValueError("the covariance must be positive definite: add a jitter to its diagonal")

    @property
    def guided_rows(self) -> int:
        """1: there is nothing to guide by."""
        return 1

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one sample."""
        return tuple(self.means.shape[1:])

    def predict(self, x_t: Tensor, level: Level, conditions: Conditions = None) -> Prediction:
        """The exact x̂_0 = E[x_0 | x_t] and ε̂ = −s ∇ log p_t of x_t (rows, *shape)."""
        values, vectors = self._spectrum
        x, means = self._rotate(x_t), self._rotate(self.means)
        r = self._joint(x, means, level).softmax(1)
        mean = r @ means
        whitened = (x - level.a * mean) / (level.a**2 * values + level.s**2)
        eps = level.s * whitened @ vectors.T
        x0 = (mean + level.a * values * whitened) @ vectors.T
        return Prediction(x0.view_as(x_t).to(x_t.dtype), eps.view_as(x_t).to(x_t.dtype))

    def predict_guided(self, x_t: Tensor, level: Level, conditions: Conditions = None) -> Prediction:
        """As `predict`."""
        return self.predict(x_t, level, conditions)

    def log_prob(self, x_t: Tensor, level: Level = CLEAN) -> Tensor:
        """log p_t(x_t) in nats, float64 of shape (rows,), for x_t (rows, *shape); by default of clean data."""
        return self._joint(self._rotate(x_t), self._rotate(self.means), level).logsumexp(1)

    def sample(self, noise: Noise) -> Tensor:
        """One exact draw for each seed, float64 of shape (rows, *shape)."""
        z = noise.draw((self.means[0].numel(),), 1).double()
        which = _choose(self.weights.double().log().expand(len(z), -1), noise)
        values, vectors = self._spectrum
        return self.means.double()[which] + ((z * values.sqrt()) @ vectors.T).view(-1, *self.shape)

    def posterior(self, x_0: Tensor, mask: Tensor) -> "Posterior":
        """The exact p(hole | observed) of each row of x_0 (rows, *shape); `mask` (*shape), 1 = hole."""
        hole = mask.expand(self.shape).flatten() > 0.5
        c, given = self.covariance.double(), ~hole
        means, x = self.means.double().flatten(1), x_0.double().flatten(1)
        root = torch.linalg.cholesky(c[given][:, given])
        residual = x[:, None, given] - means[:, given]
        gain = torch.cholesky_solve(c[given][:, hole], root)
        scores = _log_normal(
            torch.linalg.solve_triangular(root, residual.transpose(1, 2), upper=False).transpose(1, 2), root
        )
        covariance = c[hole][:, hole] - c[hole][:, given] @ gain
        return Posterior(
            x_0=x_0,
            hole=hole,
            log_weights=(scores + self.weights.double().log()).log_softmax(1),
            means=means[:, hole] + residual @ gain,
            root=torch.linalg.cholesky(covariance),
        )

    @cached_property
    def _spectrum(self) -> tuple[Tensor, Tensor]:
        values, vectors = torch.linalg.eigh(self.covariance.double())
        return values, vectors

    def _rotate(self, x: Tensor) -> Tensor:
        """Rows in the eigenvectors' basis."""
        return x.double().flatten(1) @ self._spectrum[1]

    def _joint(self, x: Tensor, means: Tensor, level: Level) -> Tensor:
        """log w_k N(x; a m_k, a² C + s² I) of rotated rows: (rows, modes)."""
        variance = level.a**2 * self._spectrum[0] + level.s**2
        distance = (x[:, None] - level.a * means).square().div(variance).sum(2)
        weights = self.weights.double()
        return (weights / weights.sum()).log() - 0.5 * (distance + variance.log().sum() + len(variance) * log(2 * pi))


@dataclass(frozen=True)
class Posterior:
    """For each row a mixture over the h entries of its hole.

    `log_weights` (rows, modes), `means` (rows, modes, h), and `root`, L of the covariance L Lᵀ (h, h) that all share.
    """

    x_0: Tensor
    hole: Tensor
    log_weights: Tensor
    means: Tensor
    root: Tensor

    def sample(self, noise: Noise) -> Tensor:
        """One exact draw a row, the observed part put back: float64 (rows, *shape)."""
        z = noise.draw((self.means.shape[2],), 1).double()
        which = _choose(self.log_weights, noise)
        filled = self.x_0.double().flatten(1).clone()
        filled[:, self.hole] = self.means[torch.arange(len(z)), which] + z @ self.root.T
        return filled.view_as(self.x_0)

    def log_prob(self, y: Tensor) -> Tensor:
        """log p(hole of y | observed part of x_0) in nats: float64 (rows,)."""
        residual = (y.double().flatten(1)[:, None, self.hole] - self.means).transpose(1, 2)
        whitened = torch.linalg.solve_triangular(self.root, residual, upper=False).transpose(1, 2)
        return (self.log_weights + _log_normal(whitened, self.root)).logsumexp(1)


def rbf(grid: Sequence[int], *, length_scale: float, variance: float = 1.0, jitter: float = 0.0) -> Tensor:
    """C = variance exp(−d²/2ℓ²) + jitter I over a grid that spans [0, 1] on each axis: (n, n) float64."""
    return _with_jitter(variance * (-0.5 * (_distances(grid) / length_scale) ** 2).exp(), jitter)


def exponential(grid: Sequence[int], *, length_scale: float, variance: float = 1.0, jitter: float = 0.0) -> Tensor:
    """C = variance exp(−d/ℓ) + jitter I, whose samples are rough: (n, n) float64."""
    return _with_jitter(variance * (-_distances(grid) / length_scale).exp(), jitter)


def _distances(grid: Sequence[int]) -> Tensor:
    axes = [torch.linspace(0, 1, n, dtype=torch.float64) for n in grid]
    points = torch.stack(torch.meshgrid(*axes, indexing="ij"), -1).flatten(0, -2)
    return (points[:, None] - points).square().sum(-1).sqrt()


def _with_jitter(c: Tensor, jitter: float) -> Tensor:
    return c + jitter * torch.eye(len(c), dtype=c.dtype)


def _choose(log_weights: Tensor, noise: Noise) -> Tensor:
    """A mode for each row, by the inverse of the cumulative weights."""
    u = torch.special.ndtr(noise.draw((1,), 0).double())
    edges = log_weights.softmax(1).cumsum(1)[:, :-1]
    return torch.sum(u > edges, 1)


def _log_normal(whitened: Tensor, root: Tensor) -> Tensor:
    """log N of residuals already divided by the root L, over the last axis."""
    n = whitened.shape[-1]
    squares: Tensor = whitened.square().sum(-1)
    return -0.5 * (squares + n * log(2 * pi)) - root.diagonal().log().sum()
