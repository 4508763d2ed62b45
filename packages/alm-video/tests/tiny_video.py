"""Tiny video models with random weights, saved as the real ones are; each is made once in a run, on first use."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import Any

import torch
from alm_core import Independent, Noise, sample
from alm_video.priors import load_prior
from alm_video.priors.network import NetworkPrior
from alm_video.priors.networks.lavie import LaVieConfig, LaVieUNet
from diffusers import (
    AnimateDiffPipeline,
    AutoencoderKL,
    AutoencoderKLWan,
    DDIMScheduler,
    FlowMatchEulerDiscreteScheduler,
    MotionAdapter,
    PNDMScheduler,
    StableDiffusionPipeline,
    UNet2DConditionModel,
    UniPCMultistepScheduler,
    WanPipeline,
    WanTransformer3DModel,
)
from diffusers.utils import logging as of_diffusers
from torch import Tensor
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTokenizer,
    T5Tokenizer,
    T5TokenizerFast,
    UMT5Config,
    UMT5EncoderModel,
)
from transformers.utils import logging as of_transformers

of_diffusers.disable_progress_bar()
of_transformers.disable_progress_bar()

WIDTHS = (8, 16)
"""Channels of the tiny U-Nets."""
UNUSED = {"safety_checker": None, "feature_extractor": None, "requires_safety_checker": False}
WITHIN = "stable-diffusion-v1-4"
FLOW = {"prediction_type": "flow_prediction", "use_flow_sigmas": True, "flow_shift": 3.0}
"""What Wan's own scheduler is told."""


def clip(width: int = 16) -> CLIPTextModel:
    return CLIPTextModel(
        CLIPTextConfig(
            vocab_size=190,
            hidden_size=width,
            intermediate_size=2 * width,
            num_hidden_layers=2,
            num_attention_heads=2,
            max_position_embeddings=77,
            bos_token_id=188,
            eos_token_id=189,
            pad_token_id=189,
        )
    )


def clip_tokenizer(folder: Path) -> CLIPTokenizer:
    """Over single letters, so that any two prompts differ."""
    letters = [chr(code) for code in range(33, 127)]
    tokens = [*letters, *(letter + "</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    vocab = {token: index for index, token in enumerate(tokens)}
    CLIPTokenizer(vocab=vocab, merges=[], model_max_length=77).save_pretrained(folder)
    return CLIPTokenizer.from_pretrained(folder)


def t5_tokenizer(folder: Path) -> T5TokenizerFast:
    """Over single letters."""
    letters = [(chr(code), -3.0) for code in range(97, 123)]
    special = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁", -2.0)]
    T5Tokenizer(vocab=special + letters, extra_ids=0, model_max_length=512).save_pretrained(folder)
    return T5TokenizerFast.from_pretrained(folder)


def picture_vae() -> AutoencoderKL:
    """Four levels, as the real one: a factor of 8."""
    return AutoencoderKL(
        block_out_channels=(4, 4, 8, 8),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        latent_channels=4,
        norm_num_groups=2,
        sample_size=64,
        scaling_factor=0.18215,
    )


def stable_diffusion(folder: Path, **of_unet: object) -> None:
    """With the scheduler of Stable Diffusion 1.4 and 1.5."""
    torch.manual_seed(0)
    settings = {
        "sample_size": 8,
        "block_out_channels": WIDTHS,
        "layers_per_block": 1,
        "down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D"),
        "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D"),
        "cross_attention_dim": 16,
        "attention_head_dim": 2,
        "norm_num_groups": 2,
    }
    unet = UNet2DConditionModel(**{**settings, **of_unet})
    scheduler = PNDMScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        skip_prk_steps=True,
        set_alpha_to_one=False,
        steps_offset=1,
    )
    StableDiffusionPipeline(
        vae=picture_vae(),
        text_encoder=clip(),
        tokenizer=clip_tokenizer(folder / "tokenizer"),
        unet=unet,
        scheduler=scheduler,
        image_encoder=None,
        **UNUSED,
    ).save_pretrained(folder)


def lavie(target: Path, *, ema: bool = True, within: bool = False) -> None:
    """lavie_base.pt in a folder of Stable Diffusion's, or beside one as in the public repository."""
    stable_diffusion(target / WITHIN if within else target, block_out_channels=(32, 64), attention_head_dim=1)
    torch.manual_seed(6)
    config = LaVieConfig((32, 64), layers_per_block=1, cross_attention_dim=16, attention_head_dim=1, norm_num_groups=2)
    state = LaVieUNet(config).state_dict()
    torch.save({"ema": state} if ema else state, target / "lavie_base.pt")


def adapter(**changes: object) -> MotionAdapter:
    """Its output layers are random too, where real training began from 0."""
    torch.manual_seed(1)
    settings = {
        "block_out_channels": WIDTHS,
        "motion_layers_per_block": 1,
        "motion_num_attention_heads": 2,
        "motion_norm_num_groups": 2,
        "motion_max_seq_length": 24,
    }
    return MotionAdapter(**{**settings, **changes})


def motion_adapter(folder: Path, **changes: object) -> None:
    adapter(**changes).save_pretrained(folder)


def animatediff(target: Path) -> None:
    """A whole pipeline, with a leading grid, so that diffusers' own steps fall on it too."""
    pipe = AnimateDiffPipeline.from_pretrained(
        folder("stable_diffusion"),
        motion_adapter=adapter(),
        scheduler=DDIMScheduler(
            beta_start=0.00085, beta_end=0.012, beta_schedule="linear", clip_sample=False, steps_offset=1
        ),
    )
    pipe.save_pretrained(target)


