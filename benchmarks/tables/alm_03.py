"""ALM (arXiv 2606.31323), Table 3: what the parts of ALM do for inpainting, on AFHQ and CelebA-HQ.

    ./run bench tables/alm_03 --data DATA --weights SD15 --lpips LPIPS --captioner BLIP --device cuda --out alm_03.json

The paper's protocol (4.2.4): that of Table 1. Without acceleration N = 500 inner iterations, λ1 = 2e-3 and λ2 = 1e-5
(0.D), which is w1 = 1 and w2 = 0.005. One picture then took 1,854 s there (Table 10), which makes 43 days of both sets:
`--rows` leaves that out, `--limit` takes fewer.

What the paper leaves open, and what was chosen:

- "w/o ALM". It is Eq. 2 without Eq. 9, ΔY = 0 in all steps, with the pull of Eq. 2, w1 σ_t. The paper's values are near
  to those of SyncSDE in Table 1, and not the same.
- "w/o cond. term". w1' is 0 in Eq. 11, and w1 stays in Eq. 2. "w/o joint term". w2 is 0.
"""

import argparse
import sys

from alm_core import ALM, StochasticALM

from benchmarks.tables.common import run
from benchmarks.tables.flags import whole
from benchmarks.tables.inpainting import NOT_IN_PAPER, Row, beside, table

PAPER = {
    "w/o ALM": "0.295 0.169 0.300 0.650 0.782  0.287 0.161 0.332 0.663 0.782",
    "w/o cond. term": "0.295 0.162 0.323 0.661 0.787  0.291 0.156 0.357 0.673 0.786",
    "w/o joint term": "0.284 0.149 0.327 0.679 0.793  0.254 0.132 0.385 0.720 0.808",
    "w/o acceleration": "0.298 0.170 0.298 0.649 0.781  0.277 0.156 0.341 0.675 0.787",
    "ALM (Ours)": "0.283 0.143 0.351 0.689 0.796  0.251 0.126 0.417 0.732 0.813",
}
STOCHASTIC = "StochasticALM"


def rows(flags: argparse.Namespace) -> dict[str, Row]:
    return {
        "w/o ALM": Row(ALM(off_last=1)),
        "w/o cond. term": Row(ALM(conditional=0)),
        "w/o joint term": Row(ALM(w2=0)),
        "w/o acceleration": Row(ALM(iterations=flags.iterations)),
        "ALM (Ours)": Row(ALM()),
        STOCHASTIC + NOT_IN_PAPER: Row(StochasticALM()),
    }


def options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--iterations", type=whole(), default=500, help="N without acceleration (500)")


TABLE = table(
    name="alm_03",
    text=__doc__,
    paper=beside(PAPER, STOCHASTIC),
    rows=rows,
    not_run={},
    models={"weights": "a folder of Stable Diffusion 1.5"},
    tiny={"weights": "stable_diffusion"},
    small={"iterations": 3},
    masked=True,
    loose=("iterations",),
    options=options,
)

if __name__ == "__main__":
    sys.exit(run(TABLE))
