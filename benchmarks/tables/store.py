"""Items that are made once: files under a folder, each part of it of settings of its own."""

import hashlib
import json
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["Store", "fingerprint", "key_of"]

ENDS = 1 << 16
"""Bytes at the beginning and at the end of a file, by which it is known again."""


def key_of(settings: object) -> str:
    """A short name for settings that JSON can hold."""
    text = json.dumps(settings, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Store:
    """Files that are made once, in `folder`. `name` is what is said of them."""

    folder: Path
    name: str

    def under(self, name: str, **settings: object) -> "Store":
        """The part of these settings: with others nothing of it is found."""
        part = Store(self.folder / key_of(settings), name)
        text = json.dumps(settings, sort_keys=True, default=str, indent=1)
        part.file("settings.json", lambda path: path.write_text(text + "\n", encoding="utf-8"), quiet=True)
        return part

    def file(self, name: str, make: Callable[[Path], object], *, quiet: bool = False) -> Path:
        """The file or the folder of that name; where it is not there `make` writes it, whole or not at all."""
        path = self.folder / name
        if not path.exists():
            if not quiet:
                print(f"{self.name}: {name}", file=sys.stderr, flush=True)
            self.folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(prefix=".part-", dir=self.folder) as part:
                make(Path(part) / name)
                (Path(part) / name).rename(path)
        return path

    def json(self, name: str, make: Callable[[], object]) -> Any:
        """What `make` returns, or returned before."""
        path = self.file(f"{name}.json", lambda part: part.write_text(json.dumps(make(), indent=1) + "\n"), quiet=True)
        return json.loads(path.read_text())


def fingerprint(path: Path) -> str:
    """A hash of a file, or of all files of a folder: their names in it, their sizes and both of their ends."""
    digest = hashlib.sha256()
    for file in [path] if path.is_file() else sorted(each for each in path.rglob("*") if each.is_file()):
        size = file.stat().st_size
        digest.update(f"{file.relative_to(path)} {size}\n".encode())
        with file.open("rb") as opened:
            digest.update(opened.read(ENDS))
            opened.seek(max(size - ENDS, 0))
            digest.update(opened.read())
    return digest.hexdigest()[:16]
