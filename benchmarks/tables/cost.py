"""What a picture costs: seconds and memory of a run of a verb, after a short one, and their spread over runs."""

from collections.abc import Callable, Mapping, Sequence
from statistics import median

import torch
from alm_image import Result

from benchmarks.tables.common import Cells

__all__ = ["cost", "spread"]


def cost(warm: Callable[[], Result], work: Callable[[], Result], device: torch.device) -> dict[str, float | None]:
    """`seconds` of the work, and `GB`, the most that torch held on a CUDA device meanwhile, None elsewhere."""
    warm()
    cuda = device.type == "cuda"
    if cuda:
        torch.cuda.reset_peak_memory_stats(device)
    seconds = work().seconds
    return {"seconds": seconds, "GB": torch.cuda.max_memory_allocated(device) / 1e9 if cuda else None}


def spread(runs: Sequence[Mapping[str, float | None]], names: Mapping[str, str]) -> Cells:
    """The median of each, by the metrics' names, with the least and the greatest; None where none is known."""
    cells: Cells = {}
    for name, key in names.items():
        known = [value for each in runs if (value := each[key]) is not None]
        cells[name] = {"value": median(known), "low": min(known), "high": max(known)} if known else None
    return cells
