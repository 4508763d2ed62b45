"""ALM (arXiv 2606.31323), Table 2: inpainting beside large models, on AFHQ and CelebA-HQ.

    ./run bench tables/alm_02 --data DATA --sdxl SDXL --flux FLUX --lpips LPIPS --captioner BLIP --device cuda \\
        --out alm_02.json

The paper's protocol (4.2.3): ALM on Stable Diffusion XL, 1,024 × 1,024, beside SDXL-Inpainting, and FLUX and Qwen-Image
adapted for inpainting by latent blending.

What the paper leaves open, and what was chosen:

- ALM's weights on SDXL. They are not published: those of Stable Diffusion, w1 = 1 and w2 = 0.005.
- Which FLUX. It is what `--flux` names; FLUX.1-dev has guidance, schnell has none. 50 steps.
- Latent blending. The given part at each level with one noise that stays, from pure noise, as diffusers' pipelines do.
- SDXL-Inpainting is run where `--sdxl-inpainting` names its folder, by diffusers with its own sampler and guidance.
- Pictures of AFHQ have 512 pixels a side. They are made larger, as it seems that the paper's were.
"""

import argparse
import sys

from alm_core import ALM, BlendedLatents, FixedNoise, StochasticALM

from benchmarks.tables.common import run
from benchmarks.tables.inpainting import NOT_IN_PAPER, Row, beside, table

PAPER = {
    "SDXL-Inpainting": "0.303 0.191 0.309 0.656 0.780  0.313 0.232 0.332 0.657 0.768",
    "FLUX-Inpainting": "0.272 0.155 0.290 0.662 0.788  0.212 0.133 0.364 0.719 0.809",
    "Qwen-Image-Inpainting": "0.257 0.126 0.333 0.689 0.813  0.232 0.141 0.343 0.688 0.799",
    "ALM (Ours)": "0.254 0.112 0.410 0.754 0.841  0.249 0.130 0.442 0.772 0.843",
}
STOCHASTIC, PASTED = "StochasticALM (SDXL)", "ALM*"
MODELS = {
    "sdxl": "optional: a folder of Stable Diffusion XL",
    "flux": "optional: a folder of FLUX.1",
    "sdxl_inpainting": "optional: a folder of SDXL-Inpainting",
}
NOT_RUN = {
    "SDXL-Inpainting": "give --sdxl-inpainting",
    "FLUX-Inpainting": "give --flux",
    "Qwen-Image-Inpainting": "not a model of this library",
    "ALM (Ours)": "give --sdxl",
    STOCHASTIC + NOT_IN_PAPER: "give --sdxl",
    PASTED + NOT_IN_PAPER: "give --sdxl",
}


def rows(flags: argparse.Namespace) -> dict[str, Row]:
    return {
        "SDXL-Inpainting": Row(None, "sdxl_inpainting"),
        "FLUX-Inpainting": Row(BlendedLatents(), "flux", reference=FixedNoise()),
        "ALM (Ours)": Row(ALM(), "sdxl"),
        PASTED + NOT_IN_PAPER: Row(ALM(), "sdxl", pasted=True),
        STOCHASTIC + NOT_IN_PAPER: Row(StochasticALM(), "sdxl"),
    }


TABLE = table(
    name="alm_02",
    text=__doc__,
    paper=beside(PAPER, PASTED, STOCHASTIC),
    rows=rows,
    not_run=NOT_RUN,
    models=MODELS,
    tiny={"sdxl": "sdxl", "flux": "flux_dev"},
)

if __name__ == "__main__":
    sys.exit(run(TABLE))
