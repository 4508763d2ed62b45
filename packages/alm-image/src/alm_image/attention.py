"""The soft map of where words of a prompt lie in a picture, read from a network's own attention: the maps, and U-Nets.

    M_fg[h, w] = Σ_{h', w'} M_self[h, w, h', w'] M_cross[u, h', w']      (SyncSDE Eq. 25, after CSG)
    B̃ = 1 − M_fg,   B = χ(B̃ ≥ τ)                                        (Eq. 24, 12)

The paper says no more: not of which layers, heads and times, nor the value of τ.
Its released code: M_cross is the mean over heads, over the word's tokens and over all cross-attention layers of at most
16 × 16 tokens, smaller ones resized to that, divided at each time by its maximum; M_self is the mean over heads of the
last self-attention of the last block on the way up, at the latents' resolution; both are averaged over time; what is
edited is M_fg > 0.3, so τ = 0.7.
Our choices: where no cross-attention layer is so coarse, as in SDXL, the coarsest there are; where the last block has
no attention, as in SDXL, the last self-attention on the way up; M_cross is clipped to [0, 1] after resizing, so that
M_fg lies there, too; M_self of more than 64 × 64 tokens is kept in blocks of them, summed over keys and averaged over
queries, so that its rows still sum to 1; only the rows of the conditional call are read. FLUX: see `attention_flux`.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from alm_image.words import positions

__all__ = ["Maps", "Reader", "UNetAttention", "background", "foreground", "probabilities", "watched"]

COARSE = 16 * 16
"""Cross-attention is read where there are at most so many tokens."""
SIDE = 64
"""M_self is kept for at most SIDE × SIDE places: 64 MiB."""
CHUNK = 1 << 22
"""How many probabilities of one layer are held at a time, of all rows and heads: 16 MiB."""

Grid = tuple[int, int]


def foreground(own: Tensor, cross: Tensor) -> Tensor:
    """M_fg (h, w) of M_self (h, w, h, w), whose rows [h, w] sum to 1, and M_cross[u] (h, w): Eq. 25.

    The paper writes tr(M_self[h, w] M_crossᵀ[u]), which is this sum.
    """
    return torch.einsum("hwij,ij->hw", own, cross)


def background(fore: Tensor, tau: float) -> tuple[Tensor, Tensor]:
    """B̃ = 1 − M_fg and B = χ(B̃ ≥ τ), Eq. 24 and 12: B is 1 where the source is kept. 1 − B is M_fg > 1 − τ."""
    soft = 1 - fore
    return soft, (soft >= tau).float()


def probabilities(query: Tensor, key: Tensor, scale: float, chunk: int = CHUNK) -> Iterator[tuple[slice, Tensor]]:
    """softmax(q kᵀ · scale), averaged over rows and heads, some query tokens at a time: their slice and (n, keys).

    `query` and `key` are (rows, heads, tokens, width); at most `chunk` probabilities are held, or those of one token.
    """
    rows, heads, tokens, _ = query.shape
    count = max(1, chunk // (rows * heads * key.shape[2]))
    turned = key.float().transpose(-1, -2)
    for start in range(0, tokens, count):
        part = slice(start, min(start + count, tokens))
        weights = torch.softmax(query[:, :, part].float() @ turned * scale, -1)
        yield part, weights.mean((0, 1))


class Maps:
    """Running means of M_cross of the tokens at `at` and of M_self, for a state of `size` (rows, columns).

    A pass fills it, layer by layer; `end` closes one time.
    """

    def __init__(self, at: Sequence[int], size: Grid, side: int = SIDE, chunk: int = CHUNK) -> None:
        self._at, self._size, self._side, self._chunk = list(at), size, side, chunk
        self._layers: dict[Grid, list[Tensor]] = {}
        self._cross: Tensor | None = None
        self._own: Tensor | None = None
        self._grid: Grid = (0, 0)
        self.times: int = 0

    def see_cross(self, query: Tensor, key: Tensor, scale: float) -> None:
        """Reads a cross-attention layer: how much each place looks at the word's tokens, (h, w)."""
        self._keep([weights[:, self._at].mean(1) for _, weights in probabilities(query, key, scale, self._chunk)])

    def see_own(self, query: Tensor, key: Tensor, scale: float) -> None:
        """Reads the self-attention layer: how much each place looks at each other."""
        cell = self._cells(query)
        for part, weights in probabilities(query, key, scale, self._chunk):
            self._add(weights, cell, part)

    def see_joint(self, query: Tensor, key: Tensor, scale: float) -> None:
        """Reads a layer of joint attention, whose keys are the text's and then one of each place: both maps at once."""
        text, cell, parts = key.shape[2] - query.shape[2], self._cells(query), []
        for part, weights in probabilities(query, key, scale, self._chunk):
            parts.append(weights[:, self._at].mean(1))
            self._add(weights[:, text:], cell, part)
        self._keep(parts)

    def end(self) -> None:
        """Closes a time: the mean over layers, divided by its maximum, joins the mean over times."""
        coarse = [grid for grid in self._layers if grid[0] * grid[1] <= COARSE]
        grids = coarse or [min(self._layers, key=lambda grid: grid[0] * grid[1])]
        finest = max(grids, key=lambda grid: grid[0] * grid[1])
        layers = torch.stack([_resized(layer, finest) for grid in grids for layer in self._layers[grid]])
        mean = layers.mean(0)
        mean = mean / mean.max()
        self._cross = mean if self._cross is None else self._cross + mean
        self._layers = {}
        self.times += 1

    @property
    def cross(self) -> Tensor:
        """M_cross of the word (h, w) in [0, 1], on the places of `own`."""
        if self._cross is None:
            raise ValueError("no attention was read: call the network inside the pass")
        return _resized(self._cross / self.times, self._grid).clamp(0, 1)

    @property
    def own(self) -> Tensor:
        """M_self (h, w, h, w): [h, w] sums to 1, for the mean over layers and times is divided by its own sum."""
        if self._own is None:
            raise ValueError("no attention was read: call the network inside the pass")
        return (self._own / self._own.sum(1, keepdim=True)).view(*self._grid, *self._grid)

    @property
    def fore(self) -> Tensor:
        """M_fg (h, w) in [0, 1]."""
        return foreground(self.own, self.cross)

    def _keep(self, parts: Sequence[Tensor]) -> None:
        """Adds a layer to M_cross, which comes in parts of its places."""
        layer = torch.cat(list(parts))
        grid = _grid_of(len(layer), self._size)
        self._layers.setdefault(grid, []).append(layer.view(grid))

    def _cells(self, query: Tensor) -> Tensor:
        """The place in M_self of each query token; sets the grid of these places."""
        fine = _grid_of(query.shape[2], self._size)
        self._grid, cell = _blocks(fine, self._side, query.device)
        places = self._grid[0] * self._grid[1]
        if self._own is None:
            self._own = torch.zeros(places, places, device=query.device)
        return cell

    def _add(self, weights: Tensor, cell: Tensor, part: slice) -> None:
        """Adds to M_self how much the tokens `part` look at each token (n, tokens)."""
        assert self._own is not None
        pooled = weights.new_zeros(len(weights), len(self._own)).index_add_(1, cell, weights)
        self._own.index_add_(0, cell[part], pooled)


