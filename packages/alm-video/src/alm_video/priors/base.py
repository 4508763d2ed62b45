"""What a pretrained video model is to the verbs: an `alm_core.Prior` that knows its frames.

Pixels are float32 (rows, 3, frames, height, width) in [−1, 1]. The state is what is diffused, float32 (rows, channels,
time, rows of cells, columns of cells): latents behind a VAE, the pixels themselves otherwise. Only the adapter casts to
the network's own dtype.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from alm_core import Method, Prior, Reference, Schedule
from torch import Tensor

__all__ = ["Defaults", "ForWindow", "VideoPrior"]


ForWindow = Callable[[Tensor, Tensor], Prior]
"""The prior for a window x_0 (1, channels, time, …) in the state's units, of which mask = 1 is unknown."""


@dataclass(frozen=True)
class Defaults:
    """What a verb uses where the caller names nothing; `window` and `stride` are in frames of the state."""

    steps: int
    method: Method
    reference: Reference
    window: int = 16
    stride: int = 8


class VideoPrior(Prior, Protocol):
    """A pretrained video model.

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
    def size(self) -> tuple[int, int]:
        """Height and width in pixels that the model makes by itself."""

    @property
    def multiple(self) -> int:
        """Heights and widths in pixels must be multiples of this."""

    @property
    def frames(self) -> int:
        """The most frames of the state that it makes at once."""

    @property
    def pace(self) -> int:
        """Frames of the video in a frame of the state, 1 unless its VAE shortens time; the first holds 1 alone."""

    @property
    def fps(self) -> float:
        """Frames a second of what it makes by itself."""

    @property
    def defaults(self) -> Defaults:
        """The steps, method, reference and windows that suit the model."""

    def recalls(self, height: int, width: int) -> int:
        """How many frames of a clip of this size it is made from: 0 for a pretrained model, which needs none.

        A prior that is made from a clip makes nothing without one, and a window at a time.
        """

    def given(self, examples: Sequence[Tensor], shape: tuple[int, ...]) -> ForWindow:
        """Makes the prior for windows of `shape` (channels, time, …).

        Each of `examples` (1, channels, time, …) are frames of a clip. A pretrained model knows nothing of them nor of
        the windows, and gives itself; a prior made from the clip is made here, and then for each window.
        """

    def fused(self, window: int, stride: int) -> "VideoPrior":
        """The same model for longer videos at once, for FreeNoise (Qiu et al., ICLR 2024).

        Its temporal attention is taken over windows of so many frames, and their results are mixed where they overlap.
        Raises ValueError where the model cannot.
        """

    def schedule(self, steps: int, height: int, width: int, frames: int) -> Schedule:
        """`steps` steps as the model's own scheduler places them, for a window of so many frames of the state.

        Only models whose time shift depends on the resolution read the sizes, in pixels.
        """

    def state_shape(self, height: int, width: int) -> tuple[int, int, int]:
        """(channels, rows, columns) of one frame of the state. Raises ValueError off the `multiple`."""

    def encode(self, pixels: Tensor) -> Tensor:
        """The state of pixels, on `device`, its frames one after another; of a VAE the mean of its posterior.

        Where `pace` is above 1 the number of frames must be 1 more than a multiple of it.
        """

    def decode(self, states: Iterable[Tensor]) -> Iterator[Tensor]:
        """The pixels, float32 and not clamped, of a video whose state comes in parts along time; in parts as well.

        What comes out of all parts does not depend on where they are cut.
        """

    def condition(self, prompt: str, negative_prompt: str) -> object:
        """What a row is conditioned on: call it once, and hand it to every step.

        Raises ValueError where the model takes no prompt and one is given.
        """
