"""LaVie's networks small enough for a test."""

import functools
from typing import Any

import torch
from alm_video.priors.networks.lavie import LaVieConfig, LaVieUNet
from lavie_formula import noise, state
from torch import Tensor

__all__ = ["SD14", "SMALL", "TINY", "inputs", "network"]

torch.set_num_threads(1)  # so small a network is slower on several

SD14: dict[str, Any] = {
    "_class_name": "UNet2DConditionModel",
    "_diffusers_version": "0.2.2",
    "act_fn": "silu",
    "attention_head_dim": 8,
    "block_out_channels": [320, 640, 1280, 1280],
    "center_input_sample": False,
    "cross_attention_dim": 768,
    "down_block_types": ["CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"],
    "downsample_padding": 1,
    "flip_sin_to_cos": True,
    "freq_shift": 0,
    "in_channels": 4,
    "layers_per_block": 2,
    "mid_block_scale_factor": 1,
    "norm_eps": 1e-05,
    "norm_num_groups": 32,
    "out_channels": 4,
    "sample_size": 64,
    "up_block_types": ["UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"],
}
TINY = LaVieConfig(
    block_out_channels=(64, 96, 160),
    layers_per_block=1,
    cross_attention_dim=24,
    attention_head_dim=(2, 3, 4),
    norm_num_groups=8,
    norm_eps=0.03,
)
SMALL = LaVieConfig((32, 64), 1, 12, (1, 2), in_channels=3, out_channels=5, norm_num_groups=4)


@functools.cache
def network(config: LaVieConfig = SMALL) -> LaVieUNet:
    """By formula; made once, and changed by no test."""
    made = LaVieUNet(config).requires_grad_(False).eval()
    made.load_state_dict(state(made.state_dict()))
    return made


def inputs(rows: int = 2, frames: int = 7) -> tuple[Tensor, Tensor, Tensor]:
    """For `SMALL`, of odd height and width."""
    return noise((rows, 3, frames, 7, 6), 3), torch.tensor([981, 37, 400][:rows]), noise((rows, 4, 12), 4)
