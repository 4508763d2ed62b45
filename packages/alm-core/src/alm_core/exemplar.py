"""The exemplar prior: the score of a patch density whose exemplars were seen, with no weights and no download.

A patch y of the noisy picture, centred at a place, has the density of exemplars p_k plus a common shift b:

    p(y) = mean_k ∫ N(y; p_k + b, diag 1/w) N(b; 0, τ²) db,    1/w_q = h² + M_q σ²
    D_k = Σ_q w_q d_q² − (Σ_q w_q d_q)² / (Σ_q w_q + τ⁻²),     d = y − p_k
    x̂_0 = Σ_k ω_k (p_k + b_k) at the centre,   ω_k ∝ exp(−D_k/2),   b_k = Σ_q w_q d_q / (Σ_q w_q + τ⁻²)

with the noise σ = s/a where M = 1 and none where the sample was observed: the score is conditional on what
surrounds a hole. At noise σ only scales averaged until their noise is small carry information, so σ picks a level
of a pyramid. Where exemplars are few all are compared; at finer levels the best of the coarser level is refined
by propagation and random search (PatchMatch, Barnes et al. 2009), inside one evaluation.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product

import torch
from torch import Tensor
from torch.nn import functional as F

from alm_core.prior import Conditions, Prediction
from alm_core.schedule import Level

__all__ = ["ExemplarPrior"]


class ExemplarPrior:
    """A `Prior` made from the observed part of one sample and any further examples.

    `x_0` is (1, C, *axes) with 1, 2 or 3 axes, float in [−1, 1]; `mask` is broadcastable to it, 1 = unobserved; each
    of `examples` is (C, *axes) of any sizes. Where mask = 0 the prediction is x_0 itself. `patch` is the odd
    width of a patch, `bandwidth` h and `shift` τ are in units of x_0, `clear` is the noise at which a level is read.
    Random search is seeded by `seed`: the prior is a pure function of (x_t, level).

    Raises ValueError when sizes do not fit or when no patch is fully observed.
    """

    guided_rows = 1

    def __init__(
        self,
        x_0: Tensor,
        mask: Tensor,
        *,
        examples: Sequence[Tensor] = (),
        patch: int = 7,
        bandwidth: float = 0.05,
        shift: float = 0.05,
        clear: float = 0.15,
        pairs: int = 1 << 23,
        seed: int = 0,
    ) -> None:
        self._axes = x_0.shape[2:]
        self._x_0 = x_0.float()
        self._mask = (mask.to(self._x_0).expand(1, 1, *self._axes) > 0).float()
        self._bandwidth, self._shift, self._clear, self._pairs, self._seed = bandwidth, shift, clear, pairs, seed
        depth = max(int(math.log2(min(self._axes) / (2 * patch))), 0)
        self._scales, self._canvas = _pyramid(self._x_0[0], self._mask[0], examples, patch, depth)

    def predict(self, x_t: Tensor, level: Level, conditions: Conditions) -> Prediction:
        """x̂_0 and ε̂ of x_t (rows, C, *axes); x̂_0 is x_0 where it was observed."""
        sigma = level.s / level.a
        x0 = torch.stack([self._estimate(row / level.a, sigma) for row in x_t])
        return Prediction.from_x0(x_t, level, x0) if level.s > 0 else Prediction(x0, torch.zeros_like(x0))

    def _spread(self, level: int, blocks: Tensor) -> Tensor:
        """The values (N, C) of the finest places from blocks (N_l, C·B) of the places of a level."""
        fine, coarse = self._scales[0], self._scales[level]
        factor = [c // d for c, d in zip(fine.canvas, coarse.canvas, strict=True)]
        at = _unravel(fine.places, fine.canvas)
        slot = coarse.slot[_ravel([a // f for a, f in zip(at, factor, strict=True)], coarse.canvas)]
        inner = _ravel([a % f for a, f in zip(at, factor, strict=True)], factor)
        return blocks.unflatten(1, (-1, math.prod(factor)))[slot, :, inner]

    def predict_guided(self, x_t: Tensor, level: Level, conditions: Conditions) -> Prediction:
        """As `predict`: there is nothing to guide by."""
        return self.predict(x_t, level, conditions)

    def _estimate(self, y: Tensor, sigma: float) -> Tensor:
        """x̂_0 (C, *axes) of y = x_0 + σ ε."""
        x_0, mask = self._x_0[0], self._mask[0]
        y = x_0 + mask * (y - x_0)
        read = min(max(math.floor(math.log2(max(sigma, 1e-6) / self._clear)) + 1, 0), len(self._scales) - 1)
        ys = [_pad(y, self._scales[0].axes)]
        sigmas = [sigma]
        for fine in self._scales[:-1]:
            ys.append(_pool(ys[-1], fine.factor))
            sigmas.append(sigmas[-1] / math.sqrt(math.prod(fine.factor)))
        top = next((i for i in range(read, len(ys)) if self._scales[i].pairs <= self._pairs), len(ys) - 1)
        matcher = [
            _Matcher(s, y_l, v, self._bandwidth, self._shift)
            for s, y_l, v in zip(self._scales, ys, sigmas, strict=True)
        ]
        if top == read:
            blocks = _blocks(self._canvas, [c // d for c, d in zip(self._scales[0].canvas, self._scales[read].canvas)])
            filled = matcher[read].posterior(blocks[self._scales[read].position])
            x0 = self._scales[0].paint(ys[0], self._spread(read, filled))
        else:
            found = matcher[top].nearest()
            for i in range(top - 1, read - 1, -1):
                generator = torch.Generator().manual_seed(self._seed * 64 + i)
                found = matcher[i].refine(self._scales[i + 1].finer(found, self._scales[i]), generator)
            if read == 0:
                filled = matcher[0].mean(found)
            else:
                for i in range(read, 0, -1):
                    found = self._scales[i].finer(found, self._scales[i - 1])
                filled = self._canvas.flatten(1)[:, found].T
            x0 = self._scales[0].paint(ys[0], filled)
        x0 = x0[(slice(None), *(slice(0, n) for n in self._axes))]
        return x_0 + mask * (x0 - x_0)


@dataclass(frozen=True)
class _Scale:
    """One level of the pyramid: a canvas of all sources, flattened, in which exemplars and places are indices."""

    axes: tuple[int, ...]
    """Of the sample at this level."""
    canvas: tuple[int, ...]
    """Of the canvas: the sample first, the examples after it along the first axis."""
    factor: tuple[int, ...]
    """What the next coarser level pools."""
    patch: int
    exemplars: Tensor
    """(K, C, P) patches seen in full."""
    position: Tensor
    """(K) of their centres on the canvas."""
    row: Tensor
    """(canvas) which exemplar is centred there, −1 for none."""
    places: Tensor
    """(N) the places to fill, on the canvas."""
    slot: Tensor
    """(canvas) which place is there, −1 for none."""
    noisy: Tensor
    """(N, P) the share of noise variance in each element of a place's patch."""
    inside: Tensor
    """(N, P) 1 where the element lies inside the sample."""

    @property
    def pairs(self) -> int:
        """Comparisons of all with all."""
        return len(self.places) * len(self.position)

    def patches(self, y: Tensor) -> Tensor:
        """(N, C, P) the patches of y (C, *axes) around the places."""
        return (
            _windows(y, self.patch).flatten(1, len(self.axes)).flatten(2)[:, self._local()].transpose(0, 1).contiguous()
        )

    def paint(self, y: Tensor, values: Tensor) -> Tensor:
        """y (C, *axes) with values (N, C) at the places."""
        y = y.flatten(1).clone()
        y[:, self._local()] = values.T
        return y.view(-1, *self.axes)

    def finer(self, found: Tensor, fine: "_Scale") -> Tensor:
        """Where on the finer canvas the exemplars `found` (N) of this level lie for each of its places."""
        at = _unravel(fine.places, fine.canvas)
        parent = [a // f for a, f in zip(at, fine.factor, strict=True)]
        match = _unravel(found[self.slot[_ravel(parent, self.canvas)]], self.canvas)
        return _ravel(
            [m * f + a % f for m, f, a in zip(match, fine.factor, at, strict=True)],
            fine.canvas,
        )

    def _local(self) -> Tensor:
        return _ravel(_unravel(self.places, self.canvas), self.axes)


class _Matcher:
    """The patches of one noisy sample against the exemplars of one level."""

    def __init__(self, scale: _Scale, y: Tensor, sigma: float, bandwidth: float, shift: float) -> None:
        self.scale = scale
        w = self.scale.inside / (bandwidth**2 + scale.noisy * sigma**2)
        self._w, self._q, self._total = w[:, None], scale.patches(y), w.sum(1, keepdim=True) + shift**-2

    def compare(self, found: Tensor) -> tuple[Tensor, Tensor]:
        """D (N), infinite where there is no exemplar, and p_k + b_k at the centre (N, C)."""
        rows = self.scale.row[found.clamp(0, len(self.scale.row) - 1)]
        p = self.scale.exemplars[rows.clamp(min=0)]
        d = self._q - p
        wd = self._w * d
        s = wd.sum(2)
        b = s / self._total
        distance = (wd * d).sum((1, 2)) - (s * b).sum(1)
        return distance.masked_fill(rows < 0, math.inf), p[:, :, p.shape[2] // 2] + b

    def posterior(self, values: Tensor) -> Tensor:
        """Σ_k ω_k v_k (N, V) of values (K, V) over all exemplars."""
        return torch.cat([torch.softmax(-d / 2, 1) @ values for d in self._all()])

    def nearest(self) -> Tensor:
        """The position of the best exemplar of each place (N)."""
        return torch.cat([self.scale.position[d.argmin(1)] for d in self._all()])

    def _all(self) -> Iterator[Tensor]:
        e = self.scale.exemplars
        step = max((1 << 22) // len(e), 1)
        for i in range(0, len(self._q), step):
            q, w, total = self._q[i : i + step], self._w[i : i + step], self._total[i : i + step]
            d = (
                (w * q * q).sum((1, 2))[:, None]
                - 2 * (w * q).flatten(1) @ e.flatten(1).T
                + w[:, 0] @ e.square().sum(1).T
            )
            s = (w * q).sum(2)[:, None] - torch.einsum("np,kcp->nkc", w[:, 0], e)
            yield d - s.square().sum(2) / total

    def refine(self, found: Tensor, generator: torch.Generator) -> Tensor:
        """The best of `found` (N), of what the neighbours found, shifted, and of a random search around it."""
        scale = self.scale
        best, _ = self.compare(found)
        for radius in (4, 2, 1, 1):
            for shift in _star(len(scale.axes), radius):
                best, found = self._better(best, found, self._from_neighbour(found, shift))
            for spread in (8, 2):
                draw = [torch.randint(-spread, spread + 1, found.shape, generator=generator) for _ in scale.axes]
                at = [a + r for a, r in zip(_unravel(found, scale.canvas), draw, strict=True)]
                best, found = self._better(best, found, _ravel(at, scale.canvas))
        return found

    def mean(self, found: Tensor) -> Tensor:
        """x̂_0 (N, C) over what each place and its neighbours found."""
        top = torch.full(found.shape, math.inf)
        total, mass = torch.zeros(len(found), 1), torch.zeros(len(found))
        for shift in product((0, -1, 1), repeat=len(self.scale.axes)):
            d, value = self.compare(self._from_neighbour(found, shift))
            lowest = torch.minimum(top, d)
            keep, add = torch.exp((lowest - top) / 2), torch.exp((lowest - d) / 2)
            total, mass, top = keep[:, None] * total + add[:, None] * value, keep * mass + add, lowest
        return total / mass[:, None]

    def _from_neighbour(self, found: Tensor, shift: Sequence[int]) -> Tensor:
        scale = self.scale
        step = _ravel([torch.tensor(s) for s in shift], scale.canvas)
        slot = scale.slot[(scale.places + step).clamp(0, len(scale.slot) - 1)]
        return torch.where(slot < 0, found, found[slot] - step)

    def _better(self, best: Tensor, found: Tensor, candidate: Tensor) -> tuple[Tensor, Tensor]:
        d, _ = self.compare(candidate)
        return torch.minimum(best, d), torch.where(d < best, candidate, found)


def _pyramid(
    x_0: Tensor, mask: Tensor, examples: Sequence[Tensor], patch: int, depth: int
) -> tuple[list[_Scale], Tensor]:
    n = x_0.ndim - 1
    unit = 2**depth
    sources = [x_0, *examples]
    sizes = [[-(-size // unit) * unit for size in s.shape[1:]] for s in sources]
    axes = sizes[0]
    rest = [max(s[i] for s in sizes) for i in range(1, n)]
    values, unknown = [], []
    for source, size in zip(sources, sizes, strict=True):
        full = [size[0], *rest]
        values.append(_pad(source.float(), full))
        hole = mask if source is x_0 else torch.zeros_like(source[:1])
        unknown.append(_pad(hole, full, 1.0))
    value, hidden = torch.cat(values, 1), torch.cat(unknown, 1)
    hole = _pad(mask, axes)
    scales, first = [], value
    for level in range(depth + 1):
        factor = (2,) * n
        scale = _scale(value, hidden, hole, patch, factor)
        if len(scale.position) < (500 if scales else 1):
            break
        scales.append(scale)
        value, hidden, hole = (_pool(v, factor) for v in (value, hidden, hole))
    if not scales:
        raise ValueError("no patch is fully observed: give examples, or a smaller patch")
    return scales, first


def _scale(value: Tensor, hidden: Tensor, hole: Tensor, patch: int, factor: tuple[int, ...]) -> _Scale:
    n = value.ndim - 1
    canvas, axes = tuple(value.shape[1:]), tuple(hole.shape[1:])
    seen = (_windows((hidden > 0).float(), patch, 1.0).flatten(n + 1).amax(-1) == 0).flatten()
    position = seen.nonzero()[:, 0]
    row = torch.full(seen.shape, -1)
    row[position] = torch.arange(len(position))
    exemplars = _windows(value, patch).flatten(1, n).flatten(2)[:, position].transpose(0, 1).contiguous()
    local = (hole.flatten() > 0).nonzero()[:, 0]
    places = _ravel(_unravel(local, axes), canvas)
    slot = torch.full(seen.shape, -1)
    slot[places] = torch.arange(len(places))
    noisy = _windows(hole, patch)[0].flatten(0, n - 1).flatten(1)[local]
    inside = _windows(torch.ones_like(hole), patch, 0.0)[0].flatten(0, n - 1).flatten(1)[local]
    return _Scale(axes, canvas, factor, patch, exemplars, position, row, places, slot, noisy, inside)


def _windows(y: Tensor, patch: int, fill: float = 0.0) -> Tensor:
    """(C, *axes, *patch) the window around every element of y (C, *axes)."""
    n = y.ndim - 1
    y = F.pad(y, [patch // 2] * (2 * n), value=fill)
    for axis in range(1, n + 1):
        y = y.unfold(axis, patch, 1)
    return y


def _pad(y: Tensor, axes: Sequence[int], fill: float | None = None) -> Tensor:
    """y (C, *axes) made longer at the ends, by its last values or by `fill`."""
    for axis, size in enumerate(axes, 1):
        more = size - y.shape[axis]
        if more:
            last = y.narrow(axis, -1, 1).repeat_interleave(more, axis)
            y = torch.cat([y, last if fill is None else torch.full_like(last, fill)], axis)
    return y


def _pool(y: Tensor, factor: tuple[int, ...]) -> Tensor:
    return (F.avg_pool1d, F.avg_pool2d, F.avg_pool3d)[len(factor) - 1](y[None], factor)[0]


def _upsample(y: Tensor, axes: tuple[int, ...]) -> Tensor:
    return F.interpolate(y[None], axes, mode=("linear", "bilinear", "trilinear")[len(axes) - 1])[0]


def _blocks(y: Tensor, factor: Sequence[int]) -> Tensor:
    """(cells, C·B) the blocks of y (C, *axes), B = the product of `factor`."""
    n = y.ndim - 1
    for axis in range(n, 0, -1):
        y = y.unflatten(axis, (-1, factor[axis - 1]))
    y = y.permute(*range(1, 2 * n, 2), 0, *range(2, 2 * n + 1, 2))
    return y.flatten(0, n - 1).flatten(1)


def _star(n: int, radius: int) -> list[tuple[int, ...]]:
    return [tuple(radius * sign * (i == axis) for i in range(n)) for axis in range(n) for sign in (1, -1)]


def _ravel(at: Sequence[Tensor], axes: Sequence[int]) -> Tensor:
    flat = at[0]
    for a, size in zip(at[1:], axes[1:], strict=True):
        flat = flat * size + a
    return flat


def _unravel(flat: Tensor, axes: Sequence[int]) -> list[Tensor]:
    at = []
    for size in reversed(axes[1:]):
        at.append(flat % size)
        flat = flat // size
    return [flat, *reversed(at)]
