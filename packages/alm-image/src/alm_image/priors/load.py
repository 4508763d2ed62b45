"""From an id or a path to a prior: the files say which family it is."""

from collections.abc import Callable
from importlib import import_module
from importlib.resources import files
from pathlib import Path

import torch
from alm_core.placement import Options, as_device, as_dtype

from alm_image.priors.base import ImagePrior
from alm_image.priors.examples import Examples
from alm_image.priors.exemplar import Exemplar
from alm_image.priors.files import component_classes, local_folder
from alm_image.priors.network import NetworkPrior

__all__ = ["FAMILIES", "family_of", "load_prior"]

FAMILIES = {
    "stable_diffusion": "Stable Diffusion 1.x and 2.x",
    "sdxl": "Stable Diffusion XL base",
    "flux": "FLUX.1 dev and schnell",
    "deepfloyd": "DeepFloyd IF stage I",
    "pixel_unet": "a pixel UNet2DModel with its scheduler",
    "guided_diffusion": "a guided-diffusion .pt checkpoint with its yaml or json config",
}
"""The families: the module's name in this package, and what it loads."""
WEIGHTLESS: dict[str, Callable[[Options], ImagePrior]] = {
    "exemplar": Exemplar.from_options,
    "examples": Examples.from_options,
}
"""Priors that are made from pictures."""


def load_prior(
    id_or_path: str | Path,
    *,
    device: str | torch.device = "cpu",
    dtype: str | torch.dtype | None = None,
    variant: str | None = None,
    guidance: float | None = None,
    offload: bool = False,
    vae_tiling: bool = False,
    attention: str | None = None,
) -> ImagePrior:
    """The prior of a model folder, a guided-diffusion `.pt`, a hub id, `"emoji"`, the small one that is shipped,
    `"exemplar"`, the picture's own patches, or `"examples"`, the patches of pictures that stand for prompts.

    `dtype` of the network: float32 by default on a CPU, the family's usual half precision elsewhere. `variant` picks
    weights such as fp16 in a folder that holds several. `guidance` is the scale, None for the family's usual one;
    1 costs half. `offload` keeps each part in main memory until it is used; `vae_tiling` decodes in tiles, for large
    pictures; `attention` is `"slicing"` or an attention backend of diffusers.

    Raises FileNotFoundError where there is no such model, ValueError where it or an option does not fit, ImportError
    where diffusers is missing.
    """
    options = Options(
        device=as_device(device),
        dtype=as_dtype(dtype),
        variant=variant,
        guidance=guidance,
        offload=offload,
        vae_tiling=vae_tiling,
        attention=attention,
    )
    if str(id_or_path) in WEIGHTLESS:
        return WEIGHTLESS[str(id_or_path)](options)
    path = _shipped(str(id_or_path)) or local_folder(id_or_path, variant)
    load: Callable[[Path, Options], NetworkPrior] = import_module(f"alm_image.priors.{family_of(path)}").load
    return load(path, options)


def family_of(path: Path) -> str:
    """The key of `FAMILIES` that loads the model. Raises ValueError for a model of no family."""
    if path.is_file() or (not (path / "model_index.json").exists() and any(path.glob("*.pt"))):
        if path.suffix == ".pt" or path.is_dir():
            return "guided_diffusion"
        raise ValueError(f"{path} is a single file: wanted a diffusers folder, or a guided-diffusion .pt checkpoint")
    classes = component_classes(path)
    network = classes.get("transformer") or classes.get("unet", "")
    if network == "FluxTransformer2DModel":
        return "flux"
    if network == "UNet2DModel" and not {"vae", "vqvae"} & classes.keys():
        return "pixel_unet"
    if network == "UNet2DConditionModel" and classes.get("vae") == "AutoencoderKL":
        if "text_encoder_2" in classes:
            return "sdxl"
        if classes.get("text_encoder", "").startswith("CLIPText"):
            return "stable_diffusion"
    if network == "UNet2DConditionModel" and classes.get("text_encoder") == "T5EncoderModel" and "vae" not in classes:
        return "deepfloyd"
    kind = classes["pipeline"] or network or "unknown"
    raise ValueError(f"{path} holds a {kind}, which is of no supported family: {'; '.join(FAMILIES.values())}")


def _shipped(name: str) -> Path | None:
    """The folder of a model that comes with the package."""
    if name != "emoji":
        return None
    folder = Path(str(files("alm_image"))) / "models" / name
    if not folder.is_dir():
        raise FileNotFoundError(f"the model {name!r} is not in this installation: install alm-image from its wheel")
    return folder
