"""Loads a diffusers pipeline for its parts: the loop is ours, the files' formats and text encoding are theirs."""

from collections.abc import Mapping
from pathlib import Path
from textwrap import shorten
from typing import Any

import torch
from alm_core.placement import Options

from alm_image.priors.extras import diffusers, dtype_keyword, quiet

__all__ = ["load_pipeline", "load_unet", "place", "prepare_network", "refuse_channels"]


def load_pipeline(name: str, folder: Path, options: Options, half: torch.dtype, overrides: Mapping[str, object]) -> Any:
    """The diffusers pipeline class `name` from a folder, frozen, on its device or offloaded.

    `overrides` replaces components (None leaves one out) and pipeline settings. Raises ValueError where the folder
    lacks a part.
    """
    settings = {**overrides, dtype_keyword(): options.narrow(half), "variant": options.variant}
    library = diffusers()
    with quiet():
        try:
            pipe = getattr(library, name).from_pretrained(folder, local_files_only=True, **settings)
        except (OSError, ValueError) as error:
            raise _unloadable(folder, options, error) from error
    for part in pipe.components.values():
        if isinstance(part, torch.nn.Module):
            part.requires_grad_(False).eval()
    return pipe


def place(pipe: Any, options: Options) -> None:
    """Moves the pipeline's networks to the device, or has each moved there while it is used."""
    if options.offload:
        pipe.enable_model_cpu_offload(device=options.device)
    else:
        pipe.to(options.device)


def load_unet(folder: Path, options: Options, half: torch.dtype) -> Any:
    """A bare `UNet2DModel` folder, frozen, on its device."""
    settings = {dtype_keyword(): options.narrow(half), "variant": options.variant}
    library = diffusers()
    with quiet():
        try:
            unet = library.UNet2DModel.from_pretrained(folder, local_files_only=True, **settings)
        except (OSError, ValueError) as error:
            raise _unloadable(folder, options, error) from error
    return unet.requires_grad_(False).eval().to(options.device)


def prepare_network(network: Any, attention: str | None) -> None:
    """Chooses how attention is computed: `slicing` for less memory, else one of diffusers' attention backends."""
    if attention == "slicing":
        if not hasattr(network, "set_attention_slice"):
            raise ValueError(f"attention='slicing' is not offered by {type(network).__name__}: leave attention out")
        network.set_attention_slice("auto")
    elif attention is not None:
        network.set_attention_backend(attention)


def refuse_channels(found: int, wanted: int, family: str) -> None:
    """Raises ValueError for a fine-tune whose network takes more than the noisy state: masks, depth, edges, pixels."""
    if found != wanted:
        kind = " (an inpainting fine-tune)" if found == 2 * wanted + 1 else ""
        raise ValueError(
            f"this {family} network takes {found} input channels{kind}, wanted {wanted}: completion needs no "
            "fine-tune, so give the text-to-image model that it was made from"
        )


def _unloadable(folder: Path, options: Options, error: Exception) -> ValueError:
    which = f" in variant {options.variant!r}" if options.variant else ""
    reason = shorten(str(error), 200, placeholder=" …")
    return ValueError(f"the model in {folder}{which} cannot be loaded: {reason}")
