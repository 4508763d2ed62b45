"""A set of pictures as a whole: ALM's Table 4, and SyncSDE's Tables 1, 3 and 4.

A square is cut out of each made picture by a seed, compared with a set of references and marked by itself; CLIP sees
the middle square of the whole picture.
"""

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from alm_image.evaluation.folders import Crop, Told, batches, nobody, size_of
from alm_image.metrics import ClipScale
from alm_image.statistics import frechet_interval, kernel_interval, kernel_of_subsets, mean_interval

__all__ = ["SET", "Array", "Features", "Marks", "Paths", "Similarity", "check_crop", "evaluate_set", "features_of"]

Array = NDArray[np.float64]
Paths = Mapping[str, Path]
Features = Callable[[Tensor], Tensor]
"""Features (n, D) of pixels (n, 3, height, width) in [−1, 1]: `Inception` is one."""
Marks = Callable[[Tensor], Tensor]
"""Marks (n,) of pixels: `Aesthetic` and `QAlign` are such."""
Similarity = Callable[[Tensor, Sequence[str]], Tensor]
"""Cosines (n,) of pixels and prompts: `Clip.cosines` is one."""

SET = ("fid", "kid", "clip_score", "aesthetic", "q_align")
"""The measures of a set."""


def features_of(
    pictures: Paths,
    features: Features,
    *,
    crop: int | None = None,
    seed: int = 0,
    batch: int = 8,
    device: str | torch.device = "cpu",
    on_picture: Told = nobody,
) -> Array:
    """Features (n, D) of the pictures in their order, or of their random crops."""
    check_crop(pictures, crop)
    rows = []
    for numbers, _, cropped in batches(list(pictures.values()), batch, _crop(crop, seed), device):
        rows.append(features(cropped).cpu())
        on_picture(numbers[-1] + 1, len(pictures))
    return torch.cat(rows).double().numpy()


def evaluate_set(
    made: Paths,
    *,
    references: Paths | Array | None = None,
    prompts: Mapping[str, str] | None = None,
    features: Features | None = None,
    similarity: Similarity | None = None,
    clip_scale: ClipScale = ClipScale.COSINE,
    marks: Mapping[str, Marks] | None = None,
    crop: int | None = None,
    seed: int = 0,
    batch: int = 8,
    resamplings: int = 100,
    device: str | torch.device = "cpu",
    on_picture: Told = nobody,
) -> dict[str, Any]:
    """A table that JSON can hold: `protocol`, and of each measure {value, low, high}; `notes` where something is amiss.

    `references` with `features` give `fid` and `kid`; they may be features already, (n, D). `prompts` with `similarity`
    give `clip_score`, in `clip_scale`. `marks` are by the names that the table shall have for them. FID, KID and marks
    are of squares of `crop` pixels cut by the seed. KID is not multiplied: the papers' tables have it times 1000. Its
    `subsets` are as it is often published: the mean and deviation of 100 subsets of up to 1000.

    Raises ValueError, before any work, for what is missing or too small.
    """
    marks = marks or {}
    _check_set(made, references, prompts, features, similarity, marks)
    check_crop(made, crop)
    reference_count = 0 if references is None or features is None else len(references)
    count = len(made) + (reference_count if isinstance(references, Mapping) else 0)
    rows: list[Tensor] = []
    found: dict[str, list[Tensor]] = {name: [] for name in ("clip_score", *marks)}
    names = list(made)
    for numbers, whole, cropped in batches(list(made.values()), batch, _crop(crop, seed), device):
        if features is not None:
            rows.append(features(cropped).cpu())
        if similarity is not None and prompts is not None:
            cosines = similarity(whole, [prompts[names[number]] for number in numbers])
            found["clip_score"].append(clip_scale.of(cosines).cpu())
        for name, mark in marks.items():
            found[name].append(mark(cropped).cpu())
        on_picture(numbers[-1] + 1, count)
    protocol: dict[str, Any] = {"pictures": len(made), "crop": crop, "resamplings": resamplings, "seed": seed}
    table: dict[str, Any] = {"protocol": protocol}
    if features is not None and references is not None:
        protocol["references"] = reference_count
        if isinstance(references, Mapping):
            references = features_of(
                references,
                features,
                batch=batch,
                device=device,
                on_picture=lambda done, _: on_picture(len(made) + done, count),
            )
        table |= _distances(torch.cat(rows).double().numpy(), references, resamplings, seed)
    if found["clip_score"]:
        protocol["clip_scale"] = clip_scale.value
    for name, values in found.items():
        if values:
            table[name] = asdict(mean_interval(torch.cat(values).double().numpy(), seed=seed))
    return table


def _crop(side: int | None, seed: int) -> Crop | None:
    return None if side is None else (side, seed)


def _distances(made: Array, references: Array, resamplings: int, seed: int) -> dict[str, Any]:
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always", RuntimeWarning)
        fid = asdict(frechet_interval(made, references, resamplings=resamplings, seed=seed))
    kid = asdict(kernel_interval(made, references, resamplings=resamplings, seed=seed))
    mean, deviation = kernel_of_subsets(made, references, seed=seed)
    notes = [f"fid: {each.message}" for each in seen]
    return {"fid": fid, "kid": kid | {"subsets": {"mean": mean, "deviation": deviation}}} | (
        {"notes": notes} if notes else {}
    )


def check_crop(pictures: Paths, crop: int | None) -> None:
    """Raises ValueError where a square of `crop` pixels cannot be cut out of each picture."""
    if crop is None:
        return
    if crop < 1:
        raise ValueError(f"the crop is 1 pixel or more, got {crop}")
    for path in pictures.values():
        height, width = size_of(path)
        if min(height, width) < crop:
            raise ValueError(f"{path} is {width} x {height}, and a square of {crop} is to be cut out: lower --crop")


def _check_set(
    made: Paths,
    references: Paths | Array | None,
    prompts: Mapping[str, str] | None,
    features: Features | None,
    similarity: Similarity | None,
    marks: Mapping[str, Marks],
) -> None:
    """Raises ValueError for what is missing, or missing its other half."""
    if features is None and similarity is None and not marks:
        raise ValueError("nothing is to be measured: give features with references, similarity with prompts, or marks")
    if (features is None) != (references is None) or (similarity is None) != (prompts is None):
        raise ValueError("FID and KID want features and references, CLIP's score wants a model and prompts: give both")
    if unknown := [name for name in marks if name in ("protocol", "fid", "kid", "clip_score", "notes")]:
        raise ValueError(f"{unknown[0]} is the name of another measure: give the mark another")
    if not made:
        raise ValueError("one picture or more is wanted, got none")
    if references is not None and min(len(made), len(references)) < 2:
        raise ValueError(
            f"FID and KID want two pictures or more on each side, got {len(made)} and {len(references)} references"
        )
    without = [] if prompts is None else [name for name in made if not prompts.get(name, "").strip()]
    if without:
        raise ValueError(f"CLIP's score wants a prompt for each picture, and {without[0]} has none")
