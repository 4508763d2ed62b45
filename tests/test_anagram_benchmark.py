"""The benchmark of ambiguous pictures: its yardstick is the product of the densities, and λ weighs the prompts."""

import torch
from alm_core import Noise

from benchmarks.anagram import FIRST, SECOND, WAYS, made, measure, pairs, product


def test_the_product_is_that_of_both_densities_to_a_constant() -> None:
    first, second = pairs(2, seed=5)[1]
    both = product(first, second)
    x = 0.7 * Noise.batch(3, 6).draw((8, 8)).double()
    apart = both.log_prob(x) - first.log_prob(FIRST.read(x)) - second.log_prob(SECOND.read(x))
    torch.testing.assert_close(apart, apart[:1].expand(6), atol=1e-6, rtol=0)


def test_the_first_prompt_gains_and_the_second_loses_as_lambda_falls() -> None:
    names = [f"syncsde 1/λ = {n}" for n in (0, 1, 3, 7)]
    rows = measure(names, count=2, samples=60, steps=15, seed=3)[1:]
    first, second = ([float(row[column]) for row in rows] for column in ("first", "second"))
    assert first == sorted(first)
    assert second == sorted(second, reverse=True)
    assert second[0] > -5 > first[0]
    assert first[-1] > -5 > second[-1]
    assert [row["evaluations"] for row in rows] == [30] * 4


def test_a_way_is_made_of_both_prompts_in_their_views() -> None:
    told = pairs(1, seed=2)[0]
    y, evaluations = made(*WAYS["visual-anagrams"], told, Noise.batch(0, 3), 6)
    turned, _ = made(*WAYS["visual-anagrams"], (told[0], told[0]), Noise.batch(0, 3), 6)
    assert (y.shape, evaluations) == ((3, 8, 8), 12)
    assert float((y - turned).abs().max()) > 0.1
