"""What can be said of a completed picture by what it was to keep."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from alm_image.io import Picture, read_picture

__all__ = ["kept_error"]


def kept_error(picture: Picture, result: str | Path | Image.Image, kept: NDArray[np.bool_]) -> int:
    """The largest difference in 8-bit levels over the pixels `kept` (height, width); `result` may be a file."""
    made = read_picture(result).values
    difference = np.abs(made.astype(int) - picture.values.astype(int))[kept]
    return int(difference.max(initial=0))
