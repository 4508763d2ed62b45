"""Trains the small pixel diffusion prior on Noto Emoji: a model to measure with, not a product.

    python benchmarks/train_emoji.py --data noto_emoji_64.npz --size 32 --minutes 90 --out OUT

The data file holds `images`, uint8 (N, 64, 64, 3) on white, and `codepoints`, N strings like `1f44b-1f3fd`.
The model is a `UNet2DModel` with v-prediction on the ordinary linear schedule of 1000 steps,

    x_t = √α_t x_0 + √(1 − α_t) ε,    v = √α_t ε − √(1 − α_t) x_0,    x_0 in [−1, 1].

Learning rate and averaging depend on the share of `--minutes` that has been used, so a slow machine trains
fewer steps on the same curve. OUT/state.pt is the checkpoint (`--resume` goes on from it), and OUT/current
the averaged model as a diffusers folder, both rewritten at every checkpoint.

The held-out rule: an image is held out when the SHA-256 of its *base* codepoints, read as an integer, is
divisible by 10. The base drops skin tone, gender and joiners (see `base`), so all variants of one emoji fall
on the same side. `--write-heldout FILE` writes those images and stops.
"""

from __future__ import annotations

import argparse
import copy
import hashlib
import json
import math
import os
import shutil
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import DDIMPipeline, DDIMScheduler, UNet2DModel
from diffusers.models.attention_processor import Attention, AttnProcessor
from torch import Tensor

MARKS = {"fe0f", "200d", "2640", "2642", "27a1", *(f"1f3f{k}" for k in "bcdef")}
PERSONS = {"1f468", "1f469", "1f9d1"}


def base(codepoints: str) -> str:
    """The emoji without skin tone, gender or direction: `1f469-1f3fd-200d-1f680` → `person-1f680`."""
    parts = (p for p in codepoints.split("-") if p not in MARKS)
    return "-".join("person" if p in PERSONS else p for p in parts)


def held_out(codepoints: str) -> bool:
    """About one base in ten, for ever the same ones."""
    return int(hashlib.sha256(base(codepoints).encode()).hexdigest(), 16) % 10 == 0


