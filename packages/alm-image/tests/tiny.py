"""Tiny models with random weights, saved in the real on-disk formats. Every weight comes from a fixed seed."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from diffusers import (
    AutoencoderKL,
    DDIMScheduler,
    DDPMPipeline,
    DDPMScheduler,
    EulerDiscreteScheduler,
    FlowMatchEulerDiscreteScheduler,
    FluxPipeline,
    FluxTransformer2DModel,
    IFPipeline,
    IFSuperResolutionPipeline,
    PNDMScheduler,
    StableDiffusionPipeline,
    StableDiffusionXLPipeline,
    UNet2DConditionModel,
    UNet2DModel,
)
from diffusers.utils import logging as of_diffusers
from formula import state
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    CLIPTokenizer,
    T5Config,
    T5EncoderModel,
    T5Tokenizer,
    T5TokenizerFast,
)
from transformers.utils import logging as of_transformers

of_diffusers.disable_progress_bar()
of_transformers.disable_progress_bar()

HERE = Path(__file__).parent
NO_SAFETY = {"safety_checker": None, "feature_extractor": None, "requires_safety_checker": False}


def tokenizer(folder: Path) -> CLIPTokenizer:
    """A CLIP tokenizer over single letters: words come out as letters, so any two prompts differ."""
    letters = [chr(code) for code in range(33, 127)]
    tokens = [*letters, *(letter + "</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    vocab = {token: index for index, token in enumerate(tokens)}
    made = CLIPTokenizer(vocab=vocab, merges=[], model_max_length=77)
    made.save_pretrained(folder)
    return CLIPTokenizer.from_pretrained(folder)


def t5_tokenizer(folder: Path) -> T5TokenizerFast:
    """A T5 tokenizer over single letters."""
    letters = [(chr(code), -3.0) for code in range(97, 123)]
    special = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁", -2.0)]
    T5Tokenizer(vocab=special + letters, extra_ids=0, model_max_length=77).save_pretrained(folder)
    return T5TokenizerFast.from_pretrained(folder)


def t5(width: int = 32) -> T5EncoderModel:
    config = T5Config(vocab_size=30, d_model=width, d_kv=8, d_ff=16, num_layers=2, num_heads=2)
    return T5EncoderModel(config)


def clip_config(width: int = 16, **changes: int) -> CLIPTextConfig:
    return CLIPTextConfig(
        vocab_size=190,
        hidden_size=width,
        intermediate_size=2 * width,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=77,
        bos_token_id=188,
        eos_token_id=189,
        pad_token_id=189,
        projection_dim=width,
        **changes,
    )


def vae(
    latent_channels: int = 4, scaling: float = 0.18215, shift: float | None = None, **changes: object
) -> AutoencoderKL:
    """Four levels, as the real ones: a factor of 8."""
    torch.manual_seed(1)
    return AutoencoderKL(
        block_out_channels=(4, 4, 8, 8),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        latent_channels=latent_channels,
        norm_num_groups=2,
        sample_size=64,
        scaling_factor=scaling,
        **changes,
    )


def conditional_unet(channels: int = 4, width: int = 16, **changes: Any) -> UNet2DConditionModel:
    torch.manual_seed(2)
    settings = {
        "sample_size": 8,
        "in_channels": channels,
        "out_channels": channels,
        "block_out_channels": (8, 16),
        "layers_per_block": 1,
        "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D"),
        "up_block_types": ("CrossAttnUpBlock2D", "UpBlock2D"),
        "cross_attention_dim": width,
        "attention_head_dim": 2,
        "norm_num_groups": 2,
    }
    return UNet2DConditionModel(**{**settings, **changes})


def latent_scheduler(prediction: str = "epsilon") -> DDIMScheduler:
    """As Stable Diffusion's."""
    return DDIMScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        clip_sample=False,
        set_alpha_to_one=False,
        steps_offset=1,
        prediction_type=prediction,
    )


