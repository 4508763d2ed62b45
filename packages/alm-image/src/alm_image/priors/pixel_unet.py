"""Unconditional pixel models: any `UNet2DModel` of diffusers, of ε-, v- or x_0-prediction."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from alm_core.codec import PixelCodec
from alm_core.grid import grid_of
from alm_core.guidance import Embedding, Unguided
from alm_core.placement import Options
from torch import Tensor

from alm_image.priors.bound import bound_of
from alm_image.priors.extras import diffusers
from alm_image.priors.files import component, component_config, read_json
from alm_image.priors.network import NetworkPrior
from alm_image.priors.pipeline import load_unet, prepare_network, refuse_channels
from alm_image.priors.text import ClassText, NoText

__all__ = ["load"]


@dataclass(frozen=True)
class PixelNetwork:
    """`UNet2DModel` as a `Network`; the embedding is empty, or a class label."""

    unet: Any

    def __call__(self, x: Tensor, time: float, embedding: Embedding) -> Tensor:
        """See `Network`."""
        label = embedding[0] if embedding else None
        when = torch.full((1,), time, device=x.device)  # made there: a number would be copied over at each call
        out: Tensor = self.unet(x.to(self.unet.dtype), when, class_labels=label, return_dict=False)[0]
        return out.to(x.dtype)


def load(folder: Path, options: Options) -> NetworkPrior:
    """The prior of a folder with a U-Net (in `unet/` or at the root) and a scheduler config. Raises ValueError."""
    options.check_single("pixel U-Net")
    scheduler = _scheduler(folder)
    grid = grid_of(scheduler)
    refuse_channels(component_config(folder, "unet")["in_channels"], 3, "pixel U-Net")
    unet = load_unet(component(folder, "unet"), options, torch.float32)
    config = unet.config
    prepare_network(unet, options.attention)
    network = Unguided(PixelNetwork(unet))
    size = config.sample_size
    if not isinstance(size, int):
        raise ValueError(f"the U-Net's sample_size must be one number for square pictures, got {size}")
    return NetworkPrior(
        plain=network,
        guided=network,
        grid=grid,
        codec=PixelCodec(config.in_channels, options.device),
        text=ClassText(config.num_class_embeds, options.device) if config.num_class_embeds else NoText("pixel U-Net"),
        device=options.device,
        size=size,
        multiple=2 ** (len(config.block_out_channels) - 1),
        fixed_size=True,
        bound=bound_of(scheduler.config),
    )


def _scheduler(folder: Path) -> Any:
    path = component(folder, "scheduler") / "scheduler_config.json"
    if not path.is_file():
        raise ValueError(
            f"{folder} has no scheduler config, so its noise levels are not known: add scheduler/scheduler_config.json "
            "as the model's authors give it"
        )
    config = read_json(path)
    cls = getattr(diffusers(), str(config.get("_class_name", "DDPMScheduler")), None)
    if cls is None:
        raise ValueError(
            f"{path} names the scheduler {config['_class_name']!r}: wanted one of diffusers', as DDIMScheduler"
        )
    return cls.from_config(config)
