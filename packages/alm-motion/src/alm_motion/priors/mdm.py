"""MDM's published checkpoints (Tevet et al., ICLR 2023): relative features, the transformer encoder, CLIP's text.

A `.pt` lies beside its `args.json` and the mean and deviation that it was trained with, `Mean.npy` and `Std.npy` of
HumanML3D: the code's `t2m_mean.npy` and `t2m_std.npy` are the evaluators'. Its root is relative: what follows a gap is
carried to where it is known to be.
"""

from pathlib import Path

import torch
from alm_core.placement import Options
from alm_core.schedule import cosine, linear

from alm_motion.features import CHANNELS
from alm_motion.priors.files import array_beside, json_beside, load_keys, read_checkpoint
from alm_motion.priors.network import Codec, NetworkPrior, TimeNetwork
from alm_motion.priors.networks.mdm import MDM, MDMConfig
from alm_motion.priors.text import CLIP, NoText, Sentences

__all__ = ["load_published"]

FRAMES, GUIDANCE = 196, 2.5


def load_published(checkpoint: Path, options: Options, *, text_encoder: str | Path | None = None) -> NetworkPrior:
    """The prior of MDM's checkpoint, `model_avg` where it has one. Raises FileNotFoundError, ValueError."""
    arguments = json_beside(checkpoint)
    config = MDMConfig.from_args(arguments)
    steps = int(arguments.get("diffusion_steps", 1000))
    kind = arguments.get("noise_schedule", "cosine")
    if kind not in ("cosine", "linear") or steps < 1:
        raise ValueError(f"{checkpoint} has a schedule of {steps} {kind!r} steps: cosine or linear is wanted")
    network = MDM(config)
    load_keys(network, read_checkpoint(checkpoint, ("model_avg", "model")), checkpoint)
    dtype = options.narrow(torch.float32)
    network = network.to(options.device, dtype).requires_grad_(False).eval()
    mean, std = (array_beside(checkpoint, [name], (CHANNELS,)) for name in ("Mean.npy", "Std.npy"))
    alphas = cosine(steps) if kind == "cosine" else linear(1e-4 * 1000 / steps, 0.02 * 1000 / steps, steps)
    return NetworkPrior(
        network=TimeNetwork(network, dtype),
        codec=Codec(mean, std, absolute=False).on(options.device),
        text=Sentences(str(text_encoder or CLIP), options.device) if config.text else NoText(),
        device=options.device,
        frames=FRAMES,
        guidance=options.scale(GUIDANCE if config.text else 1.0),
        alphas=tuple(alphas),
    )
