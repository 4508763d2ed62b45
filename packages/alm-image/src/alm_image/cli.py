"""The command line: what is common to its verbs, and the exit status. The verbs' flags and work are in `verbs`."""

import argparse
import signal
import sys
from collections.abc import Sequence
from types import FrameType
from typing import NoReturn

import torch

from alm_image import __version__, verbs
from alm_image.io import WriteError

__all__ = ["main"]

NO_MEMORY = ("not enough memory", "can't allocate memory", "out of memory")
"""How allocators say it: torch's on Windows, on Linux, and those of other accelerators."""
LESS = "--dtype bfloat16, --offload, --vae-tiling, --attention slicing, a smaller --count or --together 1"


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a verb and returns the exit status: 0 done, 2 wrong input, 1 failed, 130 interrupted."""
    flags = _parser().parse_args(arguments)
    before = signal.signal(signal.SIGTERM, _interrupt)
    try:
        flags.run(flags)
    except (ValueError, OSError, ImportError) as error:
        return _say(2, str(error))
    except (ArithmeticError, WriteError) as error:
        return _say(1, f"{error}; no result was written")
    except (MemoryError, RuntimeError) as error:
        short = isinstance(error, MemoryError | torch.OutOfMemoryError)
        if not (short or any(words in str(error).lower() for words in NO_MEMORY)):
            raise
        smaller = "a smaller --size, " if "size" in flags else ""
        return _say(1, f"out of memory: try {smaller}{LESS}; no result was written")
    except KeyboardInterrupt:
        return _say(130, "interrupted; no result was written")
    finally:
        signal.signal(signal.SIGTERM, before)
    return 0


class _Parser(argparse.ArgumentParser):
    """Refuses in one line, as all else does."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"alm-image: {message}; see {self.prog} --help\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="alm-image", description="Complete pictures with any diffusion or flow model, or with none.")
    parser.add_argument("--version", action="version", version=f"alm-image {__version__}")
    subparsers = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    for name, (what, add, run) in verbs.VERBS.items():
        verb = subparsers.add_parser(name, help=what, description=what[0].upper() + what[1:] + ".")
        add(verb)
        verb.set_defaults(run=run)
    return parser


def _say(status: int, message: str) -> int:
    print(f"alm-image: {message}", file=sys.stderr)
    return status


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt
