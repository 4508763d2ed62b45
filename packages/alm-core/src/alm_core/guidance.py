"""Networks that are told what to make, and classifier-free guidance over them.

A `Network` is the raw call. `Unguided` and `ClassifierFree` make of it the output for rows with a `Condition` each, in
one call; what that output means at a level is for `alm_core.grid` to say.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import Tensor

from alm_core.prior import Conditions

__all__ = [
    "ClassifierFree",
    "Condition",
    "Embedding",
    "Evaluate",
    "Network",
    "Unguided",
    "batched",
    "known_conditions",
]

Embedding = tuple[Tensor, ...]
"""What one row is conditioned on, each tensor without its batch axis; the network's own order."""


@dataclass(frozen=True)
class Condition:
    """One row's condition; `negative` is what classifier-free guidance leads away from."""

    positive: Embedding = ()
    negative: Embedding = ()


class Network(Protocol):
    """The raw network: casts to its own dtype and answers in the dtype of x."""

    def __call__(self, x: Tensor, time: float, embedding: Embedding) -> Tensor:
        """The output for x (rows, …) at the time, where every tensor of `embedding` has a batch axis."""


class Evaluate(Protocol):
    """A network with or without guidance."""

    @property
    def rows(self) -> int:
        """Network rows for one row of x."""

    def __call__(self, x: Tensor, time: float, conditions: Sequence[Condition]) -> Tensor:
        """The raw output in one network call."""


@dataclass(frozen=True)
class Unguided:
    """The conditional output."""

    network: Network
    rows: int = field(default=1, init=False)

    def __call__(self, x: Tensor, time: float, conditions: Sequence[Condition]) -> Tensor:
        """See `Evaluate`."""
        return self.network(x, time, batched([c.positive for c in conditions]))


@dataclass(frozen=True)
class ClassifierFree:
    """out = out_u + g (out_c − out_u), both branches in one call; linear, so it holds for ε, v and x_0 alike."""

    network: Network
    scale: float
    rows: int = field(default=2, init=False)

    def __call__(self, x: Tensor, time: float, conditions: Sequence[Condition]) -> Tensor:
        """See `Evaluate`."""
        embedding = batched([c.negative for c in conditions] + [c.positive for c in conditions])
        negative, positive = self.network(torch.cat([x, x]), time, embedding).chunk(2)
        return negative + self.scale * (positive - negative)


def batched(embeddings: Sequence[Embedding]) -> Embedding:
    """Stacks each tensor of the embeddings over the rows."""
    return tuple(torch.stack(parts) for parts in zip(*embeddings, strict=True))


def known_conditions(conditions: Conditions, rows: int) -> Sequence[Condition]:
    """One `Condition` for each row. Raises ValueError where there are others, or another number of them."""
    known = [c for c in conditions or () if isinstance(c, Condition)]
    if len(known) != rows:
        raise ValueError(f"one condition of this prior a row is wanted: got {len(known)} for {rows} rows")
    return known
