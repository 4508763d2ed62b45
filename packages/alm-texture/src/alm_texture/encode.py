"""Moving pictures: GIF by Pillow, MP4 by ffmpeg where the extra `video` is installed."""

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

__all__ = ["FILMS", "check_film", "encode_film"]

FILMS = (".mp4", ".gif", ".png")
"""What a turntable may end in; .png is a strip of eight."""
STRIP = 8


def check_film(path: Path, *, overwrite: bool) -> Path:
    """The path, where a turntable can be written there.

    Raises ValueError, FileNotFoundError or FileExistsError before any work, ImportError where ffmpeg is missing.
    """
    if path.suffix.lower() not in FILMS:
        raise ValueError(f"a turntable must end in {', '.join(FILMS)}, got {path.name!r}")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"the folder {path.parent} of the turntable does not exist: make it first")
    if path.exists() and not overwrite:
        raise FileExistsError(f"{path} exists: choose another name, or allow it with --overwrite")
    if path.suffix.lower() == ".mp4":
        _ffmpeg()
    return path


def encode_film(frames: Sequence[NDArray[np.uint8]], suffix: str, *, fps: int = 24) -> bytes:
    """The bytes of a film of uint8 (height, width, 3) frames, looped where the format can say so."""
    images = [Image.fromarray(frame) for frame in frames]
    out = BytesIO()
    if suffix.lower() == ".gif":
        images[0].save(out, "GIF", save_all=True, append_images=images[1:], duration=1000 // fps, loop=0)
        return out.getvalue()
    if suffix.lower() == ".png":
        some = [frames[i * len(frames) // STRIP] for i in range(STRIP)]
        Image.fromarray(np.concatenate(some, 1)).save(out, "PNG")
        return out.getvalue()
    height, width = frames[0].shape[:2]
    with TemporaryDirectory() as folder:
        path = Path(folder) / "film.mp4"
        # H.264 halves the colour planes: both sides must be even.
        writer = _ffmpeg().write_frames(str(path), (width, height), fps=fps, quality=8, macro_block_size=2)
        writer.send(None)
        for frame in frames:
            writer.send(np.ascontiguousarray(frame))
        writer.close()
        return path.read_bytes()


def _ffmpeg() -> Any:
    try:
        import imageio_ffmpeg
    except ImportError:
        raise ImportError(
            "imageio-ffmpeg is missing, which MP4 needs: pip install 'alm-texture[video]', or name a .gif"
        ) from None
    return imageio_ffmpeg
