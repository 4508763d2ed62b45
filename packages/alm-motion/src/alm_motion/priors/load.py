"""From a name or a path to a prior: the files say which family it is."""

from collections.abc import Callable
from importlib import import_module
from importlib.resources import files
from pathlib import Path

import torch
from alm_core.placement import Options, as_device, as_dtype

from alm_motion.priors.base import MotionPrior
from alm_motion.priors.exemplar import Exemplar
from alm_motion.priors.files import json_beside
from alm_motion.priors.unet1d import load_folder

__all__ = ["FAMILIES", "SHIPPED", "load_prior"]

SHIPPED = {
    "cmu": "a small U-Net of CMU's motion capture, which comes with the package (the default)",
    "exemplar": "the clip's own motion: no weights",
}
FAMILIES = {
    "trained": "a folder that `alm-motion train` wrote",
    "unet1d": "GMD's or CondMDI's U-Net: a .pt with its args.json, Mean_abs_3d.npy and Std_abs_3d.npy",
    "mdm": "MDM's transformer encoder: a .pt with its args.json, Mean.npy and Std.npy",
}


def load_prior(
    name_or_path: str | Path = "cmu",
    *,
    device: str | torch.device = "cpu",
    dtype: str | torch.dtype | None = None,
    guidance: float | None = None,
    text_encoder: str | Path | None = None,
) -> MotionPrior:
    """The prior `"cmu"`, `"exemplar"`, of a folder, or of a published checkpoint.

    `dtype` of the network is float32 unless said. `guidance` is the scale of classifier-free guidance, None for the
    family's usual one: 1, which costs half, for ours, 2.5 for the published. `text_encoder` is the folder or hub id of
    CLIP ViT-B/32, for networks that read text, when a prompt is given.

    Raises FileNotFoundError where there is no such model, ValueError where it or an option does not fit.
    """
    options = Options(device=as_device(device), dtype=as_dtype(dtype), guidance=guidance)
    if str(name_or_path) == "exemplar":
        return Exemplar.from_options(options)
    if str(name_or_path) == "cmu":
        return load_folder(Path(str(files("alm_motion"))) / "models" / "cmu", options)
    path = Path(name_or_path).expanduser()
    if path.is_dir():
        if (path / "config.json").is_file():
            return load_folder(path, options)
        checkpoints = sorted(path.glob("model*.pt")) or sorted(path.glob("*.pt"))
        if not checkpoints:
            raise FileNotFoundError(f"{path} holds neither config.json nor a .pt checkpoint: {_wanted()}")
        path = checkpoints[-1]
    if not path.is_file():
        raise FileNotFoundError(f"there is no model {name_or_path}: {_wanted()}")
    if path.suffix != ".pt":
        raise ValueError(f"{path} is no .pt checkpoint: {_wanted()}")
    family = "unet1d" if str(json_beside(path).get("arch", "")).startswith("unet") else "mdm"
    load: Callable[..., MotionPrior] = import_module(f"alm_motion.priors.{family}").load_published
    return load(path, options, text_encoder=text_encoder)


def _wanted() -> str:
    return f"give {', '.join(SHIPPED)}, or the path of {'; or of '.join(FAMILIES.values())}"
