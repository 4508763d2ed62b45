"""From names to a prior: the view's own pixels, or a model and its depth ControlNet."""

from collections.abc import Sequence
from pathlib import Path

import torch
from alm_core.placement import Options, as_device, as_dtype
from torch import Tensor

from alm_texture.priors import controlnet_depth
from alm_texture.priors.base import ViewPrior
from alm_texture.priors.exemplar import Exemplar
from alm_texture.priors.folders import local

__all__ = ["load_prior"]


def load_prior(
    model: str | Path,
    *,
    controlnet: str | Path | None = None,
    device: str | torch.device = "cpu",
    dtype: str | torch.dtype | None = None,
    variant: str | None = None,
    cross_view: bool = True,
    guidance: float | None = None,
    offload: bool = False,
    vae_tiling: bool = False,
    attention: str | None = None,
    examples: Sequence[Tensor] = (),
) -> ViewPrior:
    """The prior of a Stable Diffusion or SDXL folder or hub id, or `"exemplar"`, made from `examples`.

    `controlnet` is the folder or id of the model's depth ControlNet; None is the model's own `controlnet/`, where it
    has one. `dtype` is float32 by default on a CPU and float16 elsewhere. `variant` picks weights such as fp16, the
    ControlNet's where it has them. `guidance` is the scale, None for the family's usual one; 1 costs half. `offload`
    keeps each part in main memory until it is used; `vae_tiling` decodes in tiles; `attention` is `"slicing"` or an
    attention backend of diffusers. With `cross_view` the views of a batch read each other, which costs about three
    times the memory in attention.

    Raises FileNotFoundError where there is no such model, ValueError where it, its ControlNet or an option does not
    fit, ImportError where diffusers is missing.
    """
    options = Options(as_device(device), as_dtype(dtype), variant, guidance, offload, vae_tiling, attention)
    if str(model) == "exemplar":
        return Exemplar(examples=tuple(examples), device=options.device)
    folder = local(model, variant, whole=True)
    if controlnet is None and not (folder / "controlnet").is_dir():
        raise ValueError(
            f"{model} is told the shape of the mesh by a ControlNet, and none is given: give controlnet, the folder "
            "or hub id of a depth ControlNet made for it"
        )
    beside = folder / "controlnet" if controlnet is None else local(controlnet, variant, whole=False)
    return controlnet_depth.load(folder, beside, options, cross_view=cross_view)
