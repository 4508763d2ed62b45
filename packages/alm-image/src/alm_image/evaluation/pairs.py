"""Pictures beside their truths: ALM's Tables 1-3, 7, 8, 10 and 11, and the LPIPS of SyncSDE's Table 2.

Made pictures and truths have the same names and sizes, and masks show white what was made. Each measure is a value a
picture, and the mean of all with its 95 % interval.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from alm_image.evaluation.folders import Told, nobody, pair_batches, size_of
from alm_image.metrics import LPIPS, fsim, fsimc, masked_mse, masked_ssim, ms_ssim, mse, ssim
from alm_image.metrics.feature_similarity import FSIM_SIDE
from alm_image.metrics.full_reference import MS_SSIM_SIDE, SSIM_SIDE
from alm_image.metrics.lpips import NETS
from alm_image.statistics import mean_interval

__all__ = ["PAIRED", "evaluate_pairs", "score_pairs"]

Array = NDArray[np.float64]
Paths = Mapping[str, Path]

PAIRED = ("lpips", "mse", "masked_mse", "ssim", "masked_ssim", "ms_ssim", "fsim", "fsimc", "bg_lpips")
"""The measures of pairs."""
MASKED = ("masked_mse", "masked_ssim", "bg_lpips")
LEAST = {"ssim": SSIM_SIDE, "masked_ssim": SSIM_SIDE, "ms_ssim": MS_SSIM_SIDE, "fsim": FSIM_SIDE, "fsimc": FSIM_SIDE}
PLAIN: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "mse": mse,
    "ssim": ssim,
    "ms_ssim": ms_ssim,
    "fsim": fsim,
    "fsimc": fsimc,
}


def evaluate_pairs(
    made: Paths,
    truth: Paths,
    *,
    masks: Paths | None = None,
    metrics: Sequence[str] | None = None,
    lpips: LPIPS | None = None,
    batch: int = 8,
    resamplings: int = 2000,
    seed: int = 0,
    device: str | torch.device = "cpu",
    on_picture: Told = nobody,
) -> dict[str, Any]:
    """A table that JSON can hold: `protocol`, of each measure {value, low, high}, and why some are `left_out`.

    Without `metrics` those that can be measured are; see `score_pairs` for the rest.
    """
    masks = masks or {}
    left_out: dict[str, str] = {}
    if metrics is None:
        _check_pairs(made, truth, masks)
        least = min(min(size_of(path)) for path in made.values())
        lacking = {name: _lacking(name, least, masks, lpips) for name in PAIRED}
        metrics = [name for name, why in lacking.items() if why is None]
        left_out = {name: why for name, why in lacking.items() if why is not None}
    scores = score_pairs(
        made, truth, masks=masks, metrics=metrics, lpips=lpips, batch=batch, device=device, on_picture=on_picture
    )
    protocol: dict[str, Any] = {"pictures": len(made), "masks": len(masks), "resamplings": resamplings, "seed": seed}
    if lpips and {"lpips", "bg_lpips"} & scores.keys():
        protocol["lpips_net"] = lpips.net
    found: dict[str, Any] = {"protocol": protocol}
    for name, values in scores.items():
        found[name] = asdict(mean_interval(values, resamplings=resamplings, seed=seed))
    return found | ({"left_out": left_out} if left_out else {})


def score_pairs(
    made: Paths,
    truth: Paths,
    *,
    masks: Paths | None = None,
    metrics: Sequence[str],
    lpips: LPIPS | None = None,
    batch: int = 8,
    device: str | torch.device = "cpu",
    on_picture: Told = nobody,
) -> dict[str, Array]:
    """Of each measure the values (n,) of the made pictures in their order, so that methods may be compared by picture.

    `masks` are by the names of the pictures, or one of any name for all. `on_picture` is told how many pictures are
    done, and of how many. Raises ValueError, before any work, for names or sizes that do not fit, for measures that are
    unknown, and for such as want masks, larger pictures or weights that are not there.
    """
    masks = masks or {}
    if unknown := [name for name in metrics if name not in PAIRED]:
        raise ValueError(f"the measures of pairs are {', '.join(PAIRED)}: got {unknown[0]}")
    _check_pairs(made, truth, masks)
    least = min(min(size_of(path)) for path in made.values())
    for name in metrics:
        if why := _lacking(name, least, masks, lpips):
            raise ValueError(why)
    if len(masks) == 1 and set(masks) != set(made):
        masks = dict.fromkeys(made, next(iter(masks.values())))
    found: dict[str, list[Tensor]] = {name: [] for name in metrics}
    done = 0
    for ours, true, mask in pair_batches(list(made), made, truth, masks, batch, device):
        for name in metrics:
            found[name].append(_measure(name, ours, true, mask, lpips).cpu())
        done += len(ours)
        on_picture(done, len(made))
    return {name: torch.cat(values).double().numpy() for name, values in found.items()}


def _measure(name: str, made: Tensor, truth: Tensor, mask: Tensor | None, lpips: LPIPS | None) -> Tensor:
    if name == "lpips" and lpips is not None:
        return lpips(made, truth)
    if mask is not None and name == "bg_lpips" and lpips is not None:
        return lpips.background(made, truth, mask)
    if mask is not None and name in MASKED:
        return {"masked_mse": masked_mse, "masked_ssim": masked_ssim}[name](made, truth, mask)
    return PLAIN[name](made, truth)


def _lacking(name: str, least: int, masks: Paths, lpips: LPIPS | None) -> str | None:
    """Why a measure of pairs cannot be taken."""
    if name in MASKED and not masks:
        return f"{name} wants masks that show white what was made: give them (--mask)"
    if name.endswith("lpips") and lpips is None:
        return f"{name} wants LPIPS and its weights: give them (--lpips-weights)"
    wanted = NETS[lpips.net].least if lpips is not None and name.endswith("lpips") else LEAST.get(name, 1)
    if least < wanted:
        return f"{name} wants pictures of {wanted} pixels a side or more: the smallest has {least}"
    if name == "ms_ssim" and find_spec("torchmetrics") is None:
        return "ms_ssim wants torchmetrics: pip install 'alm-image[metrics]'"
    return None


def _check_pairs(made: Paths, truth: Paths, masks: Paths) -> None:
    """Raises ValueError unless each made picture has a truth of its size, and a mask where there are any."""
    one_for_all = len(masks) == 1 and set(masks) != set(made)
    for what, named in (("truth", truth), ("mask", {} if one_for_all else masks)):
        if named and (missing := [name for name in made if name not in named]):
            raise ValueError(f"{_lone(missing, 'picture')} no {what} of the same name, the first {missing[0]}")
    if not made or (extra := [name for name in truth if name not in made]):
        raise ValueError(
            f"{_lone(extra, 'truth')} no picture that was made, the first {extra[0]}: leave out what is too many"
            if made
            else "one picture or more is wanted, got none"
        )
    for name, path in made.items():
        size = size_of(path)
        others = (truth[name], next(iter(masks.values())) if one_for_all else masks.get(name))
        for other in others:
            if other is not None and (found := size_of(other)) != size:
                raise ValueError(
                    f"{other} must be as large as {path}, {size[1]} x {size[0]}; it is {found[1]} x {found[0]}"
                )


def _lone(names: Sequence[str], what: str) -> str:
    return f"1 {what} has" if len(names) == 1 else f"{len(names)} {what}s have"
