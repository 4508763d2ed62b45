"""Stable Diffusion XL base and its fine-tunes: two text encoders, pooled text, and the sizes that it is told."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from alm_core.codec import VaeCodec
from alm_core.grid import grid_of
from alm_core.guidance import Condition
from alm_core.placement import Options

from alm_image.attention import UNetAttention
from alm_image.priors.conditional_unet import check_unet, evaluators
from alm_image.priors.files import component_classes, component_config
from alm_image.priors.network import NetworkPrior
from alm_image.priors.pipeline import load_pipeline, place

__all__ = ["load"]

GUIDANCE = 5.0
"""diffusers' own for SDXL."""


@dataclass(frozen=True)
class TwoTexts:
    """Both encoders' states, the second's pooled text, and (original, crop, target) sizes: a whole h × w picture."""

    pipe: Any
    device: torch.device

    @torch.no_grad()
    def __call__(self, prompt: str, negative_prompt: str, height: int, width: int) -> Condition:
        """See `ImagePrior.condition`. An empty negative prompt is zeros where the model's config asks for that."""
        positive, negative, pooled, negative_pooled = self.pipe.encode_prompt(
            prompt=prompt,
            device=self.device,
            num_images_per_prompt=1,
            do_classifier_free_guidance=True,
            negative_prompt=negative_prompt or None,
        )
        sizes = torch.tensor([height, width, 0, 0, height, width], dtype=pooled.dtype, device=self.device)
        return Condition((positive[0], pooled[0], sizes), (negative[0], negative_pooled[0], sizes))


def load(folder: Path, options: Options) -> NetworkPrior:
    """The prior of an SDXL folder. Raises ValueError."""
    if "text_encoder" not in component_classes(folder):
        raise ValueError(f"{folder} holds the SDXL refiner, which only ends what the base began: give the base model")
    unet, vae = (component_config(folder, name) for name in ("unet", "vae"))
    check_unet(unet, vae["latent_channels"], "SDXL")
    without = {"feature_extractor": None, "image_encoder": None, "add_watermarker": False}
    pipe = load_pipeline("StableDiffusionXLPipeline", folder, options, torch.float16, without)
    codec = VaeCodec(pipe.vae, options.device, tiling=options.vae_tiling)
    scale = options.scale(GUIDANCE)
    plain, guided = evaluators(pipe.unet, scale, options.attention)
    place(pipe, options)
    return NetworkPrior(
        plain=plain,
        guided=guided,
        grid=grid_of(pipe.scheduler),
        codec=codec,
        text=TwoTexts(pipe, options.device),
        device=options.device,
        size=pipe.unet.config.sample_size * codec.factor,
        multiple=codec.factor,
        guidance=scale,
        attention=UNetAttention(pipe.unet, pipe.tokenizer),
    )
