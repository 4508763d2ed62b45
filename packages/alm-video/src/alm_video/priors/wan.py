"""Wan 2.1 and 2.2 text-to-video (arXiv 2503.20314): a rectified flow behind a causal VAE that shortens time by 4.

Wan 2.2 A14B has a second transformer for the levels below a boundary. TI2V-5B, given no picture, is told one time for
all tokens, so it runs as the others do.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from alm_core import ALM, Inversion, Level, Prediction, Schedule
from alm_core.guidance import Embedding
from alm_core.placement import Options
from torch import Tensor

from alm_video.priors import folders
from alm_video.priors.base import Defaults
from alm_video.priors.network import NetworkPrior
from alm_video.priors.text import UmtText
from alm_video.priors.wan_vae import WanCodec

__all__ = ["WanGrid", "WanNetwork", "load"]

GUIDANCE = 5.0
"""Wan 2.1's and TI2V-5B's own."""
GUIDANCE_OF_TWO = 4.0
"""What A14B's first transformer, which decides what is seen, was tuned for; its second alone would be given 3."""
WINDOW, STRIDE = 21, 10
"""Frames of the state: 81 of the video, and about half."""


@dataclass(frozen=True)
class WanNetwork:
    """`WanTransformer3DModel` as a `Network` that answers the velocity ε − x_0; the embedding is UMT5's states.

    `transformer` answers at times from `boundary` up, `second` below; `trained` is the number that stands for time 1.
    """

    transformer: Any
    second: Any = None
    boundary: float = 0.0
    trained: int = 1000

    def __call__(self, x: Tensor, time: float, embedding: Embedding) -> Tensor:
        """See `Network`."""
        transformer = self.transformer if time >= self.boundary else self.second
        out: Tensor = transformer(
            hidden_states=x.to(transformer.dtype),
            timestep=torch.full((len(x),), self.trained * time, device=x.device),
            encoder_hidden_states=embedding[0].to(transformer.dtype),
            return_dict=False,
        )[0]
        return out.to(x.dtype)


@dataclass(frozen=True)
class WanGrid:
    """A `Grid`: the levels of the folder's own scheduler, which shifts them by as much for every size."""

    scheduler: Any
    convert: Callable[[Tensor, Level, Tensor], Prediction] = Prediction.from_velocity

    def __post_init__(self) -> None:
        """Checks that it is a flow's. Raises ValueError."""
        config, name = self.scheduler.config, type(self.scheduler).__name__
        flow = name.startswith("FlowMatch") or (
            config.get("use_flow_sigmas") and config.get("prediction_type") == "flow_prediction"
        )
        odd = [key for key in ("use_dynamic_shifting", "invert_sigmas", "shift_terminal") if config.get(key)]
        if not flow or odd or config.get("final_sigmas_type", "zero") != "zero":
            raise ValueError(
                f"the scheduler {name}{f' with {odd[0]}' if odd else ''} is not supported: wanted "
                "FlowMatchEulerDiscreteScheduler, or UniPCMultistepScheduler with flow_prediction and use_flow_sigmas"
            )

    def schedule(self, steps: int, tokens: int) -> Schedule:
        """See `Grid`."""
        if steps < 1:
            raise ValueError(f"steps must be 1 or more, got {steps}")
        fresh = type(self.scheduler).from_config(self.scheduler.config)  # set_timesteps writes into its scheduler
        fresh.set_timesteps(steps)
        return Schedule.from_flow_times(fresh.sigmas.tolist())


def load(folder: Path, options: Options) -> NetworkPrior:
    """The prior of a WanPipeline folder; the VAE stays float32. Raises ValueError."""
    parts = [name for name in ("transformer", "transformer_2") if name in folders.classes(folder)]
    vae = folders.config(folder / "vae")
    for name in parts:
        folders.refuse_channels(folders.config(folder / name)["in_channels"], vae["z_dim"], folder / name)
    folders.check_tokenizer(folder / "tokenizer")
    dtype = {"default": options.narrow(torch.bfloat16), "vae": torch.float32}
    pipe = folders.load(folders.library().WanPipeline, folder, options, dtype)
    boundary = pipe.config.boundary_ratio or 0.0
    if boundary and len(parts) < 2:
        raise ValueError(f"{folder} has a boundary but not both transformers: wanted transformer and transformer_2")
    for name in parts:
        folders.choose_attention(getattr(pipe, name), options.attention)
    codec = WanCodec(pipe.vae, options.device, tiled=options.vae_tiling)
    grid = WanGrid(pipe.scheduler)
    folders.place([pipe.text_encoder, *(getattr(pipe, name) for name in parts), pipe.vae], options)
    patched = vae["patch_size"] is not None  # TI2V-5B, which makes larger and faster videos
    return NetworkPrior(
        network=WanNetwork(
            pipe.transformer, pipe.transformer_2, boundary, int(pipe.scheduler.config.num_train_timesteps)
        ),
        grid=grid,
        codec=codec,
        text=UmtText(pipe, options.device),
        device=options.device,
        size=(704, 1280) if patched else (480, 832),
        multiple=codec.factor * pipe.transformer.config.patch_size[-1],
        frames=31 if patched else WINDOW,
        fps=24.0 if patched else 16.0,
        guidance=options.scale(GUIDANCE_OF_TWO if boundary else GUIDANCE),
        defaults=Defaults(50, ALM(), Inversion(), window=31 if patched else WINDOW, stride=STRIDE),
    )
