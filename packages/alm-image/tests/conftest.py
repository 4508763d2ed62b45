"""Tiny models for the tests, each made once in a run, on first use."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The folder of a tiny model in the real on-disk format, by its name in `tiny.FOLDERS`. Read-only, please."""
    import tiny

    root = tmp_path_factory.mktemp("tiny")

    def make(name: str) -> Path:
        if not (root / name).exists():
            state = torch.get_rng_state()
            tiny.FOLDERS[name](root / name)
            torch.set_rng_state(state)
        return root / name

    return make
