"""Checkpoints of the 1-D U-Net: the one that comes along, those of `alm-motion train`, and GMD's and CondMDI's `.pt`.

A folder of ours has `config.json` and `model.safetensors`. A published checkpoint lies beside its `args.json` and the
mean and deviation of its features: `Mean_abs_3d.npy` and `Std_abs_3d.npy` of the authors' `dataset/HumanML3D_abs`,
and for those trained on mixed features `rand_proj.npy` and `inv_rand_proj.npy`.
"""

from dataclasses import fields
from functools import partial
from pathlib import Path
from typing import Any

import torch
from alm_core import ALM, FixedNoise, Prediction
from alm_core.placement import Options
from torch import Tensor

from alm_motion.features import CHANNELS
from alm_motion.priors.base import Defaults
from alm_motion.priors.files import array_beside, json_beside, load_keys, read_checkpoint, read_json, read_weights
from alm_motion.priors.network import Codec, NetworkPrior, TimeNetwork
from alm_motion.priors.networks.unet1d import UNet1d, UNet1dConfig
from alm_motion.priors.text import CLIP, ActionText, NoText, Sentences

__all__ = ["PLACES", "check_shape", "load_folder", "load_published"]

PLACES = 67
"""The channels that `alm-motion train` learns: the root's and the places of joints, from which all others follow."""
GROUPS, LEVELS = 8, 4
"""Of each normalisation, and the most levels that padding to a multiple of 8 frames allows."""
FRAMES = 200
"""The most that the networks of `alm-motion train` have seen."""
LOWEST = 150
"""The last training index that they are sampled at: below, what little noise there is they leave in."""
DEFAULTS = Defaults(50, ALM(w2=0.03, conditional=4.0), FixedNoise())
"""The paper gives no weights for motion. With those for pictures, gaps of a second in clips that the network was
trained on were a sixth farther from the truth, and features of the whole a tenth."""
PUBLISHED_FRAMES, CLIP_RANGE, GUIDANCE = 196, 6.0, 2.5
SPREAD = 0.05
"""τ of the blend that `alm-motion train` trains, in deviations."""
PREDICTS = {"x0": Prediction.from_x0, "v": Prediction.from_v, "blend": partial(Prediction.from_blend, spread=SPREAD)}


def load_folder(folder: Path, options: Options) -> NetworkPrior:
    """The prior of a folder that `alm-motion train` wrote. Raises FileNotFoundError, ValueError."""
    config = read_json(folder / "config.json")
    weights = folder / "model.safetensors"
    if not weights.is_file():
        raise FileNotFoundError(f"{folder} has a config.json and no model.safetensors: fetch or train the model again")
    try:
        shape = _shape(config["network"])
        actions = tuple(str(action) for action in config["actions"])
        mean, std = (_statistic(config, key, shape.channels) for key in ("mean", "std"))
        convert = PREDICTS[config["predicts"]]
        if len(actions) != shape.actions:
            raise ValueError(f"the network knows {shape.actions} actions, and {len(actions)} have names")
        network = UNet1d(shape)
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{folder / 'config.json'} is not that of a model of alm-motion: {error}") from None
    load_keys(network, read_weights(weights), weights)
    return _prior(
        network,
        Codec(mean, std),
        ActionText(actions, options.device) if actions else NoText(),
        options,
        frames=FRAMES,
        guidance=1.0,
        anchored=False,
        convert=convert,
        lowest=LOWEST,
        usual=DEFAULTS,
    )


