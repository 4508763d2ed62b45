"""Names lead to methods, and a misspelling is never swallowed."""

import pytest
from alm_core import ALM, FixedNoise, FreshNoise, Inversion, Method, RePaint, Replacement, StochasticALM, SyncSDE
from alm_core.choices import METHODS, method_named, reference_named
from alm_core.sample import suited_reference


def test_every_method_has_a_name() -> None:
    ours = {m for m in Method.__subclasses__() if m.__module__.startswith("alm_core.methods.")}
    assert set(METHODS.values()) == ours


def test_options_reach_the_method_and_none_keeps_the_default() -> None:
    assert method_named("alm", w1=0.5, w2=None) == ALM(w1=0.5)
    assert method_named("syncsde", w1=None) == SyncSDE()
    assert reference_named("fresh") == FreshNoise()


@pytest.mark.parametrize(("name", "options"), [("aml", {}), ("syncsde", {"w1": 1.0})])
def test_wrong_names_and_options_are_refused(name: str, options: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"wanted one of|has no option 'w1'"):
        method_named(name, **options)


def test_an_unknown_reference_is_refused() -> None:
    with pytest.raises(ValueError, match="inversion, fixed, fresh"):
        reference_named("reversed")


def test_stochastic_methods_get_fresh_noise_and_others_what_is_usual() -> None:
    for method in (StochasticALM(), RePaint(), Replacement()):
        assert suited_reference(method, Inversion()) == FreshNoise()
    for method in (ALM(), SyncSDE()):
        assert suited_reference(method, FixedNoise()) == FixedNoise()
