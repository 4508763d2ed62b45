"""The options that all verbs share, in Python as on the command line."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypedDict

from alm_core import Method, Reference

from alm_motion.mapping import Joints
from alm_motion.priors import MotionPrior, load_prior

__all__ = ["OnStep", "Options", "Settings"]

OnStep = Callable[[int, int], None]
"""Told after each step: how many are done, and of how many."""


class Settings(TypedDict, total=False):
    """The keyword arguments of every verb: the fields of `Options`."""

    prior: MotionPrior
    method: Method | None
    reference: Reference | None
    prompt: str
    steps: int | None
    count: int
    seed: int
    mapping: Joints | None
    pin_feet: bool
    on_step: OnStep | None


@dataclass(frozen=True, kw_only=True)
class Options:
    """What a verb goes by.

    `prior` is a model of `load_prior`, the shipped one by default; `method`, `reference` and `steps` are what suits it.
    `prompt` is what it is told. `count` makes as many variants, of which variant n is what `seed + n` alone gives.
    `mapping` says which joints of the clip are the 22, where its skeleton is not a known one. `pin_feet` holds feet
    still while they stand, in made frames alone. `on_step` is told how far the work is.
    """

    prior: MotionPrior = field(default_factory=load_prior)
    method: Method | None = None
    reference: Reference | None = None
    prompt: str = ""
    steps: int | None = None
    count: int = 1
    seed: int = 0
    mapping: Joints | None = None
    pin_feet: bool = True
    on_step: OnStep | None = None

    def __post_init__(self) -> None:
        """Checks types, which scripts mistake for the names of the command line, and ranges."""
        for name, made in (("method", "ALM()"), ("reference", "Inversion()")):
            if isinstance(getattr(self, name), str):
                raise TypeError(f"{name} is an object, such as {made}: got {getattr(self, name)!r}")
        if isinstance(self.prior, str | Path):
            raise TypeError(f"prior is a model that load_prior has loaded: got {self.prior!r}")
        if self.count < 1:
            raise ValueError(f"count must be 1 or more, got {self.count}")
        if not -(2**63) <= self.seed < 2**63 - self.count:
            raise ValueError(f"the seed must fit 63 bits, got {self.seed}")
        if self.steps is not None and self.steps < 1:
            raise ValueError(f"steps must be 1 or more, got {self.steps}")

    @property
    def used(self) -> Method:
        """The method: the prior's own where none was named."""
        return self.method or self.prior.defaults.method

    def tell(self, before: int, parts: int) -> OnStep:
        """A callback for part `before` of so many of the same number of steps."""

        def part(done: int, count: int) -> None:
            if self.on_step:
                self.on_step(before * count + done, parts * count)

        return part
