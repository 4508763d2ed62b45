"""SyncSDE (CVPR 2025), Table 2: editing of real pictures by words.

    ./run bench tables/syncsde_02 --data LAION --weights SD14 --captioner BLIP --clip CLIP --lpips LPIPS \\
        --masks DETIC --device cuda --out syncsde_02.json

The paper's protocol (4.2.2, A.2): Stable Diffusion 1.4, 512 × 512, 50 DDIM steps; cat to dog, dog to cat, horse to
zebra and zebra to horse, 250 pictures of LAION-5B each, found by CLIP retrieval. BLIP captions a picture, and in the
target prompt the one word stands in the other's place. CLIP-S to the target prompt, LPIPS to the source, and BG-LPIPS
outside of what Detic finds.

Wanted: `--data`, with the folders cat, dog, horse and zebra; `--weights`, a folder of Stable Diffusion 1.4 in
diffusers' layout; `--captioner`, a folder of a BLIP captioner, or `--captions`, {"cat/1.jpg": "a cat on a sofa", …};
`--clip`; `--lpips`, a folder with alexnet-owt-7be5be79.pth, and with alex.pth where the package lpips is not installed.

What the paper leaves open, and what was chosen:

- Which pictures. The first of each folder, by name, whose caption has the word: others cannot be swapped. Squares are
  cut from their middles, and resized.
- Detic's masks. Files of `--masks` with the pictures' own paths, such as cat/1.png, white on the object, in every such
  folder for every picture; without them BG-LPIPS is not measured. The object is made grey in both pictures.
- The threshold. 0.3 of the foreground's map, as in its code: τ = 0.7. Where nothing or all of a picture is above it,
  the whole is edited.
- Guidance. 5 for all rows, as in its code; the inversion has none. The third trajectory is led away from the source
  prompt, as in its code. X_t are the states of the inversion, as the text says, and no others made from X_T anew.
- DDIB is that trajectory without the others: from X_T of the source, under the target prompt, led away from nothing.
- Nothing is pasted, so that the autoencoder's loss is in LPIPS.
- Which LPIPS and which CLIP. AlexNet's, and `--clip`, whichever it is.
- 1/λ of the row "best". It is not published: `--strengths` tries some, and the best by BG-LPIPS is shown, or by LPIPS
  where there are no masks, measured on the same pictures that it was chosen by.
- `--limit` is of pictures a task. Intervals are bootstraps over pictures.
"""

import argparse
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from alm_core import Independent, Method, SyncSDE
from alm_image import ImagePrior, edit
from alm_image.evaluation import evaluate_pairs, evaluate_set, pictures_of
from alm_image.metrics import LPIPS, Clip
from alm_image.words import swapped, words_of
from PIL import Image

from benchmarks.tables import sets
from benchmarks.tables.common import Cells, Job, Measure, Table, interval, run
from benchmarks.tables.flags import STEPS, real
from benchmarks.tables.inpainting import OF_OTHERS
from benchmarks.tables.pairs import Pair, prepared, tiny_inpainting
from benchmarks.tables.store import Store
from benchmarks.tables.tiny import clip, makers

WHOLE, BACKGROUND = "LPIPS ↓", "BG-LPIPS ↓"
KEYS = {"CLIP-S ↑": "clip_score", WHOLE: "lpips", BACKGROUND: "bg_lpips"}
PAPER = {
    "DDIB": "0.294 0.379 0.350",
    "SDEdit": "0.298 0.407 0.369",
    "PTI": "0.322 0.409 0.379",
    "MasaCtrl": "0.285 0.290 0.341",
    sets.USUAL: "0.311 0.281 0.266",
    sets.BEST: "0.313 0.254 0.222",
}
SWAPS = (("cat", "dog"), ("dog", "cat"), ("horse", "zebra"), ("zebra", "horse"))
NOTHING = " "
"""A negative prompt that says nothing; an empty one is the source prompt."""


@dataclass(frozen=True)
class Row:
    """By `method`; `whole` pictures are edited, and led away from nothing."""

    method: Method
    whole: bool = False


@dataclass(frozen=True)
class Item:
    """A square source, the file of its object's mask, its caption and the words that are swapped; `seed` is its own."""

    name: str
    source: Path
    mask: Path
    caption: str
    swap: tuple[str, str]
    seed: int


def rows(flags: argparse.Namespace) -> dict[str, object]:
    return {"DDIB": Row(Independent(), whole=True), sets.USUAL: Row(SyncSDE(5.0)), **sets.best(flags, Row)}


def options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--steps", type=STEPS, default=50, help="(50)")
    parser.add_argument("--guidance", type=real(), default=5.0, help="the scale (5)")
    parser.add_argument("--threshold", type=real(0, 1, ends=False), default=0.3, help="of the foreground's map (0.3)")
    sets.sweep_option(parser, "BG-LPIPS")


