"""Files of weights: found where they were said to be or in the usual places, and refused in one line."""

from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

__all__ = ["check_shapes", "find_weights", "hub_folder", "load_weights", "package_folder"]


def find_weights(names: Sequence[str], folders: Sequence[Path | None], what: str) -> Path:
    """The first file of these names in these folders. Raises FileNotFoundError that says what is wanted, and where.

    Nothing is fetched.
    """
    places = [folder for folder in folders if folder is not None]
    for folder in places:
        for name in names:
            if (folder / name).is_file():
                return folder / name
    raise FileNotFoundError(
        f"{what} wants the file {' or '.join(names)}: give it, or put it into {' or '.join(map(str, places))}"
    )


def hub_folder() -> Path:
    """Where torch keeps the weights that it has fetched."""
    return Path(torch.hub.get_dir()) / "checkpoints"


def package_folder(package: str, under: str) -> Path | None:
    """A folder of an installed package, which is not imported; None where it is not installed."""
    spec = find_spec(package)
    places = list(spec.submodule_search_locations or []) if spec else []
    return Path(places[0]) / under if places else None


def load_weights(path: str | Path, what: str) -> dict[str, Tensor]:
    """The tensors of a file of torch, float32 where they are floats, on the CPU.

    Raises FileNotFoundError, or ValueError for a file that holds something else. No code of the file is run.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"there is no {path}: give the file of {what}")
    try:
        found: Any = torch.load(path, map_location="cpu", weights_only=True)
    except Exception:
        # Torch says each in another way, over many lines, and advises to run the code.
        raise ValueError(f"{path} is no file of {what}: it is not torch's, cut short, or has code in it") from None
    if not isinstance(found, Mapping) or not all(isinstance(value, Tensor) for value in found.values()):
        raise ValueError(f"{path} is no file of {what}: it holds no weights by name")
    return {name: value.float() if value.is_floating_point() else value for name, value in found.items()}


def check_shapes(weights: Mapping[str, Tensor], shapes: Mapping[str, Sequence[int]], what: str) -> None:
    """Raises ValueError where a tensor is missing or has another shape."""
    for name, shape in shapes.items():
        found = tuple(weights[name].shape) if name in weights else "none"
        if found != tuple(shape):
            raise ValueError(f"the weights are not those of {what}: of {name} {tuple(shape)} is wanted, got {found}")
