"""What an evaluator is: two embeddings, of motions and of their texts, in one space."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import torch

from alm_motion.features import extract, facing, relative
from alm_motion.skeleton import Array

__all__ = ["Evaluator", "relative_features"]


class Evaluator(Protocol):
    """Row n of what it returns is of row n of what it is told, alone or in a batch."""

    @property
    def name(self) -> str:
        """What a table says that its numbers are of: those of two evaluators do not compare."""

    def motion(self, features: Array, lengths: Sequence[int]) -> Array:
        """(N, D) of the first `lengths` frames of HumanML3D's own features (N, F, 263), relative and not normalised."""

    def text(self, tokens: Sequence[Sequence[str]]) -> Array:
        """(N, D) of sentences in HumanML3D's tokens, such as `walk/VERB`."""


def relative_features(joints: Array) -> Array:
    """HumanML3D's own features (F, 263) of joints (F, 22, 3) on its skeleton that begin facing +Z.

    Its code takes frame 0 to face +Z whatever it does, and the rotations that it finds depend on where a body faces in
    the world: turn joints that begin otherwise. The last frame, whose steps are not known, repeats the one before, as
    in GMD's and CondMDI's evaluation. Raises ValueError for fewer than two frames.
    """
    if joints.ndim != 3 or joints.shape[1:] != (22, 3) or len(joints) < 2:
        raise ValueError(f"joints (F, 22, 3) of two frames or more are wanted, got {joints.shape}")
    held = torch.from_numpy(np.concatenate([joints, joints[-1:]]).astype(float))
    yaw = facing(held)
    yaw[0] = 0
    found = relative(extract(held, yaw))
    found[-1] = found[-2]
    return found.numpy()
