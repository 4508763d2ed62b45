"""What is painted on: the windows of all views on one canvas, what of it is given, and what is to be made.

In the state's units, so latents behind a VAE. Each view's backdrop is given, and so are the cells in which a kept
texture shows; they are the view's own. All other cells that show the mesh are to be made, and are shared.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import max_pool2d

from alm_texture.atlas import shade
from alm_texture.bake import Kept
from alm_texture.camera import Camera
from alm_texture.priors.base import View, ViewPrior
from alm_texture.scene import Scene
from alm_texture.windows import MeshView, mesh_views

__all__ = ["Canvas", "canvas_of"]

AUXILIARY = 1536
"""The width of the auxiliary texture, of the paper (ALM B.4): sixteen texels to a cell of its views, each way."""


@dataclass(frozen=True, eq=False)
class Canvas:
    """`windows` onto a canvas `x_0` (1, channels, places), of which `mask` = 1 is to be made.

    `outside` (1, 1, cells, cells) is 1 for each view where its cells show no mesh. `views` are the pictures' pixels.
    """

    windows: list[MeshView]
    x_0: Tensor
    mask: Tensor
    outside: list[Tensor]
    views: list[View]


def canvas_of(
    scene: Scene, prior: ViewPrior, cameras: Sequence[Camera], size: int, seed: int, kept: Kept | None, pages: int
) -> Canvas:
    """The canvas of views `size` pixels wide; `kept` is of a texture with pages `pages` wide."""
    cells = size // prior.factor
    shown = [scene.look(camera, size) for camera in cameras]
    coarse = shown if cells == size else [scene.look(camera, cells) for camera in cameras]
    views = [View(i, cameras, view) for i, view in enumerate(shown)]
    states, holes, outside = [], [], []
    for view in views:
        pixels, hole = _given(scene, prior, view, seed, kept, pages)
        states.append(prior.encode(pixels.to(prior.device)).float())
        shows = torch.zeros(size * size)
        shows[torch.from_numpy(view.fragments.pixel)] = 1
        # A cell with any pixel of the mesh in it is no backdrop, and one with any pixel of the hole is of the hole.
        outside.append(1 - max_pool2d(shows.view(1, 1, size, size), prior.factor).to(prior.device))
        holes.append(max_pool2d(hole, prior.factor).to(prior.device))
    alone = [hole.flatten().cpu().numpy() == 0 for hole in holes]
    windows, count = mesh_views(scene.atlas(AUXILIARY), cameras, coarse, alone, prior.device)
    x_0 = torch.zeros(1, states[0].shape[1], count, device=prior.device)
    mask = torch.zeros_like(x_0)
    for window, state, hole in zip(windows, states, holes, strict=True):
        x_0 = window.write(x_0, state * (1 - hole))
        mask = window.write(mask, torch.maximum(window.read(mask), hole.expand_as(state)))
    return Canvas(windows, x_0, mask, outside, views)


def _given(
    scene: Scene, prior: ViewPrior, view: View, seed: int, kept: Kept | None, pages: int
) -> tuple[Tensor, Tensor]:
    """The view's pixels (1, 3, size, size) with backdrop and what is kept, and its hole (1, 1, size, size)."""
    seen = view.fragments
    pixels = prior.backdrop(view, seed).clone()
    hole = torch.zeros(1, 1, seen.height, seen.width)
    at = torch.from_numpy(seen.pixel)
    if kept is None:
        hole.view(-1)[at] = 1
        return pixels, hole
    # A pixel that is mixed from any texel that is to be made is to be made.
    made = shade(scene.mesh, seen, (~kept.texels)[:, None].astype(np.float32), pages)[:, 0] > 1e-6
    hole.view(-1)[at] = torch.from_numpy(made.astype(np.float32))
    colours = _smooth(shade(scene.mesh, seen, kept.values, pages), made)
    pixels.view(3, -1)[:, at] = torch.from_numpy(colours * 2 - 1).T
    return pixels, hole


def _smooth(colours: NDArray[np.float32], made: NDArray[np.bool_]) -> NDArray[np.float32]:
    """The mean of what is kept where something is to be made: an autoencoder mixes neighbours, and nothing may leak."""
    if made.all():
        return np.full_like(colours, 0.5)
    return np.where(made[:, None], colours[~made].mean(0), colours)
