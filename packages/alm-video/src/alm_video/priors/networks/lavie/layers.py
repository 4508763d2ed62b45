"""Convolutions of single pictures, norms over a row's frames, and the embedding of the time."""

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import silu

from alm_video.priors.networks.lavie.config import LaVieConfig
from alm_video.priors.networks.lavie.transformer import Call, Transformer

__all__ = ["Resample", "Stage", "TimeEmbedding", "over_time", "sinusoids"]


class Stage(nn.Module):
    """The residual blocks of one level, the first `attentions` of which are followed by attention.

    `into` are the channels that each block takes in. What resamples, if anything does, is put in by the U-Net.
    """

    def __init__(self, config: LaVieConfig, into: list[int], out: int, heads: int, attentions: int) -> None:
        super().__init__()
        groups, text, time = config.norm_num_groups, config.cross_attention_dim, 4 * config.block_out_channels[0]
        self.attentions = nn.ModuleList([Transformer(out, heads, groups, text) for _ in range(attentions)])
        self.resnets = nn.ModuleList([Residual(n, out, time, groups, config.norm_eps) for n in into])
        self.downsamplers = nn.ModuleList()
        self.upsamplers = nn.ModuleList()

    def layer(self, i: int, x: Tensor, call: Call) -> Tensor:
        """Block i of x, and its attention."""
        x = self.resnets[i](x, call)
        return self.attentions[i](x, call) if i < len(self.attentions) else x


class Residual(nn.Module):
    """x + conv(norm(conv(norm(x)) + time)), where both norms are of all frames of a row together."""

    def __init__(self, into: int, out: int, time: int, groups: int, eps: float) -> None:
        super().__init__()
        self.norm1 = nn.GroupNorm(groups, into, eps=eps)
        self.conv1 = nn.Conv2d(into, out, 3, padding=1)
        self.time_emb_proj = nn.Linear(time, out)
        self.norm2 = nn.GroupNorm(groups, out, eps=eps)
        self.conv2 = nn.Conv2d(out, out, 3, padding=1)
        self.conv_shortcut = nn.Conv2d(into, out, 1) if into != out else None

    def forward(self, x: Tensor, call: Call) -> Tensor:
        """x (rows · frames, into, h, w) → as many of `out` channels."""
        rows = call.rows
        time = self.time_emb_proj(call.embedding).repeat_interleave(len(x) // rows, 0)
        inner: Tensor = self.conv1(silu(over_time(self.norm1, x, rows))) + time[:, :, None, None]
        inner = self.conv2(silu(over_time(self.norm2, inner, rows)))
        straight: Tensor = x if self.conv_shortcut is None else self.conv_shortcut(x)
        return inner + straight


class Resample(nn.Module):
    """The convolution of a change of size: of stride 2 downwards, of stride 1 behind an enlargement."""

    def __init__(self, channels: int, stride: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, stride=stride, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """x (pictures, channels, h, w)."""
        out: Tensor = self.conv(x)
        return out


class TimeEmbedding(nn.Module):
    """Two linear maps of the time's sinusoids, to four times their width."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.linear_1 = nn.Linear(width, 4 * width)
        self.linear_2 = nn.Linear(4 * width, 4 * width)

    def forward(self, timestep: Tensor, dtype: torch.dtype) -> Tensor:
        """timestep (rows,) → (rows, 4 · width) in the dtype; the sinusoids themselves are made in float32."""
        out: Tensor = self.linear_2(silu(self.linear_1(sinusoids(timestep, self.linear_1.in_features).to(dtype))))
        return out


def sinusoids(timestep: Tensor, width: int) -> Tensor:
    """cos and then sin of t · 10000^(−2i / width) for i < width / 2: float32 (rows, width)."""
    half = width // 2
    rates = torch.exp(-math.log(10000) * torch.arange(half, device=timestep.device, dtype=torch.float32) / half)
    angles = timestep.float()[:, None] * rates
    return torch.cat([angles.cos(), angles.sin()], -1)


def over_time(norm: nn.GroupNorm, x: Tensor, rows: int) -> Tensor:
    """The norm of pictures (rows · frames, channels, h, w), its mean and deviation being of all frames of a row."""
    film = x.reshape(rows, -1, *x.shape[1:]).transpose(1, 2)
    out: Tensor = norm(film).transpose(1, 2).flatten(0, 1)
    return out