class Reader(Protocol):
    """What reads the attention of a network: `UNetAttention`, `attention_flux.JointAttention`."""

    def positions(self, prompt: str, words: Sequence[str]) -> tuple[int, ...]:
        """Where the tokens of the words stand in what the network reads. Raises ValueError, as `words.positions`."""

    def watch(self, at: Sequence[int], size: Grid) -> AbstractContextManager[Maps]:
        """While it is open each network call adds a time to the maps of the tokens `at`; `size` is the state's.

        What the network answers stays the same, and the network is as before at the end, also after an error.
        """


@contextmanager
def watched(network: Any, instead: Mapping[str, Any], maps: Maps) -> Iterator[Maps]:
    """While it is open the network has the attention processors `instead`, by name, and each call ends a time of maps.

    The processors are put back at the end, also after an error.
    """
    before = dict(network.attn_processors)
    hook = network.register_forward_hook(lambda *_: maps.end())
    try:
        network.set_attn_processor({**before, **instead})
        yield maps
    finally:
        hook.remove()
        network.set_attn_processor(before)


@dataclass(frozen=True)
class UNetAttention:
    """What reads the attention of a `UNet2DConditionModel` of Stable Diffusion or SDXL; `tokenizer` is its first."""

    unet: Any
    tokenizer: Any

    def positions(self, prompt: str, words: Sequence[str]) -> tuple[int, ...]:
        """See `Reader`."""
        return positions(self.tokenizer, prompt, words)

    @contextmanager
    def watch(self, at: Sequence[int], size: Grid) -> Iterator[Maps]:
        """See `Reader`.

        What the network answers stays the same to the bit: each layer that is read computes as before, by its own
        processor, and its queries and keys are multiplied once more, in chunks.
        """
        before = self.unet.attn_processors
        maps = Maps(at, size)
        last = _last_own(list(before))
        watching = {name: _Watching(each, maps.see_cross) for name, each in before.items() if ".attn2." in name}
        watching[last] = _Watching(before[last], maps.see_own)
        with watched(self.unet, watching, maps):
            yield maps


