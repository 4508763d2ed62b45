"""Moving pictures: MP4 by ffmpeg where the extra `video` is installed, GIF by Pillow; and PNG for a strip."""

import math
from collections.abc import Iterable, Iterator
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

__all__ = ["FILMS", "check_film", "encode_film", "encode_picture", "film_rate", "frame_step"]

Pixels = NDArray[np.uint8]
FILMS = (".mp4", ".gif", ".png")
"""What a drawn motion may end in; .png is a strip of poses."""
GIF_FPS, GIF_MOST = 30, 50.0
"""Frames a second of a GIF, about and at most: its delays are hundredths of a second, and viewers want two at least."""


def check_film(path: Path, *, overwrite: bool) -> Path:
    """The path, where a drawn motion can be written there.

    Raises ValueError, FileNotFoundError or FileExistsError before any work, ImportError where ffmpeg is missing.
    """
    if path.suffix.lower() not in FILMS:
        raise ValueError(f"a drawn motion must end in {', '.join(FILMS)}, got {path.name!r}")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"the folder {path.parent} of the drawn motion does not exist: make it first")
    if path.exists() and not overwrite:
        raise FileExistsError(f"{path} exists: choose another name, or allow it with --overwrite (overwrite=True)")
    if path.suffix.lower() == ".mp4":
        _ffmpeg()
    return path


def frame_step(suffix: str, fps: float) -> int:
    """Every how many frames of a motion a film of this kind shows one: 1, or what brings a GIF near its rate."""
    return max(1, round(fps / GIF_FPS)) if suffix.lower() == ".gif" else 1


def film_rate(suffix: str, frames: int, fps: float) -> tuple[int, float]:
    """`frame_step`, and the rate at which so many frames of a motion, drawn in such steps, last as long as it does.

    Only a GIF of a few frames of a fast motion lasts longer, as long as it must.
    """
    every = frame_step(suffix, fps)
    rate = fps * -(-frames // every) / frames
    return every, min(rate, GIF_MOST) if suffix.lower() == ".gif" else rate


def encode_film(frames: Iterable[Pixels], suffix: str, *, fps: float) -> bytes:
    """The bytes of a .mp4 or .gif of uint8 (height, width, 3) frames, taken one by one. A GIF loops.

    Frame n ends at (n + 1) / fps seconds, in a GIF to the nearest hundredth: it lasts as long as the motion. Raises
    ValueError where there are no frames or a GIF has more than 50 a second (see `film_rate`), ImportError for ffmpeg.
    """
    if suffix.lower() not in (".mp4", ".gif") or not (math.isfinite(fps) and fps > 0):
        raise ValueError(f"a film must be .mp4 or .gif with a rate above 0, got {suffix!r} and {fps}")
    each = iter(frames)
    first = next(each, None)
    if first is None:
        raise ValueError("a film must have at least one frame, got none")
    return (_gif if suffix.lower() == ".gif" else _mp4)(first, each, fps)


def encode_picture(picture: Pixels) -> bytes:
    """The bytes of a PNG."""
    out = BytesIO()
    Image.fromarray(picture).save(out, "PNG")
    return out.getvalue()


def _gif(first: Pixels, rest: Iterator[Pixels], fps: float) -> bytes:
    if fps > GIF_MOST:
        raise ValueError(
            f"a GIF has at most {GIF_MOST:g} frames a second, got {fps:g}: draw every second frame, or fewer"
        )

    def timed() -> Iterator[Image.Image]:
        for number, frame in enumerate(rest, 1):
            yield _until(Image.fromarray(frame), number, fps)

    out = BytesIO()
    _until(Image.fromarray(first), 0, fps).save(out, "GIF", save_all=True, append_images=timed(), loop=0)
    return out.getvalue()


def _until(image: Image.Image, number: int, fps: float) -> Image.Image:
    """The picture, told how many milliseconds it stays."""
    image.info["duration"] = 10 * (round(100 * (number + 1) / fps) - round(100 * number / fps))
    return image


def _mp4(first: Pixels, rest: Iterator[Pixels], fps: float) -> bytes:
    height, width = first.shape[:2]
    with TemporaryDirectory() as folder:
        path = Path(folder) / "film.mp4"
        # H.264 halves the colour planes: both sides must be even.
        writer = _ffmpeg().write_frames(str(path), (width, height), fps=fps, quality=8, macro_block_size=2)
        writer.send(None)
        writer.send(np.ascontiguousarray(first))
        for frame in rest:
            writer.send(np.ascontiguousarray(frame))
        writer.close()
        return path.read_bytes()


def _ffmpeg() -> Any:
    try:
        import imageio_ffmpeg
    except ImportError:
        raise ImportError(
            "imageio-ffmpeg is missing, which MP4 needs: pip install 'alm-motion[video]', or name a .gif"
        ) from None
    return imageio_ffmpeg
