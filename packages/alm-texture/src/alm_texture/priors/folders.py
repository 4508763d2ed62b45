"""Folders in the diffusers format: found, told apart and refused by their configs, and only then loaded."""

import inspect
import json
import sys
from collections import ChainMap
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from textwrap import shorten
from typing import Any

import torch
from alm_core.placement import Options

__all__ = ["Shapes", "check_folders", "local", "open_pipeline"]

Shapes = Mapping[str, Any]
"""A component's config, with what an old file leaves out as its class has it."""

WANTED = "wanted a Stable Diffusion or SDXL folder in the diffusers format"
SHARED = ("in_channels", "block_out_channels", "layers_per_block", "cross_attention_dim", "addition_embed_type")
"""What a ControlNet and its U-Net must have alike for one to be added to the other."""
UNUSED = {
    False: {"safety_checker": None, "feature_extractor": None, "image_encoder": None, "requires_safety_checker": False},
    True: {"feature_extractor": None, "image_encoder": None, "add_watermarker": False},
}
"""Parts and settings that a prior has no use for, without and with a second text encoder."""


def local(name: str | Path, variant: str | None, *, whole: bool) -> Path:
    """The folder of that path, else the hub's snapshot: of a `whole` pipeline or of one network.

    Raises FileNotFoundError where there is neither.
    """
    path = Path(name).expanduser()
    if path.is_dir():
        return path
    what = "model" if whole else "ControlNet"
    if path.exists() or len(Path(str(name)).parts) != 2 or str(name).startswith((".", "~", "/")):
        raise FileNotFoundError(
            f"there is no {what} folder {name}: give the path of one in the diffusers format, or a hub id as owner/name"
        )
    library = _library()
    try:
        with _hushed():
            if whole:
                return Path(library.DiffusionPipeline.download(str(name), variant=variant, safety_checker=None))
            from huggingface_hub import snapshot_download

            weights = f"*.{variant}.safetensors" if variant else "diffusion_pytorch_model.safetensors"
            return Path(snapshot_download(str(name), allow_patterns=["config.json", weights]))
    except Exception as error:  # the hub's client raises many kinds: offline, gated, unknown, a bad name
        raise FileNotFoundError(
            f"{what} {str(name)!r} was found neither here nor on the hub "
            f"({shorten(str(error), 100, placeholder=' …')}): give the path of a folder, or connect"
        ) from error


def check_folders(folder: Path, controlnet: Path) -> bool:
    """Whether the model has two text encoders, as SDXL does. Raises ValueError where one does not fit, or both."""
    two = _check_pipeline(folder)
    unet, vae, control = _shapes(folder / "unet"), _shapes(folder / "vae"), _shapes(controlnet)
    if control["_class_name"] != "ControlNetModel":
        raise ValueError(f"{controlnet} holds a {control['_class_name']}: wanted a ControlNetModel made for depth")
    if unet["in_channels"] != vae["latent_channels"]:
        raise ValueError(
            f"the U-Net in {folder} takes {unet['in_channels']} input channels, wanted the {vae['latent_channels']} of "
            "its VAE: it was tuned for inpainting, depth or pixels, so give the text-to-image model it was made from"
        )
    if unet["time_cond_proj_dim"] is not None:
        raise ValueError(
            f"the U-Net in {folder} is distilled to few steps (a latent consistency model), which has no score to "
            "paint with: give the model that it was distilled from"
        )
    for key in SHARED:
        if _plain(control[key]) != _plain(unet[key]):
            raise ValueError(
                f"the ControlNet in {controlnet} was made for another model than {folder}: its {key} is "
                f"{control[key]}, wanted {unet[key]}; give the depth ControlNet of this family"
            )
    seen = control["conditioning_channels"]
    if seen != 3:
        raise ValueError(f"the ControlNet in {controlnet} reads {seen} channels, wanted the 3 of a depth map")
    return two


