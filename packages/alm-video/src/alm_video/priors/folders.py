"""Folders in the diffusers format: found, read and refused by their configs, and only then loaded."""

import inspect
import json
import sys
from collections import ChainMap
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from textwrap import shorten
from typing import Any

import torch
from alm_core.codec import VaeCodec
from alm_core.placement import Options

__all__ = [
    "ADAPTER",
    "Config",
    "Turn",
    "check_tokenizer",
    "choose_attention",
    "classes",
    "config",
    "defaults",
    "json_object",
    "library",
    "load",
    "local",
    "picture_codec",
    "place",
    "refuse_channels",
]

Config = Mapping[str, Any]
"""A component's config, with what an old file leaves out as its class has it."""
Dtypes = torch.dtype | Mapping[str, torch.dtype] | None

ADAPTER = "motion adapter"
"""What a folder of one network is, where others are of whole pipelines."""
WANTED = "give the path of a model (a LaVie .pt, or a folder with model_index.json) or a hub id such as owner/name"


def local(name: str | Path, variant: str | None, what: str = "model") -> Path:
    """The file or folder of that path, else the hub's snapshot of that id. Raises FileNotFoundError."""
    path = Path(name).expanduser()
    if path.exists():
        return path
    if str(name).count("/") != 1 or str(name).startswith((".", "~", "/")) or str(name).endswith(("/", ".pt")):
        raise FileNotFoundError(f"there is no {what} {name}: {WANTED}")
    hub = library()
    try:
        with _hushed():
            if what != ADAPTER:
                return Path(hub.DiffusionPipeline.download(str(name), variant=variant, safety_checker=None))
            from huggingface_hub import snapshot_download

            return Path(snapshot_download(str(name), allow_patterns=["config.json", "*.safetensors"]))
    except Exception as error:  # the hub's client raises many kinds: offline, gated, unknown, a bad name
        reason = shorten(str(error), 100, placeholder=" …")
        raise FileNotFoundError(
            f"{what} {str(name)!r} was found neither here nor on the hub ({reason}): {WANTED}"
        ) from error


def classes(folder: Path) -> dict[str, str]:
    """Each component's class by name from model_index.json; `pipeline` is the pipeline's own. Raises OSError."""
    index = folder / "model_index.json"
    if not index.is_file():
        raise FileNotFoundError(f"{folder} holds no model (no model_index.json, no lavie_base.pt): {WANTED}")
    entries = json_object(index)
    parts = {name: entry[1] for name, entry in entries.items() if isinstance(entry, list) and entry[-1]}
    return {**parts, "pipeline": str(entries.get("_class_name"))}


def config(folder: Path) -> Config:
    """The config in a component's folder. Raises FileNotFoundError where there is none."""
    path = folder / "config.json"
    if not path.is_file():
        raise FileNotFoundError(f"{folder} has no config.json: wanted a part of a model in the diffusers format")
    given = {"_class_name": "none", **json_object(path)}
    return ChainMap(given, defaults(str(given["_class_name"])))


def defaults(name: str) -> dict[str, Any]:
    """What a class of diffusers takes each setting to be, lists for tuples as in a file; empty for another class."""
    kind = getattr(library(), name, None)
    known = inspect.signature(kind.__init__).parameters if kind else {}
    values = {key: each.default for key, each in known.items()}
    return {key: list(value) if isinstance(value, tuple) else value for key, value in values.items()}


def load(kind: Any, path: Path, options: Options, dtype: Dtypes, **parts: object) -> Any:
    """`kind.from_pretrained`, of diffusers or transformers: a network, or a pipeline with `parts` in place of its own.

    `dtype` is of all networks, or of each by its name, with `default` for the others. Raises ValueError where weights
    or other files are missing or do not fit.
    """
    if issubclass(kind, torch.nn.Module):
        return _network(kind, path, options.variant, dtype)
    if issubclass(kind, library().DiffusionPipeline):
        parts = {**_networks(kind, path, options.variant, dtype, set(parts)), **parts}
    loaded = _from_pretrained(kind, path, options.variant, dtype, **parts)
    for part in getattr(loaded, "components", {}).values():
        if isinstance(part, torch.nn.Module):  # which the pipeline may have made of the one that was loaded
            part.eval().requires_grad_(False)
    return loaded


