"""The exemplar prior: the score of a patch density whose exemplars were seen, with no weights and no download.

A patch y of the noisy sample, elements q around a place, has the density of the exemplars p_k, each blurred by h and,
at the finest level, shifted in each principal axis of the channels by what suits it best of b ~ N(0, τ²), |b| ≤ 3τ:

    p(y) = Σ_k π_k max_b N(y; p_k + b, diag 1/w) N(b; 0, τ²),     w_q = u_q / (h² + M_q σ²),   σ = s/a
    b_k  = clamp( Σ_q w_q d_q / (Σ_q w_q + τ⁻²), ±3τ ),           d = y − p_k
    D_k  = Σ_q w_q d_q² − 2 b_k Σ_q w_q d_q + b_k² (Σ_q w_q + τ⁻²)
    x̂_0  = Σ_k ω_k (p_k + b_k) at the centre,    ω_k ∝ π_k exp(−D_k/2),
    2 log π_k = ρ g_k Σ_q M_q w_q − Σ_a ν_a (i_a − k_a)²

u_q falls from the centre of the patch. Noise is only where M = 1: the sample's observed part counts as it is, so the
score is conditional on what surrounds a hole. g_k, the mean square distance of an exemplar to its nearest other, makes
up for what a rare patch must miss a noisy one by: without it smooth patches, which are near everything, win everywhere
and blur. i_a and k_a are where the place and the exemplar lie on axis a, as fractions of it: by ν_a, what lies alike is
likelier.

At noise σ only scales averaged until their noise is small tell exemplars apart, so σ picks a level of a pyramid: y
and p_k are compared there, and x̂_0 takes the block of the finest level that lies under the exemplar. Where exemplars
are few all are compared; at finer levels the best of the coarser level is refined by propagation and random
search (PatchMatch, Barnes et al. 2009), within one evaluation.
"""

import math
from collections.abc import Sequence
from copy import copy

import torch
from torch import Tensor

from alm_core.matching import Matcher
from alm_core.methods import RePaint
from alm_core.patches import blocks, gaps, moved, pad, pool, pyramid
from alm_core.prior import Conditions, Prediction
from alm_core.schedule import Level, Schedule

__all__ = ["METHOD", "ExemplarPrior"]

METHOD = RePaint(8)
"""How best to sample with it, with a `FreshNoise` reference: deterministic methods keep the accidents of high noise."""


