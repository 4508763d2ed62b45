"""The options that all verbs share, in Python as on the command line."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypedDict

from alm_core import Method, Reference
from alm_core.fusions import Fusion
from torch import Tensor

from alm_image.blend import Blend
from alm_image.priors.base import ImagePrior
from alm_image.priors.exemplar import Exemplar

__all__ = ["Options", "Preview", "Settings", "Way"]

Way = Method | Fusion
"""How what is missing is made: by trajectories that see one another, or all of them joined on one canvas."""
Preview = Callable[[int, int, Callable[[], Tensor]], None]
"""Told after each step: its number from 1, how many there are, and a function that makes a preview of the result.

The preview is pixels (1, 3, height, width) of the first variant, before it is pasted.
"""


class Settings(TypedDict, total=False):
    """The keyword arguments of every verb: the fields of `Options`."""

    prior: ImagePrior | None
    method: Way | None
    reference: Reference | None
    prompt: str
    negative_prompt: str
    steps: int | None
    count: int
    seed: int
    blend: Blend | None
    together: int
    on_step: Preview | None


@dataclass(frozen=True, kw_only=True)
class Options:
    """What a verb goes by.

    `prior` is a model of `load_prior`, the exemplar prior where none is named, which needs no weights; `method`,
    `reference`, `steps` and `blend`, which pastes what was made, are what suits it. `count` variants are made in one
    batch: variant n is what `seed + n` alone gives. `together` windows or trajectories share a network call: more are
    faster and take more memory; the result is the same. `on_step` is told how far the work is.
    """

    prior: ImagePrior = field(default_factory=Exemplar)
    method: Way | None = None
    reference: Reference | None = None
    prompt: str = ""
    negative_prompt: str = ""
    steps: int | None = None
    count: int = 1
    seed: int = 0
    blend: Blend | None = None
    together: int = 1
    on_step: Preview | None = None

    def __post_init__(self) -> None:
        """Checks types, which scripts mistake for the names of the command line, and ranges."""
        for name, made in (("method", "ALM()"), ("reference", "Inversion()"), ("blend", "Poisson()")):
            if isinstance(getattr(self, name), str):
                raise TypeError(f"{name} is an object, such as {made}: got {getattr(self, name)!r}")
        if isinstance(self.prior, str | Path):
            raise TypeError(f"prior is a model that load_prior has loaded: got {self.prior!r}")
        if not -(2**63) <= self.seed < 2**63 - self.count:
            raise ValueError(f"the seed must fit 63 bits, got {self.seed}")
        if self.count < 1:
            raise ValueError(f"count must be 1 or more, got {self.count}")
        if self.together < 1:
            raise ValueError(f"together must be 1 or more, got {self.together}")
        if self.steps is not None and self.steps < 1:
            raise ValueError(f"steps must be 1 or more, got {self.steps}")
        if self.reference is not None:
            _check_reference(self.used)

    @staticmethod
    def of(settings: Settings) -> "Options":
        """The options that a verb was given; a prior of None is the default one."""
        if settings.get("prior") is None:
            settings = {**settings, "prior": Exemplar()}
        return Options(**settings)  # type: ignore[arg-type]

    @property
    def used(self) -> Way:
        """The method: the prior's own where none was named."""
        return self.method or self.prior.defaults.method


def _check_reference(way: Way) -> None:
    """Raises ValueError for one that would not read the reference, which may cost as much as the work itself."""
    if isinstance(way, Fusion):
        raise ValueError(f"{type(way).__name__} joins all on one canvas and has no reference: leave it out")
    if way.particles > 1:
        raise ValueError(
            f"{type(way).__name__} follows one noise of the given part of its own and reads no reference: leave it out"
        )
