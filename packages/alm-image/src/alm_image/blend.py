"""Putting what was generated back into the picture, so that kept pixels stay as they were.

Each blend takes values (height, width, channels) in [0, 255] and the mask (height, width), 1 = generated, and
returns the mixed values and the weight of what was generated; where the weight is 0 the picture is untouched.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from scipy.sparse import coo_matrix
from scipy.sparse.linalg import splu

__all__ = ["Blend", "Gaussian", "Hard", "Membrane", "Poisson"]

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

    Solves ∇² out = ∇² generated inside the hole with out = source around it: no kept pixel changes. Prefer it when
    colours drift between hole and surroundings. The mask is taken as binary.
    """

    def __call__(self, source: Array, generated: Array, mask: Array) -> tuple[Array, Array]:
        """See `Blend`."""
        hole = mask > 0
        index = np.full(hole.shape, -1)
        index[hole] = np.arange(hole.sum())
        rows, columns = np.nonzero(hole)
        degree = np.zeros(len(rows))
        right = np.zeros((len(rows), source.shape[2]))
        entries = []
        for down, across in ((0, 1), (0, -1), (1, 0), (-1, 0)):
            r, c = rows + down, columns + across
            inside = (r >= 0) & (r < hole.shape[0]) & (c >= 0) & (c < hole.shape[1])
            here, r, c = np.nonzero(inside)[0], r[inside], c[inside]
            degree[here] += 1
            right[here] += generated[rows[here], columns[here]] - generated[r, c]
            free = hole[r, c]
            entries.append((here[free], index[r[free], c[free]]))
            right[here[~free]] += source[r[~free], c[~free]]
        i = np.concatenate([np.arange(len(rows)), *(e[0] for e in entries)])
        j = np.concatenate([np.arange(len(rows)), *(e[1] for e in entries)])
        values = np.concatenate([degree, *(-np.ones(len(e[0])) for e in entries)])
        out = source.copy()
        out[hole] = splu(coo_matrix((values, (i, j))).tocsc()).solve(right)
        return out, hole.astype(np.float32)


@dataclass(frozen=True)
class Membrane:
    """Takes off what the fill is too bright or dark by along its border: out = generated − z; no kept pixel changes.

    z is the membrane, ∇² z = 0 inside the hole, whose border is the step from the picture to the fill averaged over
    `spread` pixels along it: a step in level goes, the natural difference of neighbours stays. Made for fills that see
    the picture itself (the exemplar prior), where `Gaussian` has nothing to mix. The mask is taken as binary.
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
        membrane, _ = Poisson()(level, np.zeros_like(source), mask)
        return np.where(hole[..., None], generated - membrane, source), hole.astype(np.float32)


def _mix(source: Array, generated: Array, weight: Array) -> Array:
    return source + weight[..., None] * (generated - source)
