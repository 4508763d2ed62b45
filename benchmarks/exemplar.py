"""Is the default prior sharper than the classic fills, without a seam, on photographs? And how long does it take?

    ./run bench exemplar --photos DIR [DIR…] [--size 256] [--only NAME…] [--json OUT] [--pictures DIR]

Photographs are every PNG and JPEG of the folders and those that come with scikit-image, cut to their central square and
resized. The prior was tuned on `TUNED`, which are left out unless named with `--only`. Each gets one mask by a rule
that reads its name alone: a box or a free-form blob, 10 to 25% of the picture. Compared with OpenCV's Telea and
Navier–Stokes fills (radius 5) and scikit-image's biharmonic one:

- sharpness: mean gradient magnitude inside the hole over that of a ring around it;
- seam: mean |difference| of neighbours across the hole's border over that of neighbours outside, nearby;
- Lite0 distance to the true picture on the box around the hole (`lite0.py`), place by place;
- pooled Lite0 distance: the same features averaged over the box before they are compared. The first wants every
  thing where it was, which nobody can know, and forgives blur; the second wants the same stuff, wherever it lies.

The truth's own sharpness and seam stand beside them. Seconds are of one run, after one that is not counted.
"""

import argparse
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from statistics import mean, median

import cv2
import numpy as np
import skimage
import torch
from alm_image import inpaint
from numpy.typing import NDArray
from PIL import Image
from skimage.restoration import inpaint_biharmonic
from torch import Tensor

from benchmarks.common import write_results
from benchmarks.lite0 import Lite0

TUNED = ("brick", "coffee", "grass", "sunrise", "tulips")
BUNDLED = (
    *("astronaut", "brick", "camera", "chelsea", "coffee", "coins", "grass", "gravel", "hubble_deep_field"),
    *("ihc", "moon", "motorcycle_left", "retina", "rocket"),
)
NAMES = ("telea", "navier_stokes", "biharmonic", "exemplar")
Row = dict[str, object]


def photographs(folders: list[Path], only: list[str]) -> list[Path]:
    """The files to measure: those named, or all that the prior was not tuned on."""
    bundled = Path(skimage.__file__).parent / "data"
    files = [p for folder in folders for p in sorted(folder.iterdir()) if p.suffix in (".png", ".jpg")]
    files += [p for name in BUNDLED for p in bundled.glob(f"{name}.*")]
    return [p for p in files if (p.stem in only if only else p.stem not in TUNED)]


def load(path: Path, size: int) -> Tensor:
    """The central square, (3, size, size) in [−1, 1]."""
    picture = Image.open(path).convert("RGB")
    side = min(picture.size)
    left, top = (picture.width - side) // 2, (picture.height - side) // 2
    picture = picture.crop((left, top, left + side, top + side)).resize((size, size), Image.Resampling.LANCZOS)
    return torch.from_numpy(np.array(picture)).permute(2, 0, 1).float() / 127.5 - 1


