"""ALM (arXiv 2606.31323), Table 7: inpainting with Stable Diffusion, on Seasons and Painters.

    ./run bench tables/alm_07 --data DATA --weights SD15 --lpips LPIPS --captioner BLIP --device cuda --out alm_07.json

The paper's protocol (0.B.1): that of Table 1 on two data sets of ComboGAN, the seasons of the Alps and 14 painters. In
rows with * the binary mask is blurred with a Gaussian filter before blending.

What the paper leaves open, and what was chosen:

- What Table 1 leaves open is chosen as there.
- Which pictures of both sets. All that are there, train and test; they are not square, and their middles are taken.
"""

import sys

from benchmarks.tables.alm_01 import MODELS, NOT_RUN, OURS, rows
from benchmarks.tables.common import run
from benchmarks.tables.inpainting import beside, table

GROUPS = ("Seasons", "Painters")
PAPER = {
    "BrushNet": "0.337 0.229 0.200 0.537 0.708  0.351 0.237 0.157 0.515 0.699",
    "PowerPaint": "0.345 0.249 0.210 0.542 0.704  0.365 0.247 0.164 0.518 0.690",
    "SDI": "0.298 0.155 0.245 0.577 0.731  0.322 0.163 0.191 0.558 0.724",
    "SyncSDE": "0.350 0.197 0.227 0.579 0.725  0.395 0.194 0.195 0.554 0.707",
    "HD-Painter": "0.316 0.163 0.243 0.569 0.713  0.355 0.200 0.178 0.543 0.694",
    "ALM (Ours)": "0.323 0.162 0.278 0.626 0.748  0.351 0.153 0.236 0.605 0.729",
    "BrushNet*": "0.291 0.202 0.228 0.602 0.754  0.302 0.216 0.182 0.579 0.745",
    "HD-Painter*": "0.290 0.142 0.272 0.633 0.754  0.331 0.184 0.201 0.605 0.731",
    "ALM* (Ours)": "0.271 0.132 0.302 0.699 0.808  0.275 0.127 0.276 0.694 0.800",
}


TABLE = table(
    name="alm_07",
    text=__doc__,
    groups=GROUPS,
    paper=beside(PAPER, *OURS),
    rows=rows,
    not_run=NOT_RUN,
    models=MODELS,
    tiny={"weights": "stable_diffusion"},
    blip=True,
)

if __name__ == "__main__":
    sys.exit(run(TABLE))
