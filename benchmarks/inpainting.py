"""ALM's Tables 1, 3 and 11 on a learned prior that runs anywhere: the emoji U-Net, on held-out emoji.

    ./run bench inpainting [--images 48] [--tables 1,3,11] [--model emoji] [--json OUT]

Each held-out picture gets one random mask (half of them boxes, half blobs; 20 to 50% of the picture). Every method
completes all of them from the same seeds. As in the papers' tables the raw result is measured, and in rows with * the
result with the given part put back: the mean square error, FSIM and the Lite0 distance over the whole picture, which
stands where the papers have LPIPS, and SSIM over the hole (M-SSIM); MS-SSIM for pictures of 176 pixels a side or more,
below which it is not defined. Means come with 95% bootstrap intervals over pictures.

`orders` says of each order that the paper's tables show whether it holds here: the difference of the two rows picture
by picture, turned so that above 0 is as in the paper, with its interval; "holds" and "fails" where that leaves 0 out,
"undecided" where it does not. Seconds are for one picture of the batch.
"""

import argparse
import time
from dataclasses import astuple
from pathlib import Path

import numpy as np
import torch
from alm_core import (
    ALM,
    DPS,
    BlendedLatents,
    Counted,
    FixedNoise,
    FreshNoise,
    Independent,
    Inversion,
    LanPaint,
    Method,
    Noise,
    ReconstructionGuidance,
    Reference,
    RePaint,
    Replacement,
    StochasticALM,
    SyncSDE,
    sample,
)
from alm_image import ImagePrior, load_prior
from alm_image.metrics import fsim, masked_ssim, ms_ssim, mse
from alm_image.statistics import mean_interval
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from torch import Tensor
from torch.nn.functional import interpolate

from benchmarks.common import ROOT, write_results
from benchmarks.lite0 import Lite0

SMALLEST_MS_SSIM = 176
Row = tuple[str, Method, Reference]
Scores = dict[str, NDArray[np.float64]]

MAIN: list[Row] = [
    ("ALM", ALM(), Inversion()),
    ("SyncSDE", SyncSDE(), Inversion()),
    ("blended latents", BlendedLatents(), FixedNoise()),
    ("replacement", Replacement(), FreshNoise()),
    ("RePaint, 10 resamplings", RePaint(10), FreshNoise()),
    ("LanPaint", LanPaint(), FreshNoise()),
    ("DPS", DPS(), FixedNoise()),
    ("reconstruction guidance", ReconstructionGuidance(), FixedNoise()),
    ("StochasticALM", StochasticALM(), FreshNoise()),
    ("independent", Independent(), FixedNoise()),
    ("SyncSDE, fixed noise", SyncSDE(), FixedNoise()),
    ("ALM, fixed noise", ALM(), FixedNoise()),
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
PASTED = ("ALM", "SyncSDE")
"""Rows that are shown a second time, with the given part put back."""
BETTER = {"lite0": -1, "mse": -1, "masked_ssim": 1, "ms_ssim": 1, "fsim": 1}
"""Whether more is better."""
ORDERS = [
    ("1", "ALM", "SyncSDE"),
    ("1", "ALM*", "ALM"),
    *(("3", "ALM", name) for name, *_ in ABLATION),
    *(("11", name, "SyncSDE") for name, *_ in SWEEP),
]
"""Table, and of which row it shows that it is better than which. Of M-SSIM it shows ALM above ALM*."""


def main() -> None:
    flags = _flags()
    torch.manual_seed(0)
    prior = load_prior(flags.model)
    pixels, masks = held_out(flags.images, prior.size)
    lite0, rows, found = Lite0(), [], {}
    settings = {"images": len(pixels), "size": prior.size, "steps": flags.steps, "model": flags.model}
    for table, name, method, reference in [(t, *row) for t in flags.tables.split(",") for row in TABLES[t]]:
        made, evaluations, seconds = complete(prior, pixels, masks, method, reference, flags.steps)
        results = {name: made}
        if name in PASTED:
            results[f"{name}*"] = pixels + masks * (made - pixels)
        for label, result in results.items():
            found[label] = score(result, pixels, masks, lite0)
            row = {"table": table, "method": label, "evaluations": evaluations, "seconds": round(seconds, 3)}
            rows.append(row | {key: interval(values) for key, values in found[label].items()})
            cells = " ".join(f"{key} {rows[-1][key][0]:.4f}" for key in found[label])
            print(f"{table:>3} {label:<36}{evaluations:>6.0f}{seconds:>7.2f}  {cells}", flush=True)
        if flags.json:  # after every row: a run that is stopped keeps what it has
            write_results(flags.json, **settings, rows=rows, orders=orders(found))
    for order in orders(found):
        print(f"{order['table']:>3} {order['better']} before {order['worse']}, {order['metric']}: {order['verdict']}")


def orders(found: dict[str, Scores]) -> list[dict[str, object]]:
    """Which of the paper's orders hold, of those whose rows were measured."""
    rows: list[dict[str, object]] = []
    for table, better, worse in ORDERS:
        if better not in found or worse not in found:
            continue
        for metric, values in found[better].items():
            sign = BETTER[metric] * (-1 if (better, metric) == ("ALM*", "masked_ssim") else 1)
            mean, low, high = interval(sign * (values - found[worse][metric]))
            verdict = "holds" if low > 0 else "fails" if high < 0 else "undecided"
            about = {"table": table, "better": better, "worse": worse, "metric": metric}
            rows.append({**about, "difference": (mean, low, high), "verdict": verdict})
    return rows


def score(made: Tensor, truth: Tensor, masks: Tensor, lite0: Lite0) -> Scores:
    """Each measure of each picture."""
    scores = {
        "lite0": lite0(made, truth),
        "mse": mse(made, truth),
        "masked_ssim": masked_ssim(made, truth, masks),
        "fsim": fsim(made, truth),
    }
    if made.shape[-1] >= SMALLEST_MS_SSIM:
        scores["ms_ssim"] = ms_ssim(made, truth)
    return {key: values.double().numpy() for key, values in scores.items()}


def complete(
    prior: ImagePrior, pixels: Tensor, masks: Tensor, method: Method, reference: Reference, steps: int
) -> tuple[Tensor, float, float]:
    """The pixels as the method left them, evaluations and seconds a picture."""
    counted, start = Counted(prior), time.perf_counter()
    y = sample(
        counted,
        prior.schedule(steps),
        noise=Noise.batch(0, len(pixels)),
        x_0=pixels * (1 - masks),
        mask=masks,
        method=method,
        reference=reference,
    )
    seconds = (time.perf_counter() - start) / len(pixels)
    return y.clamp(-1, 1), counted.rows / len(pixels), seconds


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


def interval(values: NDArray[np.float64]) -> tuple[float, ...]:
    """The mean and its 95% bootstrap interval."""
    return tuple(round(value, 5) for value in astuple(mean_interval(values)))


def _flags() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=48)
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--tables", default="1,3,11", help="which of the paper's tables: 1, 3, 11")
    parser.add_argument("--model", default="emoji", help="emoji, or another pixel model's folder")
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


if __name__ == "__main__":
    main()
