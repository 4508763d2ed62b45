"""The exemplar prior: its posterior mean by hand, its limits, and what makes it a prior."""

import math
from collections.abc import Sequence

import pytest
import torch
from alm_core import FreshNoise, Level, Noise, Schedule, sample
from alm_core.exemplar import METHOD, ExemplarPrior
from alm_core.matching import Matcher
from alm_core.patches import pool
from alm_core.testing import check_prior

AXES = {1: (48,), 2: (26, 22), 3: (6, 14, 12)}


def level(sigma: float) -> Level:
    return Level(sigma, 1 / math.hypot(1, sigma), sigma / math.hypot(1, sigma))


def given(n: int, channels: int = 2) -> tuple[torch.Tensor, torch.Tensor]:
    """A sample (1, C, *axes) of smooth waves and grain, and a mask with a box to fill."""
    axes = AXES[n]
    generator = torch.Generator().manual_seed(n)
    waves = sum(torch.sin(torch.arange(s) / 2.0).view(-1, *[1] * (n - 1 - i)) for i, s in enumerate(axes))
    x_0 = (0.3 * waves + 0.1 * torch.randn(1, channels, *axes, generator=generator)).clamp(-1, 1)
    mask = torch.zeros(1, 1, *axes)
    mask[(..., *(slice(s // 3, s // 2 + 1) for s in axes))] = 1
    return x_0, mask


def prior(n: int, **options: float) -> ExemplarPrior:
    return ExemplarPrior(*given(n), patch=3, **options)  # type: ignore[arg-type]


def noisy(n: int, sigma: float, rows: int = 2) -> torch.Tensor:
    x_0, _ = given(n)
    at = level(sigma)
    return at.a * x_0 + at.s * Noise.batch(5, rows).draw(x_0.shape[1:])


@pytest.mark.parametrize("nearness", [0.0, 30.0])
def test_the_posterior_mean_of_two_exemplars_is_that_computed_by_hand(nearness: float) -> None:
    u, v, sigma, bandwidth, tau = 0.4, -0.3, 0.5, 0.2, 0.3
    at, y = level(sigma), (0.25, -0.1, 0.05)
    example = torch.tensor([[u, v]])  # its two patches, ends repeated: (u, u, v) and (u, v, v)
    two = ExemplarPrior(
        torch.zeros(1, 1, 3),
        torch.ones(1, 1, 3),
        examples=[example],
        patch=3,
        bandwidth=bandwidth,
        shift=tau,
        nearness=[nearness],
    )
    bell = [math.exp(-((q / 0.75) ** 2) / 2) for q in (-1, 0, 1)]  # a quarter of the patch wide, 1 in the mean
    w = [3 * u_q / sum(bell) / (bandwidth**2 + sigma**2) for u_q in bell]
    above = below = 0.0
    for k, p in enumerate(((u, u, v), (u, v, v))):
        d = [a - b for a, b in zip(y, p, strict=True)]
        b_k = sum(w_q * d_q for w_q, d_q in zip(w, d, strict=True)) / (sum(w) + tau**-2)
        d_k = sum(w_q * (d_q - b_k) ** 2 for w_q, d_q in zip(w, d, strict=True)) + b_k**2 / tau**2
        weight = math.exp(-(d_k + nearness * (1 / 3 - k / 2) ** 2) / 2)
        above, below = above + weight * (p[1] + b_k), below + weight
    x_t = at.a * torch.tensor(y).view(1, 1, 3)
    assert float(two.predict(x_t, at, None).x0[0, 0, 1]) == pytest.approx(above / below, abs=1e-5)


def test_what_is_observed_has_no_noise_and_decides() -> None:
    """At a hole of one element between (u, ·, v) only the exemplar between the same two fits, whatever the noise."""
    u, v, between = 0.5, -0.5, 0.1
    x_0 = torch.tensor([u, between, v, -0.2, 0.9, -0.9, 0.3, u, 0.0, v, 0.7]).view(1, 1, -1)
    mask = torch.zeros(1, 1, 11)
    mask[..., 8] = 1
    x_t = torch.full((1, 1, 11), 0.8)
    assert float(ExemplarPrior(x_0, mask, patch=3).predict(x_t, level(2.0), None).x0[0, 0, 8]) == pytest.approx(
        between, abs=1e-3
    )


def test_without_noise_the_nearest_exemplar_is_returned() -> None:
    example = torch.rand(1, 40, generator=torch.Generator().manual_seed(1)) * 2 - 1
    one = ExemplarPrior(torch.zeros(1, 1, 40), torch.ones(1, 1, 40), examples=[example], patch=3, shift=1e-6)
    x_t = example[None].roll(7, -1) + 0.001
    x0 = one.predict(x_t, level(1e-6), None).x0
    torch.testing.assert_close(x0[..., 8:38], example[None].roll(7, -1)[..., 8:38], atol=1e-4, rtol=0)


@pytest.mark.parametrize("n", [1, 2, 3])
@pytest.mark.parametrize("sigma", [5.0, 0.1])
def test_the_observed_part_is_returned_exactly(n: int, sigma: float) -> None:
    x_0, mask = given(n)
    x0 = prior(n).predict(noisy(n, sigma), level(sigma), None).x0
    kept = (mask == 0).expand_as(x_0)
    assert torch.equal(x0[0:1][kept], x_0[kept])
    assert torch.equal(x0[1:2][kept], x_0[kept])
    assert float(x0.abs().max()) <= float((x_0 * (1 - mask)).abs().max()) + 0.12


@pytest.mark.parametrize("n", [1, 2, 3])
@pytest.mark.parametrize("pairs", [0, 1 << 23])
def test_it_keeps_the_laws_of_a_prior_when_it_searches_and_when_it_compares_all(n: int, pairs: int) -> None:
    check_prior(prior(n, pairs=pairs), Schedule.log_sigma(9), tuple(given(n)[0].shape[1:]), tolerance=2e-4)


@pytest.mark.parametrize("n", [1, 2, 3])
@pytest.mark.parametrize("sigma", [0.4, 0.05])
def test_a_row_alone_is_that_row_of_a_batch_to_the_bit(n: int, sigma: float) -> None:
    x_t, one = noisy(n, sigma, rows=3), prior(n, pairs=0)
    together = one.predict(x_t, level(sigma), None).x0
    assert torch.equal(one.predict(x_t[2:], level(sigma), None).x0, together[2:])
    assert torch.equal(prior(n, pairs=0).predict(x_t, level(sigma), None).x0, together)


@pytest.mark.parametrize("n", [1, 2, 3])
def test_the_search_finds_the_piece_of_an_example_behind_the_noise(n: int) -> None:
    example = torch.rand(2, *(s + 8 for s in AXES[n]), generator=torch.Generator().manual_seed(3)) * 2 - 1
    piece = example[(None, slice(None), *(slice(4, s + 4) for s in AXES[n]))]
    one = ExemplarPrior(torch.zeros_like(piece), torch.ones_like(piece), examples=[example], patch=3, pairs=0)
    at = level(0.05)
    x_t = at.a * piece + at.s * Noise.batch(2, 1).draw(piece.shape[1:])
    right = (one.predict(x_t, at, None).x0 - piece).abs() < 0.1
    assert float(right.float().mean()) > 0.9


@pytest.mark.parametrize("pairs", [0, 1 << 23])
def test_of_equal_exemplars_the_one_that_lies_alike_is_taken(pairs: int) -> None:
    """A sample of two layers with the same wave in the first channel; the second says which layer it is."""
    wave = torch.sin(torch.arange(96) * (2 * math.pi / 6)) * 0.5
    x_0 = torch.stack([wave, (torch.arange(96) // 48).float() - 0.5])[None]
    mask = torch.zeros(1, 1, 96)
    mask[..., 66:72] = 1
    layer = [
        float(
            ExemplarPrior(x_0 * (1 - mask), mask, patch=3, shift=1e-6, pairs=pairs, nearness=[nearness])
            .predict(x_0 * torch.tensor([1.0, -1.0]).view(1, 2, 1), level(0.05), None)
            .x0[0, 1, 69]
        )
        for nearness in (0.0, 1e6)
    ]
    assert layer[0] < -0.4
    assert layer[1] > 0.4


def test_a_hole_in_a_periodic_sample_is_filled_with_its_period() -> None:
    wave = torch.sin(torch.arange(96) * (2 * math.pi / 12)).view(1, 1, 96)
    mask = torch.zeros(1, 1, 96)
    mask[..., 40:58] = 1
    one = ExemplarPrior(wave * (1 - mask), mask, patch=7)
    y = sample(
        one,
        ExemplarPrior.schedule(24),
        noise=Noise.batch(0, 1),
        x_0=wave * (1 - mask),
        mask=mask,
        method=METHOD,
        reference=FreshNoise(),
    )
    assert float((y - wave).abs()[..., 40:58].max()) < 0.25


def test_a_texture_is_generated_from_an_example_alone() -> None:
    example = (torch.arange(20)[:, None] // 4 + torch.arange(20) // 4).remainder(2).float()[None] * 1.6 - 0.8
    one = ExemplarPrior(torch.zeros(1, 1, 16, 16), torch.ones(1, 1, 16, 16), examples=[example], patch=5)
    y = sample(one, ExemplarPrior.schedule(20), noise=Noise.batch(0, 1), shape=(1, 16, 16), method=METHOD)
    assert float((y.abs() - 0.8).abs().mean()) < 0.1
    assert 0.25 < float((y > 0).float().mean()) < 0.75


@pytest.mark.parametrize("sigma", [0.4, 0.05, 1e-3])
def test_its_gradient_is_finite_so_that_guidance_can_use_it(sigma: float) -> None:
    """Also where a neighbour's match is better by more than an exponential holds."""
    x_t = noisy(2, 1.0, rows=1).requires_grad_()
    prior(2, pairs=0, bandwidth=1e-4).predict(x_t, level(sigma), None).x0.square().sum().backward()  # type: ignore[no-untyped-call]
    assert bool(x_t.grad.isfinite().all())  # type: ignore[union-attr]


def test_equal_rows_after_what_is_observed_is_put_in_are_estimated_once() -> None:
    _, mask = given(2)
    x_t = noisy(2, 0.2, rows=1)
    elsewhere = x_t + (1 - mask)
    x0 = prior(2).predict(torch.cat([x_t, elsewhere]), level(0.2), None).x0
    assert torch.equal(x0[0], x0[1])


def test_each_row_has_the_exemplars_of_its_own_sample() -> None:
    x_0, mask = given(2)
    both = ExemplarPrior(torch.cat([x_0, x_0.flip(-1)]), mask, patch=3)
    x_t, at = noisy(2, 0.1, rows=1), level(0.1)
    x0 = both.predict(x_t.expand(4, -1, -1, -1), at, None).x0
    for n, own in enumerate((x_0, x_0.flip(-1), x_0, x_0.flip(-1))):
        assert torch.equal(x0[n : n + 1], ExemplarPrior(own, mask, patch=3).predict(x_t, at, None).x0)


def test_nothing_observed_says_to_give_examples() -> None:
    with pytest.raises(ValueError, match="give examples"):
        ExemplarPrior(torch.zeros(1, 1, 16, 16), torch.ones(1, 1, 16, 16))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"patch": 4}, "odd"),
        ({"bandwidth": 0.0}, "bandwidth"),
        ({"nearness": [1.0]}, "nearness must have a number of 0 or more for each of 2 axes"),
        ({"nearness": [1.0, -1.0]}, "nearness must"),
        ({"examples": [torch.zeros(3, 9, 9)]}, "channels"),
        ({"mask": torch.zeros(1, 1, 9, 16)}, "mask"),
        ({"x_0": torch.zeros(1, 3)}, "axes"),
    ],
)
def test_what_does_not_fit_is_refused(change: dict[str, object], says: str) -> None:
    arguments = {"x_0": torch.zeros(1, 1, 16, 16), "mask": torch.zeros(1, 1, 16, 16)} | change
    with pytest.raises(ValueError, match=says):
        ExemplarPrior(**arguments)  # type: ignore[arg-type]


def test_a_sample_of_other_sizes_is_refused_with_both_sizes() -> None:
    with pytest.raises(ValueError, match=r"\(2, 26, 22\).*\(2, 26, 20\)"):
        prior(2).predict(torch.zeros(1, 2, 26, 20), level(1.0), None)


def within(outside: float, seed: int = 11) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """A picture whose last columns are outside and hold `outside`: x_0, mask, outside, and a noisy state."""
    generator = torch.Generator().manual_seed(seed)
    x_0 = torch.rand(1, 2, 26, 24, generator=generator) - 0.5
    x_t = torch.randn(1, 2, 26, 24, generator=generator)
    mask = torch.zeros(1, 1, 26, 24)
    mask[..., 8:18, 10:] = 1
    beyond = torch.zeros_like(mask)
    beyond[..., 17:] = 1
    return torch.where(beyond > 0, outside, x_0), mask, beyond, torch.where(beyond > 0, outside, x_t)


@pytest.mark.parametrize("sigma", [0.1, 0.5, 4.0])
def test_what_lies_outside_a_sample_is_neither_read_nor_changed(sigma: float) -> None:
    found = []
    for value in (0.9, -0.7):
        x_0, mask, beyond, x_t = within(value)
        predicted = ExemplarPrior(x_0, mask, outside=beyond, patch=3).predict(x_t, level(sigma), None).x0
        assert bool((predicted[beyond.expand_as(x_0) > 0] == value).all())
        found.append(predicted[..., :17])
    torch.testing.assert_close(found[0], found[1], rtol=0, atol=1e-5)


def test_a_sample_that_ends_is_the_sample_that_is_no_larger() -> None:
    """At one level of the pyramid: patches stop at the end of the sample, wherever its array ends."""
    generator = torch.Generator().manual_seed(2)
    x_0, x_t = (torch.randn(1, 1, 14, generator=generator) / 3 for _ in range(2))
    mask = (torch.arange(14) % 5 == 2).float().view(1, 1, 14)
    mask[..., 8:10] = 1
    beyond = (torch.arange(14) >= 10).float().view(1, 1, 14)
    example = torch.randn(1, 20, generator=generator) / 3
    at = level(0.4)
    whole = ExemplarPrior(x_0, mask, examples=[example], outside=beyond).predict(x_t, at, None).x0
    cut = ExemplarPrior(x_0[..., :10], mask[..., :10], examples=[example]).predict(x_t[..., :10], at, None).x0
    torch.testing.assert_close(whole[..., :10], cut, rtol=0, atol=1e-5)


def test_outside_that_does_not_fit_is_refused() -> None:
    x_0, mask, _, _ = within(0.0)
    with pytest.raises(ValueError, match="outside must be broadcastable"):
        ExemplarPrior(x_0, mask, outside=torch.zeros(1, 1, 3, 3))


def test_a_block_partly_outside_has_the_mean_and_the_noise_of_its_part_within() -> None:
    """On the coarse level, by draws: blocks at the border average fewer elements, so their noise is larger."""
    x_0 = torch.zeros(1, 1, 32, 32)
    mask, beyond = torch.ones(1, 1, 32, 32), torch.zeros(1, 1, 32, 32)
    beyond[..., 15:] = 1
    example = torch.zeros(1, 32, 32)
    density = ExemplarPrior(x_0, mask, examples=[example], outside=beyond, patch=3)._densities[0]
    scale = density._scales[2]
    sigma, draws = 0.7, 400
    noise = torch.randn(draws, 1, 32, 32, generator=torch.Generator().manual_seed(0)) * sigma
    within = pool(density._within, scale.factor)
    means = torch.stack([pool(n * density._within, scale.factor) / within.clamp(min=1e-6) for n in noise])
    rows, columns = scale.places // scale.canvas[1], scale.places % scale.canvas[1]
    measured = means[:, 0, rows, columns].var(0)
    centre = scale.noisy[:, scale.noisy.shape[1] // 2]
    assumed = centre * sigma**2 / math.prod(scale.factor)
    assert len(set(within[0, rows, columns].tolist())) > 1
    assert bool(((measured / assumed - 1).abs() < 0.35).all())


def test_inside_its_ends_a_source_gives_fewer_exemplars() -> None:
    example = torch.rand(1, 7, 9)
    made = {
        inside: ExemplarPrior(
            torch.zeros(1, 1, 7, 9), torch.ones(()), examples=[example], patch=3, inside=inside, pairs=0
        )
        for inside in ((False, False), (True, False), (True, True))
    }
    counts = {inside: len(prior._densities[0]._scales[0].position) for inside, prior in made.items()}
    assert counts == {(False, False): 7 * 9, (True, False): 5 * 9, (True, True): 5 * 7}


def test_what_a_pyramid_pads_is_no_exemplar_where_sources_do_not_end() -> None:
    """Seven rows are padded to eight, of which the last is the seventh again."""
    example = torch.rand(1, 7, 16)
    x_0 = torch.zeros(1, 1, 16, 16)
    prior = ExemplarPrior(x_0, torch.ones(()), examples=[example], patch=3, inside=(True, False))
    exemplars = prior._densities[0]._scales[0].exemplars.view(-1, 3, 3)
    assert not (exemplars[:, 1] == exemplars[:, 2]).all(1).any()


def test_patches_have_the_widths_of_their_level() -> None:
    widths = [(3, 3), (5, 3), (7, 3)]
    example = torch.rand(1, 64, 64)
    prior = ExemplarPrior(torch.zeros(1, 1, 64, 64), torch.ones(()), examples=[example], patch=widths)
    assert [scale.patch for scale in prior._densities[0]._scales][:4] == [*widths, (7, 3)]
    for wrong in ([(3, 4)], [(3,)], [(1, 3)], []):
        with pytest.raises(ValueError, match="patch must be odd"):
            ExemplarPrior(torch.zeros(1, 1, 64, 64), torch.ones(()), examples=[example], patch=wrong)
    with pytest.raises(ValueError, match="inside must say"):
        ExemplarPrior(torch.zeros(1, 1, 64, 64), torch.ones(()), examples=[example], inside=(True,))


def test_observing_another_sample_is_the_prior_made_from_it() -> None:
    """Where the sample shows no whole patch of its own: else those would be exemplars of the one alone."""
    example, x_0 = torch.rand(1, 40), torch.rand(1, 1, 12)
    mask = torch.ones(1, 1, 12)
    mask[..., 5:7] = 0
    base = ExemplarPrior(torch.zeros(1, 1, 12), torch.ones(()), examples=[example], patch=3)
    for sigma in (0.05, 0.6):
        x_t = x_0 + sigma * torch.randn(1, 1, 12)
        one, other = (
            prior.predict(x_t, level(sigma), None).x0
            for prior in (base.observing(x_0, mask), ExemplarPrior(x_0, mask, examples=[example], patch=3))
        )
        torch.testing.assert_close(one, other)
        assert torch.equal(one[..., 5:7], x_0[..., 5:7])
    with pytest.raises(ValueError, match="rows and sizes"):
        base.observing(torch.zeros(1, 1, 13), torch.ones(()))


@pytest.mark.parametrize(("axes", "neighbours"), [(1, 2), (2, 8), (3, 6)])
def test_copies_are_mixed_with_those_of_the_neighbours(
    axes: int, neighbours: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = (8,) * axes
    prior = ExemplarPrior(torch.zeros(1, 1, *sizes), torch.ones(()), examples=[torch.rand(1, *sizes)], patch=3, pairs=0)
    shifts: list[tuple[int, ...]] = []
    beside = Matcher._beside

    def watched(self: Matcher, found: torch.Tensor, shift: Sequence[int]) -> torch.Tensor:
        shifts.append(tuple(shift))
        return beside(self, found, shift)

    density = prior._densities[0]
    matcher = Matcher(
        density._scales[0],
        torch.rand(1, *sizes),
        0.1,
        0.02,
        density._shifts,
        density._rare[0],
        torch.zeros(axes),
    )
    monkeypatch.setattr(Matcher, "_beside", watched)
    matcher.mean(density._scales[0].places)
    assert len(set(shifts)) == neighbours
    assert all(sum(map(abs, shift)) == 1 for shift in shifts) == (axes != 2)
