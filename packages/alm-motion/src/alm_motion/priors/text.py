"""What a prompt becomes: CLIP's embedding of a sentence, the label of an action, or a refusal.

An empty prompt is no condition: the embedding 0 or the label −1, with which the networks were trained to make anything.
"""

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from textwrap import shorten
from typing import Any

import torch
from alm_core.guidance import Condition

__all__ = ["CLIP", "ActionText", "ClipText", "NoText", "Sentences"]

CLIP = "openai/clip-vit-base-patch32"
WIDTH = 512
"""How wide its embedding is."""
TOKENS = 22
"""What GMD, CondMDI and MDM read of a prompt: 20 tokens of its words between a start and an end."""


@dataclass(frozen=True)
class NoText:
    """An unconditional model: refuses a prompt."""

    def __call__(self, prompt: str) -> Condition:
        """See `MotionPrior.condition`."""
        if prompt.strip():
            raise ValueError(
                f"this model takes no prompt, got {prompt!r}: leave it out, or use a model that was trained with text"
            )
        return Condition()


@dataclass(frozen=True)
class ActionText:
    """The prompt is the name of one of the actions."""

    actions: tuple[str, ...]
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))

    def __call__(self, prompt: str) -> Condition:
        """See `MotionPrior.condition`."""
        name = prompt.strip()
        if name and name not in self.actions:
            raise ValueError(
                f"this model knows no action {name!r}: it knows {', '.join(self.actions)}, or leave it out"
            )
        label = self.actions.index(name) if name else -1
        return Condition((torch.tensor(label, device=self.device),), (torch.tensor(-1, device=self.device),))


@dataclass(frozen=True)
class ClipText:
    """The sentence embedding (512 of ViT-B/32) of a prompt, cut at 22 tokens of which the last is the end's."""

    model: Any
    tokenizer: Any

    @classmethod
    def load(cls, name: str | Path = CLIP, *, device: str | torch.device = "cpu") -> "ClipText":
        """CLIP of a local folder or a hub id; the hub's is fetched when it is not in the cache.

        Raises ImportError where transformers is missing, FileNotFoundError where there is no such model, and ValueError
        where weights are missing or the tokenizer lacks the words.
        """
        folder = Path(name).expanduser()
        with _quiet():
            model, tokenizer = _read(folder) if folder.is_dir() else _from_hub(str(name))
        return cls(model.to(device).eval().requires_grad_(False), tokenizer)

    @property
    def width(self) -> int:
        """How wide the embedding is."""
        return int(self.model.config.projection_dim)

    @torch.no_grad()
    def __call__(self, prompt: str) -> Condition:
        """See `MotionPrior.condition`."""
        none = torch.zeros(self.width, device=self.model.device)
        if not prompt.strip():
            return Condition((none,), (none,))
        tokens = self.tokenizer(prompt, truncation=True, max_length=TOKENS, return_tensors="pt")["input_ids"]
        return Condition((self.model(tokens.to(none.device)).text_embeds[0].float(),), (none,))


@dataclass(frozen=True)
class Sentences:
    """`ClipText` of ViT-B/32 that is loaded with the first prompt: what has no prompt needs no text encoder."""

    name: str = CLIP
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))

    def __call__(self, prompt: str) -> Condition:
        """See `MotionPrior.condition`. Raises as `ClipText.load`, and ValueError where embeddings are not 512 wide."""
        none = torch.zeros(WIDTH, device=self.device)
        return _loaded(self.name, self.device)(prompt) if prompt.strip() else Condition((none,), (none,))


@cache
def _loaded(name: str, device: torch.device) -> ClipText:
    text = ClipText.load(name, device=device)
    if text.width != WIDTH:
        raise ValueError(f"these networks read embeddings {WIDTH} wide, those of {name} are {text.width}: give {CLIP}")
    return text


def _from_hub(name: str) -> tuple[Any, Any]:
    """As `_read`, of the cache where it is there, else fetched. Raises FileNotFoundError."""
    from huggingface_hub import hf_hub_download

    hint = f"give the folder of a CLIP model, or connect and give a hub id such as {CLIP}"
    if name.count("/") != 1 or name.startswith((".", "/", "~")) or name.endswith("/"):
        raise FileNotFoundError(f"there is no folder {name}: {hint}")
    with suppress(OSError, ValueError):
        return _read(name, local_files_only=True)
    try:
        hf_hub_download(name, "config.json")  # asks once; transformers asks for a dozen files before it gives up
        return _read(name)
    except Exception as error:  # the hub's client raises many kinds: offline, gated, unknown, a bad name
        reason = shorten(str(error), 100, placeholder=" …")
        raise FileNotFoundError(f"the text encoder {name!r} is not here nor on the hub ({reason}): {hint}") from error


def _read(name: str | Path, *, local_files_only: bool = False) -> tuple[Any, Any]:
    """Model and tokenizer. Raises FileNotFoundError where there are none, ValueError where a part is missing."""
    from transformers import CLIPTextModelWithProjection, CLIPTokenizer

    try:
        model, loaded = CLIPTextModelWithProjection.from_pretrained(
            name, local_files_only=local_files_only, output_loading_info=True
        )
    except OSError as error:
        reason = shorten(str(error), 100, placeholder=" …")
        raise FileNotFoundError(f"{name} holds no CLIP model ({reason}): give the folder of one") from error
    if missing := sorted(loaded["missing_keys"]):
        raise ValueError(
            f"{name} lacks {len(missing)} weights of a CLIP text encoder with its projection, the first {missing[0]}: "
            f"give the folder of {CLIP}"
        )
    tokenizer = CLIPTokenizer.from_pretrained(name, local_files_only=local_files_only)
    word = tokenizer("walk", add_special_tokens=False)["input_ids"]
    if not word or tokenizer.unk_token_id in word:  # what transformers makes where the files are missing
        raise ValueError(f"the tokenizer of {name} knows no words: put its tokenizer.json beside the model")
    return model, tokenizer


@contextmanager
def _quiet() -> Iterator[None]:
    """Holds back the libraries' advice, and their progress bars where nobody watches; puts both back after.

    Raises ImportError that names the extra.
    """
    try:
        from huggingface_hub.utils import logging as of_hub
        from transformers.utils import logging as of_transformers
    except ImportError as error:
        raise ImportError(
            f"{error.name or error} is missing, which prompts of words need: pip install 'alm-motion[text]'"
        ) from error
    levels = of_hub.get_verbosity(), of_transformers.get_verbosity()
    bars = of_transformers.is_progress_bar_enabled()
    of_hub.set_verbosity(logging.ERROR)
    of_transformers.set_verbosity(logging.ERROR)
    if not sys.stderr.isatty():
        of_transformers.disable_progress_bar()
    try:
        yield
    finally:
        of_hub.set_verbosity(levels[0])
        of_transformers.set_verbosity(levels[1])
        if bars:
            of_transformers.enable_progress_bar()
