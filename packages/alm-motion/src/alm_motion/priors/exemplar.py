"""No network: the density of patches in time of the clip itself, and of examples (`alm_core.exemplar`, on one axis).

The state is the relative features, each block of channels in its usual range. It knows what the clip shows and nothing
else: prefer a trained model where a gap must hold something new.
"""

from dataclasses import dataclass, field, replace

import torch
from alm_core import Conditions, FreshNoise, Level, Prediction, Prior, Schedule
from alm_core.exemplar import METHOD, ExemplarPrior
from alm_core.placement import Options
from torch import Tensor

from alm_motion.features import absolute, relative
from alm_motion.priors.base import Defaults

__all__ = ["Exemplar"]

PATCHES = (9, 7, 5, 3)
"""Lengths of patches in frames, the best first."""
SCALES = (0.04, 0.03, 0.1, 0.2, 0.4, 0.04, 0.5)
"""A usual deviation of each block of channels: the root's turn and way, heights, places, rotations, ways, contacts."""
SIZES = (1, 2, 1, 63, 126, 66, 4)


@dataclass(frozen=True)
class Exemplar:
    """A `MotionPrior` made afresh from each motion; `examples` are further ones, absolute features (F, 263)."""

    examples: tuple[Tensor, ...] = ()
    frames: int = 1200
    absolute: bool = False
    anchored: bool = False
    partial: bool = False
    guided_rows: int = 1
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    defaults: Defaults = field(default_factory=lambda: Defaults(30, METHOD, FreshNoise()))

    @staticmethod
    def from_options(options: Options) -> "Exemplar":
        """On the device asked for. Raises ValueError for options of networks."""
        asked = replace(
            options, device=torch.device("cpu"), guidance=None if options.guidance == 1 else options.guidance
        )
        if asked != Options(torch.device("cpu")):
            raise ValueError("the exemplar prior has no network: leave out guidance and dtype")
        return Exemplar(device=options.device)

    def given(self, x_0: Tensor, mask: Tensor) -> Prior:
        """The patch density of what is given. Raises ValueError where not even three frames on end are."""
        examples = [self.encode(example[None])[0] for example in self.examples]
        for patch in PATCHES:
            try:
                return ExemplarPrior(x_0, mask, examples=examples, patch=patch)
            except ValueError:  # no patch of this length was given whole
                continue
        raise ValueError(
            "too little is kept for the exemplar prior, which wants 3 frames on end at 20 a second: keep more"
        )

    def predict(self, x_t: Tensor, level: Level, conditions: Conditions) -> Prediction:
        """Refused: without a motion there are no exemplars."""
        raise ValueError("the exemplar prior predicts nothing before it is given a motion: use `given`")

    def predict_guided(self, x_t: Tensor, level: Level, conditions: Conditions) -> Prediction:
        """Refused, as `predict`."""
        return self.predict(x_t, level, conditions)

    def schedule(self, steps: int) -> Schedule:
        """Even in log σ."""
        return ExemplarPrior.schedule(steps)

    def encode(self, features: Tensor) -> Tensor:
        """See `MotionPrior`."""
        return (relative(features).to(self._scale()) / self._scale()).transpose(1, 2).contiguous()

    def decode(self, state: Tensor) -> Tensor:
        """See `MotionPrior`."""
        return absolute(state.float().transpose(1, 2) * self._scale())

    def mask_to_state(self, unknown: Tensor) -> Tensor:
        """See `MotionPrior`: a frame is given whole or not; the last given one before a gap has steps not known."""
        whole = unknown.to(self.device).amax(-1, keepdim=True)
        return whole.expand(unknown.shape).transpose(1, 2).contiguous()

    def condition(self, prompt: str) -> object:
        """Refuses a prompt."""
        if prompt:
            raise ValueError(f"the exemplar prior does not use a prompt, got {prompt!r}: leave it out")
        return None

    def _scale(self) -> Tensor:
        """(263), on the device: the ranges are then about those of pixels in [−1, 1]."""
        return 2 * torch.cat([torch.full((n,), s) for n, s in zip(SIZES, SCALES, strict=True)]).to(self.device)
