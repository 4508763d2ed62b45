"""Tiny Stable Diffusion and SDXL folders with their ControlNets, in the real formats, with random weights; and views.

Not `tiny.py`: all packages' tests run in one process, where that name is another package's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from alm_texture.camera import Camera, paper_views
from alm_texture.priors.base import View
from alm_texture.raster.base import Fragments
from diffusers import (
    AutoencoderKL,
    ControlNetModel,
    DDIMScheduler,
    EulerDiscreteScheduler,
    StableDiffusionPipeline,
    StableDiffusionXLPipeline,
    UNet2DConditionModel,
)
from diffusers.utils import logging
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

logging.disable_progress_bar()

NOISE = {
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "timestep_spacing": "leading",
    "steps_offset": 1,
}
XL = {"addition_embed_type": "text_time", "addition_time_embed_dim": 8, "projection_class_embeddings_input_dim": 64}
WIDTH = {False: 16, True: 32}
"""Of the text that the networks read, from one encoder and from two."""


def tokenizer(folder: Path) -> CLIPTokenizer:
    """Over single letters; made by hand, saved and read again, since CLIPTokenizer would fetch its own."""
    signs = [chr(code) for code in range(33, 127)]
    words = [*signs, *(f"{sign}</w>" for sign in signs), "<|startoftext|>", "<|endoftext|>"]
    vocab = {word: place for place, word in enumerate(words)}
    CLIPTokenizer(vocab=vocab, merges=[], model_max_length=77).save_pretrained(folder)
    return CLIPTokenizer.from_pretrained(folder)


def clip() -> CLIPTextConfig:
    sizes = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    ends = {"bos_token_id": 188, "eos_token_id": 189, "pad_token_id": 189}
    return CLIPTextConfig(vocab_size=190, max_position_embeddings=77, projection_dim=16, **sizes, **ends)


def vae(scaling: float) -> AutoencoderKL:
    torch.manual_seed(1)
    return AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        block_out_channels=(4, 4, 8, 8),
        norm_num_groups=2,
        sample_size=64,
        scaling_factor=scaling,
    )


def unet(*, two: bool, **changes: Any) -> UNet2DConditionModel:
    torch.manual_seed(2)
    of_blocks = {
        "block_out_channels": (8, 16),
        "down_block_types": ("CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D"),
        "attention_head_dim": 2,
        "layers_per_block": 1,
        "norm_num_groups": 2,
    }
    of_text = {"cross_attention_dim": WIDTH[two], **(XL if two else {})}
    return UNet2DConditionModel(**{"sample_size": 8, **of_blocks, **of_text, **changes})


def stable_diffusion(folder: Path, **of_unet: Any) -> None:
    torch.manual_seed(0)
    StableDiffusionPipeline(
        vae=vae(0.18215),
        text_encoder=CLIPTextModel(clip()),
        tokenizer=tokenizer(folder / "tokenizer"),
        unet=unet(two=False, **of_unet),
        scheduler=DDIMScheduler(**NOISE, clip_sample=False, set_alpha_to_one=False),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    ).save_pretrained(folder)


def sdxl(folder: Path, *, base: bool = True) -> None:
    """The base, or the refiner, which lacks the first encoder."""
    torch.manual_seed(0)
    StableDiffusionXLPipeline(
        vae=vae(0.13025),
        text_encoder=CLIPTextModel(clip()) if base else None,
        text_encoder_2=CLIPTextModelWithProjection(clip()),
        tokenizer=tokenizer(folder / "tokenizer") if base else None,
        tokenizer_2=tokenizer(folder / "tokenizer_2"),
        unet=unet(two=True),
        scheduler=EulerDiscreteScheduler(**NOISE),
        add_watermarker=False,
    ).save_pretrained(folder)


def controlnet(folder: Path, *, two: bool, **changes: Any) -> None:
    """As made from the U-Net, but for the convolutions that begin at zero or small: those would hide the depth."""
    made = ControlNetModel.from_unet(unet(two=two, **changes), conditioning_embedding_out_channels=(4, 4, 4, 4))
    torch.manual_seed(3)
    for weight in made.parameters():
        if not weight.any():
            torch.nn.init.normal_(weight, std=0.3)
    for weight in made.controlnet_cond_embedding.parameters():
        weight.data *= 4
    made.save_pretrained(folder)


FOLDERS: dict[str, Callable[[Path], None]] = {
    "sd": stable_diffusion,
    "sd_depth": partial(controlnet, two=False),
    "sdxl": sdxl,
    "sdxl_depth": partial(controlnet, two=True),
    "refiner": partial(sdxl, base=False),
    "inpainting": partial(stable_diffusion, in_channels=9),
    "distilled": partial(stable_diffusion, time_cond_proj_dim=4),
    "wide_depth": partial(controlnet, two=False, block_out_channels=(8, 32)),
}
"""Every tiny model by name: a function that saves it in a folder."""


def view(index: int, *, cameras: Sequence[Camera] | None = None, size: int = 64, seed: int = 0) -> View:
    """A view in which a random third of the pixels shows something at a random depth from 1 to 3."""
    rng = np.random.default_rng((seed, index))
    pixel = np.sort(rng.choice(size * size, size * size // 3, replace=False))
    depth = rng.uniform(1, 3, len(pixel)).astype(np.float32)
    return View(index, cameras or paper_views(), fragments(size, pixel, depth))


def fragments(size: int, pixel: np.ndarray, depth: np.ndarray) -> Fragments:
    """Of which the depth alone is read."""
    none = np.zeros((len(pixel), 3), np.float32)
    face = np.zeros(len(pixel), np.int32)
    return Fragments(size, size, pixel, face, none, none, none, np.asarray(depth, np.float32), none[:, 0])
