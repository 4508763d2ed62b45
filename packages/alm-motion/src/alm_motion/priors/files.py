"""What lies beside a checkpoint: its arguments, and the mean and deviation of its features."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

__all__ = ["array_beside", "json_beside", "load_keys", "read_checkpoint", "read_json", "read_weights"]


def read_json(path: Path) -> dict[str, Any]:
    """The object in a JSON file. Raises FileNotFoundError, ValueError."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise FileNotFoundError(f"there is no {path}") from None
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ValueError(f"{path} is not valid JSON ({error}): fetch the model again") from None
    if not isinstance(found, dict):
        raise ValueError(f"{path} must hold a JSON object, got a {type(found).__name__}")
    return found


def json_beside(checkpoint: Path) -> dict[str, Any]:
    """The args.json that the public code writes beside a checkpoint. Raises FileNotFoundError."""
    path = checkpoint.parent / "args.json"
    if not path.is_file():
        raise FileNotFoundError(
            f"{checkpoint} wants the args.json that lies beside it where it was published: put it there"
        )
    return read_json(path)


def array_beside(checkpoint: Path, names: Sequence[str], shape: tuple[int, ...]) -> Tensor:
    """The first of some .npy files beside a checkpoint, float32. Raises FileNotFoundError, ValueError."""
    for name in names:
        path = checkpoint.parent / name
        if path.is_file():
            try:
                found = np.load(path, allow_pickle=False)
            except (ValueError, EOFError, OSError) as error:
                raise ValueError(f"{path} cannot be read ({error})") from None
            if found.shape != shape or not np.isfinite(found).all():
                raise ValueError(f"{path} must hold finite numbers of shape {shape}, got {found.shape}")
            return torch.from_numpy(found.astype(np.float32))
    raise FileNotFoundError(
        f"{checkpoint} wants {' or '.join(names)} beside it, from the repository that the checkpoint was published with"
    )


def read_checkpoint(path: Path, keys: Sequence[str]) -> dict[str, Tensor]:
    """The state of a .pt file: what stands under the first of the keys that it has, else all. Raises ValueError."""
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a pickle of anything but tensors, a cut file, no pickle
        raise ValueError(f"{path} is not a checkpoint of tensors: {str(error).splitlines()[0]}") from None
    for key in keys:
        if isinstance(found, dict) and isinstance(found.get(key), dict):
            found = found[key]
            break
    if not isinstance(found, dict) or not all(isinstance(value, Tensor) for value in found.values()):
        raise ValueError(f"{path} holds no state of tensors, nor one under {', '.join(keys)}")
    return found


def read_weights(path: Path) -> dict[str, Tensor]:
    """The tensors of a .safetensors file. Raises ValueError where it is none, or cut."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        found: dict[str, Tensor] = load_file(path)
    except SafetensorError as error:
        raise ValueError(f"{path} cannot be read ({error}): fetch or train the model again") from None
    return found


def load_keys(module: nn.Module, state: dict[str, Tensor], path: Path) -> None:
    """Puts the state into the module. Keys of `clip_model` are left aside, tables of sines need not be there.

    Raises ValueError that names the first ten keys that are missing, left over or of another shape.
    """
    own = module.state_dict()
    state = {key: value for key, value in state.items() if not key.startswith("clip_model.")}
    missing = [key for key in own if key not in state and not key.endswith(".pe")]
    extra = [key for key in state if key not in own]
    other = [key for key in own if key in state and own[key].shape != state[key].shape and not key.endswith(".pe")]
    if missing or extra or other:
        told = [
            f"{what} {', '.join(keys[:10])}" + (f" and {len(keys) - 10} more" if len(keys) > 10 else "")
            for what, keys in (("missing", missing), ("unknown", extra), ("of another shape", other))
            if keys
        ]
        raise ValueError(f"{path} does not fit the network that its arguments describe: {'; '.join(told)}")
    kept = {key: value for key, value in state.items() if not key.endswith(".pe")}
    module.load_state_dict(kept, strict=False)
