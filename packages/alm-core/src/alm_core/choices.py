"""Methods and references by the names that command lines and scripts give them."""

from dataclasses import fields

from alm_core.methods import (
    ALM,
    Independent,
    Method,
    ReconstructionGuidance,
    RePaint,
    Replacement,
    StochasticALM,
    SyncSDE,
)
from alm_core.reference import FixedNoise, FreshNoise, Inversion, Reference

__all__ = ["METHODS", "REFERENCES", "method_named", "reference_named"]

METHODS: dict[str, type[Method]] = {
    "alm": ALM,
    "stochastic-alm": StochasticALM,
    "syncsde": SyncSDE,
    "repaint": RePaint,
    "replacement": Replacement,
    "reconstruction-guidance": ReconstructionGuidance,
    "independent": Independent,
}
"""Every method, by name."""

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
    if name not in METHODS:
        raise ValueError(f"unknown method {name!r}: wanted one of {', '.join(METHODS)}")
    given = {key: value for key, value in options.items() if value is not None}
    known = [field.name for field in fields(METHODS[name])]  # type: ignore[arg-type]
    for key in given:
        if key not in known:
            raise ValueError(f"the method {name!r} has no option {key!r}; it has {', '.join(known) or 'none'}")
    return METHODS[name](**given)


def reference_named(name: str) -> Reference:
    """The reference of that name. Raises ValueError for an unknown one."""
    if name not in REFERENCES:
        raise ValueError(f"unknown reference {name!r}: wanted one of {', '.join(REFERENCES)}")
    return REFERENCES[name]()
