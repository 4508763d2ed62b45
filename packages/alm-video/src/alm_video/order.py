"""Stretches of a video in the order of time, whatever the order in which they were made."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from torch import Tensor

__all__ = ["in_order"]


def in_order(parts: Iterable[tuple[int, Tensor]], first: int, stop: int) -> Iterator[Tensor]:
    """The frames first … stop − 1 of (start, states (rows, channels, frames, …)), which overlap nowhere.

    What comes before its turn waits on disk, so that memory does not grow with the length.
    """
    with TemporaryDirectory(prefix="alm-video-") as folder:
        waiting: dict[int, Path] = {}
        due = first
        for start, states in parts:
            begin, end = max(start, first), min(start + states.shape[2], stop)
            if begin >= end:
                continue
            part = states[:, :, begin - start : end - start]
            if begin != due:
                waiting[begin] = Path(folder) / f"{begin}.pt"
                torch.save(part.clone(), waiting[begin])
                continue
            yield part
            due = end
            while due in waiting:
                path = waiting.pop(due)
                part = torch.load(path, weights_only=True)
                path.unlink()
                yield part
                due += part.shape[2]
