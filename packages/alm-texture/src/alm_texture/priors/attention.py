"""Self-attention that reads the views beside a view, and the front one, as SyncMVD (Liu et al. 2024) has it.

    h = attention(q, K, V),  K and V of the view itself and of those beside it
    out = (h + w attention(q, K_front, V_front)) / (1 + w)

Nothing is kept between calls. Who reads whom in a batch is a `Gather`, made anew for each call of the network and
handed down to every attention by diffusers' `cross_attention_kwargs`.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

__all__ = ["CrossView", "Gather", "gather", "install"]


@dataclass(frozen=True, eq=False)
class Gather:
    """Rows of a batch, and the rows that they read.

    `groups` holds pairs of rows (n) and the m rows that each reads (n, m), itself among them, one pair for each m: so
    nothing is padded, and nothing masked. `reference` is a pair of rows (n) and the front row of each (n), or None.
    """

    groups: tuple[tuple[Tensor, Tensor], ...]
    reference: tuple[Tensor, Tensor] | None
    weight: float

    def __call__(self, q: Tensor, k: Tensor, v: Tensor, heads: int) -> Tensor:
        """The attention of queries, keys and values (rows, tokens, heads · width), of that shape."""
        out = torch.empty_like(q)
        for rows, read in self.groups:
            out[rows] = _attention(q[rows], k[read].flatten(1, 2), v[read].flatten(1, 2), heads)
        if self.reference is not None:
            rows, front = self.reference
            seen = _attention(q[rows], k[front], v[front], heads)
            out[rows] = (out[rows] + self.weight * seen) / (1 + self.weight)
        return out


class CrossView:
    """An attention processor for diffusers: `plain` but for self-attention that is told who reads whom."""

    def __init__(self, plain: Any) -> None:
        self.plain = plain

    def __call__(
        self,
        attn: Any,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor | None = None,
        attention_mask: Tensor | None = None,
        views: Gather | None = None,
    ) -> Tensor:
        """(rows, tokens, width), with `views` from `cross_attention_kwargs`."""
        if views is None or encoder_hidden_states is not None:
            answer: Tensor = self.plain(attn, hidden_states, encoder_hidden_states, attention_mask)
            return answer
        q, k, v = (project(hidden_states) for project in (attn.to_q, attn.to_k, attn.to_v))
        out: Tensor = attn.to_out[0](views(q, k, v, attn.heads))
        return out


def install(unet: Any) -> None:
    """Wraps the processors of a `UNet2DConditionModel`.

    Those of cross-attention too, which only pass by what they would otherwise warn of.
    """
    unet.set_attn_processor({name: CrossView(plain) for name, plain in unet.attn_processors.items()})


def gather(views: Sequence[Sequence[int]], weight: float, device: torch.device) -> Gather | None:
    """Who reads whom among rows of (view, reference, *views beside it), where −1 is none.

    The k-th row of a view belongs to the k-th set, and rows read rows of their own set alone: Y never reads E, nor the
    negative branch the positive one, nor one sample another. A view that is not in the set is left out. With `weight` 0
    the reference is not read. None where every row reads itself alone, which is plain attention.
    """
    count: Counter[int] = Counter()
    sets = []
    for view, *_ in views:
        sets.append(count[view])
        count[view] += 1
    row_of = {(members, view): row for row, (members, (view, *_)) in enumerate(zip(sets, views, strict=True))}
    groups: dict[int, list[list[int]]] = {}
    compared = []
    for row, (members, (_, reference, *beside)) in enumerate(zip(sets, views, strict=True)):
        read = [row, *(row_of[members, view] for view in beside if (members, view) in row_of)]
        groups.setdefault(len(read), []).append(read)
        if weight and (members, reference) in row_of:
            compared.append([row, row_of[members, reference]])
    if groups.keys() <= {1} and all(row == front for row, front in compared):
        return None
    tables = [torch.tensor(table).to(device, non_blocking=True) for table in groups.values()]
    pairs = torch.tensor(compared).to(device, non_blocking=True) if compared else None
    return Gather(
        tuple((table[:, 0], table) for table in tables), None if pairs is None else (pairs[:, 0], pairs[:, 1]), weight
    )


def _attention(q: Tensor, k: Tensor, v: Tensor, heads: int) -> Tensor:
    """softmax(q kᵀ/√width) v in each head."""
    q, k, v = (x.view(*x.shape[:2], heads, -1).transpose(1, 2) for x in (q, k, v))
    return scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
