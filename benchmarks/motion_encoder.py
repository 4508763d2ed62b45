"""An encoder of motion for Fréchet distances, trained here: it compares with no published FID.

    python benchmarks/motion_encoder.py --data DIR --minutes 4

A convolutional autoencoder of HumanML3D's relative features in time, of which the latents are also to tell the action.
The embedding of a motion is the mean and the standard deviation over time of its latents: 48 numbers. Trained on the
clips that `alm_motion.dataset` does not hold out; `benchmarks/data/motion_encoder.safetensors` holds its weights.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import torch
from alm_motion.dataset import read_folder, variants
from alm_motion.features import extract, relative
from alm_motion.skeleton import Array
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

WEIGHTS = Path(__file__).parent / "data" / "motion_encoder.safetensors"
LATENT, WIDTH, FRAMES = 24, 96, 64


class Encoder(nn.Module):
    """Latents (rows, 24, F/8) of normalised relative features (rows, 263, F); statistics are buffers."""

    mean: Tensor
    std: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(263))
        self.register_buffer("std", torch.ones(263))
        self.down = nn.Sequential(
            nn.Conv1d(263, WIDTH, 4, 2, 1),
            nn.Mish(),
            nn.Conv1d(WIDTH, WIDTH, 4, 2, 1),
            nn.Mish(),
            nn.Conv1d(WIDTH, LATENT, 4, 2, 1),
        )

    def normalised(self, features: Tensor) -> Tensor:
        """(rows, 263, F) of relative features (rows, F, 263)."""
        return ((features - self.mean) / self.std).transpose(1, 2)

    def forward(self, features: Tensor) -> Tensor:
        """Latents of relative features (rows, F, 263)."""
        found: Tensor = self.down(self.normalised(features))
        return found


@torch.no_grad()
def embed(joints: Array) -> Array:
    """(rows, 48) of joints (rows, F, 22, 3) on HumanML3D's skeleton at 20 frames a second."""
    encoder = Encoder()
    encoder.load_state_dict(load_file(WEIGHTS))
    latents = encoder(relative(extract(torch.from_numpy(joints))).float())
    return torch.cat([latents.mean(-1), latents.std(-1)], 1).double().numpy()


def train(folder: Path, minutes: float) -> None:
    """Trains and writes the weights."""
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    learn, _ = read_folder(folder)
    actions = sorted({one.action for one in learn})
    clips = [(relative(f), actions.index(one.action)) for one in learn for f in variants(one) if len(f) > FRAMES]
    every = torch.cat([features for features, _ in clips])
    encoder = Encoder()
    encoder.mean.copy_(every.mean(0))
    encoder.std.copy_(every.std(0).clamp(min=1e-3))
    decoder = nn.Sequential(
        nn.ConvTranspose1d(LATENT, WIDTH, 4, 2, 1),
        nn.Mish(),
        nn.ConvTranspose1d(WIDTH, WIDTH, 4, 2, 1),
        nn.Mish(),
        nn.ConvTranspose1d(WIDTH, 263, 4, 2, 1),
    )
    tell = nn.Linear(LATENT, len(actions))
    parameters = [*encoder.parameters(), *decoder.parameters(), *tell.parameters()]
    optimizer = torch.optim.AdamW(parameters, lr=1e-3)
    begun, step = time.monotonic(), 0
    while (share := (time.monotonic() - begun) / (60 * minutes)) < 1:
        optimizer.param_groups[0]["lr"] = 1e-3 * (0.5 + 0.5 * float(np.cos(np.pi * share)))
        rows, labels = [], []
        for index in rng.integers(0, len(clips), 48):
            features, label = clips[index]
            start = int(rng.integers(0, len(features) - FRAMES + 1))
            rows.append(features[start : start + FRAMES])
            labels.append(label)
        x = torch.stack(rows)
        latents = encoder(x)
        again = (decoder(latents) - encoder.normalised(x)).square().mean()
        told = nn.functional.cross_entropy(tell(latents.mean(-1)), torch.tensor(labels))
        optimizer.zero_grad()
        (again + 0.1 * told).backward()
        optimizer.step()
        step += 1
        if step % 500 == 0:
            print(f"{step} steps: reconstruction {float(again.detach()):.3f}, action {float(told.detach()):.3f}")
    save_file(encoder.state_dict(), WEIGHTS)
    print(f"{WEIGHTS.name}: {WEIGHTS.stat().st_size / 1e6:.2f} MB after {step} steps")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="a folder of BVH clips")
    parser.add_argument("--minutes", type=float, default=4.0)
    flags = parser.parse_args()
    train(flags.data, flags.minutes)


if __name__ == "__main__":
    main()