def wan_transformer(channels: int = 16, seed: int = 2, **changes: object) -> WanTransformer3DModel:
    torch.manual_seed(seed)
    settings = {
        "num_attention_heads": 2,
        "attention_head_dim": 12,
        "in_channels": channels,
        "out_channels": min(channels, 48),
        "text_dim": 32,
        "freq_dim": 32,
        "ffn_dim": 32,
        "num_layers": 2,
        "rope_max_seq_len": 32,
    }
    made = WanTransformer3DModel(**{**settings, **changes})
    with torch.no_grad():  # so that a prompt has its say, as it does not among random weights
        for block in made.blocks:
            block.attn2.to_out[0].weight *= 20
    return made


def wan_vae(channels: int = 16, **changes: object) -> AutoencoderKLWan:
    torch.manual_seed(3)
    settings = {
        "base_dim": 3,
        "z_dim": channels,
        "dim_mult": [1, 1, 1, 1],
        "num_res_blocks": 1,
        "latents_mean": [0.05 * index - 0.3 for index in range(channels)],
        "latents_std": [0.5 + 0.1 * index for index in range(channels)],
    }
    return AutoencoderKLWan(**{**settings, **changes})


def wan(
    folder: Path, *, channels: int = 16, in_channels: int | None = None, kind: str = "2.1", scheduler: str = "unipc"
) -> None:
    """Wan 2.1; 2.2 A14B, which has a second transformer below its boundary; or 2.2 TI2V, whose VAE has patches."""
    both = kind == "A14B"
    of_vae = (
        {"is_residual": True, "patch_size": 2, "scale_factor_spatial": 16, "in_channels": 12, "out_channels": 12}
        if kind == "TI2V"
        else {}
    )
    torch.manual_seed(4)
    encoder = UMT5EncoderModel(UMT5Config(vocab_size=30, d_model=32, d_kv=8, d_ff=16, num_layers=2, num_heads=2))
    WanPipeline(
        tokenizer=t5_tokenizer(folder / "tokenizer"),
        text_encoder=encoder,
        vae=wan_vae(channels, **of_vae),
        scheduler=UniPCMultistepScheduler(**FLOW)
        if scheduler == "unipc"
        else FlowMatchEulerDiscreteScheduler(shift=5.0),
        transformer=wan_transformer(in_channels or channels),
        transformer_2=wan_transformer(channels, 5) if both else None,
        boundary_ratio=0.875 if both else None,
        expand_timesteps=kind == "TI2V",
    ).save_pretrained(folder)


MAKERS: dict[str, Callable[[Path], None]] = {
    "stable_diffusion": stable_diffusion,
    "inpainting": partial(stable_diffusion, in_channels=9),
    "lavie": lavie,
    "lavie_beside": partial(lavie, ema=False, within=True),
    "motion_adapter": motion_adapter,
    "wider_adapter": partial(motion_adapter, block_out_channels=(8, 32)),
    "deeper_adapter": partial(motion_adapter, motion_layers_per_block=2),
    "pia_adapter": partial(motion_adapter, conv_in_channels=9),
    "animatediff": animatediff,
    "wan": wan,
    "wan_euler": partial(wan, scheduler="euler"),
    "wan_two": partial(wan, kind="A14B", scheduler="euler"),
    "wan_patches": partial(wan, kind="TI2V", channels=48, scheduler="euler"),
    "wan_image_to_video": partial(wan, in_channels=36),
}
"""Every tiny model by name: a function that saves it in a folder."""

PARTS = {"stable_diffusion": {"motion_adapter": "motion_adapter"}}
"""Which other tiny models a model is loaded with."""

_ROOT = tempfile.TemporaryDirectory(prefix="alm-video-tiny-")


@cache
def folder(name: str) -> Path:
    """Where the model of that name in `MAKERS` lies. Read it only."""
    state = torch.get_rng_state()
    path = Path(_ROOT.name) / name
    MAKERS[name](path)
    torch.set_rng_state(state)
    return path


@cache
def prior(name: str) -> NetworkPrior:
    """The prior of a tiny model, loaded once; it cannot be changed."""
    return load(name)


def load(name: str, **options: Any) -> NetworkPrior:
    """The prior of a tiny model, with options."""
    parts = {key: folder(other) for key, other in PARTS.get(name, {}).items()}
    made = load_prior(folder(name), **parts, **options)
    assert isinstance(made, NetworkPrior)
    return made


def state(made: NetworkPrior, rows: int = 1, frames: int = 4, seed: int = 4, cells: int = 2) -> Tensor:
    """Noise as `sample` begins with it: `cells` of the network's on each side."""
    channels, height, width = made.state_shape(cells * made.multiple, cells * made.multiple)
    return Noise.batch(seed, rows).draw((channels, frames, height, width), 0)


def run(made: NetworkPrior, frames: int, steps: int, prompt: str, negative_prompt: str) -> Tensor:
    """Our loop with nothing given, from `state(made, frames=frames, seed=7)`."""
    side = 2 * made.multiple
    return sample(
        made,
        made.schedule(steps, side, side, frames),
        noise=Noise.batch(7, 1),
        shape=tuple(state(made, frames=frames).shape[1:]),
        method=Independent(),
        conditions=(made.condition(prompt, negative_prompt),),
    )
