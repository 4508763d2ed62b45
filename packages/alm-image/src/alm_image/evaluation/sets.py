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

__all__ = [
    "DISTANCES",
    "SET",
    "Array",
    "Features",
    "Marks",
    "Paths",
    "Similarity",
    "check_crop",
    "evaluate_set",
    "features_of",
]

Array = NDArray[np.float64]
Paths = Mapping[str, Path]
Features = Callable[[Tensor], Tensor]
"""Features (n, D) of pixels (n, 3, height, width) in [−1, 1]: `Inception` is one."""
Marks = Callable[[Tensor], Tensor]
"""Marks (n,) of pixels: `Aesthetic` and `QAlign` are such."""
Similarity = Callable[[Tensor, Sequence[str]], Tensor]
"""Cosines (n,) of pixels and prompts: `Clip.cosines` is one."""
Measure = Callable[[Tensor, Tensor, Sequence[str]], Tensor]
"""Of whole pictures, their crops and their names: what the above become."""

DISTANCES = ("fid", "kid")
"""The measures of a set beside another."""
SET = (*DISTANCES, "clip_score", "aesthetic", "q_align")
"""The measures of a set."""
TAKEN = ("protocol", "notes", "features", *DISTANCES, "clip_score")
"""Names that no mark may have."""


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
    distances: Sequence[str] = DISTANCES,
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

    `references` with `features` give the `distances`, `fid` and `kid`; they may be features already, (n, D). `prompts`
    with `similarity` give `clip_score`, in `clip_scale`. `marks` are by the names that the table shall have for them.
    FID, KID and marks are of squares of `crop` pixels cut by the seed. KID is not multiplied: the papers' tables have
    it times 1000. Its `subsets` are as it is often published: the mean and deviation of 100 subsets of up to 1000.

    Raises ValueError, before any work, for what is missing or too small.
    """
    measures: dict[str, Measure] = {name: _alone(mark) for name, mark in (marks or {}).items()}
    _check_set(made, references, prompts, features, distances, similarity, marks or {})
    check_crop(made, crop)
    protocol: dict[str, Any] = {"pictures": len(made), "crop": crop, "resamplings": resamplings, "seed": seed}
    table: dict[str, Any] = {"protocol": protocol}
    if similarity is not None and prompts is not None:
        protocol["clip_scale"] = clip_scale.value
        measures = {"clip_score": _beside(similarity, prompts, clip_scale), **measures}
    if features is not None:
        measures["features"] = _alone(features)
    count = len(made) + (len(references) if isinstance(references, Mapping) else 0)
    found = _measured(made, measures, _crop(crop, seed), batch, device, lambda done, _: on_picture(done, count))
    if features is not None and references is not None:
        protocol["references"] = len(references)
        if isinstance(references, Mapping):
            references = features_of(
                references,
                features,
                batch=batch,
                device=device,
                on_picture=lambda done, _: on_picture(len(made) + done, count),
            )
        table |= _distances(found.pop("features"), references, distances, resamplings, seed)
    return table | {name: asdict(mean_interval(values, seed=seed)) for name, values in found.items()}


def _alone(measure: Callable[[Tensor], Tensor]) -> Measure:
    return lambda whole, cropped, names: measure(cropped)


def _beside(similarity: Similarity, prompts: Mapping[str, str], scale: ClipScale) -> Measure:
    return lambda whole, cropped, names: scale.of(similarity(whole, [prompts[name] for name in names]))


def _measured(
    made: Paths,
    measures: Mapping[str, Measure],
    crop: Crop | None,
    batch: int,
    device: str | torch.device,
    on_picture: Told,
) -> dict[str, Array]:
    """What each measure says of the pictures, (n, …) in their order, which are read once."""
    names, found = list(made), {name: list[Tensor]() for name in measures}
    for numbers, whole, cropped in batches(list(made.values()), batch, crop, device):
        for name, measure in measures.items():
            found[name].append(measure(whole, cropped, [names[number] for number in numbers]).cpu())
        on_picture(numbers[-1] + 1, len(made))
    return {name: torch.cat(rows).double().numpy() for name, rows in found.items()}


def _crop(side: int | None, seed: int) -> Crop | None:
    return None if side is None else (side, seed)


def _distances(made: Array, references: Array, names: Sequence[str], resamplings: int, seed: int) -> dict[str, Any]:
    """Those of `DISTANCES` that are named, and `notes` where FID has any."""
    found: dict[str, Any] = {}
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always", RuntimeWarning)
        if "fid" in names:
            found["fid"] = asdict(frechet_interval(made, references, resamplings=resamplings, seed=seed))
    if "kid" in names:
        mean, deviation = kernel_of_subsets(made, references, seed=seed)
        found["kid"] = asdict(kernel_interval(made, references, resamplings=resamplings, seed=seed))
        found["kid"]["subsets"] = {"mean": mean, "deviation": deviation}
    return found | ({"notes": [f"fid: {each.message}" for each in seen]} if seen else {})


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
    distances: Sequence[str],
    similarity: Similarity | None,
    marks: Mapping[str, Marks],
) -> None:
    """Raises ValueError for what is missing, or missing its other half."""
    if features is None and similarity is None and not marks:
        raise ValueError("nothing is to be measured: give features with references, similarity with prompts, or marks")
    if (features is None) != (references is None) or (similarity is None) != (prompts is None):
        raise ValueError("FID and KID want features and references, CLIP's score wants a model and prompts: give both")
    if not distances or set(distances) - set(DISTANCES):
        raise ValueError(f"the distances are one or more of {', '.join(DISTANCES)}, got {', '.join(distances)}")
    if unknown := [name for name in marks if name in TAKEN]:
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
