"""ALM's Tables 1, 3 and 11 on a learned prior that runs anywhere: the emoji U-Net, on held-out emoji.

    ./run bench inpainting [--images 64] [--rows 1,3,11] [--model emoji] [--json OUT]

Each held-out picture gets one random mask (half of them boxes, half blobs; 20 to 50% of the picture). Every method
completes all of them from the same seeds. Errors are measured on the raw result with the observed part put back: MSE
and SSIM over the hole, the Lite0 distance over the picture, with 95% bootstrap intervals over pictures. MS-SSIM is
added for pictures of 176 pixels a side or more, below which it is not defined. `minus_alm` is the difference to the
row `ALM` picture by picture, with its interval: pictures differ more than methods do, and this takes that out. Seconds
are for one picture of the batch.
"""

import argparse
import time
from pathlib import Path

import numpy as np
import torch
from alm_core import (
    ALM,
    Counted,
    FixedNoise,
    FreshNoise,
    Inversion,
    Method,
    Noise,
    Reference,
    RePaint,
    Replacement,
    StochasticALM,
    SyncSDE,
    sample,
)
from alm_image import ImagePrior, load_prior
from numpy.typing import NDArray
from pytorch_msssim import ms_ssim
from scipy.ndimage import gaussian_filter
from skimage.metrics import structural_similarity
from torch import Tensor
from torch.nn.functional import interpolate

from benchmarks.common import ROOT, write_results
from benchmarks.lite0 import Lite0

SMALLEST_MS_SSIM = 176
Row = tuple[str, Method, Reference]

MAIN: list[Row] = [
    ("ALM", ALM(), Inversion()),
    ("SyncSDE", SyncSDE(), Inversion()),
    ("replacement", Replacement(), FreshNoise()),
    ("RePaint, 10 resamplings", RePaint(10), FreshNoise()),
    ("StochasticALM", StochasticALM(), FreshNoise()),
    ("SyncSDE, fixed noise", SyncSDE(), FixedNoise()),
    ("ALM, fixed noise", ALM(), FixedNoise()),
    ("StochasticALM, fixed noise", StochasticALM(), FixedNoise()),
]
ABLATION: list[Row] = [
    ("ALM without ΔY", ALM(off_last=1), Inversion()),
    ("ALM without the conditional term", ALM(conditional=0), Inversion()),
    ("ALM without the joint term", ALM(w2=0), Inversion()),
    ("ALM without acceleration (N = 3)", ALM(iterations=3), Inversion()),
]
SWEEP: list[Row] = [
    (f"ALM w1 = {w1}, w2 = {w2}", ALM(w1=w1, w2=w2), Inversion())
    for w1, w2 in ((1.0, 0.001), (1.0, 0.01), (0.5, 0.005), (1.5, 0.005))
]
TABLES = {"1": MAIN, "3": ABLATION, "11": SWEEP}


def main() -> None:
    flags = _flags()
    torch.manual_seed(0)
    prior = load_prior(flags.model)
    pixels, masks = held_out(flags.images, prior.size)
    lite0 = Lite0()
    rows, alm = [], None
    print(f"{'method':<36}{'evals':>6}{'s':>7}  {'MSE':>16} {'M-SSIM':>16} {'Lite0':>16}  (MS-SSIM)")
    for name, method, reference in [row for table in flags.rows.split(",") for row in TABLES[table]]:
        made, evaluations, seconds = complete(prior, pixels, masks, method, reference, flags.steps)
        scores = {
            "mse": masked_mse(made, pixels, masks),
            "masked_ssim": masked_ssim(made, pixels, masks),
            "lite0": lite0(made, pixels).numpy(),
        }
        if prior.size >= SMALLEST_MS_SSIM:
            scores["ms_ssim"] = ms_ssim(made, pixels, data_range=2.0, size_average=False).double().numpy()
        row: dict[str, object] = {"method": name, "evaluations": evaluations, "seconds": round(seconds, 3)}
        row |= {key: interval(values) for key, values in scores.items()}
        alm = scores if name == "ALM" else alm
        if alm is not None and alm is not scores:
            row["minus_alm"] = {key: interval(values - alm[key]) for key, values in scores.items()}
        rows.append(row)
        cells = " ".join(f"{m:7.4f} ±{(hi - lo) / 2:7.4f}" for m, lo, hi in (interval(v) for v in scores.values()))
        print(f"{name:<36}{evaluations:>6.0f}{seconds:>7.2f}  {cells}", flush=True)
        if flags.json:  # after every row: a run that is stopped keeps what it has
            settings = {"images": len(pixels), "size": prior.size, "steps": flags.steps, "model": flags.model}
            write_results(flags.json, **settings, rows=rows)