def stable_diffusion(folder: Path, *, scheduler: Any = None, in_channels: int = 4, **of_unet: Any) -> None:
    torch.manual_seed(0)
    StableDiffusionPipeline(
        vae=vae(),
        text_encoder=CLIPTextModel(clip_config()),
        tokenizer=tokenizer(folder / "tokenizer"),
        unet=conditional_unet(in_channels=in_channels, **of_unet),
        scheduler=scheduler or latent_scheduler(),
        image_encoder=None,
        **NO_SAFETY,
    ).save_pretrained(folder)


def sdxl(folder: Path, *, base: bool = True) -> None:
    """The base, or the refiner, which lacks the first encoder."""
    torch.manual_seed(0)
    both = 32 if base else 16
    StableDiffusionXLPipeline(
        vae=vae(scaling=0.13025, force_upcast=True),
        text_encoder=CLIPTextModel(clip_config()) if base else None,
        text_encoder_2=CLIPTextModelWithProjection(clip_config()),
        tokenizer=tokenizer(folder / "tokenizer") if base else None,
        tokenizer_2=tokenizer(folder / "tokenizer_2"),
        unet=conditional_unet(
            width=both,
            addition_embed_type="text_time",
            addition_time_embed_dim=8,
            projection_class_embeddings_input_dim=6 * 8 + 16,
        ),
        scheduler=EulerDiscreteScheduler(
            beta_start=0.00085,
            beta_end=0.012,
            beta_schedule="scaled_linear",
            timestep_spacing="leading",
            steps_offset=1,
        ),
        add_watermarker=False,
    ).save_pretrained(folder)


def flux(folder: Path, *, dev: bool, in_channels: int = 64) -> None:
    """dev, whose guidance is an embedding and whose shift grows with the picture; or schnell, with neither."""
    torch.manual_seed(0)
    FluxPipeline(
        vae=vae(16, 0.3611, shift_factor=0.1159),
        text_encoder=CLIPTextModel(clip_config()),
        tokenizer=tokenizer(folder / "tokenizer"),
        text_encoder_2=t5(),
        tokenizer_2=t5_tokenizer(folder / "tokenizer_2"),
        transformer=FluxTransformer2DModel(
            in_channels=in_channels,
            out_channels=64,
            num_layers=1,
            num_single_layers=1,
            attention_head_dim=16,
            num_attention_heads=2,
            joint_attention_dim=32,
            pooled_projection_dim=16,
            guidance_embeds=dev,
            axes_dims_rope=(4, 4, 8),
        ),
        scheduler=FlowMatchEulerDiscreteScheduler(shift=3.0 if dev else 1.0, use_dynamic_shifting=dev),
    ).save_pretrained(folder)


def floyd_unet(**changes: Any) -> UNet2DConditionModel:
    settings = {
        "width": 32,
        "out_channels": 6,
        "sample_size": 16,
        "down_block_types": ("ResnetDownsampleBlock2D", "SimpleCrossAttnDownBlock2D"),
        "mid_block_type": "UNetMidBlock2DSimpleCrossAttn",
        "up_block_types": ("SimpleCrossAttnUpBlock2D", "ResnetUpsampleBlock2D"),
        "encoder_hid_dim": 32,
        "attention_head_dim": 4,
        "addition_embed_type": "text",
        "addition_embed_type_num_heads": 2,
        "cross_attention_norm": "group_norm",
        "resnet_time_scale_shift": "scale_shift",
        "act_fn": "gelu",
    }
    return conditional_unet(**{**settings, **changes})


def floyd_scheduler() -> DDPMScheduler:
    return DDPMScheduler(
        beta_schedule="squaredcos_cap_v2",
        thresholding=True,
        dynamic_thresholding_ratio=0.95,
        sample_max_value=1.5,
        variance_type="learned_range",
    )


def deepfloyd(folder: Path, *, in_channels: int = 3) -> None:
    torch.manual_seed(0)
    IFPipeline(
        text_encoder=t5(),
        tokenizer=t5_tokenizer(folder / "tokenizer"),
        unet=floyd_unet(in_channels=in_channels),
        scheduler=floyd_scheduler(),
        watermarker=None,
        **NO_SAFETY,
    ).save_pretrained(folder)


