"""FLUX.1, dev and schnell: a rectified flow in 16-channel latents, whose guidance is distilled into the network.

The transformer reads 2 × 2 patches of latents as tokens; outside of it the state stays (rows, channels, h/8, w/8),
so that masks and windows mean places.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from alm_core import ALM, FixedNoise, Inversion
from alm_core.codec import VaeCodec
from alm_core.grid import grid_of
from alm_core.guidance import Condition, Embedding, Unguided
from alm_core.placement import Options
from torch import Tensor
from torch.nn.functional import pixel_shuffle, pixel_unshuffle

from alm_image.attention_flux import JointAttention
from alm_image.priors.base import Defaults
from alm_image.priors.files import component_config
from alm_image.priors.network import NetworkPrior
from alm_image.priors.pipeline import load_pipeline, place, prepare_network, refuse_channels

__all__ = ["load"]

GUIDANCE = 3.5
"""diffusers' own for FLUX.1-dev."""

PATCH = 2
"""Latents on a token's side; the transformer's input has PATCH² times the channels."""


@dataclass(frozen=True)
class FluxNetwork:
    """`FluxTransformer2DModel` as a `Network` that answers the velocity ε − x_0.

    The embedding is T5's states (tokens, width) and CLIP's pooled text (width,). `guidance` goes in as an embedding;
    None for a network that has none (schnell).
    """

    transformer: Any
    guidance: float | None

    def __call__(self, x: Tensor, time: float, embedding: Embedding) -> Tensor:
        """See `Network`."""
        dtype, (rows, _, height, width) = self.transformer.dtype, x.shape
        states, pooled = (part.to(dtype) for part in embedding)
        out: Tensor = self.transformer(
            hidden_states=pack(x.to(dtype)),
            timestep=torch.full((rows,), time, device=x.device),
            guidance=None if self.guidance is None else torch.full((rows,), self.guidance, device=x.device),
            pooled_projections=pooled,
            encoder_hidden_states=states,
            txt_ids=torch.zeros(states.shape[1], 3, device=x.device, dtype=dtype),
            img_ids=places(height // PATCH, width // PATCH, x.device, dtype),
            return_dict=False,
        )[0]
        return unpack(out.to(x.dtype), height, width)


@dataclass(frozen=True)
class FluxText:
    """T5 and CLIP by the pipeline's `encode_prompt`; there is no negative branch."""

    pipe: Any
    device: torch.device
    tokens: int

    @torch.no_grad()
    def __call__(self, prompt: str, negative_prompt: str, height: int, width: int) -> Condition:
        """See `ImagePrior.condition`."""
        if negative_prompt:
            raise ValueError(
                f"FLUX has its guidance distilled into it and takes no negative prompt, got {negative_prompt!r}: "
                "leave it out"
            )
        states, pooled, _ = self.pipe.encode_prompt(
            prompt=prompt, device=self.device, num_images_per_prompt=1, max_sequence_length=self.tokens
        )
        return Condition((states[0], pooled[0]))


def load(folder: Path, options: Options) -> NetworkPrior:
    """The prior of a FLUX.1 folder. Raises ValueError."""
    config, vae = (component_config(folder, name) for name in ("transformer", "vae"))
    distilled = bool(config["guidance_embeds"])
    refuse_channels(config["in_channels"], PATCH**2 * vae["latent_channels"], "FLUX")
    if not distilled and options.guidance not in (None, 1):
        raise ValueError(f"this FLUX model (schnell) has no guidance, got {options.guidance}: leave guidance out")
    without = {"image_encoder": None, "feature_extractor": None}
    pipe = load_pipeline("FluxPipeline", folder, options, torch.bfloat16, without)
    transformer = pipe.transformer
    prepare_network(transformer, options.attention)
    codec = VaeCodec(pipe.vae, options.device, tiling=options.vae_tiling)
    place(pipe, options)
    scale, tokens = options.scale(GUIDANCE) if distilled else 1.0, 512 if distilled else 256
    plain = Unguided(FluxNetwork(transformer, 1.0 if distilled else None))
    return NetworkPrior(
        plain=plain,
        guided=Unguided(FluxNetwork(transformer, scale)) if distilled else plain,
        grid=grid_of(pipe.scheduler),
        codec=codec,
        text=FluxText(pipe, options.device, tokens),
        device=options.device,
        size=pipe.default_sample_size * codec.factor,
        multiple=PATCH * codec.factor,
        guidance=scale,
        defaults=Defaults(50, ALM(), Inversion()) if distilled else Defaults(4, ALM(), FixedNoise()),
        attention=JointAttention(transformer, pipe.tokenizer_2, tokens),
    )


def pack(x: Tensor) -> Tensor:
    """(rows, c, h, w) → (rows, h/2 · w/2, 4 c): one token a patch, channels outermost in it."""
    return pixel_unshuffle(x, PATCH).flatten(2).transpose(1, 2)


def unpack(tokens: Tensor, height: int, width: int) -> Tensor:
    """The inverse of `pack`."""
    grid = tokens.transpose(1, 2).reshape(len(tokens), -1, height // PATCH, width // PATCH)
    return pixel_shuffle(grid, PATCH)


def places(height: int, width: int, device: torch.device, dtype: torch.dtype) -> Tensor:
    """(height · width, 3): 0, row and column of every token, for the rotary embedding."""
    rows = torch.arange(height, device=device, dtype=dtype).view(-1, 1).expand(height, width)
    columns = torch.arange(width, device=device, dtype=dtype).expand(height, width)
    return torch.stack([torch.zeros_like(rows), rows, columns], dim=-1).reshape(-1, 3)
