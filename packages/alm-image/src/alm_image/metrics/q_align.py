"""Q-Align (Wu et al. 2023): how good a picture is, from 1 to 5, by the large model OneAlign through pyiqa."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from alm_image.metrics.pixels import check_pixels, to_levels

__all__ = ["QAlign"]

MODEL = "q-future/one-align"
INDEXES = ("pytorch_model.bin.index.json", "model.safetensors.index.json")


@dataclass(frozen=True)
class QAlign:
    """The model, of eight thousand million parameters: a GPU of 24 GB is wanted."""

    model: Any
    device: torch.device

    @classmethod
    def load(cls, *, device: str | torch.device = "cpu") -> "QAlign":
        """Of the hub's cache on this machine; nothing is fetched.

        Raises ImportError where pyiqa is missing, and FileNotFoundError where the model is not in the cache as a whole.
        """
        try:
            import pyiqa
        except ImportError as error:
            raise ImportError(
                f"{error.name or error} is missing, which Q-Align needs: pip install 'alm-image[q-align]'"
            ) from error
        _check_cache()
        return cls(pyiqa.create_metric("qalign", device=torch.device(device)), torch.device(device))

    @torch.no_grad()
    def __call__(self, pixels: Tensor) -> Tensor:
        """Marks (n,) from 1 to 5 of pixels (n, 3, height, width) in [−1, 1], one after another, on the CPU."""
        shown = to_levels(check_pixels(pixels)).float() / 255
        marks = [self.model(each[None].to(self.device)).reshape(1) for each in shown]
        return torch.cat(marks).float().cpu()


def _check_cache() -> None:
    """Raises FileNotFoundError unless all of the model's files are in the hub's cache."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    wanted = f"Q-Align wants the model {MODEL} whole in the hub's cache: get it with 'hf download {MODEL}'"
    try:
        folder = Path(snapshot_download(MODEL, local_files_only=True))
    except LocalEntryNotFoundError:
        raise FileNotFoundError(f"{wanted}; there is none") from None
    shards: set[str] = set()
    for index in INDEXES:
        if (folder / index).is_file():
            shards |= set(json.loads((folder / index).read_text(encoding="utf-8"))["weight_map"].values())
    missing = [name for name in sorted({"config.json", *shards}) if not (folder / name).is_file()]
    if missing or not shards:
        raise FileNotFoundError(f"{wanted}; {missing[0] if missing else 'its weights'} is missing")
