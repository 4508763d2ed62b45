"""DeepFloyd IF, stage I: a 64-pixel model in pixel space with T5 text, whose variance channels are dropped."""

from pathlib import Path
from typing import Any

import torch
from alm_core.codec import PixelCodec
from alm_core.grid import grid_of
from alm_core.guidance import Evaluate
from alm_core.placement import Options

from alm_image.priors.bound import bound_of
from alm_image.priors.conditional_unet import check_unet, evaluators
from alm_image.priors.files import component_config
from alm_image.priors.network import NetworkPrior
from alm_image.priors.pipeline import load_pipeline, place
from alm_image.priors.text import PipelineText, Text

__all__ = ["WITHOUT", "load", "prior_of"]

GUIDANCE = 7.0
"""diffusers' own for IF; SyncSDE's ambiguous pictures use 10."""


WITHOUT = {"safety_checker": None, "feature_extractor": None, "watermarker": None, "requires_safety_checker": False}
"""Parts of the pipelines that are not loaded."""


def load(folder: Path, options: Options) -> NetworkPrior:
    """The prior of an IF stage I folder. Raises ValueError."""
    if options.vae_tiling:
        raise ValueError("DeepFloyd IF works in pixels and has no VAE to tile: leave vae_tiling out")
    check_unet(component_config(folder, "unet"), 3, "DeepFloyd IF stage I")
    pipe = load_pipeline("IFPipeline", folder, options, torch.bfloat16, WITHOUT)
    scale = options.scale(GUIDANCE)
    return prior_of(pipe, evaluators(pipe.unet, scale, options.attention), scale, pipe.unet.config.in_channels, options)


def prior_of(
    pipe: Any,
    evaluate: tuple[Evaluate, Evaluate],
    guidance: float,
    channels: int,
    options: Options,
    text: Text | None = None,
) -> NetworkPrior:
    """Either stage's prior, placed: its network plain and guided, of pictures of `channels`, with `text` or its own."""
    config = pipe.unet.config
    place(pipe, options)
    return NetworkPrior(
        plain=evaluate[0],
        guided=evaluate[1],
        grid=grid_of(pipe.scheduler),
        codec=PixelCodec(channels, options.device),
        text=text or PipelineText(pipe, options.device),
        device=options.device,
        size=config.sample_size,
        multiple=2 ** (len(config.block_out_channels) - 1),
        guidance=guidance,
        fixed_size=True,
        bound=bound_of(pipe.scheduler.config),
    )
