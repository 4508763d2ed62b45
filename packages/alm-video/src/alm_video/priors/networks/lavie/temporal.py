"""Attention over time: each cell of the picture attends to itself in the other frames.

Queries and keys are turned by their frame's number (Su et al., RoFormer, 2021), and a bias that is learned for each
head and range of distances is added to the scores (Raffel et al., T5, 2020). Both depend on the distance of two frames
alone, so that a window of frames may begin anywhere.
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from alm_video.priors.networks.lavie.config import ROTATED

__all__ = ["RelativePositionBias", "Rotary", "TemporalAttention", "Windows", "check_windows", "shares", "spans"]

Windows = tuple[int, int]
"""Frames of a window, and frames from one's start to the next's."""

BUCKETS = 32
"""Sixteen for keys that do not come later than the query, sixteen for keys that do."""

EDGES = (1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16, 20, 23, 27)
"""Where the buckets of a distance n begin: n itself below 8, then 8 + ⌊8 log(n / 8) / log(32 / 8)⌋, at most 15."""


class RelativePositionBias(nn.Module):
    """What is added to the score of a query's frame and a key's frame."""

    def __init__(self, heads: int) -> None:
        super().__init__()
        self.relative_attention_bias = nn.Embedding(BUCKETS, heads)

    def forward(self, frames: int) -> Tensor:
        """(heads, frames of the query, frames of the key)."""
        weight = self.relative_attention_bias.weight
        at = torch.arange(frames, device=weight.device)
        bias: Tensor = self.relative_attention_bias(self.buckets(at[None, :] - at[:, None]))
        return bias.permute(2, 0, 1).contiguous()  # the fused kernels want the last axis dense

    @staticmethod
    def buckets(later: Tensor) -> Tensor:
        """The bucket, int64, of a key that comes so many frames after the query; negative is before."""
        edges = torch.tensor(EDGES, device=later.device)
        near = (later.abs()[..., None] >= edges).sum(-1)
        return near + (later > 0) * (BUCKETS // 2)


class Rotary(nn.Module):
    """Turns channels 2i and 2i + 1 of frame f, for the first 32 of each head, by f · 10000^(−2i / 32) radians."""

    freqs: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("freqs", 10000.0 ** (-torch.arange(0, ROTATED, 2).float() / ROTATED))

    def forward(self, x: Tensor) -> Tensor:
        """x (…, frames, channels of a head), in its own dtype."""
        at = torch.arange(x.shape[-2], device=x.device, dtype=torch.float32)
        angles = at[:, None] * self.freqs.float()
        cos, sin = angles.cos().to(x.dtype), angles.sin().to(x.dtype)
        even, odd = x[..., :ROTATED:2], x[..., 1:ROTATED:2]
        turned = torch.stack([even * cos - odd * sin, odd * cos + even * sin], -1).flatten(-2)
        return torch.cat([turned, x[..., ROTATED:]], -1)


class TemporalAttention(nn.Module):
    """Self-attention over frames, all of them or windows of them."""

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.to_q = nn.Linear(channels, channels, bias=False)
        self.to_k = nn.Linear(channels, channels, bias=False)
        self.to_v = nn.Linear(channels, channels, bias=False)
        self.to_out = nn.ModuleList([nn.Linear(channels, channels)])
        self.time_rel_pos_bias = RelativePositionBias(heads)
        self.rotary_emb = Rotary()

    def forward(self, x: Tensor, windows: Windows | None = None) -> Tensor:
        """x (cells, frames, channels) → the same shape."""
        q, k, v = (to(x).unflatten(-1, (self.heads, -1)).transpose(1, 2) for to in (self.to_q, self.to_k, self.to_v))
        q, k = self.rotary_emb(q), self.rotary_emb(k)
        bias = self.time_rel_pos_bias(min(x.shape[1], windows[0]) if windows else x.shape[1])
        attended = _fused(q, k, v, bias, windows) if windows else scaled_dot_product_attention(q, k, v, bias)
        out: Tensor = self.to_out[0](attended.transpose(1, 2).flatten(2))
        return out


def check_windows(windows: Windows) -> None:
    """Raises ValueError where windows are empty, do not advance or leave frames between them."""
    window, stride = windows
    if not 1 <= stride <= window:
        raise ValueError(f"windows must advance by 1 frame or more and by no more than their length, got {windows}")


def spans(frames: int, windows: Windows) -> list[tuple[int, int]]:
    """First frame and end of each window. The last ends with the last frame, by a shorter advance where need be."""
    window, stride = min(windows[0], frames), windows[1]
    return [(start, start + window) for start in (*range(0, frames - window, stride), frames - window)]


def shares(frames: int, windows: Windows) -> list[list[float]]:
    """How much of each of its frames a window gives; at every frame the windows' shares sum to 1.

    They are in the ratio of the triangles 1, 2, …, 2, 1 over each window (FreeNoise, Qiu et al., ICLR 2024).
    """
    total = [0] * frames
    for start, stop in spans(frames, windows):
        for i in range(start, stop):
            total[i] += min(i - start + 1, stop - i)
    return [[min(i - a + 1, b - i) / total[i] for i in range(a, b)] for a, b in spans(frames, windows)]


def _fused(q: Tensor, k: Tensor, v: Tensor, bias: Tensor, windows: Windows) -> Tensor:
    """Attention within each window, mixed; q, k and v (cells, heads, frames, channels of a head)."""
    frames = q.shape[-2]
    mixed = torch.zeros_like(q)
    for (start, stop), share in zip(spans(frames, windows), shares(frames, windows), strict=True):
        at = slice(start, stop)
        part = scaled_dot_product_attention(q[:, :, at], k[:, :, at], v[:, :, at], bias)
        mixed[:, :, at] += part * torch.tensor(share, dtype=q.dtype, device=q.device)[:, None]
    return mixed
