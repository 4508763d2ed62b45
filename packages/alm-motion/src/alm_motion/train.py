"""Trains the small U-Net that comes with the package, or one on clips of yours.

The network's output is blended with x_t (`Prediction.from_blend`), on a cosine schedule of 1,000 steps:

    x_t = a x_0 + s ε,    x̂_0 = c x_t/a + √(1 − c) F(x_t),    c = τ²/(τ² + (s/a)²)
    loss = w ( ‖x̂_0 − x_0‖² + μ ‖Δj(x̂_0) − Δj(x_0)‖² ),    w = min(1 + (ω a/s)², 50)

where j are the joints that the features stand for and Δ their way in a frame, so that feet learn to stand still. GMD's
networks predict x_0 alone, so ε̂ = (x_t − a x̂_0)/s keeps each error divided by s; ALM goes by differences of ε̂.
Windows of 40 to 200 frames are seen from one of their own frames, so that no frame is special. Learning rate and
averaging follow the share of the time that has been used: a slow machine trains fewer steps on the same curve.
"""

import copy
import json
import math
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from alm_core.schedule import cosine
from torch import Tensor, nn

from alm_motion.dataset import read_folder, statistics, variants
from alm_motion.features import joints_of, placed
from alm_motion.priors.networks.unet1d import UNet1d, UNet1dConfig
from alm_motion.priors.unet1d import PLACES, SPREAD, check_shape

__all__ = ["Training", "train"]

DETAIL = 0.5
"""ω: below this noise, in deviations, errors count by how much less noise there is. Else what little they are is lost
beside what cannot be known under much noise."""
STEP = 0.02
"""A usual way of a joint in a frame, in metres: what the loss of ways is measured by."""


@dataclass(frozen=True)
class Training:
    """How to train: `minutes` in all, `batch` frames a step, windows between `shortest` and `longest` frames.

    Raises ValueError for numbers that nothing can be trained with.
    """

    minutes: float = 90.0
    width: int = 128
    multipliers: tuple[float, ...] = (1, 1.5, 1.5, 1.5)
    batch: int = 4096
    shortest: int = 40
    longest: int = 200
    rate: float = 6e-4
    ways: float = 0.05
    unlabelled: float = 0.5
    seed: int = 0

    def __post_init__(self) -> None:
        """Checks ranges."""
        if not (math.isfinite(self.minutes) and self.minutes > 0):
            raise ValueError(f"the minutes to train must be above 0, got {self.minutes:g}")
        if self.batch < 1 or not 2 <= self.shortest <= self.longest:
            raise ValueError(
                f"a batch of 1 frame or more and windows of 2 or more are wanted, got a batch of {self.batch} and "
                f"windows of {self.shortest} to {self.longest}"
            )
        if self.seed < 0:
            raise ValueError(f"the seed must be 0 or more, got {self.seed}")
        check_shape(self.network(actions=1))

    def network(self, actions: int) -> UNet1dConfig:
        """The shape of the network that is trained."""
        return UNet1dConfig(
            channels=PLACES,
            width=self.width,
            multipliers=self.multipliers,
            text=0,
            actions=actions,
            fine=True,
            frames=None,
        )


@dataclass
class State:
    """What a checkpoint holds."""

    network: UNet1d
    average: UNet1d
    optimizer: torch.optim.Optimizer
    random: dict[str, Any]
    steps: int = 0
    seconds: float = 0.0


