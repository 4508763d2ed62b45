"""What a pretrained image model is to the verbs: an `alm_core.Prior` that knows its pictures.

Pixels are float32 (rows, 3, height, width) in [−1, 1]. The state is what is diffused, float32 (rows, channels, …):
latents behind a VAE, the pixels themselves otherwise. Only the adapter casts to the network's own dtype.
"""

from dataclasses import dataclass, field
from typing import Protocol

import torch
from alm_core import Method, Prior, Reference, Schedule, SyncSDE
from torch import Tensor

from alm_image.blend import Blend, Gaussian

__all__ = ["Defaults", "ImagePrior"]


@dataclass(frozen=True)
class Defaults:
    """What a verb uses where the caller names nothing.

    `coupled` is the method of trajectories that follow one another while all are made, as of regions; `between` joins
    several prompts to one of the whole.
    """

    steps: int
    method: Method
    reference: Reference
    blend: Blend = field(default_factory=Gaussian)
    coupled: Method = field(default_factory=SyncSDE)
    between: str = ", "


class ImagePrior(Prior, Protocol):
    """A pretrained image model.

    `conditions` of `predict` holds one object a row, each made by `condition`. Nothing here changes after
    construction, and no tensor moves between devices inside `predict`.
    """

    @property
    def device(self) -> torch.device:
        """Where the state and the noise are to be."""

    @property
    def guidance(self) -> float:
        """The guidance scale, fixed at construction; 1 is none."""

    @property
    def size(self) -> int:
        """The side in pixels of the square pictures that the model was trained on."""

    @property
    def sides(self) -> tuple[int, int]:
        """The least and the greatest length in pixels of the longer side that it works well at: for networks `size`."""

    @property
    def multiple(self) -> int:
        """Heights and widths in pixels must be multiples of this."""

    @property
    def fixed_size(self) -> bool:
        """Whether pictures of another size than `size` × `size` are beyond the model: whole faces, centred icons."""

    @property
    def windowed(self) -> bool:
        """Whether a larger canvas can be made from windows of `size`; else it is taken whole."""

    @property
    def defaults(self) -> Defaults:
        """The steps, method and reference that suit the model."""

    def given(self, x_0: Tensor, mask: Tensor) -> Prior:
        """The prior for a canvas x_0 (1, …) in the state's units, of which mask = 1 is unknown.

        A pretrained model knows nothing of it and returns itself; a prior made from the picture is made here.
        """

    def schedule(self, steps: int, height: int | None = None, width: int | None = None) -> Schedule:
        """`steps` steps as the model's own scheduler config places them, for a height × width picture in pixels.

        Only models whose time shift depends on the resolution read height and width; None is `size`.
        """

    def state_shape(self, height: int, width: int) -> tuple[int, ...]:
        """The shape of the state of one height × width picture. Raises ValueError off the `multiple`."""

    def encode(self, pixels: Tensor) -> Tensor:
        """The state of pixels, on `device`; for a VAE the mean of its posterior, so that it is deterministic."""

    def decode(self, state: Tensor) -> Tensor:
        """The pixels of a state, float32, not clamped."""

    def mask_to_state(self, mask: Tensor) -> Tensor:
        """A mask (rows, 1, height, width) in [0, 1] on the grid of the state, by maximum.

        1 is to be generated: a cell with any pixel of the hole in it is of the hole.
        """

    def condition(self, prompt: str, negative_prompt: str, height: int, width: int) -> object:
        """What a row of a height × width picture is conditioned on: call it once, and hand it to every step.

        Raises ValueError where the model takes no prompt and one is given.
        """
