"""Pixels to the state and back, with a VAE that anyone can compute."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from alm_core.codec import PixelCodec, VaeCodec, check_multiple
from torch import Tensor
from torch.nn.functional import avg_pool2d, interpolate

CPU = torch.device("cpu")


class Halves:
    """A stand-in for diffusers' `AutoencoderKL`: one latent is the mean of 2 × 2 pixels, twice as large."""

    def __init__(self, **config: Any) -> None:
        class Config(dict[str, Any]):
            __getattr__ = dict.__getitem__

        self.config = Config(latent_channels=3, block_out_channels=(1, 1), **config)
        self.dtype, self.tiling = torch.float32, 0

    def to(self, dtype: torch.dtype) -> None:
        self.dtype = dtype

    def enable_tiling(self) -> None:
        self.tiling += 1

    enable_slicing = enable_tiling

    def encode(self, pixels: Tensor) -> Any:
        assert pixels.dtype == self.dtype
        return SimpleNamespace(latent_dist=SimpleNamespace(mean=2 * avg_pool2d(pixels, 2)))

    def decode(self, z: Tensor, return_dict: bool) -> tuple[Tensor]:
        assert z.dtype == self.dtype
        return (interpolate(z / 2, scale_factor=2),)


def pixels() -> Tensor:
    return torch.rand(2, 3, 4, 6, generator=torch.Generator().manual_seed(1)) * 2 - 1


def test_the_state_is_the_shifted_and_scaled_mean() -> None:
    codec, x = VaeCodec(Halves(scaling_factor=0.3, shift_factor=0.1), CPU), pixels()
    torch.testing.assert_close(codec.encode(x), (2 * avg_pool2d(x, 2) - 0.1) * 0.3)
    torch.testing.assert_close(codec.decode(codec.encode(x)), interpolate(avg_pool2d(x, 2), scale_factor=2))
    assert (codec.factor, codec.state_shape(4, 6)) == (2, (3, 2, 3))


def test_mean_and_deviation_of_each_channel_are_used() -> None:
    mean, std = [0.1, 0.2, 0.3], [1.0, 2.0, 4.0]
    codec, x = VaeCodec(Halves(scaling_factor=0.5, latents_mean=mean, latents_std=std), CPU), pixels()
    wanted = (2 * avg_pool2d(x, 2) - torch.tensor(mean).view(3, 1, 1)) / torch.tensor(std).view(3, 1, 1) * 0.5
    torch.testing.assert_close(codec.encode(x), wanted)
    torch.testing.assert_close(codec.decode(wanted), interpolate(avg_pool2d(x, 2), scale_factor=2))


@pytest.mark.parametrize("upcast", [True, False])
def test_states_are_float32_and_a_vae_that_overflows_is_kept_wide(upcast: bool) -> None:
    vae = Halves(scaling_factor=1.0, force_upcast=upcast)
    vae.dtype = torch.float16
    codec = VaeCodec(vae, CPU)
    assert vae.dtype == (torch.float32 if upcast else torch.float16)
    assert codec.encode(pixels()).dtype == codec.decode(codec.encode(pixels())).dtype == torch.float32


def test_tiling_is_a_switch() -> None:
    for on in (True, False):
        vae = Halves(scaling_factor=1.0)
        VaeCodec(vae, CPU, tiling=on)
        assert vae.tiling == 2 * on


def test_a_cell_with_any_hole_in_it_is_hole() -> None:
    mask = torch.zeros(1, 1, 4, 6)
    mask[0, 0, 1, 4] = 0.25
    codecs = VaeCodec(Halves(scaling_factor=1.0), CPU), PixelCodec(3, CPU)
    coarse, fine = (codec.mask_to_state(mask) for codec in codecs)
    assert coarse[0, 0].tolist() == [[0, 0, 0.25], [0, 0, 0]]
    assert torch.equal(fine, mask)


def test_pixels_are_their_own_state() -> None:
    codec, x = PixelCodec(3, CPU), pixels()
    assert torch.equal(codec.encode(x), x)
    assert torch.equal(codec.decode(x), x)
    assert codec.state_shape(4, 6) == (3, 4, 6)


def test_sides_off_the_multiple_are_refused_with_those_above() -> None:
    check_multiple(16, 24, 8)
    with pytest.raises(ValueError, match=r"multiples of 8, got 17 and 24: resize or pad to 24 and 24"):
        check_multiple(17, 24, 8)
    with pytest.raises(ValueError, match="got 0 and 8"):
        check_multiple(0, 8, 8)
