"""A motion clip: a skeleton and its pose in each frame, and what of it came from a file as it is."""

from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from alm_motion.mapping import Joints
from alm_motion.skeleton import Array, Skeleton

__all__ = ["Clip", "Up"]

Up = Literal["y", "z"]
"""Which axis points up."""


@dataclass(frozen=True)
class Clip:
    """Local `rotations` (F, J, 3, 3) and `translations` (F, J, 3, metres) at `fps` frames a second.

    `source` is the parsed file, and `rows` (F) the frame of it that each frame is, −1 where it was made: a writer of
    the same format puts the file's own numbers there. `unit` is how many metres the file's unit is, and `up` its axis
    that points up; the clip's own is Y. `mapping` says which joints are the 22, where the skeleton is not a known one.
    """

    skeleton: Skeleton
    rotations: Array
    translations: Array
    fps: float
    unit: float = 1.0
    source: object | None = field(default=None, repr=False)
    rows: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64), repr=False)
    mapping: Joints | None = field(default=None, repr=False)
    up: Up = "y"

    def __post_init__(self) -> None:
        """Checks sizes and the rate."""
        frames, joints = self.rotations.shape[:2]
        if self.translations.shape != (frames, joints, 3) or joints != len(self.skeleton.names):
            raise ValueError(
                f"rotations (F, J, 3, 3) and translations (F, J, 3) of {len(self.skeleton.names)} joints are wanted, "
                f"got {self.rotations.shape} and {self.translations.shape}"
            )
        if frames == 0:
            raise ValueError("the clip has no frames")
        if not (np.isfinite(self.fps) and self.fps > 0):
            raise ValueError(f"the frame rate must be above 0, got {self.fps}: give the clip's own with --fps")
        if len(self.rows) != frames:
            object.__setattr__(self, "rows", np.full(frames, -1))

    def __len__(self) -> int:
        """The number of frames."""
        return len(self.rotations)

    @property
    def seconds(self) -> float:
        """From the first frame to the end of the last."""
        return len(self) / self.fps

    def positions(self) -> Array:
        """World positions (F, J, 3) in metres."""
        return self.skeleton.forward(self.rotations, self.translations)[0]

    def frames(self, index: NDArray[np.int64] | slice) -> "Clip":
        """The clip of some of its frames."""
        return replace(
            self, rotations=self.rotations[index], translations=self.translations[index], rows=self.rows[index]
        )