def deepfloyd_super(folder: Path, *, text: bool = True, **of_unet: Any) -> None:
    """Stage II, which sees a small picture beside the noisy one, and how noisy the small one is."""
    torch.manual_seed(0)
    IFSuperResolutionPipeline(
        text_encoder=t5() if text else None,
        tokenizer=t5_tokenizer(folder / "tokenizer"),
        unet=floyd_unet(**{"in_channels": 6, "sample_size": 32, "class_embed_type": "timestep", **of_unet}),
        scheduler=floyd_scheduler(),
        image_noising_scheduler=DDPMScheduler(beta_schedule="squaredcos_cap_v2"),
        watermarker=None,
        **NO_SAFETY,
    ).save_pretrained(folder)


def pixel_unet(folder: Path, *, scheduler: Any = None, out_channels: int = 3, **changes: Any) -> None:
    torch.manual_seed(3)
    unet = UNet2DModel(
        sample_size=16,
        out_channels=out_channels,
        block_out_channels=(8, 16),
        layers_per_block=1,
        down_block_types=("DownBlock2D", "AttnDownBlock2D"),
        up_block_types=("AttnUpBlock2D", "UpBlock2D"),
        attention_head_dim=4,
        norm_num_groups=2,
        **changes,
    )
    DDPMPipeline(unet=unet, scheduler=scheduler or DDPMScheduler(clip_sample=False)).save_pretrained(folder)


def guided_diffusion(folder: Path, *, name: str = "as_repaint", config: str = "yml") -> None:
    """A `.pt` with its config beside it, of the shapes of the fixture."""
    fixture = json.loads((HERE / "fixtures" / "guided_diffusion.json").read_text(encoding="utf-8"))["tiny"][name]
    folder.mkdir()
    torch.save(state({key: tuple(shape) for key, shape in fixture["shapes"].items()}), folder / "tiny.pt")
    values = {**fixture["config"], "clip_denoised": False}
    if config == "json":
        (folder / "tiny.json").write_text(json.dumps(values), encoding="utf-8")
    else:
        lines = [f"{key}: {json.dumps(value)}" for key, value in values.items()]
        tail = ["data:", "  eval:", "    image_size: 999"]
        (folder / "tiny.yml").write_text("\n".join(["# as RePaint's", *lines, *tail]), encoding="utf-8")


FOLDERS: dict[str, Callable[[Path], None]] = {
    "stable_diffusion": stable_diffusion,
    "stable_diffusion_v": partial(
        stable_diffusion, scheduler=PNDMScheduler.from_config({**latent_scheduler("v_prediction").config})
    ),
    "inpainting": partial(stable_diffusion, in_channels=9),
    "distilled": partial(stable_diffusion, time_cond_proj_dim=4),
    "sdxl": sdxl,
    "refiner": partial(sdxl, base=False),
    "flux_dev": partial(flux, dev=True),
    "flux_schnell": partial(flux, dev=False),
    "flux_fill": partial(flux, dev=True, in_channels=384),
    "deepfloyd": deepfloyd,
    "deepfloyd_two": partial(deepfloyd, in_channels=6),
    "deepfloyd_super": deepfloyd_super,
    "deepfloyd_super_mute": partial(deepfloyd_super, text=False),
    "deepfloyd_super_plain": partial(deepfloyd_super, class_embed_type=None),
    "pixel_epsilon": pixel_unet,
    "pixel_v": partial(
        pixel_unet,
        scheduler=DDIMScheduler(prediction_type="v_prediction", clip_sample=False, timestep_spacing="trailing"),
    ),
    "pixel_x0": partial(
        pixel_unet,
        scheduler=DDPMScheduler(
            prediction_type="sample",
            clip_sample=False,
            beta_schedule="squaredcos_cap_v2",
            timestep_spacing="linspace",
        ),
    ),
    "pixel_variance": partial(
        pixel_unet, out_channels=6, scheduler=DDPMScheduler(variance_type="learned_range", clip_sample=True)
    ),
    "pixel_classes": partial(pixel_unet, num_class_embeds=5),
    "guided_diffusion": guided_diffusion,
    "guided_diffusion_classes": partial(guided_diffusion, name="all_else", config="json"),
}
"""Every tiny model by name: a function that saves it in a folder."""
