"""Pictures of views to a texture: one is splatted or fitted, what no view saw is filled in, and gutters are grown."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from alm_texture.atlas import Atlas
from alm_texture.camera import Camera
from alm_texture.fill import fill_gutters, fill_surface
from alm_texture.least_squares import LeastSquares
from alm_texture.raster import Fragments
from alm_texture.scene import Scene
from alm_texture.splat import Splat

__all__ = ["Baked", "Fit", "Kept", "Picture", "Solver", "Splatting", "bake"]

Floats = NDArray[np.float32]
Bools = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Picture:
    """What a camera saw: `values` (n, C) float32 of its view's fragments, and what each is worth, (n) in [0, 1]."""

    camera: Camera
    view: Fragments
    values: Floats
    weight: Floats | None = None


@dataclass(frozen=True, eq=False)
class Kept:
    """What of a texture is given: `values` (T, C), and `texels` (T) which of them stay as they are."""

    values: Floats
    texels: Bools


@dataclass(frozen=True, eq=False)
class Baked:
    """A texture (pages, size, size, C) float32 with every texel filled, and `seen` (pages, size, size): by some view.

    `coverage` is the share of the mesh's surface that some view sees, or that was kept.
    """

    values: Floats
    seen: Bools
    coverage: float


class Solver(ABC):
    """How the pictures of views become one texture."""

    @abstractmethod
    def splat(self, atlas: Atlas, channels: int) -> Splat:
        """What the pictures are splatted into first."""

    @abstractmethod
    def refine(self, scene: Scene, size: int, pictures: Sequence[Picture], start: Floats, fixed: Bools) -> Floats:
        """The texture (T, C) from the splat, `start`, filled; `fixed` (T) stays."""


@dataclass(frozen=True)
class Splatting(Solver):
    """Weighted splatting alone, with weights cosine^`power`. Prefer it where views disagree, or in a hurry."""

    power: float = 2.0

    def splat(self, atlas: Atlas, channels: int) -> Splat:
        """See `Solver`."""
        return Splat(atlas, channels, power=self.power)

    def refine(self, scene: Scene, size: int, pictures: Sequence[Picture], start: Floats, fixed: Bools) -> Floats:
        """See `Solver`."""
        return start


@dataclass(frozen=True)
class Fit(Solver):
    """Least squares on the rendering loss, held to a splat by `hold`. Prefer it where views agree: it is sharp."""

    hold: float = 1e-2
    power: float = 2.0

    def splat(self, atlas: Atlas, channels: int) -> Splat:
        """See `Solver`."""
        return Splat(atlas, channels, power=self.power)

    def refine(self, scene: Scene, size: int, pictures: Sequence[Picture], start: Floats, fixed: Bools) -> Floats:
        """See `Solver`."""
        equations = LeastSquares(scene.mesh, size, start.shape[1], power=self.power)
        for picture in pictures:
            equations.add(picture.view, picture.values, picture.weight)
        return equations.texture(start, hold=self.hold, fixed=fixed)


def bake(
    scene: Scene,
    pictures: Sequence[Picture],
    *,
    size: int = 1024,
    solver: Solver | None = None,
    kept: Kept | None = None,
) -> Baked:
    """The texture that the pictures show, with pages `size` texels wide.

    `solver` is `Fit()` unless given. Raises ValueError for a mesh without UVs, or where no picture shows the mesh.
    """
    if not pictures:
        raise ValueError("there is no picture to bake: give one or more")
    solver = solver or Fit()
    atlas = scene.atlas(size)
    splat = solver.splat(atlas, pictures[0].values.shape[1])
    for picture in pictures:
        splat.add(picture.camera, picture.view, picture.values, picture.weight)
    values, seen = splat.texture()
    fixed = np.zeros(atlas.count, bool)
    if kept is not None:
        fixed = kept.texels
        values, seen = np.where(fixed[:, None], kept.values, values), seen | fixed
    values = fill_gutters(atlas, fill_surface(atlas, values, seen), fixed)
    values = solver.refine(scene, size, pictures, values, fixed)
    pages = (atlas.pages, size, size)
    return Baked(values.reshape(*pages, -1), seen.reshape(pages), float(atlas.area[seen[atlas.texel]].sum()))
