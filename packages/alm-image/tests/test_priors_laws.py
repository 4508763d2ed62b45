"""What holds for every family: the laws of a prior, guidance and its price, prompts, masks and a whole run."""

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
import torch
from alm_core import ALM, Counted, FixedNoise, Noise, ReconstructionGuidance, sample
from alm_core.testing import check_prior
from alm_image.priors import ImagePrior, load_prior
from alm_image.priors.network import NetworkPrior

PROMPTS = {
    "stable_diffusion": ("a red boat", "a blue tree"),
    "stable_diffusion_v": ("a red boat", "a blue tree"),
    "sdxl": ("a red boat", "a blue tree"),
    "flux_dev": ("a red boat", "a blue tree"),
    "flux_schnell": ("a red boat", "a blue tree"),
    "deepfloyd": ("a red boat", "a blue tree"),
    "pixel_classes": ("0", "4"),
    "guided_diffusion_classes": ("7", "421"),
    "pixel_epsilon": None,
    "pixel_v": None,
    "pixel_x0": None,
    "pixel_variance": None,
    "guided_diffusion": None,
}
CONDITIONAL = [name for name, prompts in PROMPTS.items() if prompts]
UNCONDITIONAL = [name for name, prompts in PROMPTS.items() if not prompts]
CLASSIFIER_FREE = ["stable_diffusion", "stable_diffusion_v", "sdxl", "deepfloyd"]
LATENT = ["stable_diffusion", "sdxl", "flux_dev"]
SIDE = {"flux_dev": 64, "flux_schnell": 64, "guided_diffusion": 16, "guided_diffusion_classes": 16}

Folder = Callable[[str], Path]


def prior_of(folder: Folder, name: str, *, guidance: float | None = None) -> NetworkPrior:
    """Without a bound on x̂_0, which is tested by itself. Loaded once for all tests, which may not change it."""
    return _loaded(folder(name), guidance)


@cache
def _loaded(path: Path, guidance: float | None) -> NetworkPrior:
    prior = load_prior(path, guidance=guidance)
    assert isinstance(prior, NetworkPrior)
    return replace(prior, bound=None)


def side_of(prior: ImagePrior, name: str) -> int:
    return SIDE.get(name, prior.size)


def conditions_of(prior: ImagePrior, name: str) -> tuple[object, ...] | None:
    side = side_of(prior, name)
    prompts = PROMPTS[name]
    return None if prompts is None else tuple(prior.condition(prompt, "", side, side) for prompt in prompts)


@pytest.mark.parametrize("name", PROMPTS)
def test_every_family_obeys_the_laws_of_a_prior(folder: Folder, name: str) -> None:
    prior = prior_of(folder, name)
    side = side_of(prior, name)
    shape = prior.state_shape(side, side)
    check_prior(prior, prior.schedule(5, side, side), shape, conditions=conditions_of(prior, name), tolerance=2e-4)


@pytest.mark.parametrize("name", CONDITIONAL)
def test_another_prompt_gives_another_prediction(folder: Folder, name: str) -> None:
    prior = prior_of(folder, name)
    side = side_of(prior, name)
    conditions = conditions_of(prior, name)
    x = Noise.batch(0, 1).draw(prior.state_shape(side, side)).repeat(2, 1, 1, 1)
    for predict in (prior.predict, prior.predict_guided):
        eps = predict(x, prior.schedule(5, side, side).levels[2], conditions).eps
        assert (eps[0] - eps[1]).abs().max() > 1e-3 * eps.std()


