"""ALM (arXiv 2606.31323), Table 8: inpainting with three models, on AFHQ and CelebA-HQ.

    ./run bench tables/alm_08 --data DATA --weights SD15 --sdxl SDXL --flux FLUX --lpips LPIPS --captioner BLIP \\
        --device cuda --out alm_08.json

The paper's protocol (0.B.1): ALM on Stable Diffusion 1.5, Stable Diffusion XL and FLUX, 50 steps each. On FLUX Eq. 27:
w1' = 0.5 w1 and w_i = t⁴ w_i^init. Its values for the first two are those of Tables 1 and 2.

What the paper leaves open, and what was chosen:

- ALM's weights. Those on SDXL and FLUX are not published: w1 = 1 and w2 = 0.005, as on Stable Diffusion.
- The side of pictures on FLUX. It is not said: 1,024, as on SDXL.
- Which FLUX. It is what `--flux` names; FLUX.1-dev has guidance, schnell has none.
- The last row has this library's own weight on flows, w1 = 64: t⁴ leaves little of 1 where detail is decided.
"""

import argparse
import sys

from alm_core import ALM

from benchmarks.tables.common import run
from benchmarks.tables.inpainting import NOT_IN_PAPER, Row, beside, table

PAPER = {
    "ALM (SD)": "0.283 0.143 0.351 0.689 0.796  0.251 0.126 0.417 0.732 0.813",
    "ALM (SDXL)": "0.254 0.112 0.410 0.754 0.841  0.249 0.130 0.442 0.772 0.843",
    "ALM (FLUX)": "0.330 0.124 0.277 0.649 0.761  0.302 0.152 0.298 0.670 0.763",
}
STRONGER = "ALM (FLUX, w1 = 64)"
MODELS = {
    "weights": "optional: a folder of Stable Diffusion 1.5",
    "sdxl": "optional: a folder of Stable Diffusion XL",
    "flux": "optional: a folder of FLUX.1",
}
NOT_RUN = {
    "ALM (SD)": "give --weights",
    "ALM (SDXL)": "give --sdxl",
    "ALM (FLUX)": "give --flux",
    STRONGER + NOT_IN_PAPER: "give --flux",
}


def rows(flags: argparse.Namespace) -> dict[str, Row]:
    return {
        "ALM (SD)": Row(ALM()),
        "ALM (SDXL)": Row(ALM(), "sdxl"),
        "ALM (FLUX)": Row(ALM(w1=1.0), "flux"),
        STRONGER + NOT_IN_PAPER: Row(ALM(w1=64.0), "flux"),
    }


TABLE = table(
    name="alm_08",
    text=__doc__,
    paper=beside(PAPER, STRONGER),
    rows=rows,
    not_run=NOT_RUN,
    models=MODELS,
    tiny={"weights": "stable_diffusion", "sdxl": "sdxl", "flux": "flux_dev"},
)

if __name__ == "__main__":
    sys.exit(run(TABLE))
