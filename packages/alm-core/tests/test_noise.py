"""Noise is a pure function: of the seed, and of every part of the key."""

import pytest
import torch
from alm_core import Noise


def test_a_sample_is_the_same_alone_or_in_a_batch() -> None:
    assert torch.equal(Noise.batch(0, 64).draw((3, 4), 5)[7], Noise.batch(7, 1).draw((3, 4), 5)[0])


def test_equal_keys_give_equal_draws_and_others_do_not() -> None:
    noise = Noise.batch(0, 1)
    assert torch.equal(noise.draw((4,), 1, 2), noise.draw((4,), 1, 2))
    draws = [noise.draw((4,)), noise.draw((4,), 1, 2), noise.draw((4,), 2, 1), noise.child(1).draw((4,), 2)]
    assert len({tuple(d.flatten().tolist()) for d in draws}) == len(draws)


def test_neighbouring_seeds_and_keys_are_uncorrelated_and_standard() -> None:
    z = torch.stack([Noise.batch(0, 50).draw((200,), k) for k in range(20)])
    assert float(z.mean()) == pytest.approx(0, abs=0.01)
    assert float(z.std()) == pytest.approx(1, abs=0.01)
    assert float((z[1:] * z[:-1]).mean()) == pytest.approx(0, abs=0.01)
    assert float((z[:, 1:] * z[:, :-1]).mean()) == pytest.approx(0, abs=0.01)


def test_joined_sources_keep_their_order() -> None:
    joined = Noise.join([Noise.batch(4, 1), Noise.batch(2, 2)]).draw((3,), 1)
    assert torch.equal(joined, torch.cat([Noise.batch(4, 1).draw((3,), 1), Noise.batch(2, 2).draw((3,), 1)]))