def start(flags: argparse.Namespace) -> Measure:
    if bool(flags.captions) == bool(flags.captioner):
        raise ValueError("captions are given or made: give one of --captions and --captioner")
    for word, _ in SWAPS:
        pictures = pictures_of(flags.data / word)
        if flags.masks and (missing := pictures.keys() - pictures_of(flags.masks / word).keys()):
            raise ValueError(f"{len(missing)} pictures of {flags.data / word} have no mask, among them {min(missing)}")
    captions = json.loads(flags.captions.read_text(encoding="utf-8")) if flags.captions else {}
    judge, lpips = Clip.load(flags.clip, device=flags.device), LPIPS.load(folder=flags.lpips, device=flags.device)
    prior = sets.prior_of(flags)

    def measure(job: Job) -> tuple[Cells, int]:
        items = [item for swap in SWAPS for item in _items(flags, job.shared, prior.size, captions, swap, job.limit)]
        if not items:
            raise ValueError(f"no caption of {flags.data} has the word that is to be swapped")

        def cells(way: Row, store: Store) -> Cells:
            draw = partial(_edit, flags, prior, way)
            made = {each.name: store.file(f"{each.name}.png", partial(draw, each)) for each in items}
            sources, masks = {each.name: each.source for each in items}, {each.name: each.mask for each in items}
            masked = {"masks": masks, "metrics": ["lpips", "bg_lpips"]} if flags.masks else {"metrics": ["lpips"]}
            told = {"seed": flags.seed, "device": flags.device}
            found = evaluate_pairs(made, sources, lpips=lpips, **masked, **told)
            targets = {each.name: swapped(each.caption, *each.swap) for each in items}
            found |= evaluate_set(made, prompts=targets, similarity=judge.cosines, **told)
            return {name: interval(found[key]) if key in found else None for name, key in KEYS.items()}

        return sets.swept(job, cells, BACKGROUND if flags.masks else WHOLE), len(items) // len(SWAPS)

    return measure


def _items(
    flags: argparse.Namespace, shared: Store, size: int, captions: dict[str, str], swap: tuple[str, str], limit: int
) -> Iterator[Item]:
    """The first pictures whose captions have the word."""
    word, found = swap[0], 0
    masks = pictures_of(flags.masks / word) if flags.masks else {}
    store = shared.under(f"pictures of a {word}", word=word)
    for number, (name, path) in enumerate(pictures_of(flags.data / word).items()):
        said = None if flags.captioner else str(captions.get(f"{word}/{path.name}", ""))
        source, mask, caption = prepared(store, flags, Pair(number, path, masks.get(name), said), size)
        if word in words_of(caption.lower()):
            yield Item(f"{word}-{number:05d}", source, mask, caption, swap, flags.seed + number)
            found += 1
        if found == limit:
            return


def _edit(flags: argparse.Namespace, prior: ImagePrior, row: Row, item: Item, path: Path) -> None:
    told = {"source_prompt": item.caption, "swap": item.swap, "seed": item.seed, "steps": flags.steps}
    told |= {"prior": prior, "method": row.method, "paste": False}
    everything = Image.new("L", Image.open(item.source).size, 255)
    everything.putpixel((0, 0), 0)  # a mask keeps something; in the model's state this one keeps nothing
    try:
        alone = {"negative_prompt": NOTHING, "mask": everything} if row.whole else {"threshold": flags.threshold}
        made = edit(item.source, **alone, **told)
    except ValueError:  # nothing, or all, is above the threshold
        made = edit(item.source, mask=everything, **told)
    made.result.images[0].save(path)


def tiny(folder: Path) -> dict[str, object]:
    pictures = makers("alm-image", "metric_pictures")
    flags = tiny_inpainting(folder, {"weights": "stable_diffusion"}, groups=("Seasons",))
    for word, _ in SWAPS:
        for seed, kind in enumerate(("pictures", "masks")):
            pictures.save_pictures(folder / kind / word, pictures.smooth(2, (70, 90), seed), ["0", "1"])
    captions = {f"{word}/1.png": f"a {word} on a sofa" for word, _ in SWAPS}
    (folder / "captions.json").write_text(json.dumps(captions), encoding="utf-8")
    ours = {"data": folder / "pictures", "masks": folder / "masks", "captions": folder / "captions.json"}
    return {**flags, **ours, "clip": clip(folder / "clip")}


TABLE = Table(
    name="syncsde_02",
    text=__doc__,
    metrics=tuple(KEYS),
    paper=PAPER,
    items=250,
    rows=rows,
    not_run={**dict.fromkeys(("SDEdit", "PTI", "MasaCtrl"), OF_OTHERS), sets.BEST: sets.UNKNOWN},
    made_from={
        "data": "a folder that holds cat, dog, horse and zebra",
        "weights": "a folder of Stable Diffusion 1.4",
        "captioner": "optional: a folder of a BLIP captioner",
        "captions": "optional: a JSON file, {path of a picture: caption}",
        "masks": "optional: a folder of masks by the pictures' paths",
    },
    judged_by={"clip": "a CLIP folder of transformers, with its tokenizer", "lpips": "a folder of LPIPS (AlexNet)"},
    loose=("strengths",),
    start=start,
    tiny=tiny,
    small={"limit": 1, "steps": 3, "strengths": sets.STRENGTHS},
    options=options,
)

if __name__ == "__main__":
    sys.exit(run(TABLE))
