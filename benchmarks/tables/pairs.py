"""Pairs of a picture and a mask, of the tables of inpainting: chosen and drawn by a seed, and made square once."""

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import torch
from alm_image.captions import Captioner
from alm_image.evaluation.folders import PICTURES
from alm_image.io import read_picture
from alm_image.metrics.lpips import NETS, shapes
from PIL import Image, ImageOps

from benchmarks.inpainting import blob, box
from benchmarks.tables.store import Store
from benchmarks.tables.tiny import makers

__all__ = ["FACES", "FOLDERS", "Pair", "drawn", "pairs_of", "prepared", "tiny_inpainting"]

FOLDERS = {"AFHQ": "afhq", "CelebA-HQ": "celeba-hq", "Seasons": "seasons", "Painters": "painters"}
FACES = ("AFHQ", "CelebA-HQ")
"""The data sets of all tables but one."""
DRAWN = 512
"""The side at which masks are drawn."""


@dataclass(frozen=True)
class Pair:
    """A picture with its mask's file, None for one that is drawn, and its prompt, None for one that BLIP makes."""

    number: int
    picture: Path
    mask: Path | None
    prompt: str | None


def pairs_of(flags: argparse.Namespace, group: str) -> list[Pair]:
    """The pairs of a data set, in an order by the seed. Raises ValueError or FileNotFoundError."""
    folder = flags.data / FOLDERS[group]
    pictures = _files(folder)
    masks = {_key(path, flags.masks): path for path in _files(flags.masks / FOLDERS[group])} if flags.masks else {}
    if flags.masks:
        pictures = [path for path in pictures if _key(path, flags.data) in masks]
    if not pictures:
        why = f" that have masks in {flags.masks / FOLDERS[group]}" if flags.masks else ""
        raise FileNotFoundError(f"{folder} holds no pictures{why}")
    captions = json.loads(flags.captions.read_text(encoding="utf-8")) if flags.captions else {}
    chosen = [pictures[at] for at in np.random.default_rng(flags.seed).permutation(len(pictures))[: flags.limit]]
    found = []
    for number, path in enumerate(chosen):
        prompt = None if flags.captioner else captions.get(path.relative_to(flags.data).as_posix(), "")
        if flags.captions and not prompt:
            raise ValueError(f"{flags.captions} has no caption for {path.relative_to(flags.data).as_posix()}")
        found.append(Pair(number, path, masks.get(_key(path, flags.data)), prompt))
    return found


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in PICTURES)


def _key(path: Path, folder: Path) -> str:
    return path.relative_to(folder).with_suffix("").as_posix()


def prepared(store: Store, flags: argparse.Namespace, pair: Pair, size: int) -> tuple[Path, Path, str]:
    """The true picture and the mask, `size` a side, and the prompt: made once for all rows."""
    name = f"{pair.number:05d}"

    def square(path: Path) -> None:
        image = ImageOps.exif_transpose(Image.open(pair.picture)).convert("RGB")
        ImageOps.fit(image, (size, size), Image.Resampling.LANCZOS).save(path)

    def mask(path: Path) -> None:
        image = Image.open(pair.mask) if pair.mask else drawn(flags.seed, pair.number)
        fitted = ImageOps.fit(image.convert("L"), (size, size), Image.Resampling.NEAREST)
        fitted.point(lambda level: 255 * (level > 127)).save(path)

    truth = store.file(f"{name}-truth.png", square, quiet=True)
    told = pair.prompt
    if told is None:
        told = store.json(f"{name}-caption", lambda: captioner(flags.captioner, flags.device)(read_picture(truth)))
    return truth, store.file(f"{name}-mask.png", mask, quiet=True), told


@cache
def captioner(folder: str, device: str) -> Captioner:
    """Loaded once for all pictures."""
    return Captioner.load(folder, device=device)


def drawn(seed: int, number: int) -> Image.Image:
    """The mask of a pair that has no file: a free form, a box, a free form, …, of 20 to 50%, `DRAWN` a side."""
    hole = (box if number % 2 else blob)(np.random.default_rng([seed, number]), DRAWN)
    return Image.fromarray(hole.astype(np.uint8) * 255)


def tiny_inpainting(
    folder: Path, models: Mapping[str, str], *, groups: Sequence[str] = FACES, masked: bool = False, blip: bool = False
) -> dict[str, object]:
    """The flags of small pictures, LPIPS with random weights, and tiny models, each by its maker's name."""
    pictures, makes = makers("alm-image", "metric_pictures"), makers("alm-image", "tiny").FOLDERS
    data, flags = folder / "data", {model: folder / model for model in models}
    captions = {}
    for number, group in enumerate(groups):
        for part, ending in (("train", "jpg"), ("val", "png")):
            under = f"{FOLDERS[group]}/{part}/some"
            pictures.save_pictures(data / under, pictures.smooth(2, (190, 200), number), ["0", "1"], ending)
            captions |= {f"{under}/{name}.{ending}": f"a {group} {name}" for name in "01"}
            if masked and part == "val":
                hole = torch.full((2, 3, 190, 200), -1.0)
                hole[..., 40:120, 60:150] = 1.0
                pictures.save_pictures(folder / "masks" / under, hole, ["0", "1"])
    for model, maker in models.items():
        makes[maker](flags[model])
    flags |= {"data": data, "lpips": folder / "lpips", "captions": folder / "captions.json"}
    flags["captions"].write_text(json.dumps(captions), encoding="utf-8")
    if blip:
        makers("alm-image", "tiny_blip").blip(folder / "blip")
        flags |= {"captions": None, "captioner": folder / "blip"}
    weights = pictures.seeded(shapes(NETS["alex"]), 3)
    heads = {name: weights.pop(name) for name in [*weights] if name.startswith("lin")}
    flags["lpips"].mkdir()
    for net, values in ((NETS["alex"].file, weights), (NETS["alex"].heads, heads)):
        torch.save(values, flags["lpips"] / net)
    return {**flags, "masks": folder / "masks" if masked else None}
