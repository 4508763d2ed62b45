"""ALM (arXiv 2606.31323), Table 1: inpainting with Stable Diffusion, on AFHQ and CelebA-HQ.

    ./run bench tables/alm_01 --data DATA --weights SD15 --lpips LPIPS --captioner BLIP --device cuda --out alm_01.json

The paper's protocol (4.2.1): Stable Diffusion 1.5, 512 × 512, 50 DDIM steps; w1 = 1, w2 = 0.005. Rows with * are
blended in pixels, ALM* being the row above it, pasted.

What the paper leaves open, and what was chosen:

- SyncSDE's strength. The authors reproduced it for inpainting; it is 1/λ = 5, its released code's.
- SDI. It is run where `--sdi` names its folder, by diffusers with its own sampler, 50 steps, from pure noise.
- RePaint takes each step ten times, LanPaint five moves a step: their authors' numbers, with 50 steps as the others.
"""

import argparse
import sys

from alm_core import ALM, LanPaint, RePaint, StochasticALM, SyncSDE

from benchmarks.tables.common import run
from benchmarks.tables.inpainting import NOT_IN_PAPER, OF_OTHERS, TRAINED, Row, beside, table

__all__ = ["MODELS", "NOT_RUN", "OURS", "TABLE", "rows"]

PAPER = {
    "BrushNet": "0.316 0.216 0.256 0.589 0.741  0.274 0.195 0.347 0.638 0.759",
    "PowerPaint": "0.310 0.217 0.272 0.600 0.748  0.272 0.203 0.366 0.650 0.764",
    "SDI": "0.292 0.140 0.295 0.623 0.757  0.268 0.130 0.368 0.659 0.763",
    "SyncSDE": "0.304 0.172 0.302 0.641 0.778  0.292 0.159 0.341 0.661 0.781",
    "HD-Painter": "0.301 0.146 0.285 0.610 0.741  0.286 0.146 0.344 0.642 0.747",
    "ALM (Ours)": "0.283 0.143 0.351 0.689 0.796  0.251 0.126 0.417 0.732 0.813",
    "BrushNet*": "0.286 0.201 0.270 0.622 0.765  0.250 0.183 0.360 0.664 0.779",
    "HD-Painter*": "0.285 0.136 0.300 0.646 0.765  0.275 0.140 0.347 0.666 0.766",
    "ALM* (Ours)": "0.259 0.125 0.343 0.719 0.826  0.240 0.112 0.398 0.746 0.832",
}
OURS = {"StochasticALM": StochasticALM(), "RePaint": RePaint(10), "LanPaint": LanPaint()}
"""Methods that the paper's table has not."""
MODELS = {
    "weights": "a folder of Stable Diffusion 1.5",
    "sdi": "optional: a folder of Stable Diffusion Inpainting 1.5, for the row SDI",
}
NOT_RUN = {
    "BrushNet": TRAINED,
    "PowerPaint": TRAINED,
    "SDI": "give --sdi",
    "HD-Painter": OF_OTHERS,
    "BrushNet*": TRAINED,
    "HD-Painter*": OF_OTHERS,
}


def rows(flags: argparse.Namespace) -> dict[str, Row]:
    """The rows that are run, which Table 7 has, too."""
    return {
        "SDI": Row(None, "sdi"),
        "SyncSDE": Row(SyncSDE()),
        "ALM (Ours)": Row(ALM()),
        "ALM* (Ours)": Row(ALM(), pasted=True),
        **{name + NOT_IN_PAPER: Row(way) for name, way in OURS.items()},
    }


TABLE = table(
    name="alm_01",
    text=__doc__,
    paper=beside(PAPER, *OURS),
    rows=rows,
    not_run=NOT_RUN,
    models=MODELS,
    tiny={"weights": "stable_diffusion", "sdi": "inpainting"},
)

if __name__ == "__main__":
    sys.exit(run(TABLE))
