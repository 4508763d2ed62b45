"""AnimateDiff (ICLR 2024): Stable Diffusion 1.5 and its fine-tunes with motion modules between their layers."""

import copy
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from alm_core import ALM, Inversion
from alm_core.grid import grid_of
from alm_core.guidance import Embedding
from alm_core.placement import Options
from torch import Tensor

from alm_video.priors import folders
from alm_video.priors.base import Defaults
from alm_video.priors.network import FrameCodec, NetworkPrior
from alm_video.priors.networks.lavie.temporal import shares, spans
from alm_video.priors.text import ClipText

__all__ = ["MotionNetwork", "WindowedBlock", "load", "windowed"]

GUIDANCE = 7.5
"""diffusers' own for AnimateDiff."""
FRAMES, FPS = 16, 8.0
UNUSED = {"feature_extractor": None, "image_encoder": None}
TRAINED = {"beta_schedule": "linear", "timestep_spacing": "linspace", "steps_offset": 1, "clip_sample": False}
"""What the motion modules were trained with; a picture model's own scheduler has scaled_linear betas."""


@dataclass(frozen=True)
class MotionNetwork:
    """`UNetMotionModel` as a `Network`; the embedding is CLIP's states, the same for every frame."""

    unet: Any

    def __call__(self, x: Tensor, time: float, embedding: Embedding) -> Tensor:
        """See `Network`."""
        states = embedding[0].to(self.unet.dtype).repeat_interleave(x.shape[2], dim=0)
        out: Tensor = self.unet(x.to(self.unet.dtype), time, encoder_hidden_states=states, return_dict=False)[0]
        return out.to(x.dtype)


class WindowedBlock(torch.nn.Module):
    """A motion block whose attention is taken over windows of the frames; shares the block's weights.

    Where windows overlap their results are mixed with weights that fall from the middle of each, as FreeNoise does.
    """

    def __init__(self, block: Any, window: int, stride: int) -> None:
        super().__init__()
        self.block, self.window, self.stride = block, window, stride

    def forward(self, hidden_states: Tensor, **unused: object) -> Tensor:
        """Takes (places, frames, channels) to the same; motion blocks are told nothing else."""
        block, frames, window = self.block, hidden_states.shape[1], self.window
        if frames <= window:
            whole: Tensor = block(hidden_states)
            return whole
        windows, mixed = (window, self.stride), torch.zeros_like(hidden_states)
        for (start, stop), share in zip(spans(frames, windows), shares(frames, windows), strict=True):
            part = self._attend(hidden_states[:, start:stop])
            mixed[:, start:stop] += torch.tensor(share, dtype=part.dtype, device=part.device)[:, None] * part
        out: Tensor = mixed + block.ff(block.norm3(mixed))
        return out

    def _attend(self, x: Tensor) -> Tensor:
        """Both attentions of the block; the second, where there is one, is over the frames too."""
        block = self.block
        place = block.pos_embed or torch.nn.Identity()
        x = x + block.attn1(place(block.norm1(x)))
        y: Tensor = x if block.attn2 is None else x + block.attn2(place(block.norm2(x)))
        return y


