"""Putting what was generated back into the picture, so that kept pixels stay as they were.

Each blend takes values (height, width, channels) in [0, 255] and the mask (height, width), 1 = generated, and
returns the mixed values and the weight of what was generated; where the weight is 0 the picture is untouched.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, zoom
from scipy.sparse import coo_matrix, csr_matrix
from scipy.sparse.linalg import cg, splu

__all__ = ["Blend", "Gaussian", "Hard", "Membrane", "Poisson", "harmonic"]

Array = NDArray[np.float32]


class Blend(Protocol):
    """A way to paste."""

    def __call__(self, source: Array, generated: Array, mask: Array) -> tuple[Array, Array]:
        """Returns the mixed values and their weight (height, width) in [0, 1]."""


@dataclass(frozen=True)
class Hard:
    """out = source (1 − m) + generated m: every kept pixel exactly kept. Prefer it for pixel-exact work."""

    def __call__(self, source: Array, generated: Array, mask: Array) -> tuple[Array, Array]:
        """See `Blend`."""
        return _mix(source, generated, mask), mask


@dataclass(frozen=True)
class Gaussian:
    """out = source (1 − m') + generated m', m' = 1 − (1 − m)(1 − blur(m)): as BrushNet pastes, and the default.

    The band around the hole where m' is between 0 and 1 is at most `radius` pixels wide (10 there, for 512 pixels;
    narrower in smaller pictures). It hides the step that a lossy autoencoder leaves at the border.
    """

    radius: int = 10

    def __call__(self, source: Array, generated: Array, mask: Array) -> tuple[Array, Array]:
        """See `Blend`."""
        radius = max(1, round(self.radius * min(1.0, min(mask.shape) / 512)))
        blurred = gaussian_filter(mask, sigma=0.35 * radius, radius=radius, mode="nearest")
        weight = np.asarray(1 - (1 - mask) * (1 - blurred), np.float32)
        return _mix(source, generated, weight), weight


@dataclass(frozen=True)
class Poisson:
    """Keeps the gradients of what was generated and meets the picture at the border (Pérez et al. 2003, Eq. 2).

    ∇² out = ∇² generated inside the hole and out = source around it: out = generated − z, where z is harmonic inside
    and generated − source around. No kept pixel changes. Prefer it when colours drift between hole and surroundings.
    Where the mask is grey, source and out are mixed by it.
    """

    def __call__(self, source: Array, generated: Array, mask: Array) -> tuple[Array, Array]:
        """See `Blend`."""
        return _mix(source, generated - harmonic(generated - source, mask > 0), mask), mask


@dataclass(frozen=True)
class Membrane:
    """Takes off what the fill is too bright or dark by along its border: out = generated − z; no kept pixel changes.

    z is the membrane, ∇² z = 0 inside the hole, whose border is the step from the picture to the fill averaged over
    `spread` pixels along it: a step in level goes, the natural difference of neighbours stays. Made for fills that see
    the picture itself (the exemplar prior), where `Gaussian` has nothing to mix. Where the mask is grey, source and out
    are mixed by it.
    """

    spread: float = 3.0

    def __call__(self, source: Array, generated: Array, mask: Array) -> tuple[Array, Array]:
        """See `Blend`."""
        hole = mask > 0
        step, count = np.zeros_like(source), np.zeros(hole.shape, np.float32)
        for axis in (0, 1):
            for here, beside in ((slice(1, None), slice(None, -1)), (slice(None, -1), slice(1, None))):
                inner, outer = ((here,), (beside,)) if axis == 0 else ((slice(None), here), (slice(None), beside))
                border = hole[inner] & ~hole[outer]
                step[inner][border] += (generated[inner] - source[outer])[border]
                count[inner][border] += 1
        border = (count > 0).astype(np.float32)
        step /= np.maximum(count, 1)[..., None]
        weight = np.maximum(gaussian_filter(border, self.spread), 1e-6)[..., None]
        level = gaussian_filter(step, (self.spread, self.spread, 0)) / weight
        return _mix(source, generated - harmonic(level, hole), mask), mask


def harmonic(values: Array, hole: NDArray[np.bool_], *, direct: int = 1 << 16) -> Array:
    """values (height, width, channels) continued into the hole: each pixel there is the mean of its neighbours.

    A hole of up to `direct` pixels is solved by factorisation. A larger one is solved at half the resolution first, and
    conjugate gradients go on from there, so that time and memory grow with the hole's area and little faster.
    """
    rows, columns = np.nonzero(hole)
    if len(rows) == 0:
        return values
    inside = tuple(slice(max(int(at.min()) - 1, 0), int(at.max()) + 2) for at in (rows, columns))
    filled, (box, gap) = values.copy(), (values[inside], hole[inside])
    matrix, right = _laplace(box, gap)
    if len(right) <= direct:
        filled[rows, columns] = splu(matrix.tocsc()).solve(right)
        return filled
    known = _halved((~gap)[..., None].astype(np.float32))
    means = np.asarray(_halved(np.where(gap[..., None], 0, box)) / np.maximum(known, 1e-6), np.float32)
    coarse = harmonic(means, known[..., 0] == 0, direct=direct)
    guess = zoom(coarse, (2, 2, 1), order=1, grid_mode=True, mode="nearest")[: gap.shape[0], : gap.shape[1]][gap]
    for channel, (b, start) in enumerate(zip(right.T, guess.T, strict=True)):
        filled[rows, columns, channel], _ = cg(matrix, b, start, rtol=1e-3, maxiter=100)
    return filled


def _laplace(values: Array, hole: NDArray[np.bool_]) -> tuple[csr_matrix, NDArray[np.float64]]:
    """What says that each pixel of the hole is the mean of its neighbours: matrix and right side (pixels, channels)."""
    index = np.full(hole.shape, -1)
    index[hole] = np.arange(hole.sum())
    rows, columns = np.nonzero(hole)
    degree = np.zeros(len(rows))
    right = np.zeros((len(rows), values.shape[2]))
    entries = []
    for down, across in ((0, 1), (0, -1), (1, 0), (-1, 0)):
        r, c = rows + down, columns + across
        inside = (r >= 0) & (r < hole.shape[0]) & (c >= 0) & (c < hole.shape[1])
        here, r, c = np.nonzero(inside)[0], r[inside], c[inside]
        degree[here] += 1
        free = hole[r, c]
        entries.append((here[free], index[r[free], c[free]]))
        right[here[~free]] += values[r[~free], c[~free]]
    i = np.concatenate([np.arange(len(rows)), *(e[0] for e in entries)])
    j = np.concatenate([np.arange(len(rows)), *(e[1] for e in entries)])
    elements = np.concatenate([degree, *(-np.ones(len(e[0])) for e in entries)])
    return coo_matrix((elements, (i, j))).tocsr(), right


def _halved(values: Array) -> Array:
    """Means over squares of two by two; an odd end is repeated."""
    even = np.pad(values, (*((0, size % 2) for size in values.shape[:2]), (0, 0)), mode="edge")
    return np.asarray((even[::2, ::2] + even[1::2, ::2] + even[::2, 1::2] + even[1::2, 1::2]) / 4, np.float32)


def _mix(source: Array, generated: Array, weight: Array) -> Array:
    return source + weight[..., None] * (generated - source)
