"""Tiny random models in the real files, for `--tiny`: those that the packages' own tests are made with, and judges."""

import importlib
import sys
from pathlib import Path
from types import ModuleType

import torch

from benchmarks.common import ROOT

__all__ = ["clip", "i3d", "inception", "makers"]


def makers(package: str, module: str) -> ModuleType:
    """A helper module of a package's tests; their names are unique over all packages."""
    folder = str(ROOT / "packages" / package / "tests")
    sys.path.insert(0, folder)
    try:
        return importlib.import_module(module)
    finally:
        sys.path.remove(folder)


def clip(folder: Path) -> Path:
    """A CLIP whose embeddings are 512 wide, as ViT-B/32's, with a tokenizer over single letters."""
    from transformers import CLIPConfig, CLIPModel

    tokenizer = makers("alm-video", "tiny_video").clip_tokenizer(folder)
    size = {"hidden_size": 16, "intermediate_size": 32, "num_attention_heads": 2, "num_hidden_layers": 2}
    ends = {"bos_token_id": tokenizer.bos_token_id, "eos_token_id": tokenizer.eos_token_id}
    text = {**size, **ends, "pad_token_id": tokenizer.pad_token_id, "vocab_size": len(tokenizer)}
    vision = {**size, "image_size": 12, "patch_size": 4}
    torch.manual_seed(0)
    CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=512)).save_pretrained(folder)
    return folder


def inception(path: Path) -> Path:
    """FID's Inception in its own shapes."""
    from alm_image.metrics.inception import shapes

    torch.save(makers("alm-image", "metric_pictures").seeded(shapes(), 0), path)
    return path


def i3d(path: Path) -> Path:
    """In the place of FVD's I3D: 8 random features of each clip."""
    torch.manual_seed(0)
    torch.jit.script(_Detector()).save(str(path))
    return path


class _Detector(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.look = torch.nn.Conv3d(3, 8, (10, 56, 56), (3, 56, 56))

    def forward(self, x: torch.Tensor, rescale: bool, resize: bool, return_features: bool) -> torch.Tensor:
        return self.look(x).tanh().mean([2, 3, 4])
