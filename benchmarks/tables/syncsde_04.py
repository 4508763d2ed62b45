"""SyncSDE (CVPR 2025), Table 4: ambiguous pictures.

    ./run bench tables/syncsde_04 --weights IF-I-M --upscaler IF-II-M --inception pt_inception.pth --clip CLIP \\
        --device cuda --out syncsde_04.json

The paper's protocol (4.2.4, A.4): DeepFloyd IF 1.0, two stages, 256 × 256, 30 DDIM steps; 5 pairs of prompts, 250
pictures a pair. The first view is the picture as it is, the second a turn by ±90 or 180 degrees, a vertical flip, or a
skew. The first stage alone is synchronised. KID times 1000, FID, CLIP-S; references are 2,000 pictures a prompt by the
same model.

Wanted: `--weights` and `--upscaler`, folders of DeepFloyd/IF-I-M-v1.0 and IF-II-M-v1.0 in diffusers' layout, which
their authors give to those who accept their licence; `--inception` and `--clip`, what measures.

What the paper leaves open, and what was chosen:

- The prompts. Its code has the horse and the village; four more pairs are ours. `--prompts FILE.json` has others:
  [{"prompts": ["an oil painting of a horse", "an oil painting of a village"], "view": "rotate-180"}, …].
- Which view a pair has. One each, in the order above, with 90 degrees to either side.
- What is measured. Each picture in both of its views, 2 × 1,250, by both prompts' references and its own prompt.
- The size of the model. M in both stages, and guidance 10 in both, as in its code.
- Stage II sees the small picture with noise of level 250, diffusers' own, which its code leaves, and makes the second
  view under its prompt alone. Visual Anagrams averages both views there, too, and has level 50, as its own code does.
- SyncTweedies begins from one noise for both views, and has stage II as SyncSDE.
- References are made by both stages, with level 250.
- 1/λ of the row "best". It is not published: `--strengths` tries some, and the best by FID is shown, measured on the
  same pictures that it was chosen by.
- FID and KID are of all pairs' pictures together. `--limit` is of pictures a pair. Intervals are bootstraps over
  pictures, of which the two views of one are not independent. Which CLIP is not named.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from alm_core import Independent, SyncSDE
from alm_core.fusions import SyncTweedies, VisualAnagrams
from alm_image import AnagramResult, ImagePrior, anagram
from alm_image.options import Way
from alm_image.priors.deepfloyd_two import Upscaler, load_upscaler, text_of
from alm_image.views import view_named

from benchmarks.tables import sets
from benchmarks.tables.common import run
from benchmarks.tables.tiny import makers

PAPER = {
    "Visual Anagrams": "195.286 215.082 0.290",
    "SyncTweedies": "215.119 226.922 0.262",
    sets.USUAL: "173.590 212.196 0.273",
    sets.BEST: "174.902 208.788 0.272",
}
KNOWN = [
    {"prompts": [f"an oil painting of {one}", f"an oil painting of {other}"], "view": view}
    for one, other, view in (
        ("a horse", "a snowy mountain village", "rotate-cw"),
        ("an old man", "people around a campfire", "rotate-ccw"),
        ("a duck", "a rabbit", "rotate-180"),
        ("a waterfall", "a teddy bear", "flip-vertical"),
        ("a ship", "a castle", "skew"),
    )
]
SAME = "identity"


@dataclass(frozen=True)
class Row:
    """By `way`; with `joint` stage II averages both views, else it makes the second."""

    way: Way
    noise_level: int = 250
    joint: bool = False


@dataclass(frozen=True)
class Pair:
    """Two prompts, and the second's view."""

    prompts: tuple[str, ...]
    view: str

    @staticmethod
    def read(told: Mapping[str, Any]) -> "Pair":
        """Of an entry of the list. Raises ValueError or KeyError."""
        view_named(told["view"])
        first, second = told["prompts"]
        return Pair((str(first), str(second)), told["view"])


@dataclass(frozen=True)
class Anagrams:
    """The `Maker` of ambiguous pictures."""

    flags: argparse.Namespace
    prior: ImagePrior
    upscaler: Upscaler

    def prompts(self, subject: Pair) -> tuple[str, ...]:
        """See `Maker`."""
        return subject.prompts

    def made(self, subject: Pair, way: Row, seed: int, count: int) -> Sequence[sets.Pictures]:
        """See `Maker`: each picture as both views show it."""
        made = self._anagram(subject.prompts, (SAME, subject.view), way, seed, count)
        return [made.shown(variant) for variant in range(count)]

    def reference(self, prompt: str, seed: int, count: int) -> sets.Pictures:
        """See `Maker`: uncoupled, the last view is the model's own picture; the first is not looked at."""
        return self._anagram((prompt, prompt), ("rotate-180", SAME), Row(Independent()), seed, count).canvases

    def _anagram(self, prompts: Sequence[str], views: Sequence[str], row: Row, seed: int, count: int) -> AnagramResult:
        second = {"upscaler": self.upscaler, "sync_upscaler": row.joint, "noise_level": row.noise_level}
        return anagram(prompts, views, **second, **sets.told(self.flags, self.prior, row.way, seed, count))


def rows(flags: argparse.Namespace) -> dict[str, object]:
    return {
        "Visual Anagrams": Row(VisualAnagrams(), noise_level=50, joint=True),
        "SyncTweedies": Row(SyncTweedies()),
        sets.USUAL: Row(SyncSDE(5.0)),
        **sets.best(flags, Row),
    }


def load(flags: argparse.Namespace) -> tuple[list[Pair], Anagrams]:
    pairs, prior = sets.subjects(flags, KNOWN, Pair.read), sets.prior_of(flags)
    told = {"device": flags.device, "dtype": flags.dtype, "guidance": flags.guidance}
    return pairs, Anagrams(flags, prior, load_upscaler(flags.upscaler, text=text_of(prior), **told))


def tiny(folder: Path) -> dict[str, object]:
    makers("alm-image", "tiny").FOLDERS["deepfloyd_super"](folder / "upscaler")
    return {**sets.tiny_set(folder, "deepfloyd", [KNOWN[0], KNOWN[4]]), "upscaler": folder / "upscaler"}


TABLE = sets.table(
    name="syncsde_04",
    text=__doc__,
    paper=PAPER,
    rows=rows,
    made_from={"weights": "a folder of DeepFloyd IF, stage I", "upscaler": "a folder of its stage II"},
    load=load,
    tiny=tiny,
    options=partial(sets.options, steps=30, guidance=10.0),
)

if __name__ == "__main__":
    sys.exit(run(TABLE))
