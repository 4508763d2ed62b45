"""How the motion networks are told the time: a table of sines, then two linear layers."""

import math

import torch
from torch import Tensor, nn

__all__ = ["LabelEmbedding", "PositionTable", "TimeEmbedding"]


class PositionTable(nn.Module):
    """Sines and cosines (positions, 1, width) of position · 10000^(−2i/width), in the buffer `pe`."""

    pe: Tensor

    def __init__(self, width: int, positions: int = 5000) -> None:
        super().__init__()
        angle = torch.arange(positions)[:, None] * torch.exp(torch.arange(0, width, 2) * (-math.log(10000.0) / width))
        self.register_buffer("pe", torch.stack([angle.sin(), angle.cos()], -1).flatten(1)[:, None])


class TimeEmbedding(nn.Module):
    """The embedding (rows, width) of integer times (rows)."""

    def __init__(self, width: int, table: PositionTable) -> None:
        super().__init__()
        self.sequence_pos_encoder = table
        self.time_embed = nn.Sequential(nn.Linear(width, width), nn.SiLU(), nn.Linear(width, width))

    def forward(self, times: Tensor) -> Tensor:
        """See the class."""
        found: Tensor = self.time_embed(self.sequence_pos_encoder.pe[times.long(), 0])
        return found


class LabelEmbedding(nn.Module):
    """The embedding (rows, width) of labels (rows): 0 where a label is below 0, which is none."""

    def __init__(self, count: int, width: int) -> None:
        super().__init__()
        self.action_embedding = nn.Parameter(torch.randn(count, width))

    def forward(self, label: Tensor) -> Tensor:
        """See the class."""
        return self.action_embedding[label.clamp(min=0).long()] * (label >= 0)[:, None]
