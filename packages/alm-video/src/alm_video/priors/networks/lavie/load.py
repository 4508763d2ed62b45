"""Loading the published weights."""

import zipfile
from pathlib import Path

import torch
from torch import Tensor

from alm_video.priors.networks.lavie.config import LaVieConfig
from alm_video.priors.networks.lavie.unet import LaVieUNet

__all__ = ["load_lavie"]


def load_lavie(path: Path, config: LaVieConfig, dtype: torch.dtype = torch.float32) -> LaVieUNet:
    """The network of a `.pt` file, on the CPU, for inference: a state dict, or an object that has one under `ema`.

    Where the file's dtype is the one asked for and it is a zip, as torch writes it, the weights stay mapped from it.
    Raises FileNotFoundError where there is none, and ValueError where the file holds anything but tensors or does not
    fit the config.
    """
    state = _read(path)
    with torch.device("meta"):  # no time or memory for weights that are replaced
        network = LaVieUNet(config)
    _check(path, {key: value.shape for key, value in network.state_dict().items()}, state)
    network.load_state_dict({key: value.to(dtype) for key, value in state.items()}, assign=True)
    return network.requires_grad_(False).eval()


def _read(path: Path) -> dict[str, Tensor]:
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}: give the lavie_base.pt that LaVie's authors published")
    try:
        found = torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))
    except Exception as error:  # a pickle of anything but tensors, a cut file, no pickle
        first = (str(error).splitlines() or [type(error).__name__])[0]
        raise ValueError(f"{path} is not a checkpoint of tensors ({first}): fetch it again") from None
    if isinstance(found, dict) and isinstance(found.get("ema"), dict):
        found = found["ema"]
    if not isinstance(found, dict) or not all(isinstance(value, Tensor) for value in found.values()):
        raise ValueError(f"{path} holds no state dict of tensors, nor one under ema: give LaVie's lavie_base.pt")
    return found


def _check(path: Path, shapes: dict[str, torch.Size], state: dict[str, Tensor]) -> None:
    """Raises ValueError that names the first ten keys that are missing, left over or of another shape."""
    missing = [key for key in shapes if key not in state]
    extra = [key for key in state if key not in shapes]
    other = [
        f"{key} {tuple(state[key].shape)} for {tuple(shape)}"
        for key, shape in shapes.items()
        if key in state and state[key].shape != shape
    ]
    told = [
        f"{what} {', '.join(keys[:10])}" + (f" and {len(keys) - 10} more" if len(keys) > 10 else "")
        for what, keys in (("missing", missing), ("unknown", extra), ("of another shape", other))
        if keys
    ]
    if told:
        raise ValueError(f"{path} does not fit the unet/config.json that it was loaded with: {'; '.join(told)}")
