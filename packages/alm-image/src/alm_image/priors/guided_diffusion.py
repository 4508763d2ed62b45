"""Guided diffusion's and RePaint's pixel models: a `.pt` state dict with a yaml or json config beside it.

Needs torch alone. The config's keys are those of RePaint's `confs/*.yml` and of guided diffusion's flags; those it
lacks, or a missing config, are RePaint's CelebA model's.
"""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

import torch
from alm_core import Prediction
from alm_core.codec import PixelCodec
from alm_core.grid import DiffusionGrid
from alm_core.guidance import Embedding, Unguided
from alm_core.placement import Options
from alm_core.schedule import cosine, linear
from torch import Tensor

from alm_image.priors.bound import Bound
from alm_image.priors.files import read_json
from alm_image.priors.network import NetworkPrior
from alm_image.priors.networks.guided_diffusion import CLASSES, GuidedDiffusionConfig, GuidedDiffusionUNet
from alm_image.priors.text import ClassText, NoText

__all__ = ["load"]

Scalar = bool | int | float | str


@dataclass(frozen=True)
class DiffusionConfig:
    """The keys that make the noise levels."""

    diffusion_steps: int = 1000
    noise_schedule: str = "linear"
    predict_xstart: bool = False
    rescale_timesteps: bool = False
    clip_denoised: bool = True
    use_fp16: bool = False

    def alphas(self) -> list[float]:
        """The cumulative α. Raises ValueError for an unknown schedule."""
        steps = self.diffusion_steps
        if self.noise_schedule == "linear":  # the same continuous schedule for any number of steps
            return linear(1e-4 * 1000 / steps, 0.02 * 1000 / steps, steps)
        if self.noise_schedule == "cosine":
            return cosine(steps)
        raise ValueError(f"noise_schedule must be linear or cosine, got {self.noise_schedule!r}")


T = TypeVar("T", GuidedDiffusionConfig, DiffusionConfig)


@dataclass(frozen=True)
class GuidedDiffusionNetwork:
    """The U-Net as a `Network`; `rate` is what a training index is multiplied by for the network."""

    unet: GuidedDiffusionUNet
    dtype: torch.dtype
    rate: float = 1.0

    def __call__(self, x: Tensor, time: float, embedding: Embedding) -> Tensor:
        """See `Network`."""
        times = torch.full((len(x),), time * self.rate, device=x.device)
        out: Tensor = self.unet(x.to(self.dtype), times, *embedding)
        return out.to(x.dtype)


def load(path: Path, options: Options) -> NetworkPrior:
    """The prior of a `.pt` file or of a folder with one. Raises ValueError."""
    options.check_single("guided-diffusion")
    if options.attention is not None:
        raise ValueError(f"guided diffusion has torch's own attention, got {options.attention!r}: leave attention out")
    weights = _weights(path)
    values = _config(weights)
    shape, diffusion = _pick(GuidedDiffusionConfig, values), _pick(DiffusionConfig, values)
    dtype = options.narrow(torch.float16 if diffusion.use_fp16 else torch.float32)
    unet = _network(weights, shape).to(options.device, dtype)
    rate = 1000 / diffusion.diffusion_steps if diffusion.rescale_timesteps else 1.0
    network = Unguided(GuidedDiffusionNetwork(unet, dtype, rate))
    convert = Prediction.from_x0 if diffusion.predict_xstart else Prediction.from_eps
    return NetworkPrior(
        plain=network,
        guided=network,
        # As their respacing: evenly from the first training index to the last.
        grid=DiffusionGrid(tuple(diffusion.alphas()), "linspace", convert),
        codec=PixelCodec(3, options.device),
        text=ClassText(CLASSES, options.device) if shape.class_cond else NoText("guided-diffusion"),
        device=options.device,
        size=shape.image_size,
        multiple=2 ** (len(shape.multipliers()) - 1),
        fixed_size=True,
        bound=Bound() if diffusion.clip_denoised else None,
    )


def _network(weights: Path, config: GuidedDiffusionConfig) -> GuidedDiffusionUNet:
    try:
        state = torch.load(weights, map_location="cpu", weights_only=True)
    except Exception as error:  # a pickle of anything but tensors, or no pickle
        raise ValueError(f"{weights} is not a state dict of tensors: {str(error).splitlines()[0]}") from error
    with torch.device("meta"):  # no time or memory for weights that are replaced
        unet = GuidedDiffusionUNet(config)
    try:
        unet.load_state_dict(state, assign=True)
    except (RuntimeError, TypeError, AttributeError) as error:
        first = " ".join(str(error).split())[:300]
        raise ValueError(
            f"{weights} does not fit its config ({first}): put the yaml or json that it was trained with beside it, "
            f"as {weights.stem}.yml"
        ) from error
    return unet.float().requires_grad_(False).eval()


def _weights(path: Path) -> Path:
    """The `.pt` file. Raises ValueError where the folder holds several."""
    if path.is_file():
        return path
    found = sorted(path.glob("*.pt"))
    if len(found) != 1:
        raise ValueError(f"{path} holds {len(found)} .pt files: give the path of one of them")
    return found[0]


def _config(weights: Path) -> dict[str, Scalar]:
    """The config beside the weights: of the same name, else the only one there, else nothing."""
    kinds = (".yml", ".yaml", ".json")
    beside = sorted(p for p in weights.parent.iterdir() if p.suffix in kinds)
    same = [p for p in beside if p.stem == weights.stem]
    if not same and len(beside) > 1:
        names = ", ".join(p.name for p in beside)
        raise ValueError(f"which config is {weights.name}'s: {names}? name one of them {weights.stem}.yml")
    chosen = (same or beside)[:1]
    if not chosen:
        return {}
    return read_json(chosen[0]) if chosen[0].suffix == ".json" else _flat_yaml(chosen[0].read_text(encoding="utf-8"))


def _flat_yaml(text: str) -> dict[str, Scalar]:
    """The scalars at the top level of a yaml file: all that such a config holds of the model."""
    values: dict[str, Scalar] = {}
    for line in text.splitlines():
        key, colon, rest = line.partition(":")
        value = rest.split(" #")[0].strip()
        if colon and value and not line[:1].isspace() and not key.startswith("#"):
            values[key.strip()] = _scalar(value)
    return values


def _scalar(text: str) -> Scalar:
    if text[:1] in "'\"":
        return text.strip("'\"")
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            pass
    return text


def _pick(cls: type[T], values: dict[str, Scalar]) -> T:
    """The dataclass from those of the values that it has fields for, each as the field's type."""
    picked: dict[str, Any] = {}
    for each in fields(cls):
        if each.name in values:
            kind = type(each.default)
            value = values[each.name]
            if kind is not str and not isinstance(value, kind):
                raise ValueError(f"the config's {each.name} must be of type {kind.__name__}, got {value!r}")
            picked[each.name] = str(value) if kind is str else value
    return cls(**picked)