def _networks(kind: Any, folder: Path, variant: str | None, dtype: Dtypes, given: Collection[str]) -> dict[str, Any]:
    """The networks that a pipeline would load by itself, but for those `given`, none of them with other weights.

    A part without files of the variant is loaded without it, as the pipeline would. Raises ValueError.
    """
    wanted = inspect.signature(kind.__init__).parameters.keys() - set(given)
    kinds = {}
    for name, entry in json_object(folder / "model_index.json").items():
        if name in wanted and isinstance(entry, list) and entry[0] in ("diffusers", "transformers"):
            found = getattr(sys.modules[entry[0]], str(entry[-1]), None)
            if isinstance(found, type) and issubclass(found, torch.nn.Module):
                kinds[name] = found
    variants = {name: variant if variant and _has(folder / name, variant) else None for name in kinds}
    if variant and not any(variants.values()):
        raise ValueError(f"{folder} in variant {variant!r} cannot be loaded: no part of it has files of that variant")
    dtypes = dtype if isinstance(dtype, Mapping) else {"default": dtype}
    return {
        name: _network(each, folder / name, variants[name], dtypes.get(name, dtypes["default"]))
        for name, each in kinds.items()
    }


def _has(folder: Path, variant: str) -> bool:
    """Whether files are of a variant: model.fp16.safetensors, or model.fp16-00001-of-00002.safetensors."""
    return folder.is_dir() and any(each.name.partition(".")[2].startswith(variant) for each in folder.iterdir())


def _network(kind: Any, path: Path, variant: str | None, dtype: Dtypes) -> Any:
    """A network, for inference. Raises ValueError that names the first ten keys that are not as it has them."""
    # all shapes that differ are told, not the first alone; with low_cpu_mem_usage old transformers miss missing keys
    settings = {"output_loading_info": True, "ignore_mismatched_sizes": True}
    network, info = _from_pretrained(kind, path, variant, dtype, **settings)
    # old files of CLIP hold position_ids, which later networks count for themselves
    unknown = [key for key in info["unexpected_keys"] if not key.endswith("position_ids")]
    other = [f"{key} {tuple(found)} for {tuple(shape)}" for key, found, shape in info["mismatched_keys"]]
    told = [
        f"{what} {', '.join(sorted(keys)[:10])}" + (f" and {len(keys) - 10} more" if len(keys) > 10 else "")
        for what, keys in (("missing", info["missing_keys"]), ("unknown", unknown), ("of another shape", other))
        if keys
    ]
    if told:
        raise ValueError(f"{path} has weights that do not fit its config.json: {'; '.join(told)}")
    return network.eval().requires_grad_(False)


def _from_pretrained(kind: Any, path: Path, variant: str | None, dtype: Dtypes, **settings: object) -> Any:
    """`kind.from_pretrained` from files that are here, and its errors as a ValueError of one line."""
    from safetensors import SafetensorError

    if dtype is not None:
        settings[_dtype_keyword(kind)] = dtype
    try:
        with _hushed():
            return kind.from_pretrained(path, local_files_only=True, variant=variant, **settings)
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        which = f" in variant {variant!r}" if variant else ""
        raise ValueError(f"{path}{which} cannot be loaded: {shorten(str(error), 200, placeholder=' …')}") from error


def place(parts: Sequence[Any], options: Options) -> None:
    """Moves the networks to the device, or has each moved there when its turn comes and back when another's does."""
    if not options.offload:
        with _hushed():
            for part in parts:
                part.to(options.device)
        return
    from accelerate.hooks import add_hook_to_module

    for part in parts:
        add_hook_to_module(part, Turn(part, [each for each in parts if each is not part], options.device))


