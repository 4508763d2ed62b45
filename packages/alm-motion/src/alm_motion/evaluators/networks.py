"""The networks that embed a motion and a sentence in one space (Guo et al., CVPR 2022), with their checkpoint's keys.

A motion is read four frames at a time by two convolutions, and the result by a gated recurrent unit from both ends; a
sentence by another. The last states of both directions are what is known of the whole.
"""

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence

__all__ = ["MotionEncoder", "MovementEncoder", "TextEncoder"]


class MovementEncoder(nn.Module):
    """(rows, F // 4, out) of features (rows, F, channels). The keys' numbers count a dropout after each convolution."""

    def __init__(self, channels: int, hidden: int, out: int) -> None:
        super().__init__()
        skip = nn.Identity
        self.main = nn.Sequential(
            nn.Conv1d(channels, hidden, 4, 2, 1),
            skip(),
            nn.LeakyReLU(0.2),
            nn.Conv1d(hidden, out, 4, 2, 1),
            skip(),
            nn.LeakyReLU(0.2),
        )
        self.out_net = nn.Linear(out, out)

    def forward(self, features: Tensor) -> Tensor:
        """See the class."""
        found: Tensor = self.out_net(self.main(features.transpose(1, 2)).transpose(1, 2))
        return found


class MotionEncoder(nn.Module):
    """(rows, out) of movements (rows, units, channels), of which the first `lengths` (rows) count, 1 or more."""

    def __init__(self, channels: int, hidden: int, out: int) -> None:
        super().__init__()
        self.input_emb = nn.Linear(channels, hidden)
        self.gru = nn.GRU(hidden, hidden, batch_first=True, bidirectional=True)
        self.output_net = _head(hidden, out)
        self.hidden = nn.Parameter(torch.randn(2, 1, hidden))

    def forward(self, movements: Tensor, lengths: Tensor) -> Tensor:
        """See the class."""
        found: Tensor = self.output_net(_both_ends(self.gru, self.hidden, self.input_emb(movements), lengths))
        return found


class TextEncoder(nn.Module):
    """(rows, out) of word vectors (rows, words, width) and their kinds (rows, words, kinds), one-hot."""

    def __init__(self, width: int, kinds: int, hidden: int, out: int) -> None:
        super().__init__()
        self.pos_emb = nn.Linear(kinds, width)
        self.input_emb = nn.Linear(width, hidden)
        self.gru = nn.GRU(hidden, hidden, batch_first=True, bidirectional=True)
        self.output_net = _head(hidden, out)
        self.hidden = nn.Parameter(torch.randn(2, 1, hidden))

    def forward(self, words: Tensor, kinds: Tensor, lengths: Tensor) -> Tensor:
        """See the class."""
        embedded = self.input_emb(words + self.pos_emb(kinds))
        found: Tensor = self.output_net(_both_ends(self.gru, self.hidden, embedded, lengths))
        return found


def _head(hidden: int, out: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(2 * hidden, hidden), nn.LayerNorm(hidden), nn.LeakyReLU(0.2), nn.Linear(hidden, out))


def _both_ends(gru: nn.GRU, start: Tensor, embedded: Tensor, lengths: Tensor) -> Tensor:
    """The last states (rows, 2 · hidden) of both directions, in the order of the rows, of whatever lengths they are."""
    packed = pack_padded_sequence(embedded, lengths.cpu(), batch_first=True, enforce_sorted=False)
    _, (forth, back) = gru(packed, start.repeat(1, len(embedded), 1))
    return torch.cat([forth, back], -1)
