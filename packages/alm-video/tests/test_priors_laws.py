"""What holds for every pretrained family: the laws of a prior, guidance and its price, prompts, codecs, dtypes."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from alm_core.testing import check_prior
from alm_video.priors.network import NetworkPrior
from tiny_video import load, prior, state

FAMILIES = ["lavie", "animatediff", "wan", "wan_patches"]
ALL = [*FAMILIES, "stable_diffusion", "wan_two"]
FRAMEWISE = ["lavie", "animatediff"]
CAUSAL = ["wan", "wan_patches"]


def level_of(made: NetworkPrior, index: int = 2, steps: int = 5) -> Any:
    side = 2 * made.multiple
    return made.schedule(steps, side, side, 4).levels[index]


def network_of(made: NetworkPrior) -> torch.nn.Module:
    found = getattr(made.network, "unet", None) or getattr(made.network, "transformer", None)
    assert isinstance(found, torch.nn.Module)
    return found


@pytest.mark.parametrize("name", ALL)
def test_every_family_obeys_the_laws_of_a_prior(name: str) -> None:
    made = prior(name)
    conditions = (made.condition("a red boat", ""), made.condition("a blue tree", "grey"))
    side = 2 * made.multiple
    shape = tuple(state(made, frames=3).shape[1:])
    check_prior(made, made.schedule(5, side, side, 3), shape, conditions=conditions, tolerance=1e-4)


@pytest.mark.parametrize("name", ALL)
def test_another_prompt_gives_another_prediction(name: str) -> None:
    made = prior(name)
    conditions = (made.condition("a red boat", ""), made.condition("a blue tree", ""))
    x = state(made).repeat(2, 1, 1, 1, 1)
    for predict in (made.predict, made.predict_guided):
        eps = predict(x, level_of(made), conditions).eps
        assert (eps[0] - eps[1]).abs().max() > 1e-3 * eps.std()


@pytest.mark.parametrize("name", FAMILIES)
def test_guidance_leads_away_from_the_negative_prompt(name: str) -> None:
    made = replace(prior(name), guidance=3.25)
    of_c, of_u = (made.predict(state(made), level_of(made), (made.condition(p, ""),)) for p in ("a boat", "grey"))
    guided = made.predict_guided(state(made), level_of(made), (made.condition("a boat", "grey"),))
    torch.testing.assert_close(guided.eps, of_u.eps + 3.25 * (of_c.eps - of_u.eps), atol=1e-4, rtol=1e-4)
    assert (made.guided_rows, made.guidance) == (2, 3.25)


@pytest.mark.parametrize("name", FAMILIES)
def test_a_row_costs_two_of_the_network_and_one_without_guidance(name: str) -> None:
    for guidance, wanted in ((2.0, 6), (1.0, 3)):
        made, rows = replace(prior(name), guidance=guidance), list[int]()

        def count(_: torch.nn.Module, args: tuple[Any, ...], named: dict[str, Any], rows: list[int] = rows) -> None:
            rows.append(len(named["hidden_states"] if "hidden_states" in named else args[0]))

        hook = network_of(made).register_forward_pre_hook(count, with_kwargs=True)
        level = level_of(made, 0)  # where Wan's first transformer answers
        made.predict_guided(state(made, rows=3), level, (made.condition("a boat", ""),) * 3)
        hook.remove()
        assert rows == [wanted]
        assert made.guided_rows == wanted // 3


@pytest.mark.parametrize("name", FAMILIES)
def test_every_family_runs_in_bfloat16_and_answers_in_float32(name: str) -> None:
    made, wide = load(name, dtype="bfloat16"), prior(name)
    assert network_of(made).dtype == torch.bfloat16 if name != "lavie" else True
    found, wanted = (
        p.predict_guided(state(p), level_of(p), (p.condition("a boat", "grey"),)).eps for p in (made, wide)
    )
    assert found.dtype == torch.float32
    assert 0 < (found - wanted).abs().max() < 0.5 * wanted.abs().max()
    pixels = torch.cat(list(made.decode([state(made)])), 2)
    assert pixels.dtype == torch.float32
    assert made.encode(pixels[:, :, :1]).dtype == torch.float32


@pytest.mark.parametrize("name", FAMILIES)
def test_pixels_and_state_have_the_sizes_that_are_told(name: str) -> None:
    made = prior(name)
    height, width, frames = made.multiple, 2 * made.multiple, 1 + 2 * made.pace
    pixels = torch.rand(2, 3, frames, height, width, generator=torch.Generator().manual_seed(5)) * 2 - 1
    channels, rows, columns = made.state_shape(height, width)
    z = made.encode(pixels)
    assert z.shape == (2, channels, 3, rows, columns)
    assert torch.cat(list(made.decode([z])), 2).shape == pixels.shape


@pytest.mark.parametrize("name", [*FRAMEWISE, *CAUSAL])
@pytest.mark.parametrize("cuts", [(2, 3), (1, 3, 1), (1, 1, 1, 1, 1)])
def test_what_is_decoded_does_not_depend_on_the_cuts(name: str, cuts: tuple[int, ...]) -> None:
    made = prior(name)
    z = state(made, rows=2, frames=5, cells=1)
    whole = torch.cat(list(made.decode([z])), 2)
    parts = torch.cat(list(made.decode(iter(z.split(cuts, 2)))), 2)
    torch.testing.assert_close(parts, whole, atol=0, rtol=0)


@pytest.mark.parametrize("name", [*FRAMEWISE, *CAUSAL])
def test_two_videos_may_be_decoded_at_the_same_time(name: str) -> None:
    made = prior(name)
    one, other = (state(made, frames=3, seed=seed, cells=1) for seed in (1, 2))
    alone = list(made.decode([one]))
    together = [a for a, _ in zip(made.decode([one]), made.decode([other]), strict=True)]
    for found, wanted in zip(together, alone, strict=True):
        torch.testing.assert_close(found, wanted, atol=0, rtol=0)


@pytest.mark.parametrize("name", [*FRAMEWISE, *CAUSAL])
def test_decoding_leaves_gradients_on_for_its_caller(name: str) -> None:
    made = prior(name)
    for pixels in made.decode([state(made, frames=2, cells=1)]):
        assert torch.is_grad_enabled()
        assert not pixels.requires_grad


@pytest.mark.parametrize("name", ALL)
def test_no_weight_asks_for_a_gradient_and_none_trains(name: str) -> None:
    network = network_of(prior(name))
    assert not any(parameter.requires_grad for parameter in network.parameters())
    assert not network.training


@pytest.mark.parametrize("name", FAMILIES)
def test_sides_off_the_multiple_and_unknown_conditions_are_refused(name: str) -> None:
    made = prior(name)
    with pytest.raises(ValueError, match=f"multiples of {made.multiple}"):
        made.state_shape(made.multiple, made.multiple + 1)
    with pytest.raises(ValueError, match=f"multiples of {made.multiple}"):
        made.encode(torch.zeros(1, 3, 1, made.multiple + 1, made.multiple))
    with pytest.raises(ValueError, match="got 1 for 2 rows"):
        made.predict(state(made, rows=2), level_of(made), (made.condition("", ""),))


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("lavie", ((320, 512), 8, 16, 1, 8.0, 7.5, 16, 8)),
        ("animatediff", ((64, 64), 8, 16, 1, 8.0, 7.5, 16, 8)),
        ("wan", ((480, 832), 16, 21, 4, 16.0, 5.0, 21, 10)),
        ("wan_two", ((480, 832), 16, 21, 4, 16.0, 4.0, 21, 10)),
        ("wan_patches", ((704, 1280), 32, 31, 4, 24.0, 5.0, 31, 10)),
    ],
)
def test_what_each_family_makes_by_itself(name: str, told: tuple[Any, ...]) -> None:
    made = prior(name)
    assert (made.size, made.multiple, made.frames, made.pace, made.fps, made.guidance) == told[:6]
    assert (made.defaults.window, made.defaults.stride) == told[6:]
