"""Stable Diffusion 1.x and 2.x and their fine-tunes: a VAE, one text encoder, a U-Net of ε- or v-prediction."""

from pathlib import Path

import torch
from alm_core.codec import VaeCodec
from alm_core.grid import grid_of
from alm_core.placement import Options

from alm_image.attention import UNetAttention
from alm_image.priors.conditional_unet import check_unet, evaluators
from alm_image.priors.files import component_config
from alm_image.priors.network import NetworkPrior
from alm_image.priors.pipeline import load_pipeline, place
from alm_image.priors.text import PipelineText

__all__ = ["load"]

GUIDANCE = 7.5
"""The scale of SyncSDE's and diffusers' examples with Stable Diffusion."""


def load(folder: Path, options: Options) -> NetworkPrior:
    """The prior of a Stable Diffusion folder. Raises ValueError."""
    unet, vae = (component_config(folder, name) for name in ("unet", "vae"))
    check_unet(unet, vae["latent_channels"], "Stable Diffusion")
    without = {"safety_checker": None, "feature_extractor": None, "requires_safety_checker": False}
    pipe = load_pipeline("StableDiffusionPipeline", folder, options, torch.float16, without)
    codec = VaeCodec(pipe.vae, options.device, tiling=options.vae_tiling)
    scale = options.scale(GUIDANCE)
    plain, guided = evaluators(pipe.unet, scale, options.attention)
    place(pipe, options)
    return NetworkPrior(
        plain=plain,
        guided=guided,
        grid=grid_of(pipe.scheduler),
        codec=codec,
        text=PipelineText(pipe, options.device),
        device=options.device,
        size=pipe.unet.config.sample_size * codec.factor,
        multiple=codec.factor,
        guidance=scale,
        attention=UNetAttention(pipe.unet, pipe.tokenizer),
    )
