"""ALM (arXiv 2606.31323), Table 10: what a picture costs.

    ./run bench tables/alm_10 --weights SD15 --device cuda --out alm_10.json

The paper's protocol (0.E, with 0.B.1 and 0.D): image inpainting with Stable Diffusion 1.5, 512 × 512, 50 DDIM steps,
one picture; the GPU's memory in GB, the run time in seconds, and LPIPS of Table 1. X_t by DDIM inversion. Without
acceleration N = 500 inner iterations, λ1 = 2e-3 and λ2 = 1e-5, which is w1 = 1 and w2 = 0.005.

Wanted: `--weights`, a folder of Stable Diffusion 1.5 in diffusers' layout. The picture is shipped: the lake of the
examples, since neither time nor memory depends on what it shows.

What the paper leaves open, and what was chosen:

- The GPU is not named. The results say which it was; ratios compare, seconds do not.
- The dtype. 4.98 GB are what float32 takes, so it is float32 unless `--dtype` says otherwise.
- What "memory" is. It is the most that torch held at once in a run, weights included, in 10⁹ bytes; without CUDA it
  is not measured. What the driver shows is more.
- How often a time was taken. It is the median of `--repeats` runs after one short one, and its ends are the quickest
  and the slowest; without acceleration one run alone is counted. Encoding, inversion and decoding are in it.
- Guidance. It is Stable Diffusion's usual 7.5 in the step of Eq. 2 and none in ΔY.
- LPIPS is that of Table 1 and is not measured here. Nothing is pasted back: rows with * have no cost in the table.
"""

import argparse
import sys
from pathlib import Path

from alm_core import ALM, Inversion, SyncSDE
from alm_image import Hard, inpaint, load_prior
from PIL import Image

from benchmarks.common import ROOT, environment
from benchmarks.tables.common import Cells, Job, Measure, Table, run
from benchmarks.tables.cost import cost, spread
from benchmarks.tables.flags import STEPS, whole
from benchmarks.tables.tiny import makers

MEMORY, SECONDS, LPIPS = METRICS = ("GPU Memory (GB) ↓", "Runtime (s) ↓", "LPIPS ↓")
PAPER = {
    "BrushNet": "4.73 3.189 0.316",
    "PowerPaint": "5.54 4.089 0.310",
    "SDI": "3.28 2.223 0.292",
    "SyncSDE": "4.98 6.734 0.304",
    "HD-Painter": "29.07 38.840 0.301",
    "ALM (Ours)": "4.98 9.900 0.283",
    "ALM w/o Acceleration": "4.98 1854.042 0.298",
}
TRAINED = "a network that was trained for it"
NOT_RUN = {"BrushNet": TRAINED, "PowerPaint": TRAINED, "SDI": TRAINED, "HD-Painter": "not a method of this library"}
SLOW = "ALM w/o Acceleration"
PICTURES = ROOT / "examples" / "images"


def rows(flags: argparse.Namespace) -> dict[str, object]:
    return {"SyncSDE": SyncSDE(), "ALM (Ours)": ALM(), SLOW: ALM(iterations=flags.iterations)}


def options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--steps", type=STEPS, default=50, help="(50)")
    parser.add_argument("--size", type=whole(8, multiple=8), default=512, help="the picture's side (512)")
    parser.add_argument("--iterations", type=whole(), default=500, help="N without acceleration (500)")
    parser.add_argument("--repeats", type=whole(), default=5, help="times that are taken (5)")
    parser.set_defaults(dtype="float32")


def start(flags: argparse.Namespace) -> Measure:
    flags.machine = environment()["device"]  # times of another machine are not taken for this one's
    image, mask = (
        Image.open(PICTURES / f"{name}.png").convert(mode).resize((flags.size, flags.size))
        for name, mode in (("lake", "RGB"), ("lake-mask", "L"))
    )
    prior = load_prior(flags.weights, device=flags.device, dtype=flags.dtype)
    told = {"prior": prior, "reference": Inversion(), "prompt": "a lake", "seed": flags.seed, "blend": Hard()}

    def once(job: Job) -> dict[str, float | None]:
        return cost(
            lambda: inpaint(image, mask, method=SyncSDE(), steps=2, **told),
            lambda: inpaint(image, mask, method=job.way, steps=flags.steps, **told),
            prior.device,
        )

    def measure(job: Job) -> tuple[Cells, int]:
        repeats = 1 if job.row == SLOW else flags.repeats
        runs = [job.items.json(f"run-{number}", lambda: once(job)) for number in range(repeats)]
        return spread(runs, {MEMORY: "GB", SECONDS: "seconds"}), 1

    return measure


def tiny(folder: Path) -> dict[str, object]:
    makers("alm-image", "tiny").FOLDERS["stable_diffusion"](folder / "sd")
    return {"weights": folder / "sd"}


TABLE = Table(
    name="alm_10",
    text=__doc__,
    metrics=METRICS,
    paper=PAPER,
    items=1,
    rows=rows,
    not_run=NOT_RUN,
    made_from={"weights": "a folder of Stable Diffusion 1.5"},
    judged_by={},
    loose=("repeats", "iterations"),
    start=start,
    tiny=tiny,
    small={"size": 64, "steps": 4, "iterations": 3, "repeats": 2},
    options=options,
)

if __name__ == "__main__":
    sys.exit(run(TABLE))
