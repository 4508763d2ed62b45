"""ALM (arXiv 2606.31323), Table 6: mesh texturing.

    ./run bench tables/alm_06 --data objaverse --weights SD15 --controlnet DEPTH --inception pt_inception.pth \\
        --clip CLIP --device cuda --out alm_06.json

The paper's protocol (4.5, 0.B.4): 250 mesh–prompt pairs of Objaverse; Stable Diffusion with a depth ControlNet, 30 DDIM
steps, ten views (eight azimuths at elevation 0, and azimuths 0 and 180 at 30), views of 768², latent textures of 1536²
and RGB ones of 1024²; ΔY = 0 in the last 20% of the steps; the same negative prompt for all; modified attention; the
texture by least squares on the ten views, and Voronoi filling. Each mesh is drawn from the ten views: FID, KID times
1000, CLIP similarity. References are views of the same depths by the ControlNet alone.

Wanted: `--data`, a folder of meshes and prompts.json, {file: prompt}; `--weights` and `--controlnet`, folders in
diffusers' layout; `--inception` and `--clip`, what measures.

What the paper leaves open, and what was chosen:

- Which 250 meshes, and their prompts. Those of `--data`, in its order.
- Guidance and the ControlNet's strength. 15.5 and 0.7, as released code has them.
- Words around a prompt. "Best quality, extremely detailed " before and the view's side behind, as in released code, for
  references, too; CLIP is shown the prompt alone. The negative prompt is of the paper, the other side behind it.
- ALM's weights. Those for pictures, w1 = 1 and w2 = 0.005. X_t by one noise that stays (FixedNoise).
- SyncSDE's λ. 1/λ = 5, and no synchronisation in the last 20%, as its paper says of meshes.
- SyncTweedies and StochSync are this library's joint methods, to the end of the steps, with the same attention;
  views count by the cosine at which they see.
- UVs. They are made anew for every mesh, since those of Objaverse overlap.
- What is behind a mesh when it is measured. White, in references, too, by the mesh's outline.
- How many references. One a mesh and view, 2,500, with noise of their own, and without attention across views.
- FID is of all pictures together. Which CLIP is not named: compare with `--clip` of one kind alone.
- Intervals are bootstraps over pictures, of which the ten of a mesh are alike: they are too narrow.
"""

import argparse
import sys

from alm_core import ALM, SyncSDE
from alm_core.fusions import StochSync, SyncTweedies
from alm_texture import paper_views

from benchmarks.tables.common import Cells, Job, Measure, Table, run
from benchmarks.tables.meshes import MADE_FROM, SMALL, Painter, Until, options, pairs_of, tiny_meshes
from benchmarks.tables.pictures import JUDGES, Judges

METRICS = ("FID ↓", "KID ↓", "CLIP-Sim. ↑")
PAPER = {
    "Paint-it": "200.89 126.40 0.287",
    "TexPainter": "191.17 112.48 0.284",
    "TEXTure": "184.66 94.69 0.289",
    "SyncTweedies": "156.78 82.91 0.294",
    "SyncSDE": "165.04 82.75 0.290",
    "StochSync": "163.24 82.83 0.289",
    "ALM (Ours)": "155.46 74.41 0.292",
}
NOT_RUN = dict.fromkeys(("Paint-it", "TexPainter", "TEXTure"), "not a method of this library")
APART = 1 << 20
"""Seeds of references are so far from those of meshes."""


def rows(flags: argparse.Namespace) -> dict[str, object]:
    return {
        "SyncTweedies": SyncTweedies(),
        "SyncSDE": Until(SyncSDE()),
        "StochSync": StochSync(),
        "ALM (Ours)": ALM(off_last=0.2),
    }


def start(flags: argparse.Namespace) -> Measure:
    pairs, views = pairs_of(flags.data, flags.limit), paper_views()
    painter, judges = Painter(flags), Judges(flags)

    def measure(job: Job) -> tuple[Cells, int]:
        made, references, prompts = {}, {}, {}
        for number, pair in enumerate(pairs):
            seed = flags.seed + number
            shown = painter.painted(job.items, pair.name, pair, job.way, views, seed)
            alone = painter.reference(job.shared, f"reference-{pair.name}", pair, views, seed + APART)
            for view, (picture, reference) in enumerate(zip(shown, alone, strict=True)):
                name = f"{pair.name}-{view}"
                made[name], references[name], prompts[name] = picture, reference, pair.prompt
        return judges.cells(job, METRICS, made, references, prompts), len(pairs)

    return measure


TABLE = Table(
    name="alm_06",
    text=__doc__,
    metrics=METRICS,
    paper=PAPER,
    items=250,
    rows=rows,
    not_run=NOT_RUN,
    made_from=MADE_FROM,
    judged_by=JUDGES,
    start=start,
    tiny=tiny_meshes,
    small={**SMALL, "limit": 1},
    options=options,
)

if __name__ == "__main__":
    sys.exit(run(TABLE))
