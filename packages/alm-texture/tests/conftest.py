"""Shared by the tests: folders of tiny models, each saved once in a run when first asked for."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The folder of a tiny model, by its name in `tiny_controlnet.FOLDERS`. Read-only, please."""
    import tiny_controlnet

    root = tmp_path_factory.mktemp("tiny")

    def make(name: str) -> Path:
        if not (root / name).exists():
            with torch.random.fork_rng(devices=[]):
                tiny_controlnet.FOLDERS[name](root / name)
        return root / name

    return make