class ExemplarPrior:
    """A `Prior` made from the observed part of samples and any further examples.

    `x_0` is (1 or rows, C, *axes) with 1, 2 or 3 axes, float in [−1, 1]; row n of x_t belongs to row n mod rows.
    `mask`, broadcastable to it and the same for all channels, is above 0 where unobserved; there x_0 is not read.
    Each of `examples` is (C, *axes) of any sizes. A mask of ones with examples makes a generator. `outside`,
    broadcastable likewise, is above 0 where the sample does not extend to, as around a silhouette: x_0 and mask are not
    read there, nothing is taken from there or compared, and x̂_0 is x_0.

    `patch` is the odd width of a patch, or its widths on each axis for each level, finest first, the last for all
    coarser ones. On the axes where `inside` says so exemplars do not run over the ends of what they are taken from, as
    they do else, with its last values: give it where what is shown goes on, as in time. `bandwidth` h, `shift` τ (of
    the axis in which the channels vary most; less in the others) and `clear`, the noise at which a level can be read,
    are in units of x_0. `rarity` is ρ in [0, 1): more is sharper, and busier. `nearness` is ν, a number for each axis,
    0 where left out: give it where samples are layered along an axis, as pictures are from sky to ground. Up to `pairs`
    patches are compared all with all. Random search is seeded by `seed`: the prior is a pure function of (x_t, level).
    Conditions are not used. Raises ValueError when sizes do not fit or when no patch was observed in full.
    """

    guided_rows = 1

    def __init__(
        self,
        x_0: Tensor,
        mask: Tensor,
        *,
        examples: Sequence[Tensor] = (),
        outside: Tensor | None = None,
        patch: int | Sequence[Sequence[int]] = 7,
        inside: Sequence[bool] = (),
        bandwidth: float = 0.02,
        shift: float = 0.04,
        rarity: float = 0.2,
        nearness: Sequence[float] = (),
        clear: float = 0.15,
        pairs: int = 1 << 22,
        seed: int = 0,
    ) -> None:
        if not 3 <= x_0.ndim <= 5:
            raise ValueError(f"x_0 must be (rows, C, *axes) with 1, 2 or 3 axes, got {tuple(x_0.shape)}")
        beyond = _spread("outside", torch.zeros(()) if outside is None else outside, x_0)
        hidden = _spread("the mask", mask, x_0) * (1 - beyond)
        for example in examples:
            if example.ndim != x_0.ndim - 1 or len(example) != x_0.shape[1]:
                wanted = f"{x_0.shape[1]} channels and {x_0.ndim - 2} axes"
                raise ValueError(f"an example must have x_0's {wanted}, got {tuple(example.shape)}")
        axes = x_0.ndim - 2
        patches = [(patch,) * axes] if isinstance(patch, int) else [tuple(widths) for widths in patch]
        if not patches or any(len(p) != axes or min(p) < 3 or min(w % 2 for w in p) == 0 for p in patches):
            raise ValueError(f"patch must be odd and 3 or more, or such widths on {axes} axes by level, got {patch}")
        inside = tuple(inside) or (False,) * axes
        if len(inside) != axes:
            raise ValueError(f"inside must say of each of {axes} axes whether exemplars lie whole on it, got {inside}")
        if not (bandwidth > 0 and shift > 0 and clear > 0 and 0 <= rarity < 1):
            raise ValueError(
                "bandwidth, shift and clear must be above 0 and rarity in [0, 1), "
                f"got {bandwidth}, {shift}, {clear} and {rarity}"
            )
        nearness = tuple(nearness) or (0.0,) * (x_0.ndim - 2)
        if len(nearness) != x_0.ndim - 2 or min(nearness) < 0:
            raise ValueError(
                f"nearness must have a number of 0 or more for each of {x_0.ndim - 2} axes, got {nearness}"
            )
        self._densities = [
            _Density(x, m, v, examples, patches, inside, bandwidth, shift, rarity, nearness, clear, pairs, seed)
            for x, m, v in zip(x_0.float(), hidden, beyond, strict=True)
        ]
        self._sizes = tuple(x_0.shape[1:])

    def observing(self, x_0: Tensor, mask: Tensor) -> "ExemplarPrior":
        """The prior with the same exemplars, for what is known of another x_0 of the same rows and sizes.

        Nothing is taken from it, as from what was made before, and it costs little. Raises ValueError for other sizes.
        """
        if len(x_0) != len(self._densities) or tuple(x_0.shape[1:]) != self._sizes:
            wanted = (len(self._densities), *self._sizes)
            raise ValueError(f"x_0 must have the rows and sizes of the prior, {wanted}: got {tuple(x_0.shape)}")
        other = copy(self)
        hidden = _spread("the mask", mask, x_0)
        other._densities = [d.observing(x, m) for d, x, m in zip(self._densities, x_0.float(), hidden, strict=True)]
        return other

    @staticmethod
    def schedule(steps: int = 30) -> Schedule:
        """The levels to sample with: even in log σ, since each octave of noise decides one octave of scale."""
        return Schedule.log_sigma(steps, highest=20.0, lowest=0.03)

    def predict(self, x_t: Tensor, level: Level, conditions: Conditions) -> Prediction:
        """x̂_0 and ε̂ of x_t (rows, C, *axes); x̂_0 is x_0 where it was observed."""
        if tuple(x_t.shape[1:]) != self._sizes:
            raise ValueError(f"x_t must have the sizes of x_0, {self._sizes} a row: got {tuple(x_t.shape[1:])}")
        seen: list[tuple[_Density, Tensor, Tensor]] = []
        for n, row in enumerate(x_t):
            density = self._densities[n % len(self._densities)]
            y = density.observe(row / level.a)
            # ALM's Y_t and E_t differ only where x_0 is observed: what is equal there is estimated once.
            known = next((x0 for d, z, x0 in seen if d is density and torch.equal(z, y)), None)
            seen.append((density, y, density.estimate(y, level.s / level.a) if known is None else known))
        x0 = torch.stack([x0 for _, _, x0 in seen])
        return Prediction.from_x0(x_t, level, x0) if level.s > 0 else Prediction(x0, torch.zeros_like(x0))

    def predict_guided(self, x_t: Tensor, level: Level, conditions: Conditions) -> Prediction:
        """As `predict`: there is nothing to guide by."""
        return self.predict(x_t, level, conditions)