def complete(
    prior: ImagePrior, pixels: Tensor, masks: Tensor, method: Method, reference: Reference, steps: int
) -> tuple[Tensor, float, float]:
    """The completed pixels with the observed part put back, evaluations and seconds a picture."""
    counted, start = Counted(prior), time.perf_counter()
    y = sample(
        counted,
        prior.schedule(steps),
        noise=Noise.batch(0, len(pixels)),
        x_0=pixels * (1 - masks),
        mask=masks,
        method=method,
        reference=reference,
    ).clamp(-1, 1)
    seconds = (time.perf_counter() - start) / len(pixels)
    return pixels + masks * (y - pixels), counted.rows / len(pixels), seconds


def held_out(count: int, size: int) -> tuple[Tensor, Tensor]:
    """The first `count` held-out emoji of every n-th, and a mask for each, by a fixed seed."""
    images = np.load(ROOT / "benchmarks" / "data" / "noto_emoji_heldout.npz")["images"]
    images = images[:: max(1, len(images) // count)][:count]
    pixels = torch.from_numpy(images).permute(0, 3, 1, 2).float() / 127.5 - 1
    random = np.random.default_rng(0)
    masks = np.stack([box(random, size) if i % 2 else blob(random, size) for i in range(len(pixels))])
    return interpolate(pixels, (size, size), mode="area"), torch.from_numpy(masks)[:, None].float()


def box(random: np.random.Generator, size: int) -> NDArray[np.bool_]:
    """A box of 20 to 50% of the picture."""
    area, aspect = random.uniform(0.2, 0.5), np.exp(random.uniform(-0.4, 0.4))
    tall, broad = (min(size - 2, round(size * np.sqrt(area * a))) for a in (aspect, 1 / aspect))
    top, left = random.integers(0, size - tall + 1), random.integers(0, size - broad + 1)
    mask = np.zeros((size, size), bool)
    mask[top : top + tall, left : left + broad] = True
    return mask


def blob(random: np.random.Generator, size: int) -> NDArray[np.bool_]:
    """A free form of 20 to 50% of the picture: where smooth noise is high."""
    field = gaussian_filter(random.standard_normal((size, size)), size / 8)
    return np.asarray(field > np.quantile(field, 1 - random.uniform(0.2, 0.5)))


def masked_mse(made: Tensor, truth: Tensor, masks: Tensor) -> NDArray[np.float64]:
    """Mean squared error over the hole, of values in [0, 1]."""
    error = ((made - truth) / 2).square().mean(1, keepdim=True) * masks
    return (error.sum((1, 2, 3)) / masks.sum((1, 2, 3))).double().numpy()


def masked_ssim(made: Tensor, truth: Tensor, masks: Tensor) -> NDArray[np.float64]:
    """The SSIM map averaged over the hole."""
    values = []
    for a, b, mask in zip(made.numpy(), truth.numpy(), masks[:, 0].numpy(), strict=True):
        _, ssim = structural_similarity(a, b, channel_axis=0, data_range=2.0, full=True)
        values.append(float(ssim.mean(0)[mask > 0].mean()))
    return np.array(values)


def interval(values: NDArray[np.float64]) -> tuple[float, float, float]:
    """The mean and its 95% bootstrap interval."""
    random = np.random.default_rng(0)
    means = values[random.integers(0, len(values), (2000, len(values)))].mean(1)
    return tuple(round(float(v), 5) for v in (values.mean(), *np.quantile(means, (0.025, 0.975))))


def _flags() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=64)
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--rows", default="1,3,11", help="which of the paper's tables: 1, 3, 11")
    parser.add_argument("--model", default="emoji", help="emoji, or another pixel model's folder")
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


if __name__ == "__main__":
    main()
