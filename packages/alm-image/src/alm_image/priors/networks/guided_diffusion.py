"""The U-Net of guided diffusion (Dhariwal & Nichol 2021), as RePaint uses it; keys as in the published checkpoints.

Residual blocks take the time by scaling and shifting their second norm (FiLM); they also do the resampling where
`resblock_updown` says so. Attention stands at the named resolutions. The last convolution gives ε and, with
`learn_sigma`, as many channels of a variance. Every norm has 32 groups and is computed in float32.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, group_norm, interpolate, scaled_dot_product_attention

__all__ = ["GuidedDiffusionConfig", "GuidedDiffusionUNet"]

MULTIPLIERS: dict[int, tuple[float, ...]] = {
    512: (0.5, 1, 1, 2, 2, 4, 4),
    256: (1, 1, 2, 2, 4, 4),
    128: (1, 1, 2, 3, 4),
    64: (1, 2, 3, 4),
}
"""Channel multipliers by image size, where the config gives none."""

CLASSES = 1000
"""Of ImageNet, for `class_cond`."""


@dataclass(frozen=True)
class GuidedDiffusionConfig:
    """The keys of a guided-diffusion config that shape the network; the defaults are RePaint's CelebA model."""

    image_size: int = 256
    num_channels: int = 256
    channel_mult: str = ""
    num_res_blocks: int = 2
    attention_resolutions: str = "32,16,8"
    num_heads: int = 4
    num_head_channels: int = 64
    num_heads_upsample: int = -1
    resblock_updown: bool = True
    use_scale_shift_norm: bool = True
    use_new_attention_order: bool = False
    learn_sigma: bool = True
    class_cond: bool = False

    def multipliers(self) -> tuple[float, ...]:
        """Channels of each level over `num_channels`. Raises ValueError where the image size names none."""
        if self.channel_mult:
            return tuple(float(part) for part in str(self.channel_mult).split(","))
        if self.image_size not in MULTIPLIERS:
            raise ValueError(
                f"channel_mult is empty, and image_size {self.image_size} is none of {sorted(MULTIPLIERS)}: give "
                "channel_mult, as '1,2,2,4'"
            )
        return MULTIPLIERS[self.image_size]

    def attends(self, downsampling: int) -> bool:
        """Whether there is attention at this downsampling."""
        return downsampling in {self.image_size // int(r) for r in str(self.attention_resolutions).split(",")}

    def heads(self, channels: int, *, up: bool) -> int:
        """The number of attention heads."""
        if self.num_head_channels != -1:
            return channels // self.num_head_channels
        return self.num_heads if not up or self.num_heads_upsample == -1 else self.num_heads_upsample


class GuidedDiffusionUNet(nn.Module):
    """The network: x (rows, 3, h, w) at times (rows,) → (rows, 3 or 6, h, w); h and w as `2^levels` divides them."""

    def __init__(self, config: GuidedDiffusionConfig) -> None:
        super().__init__()
        self.width = config.num_channels
        time = 4 * self.width
        self.time_embed = nn.Sequential(nn.Linear(self.width, time), nn.SiLU(), nn.Linear(time, time))
        if config.class_cond:
            self.label_emb = nn.Embedding(CLASSES, time)
        widths = [int(m * self.width) for m in config.multipliers()]

        def residual(into: int, out: int, resample: str = "") -> ResBlock:
            return ResBlock(into, out, time, film=config.use_scale_shift_norm, resample=resample)

        def attention(channels: int, *, up: bool = False) -> Attention:
            return Attention(channels, config.heads(channels, up=up), config.use_new_attention_order)

        channels, last = widths[0], len(widths) - 1
        self.input_blocks = nn.ModuleList([Block([nn.Conv2d(3, channels, 3, padding=1)])])
        skips = [channels]
        for level, width in enumerate(widths):
            for _ in range(config.num_res_blocks):
                extra = [attention(width)] if config.attends(2**level) else []
                self.input_blocks.append(Block([residual(channels, width), *extra]))
                channels = width
                skips.append(channels)
            if level < last:
                down = residual(channels, channels, "down") if config.resblock_updown else Downsample(channels)
                self.input_blocks.append(Block([down]))
                skips.append(channels)
        self.middle_block = Block([residual(channels, channels), attention(channels), residual(channels, channels)])
        self.output_blocks = nn.ModuleList()
        for level, width in reversed(list(enumerate(widths))):
            for i in range(config.num_res_blocks + 1):
                layers: list[nn.Module] = [residual(channels + skips.pop(), width)]
                channels = width
                if config.attends(2**level):
                    layers.append(attention(channels, up=True))
                if level and i == config.num_res_blocks:
                    layers.append(residual(channels, channels, "up") if config.resblock_updown else Upsample(channels))
                self.output_blocks.append(Block(layers))
        out = 6 if config.learn_sigma else 3
        self.out = nn.Sequential(Norm(channels), nn.SiLU(), nn.Conv2d(widths[0], out, 3, padding=1))

    def forward(self, x: Tensor, times: Tensor, labels: Tensor | None = None) -> Tensor:
        """The raw output; `labels` (rows,) where the model is class-conditional."""
        embedding = self.time_embed(sinusoids(times, self.width).to(x.dtype))
        if labels is not None:
            embedding = embedding + self.label_emb(labels)
        skips = []
        for block in self.input_blocks:
            x = block(x, embedding)
            skips.append(x)
        x = self.middle_block(x, embedding)
        for block in self.output_blocks:
            x = block(torch.cat([x, skips.pop()], dim=1), embedding)
        out: Tensor = self.out(x)
        return out


class Block(nn.ModuleList):
    """Layers in order, of which the residual blocks are told the time."""

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        """The last layer's output."""
        for layer in self:
            x = layer(x, embedding) if isinstance(layer, ResBlock) else layer(x)
        return x


class ResBlock(nn.Module):
    """x + conv(norm(conv(norm(x))) told the time), resampled by 2 before the first convolution where asked."""

    def __init__(self, into: int, out: int, time: int, *, film: bool, resample: str) -> None:
        super().__init__()
        self.film, self.resample = film, resample
        self.in_layers = nn.Sequential(Norm(into), nn.SiLU(), nn.Conv2d(into, out, 3, padding=1))
        self.emb_layers = nn.Sequential(nn.SiLU(), nn.Linear(time, 2 * out if film else out))
        # The third is dropout in training: it keeps the keys of the checkpoints.
        self.out_layers = nn.Sequential(Norm(out), nn.SiLU(), nn.Identity(), nn.Conv2d(out, out, 3, padding=1))
        self.skip_connection = nn.Identity() if into == out else nn.Conv2d(into, out, 1)

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        """The block's output."""
        norm, activation, conv = self.in_layers
        h = conv(self._resampled(activation(norm(x))))
        film = self.emb_layers(embedding)[..., None, None]
        norm, *rest = self.out_layers
        if self.film:
            scale, shift = film.chunk(2, dim=1)
            h = norm(h) * (1 + scale) + shift
        else:
            h = norm(h + film)
        for layer in rest:
            h = layer(h)
        out: Tensor = self.skip_connection(self._resampled(x)) + h
        return out

    def _resampled(self, x: Tensor) -> Tensor:
        if self.resample == "down":
            return avg_pool2d(x, 2)
        return interpolate(x, scale_factor=2.0, mode="nearest") if self.resample else x


class Attention(nn.Module):
    """Self-attention over the pixels. The published order of the channels of `qkv` is head by head, (q, k, v) in each;
    the new order is (q, k, v), head by head in each.
    """

    def __init__(self, channels: int, heads: int, new_order: bool) -> None:
        super().__init__()
        self.heads, self.new_order = heads, new_order
        self.norm = Norm(channels)
        self.qkv = nn.Conv1d(channels, 3 * channels, 1)
        self.proj_out = nn.Conv1d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """x plus what it attends to."""
        flat = x.flatten(2)
        qkv = self.qkv(self.norm(flat))
        if self.new_order:
            parts = [part.unflatten(1, (self.heads, -1)) for part in qkv.chunk(3, dim=1)]
        else:
            parts = list(qkv.unflatten(1, (self.heads, -1)).chunk(3, dim=2))
        q, k, v = (part.transpose(2, 3) for part in parts)  # (rows, heads, pixels, channels of a head)
        out = scaled_dot_product_attention(q, k, v).transpose(2, 3).flatten(1, 2)
        attended: Tensor = self.proj_out(out)
        return (flat + attended).view_as(x)


class Norm(nn.GroupNorm):
    """Group normalisation in float32, whatever the network's dtype."""

    def __init__(self, channels: int) -> None:
        super().__init__(32, channels)

    def forward(self, x: Tensor) -> Tensor:
        """The normalised x, in its dtype."""
        return group_norm(x.float(), self.num_groups, self.weight.float(), self.bias.float(), self.eps).to(x.dtype)


class Downsample(nn.Module):
    """Halves height and width by a strided convolution."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.op = nn.Conv2d(channels, channels, 3, stride=2, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Half of x."""
        out: Tensor = self.op(x)
        return out


class Upsample(nn.Module):
    """Doubles height and width, then convolves."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Twice x."""
        out: Tensor = self.conv(interpolate(x, scale_factor=2.0, mode="nearest"))
        return out


def sinusoids(times: Tensor, width: int) -> Tensor:
    """(rows, width): cosines, then sines, of the times at frequencies from 1 down to 1/10000."""
    half = width // 2
    rates = torch.exp(-math.log(10000) * torch.arange(half, device=times.device) / half)
    angles = times.float()[:, None] * rates
    return torch.cat([angles.cos(), angles.sin()], dim=1)
