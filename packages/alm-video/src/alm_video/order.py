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
                _save(part.clone(), waiting[begin])
                continue
            yield part
            due = end
            while due in waiting:
                path = waiting.pop(due)
                part = torch.load(path, weights_only=True)
                path.unlink()
                yield part
                due += part.shape[2]
        assert due == stop, f"frames up to {stop} were to come, and {due} did"


def _save(part: Tensor, path: Path) -> None:
    try:
        torch.save(part, path)
    except RuntimeError as error:  # its zip writer's, where the disk is full
        raise OSError(
            f"frames that wait for their turn cannot be written to {path.parent}, which may be full: set TMPDIR to a "
            f"folder with more room ({str(error).splitlines()[0]})"
        ) from error
