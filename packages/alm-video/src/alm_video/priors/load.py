"""From a name or a path to a prior: the files say which family it is."""

from pathlib import Path

import torch
from alm_core.placement import Options, as_device, as_dtype

from alm_video.priors import animatediff, folders, lavie, wan
from alm_video.priors.base import VideoPrior
from alm_video.priors.exemplar import Exemplar

__all__ = ["FAMILIES", "SHIPPED", "load_prior"]

FAMILIES = {
    "lavie": "LaVie's lavie_base.pt with the folder of Stable Diffusion 1.4",
    "animatediff": "AnimateDiff, or Stable Diffusion 1.x with a motion adapter",
    "wan": "Wan 2.1 and 2.2 text-to-video",
}
"""The families: the module's name in this package, and what it loads."""

SHIPPED = {"exemplar": "the clip's own patches in space and time, without weights"}
"""What is had by name alone."""

WITHIN = "stable-diffusion-v1-4"
"""What LaVie's own code calls the folder beside its checkpoint."""


def load_prior(
    name_or_path: str | Path = "exemplar",
    *,
    base: str | Path | None = None,
    motion_adapter: str | Path | None = None,
    device: str | torch.device = "cpu",
    dtype: str | torch.dtype | None = None,
    variant: str | None = None,
    guidance: float | None = None,
    offload: bool = False,
    vae_tiling: bool = False,
    attention: str | None = None,
) -> VideoPrior:
    """The prior of a LaVie `.pt`, a model folder or a hub id, or `"exemplar"`, the clip's own patches.

    `base` is the folder of Stable Diffusion 1.4, whose VAE and text encoder LaVie uses; None is what lies beside the
    `.pt`. `motion_adapter` makes a picture model one of video. `dtype` of the network: float32 by default on a CPU,
    the family's usual half precision elsewhere. `variant` picks weights such as fp16 in a folder that holds several.
    `guidance` is the scale, None for the family's usual one; 1 costs half. `offload` keeps each part in main memory
    until it is used; `vae_tiling` encodes and decodes in tiles; `attention` is `"slicing"`, for little memory, or an
    attention backend of diffusers.

    Raises FileNotFoundError where there is no such model, ValueError where it, a part of it or an option does not fit,
    ImportError where diffusers is missing.
    """
    options = Options(as_device(device), as_dtype(dtype), variant, guidance, offload, vae_tiling, attention)
    if str(name_or_path) in SHIPPED:
        _leave_out("the exemplar prior", base=base, motion_adapter=motion_adapter)
        return Exemplar.from_options(options)
    path = folders.local(name_or_path, variant)
    checkpoint = _checkpoint(path)
    if checkpoint is not None:
        _leave_out("LaVie", motion_adapter=motion_adapter)
        return lavie.load(checkpoint, _base(checkpoint, base), options)
    classes = folders.classes(path)
    network, vae, encoder = (classes.get(name, "") for name in ("unet", "vae", "text_encoder"))
    if classes.get("transformer") == "WanTransformer3DModel" and vae == "AutoencoderKLWan":
        _leave_out("Wan", base=base, motion_adapter=motion_adapter)
        return wan.load(path, options)
    pictures = vae == "AutoencoderKL" and encoder.startswith("CLIPText") and "text_encoder_2" not in classes
    if pictures and network in ("UNetMotionModel", "UNet2DConditionModel"):
        _leave_out("AnimateDiff", base=base)
        return animatediff.load(path, _adapter(path, network, motion_adapter, variant), options)
    raise ValueError(f"{path} holds a {classes['pipeline']}, which is of no supported family: {_supported()}")


def _checkpoint(path: Path) -> Path | None:
    """LaVie's `.pt`: the file itself, or the one in the folder. Raises ValueError for other files."""
    if path.is_file():
        if path.suffix != ".pt":
            raise ValueError(f"{path} is a single file, of no supported family: {_supported()}")
        return path
    if (path / "lavie_base.pt").is_file():
        return path / "lavie_base.pt"
    found = [] if (path / "model_index.json").is_file() else sorted(path.glob("*.pt"))
    return found[0] if len(found) == 1 else None


def _base(checkpoint: Path, base: str | Path | None) -> Path:
    """The folder of Stable Diffusion 1.4: as given, else beside the checkpoint."""
    if base is not None:
        return folders.local(base, None, "folder of Stable Diffusion 1.4")
    for folder in (checkpoint.parent, checkpoint.parent / WITHIN):
        if (folder / "vae").is_dir():
            return folder
    raise FileNotFoundError(
        f"{checkpoint} is LaVie's U-Net alone: wanted Stable Diffusion 1.4's vae/, text_encoder/ and tokenizer/ too, "
        f"in the same folder or in {WITHIN}/ beside it; or give base, the path of that folder"
    )


def _adapter(folder: Path, network: str, given: str | Path | None, variant: str | None) -> Path | None:
    """The motion adapter's folder; None where the network has one in it. Raises ValueError."""
    if network == "UNetMotionModel":
        _leave_out("a model that has its motion modules in it", motion_adapter=given)
        return None
    if given is not None:
        return folders.local(given, variant, folders.ADAPTER)
    if (folder / "motion_adapter").is_dir():
        return folder / "motion_adapter"
    raise ValueError(
        f"{folder} is a picture model: give motion_adapter, the folder or hub id of a MotionAdapter made for it "
        "(such as guoyww/animatediff-motion-adapter-v1-5-2), or a model of video"
    )


def _leave_out(family: str, **given: object) -> None:
    """Raises ValueError where a part is given that the family has no use for."""
    for name, value in given.items():
        if value is not None:
            raise ValueError(f"{family} has no use for {name}, got {value}: leave it out")


def _supported() -> str:
    return "; ".join(FAMILIES.values())
