"""What a pretrained image model is to the painter: an `alm_core.Prior` that knows views of a mesh.

Pixels are float32 (rows, 3, size, size) in [−1, 1]. The state is what is diffused, float32 (rows, channels, size /
factor, size / factor): latents behind a VAE, the pixels themselves otherwise. Only the adapter casts to the network's
own dtype.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from alm_core import Method, Prior, Reference, Schedule
from torch import Tensor

from alm_texture.camera import Camera
from alm_texture.raster.base import Fragments

__all__ = ["Defaults", "View", "ViewPrior"]


@dataclass(frozen=True)
class Defaults:
    """What the painter uses where the caller names nothing."""

    steps: int
    method: Method
    reference: Reference


@dataclass(frozen=True, eq=False)
class View:
    """View `index` of all `cameras`, and the pixels of it that show the mesh."""

    index: int
    cameras: Sequence[Camera]
    fragments: Fragments

    @property
    def camera(self) -> Camera:
        """Its own."""
        return self.cameras[self.index]


class ViewPrior(Prior, Protocol):
    """A model that makes views. `conditions` of `predict` holds one object a row, each made by `condition`."""

    @property
    def device(self) -> torch.device:
        """Where the state and the noise are to be."""

    @property
    def size(self) -> int:
        """The side in pixels of the views that it works best at."""

    @property
    def factor(self) -> int:
        """Pixels to a cell of the state, on each axis; sizes of views must be multiples of `multiple`."""

    @property
    def multiple(self) -> int:
        """Sizes of views in pixels must be multiples of this."""

    @property
    def lockstep(self) -> bool:
        """Whether all views are best advanced together, so that they see each other within the network."""

    @property
    def shared(self) -> bool:
        """Whether all views have one prior, and can advance together; else each is made by `given`."""

    @property
    def defaults(self) -> Defaults:
        """The steps, method and reference that suit the model."""

    @property
    def identity(self) -> str:
        """What the model was made from, so that another one is told apart when a job is resumed."""

    def given(self, x_0: Tensor, mask: Tensor, outside: Tensor) -> Prior:
        """The prior for one view x_0 (1, …) in the state's units, of which mask = 1 is unknown and `outside` no mesh.

        A pretrained model knows nothing of it and returns itself; a prior made from the picture is made here.
        """

    def schedule(self, steps: int) -> Schedule:
        """`steps` steps as the model's own scheduler config places them."""

    def encode(self, pixels: Tensor) -> Tensor:
        """The state of pixels, on `device`."""

    def decode(self, state: Tensor) -> Tensor:
        """The pixels of a state, float32, not clamped."""

    def condition(self, prompt: str, negative_prompt: str, view: View) -> object:
        """What a row of the view is conditioned on. Raises ValueError for a prompt where the model takes none."""

    def backdrop(self, view: View, seed: int) -> Tensor:
        """What stands outside the mesh's silhouette: pixels (1, 3, size, size)."""
