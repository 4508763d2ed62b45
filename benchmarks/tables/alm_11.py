"""ALM (arXiv 2606.31323), Table 11: ALM's weights, swept over inpainting, on AFHQ and CelebA-HQ.

    ./run bench tables/alm_11 --data DATA --weights SD15 --lpips LPIPS --captioner BLIP --device cuda --out alm_11.json

The paper's protocol (0.F): that of Table 1, with w1 of 0.5, 1 and 1.5 at w2 = 0.005 and w2 of 0.001, 0.005 and 0.01 at
w1 = 1. Its baseline is the best other method of Table 1: SyncSDE on AFHQ, SDI on CelebA-HQ.

What the paper leaves open, and what was chosen:

- w1'. The sweep is of w1 = w1', as 3.4 sets it. With 50 steps no w1 σ_t comes to 1, above which it would be held.
"""

import argparse
import sys

from alm_core import ALM, StochasticALM

from benchmarks.tables.common import run
from benchmarks.tables.inpainting import NOT_IN_PAPER, Row, beside, table

BASELINE, STOCHASTIC = "Baseline (Best)", "StochasticALM"
PAPER = {
    BASELINE: "0.304 0.172 0.302 0.641 0.778  0.268 0.130 0.368 0.659 0.763",
    "ALM (w1=1.0, w2=0.001)": "0.283 0.147 0.333 0.681 0.794  0.253 0.130 0.392 0.723 0.809",
    "ALM (w1=1.0, w2=0.005)": "0.283 0.143 0.351 0.689 0.796  0.251 0.126 0.417 0.732 0.813",
    "ALM (w1=1.0, w2=0.01)": "0.288 0.139 0.367 0.694 0.795  0.255 0.124 0.436 0.738 0.813",
    "ALM (w1=0.5, w2=0.005)": "0.292 0.158 0.342 0.675 0.791  0.264 0.138 0.412 0.719 0.804",
    "ALM (w1=1.5, w2=0.005)": "0.281 0.137 0.356 0.692 0.798  0.250 0.122 0.418 0.734 0.815",
}
SWEEP = ((1.0, 0.001), (1.0, 0.005), (1.0, 0.01), (0.5, 0.005), (1.5, 0.005))


def rows(flags: argparse.Namespace) -> dict[str, Row]:
    swept = {f"ALM (w1={w1}, w2={w2})": Row(ALM(w1=w1, w2=w2)) for w1, w2 in SWEEP}
    return {**swept, STOCHASTIC + NOT_IN_PAPER: Row(StochasticALM())}


TABLE = table(
    name="alm_11",
    text=__doc__,
    paper=beside(PAPER, STOCHASTIC),
    rows=rows,
    not_run={BASELINE: "run Table 1: SyncSDE on AFHQ, SDI on CelebA-HQ"},
    models={"weights": "a folder of Stable Diffusion 1.5"},
    tiny={"weights": "stable_diffusion"},
)

if __name__ == "__main__":
    sys.exit(run(TABLE))