class _Density:
    """The patch density of one sample x_0 (C, *axes): unobserved where mask (1, *axes) = 1, ended where beyond = 1."""

    def __init__(
        self,
        x_0: Tensor,
        mask: Tensor,
        beyond: Tensor,
        examples: Sequence[Tensor],
        patches: Sequence[tuple[int, ...]],
        inside: Sequence[bool],
        bandwidth: float,
        shift: float,
        rarity: float,
        nearness: Sequence[float],
        clear: float,
        pairs: int,
        seed: int,
    ) -> None:
        self._x_0, self._mask, self._beyond = torch.where(mask > 0, 0.0, x_0), mask, beyond
        shown = torch.cat([x_0[:, (mask + beyond)[0] == 0], *(e.to(x_0).flatten(1) for e in examples)], 1)
        if shown.shape[1] == 0:
            raise ValueError("nothing was observed to take exemplars from: give examples")
        variance, self._turn = torch.linalg.eigh(torch.cov(shown, correction=0).view(len(x_0), len(x_0)))
        self._shifts = shift * (variance / variance[-1].clamp(min=1e-9)).clamp(1e-9, 1) ** 0.25
        self._fixed = torch.full_like(self._shifts, 1e-9)
        turned = [_turned(x, self._turn) for x in (self._x_0, *(e.to(x_0) for e in examples))]
        self._scales, self._canvas = pyramid(turned[0], mask, turned[1:], patches, beyond, inside)
        self._within = pad(1 - beyond, self._scales[0].axes)
        self._rare = [rarity * gaps(scale, seed) for scale in self._scales]
        self._near = x_0.new_tensor(nearness).sqrt()
        self._bandwidth, self._clear, self._pairs, self._seed = bandwidth, clear, pairs, seed

    def observing(self, x_0: Tensor, mask: Tensor) -> "_Density":
        """The same exemplars for another sample."""
        other = copy(self)
        other._mask = mask * (1 - self._beyond)
        other._x_0 = torch.where(other._mask > 0, 0.0, x_0)
        other._scales = moved(self._scales, other._mask, self._beyond)
        return other

    def observe(self, y: Tensor) -> Tensor:
        """y where it is noisy, x_0 where that is known."""
        return self._x_0 + self._mask * (y - self._x_0)

    def estimate(self, y: Tensor, sigma: float) -> Tensor:
        """x̂_0 (C, *axes) of an observed y = x_0 + M σ ε."""
        scales = self._scales
        if len(scales[0].places) == 0:
            return self._x_0
        finest = pad(_turned(y, self._turn), scales[0].axes)
        noise = [sigma / math.sqrt(math.prod(scale.factor)) for scale in scales]
        last = len(scales) - 1
        read = next((i for i in range(last) if noise[i] <= self._clear), last)
        first = next((i for i in range(read, last) if scales[i].pairs <= self._pairs), last)

        def at(i: int) -> Matcher:
            # Of what is partly outside, the mean of the part within.
            y_i = pool(finest * self._within, scales[i].factor) / pool(self._within, scales[i].factor).clamp(min=1e-6)
            shifts = self._shifts if i == 0 else self._fixed
            return Matcher(scales[i], y_i, noise[i], self._bandwidth, shifts, self._rare[i], self._near)

        slot, inner, block = scales[0].parents(scales[read])
        if first == read:
            values = blocks(self._canvas, block, scales[read].position, scales[read].canvas)
            filled = at(read).posterior(values)[slot, :, inner]
        else:
            found = at(first).nearest()
            for i in range(first - 1, read - 1, -1):
                generator = torch.Generator().manual_seed(self._seed + i)
                found = at(i).refine(scales[i].inherit(scales[i + 1], found), generator)
            if read == 0:
                filled = at(0).mean(found)
            else:
                filled = self._canvas.flatten(1)[:, scales[0].inherit(scales[read], found)].T
        x0 = scales[0].paint(finest, filled)[(slice(None), *(slice(0, n) for n in y.shape[1:]))]
        return self.observe(_turned(x0, self._turn.T))


def _spread(what: str, mask: Tensor, x_0: Tensor) -> Tensor:
    """(rows, 1, *axes) of x_0: 1 where the mask is above 0. Raises ValueError where it does not fit."""
    try:
        return (torch.broadcast_to(mask.to(x_0.device), x_0.shape)[:, :1] > 0).float()
    except RuntimeError:
        sizes = f"{tuple(mask.shape)} for {tuple(x_0.shape)}"
        raise ValueError(f"{what} must be broadcastable to x_0: got {sizes}") from None


def _turned(x: Tensor, turn: Tensor) -> Tensor:
    """x (C, *axes) in other axes of its channels, the columns of `turn`."""
    return torch.einsum("cd,c...->d...", turn, x)
