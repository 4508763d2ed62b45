"""Wan's VAE as a codec: its causal decoder goes frame by frame, so a video of any length is decoded in parts."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any

import torch
from torch import Tensor

__all__ = ["WanCodec"]

Span = tuple[int, int]
"""Start and stop, in cells of the state."""


@dataclass(frozen=True)
class WanCodec:
    """diffusers' `AutoencoderKLWan`; the state is (z − mean)/std by its config.

    A frame of the state is `pace` frames of the video, the first alone 1. `tiled` encodes and decodes in overlapping
    tiles of the VAE's own size, for little memory.
    """

    vae: Any
    device: torch.device
    tiled: bool = False

    def __post_init__(self) -> None:
        """Has the VAE encode in tiles."""
        if self.tiled:
            self.vae.enable_tiling()

    @property
    def pace(self) -> int:
        """See `VideoPrior`."""
        return int(self.vae.config.scale_factor_temporal)

    @property
    def factor(self) -> int:
        """Pixels on a cell's side."""
        return int(self.vae.config.scale_factor_spatial)

    def state_shape(self, height: int, width: int) -> tuple[int, int, int]:
        """See `VideoPrior`."""
        return int(self.vae.config.z_dim), height // self.factor, width // self.factor

    @torch.no_grad()
    def encode(self, pixels: Tensor) -> Tensor:
        """See `VideoPrior`. Raises ValueError for a number of frames that the VAE would cut."""
        frames = pixels.shape[2]
        if frames % self.pace != 1:
            raise ValueError(
                f"this model's VAE takes 1 frame more than a multiple of {self.pace}, got {frames}: "
                f"give {frames + (1 - frames) % self.pace}, or fewer"
            )
        mean, std = self._moments()
        posterior = self.vae.encode(pixels.to(self.device, self.vae.dtype)).latent_dist
        z: Tensor = posterior.mean.float()
        return (z - mean) / std

    def decode(self, states: Iterable[Tensor]) -> Iterator[Tensor]:
        """See `VideoPrior`: what the decoder remembers of earlier frames is kept here from part to part."""
        mean, std = self._moments()
        caches: dict[tuple[Span, Span], list[Any]] = {}
        first = True
        for state in states:
            for frame in torch.split(state, 1, 2):
                z = frame.to(self.device) * std + mean
                pixels = self._decode_frame(z.to(self.vae.dtype), caches, first=first)
                first = False
                yield pixels.float()

    @torch.no_grad()
    def _decode_frame(self, z: Tensor, caches: dict[tuple[Span, Span], list[Any]], *, first: bool) -> Tensor:
        """The pixels (rows, 3, pace or 1, h, w) of one frame, tiles mixed where they overlap."""
        from diffusers.utils.accelerate_utils import apply_forward_hook

        decode = apply_forward_hook(_decode)  # with offload it is this that brings the VAE to the device
        height, width = z.shape[-2:]
        tiles = list(product(self._spans(height, 0), self._spans(width, 1)))
        pieces = []
        for tile in tiles:
            (top, bottom), (left, right) = tile
            cache = caches.setdefault(tile, [None] * _convolutions(self.vae.decoder))
            pieces.append(decode(self.vae, z[..., top:bottom, left:right], cache, first=first))
        if len(tiles) == 1:
            whole: Tensor = pieces[0]
            return whole
        total = z.new_zeros(*pieces[0].shape[:3], height * self.factor, width * self.factor)
        weight = torch.zeros_like(total[0, 0, 0])
        for ((top, bottom), (left, right)), piece in zip(tiles, pieces, strict=True):
            rows, columns = (slice(a * self.factor, b * self.factor) for a, b in ((top, bottom), (left, right)))
            ramp = _tent(piece.shape[-2], z)[:, None] * _tent(piece.shape[-1], z)
            total[..., rows, columns] += ramp * piece
            weight[rows, columns] += ramp
        return total / weight

    def _spans(self, length: int, axis: int) -> list[Span]:
        """Where the tiles lie on an axis; one for all where it is not tiled or they would not be smaller."""
        sizes = ("height", "width")[axis]
        size, stride = (
            int(getattr(self.vae, f"tile_sample_{kind}_{sizes}")) // self.factor for kind in ("min", "stride")
        )
        if not self.tiled or length <= size:
            return [(0, length)]
        return [(start, start + size) for start in (*range(0, length - size, stride), length - size)]

    def _moments(self) -> tuple[Tensor, Tensor]:
        """The mean and the standard deviation of z, (channels, 1, 1, 1)."""
        config = self.vae.config
        mean, std = (torch.tensor(each, device=self.device) for each in (config.latents_mean, config.latents_std))
        return mean.view(-1, 1, 1, 1), std.view(-1, 1, 1, 1)


def _decode(vae: Any, z: Tensor, cache: list[Any], *, first: bool) -> Tensor:
    """One frame through the decoder, which reads and writes `cache`, an entry for each convolution."""
    from diffusers.models.autoencoders.autoencoder_kl_wan import unpatchify

    out: Tensor = vae.decoder(vae.post_quant_conv(z), feat_cache=cache, feat_idx=[0], first_chunk=first)
    patch = vae.config.patch_size
    return out if patch is None else unpatchify(out, patch_size=patch)


def _convolutions(decoder: Any) -> int:
    from diffusers.models.autoencoders.autoencoder_kl_wan import WanCausalConv3d

    return sum(isinstance(each, WanCausalConv3d) for each in decoder.modules())


def _tent(length: int, like: Tensor) -> Tensor:
    """Weights that fall towards both ends."""
    place = torch.arange(length, device=like.device, dtype=like.dtype)
    return torch.minimum(place + 1, length - place)
