"""The exemplar prior: the score of a patch density whose exemplars were seen, with no weights and no download.

A patch y of the noisy sample, centred at a place, has the density of the exemplars p_k blurred by h:

    p(y) = mean_k N(y; p_k, diag 1/w),    1/w_q = h² + M_q σ²,   σ = s/a
    D_k = Σ_q w_q (y_q − p_kq)²
    x̂_0 = Σ_k ω_k p_k at the centre,      ω_k ∝ exp(−D_k/2)

with noise only where M = 1: the sample's observed part counts as it is, so the score is conditional on what
surrounds a hole. At noise σ only scales averaged until their noise is small tell exemplars apart, so σ picks a
level of a pyramid: y and p_k are compared there, and x̂_0 takes the block of the finest level that lies under the
exemplar. Where exemplars are few all are compared; at finer levels the best of the coarser level is refined by
propagation and random search (PatchMatch, Barnes et al. 2009), within one evaluation.
"""

import math
from collections.abc import Iterator, Sequence
from itertools import product

import torch
from torch import Tensor

from alm_core.patches import Scale, blocks, pad, pool, pyramid, ravel, unravel
from alm_core.prior import Conditions, Prediction
from alm_core.schedule import Level

__all__ = ["ExemplarPrior"]


class ExemplarPrior:
    """A `Prior` made from the observed part of a sample and any further examples.

    `x_0` is (1, C, *axes) with 1, 2 or 3 axes, float in [−1, 1]; `mask` is broadcastable to it, 1 = unobserved, the
    same for all channels; each of `examples` is (C, *axes) of any sizes. Where mask = 0 the prediction is x_0
    itself. A mask of ones with examples makes a generator.

    `patch` is the odd width of a patch; `bandwidth` is h, in units of x_0; `clear` is the noise at which a level is
    read; up to `pairs` patches are compared all with all; random search is seeded by `seed`. The prior is a
    pure function of (x_t, level). Conditions are not used.

    Raises ValueError when sizes do not fit or when no patch was observed in full.
    """

    guided_rows = 1

    def __init__(
        self,
        x_0: Tensor,
        mask: Tensor,
        *,
        examples: Sequence[Tensor] = (),
        patch: int = 7,
        bandwidth: float = 0.02,
        rarity: float = 0.4,
        shift: float = 0.03,
        clear: float = 0.15,
        pairs: int = 1 << 23,
        seed: int = 0,
    ) -> None:
        self._x_0 = x_0[0].float()
        self._mask = (mask[0].to(self._x_0).expand_as(self._x_0)[:1] > 0).float()
        self._scales, self._canvas = pyramid(self._x_0, self._mask, examples, patch)
        self._bandwidth, self._rarity, self._shift = bandwidth, rarity, shift
        self._clear, self._pairs, self._seed = clear, pairs, seed
        self._gap = [_gaps(s, seed) for s in self._scales]

    def predict(self, x_t: Tensor, level: Level, conditions: Conditions) -> Prediction:
        """x̂_0 and ε̂ of x_t (rows, C, *axes); x̂_0 is x_0 where it was observed."""
        if x_t.shape[1:] != self._x_0.shape:
            raise ValueError(f"x_t must have the sizes of x_0, {tuple(self._x_0.shape)} a row: got {tuple(x_t.shape)}")
        answers: list[tuple[Tensor, Tensor]] = []
        for row in x_t:
            y = self._x_0 + self._mask * (row / level.a - self._x_0)
            known = next((x0 for seen, x0 in answers if torch.equal(seen, y)), None)
            answers.append((y, self._estimate(y, level.s / level.a) if known is None else known))
        x0 = torch.stack([x0 for _, x0 in answers])
        return Prediction.from_x0(x_t, level, x0) if level.s > 0 else Prediction(x0, torch.zeros_like(x0))

    def predict_guided(self, x_t: Tensor, level: Level, conditions: Conditions) -> Prediction:
        """As `predict`: there is nothing to guide by."""
        return self.predict(x_t, level, conditions)

    def _estimate(self, y: Tensor, sigma: float) -> Tensor:
        """x̂_0 (C, *axes) of y = x_0 + M σ ε."""
        if not len(self._scales[0].places):
            return self._x_0
        scales = self._scales
        finest = pad(y, scales[0].axes)
        noise = [sigma / math.sqrt(math.prod(s.factor)) for s in scales]
        read = next((i for i, v in enumerate(noise) if v <= self._clear), len(scales) - 1)
        top = next(
            (i for i in range(read, len(scales)) if len(scales[i].places) * len(scales[i].position) <= self._pairs),
            len(scales) - 1,
        )

        def matcher(i: int) -> Matcher:
            return Matcher(scales[i], pool(finest, scales[i].factor), noise[i], self._bandwidth, self._rarity * self._gap[i], 0.0 if i else self._shift)

        slot, inner, block = scales[0].parents(scales[read])
        if top == read:
            values = blocks(self._canvas, block, scales[read].position, scales[read].canvas)
            mean = matcher(read).posterior(values.flatten(1)).view(-1, *values.shape[1:])
            filled = mean[slot, :, inner]
        else:
            found = matcher(top).nearest()
            for i in range(top - 1, read - 1, -1):
                generator = torch.Generator().manual_seed(self._seed + i)
                found = matcher(i).refine(scales[i].inherit(scales[i + 1], found), generator)
            if read == 0:
                filled = matcher(0).mean(found)
            else:
                found = scales[0].inherit(scales[read], found)
                filled = self._canvas.flatten(1)[:, found].T
        x0 = scales[0].paint(finest, filled)[(slice(None), *(slice(0, n) for n in y.shape[1:]))]
        return self._x_0 + self._mask * (x0 - self._x_0)


