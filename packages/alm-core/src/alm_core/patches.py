"""A pyramid of patches: what `alm_core.exemplar` compares, on 1, 2 or 3 axes.

All sources lie on one canvas: the sample first, each further example after it along the first axis. A place or
an exemplar is the flat index of its centre on the canvas, so that what lies beside an exemplar is an addition
away. Level l + 1 averages blocks of level l, two long on every axis that stays two patches long.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as nnf
from torch import Tensor

__all__ = ["Scale", "blocks", "gaps", "moved", "pad", "pool", "pyramid", "ravel", "unravel"]

CHUNK = 1 << 12
"""Exemplars that are compared with the others at once."""

Sizes = tuple[int, ...]


@dataclass(frozen=True)
class Scale:
    """One level: K exemplars, patches of C channels and P elements seen in full, and N places to fill.

    `axes` are the sample's at this level, `canvas` the canvas's, `factor` the block of the finest level that one
    element averages. `exemplars` is (K, C, P), `position` (K) where their centres lie, `row` (canvas) the inverse of
    it, −1 where there is none; `places` (N) and `slot` (canvas) likewise. `noisy` (N, P) is the share of each element
    of a place's patch that is unobserved, over the square of that within the sample: what of σ² is in it; `weight` (N,
    P) is what the element counts: a Gaussian around the place, a quarter of the patch wide and 1 in the mean, and 0
    outside the sample. `seen_at` (K, axes) and `places_at` (N, axes) are where exemplars and places lie in their own
    sources, as fractions of the axes.
    """

    axes: Sizes
    canvas: Sizes
    factor: Sizes
    patch: Sizes
    exemplars: Tensor
    position: Tensor
    row: Tensor
    seen_at: Tensor
    places: Tensor
    slot: Tensor
    noisy: Tensor
    weight: Tensor
    places_at: Tensor

    @property
    def pairs(self) -> int:
        """Comparisons of every place with every exemplar."""
        return len(self.places) * len(self.position)

    def patches(self, y: Tensor) -> Tensor:
        """(N, C, P) the patches of y (C, *axes) around the places."""
        return _windows(y, self.patch, unravel(self.places, self.canvas))

    def paint(self, y: Tensor, values: Tensor) -> Tensor:
        """y (C, *axes) with values (N, C) at the places."""
        painted = y.flatten(1).clone()
        painted[:, ravel(unravel(self.places, self.canvas), self.axes)] = values.T
        return painted.view(y.shape)

    def parents(self, coarse: "Scale") -> tuple[Tensor, Tensor, Sizes]:
        """For each place (N) the coarser level's place that holds it, where in its block it lies, and the block."""
        block = tuple(c // f for c, f in zip(coarse.factor, self.factor, strict=True))
        at = unravel(self.places, self.canvas)
        above = ravel([a // b for a, b in zip(at, block, strict=True)], coarse.canvas)
        return coarse.slot[above], ravel([a % b for a, b in zip(at, block, strict=True)], block), block

    def inherit(self, coarse: "Scale", found: Tensor) -> Tensor:
        """The positions (N) on this canvas of the exemplars that the coarser level's places `found`."""
        slot, inner, block = self.parents(coarse)
        match = unravel(found[slot], coarse.canvas)
        return ravel([m * b + i for m, b, i in zip(match, block, unravel(inner, block), strict=True)], self.canvas)


def pyramid(
    x_0: Tensor,
    mask: Tensor,
    examples: Sequence[Tensor],
    patches: Sequence[Sizes],
    beyond: Tensor,
    inside: Sequence[bool],
) -> tuple[list[Scale], Tensor]:
    """The levels, finest first, and the finest canvas (C, *axes).

    `x_0` is (C, *axes), `mask` (1, *axes) with 1 = unobserved, `beyond` (1, *axes) with 1 = not of the sample. A level
    with fewer exemplars than a patch has elements, and all coarser ones, are left out. `patches` are their widths on
    each axis, finest first, of which the last is that of all coarser levels. On the axes `inside` exemplars do not run
    over the ends of their sources. Raises ValueError when not one patch was seen in full.
    """
    halvings = [
        max(int(math.log2(size / (2 * width))), 0) if size > 2 * width else 0
        for size, width in zip(x_0.shape[1:], patches[-1], strict=True)
    ]
    unit = [2**count for count in halvings]
    sources = [
        pad(x.float(), [-(-size // u) * u for size, u in zip(x.shape[1:], unit, strict=True)]) for x in (x_0, *examples)
    ]
    hole = pad(mask, sources[0].shape[1:])
    within = 1 - pad(beyond, sources[0].shape[1:])
    hidden = [hole, *(torch.zeros_like(x[:1]) for x in sources[1:])]
    wide = [max(sizes) for sizes in zip(*(x.shape[2:] for x in sources), strict=True)]
    canvas = torch.cat([pad(x, [x.shape[1], *wide]) for x in sources], 1)
    scales: list[Scale] = []
    factor: Sizes = (1,) * len(unit)
    for level in range(max(halvings) + 1):
        size = tuple(c // f for c, f in zip(canvas.shape[1:], factor, strict=True))
        patch = patches[min(level, len(patches) - 1)]
        own = [[n // f for n, f in zip(each.shape[1:], factor, strict=True)] for each in (x_0, *examples)]
        scale = _scale(sources, own, hidden, within, size, factor, patch, inside)
        if len(scale.position) < (math.prod(patch) if scales else 1):
            break
        scales.append(scale)
        step = tuple(1 + (count > level) for count in halvings)
        sources, hidden = [pool(x, step) for x in sources], [pool(x, step) for x in hidden]
        within = pool(within, step)
        factor = tuple(f * s for f, s in zip(factor, step, strict=True))
    if not scales:
        raise ValueError(
            f"not one patch of {' x '.join(map(str, patches[0]))} elements was observed in full: give examples, or a "
            "smaller patch"
        )
    return scales, canvas


def moved(scales: Sequence[Scale], mask: Tensor, beyond: Tensor) -> list[Scale]:
    """The levels with the same exemplars, for another sample of the same sizes: `mask` and `beyond` as in `pyramid`."""
    hole, within = pad(mask, scales[0].axes), 1 - pad(beyond, scales[0].axes)
    found = []
    for scale in scales:
        there = _places(pool(hole, scale.factor), pool(within, scale.factor), scale.canvas, scale.patch)
        places, slot, noisy, weight, lies = there
        found.append(replace(scale, places=places, slot=slot, noisy=noisy, weight=weight, places_at=lies))
    return found


def gaps(scale: Scale, seed: int, among: int = 1000) -> Tensor:
    """g (K): the mean square distance to the nearest of some other exemplars, summed over channels."""
    p = scale.exemplars.flatten(1)
    some = torch.randperm(len(p), generator=torch.Generator().manual_seed(seed))[:among].to(p.device)
    squares, least = p.square().sum(1), torch.empty(len(p), device=p.device)
    for start in range(0, len(p), CHUNK):
        mine = p[start : start + CHUNK]
        d = torch.addmm(squares[some], mine, p[some].T, alpha=-2)
        (own,) = torch.where((some >= start) & (some < start + len(mine)))
        d[some[own] - start, own] = math.inf
        least[start : start + len(mine)] = d.amin(1)
    gap = (least + squares).clamp(min=0) / scale.exemplars.shape[2]
    return torch.where(gap.isfinite(), gap, 0.0)


def _scale(
    sources: list[Tensor],
    own: list[list[int]],
    hidden: list[Tensor],
    within: Tensor,
    canvas: Sizes,
    factor: Sizes,
    patch: Sizes,
    inside: Sequence[bool],
) -> Scale:
    """One level from its sources (C, *axes), the sizes that are their `own`, what is hidden of each and what of the
    sample is `within` (1, *axes).
    """
    axes = tuple(sources[0].shape[1:])
    exemplars, position, seen_at, start = [], [], [], 0
    unusable = [torch.maximum(hidden[0], 1 - within), *hidden[1:]]
    for x, sizes, unseen in zip(sources, own, unusable, strict=True):
        everywhere = unravel(torch.arange(unseen.numel(), device=x.device), x.shape[1:])
        seen = _windows(unseen, patch, everywhere).flatten(1).amax(1) == 0
        for a, size, width, whole in zip(everywhere, sizes, patch, inside, strict=True):
            if whole:
                seen &= (a >= width // 2) & (a < size - width // 2)
        at = [a[seen] for a in everywhere]
        exemplars.append(_windows(x, patch, at))
        position.append(ravel([at[0] + start, *at[1:]], canvas))
        seen_at.append(_fractions(at, x.shape[1:]))
        start += x.shape[1]
    where = torch.cat(position)
    row = _inverse(where, canvas)
    places = _places(hidden[0], within, canvas, patch)
    return Scale(axes, canvas, factor, patch, torch.cat(exemplars), where, row, torch.cat(seen_at), *places)


def _places(
    hidden: Tensor, within: Tensor, canvas: Sizes, patch: Sizes
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Of a `Scale` the places, their slots, noise and weights, and where they lie."""
    axes = tuple(hidden.shape[1:])
    here = unravel((hidden.flatten() > 0).nonzero()[:, 0], axes)
    places = ravel(here, canvas)
    # Of a block partly outside the mean is taken of the part within, w: of its noise w averages less, twice.
    noisy = _windows(hidden / within.square().clamp(min=1e-6), patch, here)[:, 0]
    counts = _windows(within, patch, here, outside=0.0)[:, 0]
    weight = counts * _bell(patch).to(counts)
    return places, _inverse(places, canvas), noisy, weight, _fractions(here, axes)


def _fractions(at: Sequence[Tensor], axes: Sequence[int]) -> Tensor:
    """(N, axes) coordinates as fractions of the axes."""
    return torch.stack([a.float() / size for a, size in zip(at, axes, strict=True)], 1)


def _inverse(position: Tensor, canvas: Sizes) -> Tensor:
    """(canvas) the index in `position` of each element of the canvas, −1 where it is not there."""
    inverse = torch.full((math.prod(canvas),), -1, device=position.device)
    inverse[position] = torch.arange(len(position), device=position.device)
    return inverse


def _bell(patch: Sizes) -> Tensor:
    """(P) a Gaussian, a quarter of the patch wide on each axis, 1 in the mean."""
    bell = torch.ones(1)
    for width in patch:
        line = torch.exp(-(((torch.arange(width) - width // 2) / (width / 4)) ** 2) / 2)
        bell = (bell[:, None] * line).flatten()
    return bell / bell.mean()


def _windows(y: Tensor, patch: Sizes, at: Sequence[Tensor], outside: float | None = None) -> Tensor:
    """(N, C, P) the patches of y (C, *axes) centred `at`; beyond its ends the last values, or `outside`."""
    n = y.ndim - 1
    mode = "replicate" if outside is None else "constant"
    y = nnf.pad(y[None], [width // 2 for width in reversed(patch) for _ in range(2)], mode=mode, value=outside)[0]
    for axis in range(1, n + 1):
        y = y.unfold(axis, patch[axis - 1], 1)
    return y.movedim(0, n)[tuple(at)].flatten(2).contiguous()


def pad(y: Tensor, axes: Sequence[int]) -> Tensor:
    """y (C, *axes) made as long as `axes` by its last values."""
    for axis, size in enumerate(axes, 1):
        last = y.narrow(axis, -1, 1)
        y = torch.cat([y, last.repeat_interleave(size - y.shape[axis], axis)], axis)
    return y


def pool(y: Tensor, block: Sizes) -> Tensor:
    """The means (C, *axes) of blocks of y."""
    pools = (nnf.avg_pool1d, nnf.avg_pool2d, nnf.avg_pool3d)
    return pools[len(block) - 1](y[None], block)[0]


def blocks(y: Tensor, block: Sizes, position: Tensor, canvas: Sizes) -> Tensor:
    """(K, C, B) the blocks of y (C, *axes), B elements each, at the positions on the coarser canvas."""
    inner = unravel(torch.arange(math.prod(block), device=y.device), block)
    outer = unravel(position, canvas)
    at = [o[:, None] * b + i for o, b, i in zip(outer, block, inner, strict=True)]
    return y.flatten(1)[:, ravel(at, y.shape[1:])].transpose(0, 1)


def ravel(at: Sequence[Tensor], axes: Sequence[int]) -> Tensor:
    """Flat indices of coordinates, one tensor an axis."""
    flat = at[0]
    for a, size in zip(at[1:], axes[1:], strict=True):
        flat = flat * size + a
    return flat


def unravel(flat: Tensor, axes: Sequence[int]) -> list[Tensor]:
    """Coordinates, one tensor an axis, of flat indices."""
    at: list[Tensor] = []
    for size in reversed(axes[1:]):
        at.insert(0, flat % size)
        flat = flat // size
    return [flat, *at]
