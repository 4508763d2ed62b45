"""LAION's improved aesthetic predictor (Schuhmann et al. 2022): a mark from about 1 to 10 that people might give.

    mark = A₅(A₄(A₃(A₂(A₁ e))))       e: CLIP ViT-L/14's embedding of unit length; A: affine

Their widths are 768 → 1024 → 128 → 64 → 16 → 1. There is no activation between the layers: that is how it was trained.
"""

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import linear

from alm_image.metrics.clip import Clip
from alm_image.metrics.weights import load_weights

__all__ = ["Aesthetic"]

FILE = "sac+logos+ava1-l14-linearMSE.pth"
LAYERS = (0, 2, 4, 6, 7)
"""The numbers of the file's layers; those between were dropout."""
WIDTHS = (1024, 128, 64, 16, 1)


@dataclass(frozen=True)
class Aesthetic:
    """The head, and the CLIP whose pictures it marks."""

    clip: Clip
    layers: tuple[tuple[Tensor, Tensor], ...]

    @classmethod
    def load(cls, path: str | Path, clip: Clip) -> "Aesthetic":
        """Of `sac+logos+ava1-l14-linearMSE.pth` and CLIP ViT-L/14. Raises FileNotFoundError, or ValueError."""
        weights = load_weights(path, f"the aesthetic predictor, {FILE}")
        names = [(f"layers.{number}.weight", f"layers.{number}.bias") for number in LAYERS]
        inside = weights[names[0][0]].shape[-1] if names[0][0] in weights else 0
        for (weight, bias), (before, after) in zip(names, pairwise((inside, *WIDTHS)), strict=True):
            found = [tuple(weights[name].shape) if name in weights else "none" for name in (weight, bias)]
            if found != [(after, before), (after,)]:
                wanted = (after, before or 768)
                raise ValueError(f"{path} is not {FILE}: of {weight} {wanted} is wanted, got {found[0]}")
        if clip.width != inside:
            raise ValueError(
                f"the aesthetic predictor {path} marks CLIP embeddings of {inside}, this CLIP has {clip.width}: give "
                "the folder of ViT-L/14 (--aesthetic-clip)"
            )
        device = clip.model.device
        return cls(clip, tuple((weights[weight].to(device), weights[bias].to(device)) for weight, bias in names))

    @torch.no_grad()
    def __call__(self, pixels: Tensor) -> Tensor:
        """Marks (n,) of pixels (n, 3, height, width) in [−1, 1]."""
        x = self.clip.pictures(pixels)
        for weight, bias in self.layers:
            x = linear(x, weight, bias)
        return x[:, 0]
