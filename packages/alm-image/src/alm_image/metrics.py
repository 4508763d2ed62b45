"""What can be said of a completed picture without a network."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from alm_image.io import Picture, read_picture

__all__ = ["kept_error"]


def kept_error(picture: Picture, result: Image.Image, weight: NDArray[np.float32]) -> int:
    """The largest difference in 8-bit levels where the blend's weight (height, width) is 0; 0 where there is none."""
    kept = weight == 0
    made = read_picture(result).values
    difference = np.abs(made.astype(int) - picture.values.astype(int))[kept]
    return int(difference.max(initial=0))
