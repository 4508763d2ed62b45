"""The optimisation of the texture by the rendering loss (ALM B.4) as what it is, sparse and linear:

    min_T  Σ_p c_p^n w_p ‖ Σ_k b_pk T(k) − I_p ‖² + λ ‖ T − T_0 ‖²

over the pixels p of all views, with the four bilinear weights b_pk by which a renderer reads texel k, the cosine c and
what a pixel is worth, w. Conjugate gradients on the normal equations, which are all that is kept: views are added one
by one, at one view's cost.
"""

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from alm_texture.atlas import corners
from alm_texture.mesh import Mesh
from alm_texture.raster import Fragments
from alm_texture.sight import GRAZING

__all__ = ["LeastSquares"]

Floats = NDArray[np.float32]
Bools = NDArray[np.bool_]


class LeastSquares:
    """The texture, pages `size` wide, that renders as the views show it; `power` is n."""

    def __init__(self, mesh: Mesh, size: int, channels: int, *, power: float = 2.0) -> None:
        self._mesh, self._size, self._power = mesh, size, power
        count = len(mesh.materials) * size**2
        self._normal = sparse.csr_matrix((count, count), dtype=np.float32)
        self._right = np.zeros((count, channels), np.float32)

    def add(self, view: Fragments, values: Floats, weight: Floats | None = None) -> None:
        """Adds a view, as `Splat.add` does; only pixels that see the outside of the mesh count."""
        assert self._mesh.uv is not None
        share = np.where(view.cosine > 0, np.maximum(view.cosine, GRAZING) ** self._power, 0)
        if weight is not None:
            share = share * weight
        here = np.flatnonzero(share > 0)
        face = view.face[here]
        uv = np.einsum("nk,nkd->nd", view.bary[here], self._mesh.uv[face])
        texel, w = corners(uv, self._mesh.page[face], self._size)
        w *= np.sqrt(share[here])[:, None].astype(np.float32)
        ends = np.arange(0, texel.size + 1, 4)
        a = sparse.csr_matrix((w.ravel(), texel.ravel(), ends), (len(here), self._normal.shape[0]))
        self._normal = self._normal + a.T @ a
        self._right += a.T @ (values[here] * np.sqrt(share[here])[:, None].astype(np.float32))

    @property
    def read(self) -> Bools:
        """(T) the texels that some pixel reads."""
        return np.asarray(self._normal.diagonal() > 0)

    def texture(
        self,
        start: Floats,
        *,
        hold: float = 1e-2,
        fixed: Bools | None = None,
        tolerance: float = 1e-5,
        iterations: int = 100,
    ) -> Floats:
        """(T, C) from T_0, `start` (T, C); `hold` is λ. What no view reads or is `fixed` (T) stays as it is."""
        read = self.read
        free = read if fixed is None else read & ~fixed
        used, rest = np.flatnonzero(free), np.flatnonzero(read & ~free)
        rows = self._normal[used]
        normal = rows[:, used] + hold * sparse.identity(len(used), np.float32, "csr")
        right = self._right[used] + hold * start[used] - rows[:, rest] @ start[rest]
        made = start.copy()
        made[used] = _conjugate_gradients(normal, right, start[used], tolerance, iterations)
        return made


def _conjugate_gradients(
    normal: sparse.csr_matrix, right: Floats, x: Floats, tolerance: float, iterations: int
) -> Floats:
    """Solves for all channels (n, C) at once, preconditioned by the diagonal, until each residual has shrunk so far."""
    scale = 1 / normal.diagonal()[:, None]
    residual = right - normal @ x
    search = direction = scale * residual
    gain = (residual * direction).sum(0)
    enough = tolerance**2 * np.maximum((scale * right**2).sum(0), 1e-20)
    for _ in range(iterations):
        if (gain <= enough).all():
            break
        along = normal @ search
        step = gain / np.maximum((search * along).sum(0), 1e-30)
        x, residual = x + step * search, residual - step * along
        direction = scale * residual
        before, gain = gain, (residual * direction).sum(0)
        search = direction + gain / np.maximum(before, 1e-30) * search
    return x
