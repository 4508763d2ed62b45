"""A picture moved from view to view, frame by frame, and its file."""

import io
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from PIL import Image

from alm_image.views import VIEWS, View, show

__all__ = ["Frame", "animation", "check_animation", "encode_animation"]

Frame = tuple[Image.Image, int]
"""A picture and how long it is shown, in milliseconds."""
FORMATS = {".gif": "GIF", ".webp": "WEBP"}


def animation(
    canvas: Image.Image, views: Sequence[View], *, steps: int = 24, hold: int = 1200, pace: int = 50
) -> list[Frame]:
    """The canvas (RGB) as each view shows it, one after another and back again, so that it can be looped.

    Each view takes `steps` frames of `pace` milliseconds to come about, slow at both ends, and stands for `hold`. Where
    it stands it is exactly what the view shows. From one view to another the way leads over the canvas.
    """
    shown = [show(view, canvas) for view in views]
    way: list[Frame] = [(shown[0], hold)]
    for i, (view, following) in enumerate(pairwise(views)):
        back, forth = (_path(each, canvas, steps) for each in (view, following))
        over = [canvas] if back and forth else []
        way += [(frame, pace) for frame in (*reversed(back), *over, *forth)]
        way.append((shown[i + 1], hold))
    return way + way[-2:0:-1]


def check_animation(path: Path, *, overwrite: bool = False) -> Path:
    """The path, when an animation can be written there. Raises ValueError or OSError before any work is done."""
    if path.is_dir():
        raise ValueError(f"the animation {path} is a folder: give a file name")
    if path.suffix.lower() not in FORMATS:
        raise ValueError(f"an animation must end in {' or '.join(FORMATS)}, got {path.name!r}")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"the folder {path.parent} of the animation does not exist: make it first")
    if path.exists() and not overwrite:
        raise FileExistsError(f"{path} exists: choose another name, or allow it with --overwrite (overwrite=True)")
    return path


def encode_animation(frames: Sequence[Frame], suffix: str) -> bytes:
    """The frames as a file that loops for ever: WebP without loss, GIF in 256 colours a frame."""
    file, pictures = io.BytesIO(), [picture for picture, _ in frames]
    # `lossless` is WebP's; GIF has no such option and does not read it.
    pictures[0].save(
        file,
        FORMATS[suffix.lower()],
        lossless=True,
        save_all=True,
        append_images=pictures[1:],
        duration=[milliseconds for _, milliseconds in frames],
        loop=0,
    )
    return file.getvalue()


def _path(view: View, canvas: Image.Image, steps: int) -> list[Image.Image]:
    """The frames strictly between the canvas and what the view shows; none where that is the same."""
    if view == VIEWS["identity"]:
        return []
    along = [n / (steps + 1) for n in range(1, steps + 1)]
    return [view.between(canvas, x * x * (3 - 2 * x)) for x in along]