def open_pipeline(folder: Path, controlnet: Path, options: Options, *, two: bool) -> Any:
    """diffusers' ControlNet pipeline of the two, frozen, on its device or offloaded: wanted for its parts.

    Raises ValueError where weights or other files are missing.
    """
    library = _library()
    recent = tuple(int(part) for part in library.__version__.split(".")[:2]) >= (0, 42)
    settings = {"dtype" if recent else "torch_dtype": options.narrow(torch.float16), "local_files_only": True}
    has = options.variant and any(controlnet.glob(f"*.{options.variant}.*"))
    name = "StableDiffusionXLControlNetPipeline" if two else "StableDiffusionControlNetPipeline"
    with _hushed():
        try:
            control = library.ControlNetModel.from_pretrained(
                controlnet, variant=options.variant if has else None, **settings
            )
            pipe = getattr(library, name).from_pretrained(
                folder, controlnet=control, variant=options.variant, **UNUSED[two], **settings
            )
        except (OSError, ValueError) as error:
            reason = shorten(str(error), 200, placeholder=" …")
            raise ValueError(f"{folder} with {controlnet} cannot be loaded: {reason}") from error
    for part in (each for each in pipe.components.values() if isinstance(each, torch.nn.Module)):
        part.eval().requires_grad_(False)
    # Each part on its device while it is used, or all of them there for good.
    pipe.enable_model_cpu_offload(device=options.device) if options.offload else pipe.to(options.device)
    return pipe


def _check_pipeline(folder: Path) -> bool:
    if not (folder / "model_index.json").is_file():
        single = folder / "config.json"
        what = f"holds a bare {_json(single).get('_class_name')}" if single.is_file() else "has no model_index.json"
        raise ValueError(f"{folder} {what}: {WANTED}")
    index = _json(folder / "model_index.json")
    parts = {name: entry[1] for name, entry in index.items() if isinstance(entry, list) and entry[-1]}
    if parts.get("unet") != "UNet2DConditionModel" or parts.get("vae") != "AutoencoderKL":
        raise ValueError(f"{folder} holds a {index.get('_class_name')}: {WANTED}")
    if "text_encoder" not in parts and "text_encoder_2" in parts:
        raise ValueError(f"{folder} holds the SDXL refiner, which only ends what the base began: give the base model")
    if not parts.get("text_encoder", "").startswith("CLIPText"):
        raise ValueError(f"{folder} holds a {index.get('_class_name')} without a CLIP text encoder: {WANTED}")
    return "text_encoder_2" in parts


def _shapes(folder: Path) -> Shapes:
    """The config in a component's folder. Raises ValueError where there is none."""
    path = folder / "config.json"
    if not path.is_file():
        raise ValueError(f"{folder} has no config.json: wanted a component in the diffusers format")
    given = {"_class_name": "none", **_json(path)}
    kind = getattr(_library(), str(given["_class_name"]), None)
    known = inspect.signature(kind.__init__).parameters.items() if kind else ()
    return ChainMap(given, {name: each.default for name, each in known})


def _json(path: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = dict(json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, TypeError) as error:
        raise ValueError(f"{path} is not a JSON object ({error}): fetch the model again") from error
    return found


def _plain(value: Any) -> Any:
    """JSON knows lists alone, and defaults are tuples."""
    return list(value) if isinstance(value, tuple) else value


def _library() -> Any:
    try:
        import diffusers
        import transformers  # noqa: F401
    except ImportError as error:
        raise ImportError(
            f"this model needs {error.name or error}, which is not installed: pip install 'alm-texture[diffusers]'"
        ) from error
    return diffusers


@contextmanager
def _hushed() -> Iterator[None]:
    """Without the libraries' advice, and without their progress bars where nobody watches."""
    from diffusers.utils import logging as one
    from transformers.utils import logging as other

    before = [(log, log.get_verbosity(), log.is_progress_bar_enabled()) for log in (one, other)]
    for log, _, bar in before:
        log.set_verbosity_error()
        if bar and not sys.stderr.isatty():
            log.disable_progress_bar()
    try:
        yield
    finally:
        for log, verbosity, bar in before:
            log.set_verbosity(verbosity)
            if bar:
                log.enable_progress_bar()