class Matcher:
    """The patches of y around the places of one level, to be compared with its exemplars."""

    def __init__(self, scale: Scale, y: Tensor, sigma: float, bandwidth: float, gap: Tensor, shift: float) -> None:
        self._scale = scale
        self._q = scale.patches(y)
        self._w = scale.inside / (bandwidth**2 + scale.noisy * sigma**2)
        self._gap, self._noisy = gap, (self._w * scale.noisy).sum(1)
        self._shrink, self._shift = self._w.sum(1, keepdim=True) + max(shift, 1e-9) ** -2, shift

    def posterior(self, values: Tensor) -> Tensor:
        """Σ_k ω_k v_k (N, V) of values (K, V), over all exemplars."""
        return torch.cat([torch.softmax(-d / 2, 1) @ values for d in self._all()])

    def nearest(self) -> Tensor:
        """The positions (N) of the exemplars of least D, over all exemplars."""
        return self._scale.position[torch.cat([d.argmin(1) for d in self._all()])]

    def _all(self) -> Iterator[Tensor]:
        """D (n, K) of all exemplars, some places at a time."""
        p = self._scale.exemplars
        step = max((1 << 22) // len(p), 1)
        for q, w, m in zip(torch.split(self._q, step), torch.split(self._w, step), torch.split(self._noisy, step), strict=True):
            wq = w[:, None] * q
            yield (wq * q).sum((1, 2))[:, None] - 2 * wq.flatten(1) @ p.flatten(1).T + w @ p.square().sum(1).T - m[:, None] * self._gap

    def compare(self, found: Tensor) -> tuple[Tensor, Tensor]:
        """D (N) of one exemplar a place, infinite where there is none, and its centre, shifted (N, C)."""
        row = self._scale.row[found]
        p = self._scale.exemplars.index_select(0, row.clamp(min=0))
        value = p[:, :, p.shape[2] // 2].clone()
        d, w = p.sub_(self._q), self._w[:, :, None]
        s = torch.bmm(d, w)[:, :, 0] if self._shift else torch.zeros_like(value)
        b = s / self._shrink
        distance = torch.bmm(d.square_(), w).sum((1, 2)) - (s * b).sum(1) - self._noisy * self._gap[row]
        return distance.masked_fill(row < 0, math.inf), value - b

    def refine(self, found: Tensor, generator: torch.Generator) -> Tensor:
        """The best of `found` (N), of what neighbours found, moved along, and of a random search around it."""
        canvas = self._scale.canvas
        least, _ = self.compare(found)
        for reach in (2, 1):
            for shift in product((-reach, 0, reach), repeat=len(canvas)):
                if sum(s != 0 for s in shift) == 1:
                    least, found = self._better(least, found, self._beside(found, shift))
            for spread in (6, 2):
                draws = (torch.randint(-spread, spread + 1, found.shape, generator=generator) for _ in canvas)
                tried = ravel([a + r for a, r in zip(unravel(found, canvas), draws, strict=True)], canvas)
                least, found = self._better(least, found, tried.clamp(0, len(self._scale.row) - 1))
        return found

    def mean(self, found: Tensor) -> Tensor:
        """x̂_0 (N, C) over the exemplars that a place and its neighbours found, moved along."""
        least, _ = self.compare(found)
        total, mass = torch.zeros(1), torch.zeros(1)
        for shift in product((0, -1, 1), repeat=len(self._scale.canvas)):
            d, value = self.compare(self._beside(found, shift))
            weight = torch.exp((least - d) / 2).clamp(max=1e6)[:, None]
            total = total + weight * value
            mass = mass + weight
        return total / mass

    def _beside(self, found: Tensor, shift: Sequence[int]) -> Tensor:
        """What the neighbour at `shift` found, moved back by it; a place's own where it has no neighbour."""
        scale = self._scale
        step = int(ravel([torch.tensor(s) for s in shift], scale.canvas))
        slot = scale.slot[(scale.places + step).clamp(0, len(scale.slot) - 1)]
        return torch.where(slot < 0, found, (found[slot] - step).clamp(0, len(scale.row) - 1))

    def _better(self, least: Tensor, found: Tensor, tried: Tensor) -> tuple[Tensor, Tensor]:
        d, _ = self.compare(tried)
        return torch.minimum(least, d), torch.where(d < least, tried, found)


def _gaps(scale: Scale, seed: int, among: int = 1000) -> Tensor:
    """(K) the mean square distance of each exemplar to the nearest of some others, summed over channels."""
    p = scale.exemplars.flatten(1)
    generator = torch.Generator().manual_seed(seed)
    some = torch.randperm(len(p), generator=generator)[:among]
    gaps = []
    for i, part in enumerate(torch.split(p, 1 << 12)):
        d = part.square().sum(1)[:, None] - 2 * part @ p[some].T + p[some].square().sum(1)
        d[some[None] == torch.arange(len(part))[:, None] + (i << 12)] = math.inf
        gaps.append(d.amin(1).clamp(min=0) / scale.exemplars.shape[2])
    return torch.cat(gaps)