class Turn:
    """A hook of accelerate's: before `part` runs, the others make room for it.

    diffusers' own offloading knows one order of use; a long video goes back and forth between the network and the VAE.
    """

    no_grad = False

    def __init__(self, part: torch.nn.Module, others: Sequence[torch.nn.Module], device: torch.device) -> None:
        self.part, self.others, self.execution_device = part, others, device

    def init_hook(self, module: torch.nn.Module) -> torch.nn.Module:
        """Leaves the module where it was loaded."""
        return module

    def pre_forward(self, module: torch.nn.Module, *args: Any, **kwargs: Any) -> tuple[Any, Any]:
        """The others go to main memory, `part` to the device; the arguments are there already."""
        for other in self.others:
            if next(other.parameters()).device.type != "cpu":
                other.to("cpu")
        if next(self.part.parameters()).device != self.execution_device:
            self.part.to(self.execution_device)
        return args, kwargs

    def post_forward(self, module: torch.nn.Module, output: Any) -> Any:
        """The output."""
        return output

    def detach_hook(self, module: torch.nn.Module) -> torch.nn.Module:
        """The module."""
        return module


def picture_codec(vae: Any, options: Options) -> VaeCodec:
    """The codec of a VAE of pictures; diffusers would warn of what it is right to do with one in float16."""
    with _hushed():
        return VaeCodec(vae, options.device, tiling=options.vae_tiling)


def choose_attention(network: Any, attention: str | None) -> None:
    """`slicing` for less memory, one head after another; else an attention backend of diffusers. Raises ValueError."""
    if attention is None:
        return
    if attention != "slicing":
        network.set_attention_backend(attention)
        return
    from diffusers.models.attention_processor import Attention

    slow = [each for each in network.modules() if isinstance(each, Attention)]
    if not slow:
        raise ValueError(f"attention='slicing' is not offered by {type(network).__name__}: leave attention out")
    for each in slow:
        each.set_attention_slice(1)


def check_tokenizer(folder: Path) -> None:
    """Raises FileNotFoundError where there are no words: transformers would make a tokenizer of none."""
    if not any((folder / name).is_file() for name in ("tokenizer.json", "vocab.json", "spiece.model")):
        raise FileNotFoundError(f"{folder} has no vocabulary: wanted a part of a model in the diffusers format")


def refuse_channels(found: int, wanted: int, folder: Path) -> None:
    """Raises ValueError for a network that takes more than the noisy state: masks, a first frame, depth."""
    if found != wanted:
        raise ValueError(
            f"the network in {folder} takes {found} input channels, wanted the {wanted} of its VAE: it was made to be "
            "given a picture or a mask, which completion does not need; give the text-to-video (or text-to-image) "
            "model of its family"
        )


def library() -> Any:
    """The module `diffusers`, with transformers beside it. Raises ImportError that names the extra."""
    try:
        import diffusers
        import transformers  # noqa: F401
    except ImportError as error:
        raise ImportError(
            f"this model needs {error.name or error}, which is not installed: pip install 'alm-video[diffusers]'"
        ) from error
    return diffusers


def json_object(path: Path) -> dict[str, Any]:
    """The object in a JSON file. Raises ValueError where it is broken, FileNotFoundError where there is none."""
    try:
        found: dict[str, Any] = dict(json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, TypeError) as error:
        raise ValueError(f"{path} is not a JSON object ({error}): fetch the model again") from error
    return found


def _dtype_keyword(kind: Any) -> str:
    """What `from_pretrained` of the installed library calls the dtype."""
    home = kind.__module__.partition(".")[0]
    since = {"diffusers": (0, 42), "transformers": (4, 56)}[home]
    version = tuple(int(part) for part in sys.modules[home].__version__.split(".")[:2])
    return "dtype" if version >= since else "torch_dtype"


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
