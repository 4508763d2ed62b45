"""Methods, joint methods and references by the names that command lines and scripts give them."""

from collections.abc import Mapping
from dataclasses import fields
from typing import TypeVar

from alm_core.fusions import Fusion, MultiDiffusion, StochSync, SyncTweedies, VisualAnagrams
from alm_core.methods import (
    ALM,
    DPS,
    BlendedLatents,
    Independent,
    LanPaint,
    Method,
    ReconstructionGuidance,
    RePaint,
    Replacement,
    SMCDiff,
    StochasticALM,
    SyncSDE,
)
from alm_core.reference import FixedNoise, FreshNoise, Inversion, Reference

__all__ = ["FUSIONS", "METHODS", "REFERENCES", "fusion_named", "method_named", "reference_named"]

Kind = TypeVar("Kind")

METHODS: dict[str, type[Method]] = {
    "alm": ALM,
    "stochastic-alm": StochasticALM,
    "syncsde": SyncSDE,
    "repaint": RePaint,
    "lanpaint": LanPaint,
    "replacement": Replacement,
    "smcdiff": SMCDiff,
    "blended-latents": BlendedLatents,
    "reconstruction-guidance": ReconstructionGuidance,
    "dps": DPS,
    "independent": Independent,
}
"""Every method, by name."""

FUSIONS: dict[str, type[Fusion]] = {
    "multidiffusion": MultiDiffusion,
    "synctweedies": SyncTweedies,
    "stochsync": StochSync,
    "visual-anagrams": VisualAnagrams,
}
"""Every joint method, by name."""

REFERENCES: dict[str, type[FixedNoise] | type[FreshNoise] | type[Inversion]] = {
    "inversion": Inversion,
    "fixed": FixedNoise,
    "fresh": FreshNoise,
}
"""Every choice of X_t, by name."""


def method_named(name: str, **options: float | None) -> Method:
    """The method of that name with the given options; None leaves an option at its default.

    Raises ValueError for an unknown name, or an option that the method does not have.
    """
    return _named("method", METHODS, name, options)


def fusion_named(name: str, **options: float | None) -> Fusion:
    """The joint method of that name, as `method_named` gives methods."""
    return _named("joint method", FUSIONS, name, options)


def reference_named(name: str) -> Reference:
    """The reference of that name. Raises ValueError for an unknown one."""
    if name not in REFERENCES:
        raise ValueError(f"unknown reference {name!r}: wanted one of {', '.join(REFERENCES)}")
    return REFERENCES[name]()


def _named(what: str, kinds: Mapping[str, type[Kind]], name: str, options: Mapping[str, float | None]) -> Kind:
    """One of the dataclasses `kinds`, made from the options that are not None."""
    if name not in kinds:
        raise ValueError(f"unknown {what} {name!r}: wanted one of {', '.join(kinds)}")
    given = {key: value for key, value in options.items() if value is not None}
    known = [field.name for field in fields(kinds[name])]  # type: ignore[arg-type]
    for key in given:
        if key not in known:
            raise ValueError(f"the {what} {name!r} has no option {key!r}; it has {', '.join(known) or 'none'}")
    return kinds[name](**given)