@dataclass(frozen=True)
class _Watching:
    """An attention processor that shows queries and keys, and computes by another."""

    inner: Any
    see: Callable[[Tensor, Tensor, float], None]

    def __call__(
        self,
        attn: Any,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor | None = None,
        attention_mask: Tensor | None = None,
    ) -> Tensor:
        self.see(*_queries_and_keys(attn, hidden_states, encoder_hidden_states), attn.scale)
        out: Tensor = self.inner(attn, hidden_states, encoder_hidden_states, attention_mask)
        return out


def _queries_and_keys(attn: Any, x: Tensor, states: Tensor | None) -> tuple[Tensor, Tensor]:
    """q and k, each (rows, heads, tokens, width), of a layer over x (rows, tokens, width)."""
    if states is None:
        states = x
    elif attn.norm_cross:
        states = attn.norm_encoder_hidden_states(states)
    query, key = (y.unflatten(-1, (attn.heads, -1)).transpose(1, 2) for y in (attn.to_q(x), attn.to_k(states)))
    return attn.norm_q(query) if attn.norm_q else query, attn.norm_k(key) if attn.norm_k else key


def _last_own(names: Sequence[str]) -> str:
    """The last self-attention on the way up, which has the finest tokens there are."""
    own = [name for name in names if ".attn1." in name]
    if not own:
        raise ValueError("this network has no self-attention to read: give a mask")
    return ([name for name in own if name.startswith("up_blocks")] or own)[-1]


def _grid_of(tokens: int, size: Grid) -> Grid:
    """The rows and columns of a layer's tokens: the state's, halved as often as it takes."""
    rows, columns = size
    while rows * columns > tokens:
        rows, columns = -(-rows // 2), -(-columns // 2)
    if rows * columns != tokens:
        raise ValueError(f"a layer of {tokens} tokens does not belong to a state of {size[0]} x {size[1]}: give a mask")
    return rows, columns


def _blocks(fine: Grid, side: int, device: torch.device) -> tuple[Grid, Tensor]:
    """A grid of at most side × side places, and the place of each token of the fine grid in it."""
    step = max(1, -(-max(fine) // side))
    coarse = -(-fine[0] // step), -(-fine[1] // step)
    rows, columns = (torch.arange(n, device=device) // step for n in fine)
    return coarse, (rows[:, None] * coarse[1] + columns).flatten()


def _resized(layer: Tensor, grid: Grid) -> Tensor:
    if tuple(layer.shape) == grid:
        return layer
    return interpolate(layer[None, None], grid, mode="bicubic", align_corners=False)[0, 0]
