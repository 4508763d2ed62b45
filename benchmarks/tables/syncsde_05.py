"""SyncSDE (CVPR 2025), Table 5: mesh texturing.

    ./run bench tables/syncsde_05 --data meshes --weights SD15 --controlnet DEPTH --inception pt_inception.pth \\
        --clip CLIP --device cuda --out syncsde_05.json

The paper's protocol (4.2.5, A.5): 6 meshes with one prompt each, 100 textures a mesh; depth ControlNet v1-1, 30 DDIM
steps, no synchronisation in the last 20% of them; ten views (eight azimuths at elevation 0, and azimuths 0 and 180 at
30); modified attention and Voronoi filling. Each texture is drawn from one fixed view, 768²: KID times 1000, FID,
CLIP-S. References are 2,000 pictures a prompt by the same model, with the depth of the mesh.

Wanted: `--data`, a folder of six meshes and prompts.json, {file: prompt}; `--weights` and `--controlnet`, folders in
diffusers' layout; `--inception` and `--clip`, what measures.

What the paper leaves open, and what was chosen:

- Which meshes and prompts. Those of `--data`: the first six of its prompts.json.
- The fixed view. The front one, azimuth 0 at elevation 0; the references' depth is that of this view.
- 1/λ of the row "best". It is not published: the row is run with `--best VALUE`.
- Guidance, the ControlNet's strength, the words around a prompt and the negative prompt are as in Table 6 of ALM, which
  says that it follows this setup: 15.5, 0.7. Released code samples by DDPM unless told otherwise; this is DDIM.
- SyncTweedies is this library's joint method, to the end of the steps; views count by the cosine at which they see.
- Latent textures of 1536², views of 768², textures of 1024², and UVs that are made anew for each mesh.
- What is behind a mesh when it is measured. White, in references, too, by the mesh's outline.
- FID and KID are of all meshes' pictures together: with one value a mesh and their mean they would be others.
- `--limit` is of textures a mesh. Which CLIP is not named: compare with `--clip` of one kind alone.
"""

import argparse
import sys

from alm_core import SyncSDE
from alm_core.fusions import SyncTweedies
from alm_texture import Camera

from benchmarks.tables.common import Cells, Job, Measure, Table, run
from benchmarks.tables.flags import real, whole
from benchmarks.tables.meshes import MADE_FROM, SMALL, Painter, Until, options, pairs_of, tiny_meshes
from benchmarks.tables.pictures import JUDGES, Judges

METRICS = ("KID ↓", "FID ↓", "CLIP-S ↑")
USUAL, BEST = "SyncSDE (1/λ = 5)", "SyncSDE (best)"
PAPER = {
    "SyncMVD": "188.328 183.663 0.317",
    "SyncTweedies": "186.648 183.387 0.311",
    USUAL: "187.373 184.873 0.312",
    BEST: "169.631 174.756 0.312",
}
NOT_RUN = {"SyncMVD": "not a method of this library", BEST: "its λ is not published: give --best"}
MESHES = 6
APART = 1 << 20
"""Seeds of references are so far from those of textures."""


def rows(flags: argparse.Namespace) -> dict[str, object]:
    best = {} if flags.best is None else {BEST: Until(SyncSDE(flags.best))}
    return {"SyncTweedies": SyncTweedies(), USUAL: Until(SyncSDE(5.0)), **best}


def add(parser: argparse.ArgumentParser) -> None:
    options(parser)
    parser.add_argument(
        "--best", type=real(ends=False), metavar="VALUE", help=f"1/λ of the row {BEST!r} (it is not run)"
    )
    parser.add_argument("--references", type=whole(), default=2000, help="pictures a prompt (2000)")


def start(flags: argparse.Namespace) -> Measure:
    pairs, view = pairs_of(flags.data, MESHES), [Camera.orbit(0, 0)]
    painter, judges = Painter(flags), Judges(flags)

    def measure(job: Job) -> tuple[Cells, int]:
        made, references, prompts = {}, {}, {}
        for pair in pairs:
            for number in range(flags.references):
                name, seed = f"reference-{pair.name}-{number:04d}", flags.seed + APART + number
                (references[name],) = painter.reference(job.shared, name, pair, view, seed)
            for number in range(job.limit):
                name = f"{pair.name}-{number:03d}"
                (made[name],) = painter.painted(job.items, name, pair, job.way, view, flags.seed + number)
                prompts[name] = pair.prompt
        return judges.cells(job, METRICS, made, references, prompts), job.limit

    return measure


TABLE = Table(
    name="syncsde_05",
    text=__doc__,
    metrics=METRICS,
    paper=PAPER,
    items=100,
    rows=rows,
    not_run=NOT_RUN,
    made_from=MADE_FROM,
    judged_by=JUDGES,
    loose=("best", "references"),
    start=start,
    tiny=tiny_meshes,
    small={**SMALL, "limit": 1, "references": 2, "best": 3.0},
    options=add,
)

if __name__ == "__main__":
    sys.exit(run(TABLE))