def load(folder: Path, adapter: Path | None, options: Options) -> NetworkPrior:
    """The prior of an AnimateDiffPipeline folder, or of a Stable Diffusion 1.x folder and a MotionAdapter's.

    The whole pipeline brings its scheduler; with an `adapter` the levels are those that motion modules were trained
    with, whatever the picture model's scheduler. Raises ValueError.
    """
    unet, vae = (folders.config(folder / name) for name in ("unet", "vae"))
    folders.refuse_channels(unet["in_channels"], vae["latent_channels"], folder / "unet")
    folders.check_tokenizer(folder / "tokenizer")
    dtype, pipeline = options.narrow(torch.float16), folders.library().AnimateDiffPipeline
    motion = None if adapter is None else _motion(adapter, unet, options, dtype)
    pipe = folders.load(pipeline, folder, options, dtype, motion_adapter=motion, **UNUSED)
    pipe.motion_adapter = None  # the U-Net has copies of its weights
    scheduler = pipe.scheduler
    if motion is not None:
        scheduler = folders.library().DDIMScheduler.from_config(scheduler.config, **TRAINED)
    folders.choose_attention(pipe.unet, options.attention)
    codec = folders.picture_codec(pipe.vae, options)
    grid = grid_of(scheduler)
    folders.place([pipe.text_encoder, pipe.unet, pipe.vae], options)
    side = int(pipe.unet.config.sample_size or 64) * codec.factor
    longest = int(pipe.unet.config.motion_max_seq_length)
    frames = min(FRAMES, longest)
    return NetworkPrior(
        network=MotionNetwork(pipe.unet),
        grid=grid,
        codec=FrameCodec(codec),
        text=ClipText(pipe, options.device),
        device=options.device,
        size=(side, side),
        multiple=codec.factor,
        frames=frames,
        fps=FPS,
        guidance=options.scale(GUIDANCE),
        defaults=Defaults(50, ALM(), Inversion(), window=frames, stride=frames // 2),
        fusible=_fusible(pipe.unet, longest),
    )


def windowed(unet: Any, window: int, stride: int) -> Any:
    """The U-Net with windowed motion blocks; `unet` stays as it is.

    Whatever has no motion block in it is the same object in both, so that weights are there once and move together.
    """
    blocks = [
        name
        for name, part in unet.named_modules()
        if ".motion_modules." in name and name.rpartition(".")[0].endswith(".transformer_blocks")
    ]
    above = {name[:end] for name in blocks for end in (0, *(at for at, letter in enumerate(name) if letter == "."))}
    shared: dict[int, Any] = {id(part): part for name, part in unet.named_modules() if name not in above}
    hook = getattr(unet, "_hf_hook", None)  # of offloading, which knows the other networks too
    other = copy.deepcopy(unet, {**shared, id(hook): hook})
    for name in blocks:
        parent, _, index = name.rpartition(".")
        other.get_submodule(parent)[int(index)] = WindowedBlock(unet.get_submodule(name), window, stride)
    return other


def _fusible(unet: Any, longest: int) -> Callable[[int, int], MotionNetwork]:
    def fused(window: int, stride: int) -> MotionNetwork:
        if not 1 <= stride <= window <= longest:
            raise ValueError(
                f"windows must be of 1 to {longest} frames, and the stride no longer than they are: "
                f"got a window of {window} and a stride of {stride}"
            )
        return MotionNetwork(windowed(unet, window, stride))

    return fused


def _motion(adapter: Path, unet: folders.Config, options: Options, dtype: torch.dtype) -> Any:
    """The MotionAdapter, refused by its config where it does not belong to the U-Net. Raises ValueError."""
    config = folders.config(adapter)
    if config["_class_name"] != "MotionAdapter":
        raise ValueError(f"{adapter} holds a {config['_class_name']}: wanted a MotionAdapter of diffusers")
    if config["conv_in_channels"]:
        raise ValueError(
            f"the motion adapter in {adapter} wants a picture to start from ({config['conv_in_channels']} channels, "
            "as PIA's): give one of AnimateDiff's own"
        )
    for key in ("block_out_channels", "layers_per_block"):
        found, wanted = config.get(f"motion_{key}", config.get(key)), unet[key]
        if found != wanted:
            raise ValueError(
                f"the motion adapter in {adapter} was made for another model: its {key} is {found}, the U-Net's "
                f"{wanted}; give an adapter of the family of the model (v1-5 adapters for Stable Diffusion 1.5)"
            )
    has = any(adapter.glob(f"*.{options.variant}.*"))
    options = replace(options, variant=options.variant if has else None)
    return folders.load(folders.library().MotionAdapter, adapter, options, dtype)