def hole(name: str, size: int) -> Tensor:
    """(1, size, size), 1 in the hole: a box or a blob, by the name."""
    draw = np.random.default_rng(zlib.crc32(name.encode()))
    fraction = draw.uniform(0.1, 0.25)
    mask = np.zeros((size, size), np.float32)
    if draw.random() < 0.5:
        shape = np.exp(draw.uniform(-0.4, 0.4))
        h, w = int(size * (fraction * shape) ** 0.5), int(size * (fraction / shape) ** 0.5)
        y, x = (draw.integers(size // 12, size - side - size // 12) for side in (h, w))
        mask[y : y + h, x : x + w] = 1
    else:
        field = cv2.GaussianBlur(draw.standard_normal((size, size)).astype(np.float32), (0, 0), size / 9)
        v, u = np.mgrid[:size, :size] / size - 0.5
        field = field / field.std() - 12 * (u**2 + v**2) - 9 * (np.maximum(abs(u), abs(v)) > 0.44)
        mask[field > np.quantile(field, 1 - fraction)] = 1
    return torch.from_numpy(mask)[None]


def classic(fill: Callable[[NDArray[np.uint8], NDArray[np.uint8]], NDArray[np.uint8]], x: Tensor, m: Tensor) -> Tensor:
    """A fill of 8-bit pixels (h, w, 3) and a mask (h, w), on ours."""
    filled = fill(to_bytes(x), (m[0] > 0).numpy().astype(np.uint8))
    return torch.from_numpy(np.asarray(filled)).permute(2, 0, 1).float() / 127.5 - 1


def biharmonic(pixels: NDArray[np.uint8], mask: NDArray[np.uint8]) -> NDArray[np.uint8]:
    filled = inpaint_biharmonic(pixels, mask, split_into_regions=True, channel_axis=-1)
    return (filled.clip(0, 1) * 255).round().astype(np.uint8)


def exemplar(x: Tensor, m: Tensor, seed: int) -> Tensor:
    """What a user gets: `alm_image.inpaint` with its defaults, pasting included."""
    mask = Image.fromarray((m[0].numpy() * 255).astype(np.uint8))
    made = inpaint(Image.fromarray(to_bytes(x * (1 - m))), mask, seed=seed).images[0]
    return torch.where(m > 0, torch.from_numpy(np.array(made)).permute(2, 0, 1).float() / 127.5 - 1, x)


def sharpness(x: Tensor, m: Tensor) -> float:
    grey = x.mean(0)
    gradient = ((grey[1:, :-1] - grey[:-1, :-1]) ** 2 + (grey[:-1, 1:] - grey[:-1, :-1]) ** 2).sqrt()
    mask = m[0].numpy()
    inside = cv2.erode(mask, np.ones((5, 5)))[:-1, :-1] > 0
    ring = ((cv2.dilate(mask, np.ones((33, 33))) > 0) & (cv2.dilate(mask, np.ones((3, 3))) == 0))[:-1, :-1]
    return float(gradient[torch.from_numpy(inside)].mean() / gradient[torch.from_numpy(ring)].mean())


def seam(x: Tensor, m: Tensor) -> float:
    mask = m[0] > 0
    near = torch.from_numpy(cv2.dilate(m[0].numpy(), np.ones((17, 17))) > 0)
    across, beside = [], []
    for axis in (0, 1):
        n = mask.shape[axis] - 1
        jump = x.diff(dim=axis + 1).abs().mean(0)
        first, second = mask.narrow(axis, 0, n), mask.narrow(axis, 1, n)
        across.append(jump[first != second])
        beside.append(jump[~first & ~second & near.narrow(axis, 0, n)])
    return float(torch.cat(across).mean() / torch.cat(beside).mean())


def around(m: Tensor, margin: int) -> tuple[slice, ...]:
    """The box of the hole and a margin."""
    at = [(m[0] > 0).any(axis).nonzero()[:, 0] for axis in (1, 0)]
    return (slice(None), *(slice(max(int(a[0]) - margin, 0), int(a[-1]) + margin + 1) for a in at))


@torch.no_grad()
def pooled(lite0: Lite0, a: Tensor, b: Tensor) -> float:
    """The squared difference of mean features, averaged over stages."""
    pairs = zip(lite0._features(a), lite0._features(b), strict=True)
    return float(torch.stack([(x.mean((2, 3)) - y.mean((2, 3))).square().sum() for x, y in pairs]).mean())


def to_bytes(x: Tensor) -> NDArray[np.uint8]:
    return np.asarray(((x.clamp(-1, 1) + 1) * 127.5).round().byte().permute(1, 2, 0).numpy())


def measure(path: Path, size: int, seed: int, lite0: Lite0, pictures: Path | None) -> list[Row]:
    """A row for each fill of one photograph."""
    x, m = load(path, size), hole(path.stem, size)
    fills: dict[str, Callable[[], Tensor]] = {
        "telea": lambda: classic(lambda p, k: cv2.inpaint(p, k, 5, cv2.INPAINT_TELEA), x, m),
        "navier_stokes": lambda: classic(lambda p, k: cv2.inpaint(p, k, 5, cv2.INPAINT_NS), x, m),
        "biharmonic": lambda: classic(biharmonic, x, m),
        "exemplar": lambda: exemplar(x, m, seed),
    }
    rows, shown = [], [x * (1 - m) + m]
    box = around(m, size // 12)
    for name in NAMES:
        start, cpu = time.perf_counter(), time.process_time()
        y = fills[name]()
        seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
        shown.append(y)
        rows.append(
            {
                "photo": path.stem,
                "fill": name,
                "hole": float(m.mean()),
                "seconds": seconds,
                "cpu_seconds": cpu,
                "sharpness": sharpness(y, m),
                "sharpness_truth": sharpness(x, m),
                "seam": seam(y, m),
                "seam_truth": seam(x, m),
                "lite0": float(lite0(y[box][None], x[box][None])),
                "lite0_pooled": pooled(lite0, y[box][None], x[box][None]),
            }
        )
    if pictures:
        pictures.mkdir(parents=True, exist_ok=True)
        sheet = np.concatenate([to_bytes(p) for p in (*shown, x)], 1)
        Image.fromarray(sheet).save(pictures / f"{path.stem}.png")
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, nargs="*", default=[], metavar="DIR", help="folders of photographs")
    parser.add_argument("--size", type=int, default=256, help="pixels a side (256)")
    parser.add_argument("--only", nargs="*", default=[], metavar="NAME", help="these alone, tuned ones too")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, help="write the rows here")
    parser.add_argument("--pictures", type=Path, metavar="DIR", help="write masked | fills | truth of each here")
    args = parser.parse_args()
    lite0 = Lite0()
    rows: list[Row] = []
    print("photo              fill            seconds  sharpness (truth)  seam (truth)  Lite0   pooled")
    for path in photographs(args.photos, args.only):
        for row in measure(path, args.size, args.seed, lite0, args.pictures):
            rows.append(row)
            print(
                "{photo:18s} {fill:15s} {seconds:7.1f}  {sharpness:9.2f} ({sharpness_truth:.2f})   "
                "{seam:6.2f} ({seam_truth:.2f})  {lite0:.4f}  {lite0_pooled:.4f}".format(**row),
                flush=True,
            )
    summary = summarise(rows)
    for line in summary:
        print(line)
    if args.json:
        write_results(args.json, size=args.size, seed=args.seed, tuned=TUNED, summary=summary, rows=rows)


def summarise(rows: list[Row]) -> list[Row]:
    """Over photographs: medians, mean distances with standard errors, and on how many each fill's is the least."""
    photos = sorted({str(row["photo"]) for row in rows})
    lines: list[Row] = []
    for name in NAMES:
        line: Row = {"fill": name, "photos": len(photos)}
        for key in ("seconds", "cpu_seconds", "sharpness", "seam"):
            line[f"{key}_median"] = round(median(_values(rows, name, key)), 3)
        for key in ("lite0", "lite0_pooled"):
            mine = _values(rows, name, key)
            others = [_values(rows, other, key) for other in NAMES if other != name]
            line[f"{key}_mean"] = round(mean(mine), 4)
            line[f"{key}_error"] = round(float(np.std(mine) / len(mine) ** 0.5), 4)
            line[f"{key}_least"] = sum(all(v < o[i] for o in others) for i, v in enumerate(mine))
        lines.append(line)
    return lines


def _values(rows: list[Row], name: str, key: str) -> list[float]:
    """One number a photograph of the fill `name`, in the order of the rows."""
    return [float(str(row[key])) for row in rows if row["fill"] == name]


if __name__ == "__main__":
    main()
