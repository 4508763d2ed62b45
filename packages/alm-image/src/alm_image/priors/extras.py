"""The optional libraries, imported where they are first needed."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

__all__ = ["diffusers", "dtype_keyword", "quiet"]


def diffusers() -> ModuleType:
    """The module `diffusers`, with transformers beside it. Raises ImportError that names the extra."""
    try:
        import diffusers
        import transformers  # noqa: F401
    except ImportError as error:
        raise ImportError(
            f"{error.name or error} is missing, which this model needs: pip install 'alm-image[diffusers]'"
        ) from error
    module: ModuleType = diffusers
    return module


def dtype_keyword() -> str:
    """What `from_pretrained` of the installed diffusers calls the dtype."""
    major, minor = (int(part) for part in diffusers().__version__.split(".")[:2])
    return "dtype" if (major, minor) >= (0, 42) else "torch_dtype"


@contextmanager
def quiet() -> Iterator[None]:
    """Holds back the libraries' advice, and their progress bars where nobody watches; puts both back after."""
    from diffusers.utils import logging as of_diffusers
    from transformers.utils import logging as of_transformers

    both = (of_diffusers, of_transformers)
    levels = [each.get_verbosity() for each in both]
    bars = [each.is_progress_bar_enabled() for each in both]
    for each in both:
        each.set_verbosity_error()
        if not sys.stderr.isatty():
            each.disable_progress_bar()
    try:
        yield
    finally:
        for each, level, bar in zip(both, levels, bars, strict=True):
            each.set_verbosity(level)
            if bar:
                each.enable_progress_bar()
