"""A prior that knows the answer: whatever the noise, x̂_0 is the true motion as it would see it."""

from dataclasses import dataclass, field

import torch
from alm_core import Conditions, FixedNoise, Independent, Level, Prediction, Prior, Schedule
from alm_core.schedule import cosine
from alm_motion.features import extract, facing, placed
from alm_motion.priors.base import Defaults
from alm_motion.priors.network import Codec
from alm_motion.skeleton import Array
from torch import Tensor

__all__ = ["Oracle", "straight"]


@dataclass
class Oracle:
    """Made of the true joints (F, 22, 3) and the frame that the motion is to be seen from."""

    joints: Array
    frame: int
    absolute: bool = True
    anchored: bool = False
    partial: bool = True
    frames: int = 196
    guided_rows: int = 1
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))

    def __post_init__(self) -> None:
        self.codec = Codec(torch.zeros(263), torch.full((263,), 0.5), self.absolute)
        self.defaults = Defaults(8, Independent(), FixedNoise())
        self.seen: list[Tensor] = []

    def answer(self) -> Tensor:
        joints = torch.from_numpy(self.joints).float()
        longer = torch.cat([joints, 2 * joints[-1:] - joints[-2:-1]])
        yaw = facing(joints)
        features = extract(longer, torch.cat([yaw, yaw[-1:]]))
        return self.encode(placed(features, yaw[self.frame], joints[self.frame, 0, ::2])[None])

    def given(self, x_0: Tensor, mask: Tensor) -> Prior:
        self.seen = [x_0, mask]
        return self

    def schedule(self, steps: int) -> Schedule:
        return Schedule.trailing(cosine(), steps)

    def encode(self, features: Tensor) -> Tensor:
        return self.codec.encode(features)

    def decode(self, state: Tensor) -> Tensor:
        return self.codec.decode(state)

    def mask_to_state(self, unknown: Tensor) -> Tensor:
        return self.codec.mask(unknown)

    def condition(self, prompt: str) -> object:
        return None

    def predict(self, x_t: Tensor, level: Level, conditions: Conditions) -> Prediction:
        return Prediction.from_x0(x_t, level, self.answer().expand_as(x_t))

    predict_guided = predict


def straight(joints: Array, frames: int) -> Array:
    """A motion (F, 22, 3) of one pose, carried along a line it does not face, whose arms and legs swing."""
    rng = torch.linspace(0, 1, frames).numpy()[:, None]
    found = joints[:1].repeat(frames, 0)
    found[:, :, 0] += 1.3 * rng
    found[:, :, 2] -= 0.7 * rng
    for joint, size in ((20, 0.1), (21, -0.12), (4, 0.05), (11, 0.07)):
        found[:, joint, 1] += size * torch.sin(9 * torch.from_numpy(rng[:, 0])).numpy()
    return found
