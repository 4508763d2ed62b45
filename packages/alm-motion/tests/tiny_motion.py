"""Tiny random networks in the files that the real ones come in."""

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from alm_motion.priors.networks.mdm import MDM, MDMConfig
from alm_motion.priors.networks.unet1d import UNet1d, UNet1dConfig
from safetensors.torch import save_file
from torch import nn

__all__ = ["ACTIONS", "mdm", "published", "trained"]

ACTIONS = ["jumping", "walking"]
WIDTH = 16


def _random(network: nn.Module, seed: int) -> nn.Module:
    generator = torch.Generator().manual_seed(seed)
    for parameter in network.parameters():
        parameter.data = torch.randn(parameter.shape, generator=generator) * 0.2
    return network


def trained(folder: Path, *, predicts: str = "v") -> Path:
    """A folder as `alm-motion train` writes it."""
    folder.mkdir(parents=True, exist_ok=True)
    config = UNet1dConfig(width=WIDTH, multipliers=(1, 1, 1, 1), text=0, actions=len(ACTIONS), frames=None)
    state = {k: v.half() for k, v in _random(UNet1d(config), 1).state_dict().items() if not k.endswith(".pe")}
    save_file(state, folder / "model.safetensors")
    mean, std = np.zeros(263), np.full(263, 0.3)
    mean[3] = 0.9
    values = {"network": asdict(config), "predicts": predicts, "actions": ACTIONS}
    (folder / "config.json").write_text(json.dumps({**values, "mean": mean.tolist(), "std": std.tolist()}))
    return folder


def _statistics(folder: Path, mean: str, std: str) -> None:
    rng = np.random.default_rng(4)
    np.save(folder / mean, rng.normal(0, 0.1, 263))
    np.save(folder / std, rng.uniform(0.2, 0.6, 263))


def published(folder: Path, *, mixed: bool = False, **arguments: object) -> Path:
    """A checkpoint as GMD and CondMDI publish it; returns the .pt."""
    folder.mkdir(parents=True, exist_ok=True)
    asked = {"arch": "unet", "dataset": "humanml", "latent_dim": WIDTH, "dim_mults": [1, 1, 1, 1], "unet_adagn": True}
    asked |= {"abs_3d": True, "use_random_proj": mixed, "keyframe_conditioned": False, **arguments}
    (folder / "args.json").write_text(json.dumps(asked))
    text = 0 if asked.get("unconstrained") else 512
    config = UNet1dConfig(
        width=WIDTH, multipliers=(1, 1, 1, 1), text=text, keyframes=bool(asked["keyframe_conditioned"])
    )
    network = _random(UNet1d(config), 2)
    torch.save({"model_avg": network.state_dict(), "model": {"other": torch.zeros(1)}}, folder / "model000000010.pt")
    _statistics(folder, "Mean_abs_3d.npy", "Std_abs_3d.npy")
    if mixed:
        mix = np.random.default_rng(5).normal(size=(263, 263)) / 16
        np.save(folder / "rand_proj.npy", mix)
        np.save(folder / "inv_rand_proj.npy", np.linalg.inv(mix))
    return folder / "model000000010.pt"


def mdm(folder: Path, **arguments: object) -> Path:
    """A checkpoint as MDM publishes it; returns the .pt."""
    folder.mkdir(parents=True, exist_ok=True)
    asked = {"arch": "trans_enc", "dataset": "humanml", "latent_dim": WIDTH, "layers": 2, "diffusion_steps": 50}
    asked |= {"noise_schedule": "cosine", **arguments}
    (folder / "args.json").write_text(json.dumps(asked))
    network = _random(MDM(MDMConfig(width=WIDTH, layers=2)), 3)
    torch.save(network.state_dict(), folder / "model000000005.pt")
    _statistics(folder, "Mean.npy", "Std.npy")
    return folder / "model000000005.pt"
