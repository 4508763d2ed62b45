"""The attention blocks: each picture to itself, to the text, then each cell over time, then a feed-forward net."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu, scaled_dot_product_attention

from alm_video.priors.networks.lavie.temporal import TemporalAttention, Windows

__all__ = ["Call", "Transformer"]

MOST = 2**15
"""Sequences in one attention; a CUDA grid ends at 65535."""


@dataclass(frozen=True)
class Call:
    """What every layer of one forward pass is told.

    `embedding` (rows, 4 · width) is of the time, activated; `states` (rows, tokens, width) are of the text. `at_once`
    pictures go through a layer together where the layer takes each by itself; None is all.
    """

    embedding: Tensor
    states: Tensor
    windows: Windows | None
    at_once: int | None

    @property
    def rows(self) -> int:
        """Rows of the batch."""
        return len(self.embedding)


class Transformer(nn.Module):
    """x + the block's result on x, for pictures (rows · frames, channels, h, w). The norm is of each picture."""

    def __init__(self, channels: int, heads: int, groups: int, text: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(groups, channels, eps=1e-6)
        self.proj_in = nn.Conv2d(channels, channels, 1)
        self.transformer_blocks = nn.ModuleList([Block(channels, heads, text)])
        self.proj_out = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor, call: Call) -> Tensor:
        """The same shape."""
        cells = self.proj_in(self.norm(x)).flatten(2).transpose(1, 2)
        for block in self.transformer_blocks:
            cells = block(cells, call)
        out: Tensor = self.proj_out(cells.transpose(1, 2).reshape(x.shape))
        return x + out


class Block(nn.Module):
    """Four layers, each added to what comes in and behind a norm of its own."""

    def __init__(self, channels: int, heads: int, text: int) -> None:
        super().__init__()
        self.attn1 = Attention(channels, channels, heads)
        self.norm1 = nn.LayerNorm(channels)
        self.attn2 = Attention(channels, text, heads)
        self.norm2 = nn.LayerNorm(channels)
        self.attn_temp = TemporalAttention(channels, heads)
        self.norm_temp = nn.LayerNorm(channels)
        self.ff = FeedForward(channels)
        self.norm3 = nn.LayerNorm(channels)

    def forward(self, x: Tensor, call: Call) -> Tensor:
        """x (rows · frames, cells, channels) → the same shape."""
        rows, cells = call.rows, x.shape[1]
        tokens = None if call.at_once is None else call.at_once * cells
        x = x + _in_parts(lambda part: self.attn1(self.norm1(part)), x, call.at_once, 0)
        film = x.reshape(rows, -1, x.shape[-1])
        film = film + _in_parts(lambda part: self.attn2(self.norm2(part), call.states), film, tokens, 1)
        lines = film.reshape(rows, -1, cells, x.shape[-1]).transpose(1, 2).flatten(0, 1)  # a cell in all frames
        most = MOST if tokens is None else max(1, min(MOST, tokens // lines.shape[1]))
        lines = lines + _in_parts(lambda part: self.attn_temp(self.norm_temp(part), call.windows), lines, most, 0)
        x = lines.reshape(rows, cells, *lines.shape[1:]).transpose(1, 2).reshape(x.shape)
        return x + _in_parts(lambda part: self.ff(self.norm3(part)), x, call.at_once, 0)


class Attention(nn.Module):
    """From x (rows, queries, channels) to itself, or to a context (rows, keys, width)."""

    def __init__(self, channels: int, context: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.to_q = nn.Linear(channels, channels, bias=False)
        self.to_k = nn.Linear(context, channels, bias=False)
        self.to_v = nn.Linear(context, channels, bias=False)
        self.to_out = nn.ModuleList([nn.Linear(channels, channels)])

    def forward(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """The shape of x."""
        into = x if context is None else context
        flat = (self.to_q(x), self.to_k(into), self.to_v(into))
        q, k, v = (part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in flat)
        out: Tensor = self.to_out[0](scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))
        return out


class Gated(nn.Module):
    """a · gelu(b), where a and b are the halves of a linear map."""

    def __init__(self, into: int, out: int) -> None:
        super().__init__()
        self.proj = nn.Linear(into, 2 * out)

    def forward(self, x: Tensor) -> Tensor:
        """(…, out)."""
        a, b = torch.chunk(self.proj(x), 2, -1)
        return a * gelu(b)


class FeedForward(nn.Module):
    """Four times as wide within."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        # The place between them is the published network's dropout, of which the keys keep the number.
        self.net = nn.Sequential(Gated(channels, 4 * channels), nn.Identity(), nn.Linear(4 * channels, channels))

    def forward(self, x: Tensor) -> Tensor:
        """The same shape."""
        out: Tensor = self.net(x)
        return out


def _in_parts(function: Callable[[Tensor], Tensor], x: Tensor, size: int | None, axis: int) -> Tensor:
    """function(x), for so many of the axis at a time."""
    if size is None or x.shape[axis] <= size:
        return function(x)
    return torch.cat([function(part) for part in torch.split(x, size, axis)], axis)
