"""The U-Net of Stable Diffusion, SDXL and DeepFloyd IF as a `Network`."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from alm_core.guidance import ClassifierFree, Embedding, Evaluate, Network, Unguided
from torch import Tensor

from alm_image.priors.pipeline import prepare_network, refuse_channels

__all__ = ["ConditionalUNet", "check_unet", "evaluators", "guided_by"]


@dataclass(frozen=True)
class ConditionalUNet:
    """`UNet2DConditionModel`. The embedding is the text's states (tokens, width), then, for SDXL, the pooled text
    (width,) and the sizes (6,).
    """

    unet: Any

    def __call__(self, x: Tensor, time: float, embedding: Embedding) -> Tensor:
        """See `Network`."""
        dtype = self.unet.dtype
        states, *more = (part.to(dtype) for part in embedding)
        added = dict(zip(("text_embeds", "time_ids"), more, strict=True)) if more else None
        when = torch.full((1,), time, device=x.device)  # made there: a number would be copied over at each call
        out: Tensor = self.unet(
            x.to(dtype), when, encoder_hidden_states=states, added_cond_kwargs=added, return_dict=False
        )[0]
        return out.to(x.dtype)


def check_unet(config: Mapping[str, Any], channels: int, family: str) -> None:
    """Raises ValueError for a U-Net made for something else than noisy states of so many channels, from its config."""
    refuse_channels(config["in_channels"], channels, family)
    if config.get("time_cond_proj_dim") is not None:
        raise ValueError(
            "this U-Net is distilled to few steps with its guidance inside (a latent consistency model), which has no "
            "score to complete with: give the model that it was distilled from"
        )


def evaluators(unet: Any, scale: float, attention: str | None) -> tuple[Evaluate, Evaluate]:
    """The network without and with classifier-free guidance; at scale 1 they are one, and cost one row."""
    prepare_network(unet, attention)
    return guided_by(ConditionalUNet(unet), scale)


def guided_by(network: Network, scale: float) -> tuple[Evaluate, Evaluate]:
    """Any network without and with classifier-free guidance; at scale 1 they are one."""
    plain = Unguided(network)
    return plain, plain if scale == 1 else ClassifierFree(network, scale)
