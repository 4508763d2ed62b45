"""What a table's flags may be, and where its results may go: checked before anything is read, made or written."""

import argparse
import json
import os
from collections.abc import Callable, Mapping, Sequence
from math import inf
from pathlib import Path
from typing import Any, NoReturn

__all__ = ["SEED", "STEPS", "Parser", "check_places", "check_same", "earlier", "given", "real", "whole"]


class Parser(argparse.ArgumentParser):
    """Raises ValueError where argparse prints its usage and ends."""

    def error(self, message: str) -> NoReturn:
        """See `argparse.ArgumentParser`."""
        raise ValueError(f"{message}; see {self.prog} --help")


def given(parser: argparse.ArgumentParser, argv: Sequence[str] | None) -> set[str]:
    """The names of the flags that were given, whatever their values are."""
    unset = object()
    names = vars(parser.parse_args(argv))
    # A namespace that has all names already is told no defaults.
    told = vars(parser.parse_args(argv, argparse.Namespace(**dict.fromkeys(names, unset))))
    return {name for name in names if told[name] is not unset}


def whole(least: int = 1, most: int | None = None, *, multiple: int = 1) -> Callable[[str], int]:
    """The `type` of a flag: a whole number in a range, ends included, and a multiple."""
    wanted = "a whole number" if multiple == 1 else f"a multiple of {multiple}"
    wanted += f", {least} or more," if most is None else f" from {least} to {most}"

    def read(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = least - 1
        if value < least or (most is not None and value > most) or value % multiple:
            raise argparse.ArgumentTypeError(f"{wanted} is wanted, got {text!r}")
        return value

    return read


def real(least: float = 0.0, most: float = inf, *, ends: bool = True) -> Callable[[str], float]:
    """The `type` of a flag: a finite number in a range, whose ends are of it or not."""
    wanted = f"a number {'from' if ends else 'above'} {least:g}"
    wanted += "" if most == inf else f" {'to' if ends else 'and below'} {most:g}"

    def read(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = inf
        inside = least <= value <= most if ends else least < value < most
        if not inside or value == inf:
            raise argparse.ArgumentTypeError(f"{wanted} is wanted, got {text!r}")
        return value

    return read


STEPS = whole(1, 1000)
"""No model of the tables knows more than 1,000."""
SEED = whole(0, 1 << 62)
"""Items and references have seeds above the first, and all fit 63 bits."""


def check_places(out: Path, work: Path) -> None:
    """Raises ValueError or OSError where results or items cannot be written."""
    if out.suffix != ".json" or out.is_dir():
        raise ValueError(f"--out is a file that ends in .json, got {out}")
    if work.exists() and not work.is_dir():
        raise NotADirectoryError(f"--work is a folder, and {work} is a file: name another")
    for name, path in (("out", out), ("work", work)):
        if not path.parent.is_dir():
            raise FileNotFoundError(f"--{name} lies in a folder that is there: there is no folder {path.parent}")
        if not os.access(path.parent, os.W_OK):
            raise PermissionError(f"--{name} lies in a folder that may be written to: {path.parent} may not")


def earlier(out: Path, name: str) -> dict[str, Any] | None:
    """The settings of the results that are in `out`, None where there are none. Raises ValueError for other files."""
    if not out.exists():
        return None
    try:
        found = json.loads(out.read_text(encoding="utf-8"))
        if found["table"] == name:
            return {**found["settings"], **found["files"], "version": found["version"]}
    except (ValueError, KeyError, TypeError):
        pass
    raise ValueError(f"--out {out} is there, and is no result of {name}: name another file")


def check_same(out: Path, before: Mapping[str, Any] | None, told: Mapping[str, object]) -> None:
    """Raises ValueError where results of other settings would be lost."""
    now = json.loads(json.dumps(told, default=str))
    other = [name for name in now if before is not None and name in before and before[name] != now[name]]
    if other:
        raise ValueError(f"--out {out} is there, and is of other settings ({', '.join(other)}): name another file")