def train(
    folder: str | Path,
    out: str | Path,
    settings: Training,
    *,
    device: str = "cpu",
    tell: Callable[[dict[str, float]], None] = lambda report: None,
) -> Path:
    """Trains on a folder of BVH clips; `out` gets a checkpoint to go on from and the averaged model, every minute.

    Raises ValueError where the folder holds nothing to learn from, or `out` the checkpoint of another network.
    """
    learn, test = read_folder(folder)
    out = Path(out)
    if not learn:
        raise ValueError(f"{folder} holds only clips that the rule holds out: add clips, or give one another name")
    actions = sorted({one.action for one in learn})
    rng = np.random.default_rng(settings.seed)
    torch.manual_seed(settings.seed)
    clips = [(each[:, :PLACES], actions.index(one.action)) for one in learn for each in variants(one)]
    if not clips:
        raise ValueError(f"{folder} holds no clip of a second or more to train on: add longer ones")
    middles = [f[max(len(f) // 2 - 100, 0) : len(f) // 2 + 100] for f, _ in clips]
    mean, std = statistics([placed(f, f[len(f) // 2, 0], f[len(f) // 2, 1:3]) for f in middles])
    network = UNet1d(settings.network(len(actions))).to(device)
    _start_quiet(network)
    optimizer = torch.optim.AdamW(network.parameters(), lr=settings.rate, weight_decay=0.01, betas=(0.9, 0.99))
    state = State(network, copy.deepcopy(network).requires_grad_(False), optimizer, dict(rng.bit_generator.state))
    _resume(state, out)
    rng.bit_generator.state = state.random
    out.mkdir(parents=True, exist_ok=True)
    batches = _Batches(clips, mean, std, settings, rng, device)
    held = [(each[:, :PLACES], -1) for one in test for each in variants(one)[:1]]
    checks = _Batches(held, mean, std, settings, np.random.default_rng(1), device).fixed(8) if held else []
    alphas = torch.tensor(cosine(), device=device)
    limit, saved, since = settings.minutes * 60, time.monotonic(), time.monotonic()
    running = 0.0
    trained: list[Tensor] = list(network.parameters())
    averaged: list[Tensor] = list(state.average.parameters())
    ahead = batches.draw_ahead()
    while state.seconds < limit:
        share = state.seconds / limit
        for group in optimizer.param_groups:
            group["lr"] = settings.rate * min((state.steps + 1) / 500, 1.0) * (0.5 + 0.5 * math.cos(math.pi * share))
        batch, state.random = next(ahead)
        loss = _loss(network, batch, alphas, settings, mean.to(device), std.to(device))
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        state.steps += 1
        decay = min(0.9995, (state.steps + 1) / (state.steps + 10))
        with torch.no_grad():
            torch._foreach_lerp_(averaged, trained, 1 - decay)
        now = time.monotonic()
        state.seconds, since = state.seconds + now - since, now
        running = float(loss.detach()) if state.steps == 1 else 0.99 * running + 0.01 * float(loss.detach())
        if now - saved > 60 or state.seconds >= limit:
            saved = now
            report = {"steps": state.steps, "minutes": state.seconds / 60, "loss": running}
            if checks:
                report["held_out"] = _check(state.average, checks, alphas, settings, mean.to(device), std.to(device))
            _save(state, out, actions, mean, std, report)
            tell(report)
            since = time.monotonic()
    return out


class _Batches:
    """Windows of one length, placed at one of their own frames, normalised."""

    def __init__(
        self,
        clips: Sequence[tuple[Tensor, int]],
        mean: Tensor,
        std: Tensor,
        settings: Training,
        rng: np.random.Generator,
        device: str,
    ) -> None:
        self._clips, self._mean, self._std, self._settings = clips, mean, std, settings
        self._rng, self._device = rng, device
        self._lengths = np.array([len(f) for f, _ in clips])

    def draw(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """x_0 (rows, 67, F), labels, times and ε."""
        settings, rng = self._settings, self._rng
        length = int(rng.integers(settings.shortest, settings.longest + 1))
        length = min(length, int(self._lengths.max()))
        fit = np.flatnonzero(self._lengths >= length)
        # A clip counts for the square root of its length: long dances are most of the data, and much alike.
        chance = np.sqrt(self._lengths[fit])
        rows = rng.choice(fit, max(settings.batch // length, 1), p=chance / chance.sum())
        windows, labels = [], []
        for row in rows:
            features, label = self._clips[row]
            start = int(rng.integers(0, len(features) - length + 1))
            window = features[start : start + length]
            frame = int(rng.integers(0, length))
            windows.append(placed(window, window[frame, 0], window[frame, 1:3]))
            labels.append(-1 if rng.random() < settings.unlabelled else label)
        x_0 = ((torch.stack(windows) - self._mean) / self._std).transpose(1, 2)
        times = torch.from_numpy(rng.integers(0, 1000, len(x_0)))
        eps = torch.from_numpy(rng.standard_normal(x_0.shape, dtype=np.float32))
        return tuple(t.to(self._device) for t in (x_0, torch.tensor(labels), times, eps))  # type: ignore[return-value]

    def draw_ahead(self) -> Iterator[tuple[tuple[Tensor, Tensor, Tensor, Tensor], dict[str, Any]]]:
        """The same, the next of which is drawn while one is in use; and the random state that it is drawn from."""

        def draw() -> tuple[tuple[Tensor, Tensor, Tensor, Tensor], dict[str, Any]]:
            return self.draw(), dict(self._rng.bit_generator.state)

        with ThreadPoolExecutor(1) as worker:
            coming = worker.submit(draw)
            while True:
                now, coming = coming.result(), worker.submit(draw)
                yield now

    def fixed(self, count: int) -> list[tuple[Tensor, Tensor, Tensor, Tensor]]:
        """Some batches, to look at again and again."""
        return [self.draw() for _ in range(count)]


def _loss(
    network: UNet1d,
    batch: tuple[Tensor, Tensor, Tensor, Tensor],
    alphas: Tensor,
    settings: Training,
    mean: Tensor,
    std: Tensor,
) -> Tensor:
    x_0, labels, times, eps = batch
    alpha = alphas[times][:, None, None].float()
    a, s = alpha.sqrt(), (1 - alpha).sqrt()
    x_t = a * x_0 + s * eps
    with torch.autocast(x_0.device.type, torch.bfloat16):
        out = network(x_t, times, labels)
    out = out.float()
    kept = SPREAD**2 / (SPREAD**2 + (s / a) ** 2)
    x0 = kept / a * x_t + (1 - kept).sqrt() * out
    weight = (1 + (DETAIL * a / s) ** 2).clamp(max=50)
    error = (weight * (x0 - x_0).square()).mean()
    ways, true = (joints_of(x.transpose(1, 2) * std + mean).diff(dim=1) / STEP for x in (x0, x_0))
    loss: Tensor = error + settings.ways * (weight[..., None] * (ways - true).square()).mean()
    return loss


@torch.no_grad()
def _check(
    network: UNet1d,
    batches: Sequence[tuple[Tensor, Tensor, Tensor, Tensor]],
    alphas: Tensor,
    settings: Training,
    mean: Tensor,
    std: Tensor,
) -> float:
    return sum(float(_loss(network, batch, alphas, settings, mean, std)) for batch in batches) / len(batches)


def _start_quiet(network: UNet1d) -> None:
    """Blocks start as skips: the last convolution of each and of all at 0, as scale and shift."""
    for name, parameter in network.named_parameters():
        if (
            "blocks.1.block.0" in name
            or name.startswith("unet.final_conv.1")
            or ("time_mlp.1" in name and "unet." in name and name.count(".") > 3)
        ):
            nn.init.zeros_(parameter)


def _resume(state: State, out: Path) -> None:
    """What the checkpoint holds, where there is one; those of before have no random state. Raises ValueError."""
    path = out / "state.pt"
    if not path.is_file():
        return
    try:
        saved = torch.load(path, map_location="cpu", weights_only=True)
        state.network.load_state_dict(saved["network"])
        state.average.load_state_dict(saved["average"])
        state.optimizer.load_state_dict(saved["optimizer"])
        state.steps, state.seconds = saved["steps"], saved["seconds"]
        state.random = json.loads(saved["random"]) if "random" in saved else state.random
    except Exception as error:  # no pickle, one of anything but tensors, other shapes
        raise ValueError(
            f"{path} is not a checkpoint of this network ({str(error).splitlines()[0]}): name another folder"
        ) from None


def _save(state: State, out: Path, actions: list[str], mean: Tensor, std: Tensor, report: dict[str, float]) -> None:
    """The checkpoint, and the averaged model as a folder."""
    from safetensors.torch import save_file

    whole = {
        "network": state.network.state_dict(),
        "average": state.average.state_dict(),
        "optimizer": state.optimizer.state_dict(),
        "steps": state.steps,
        "seconds": state.seconds,
        "random": json.dumps(state.random),
    }
    torch.save(whole, out / "state.tmp")
    (out / "state.tmp").replace(out / "state.pt")
    weights = {k: v.half().contiguous() for k, v in state.average.state_dict().items() if not k.endswith(".pe")}
    save_file(weights, out / "model.safetensors.tmp")
    (out / "model.safetensors.tmp").replace(out / "model.safetensors")
    config = {
        "network": asdict(state.network.config),
        "predicts": "blend",
        "actions": actions,
        "mean": mean.tolist(),
        "std": std.tolist(),
    }
    (out / "config.json").write_text(json.dumps({**config, "trained": report}, indent=1) + "\n", encoding="utf-8")
