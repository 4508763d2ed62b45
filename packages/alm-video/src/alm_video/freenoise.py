"""FreeNoise (Qiu et al., ICLR 2024): a long video at once, by attention over windows and noise that comes again.

Frame f < W starts from noise of its own. Later ones come in groups of S, and group i = W, W + S, … starts from the
noise of the frames i − W … i − W + S − 1, in an order drawn for that group.
"""

from dataclasses import dataclass
from random import Random

__all__ = ["FreeNoise"]


@dataclass(frozen=True)
class FreeNoise:
    """Windows of `window` frames every `stride`, W and S, for the temporal attention and for the noise.

    All frames are held and sampled at once, so that memory grows with the length. Prefer `ALM`, which needs neither a
    network that can be changed nor the memory; it is here to compare with.
    """

    window: int = 16
    stride: int = 4

    def __post_init__(self) -> None:
        """Checks ranges."""
        if not 0 < self.stride <= self.window:
            raise ValueError(f"wanted 0 < stride <= window, got {self.stride} and {self.window}")

    def begins(self, frame: int, seed: int) -> int:
        """Which of the first W frames' noise a frame starts from."""
        while frame >= self.window:
            group, place = divmod(frame - self.window, self.stride)
            order = list(range(self.stride))
            Random(f"{seed} {group}").shuffle(order)
            frame = group * self.stride + order[place]
        return frame
