"""The default: no network, the clip's own patches in space and time (`alm_core.exemplar` on three axes)."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import torch
from alm_core import Conditions, FreshNoise, Level, Prediction, RePaint, Schedule
from alm_core.exemplar import ExemplarPrior
from alm_core.placement import Options
from torch import Tensor

from alm_video.priors.base import Defaults, ForWindow, VideoPrior

__all__ = ["Exemplar"]

WIDTH = 3
"""Frames, rows and columns of a patch at the finest level, rows and columns at all: larger ones look no better."""
LENGTHS = (9, 15)
"""Frames of a patch at coarser levels, so long that the far end of a window is told by what is before it.

With 9 frames at most a swinging light lost its phase in most runs; with 15 it kept it in all.
"""
NEARNESS = (0.0, 30_000.0, 30_000.0)
"""Of time, rows and columns: what was seen at the same place of the picture is likelier than what was elsewhere."""
HELD = 600_000
"""About how many patches are held: as many frames of the clip as have them."""
MOST, LEAST = 48, 4
"""Frames of the clip that are held, however small or large they are."""


METHOD = RePaint(2, eta=0.0)
"""DDIM's steps: with ancestral ones frames differ a quarter more where windows meet."""


@dataclass(frozen=True)
class Exemplar:
    """A `VideoPrior` made afresh for each window from the frames around it and from others of the clip.

    The state is the pixels. It goes on as the clip itself went at some time, everywhere in the picture on its own:
    prefer a pretrained model where something is to happen that was not seen.
    """

    size: tuple[int, int] = (96, 160)
    multiple: int = 1
    frames: int = 48
    pace: int = 1
    fps: float = 25.0
    guidance: float = 1.0
    guided_rows: int = 1
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    defaults: Defaults = field(default_factory=lambda: Defaults(16, METHOD, FreshNoise()))

    @staticmethod
    def from_options(options: Options) -> "Exemplar":
        """On the device asked for. Raises ValueError for options of networks."""
        asked = replace(
            options, device=torch.device("cpu"), guidance=None if options.guidance == 1 else options.guidance
        )
        if asked != Options(torch.device("cpu")):
            raise ValueError(
                "the exemplar prior has no network: leave out guidance, dtype, variant, offload, VAE tiling and "
                "attention"
            )
        return Exemplar(device=options.device)

    def recalls(self, height: int, width: int) -> int:
        """See `VideoPrior`."""
        return min(max(HELD // (height * width), LEAST), MOST)

    def given(self, examples: Sequence[Tensor], shape: tuple[int, ...]) -> ForWindow:
        """See `VideoPrior`: what was made is never an exemplar, so that nothing drifts.

        Raises ValueError where no clip has even a patch of 3 × 3 × 3.
        """
        shown = [each[0] for each in examples if each.shape[2] >= WIDTH]
        if not shown or min(shape[2:]) < WIDTH:
            sizes = ", ".join(f"{each.shape[2]} frames" for each in examples) or "none"
            raise ValueError(
                f"the exemplar prior wants a clip of {WIDTH} frames and {WIDTH} x {WIDTH} pixels or more, got {sizes} "
                f"of {shape[3]} x {shape[2]}"
            )
        # Of a short clip there would be too few of the long patches, or none.
        most = max(each.shape[1] for each in shown) // 2
        lengths = (WIDTH, *(max(min(length, most - 1 + most % 2), WIDTH) for length in LENGTHS))
        return ExemplarPrior(
            torch.zeros(1, *shape, device=self.device),
            torch.ones(()),
            examples=shown,
            patch=[(length, WIDTH, WIDTH) for length in lengths],
            inside=(True, False, False),
            nearness=NEARNESS,
        ).observing

    def fused(self, window: int, stride: int) -> VideoPrior:
        """Refused: there is no attention."""
        raise ValueError("the exemplar prior has no attention to take over windows: use --method repaint or alm")

    def predict(self, x_t: Tensor, level: Level, conditions: Conditions) -> Prediction:
        """Refused: without a clip there are no exemplars."""
        raise ValueError("the exemplar prior predicts nothing before it is given a clip: use `given`")

    def predict_guided(self, x_t: Tensor, level: Level, conditions: Conditions) -> Prediction:
        """Refused, as `predict`."""
        return self.predict(x_t, level, conditions)

    def schedule(self, steps: int, height: int, width: int, frames: int) -> Schedule:
        """Even in log σ."""
        return ExemplarPrior.schedule(steps)

    def state_shape(self, height: int, width: int) -> tuple[int, int, int]:
        """The pixels'."""
        return 3, height, width

    def encode(self, pixels: Tensor) -> Tensor:
        """The pixels."""
        return pixels.to(self.device, torch.float32)

    def decode(self, states: Iterable[Tensor]) -> Iterator[Tensor]:
        """The pixels."""
        return iter(states)

    def condition(self, prompt: str, negative_prompt: str) -> object:
        """Refuses a prompt."""
        if prompt or negative_prompt:
            raise ValueError(
                f"the exemplar prior does not use a prompt, got {prompt or negative_prompt!r}: leave it out, or name a "
                "text-to-video model with --model (prior=load_prior(…))"
            )
        return None
