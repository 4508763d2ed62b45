"""What lies in a model's folder: which family, and where its parts are."""

import inspect
import json
from pathlib import Path
from textwrap import shorten
from typing import Any

from alm_image.priors.extras import diffusers, quiet

__all__ = ["component", "component_classes", "component_config", "local_folder", "read_json"]

SHIPPED = "owner/name; 'emoji' comes with the package"


def local_folder(name: str | Path, variant: str | None, instead: str = SHIPPED) -> Path:
    """The folder of that path, else the hub's snapshot of that id, fetched when it is not in the cache.

    Raises FileNotFoundError where there is neither, which ends with what to give `instead`.
    """
    folder = Path(name).expanduser()
    if folder.exists():
        return folder
    hint = f"give the path of a model folder (with model_index.json), or connect and give a hub id such as {instead}"
    if str(name).count("/") != 1 or str(name).startswith((".", "/", "~")) or str(name).endswith("/"):
        raise FileNotFoundError(f"there is no model folder {name}: {hint}")
    pipeline = diffusers().DiffusionPipeline
    try:
        with quiet():
            # A gigabyte of safety checker would never be loaded.
            return Path(pipeline.download(str(name), variant=variant, safety_checker=None))
    except Exception as error:  # the hub's client raises many kinds: offline, gated, unknown, a bad name
        reason = shorten(str(error), 100, placeholder=" …")
        raise FileNotFoundError(
            f"model {str(name)!r} was not found locally nor on the hub ({type(error).__name__}: {reason}): {hint}"
        ) from error


def component(folder: Path, name: str) -> Path:
    """The folder of a component: its own, or the root for old repositories of a bare network."""
    return folder / name if (folder / name).is_dir() else folder


def component_classes(folder: Path) -> dict[str, str]:
    """Each component's class by name, from model_index.json, or of a bare U-Net's own config.

    The key `pipeline` is the pipeline's class. Raises FileNotFoundError where the folder is no diffusers folder.
    """
    index = folder / "model_index.json"
    if index.is_file():
        entries = read_json(index)
        classes = {k: v[1] for k, v in entries.items() if isinstance(v, list) and len(v) == 2 and v[1]}
        return {**classes, "pipeline": str(entries.get("_class_name", ""))}
    config = component(folder, "unet") / "config.json"
    if config.is_file():
        return {"pipeline": "", "unet": str(read_json(config).get("_class_name", ""))}
    raise FileNotFoundError(
        f"{folder} holds no model: wanted model_index.json, unet/config.json, or a guided-diffusion .pt file"
    )


def component_config(folder: Path, name: str) -> dict[str, Any]:
    """A component's config, to refuse what does not fit before any weights are read. Raises ValueError.

    What an old file leaves out is the default of its class in diffusers.
    """
    path = component(folder, name) / "config.json"
    if not path.is_file():
        raise ValueError(f"{folder} has no {name}/config.json: fetch the model again")
    given = read_json(path)
    cls = getattr(diffusers(), str(given.get("_class_name")), None)
    known = inspect.signature(cls.__init__).parameters if cls else {}
    return {**{key: each.default for key, each in known.items()}, **given}


def read_json(path: Path) -> dict[str, Any]:
    """The object in a JSON file. Raises ValueError where it is broken."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is not valid JSON ({error}): fetch the model again") from error
    if not isinstance(found, dict):
        raise ValueError(f"{path} must hold a JSON object, got a {type(found).__name__}: fetch the model again")
    return found
