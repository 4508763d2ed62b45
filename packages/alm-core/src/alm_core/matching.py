"""Places compared with exemplars at one level: the posterior over all of them, or a search for the best.

The equations stand in `alm_core.exemplar`.
"""

import math
from collections.abc import Iterator, Sequence
from itertools import product

import torch
from torch import Tensor

from alm_core.patches import Scale, ravel, unravel

__all__ = ["Matcher"]

TEMPER = 8.0
"""What D is divided by where copied pieces meet: elements of a patch are not independent, as the density takes them."""
CHUNK = 1 << 20
"""Elements compared at a time: larger temporaries leave the caches, and their pages are made anew each time."""


class Matcher:
    """The N patches of y around the places of one level, to be compared with its K exemplars."""

    def __init__(
        self, scale: Scale, y: Tensor, sigma: float, bandwidth: float, shifts: Tensor, rare: Tensor, near: Tensor
    ) -> None:
        self._scale, self._most, self._rare = scale, 3 * shifts, rare
        self._here, self._there = scale.places_at * near, scale.seen_at * near
        self._q = scale.patches(y)
        self._w = scale.weight / (bandwidth**2 + scale.noisy * sigma**2)
        self._noisy = (self._w * scale.noisy).sum(1)
        self._total = self._w.sum(1, keepdim=True) + shifts**-2

    def posterior(self, values: Tensor) -> Tensor:
        """Σ_k ω_k (v_k + b_k), (N, C, B), of values (K, C, B), over all exemplars."""
        means = []
        for d, q, w, total in self._all():
            omega = torch.softmax(-d / 2, 1)
            p = (omega @ self._scale.exemplars.flatten(1)).view_as(q)
            b = self._clip(((q - p) * w[:, None]).sum(2) / total)
            means.append((omega @ values.flatten(1)).view(-1, *values.shape[1:]) + b[:, :, None])
        return torch.cat(means)

    def nearest(self) -> Tensor:
        """The positions (N) of the exemplars of least D, over all exemplars."""
        return self._scale.position[torch.cat([d.argmin(1) for d, *_ in self._all()])]

    def _all(self) -> Iterator[tuple[Tensor, Tensor, Tensor, Tensor]]:
        """D − 2 log π (n, K) of all exemplars, some places at a time, with these places' y, w, Σ w + τ⁻²."""
        p = self._scale.exemplars
        squares = p.square().sum(1).T
        step = max((1 << 22) // len(p), 1)
        parts = (torch.split(x, step) for x in (self._q, self._w, self._total, self._noisy, self._here))
        for q, w, total, noisy, here in zip(*parts, strict=True):
            wq = w[:, None] * q
            d = (wq * q).sum((1, 2))[:, None] - 2 * wq.flatten(1) @ p.flatten(1).T + w @ squares
            for c in range(p.shape[1]):
                sums, most = wq[:, c].sum(1, keepdim=True) - w @ p[:, c].T, float(self._most[c])
                b = (sums / total[:, c, None]).clamp(-most, most)
                d += b * (b * total[:, c, None] - 2 * sums)
            d += torch.cdist(here, self._there).square_()
            yield d - noisy[:, None] * self._rare, q, w, total

    def compare(self, found: Tensor) -> tuple[Tensor, Tensor]:
        """D − 2 log π (N) of the exemplars at `found`, infinite where there is none, and p + b at the centre (N, C)."""
        step = max(CHUNK // self._q[0].numel(), 1)
        distances, values = zip(
            *(self._compare(slice(n, n + step), found) for n in range(0, len(found), step)), strict=True
        )
        return torch.cat(distances), torch.cat(values)

    def _compare(self, at: slice, found: Tensor) -> tuple[Tensor, Tensor]:
        """`compare` at some of the places."""
        row, total = self._scale.row[found[at]], self._total[at]
        p = self._scale.exemplars.index_select(0, row.clamp(min=0))
        centre = p[:, :, p.shape[2] // 2].clone()
        d, w = p.sub_(self._q[at]).neg_(), self._w[at, :, None]
        sums = torch.bmm(d, w)[:, :, 0]
        b = self._clip(sums / total)
        distance = torch.bmm(d.square_(), w).sum((1, 2)) + (b * (b * total - 2 * sums)).sum(1)
        distance += (self._there[row] - self._here[at]).square_().sum(1)
        distance -= self._noisy[at] * self._rare[row]
        return distance.masked_fill(row < 0, math.inf), centre + b

    def refine(self, found: Tensor, generator: torch.Generator) -> Tensor:
        """The best of `found` (N), of what neighbours found, moved along, and of a random search around it."""
        canvas = self._scale.canvas
        least, _ = self.compare(found)
        for reach in (2, 1):
            for axis, sign in product(range(len(canvas)), (-reach, reach)):
                shift = tuple(sign * (i == axis) for i in range(len(canvas)))
                least, found = self._better(least, found, self._beside(found, shift))
            for spread in (6, 2):
                draws = (torch.randint(-spread, spread + 1, found.shape, generator=generator) for _ in canvas)
                at = [a + r.to(a.device) for a, r in zip(unravel(found, canvas), draws, strict=True)]
                least, found = self._better(least, found, self._clamp(ravel(at, canvas)))
        return found

    def mean(self, found: Tensor) -> Tensor:
        """x̂_0 (N, C) over the exemplars that a place and its neighbours found, moved along.

        They are mixed at `TEMPER` times the temperature, which smooths the borders between pieces copied from
        different parts and nothing else: inside a piece all of them are the same exemplar.
        """
        least, total = self.compare(found)
        mass, axes = torch.ones_like(total[:, :1]), len(self._scale.canvas)
        for shift in product((0, -1, 1), repeat=axes):
            # On three axes the 20 neighbours over edges and corners would cost three times the six over faces.
            if any(shift) and (axes < 3 or sum(map(abs, shift)) == 1):
                d, value = self.compare(self._beside(found, shift))
                weight = torch.exp(((least - d) / (2 * TEMPER)).clamp(max=math.log(1e6)))[:, None]
                total, mass = total + weight * value, mass + weight
        return total / mass

    def _beside(self, found: Tensor, shift: Sequence[int]) -> Tensor:
        """What the neighbour at `shift` found, moved back by it; a place's own where it has no neighbour."""
        scale = self._scale
        step = int(ravel([torch.tensor(s) for s in shift], scale.canvas))
        slot = scale.slot[self._clamp(scale.places + step)]
        return torch.where(slot < 0, found, self._clamp(found[slot] - step))

    def _better(self, least: Tensor, found: Tensor, tried: Tensor) -> tuple[Tensor, Tensor]:
        d, _ = self.compare(tried)
        return torch.minimum(least, d), torch.where(d < least, tried, found)

    def _clip(self, b: Tensor) -> Tensor:
        return torch.minimum(torch.maximum(b, -self._most), self._most)

    def _clamp(self, position: Tensor) -> Tensor:
        return position.clamp(0, len(self._scale.row) - 1)
