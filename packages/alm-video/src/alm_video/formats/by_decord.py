"""Video files by decord, for parity with what was trained on or measured with it.

It is not the default reader: its conversion to RGB is ffmpeg's coarse one, about 1.5 levels darker than the colours in
the file; it takes HD films that do not name their colour matrix for BT.601; it knows no pixels that are not square; and
in films of open groups of pictures a frame that it seeks is another one than the same frame read in order. Here it is
read in order, from the first frame on: so its frames are those of PyAV with the coarse conversion, exactly.
"""

import importlib
from collections.abc import Iterator

from alm_video.film import Frame
from alm_video.formats.by_pyav import UPRIGHT, Video

__all__ = ["numbered"]


def numbered(video: Video, first: int) -> Iterator[tuple[int, Frame]]:
    """Frames with their numbers, from `first` on. Raises ImportError, or ValueError where it would read wrongly."""
    try:
        decord = importlib.import_module("decord")
    except ImportError:
        raise ImportError(
            "decord is missing: pip install 'alm-video[decord]', or leave the reader out, which reads by PyAV"
        ) from None
    count = len(video.scan.pts)
    if video.turn != UPRIGHT or not video.square:
        raise ValueError(f"decord does not read {video.path} upright with square pixels: leave the reader out")
    try:
        reader = decord.VideoReader(str(video.path))
        found = len(reader)
    except decord.DECORDError as error:
        raise ValueError(f"decord cannot read {video.path} ({_line(error)}): leave the reader out") from None
    if found != count:
        raise ValueError(f"decord finds {found} frames in {video.path}, which has {count}: leave the reader out")
    for number in range(count):
        try:
            frame = reader.next().asnumpy()
        except (StopIteration, decord.DECORDError) as error:
            raise ValueError(f"decord cannot read frame {number} of {video.path} ({_line(error)})") from None
        if number >= first:
            yield number, frame


def _line(error: Exception) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), "it ends there")