@pytest.mark.parametrize("name", CLASSIFIER_FREE)
def test_guidance_is_the_unconditional_output_and_g_times_the_difference(folder: Folder, name: str) -> None:
    prior = prior_of(folder, name, guidance=3.25)
    side = side_of(prior, name)
    level = prior.schedule(5, side, side).levels[2]
    x = Noise.batch(1, 1).draw(prior.state_shape(side, side))
    conditional = prior.condition("a red boat", "grey lake", side, side)
    # The negative prompt as a prompt of its own. (An empty one is zeros for SDXL, so it is not used here.)
    unconditional = prior.condition("grey lake", "", side, side)
    of_c, of_u = (prior.predict(x, level, (c,)) for c in (conditional, unconditional))
    guided = prior.predict_guided(x, level, (conditional,))
    torch.testing.assert_close(guided.eps, of_u.eps + 3.25 * (of_c.eps - of_u.eps), atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(guided.x0, of_u.x0 + 3.25 * (of_c.x0 - of_u.x0), atol=1e-4, rtol=1e-4)
    assert prior.guided_rows == 2
    assert prior.guidance == 3.25


@pytest.mark.parametrize("name", PROMPTS)
def test_without_guidance_a_row_costs_one_row_of_the_network(folder: Folder, name: str) -> None:
    prior = prior_of(folder, name, guidance=None if name.startswith("flux") else 1)
    side = side_of(prior, name)
    rows = []
    network = prior.guided.network  # type: ignore[attr-defined]
    module = getattr(network, "transformer", None) or network.unet
    first = "hidden_states" if hasattr(network, "transformer") else 0
    hook = module.register_forward_pre_hook(
        lambda _, args, named: rows.append(len(named[first] if isinstance(first, str) else args[first])),
        with_kwargs=True,
    )
    conditions = conditions_of(prior, name)
    x = Noise.batch(1, 2).draw(prior.state_shape(side, side))
    prior.predict_guided(x, prior.schedule(5, side, side).levels[2], conditions)
    hook.remove()
    assert rows == [2]
    assert prior.guided_rows == 1


def test_with_guidance_a_row_costs_two_rows_in_one_call(folder: Folder) -> None:
    prior = prior_of(folder, "stable_diffusion")
    rows: list[int] = []
    network = prior.guided.network  # type: ignore[attr-defined]
    hook = network.unet.register_forward_pre_hook(lambda _, args: rows.append(len(args[0])))
    x = Noise.batch(1, 3).draw(prior.state_shape(64, 64))
    level = prior.schedule(5).levels[2]
    prior.predict_guided(x, level, (prior.condition("a boat", "", 64, 64),) * 3)
    prior.predict(x, level, (prior.condition("a boat", "", 64, 64),) * 3)
    hook.remove()
    assert rows == [6, 3]


@pytest.mark.parametrize("name", UNCONDITIONAL)
def test_an_unconditional_model_refuses_a_prompt(folder: Folder, name: str) -> None:
    prior = prior_of(folder, name)
    with pytest.raises(ValueError, match=r"takes no prompt, got 'a red boat': leave the prompt out"):
        prior.condition("a red boat", "", prior.size, prior.size)
    with pytest.raises(ValueError, match="takes no prompt, got 'grey'"):
        prior.condition("", "grey", prior.size, prior.size)
    condition = prior.condition("", "", prior.size, prior.size)
    x, level = Noise.batch(0, 1).draw(prior.state_shape(prior.size, prior.size)), prior.schedule(5).levels[2]
    assert torch.equal(prior.predict(x, level, (condition,)).eps, prior.predict(x, level, None).eps)


def test_a_conditional_model_says_that_it_wants_conditions(folder: Folder) -> None:
    prior = prior_of(folder, "stable_diffusion")
    x = torch.zeros(2, *prior.state_shape(64, 64))
    with pytest.raises(ValueError, match=r"wants a condition for each row, got None: pass conditions="):
        prior.predict(x, prior.schedule(5).levels[2], None)
    with pytest.raises(ValueError, match="got 0 for 2 rows"):
        prior.predict(x, prior.schedule(5).levels[2], ("a prompt", "as a string"))


@pytest.mark.parametrize(("name", "bad"), [("pixel_classes", "a boat"), ("pixel_classes", "5"), ("pixel_classes", "")])
def test_a_class_conditional_model_wants_a_class_number(folder: Folder, name: str, bad: str) -> None:
    prior = prior_of(folder, name)
    with pytest.raises(ValueError, match="a number from 0 to 4, got"):
        prior.condition(bad, "", 16, 16)
    with pytest.raises(ValueError, match="no negative prompt, got 'grey'"):
        prior.condition("1", "grey", 16, 16)


def test_flux_takes_no_negative_prompt(folder: Folder) -> None:
    prior = prior_of(folder, "flux_dev")
    with pytest.raises(ValueError, match="no negative prompt, got 'grey'"):
        prior.condition("a boat", "grey", 64, 64)


@pytest.mark.parametrize("name", PROMPTS)
def test_a_mask_cell_with_any_hole_pixel_is_hole(folder: Folder, name: str) -> None:
    prior = prior_of(folder, name)
    side = side_of(prior, name)
    mask = torch.zeros(1, 1, side, side)
    mask[0, 0, 1, side - 1] = 0.25
    mask[0, 0, side - 3, 2] = 1
    cells = prior.mask_to_state(mask)
    _, height, width = prior.state_shape(side, side)
    assert cells.shape == (1, 1, height, width)
    factor = side // height
    expected = torch.zeros(height, width)
    expected[1 // factor, (side - 1) // factor] = 0.25
    expected[(side - 3) // factor, 2 // factor] = 1
    assert torch.equal(cells[0, 0], expected)


@pytest.mark.parametrize("name", PROMPTS)
def test_a_side_off_the_multiple_is_refused_everywhere(folder: Folder, name: str) -> None:
    prior = prior_of(folder, name)
    height, width = 3 * prior.multiple, 4 * prior.multiple + 1
    said = rf"multiples of {prior.multiple}, got {height} and {width}: resize or pad to {height} and "
    for call in (
        lambda: prior.state_shape(height, width),
        lambda: prior.encode(torch.zeros(1, 3, height, width)),
        lambda: prior.mask_to_state(torch.zeros(1, 1, height, width)),
        lambda: prior.condition("", "", height, width),
    ):
        with pytest.raises(ValueError, match=said):
            call()


@pytest.mark.parametrize("name", PROMPTS)
def test_alm_completes_a_picture_with_every_family(folder: Folder, name: str) -> None:
    prior = prior_of(folder, name)
    side = side_of(prior, name)
    pixels = torch.rand(1, 3, side, side, generator=torch.Generator().manual_seed(5)) * 2 - 1
    mask = torch.zeros(1, 1, side, side)
    mask[..., side // 2 :] = 1
    counted = Counted(prior)
    conditions = conditions_of(prior, name)
    y = sample(
        counted,
        prior.schedule(2, side, side),
        noise=Noise.batch(3, 2),
        x_0=prior.encode(pixels),
        mask=prior.mask_to_state(mask),
        method=ALM(),
        reference=FixedNoise(),
        conditions=conditions,
    )
    assert y.shape == (2, *prior.state_shape(side, side))
    assert y.dtype == torch.float32
    assert prior.decode(y).shape == (2, 3, side, side)
    assert (y[0] - y[1]).abs().max() > 1e-3
    # A last step that ends clean has nothing to climb, and may be cheaper.
    assert counted.calls <= 4
    assert 2 * (2 + 2 * prior.guided_rows) <= counted.rows <= 2 * 2 * (2 + prior.guided_rows)


def test_a_method_may_differentiate_through_the_prior(folder: Folder) -> None:
    prior = load_prior(folder("pixel_variance"))
    x_0, mask = torch.zeros(1, 3, 16, 16), torch.ones(1, 1, 16, 16)
    mask[..., :8] = 0
    y = sample(prior, prior.schedule(2), noise=Noise.batch(0, 1), x_0=x_0, mask=mask, method=ReconstructionGuidance())
    assert bool(torch.isfinite(y).all())


@pytest.mark.parametrize("name", LATENT)
def test_no_weight_asks_for_a_gradient(folder: Folder, name: str) -> None:
    prior = prior_of(folder, name)
    network = prior.plain.network  # type: ignore[attr-defined]
    module = getattr(network, "transformer", None) or network.unet
    assert not any(p.requires_grad for p in module.parameters())
    assert not module.training
