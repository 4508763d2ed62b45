"""The options that all verbs share, in Python as on the command line."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypedDict

from alm_core import Method, Reference
from alm_core.fusions import Fusion

from alm_video.freenoise import FreeNoise
from alm_video.priors import VideoPrior, load_prior
from alm_video.progress import OnStep

__all__ = ["Options", "Settings", "Way"]

Way = Method | Fusion | FreeNoise
"""How a long video is made: window after window, windows joined on one canvas, or all of it at once."""


class Settings(TypedDict, total=False):
    """The keyword arguments of every verb: the fields of `Options`."""

    prior: VideoPrior
    method: Way | None
    reference: Reference | None
    prompt: str
    prompts: Mapping[int, str] | None
    negative_prompt: str
    window: int | None
    stride: int | None
    together: int
    later_on_top: bool
    steps: int | None
    seed: int
    on_step: OnStep | None


@dataclass(frozen=True, kw_only=True)
class Options:
    """What a verb goes by.

    `prior` is a model of `load_prior`, the clip's own patches by default; `method`, `reference`, `steps`, and `window`
    and `stride` in frames of the model's state, are what suits it. `prompt` is what it is told; `prompts` says from
    which made frame on which prompt holds. `together` windows advance in lockstep: more are faster and take more
    memory; the result is the same. Where windows overlap the earlier lies on top (ALM), or the later with
    `later_on_top` (SyncSDE). `on_step` is told how far the work is.
    """

    prior: VideoPrior = field(default_factory=load_prior)
    method: Way | None = None
    reference: Reference | None = None
    prompt: str = ""
    prompts: Mapping[int, str] | None = None
    negative_prompt: str = ""
    window: int | None = None
    stride: int | None = None
    together: int = 1
    later_on_top: bool = False
    steps: int | None = None
    seed: int = 0
    on_step: OnStep | None = None

    def __post_init__(self) -> None:
        """Checks types, which scripts mistake for the names of the command line, and ranges."""
        for name, made in (("method", "ALM()"), ("reference", "Inversion()")):
            if isinstance(getattr(self, name), str):
                raise TypeError(f"{name} is an object, such as {made}: got {getattr(self, name)!r}")
        if isinstance(self.prior, str | Path):
            raise TypeError(f"prior is a model that load_prior has loaded: got {self.prior!r}")
        if not -(2**63) <= self.seed < 2**63:
            raise ValueError(f"the seed must fit 63 bits, got {self.seed}")
        for name, least in (("steps", 1), ("together", 1), ("window", 2), ("stride", 1)):
            value = getattr(self, name)
            if value is not None and value < least:
                raise ValueError(f"{name} must be {least} or more, got {value}")
        if self.prompts and self.prompt:
            raise ValueError("give one prompt, or prompts by the frame from which each holds, not both")
        early = [frame for frame in self.prompts or {} if frame < 0]
        if early:
            raise ValueError(f"prompts hold from a made frame on, which count from 0: got {early[0]}")
        if self.size > self.prior.frames:
            raise ValueError(
                f"the model makes at most {self.prior.frames} frames at once, got windows of {self.size}: "
                "give a smaller window"
            )
        if self.step >= self.size:
            raise ValueError(
                f"windows of {self.size} frames every {self.step} would leave gaps or see nothing of one another: give "
                f"a stride below {self.size}"
            )
        if not isinstance(self.used, Method) and (self.reference is not None or self.later_on_top):
            raise ValueError(f"{type(self.used).__name__} has no reference and no window on top: leave both out")

    @property
    def used(self) -> Way:
        """The method: the prior's own where none was named."""
        return self.method or self.prior.defaults.method

    @property
    def size(self) -> int:
        """Frames of the state in a window."""
        return self.window or self.prior.defaults.window

    @property
    def step(self) -> int:
        """Frames of the state from a window to the next."""
        usual = self.prior.defaults
        if self.stride is not None or self.window is None:
            return self.stride or usual.stride
        return max(self.window * usual.stride // usual.window, 1)

    def prompt_at(self, frame: int) -> str:
        """The prompt that holds at a made frame."""
        begun = [start for start in self.prompts or {} if start <= frame]
        return (self.prompts or {})[max(begun)] if begun else self.prompt
