"""Between pixels and the state: a VAE, or nothing."""

from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.nn.functional import max_pool2d

__all__ = ["Codec", "PixelCodec", "VaeCodec", "check_multiple"]


class Codec(Protocol):
    """How pixels (rows, channels, height, width) in [−1, 1] become the state that is diffused, and back."""

    def state_shape(self, height: int, width: int) -> tuple[int, ...]:
        """(channels, height, width) of the state."""

    def encode(self, pixels: Tensor) -> Tensor:
        """The state of pixels."""

    def decode(self, state: Tensor) -> Tensor:
        """The pixels of a state, float32, not clamped."""

    def mask_to_state(self, mask: Tensor) -> Tensor:
        """A mask (rows, 1, height, width) on the grid of the state, by maximum: 1 is to be generated."""


@dataclass(frozen=True)
class PixelCodec:
    """The state is the pixels."""

    channels: int
    device: torch.device

    def state_shape(self, height: int, width: int) -> tuple[int, ...]:
        """(channels, height, width)."""
        return self.channels, height, width

    def encode(self, pixels: Tensor) -> Tensor:
        """The pixels."""
        return pixels.to(self.device, torch.float32)

    def decode(self, state: Tensor) -> Tensor:
        """The state."""
        return state.float()

    def mask_to_state(self, mask: Tensor) -> Tensor:
        """The mask."""
        return mask


class VaeCodec:
    """diffusers' `AutoencoderKL`; the state is (z − shift) · scale, both from its config.

    Where the config gives `latents_mean` and `latents_std`, the state is (z − mean) / std · scaling_factor.
    """

    def __init__(self, vae: Any, device: torch.device, *, tiling: bool = False) -> None:
        config = vae.config
        # SDXL's VAE overflows in half precision, and its config says so.
        if vae.dtype == torch.float16 and config.get("force_upcast", False):
            vae.to(torch.float32)
        if tiling:
            vae.enable_tiling()
            vae.enable_slicing()
        self._vae, self._device = vae, device
        self.channels = int(config.latent_channels)
        self.factor: int = 2 ** (len(config.block_out_channels) - 1)
        mean, std = config.get("latents_mean"), config.get("latents_std")
        self._shift = _per_channel(mean, config.get("shift_factor") or 0.0, device)
        self._scale: Tensor = config.scaling_factor / _per_channel(std, 1.0, device)

    def state_shape(self, height: int, width: int) -> tuple[int, ...]:
        """(latent channels, height / factor, width / factor)."""
        return self.channels, height // self.factor, width // self.factor

    @torch.no_grad()
    def encode(self, pixels: Tensor) -> Tensor:
        """The scaled mean of the posterior."""
        posterior = self._vae.encode(pixels.to(self._device, self._vae.dtype)).latent_dist
        mean: Tensor = posterior.mean.float()
        return (mean - self._shift) * self._scale

    @torch.no_grad()
    def decode(self, state: Tensor) -> Tensor:
        """The decoder's pixels, float32."""
        z = state.to(self._device) / self._scale + self._shift
        pixels: Tensor = self._vae.decode(z.to(self._vae.dtype), return_dict=False)[0]
        return pixels.float()

    def mask_to_state(self, mask: Tensor) -> Tensor:
        """Max-pooled: a latent with any pixel of the hole under it is of the hole."""
        return max_pool2d(mask, self.factor)


def check_multiple(height: int, width: int, multiple: int) -> None:
    """Raises ValueError where a side is not a positive multiple."""
    if height < 1 or width < 1 or height % multiple or width % multiple:
        raise ValueError(
            f"height and width must be multiples of {multiple}, got {height} and {width}: "
            f"resize or pad to {-(-height // multiple) * multiple} and {-(-width // multiple) * multiple}"
        )


def _per_channel(values: Any, otherwise: float, device: torch.device) -> Tensor:
    """(1, channels, 1, 1) of the config's list, or one number."""
    return torch.tensor(otherwise if values is None else values, device=device).reshape(1, -1, 1, 1)