def load(path: Path, size: int) -> tuple[Tensor, Tensor, Tensor]:
    """The training images, how often to draw each, and the held-out images.

    Images are (N, 3, size, size) in [−1, 1], downsampled by the mean over squares.
    An image of a family of n variants is drawn with weight 1/√n: half the file is skin tones of a few people.
    """
    with np.load(path, allow_pickle=False) as file:
        names = [str(name) for name in file["codepoints"]]
        images = torch.from_numpy(file["images"]).permute(0, 3, 1, 2).float() / 127.5 - 1
    if images.shape[-1] % size:
        raise ValueError(f"--size must divide the stored size {images.shape[-1]}, got {size}")
    images = torch.nn.functional.avg_pool2d(images, images.shape[-1] // size)
    out = torch.tensor([held_out(name) for name in names])
    families = Counter(base(name) for name in names)
    weight = torch.tensor([families[base(name)] ** -0.5 for name in names])
    return images[~out], weight[~out], images[out]


def write_heldout(data: Path, target: Path) -> None:
    """Writes the held-out images, at the stored size, with their codepoints."""
    with np.load(data, allow_pickle=False) as file:
        keep = np.array([held_out(str(name)) for name in file["codepoints"]])
        images, codepoints = file["images"][keep], file["codepoints"][keep]
    target.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(target, images=images, codepoints=codepoints)
    print(f"{target}: {len(images)} images, {target.stat().st_size / 1e6:.2f} MB")


def build(size: int, channels: tuple[int, ...], layers: int) -> UNet2DModel:
    """A U-Net with attention at its lowest resolution only."""
    plain = len(channels) - 1
    unet = UNet2DModel(
        sample_size=size,
        block_out_channels=channels,
        layers_per_block=layers,
        down_block_types=("DownBlock2D",) * plain + ("AttnDownBlock2D",),
        up_block_types=("AttnUpBlock2D",) + ("UpBlock2D",) * plain,
        attention_head_dim=64,
        norm_num_groups=16,
    )
    for module in unet.modules():  # on 64 tokens the plain product is faster on a CPU than the fused one
        if isinstance(module, Attention):
            module.set_processor(AttnProcessor())
    return unet


def schedule() -> DDIMScheduler:
    """The schedule which the model is trained on and which its folder states."""
    return DDIMScheduler(
        num_train_timesteps=1000,
        beta_start=1e-4,
        beta_end=0.02,
        beta_schedule="linear",
        prediction_type="v_prediction",
        clip_sample=True,
        timestep_spacing="trailing",
    )


def v_loss(unet: Callable[..., Any], x_0: Tensor, eps: Tensor, t: Tensor, alphas: Tensor, bf16: bool) -> Tensor:
    """Mean of ‖v̂ − v‖² over pixels, one number per image."""
    a, s = (level.sqrt().view(-1, 1, 1, 1) for level in (alphas[t], 1 - alphas[t]))
    x_t = (a * x_0 + s * eps).contiguous(memory_format=torch.channels_last)
    with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
        v: Tensor = unet(x_t, t, return_dict=False)[0]
    return (v.float() - (a * eps - s * x_0)).pow(2).mean((1, 2, 3))


def emphasis(alphas: Tensor) -> Tensor:
    """How often to draw each time: min(SNR, 5) / (SNR + 1) + 0.1, of sum 1.

    The first term is the weight of Hang et al., *Efficient Diffusion Training via Min-SNR Weighting* (2023), for
    a v-prediction. At high noise the loss is large and cannot be learnt away, so few draws are spent there.
    """
    snr = alphas / (1 - alphas)
    density = snr.clamp(max=5) / (snr + 1) + 0.1
    return density / density.sum()


def spread_times(count: int, rng: torch.Generator, density: Tensor) -> Tensor:
    """One time from each of `count` strata of equal mass: less variance between batches than free draws."""
    at = (torch.arange(count) + torch.rand(count, generator=rng)) / count
    return torch.searchsorted(density.cumsum(0), at).clamp(max=len(density) - 1)


@torch.no_grad()
def evaluate(unet: UNet2DModel, images: Tensor, alphas: Tensor, bf16: bool, count: int = 256) -> float:
    """The loss on `count` images spread over the set, times uniform, the same noise and times at every call."""
    rng, uniform = torch.Generator().manual_seed(0), torch.full((len(alphas),), 1 / len(alphas))
    images = images[torch.linspace(0, len(images) - 1, count).long()]
    losses = []
    for x_0 in torch.split(images, 32):
        eps = torch.randn(x_0.shape, generator=rng)
        losses.append(v_loss(unet, x_0, eps, spread_times(len(x_0), rng, uniform), alphas, bf16))
    return float(torch.cat(losses).mean())


def learning_rate(peak: float, share: float, step: int, warmup: int = 300) -> float:
    """Linear warm-up over the first steps, then a cosine to 1 % of the peak at share 1."""
    cosine = 0.5 * (1 + math.cos(math.pi * min(share, 1.0)))
    return peak * min(1.0, (step + 1) / warmup) * (0.01 + 0.99 * cosine)


@torch.no_grad()
def average(mean: UNet2DModel, unet: UNet2DModel, step: int, power: float = 16.0) -> None:
    """θ̄ ← β θ̄ + (1 − β) θ with β = (1 − 1/n)^(power + 1): the memory is always about the last 6 % of the run.

    It is the power-function average of Karras et al., *Analyzing and Improving the Training Dynamics of
    Diffusion Models* (2024), section 3.1: it needs no warm-up of its own and suits a run of any length.
    """
    beta = (1 - 1 / (step + 1)) ** (power + 1)
    torch._foreach_lerp_(list(mean.parameters()), list(unet.parameters()), 1 - beta)


def export(unet: UNet2DModel, folder: Path) -> None:
    """Writes a diffusers folder with weights in half precision, under the name that loads anywhere."""
    fresh = folder.with_name(folder.name + ".new")
    half = copy.deepcopy(unet).to(torch.float16)
    DDIMPipeline(unet=half, scheduler=schedule()).save_pretrained(fresh, safe_serialization=True)
    for file in sorted(path for path in fresh.rglob("*") if path.is_file()):
        target = folder / file.relative_to(fresh)
        target.parent.mkdir(parents=True, exist_ok=True)
        file.chmod(0o644)
        os.replace(file, target)
    shutil.rmtree(fresh)


def train(args: argparse.Namespace) -> None:
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    images, weight, heldout = load(args.data, args.size)
    unet = build(args.size, tuple(args.channels), args.layers).to(memory_format=torch.channels_last)
    if args.weights:
        unet.load_state_dict(UNet2DModel.from_pretrained(args.weights, subfolder="unet").state_dict())
    mean = copy.deepcopy(unet).requires_grad_(False)
    optimizer = torch.optim.AdamW(unet.parameters(), lr=args.lr, betas=(0.9, 0.99), weight_decay=0.0, fused=True)
    alphas = schedule().alphas_cumprod
    density = emphasis(alphas)
    step, spent = 0, 0.0
    state_file = args.out / "state.pt"
    if args.resume and state_file.exists():
        state = torch.load(state_file, weights_only=True)
        unet.load_state_dict(state["unet"])
        mean.load_state_dict(state["mean"])
        optimizer.load_state_dict(state["optimizer"])
        step, spent = state["step"], state["spent"]
    forward: Callable[..., Any] = torch.compile(unet) if args.compile else unet
    rng = torch.Generator().manual_seed(args.seed + step)
    budget = 60 * args.minutes
    size = sum(p.numel() for p in unet.parameters())
    print(json.dumps({"parameters": size, "train": len(images), "held_out": len(heldout)}), flush=True)

    def checkpoint() -> None:
        args.out.mkdir(parents=True, exist_ok=True)
        state = {"unet": unet.state_dict(), "mean": mean.state_dict(), "optimizer": optimizer.state_dict()}
        torch.save({**state, "step": step, "spent": spent}, state_file.with_suffix(".new"))
        os.replace(state_file.with_suffix(".new"), state_file)
        export(mean, args.out / "current")

    def report(**numbers: float) -> None:
        line = {"step": step, "minutes": spent / 60, **numbers}
        print(json.dumps({k: v if isinstance(v, int) else round(v, 5) for k, v in line.items()}), flush=True)

    def report_held_out() -> None:
        sets = {"ema_train": images, "ema_held_out": heldout}
        report(**{name: evaluate(mean, x, alphas, args.bf16) for name, x in sets.items()})

    losses: list[float] = []
    clock, next_eval, next_save = time.monotonic(), spent + 60, spent + 60
    while spent < budget:
        lr = learning_rate(args.lr, spent / budget, step)
        for group in optimizer.param_groups:
            group["lr"] = lr
        x_0 = images[torch.multinomial(weight, args.batch, generator=rng)]
        if args.flip:
            flip = torch.rand(args.batch, generator=rng) < 0.5
            x_0 = torch.where(flip.view(-1, 1, 1, 1), x_0.flip(-1), x_0)
        eps = torch.randn(x_0.shape, generator=rng)
        loss = v_loss(forward, x_0, eps, spread_times(args.batch, rng, density), alphas, args.bf16).mean()
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(unet.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        step += 1
        average(mean, unet, step)
        losses.append(loss.item())
        now = time.monotonic()
        spent, clock = spent + now - clock, now
        if step % 50 == 0:
            report(loss=sum(losses) / len(losses), lr=lr)
            losses.clear()
        if spent >= next_eval:
            report_held_out()
            next_eval = spent + 300
        if spent >= next_save:
            checkpoint()
            next_save = spent + 300
    checkpoint()
    report_held_out()


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--data", type=Path, required=True, help="NPZ of images and codepoints")
    parser.add_argument("--out", type=Path, default=Path("out/emoji"), help="folder to write to")
    parser.add_argument("--write-heldout", type=Path, help="write the held-out images to this NPZ and stop")
    parser.add_argument("--resume", action="store_true", help="go on from OUT/state.pt if it is there")
    parser.add_argument("--weights", type=Path, metavar="FOLDER", help="start from these weights, a diffusers folder's")
    parser.add_argument("--size", type=int, default=32)
    parser.add_argument("--minutes", type=float, default=90.0, help="time budget over all restarts")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--channels", type=int, nargs="+", default=[64, 128, 192])
    parser.add_argument("--layers", type=int, default=1, help="residual blocks per resolution")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--flip", action="store_true", help="mirror half of the training images")
    parser.add_argument("--lr", type=float, default=6e-4)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--bf16", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--compile", action="store_true", help="torch.compile the training step")
    args = parser.parse_args()
    if args.write_heldout:
        write_heldout(args.data, args.write_heldout)
    else:
        train(args)


if __name__ == "__main__":
    main()
