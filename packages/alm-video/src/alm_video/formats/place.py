"""A folder beside the place of an output, where it is made until it is complete."""

import os
import shutil
import tempfile
from pathlib import Path

__all__ = ["Beside", "opened"]


def opened(path: Path) -> None:
    """Gives a new folder the rights that the user's other new folders have."""
    mask = os.umask(0)
    os.umask(mask)
    path.chmod(0o777 & ~mask)


class Beside:
    """`file` has the output's own name in a `folder` beside its place."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.folder = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
        self.file = self.folder / path.name

    def put(self) -> None:
        """The file to its place."""
        self.file.replace(self._path)

    def drop(self) -> None:
        """The folder away, with all that is in it."""
        shutil.rmtree(self.folder, ignore_errors=True)