def load_published(checkpoint: Path, options: Options, *, text_encoder: str | Path | None = None) -> NetworkPrior:
    """The prior of GMD's or CondMDI's .pt; `model_avg` where it has one. Raises FileNotFoundError, ValueError."""
    arguments = json_beside(checkpoint)
    _check(arguments, checkpoint)
    reads_text = not arguments.get("unconstrained", False)
    try:
        config = UNet1dConfig(
            width=int(arguments.get("latent_dim", 512)),
            multipliers=tuple(float(m) for m in arguments.get("dim_mults", (2, 2, 2, 2))),
            adaptive=bool(arguments.get("unet_adagn", True)),
            text=512 if reads_text else 0,
            keyframes=bool(arguments.get("keyframe_conditioned", False)),
        )
        check_shape(config)
    except (TypeError, ValueError) as error:
        raise ValueError(f"the args.json beside {checkpoint} describes no network: {error}") from None
    network = UNet1d(config)
    load_keys(network, read_checkpoint(checkpoint, ("model_avg", "model")), checkpoint)
    absolute = bool(arguments.get("abs_3d", True))
    kind = ("Mean_abs_3d.npy", "Std_abs_3d.npy") if absolute else ("Mean.npy", "Std.npy")
    mean, std = (array_beside(checkpoint, [name], (CHANNELS,)) for name in kind)
    mix = unmix = None
    if arguments.get("use_random_proj", False):
        mix, unmix = (
            array_beside(checkpoint, [name], (CHANNELS, CHANNELS)) for name in ("rand_proj.npy", "inv_rand_proj.npy")
        )
    return _prior(
        network,
        Codec(mean, std, absolute, mix, unmix),
        Sentences(str(text_encoder or CLIP), options.device) if reads_text else NoText(),
        options,
        frames=PUBLISHED_FRAMES,
        guidance=GUIDANCE if reads_text else 1.0,
        anchored=True,
        bound=CLIP_RANGE,
    )


def _prior(network: UNet1d, codec: Codec, text: Any, options: Options, *, guidance: float, **rest: Any) -> NetworkPrior:
    dtype = options.narrow(torch.float32)
    network = network.to(options.device, dtype).requires_grad_(False).eval()
    return NetworkPrior(
        network=TimeNetwork(network, dtype, CHANNELS if network.config.keyframes else 0),
        codec=codec.on(options.device),
        text=text,
        device=options.device,
        guidance=options.scale(guidance),
        **rest,
    )


def check_shape(config: UNet1dConfig) -> None:
    """Raises ValueError for numbers that no network has."""
    for name, least in (("channels", 1), ("width", 1), ("text", 0), ("actions", 0), ("frames", 8)):
        value = getattr(config, name)
        if not (isinstance(value, int) and value >= least) and not (name == "frames" and value is None):
            raise ValueError(f"{name} must be a whole number of {least} or more, got {value!r}")
    if not 1 <= len(config.multipliers) <= LEVELS:
        raise ValueError(f"1 to {LEVELS} multipliers of the width are wanted, got {len(config.multipliers)}")
    for width in (config.width, *(config.width * multiplier for multiplier in config.multipliers)):
        if not (width > 0 and width % GROUPS == 0):
            raise ValueError(f"a width must be a multiple of {GROUPS} at every level, got {width:g}")


def _shape(values: dict[str, Any]) -> UNet1dConfig:
    known = {field.name for field in fields(UNet1dConfig)}
    if unknown := set(values) - known:
        raise KeyError(f"unknown keys {', '.join(sorted(unknown))}")
    config = UNet1dConfig(**{**values, "multipliers": tuple(values["multipliers"])})
    check_shape(config)
    if config.channels not in (PLACES, CHANNELS) or config.text or config.keyframes:
        raise ValueError(f"a network of {PLACES} or {CHANNELS} channels without text and keyframes is wanted")
    if config.frames is not None and (config.frames % 8 or config.frames < FRAMES):
        raise ValueError(f"frames must be null, or a multiple of 8 of {FRAMES} or more, got {config.frames}")
    return config


def _statistic(config: dict[str, Any], key: str, channels: int) -> Tensor:
    found = torch.tensor(config[key], dtype=torch.float32)
    if found.shape != (channels,) or not found.isfinite().all() or (key == "std" and (found <= 0).any()):
        low = " above 0" if key == "std" else ""
        raise ValueError(f"{key} must be {channels} finite numbers{low}, got the shape {tuple(found.shape)}")
    return found


def _check(arguments: dict[str, Any], checkpoint: Path) -> None:
    """Raises ValueError for what the public code trains, too, and no prior of full motions is."""
    if arguments.get("arch", "unet") != "unet":
        raise ValueError(f"{checkpoint} has the architecture {arguments['arch']!r}: the U-Net ('unet') is wanted here")
    for key in ("traj_only", "xz_only", "drop_redundant"):
        if arguments.get(key):
            raise ValueError(f"{checkpoint} is of {key}: a model of full motions with 263 features is wanted")
    if arguments.get("dataset", "humanml") != "humanml":
        raise ValueError(f"{checkpoint} was trained on {arguments['dataset']}: HumanML3D's features are wanted")
