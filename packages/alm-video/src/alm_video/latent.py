"""Between a film's frames and the state: which frames a window knows, and in what range."""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from alm_video.film import Film, Frame
from alm_video.priors import VideoPrior

__all__ = ["first_states", "frames_of", "last_states", "pixels_of"]


def last_states(prior: VideoPrior, film: Film, count: int) -> Tensor:
    """The state (1, channels, count, …) of a film's last frames, as many as `count` frames of the state hold."""
    frames = 1 + (count - 1) * prior.pace
    return prior.encode(pixels_of(film.frames(film.count - frames, film.count)))


def first_states(prior: VideoPrior, film: Film, count: int) -> Tensor:
    """The state (1, channels, count, …) of a film's first frames, `count` times `pace`.

    Where the first frame of the state would hold one frame alone, it is that of the first frame, stood before it.
    """
    frames = film.frames(0, count * prior.pace)
    if prior.pace == 1:
        return prior.encode(pixels_of(frames))
    return prior.encode(pixels_of(np.concatenate([frames[:1], frames])))[:, :, 1:]


def pixels_of(frames: Frame) -> Tensor:
    """uint8 (count, height, width, 3) as float32 (1, 3, count, height, width) in [−1, 1]."""
    return torch.from_numpy(frames).permute(3, 0, 1, 2)[None].float() / 127.5 - 1


def frames_of(pixels: Tensor) -> Iterator[Frame]:
    """float (1, 3, count, height, width), clamped to [−1, 1], as uint8 frames."""
    levels = ((pixels[0].clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)
    yield from levels.permute(1, 2, 3, 0).cpu().numpy()
