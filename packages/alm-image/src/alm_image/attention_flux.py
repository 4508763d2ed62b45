"""The soft map of where words of a prompt lie in a picture, read from FLUX's joint attention; Eq. 24–25 as `attention`.

    P = softmax(q_image [k_text, k_image]ᵀ / √d),   M_cross[u] = P[:, u],   M_self ∝ P[:, image]

A FLUX layer has one softmax over the text's tokens, T5's, and the picture's, which are 2 × 2 places of the state.
Neither SyncSDE nor its released code says how to read it. Our choices: both maps are of the last four of the layers
that project text and picture apart (FLUX.1 has 19), for there a text token still is a word, and the last are those that
ConceptAttention (Helbling et al., 2025) reads; the layers after them mix both in one stream. Both are means over heads,
these layers, and times. M_cross keeps the joint probability, so that a place that looks at no word counts for little,
and is divided at each time by its maximum, as for U-Nets. M_self is divided by the sum of each row, after the means, so
that its rows sum to 1 as in Eq. 25, and heads and layers that look at the picture count for more than those that look
at the text. FLUX has its guidance inside, so that each call is one row, which is read.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from alm_image.attention import Maps, watched
from alm_image.words import positions

__all__ = ["JointAttention"]

LAYERS = 4
"""How many layers are read, the last ones of two streams."""


@dataclass(frozen=True)
class JointAttention:
    """What reads the attention of a `FluxTransformer2DModel`: a `Reader`.

    `tokenizer` is T5's, the pipeline's second, and `tokens` how many of its tokens the network is given.
    """

    transformer: Any
    tokenizer: Any
    tokens: int

    def positions(self, prompt: str, words: Sequence[str]) -> tuple[int, ...]:
        """See `Reader`."""
        return positions(self.tokenizer, prompt, words, self.tokens)

    @contextmanager
    def watch(self, at: Sequence[int], size: tuple[int, int]) -> Iterator[Maps]:
        """See `Reader`; the maps are of half of `size`.

        What the network answers stays the same to the bit: each layer that is read computes as before, by its own
        processor, and its queries and keys are multiplied once more, in chunks.
        """
        before = self.transformer.attn_processors
        maps = Maps(at, size)
        # Their names begin so; those of the layers of one stream begin with single_transformer_blocks.
        read = [name for name in before if name.startswith("transformer_blocks.")][-LAYERS:]
        with watched(self.transformer, {name: _Watching(before[name], maps) for name in read}, maps):
            yield maps


@dataclass(frozen=True)
class _Watching:
    """A processor of a layer of two streams that shows queries and keys, and computes by another."""

    inner: Any
    maps: Maps

    def __call__(
        self,
        attn: Any,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor,
        attention_mask: Tensor | None = None,
        image_rotary_emb: tuple[Tensor, Tensor] | None = None,
    ) -> tuple[Tensor, Tensor]:
        query, key = _queries_and_keys(attn, hidden_states, encoder_hidden_states, image_rotary_emb)
        self.maps.see_joint(query, key, query.shape[-1] ** -0.5)
        out: tuple[Tensor, Tensor] = self.inner(
            attn, hidden_states, encoder_hidden_states, attention_mask, image_rotary_emb
        )
        return out


def _queries_and_keys(
    attn: Any, image: Tensor, text: Tensor, turns: tuple[Tensor, Tensor] | None
) -> tuple[Tensor, Tensor]:
    """q of the picture's tokens and k of the text's and the picture's, each (rows, heads, tokens, width).

    `image` and `text` are (rows, tokens, width); `turns` are cosines and sines (text and picture tokens, width) of the
    rotary embedding.
    """
    from diffusers.models.embeddings import apply_rotary_emb

    query, key, words = (
        norm(project(x).unflatten(-1, (attn.heads, -1)))
        for norm, project, x in (
            (attn.norm_q, attn.to_q, image),
            (attn.norm_k, attn.to_k, image),
            (attn.norm_added_k, attn.add_k_proj, text),
        )
    )
    key = torch.cat([words, key], 1)
    if turns is not None:
        cos, sin = (each[text.shape[1] :] for each in turns)
        query = apply_rotary_emb(query, (cos, sin), sequence_dim=1)
        key = apply_rotary_emb(key, turns, sequence_dim=1)
    return query.transpose(1, 2), key.transpose(1, 2)
