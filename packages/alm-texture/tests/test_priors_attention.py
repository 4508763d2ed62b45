"""Cross-view attention: by hand in float64, its sets, its neighbours, and what leaves it plain."""

import math

import pytest
import torch
from alm_texture.camera import Camera, paper_views
from alm_texture.priors.attention import CrossView, gather
from alm_texture.priors.ring import rings
from diffusers.models.attention_processor import Attention, AttnProcessor2_0
from torch import Tensor

CPU = torch.device("cpu")


@pytest.fixture
def attn() -> Attention:
    torch.manual_seed(5)
    return Attention(query_dim=6, heads=2, dim_head=4, bias=True, processor=CrossView(AttnProcessor2_0())).double()


def states(rows: int) -> Tensor:
    return torch.randn(rows, 5, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def by_hand(attn: Attention, x: Tensor, row: int, read: list[int]) -> Tensor:
    """One row's attention over the tokens of the rows that it reads, before the last projection: plain loops."""
    q, k, v = ([project(r) for r in x] for project in (attn.to_q, attn.to_k, attn.to_v))
    out = torch.zeros(5, 8, dtype=torch.float64)
    for head in range(2):
        part = slice(4 * head, 4 * head + 4)
        for token in range(5):
            others = [(k[r][i, part], v[r][i, part]) for r in read for i in range(5)]
            scores = [math.exp(float(q[row][token, part] @ key) / math.sqrt(4)) for key, _ in others]
            for score, (_, value) in zip(scores, others, strict=True):
                out[token, part] += score / sum(scores) * value
    return out


@pytest.mark.parametrize("weight", [0.0, 1.0, 0.4])
@torch.no_grad()
def test_three_views_and_a_fourth_beside_none_are_attention_by_hand(attn: Attention, weight: float) -> None:
    # Rows: views 7, 2, 5 and 3, of which 7 is the reference; 2 stands between 7 and 5, and 3 beside a view not there.
    views = [(7, 7, 2, -1), (2, 7, 7, 5), (5, 7, 2, 4), (3, 7, 9, -1)]
    read = [[0, 1], [1, 0, 2], [2, 1], [3]]
    x = states(4)
    found = attn(x, views=gather(views, weight, CPU))
    for row in range(4):
        h = by_hand(attn, x, row, read[row])
        mixed = (h + weight * by_hand(attn, x, row, [0])) / (1 + weight)
        torch.testing.assert_close(found[row], attn.to_out[0](mixed), atol=1e-12, rtol=1e-12)


@torch.no_grad()
def test_sets_read_none_but_their_own(attn: Attention) -> None:
    """Two samples of two views, in any order of rows: the first row of a view belongs to the first set."""
    front, side = (0, 0, 1, -1), (1, 0, 0, -1)
    x = states(4)
    pairs = [attn(pair, views=gather([front, side], 1.0, CPU)) for pair in x.chunk(2)]
    one_by_one = attn(x, views=gather([front, side, front, side], 1.0, CPU))
    torch.testing.assert_close(one_by_one, torch.cat(pairs))
    by_view = attn(x[[0, 2, 1, 3]], views=gather([front, front, side, side], 1.0, CPU))
    torch.testing.assert_close(by_view[[0, 2, 1, 3]], torch.cat(pairs))


@torch.no_grad()
def test_a_permutation_of_rows_permutes_the_answer(attn: Attention) -> None:
    views = [(0, 0, 1, 3), (1, 0, 0, 2), (2, 0, 1, 3), (3, 0, 2, 0), (4, 0, 0, -1)]
    x, order = states(5), [3, 0, 4, 2, 1]
    straight = attn(x, views=gather(views, 1.0, CPU))
    mixed = attn(x[order], views=gather([views[i] for i in order], 1.0, CPU))
    torch.testing.assert_close(mixed, straight[order])
    assert (straight - attn(x)).abs().max() > 1e-3


@torch.no_grad()
def test_rows_that_read_themselves_alone_are_plain(attn: Attention) -> None:
    for views in ([(4, 0, 3, 5)], [(0, 0, 1, 7)], [(4, 0, 3, 5)] * 3, [(0, 0, 1, 7)] * 3):
        assert gather(views, 1.0, CPU) is None
    apart = [(2, 0, 1, 3), (5, 0, 4, 6)]
    assert gather(apart, 1.0, CPU) is None
    x, text = states(2), states(3)[:2] * 2
    plain = Attention(query_dim=6, heads=2, dim_head=4, bias=True, processor=AttnProcessor2_0()).double()
    plain.load_state_dict(attn.state_dict())
    assert torch.equal(attn(x), plain(x))
    # Cross-attention, to a text, is left alone whoever reads whom.
    who = gather([(0, 0, 1, -1), (1, 0, 0, -1)], 1.0, CPU)
    assert torch.equal(attn(x, encoder_hidden_states=text, views=who), plain(x, encoder_hidden_states=text))


def test_a_reference_of_no_weight_is_not_computed() -> None:
    views = [(0, 0, 1, -1), (1, 0, 0, 2), (2, 0, 1, -1)]
    with_, without = (gather(views, weight, CPU) for weight in (1.0, 0.0))
    assert with_ is not None
    assert with_.reference is not None
    assert without is not None
    assert without.reference is None


def test_attention_can_be_differentiated(attn: Attention) -> None:
    """Methods may differentiate through the prior."""
    who = gather([(0, 0, 1, -1), (1, 0, 0, 2), (2, 0, 1, -1)], 1.0, CPU)
    x = states(3).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: attn(x, views=who), x, fast_mode=True)


def test_the_papers_views_stand_in_a_ring_with_two_above() -> None:
    front, beside = rings(paper_views())
    assert front == 0
    assert [set(each) for each in beside[:8]] == [{(i - 1) % 8, (i + 1) % 8} for i in range(8)]
    assert beside[8:] == [(0,), (4,)]


def test_a_ring_goes_by_azimuth_whatever_the_order_of_the_views() -> None:
    cameras = [Camera.orbit(azimuth, 3 * (azimuth % 2)) for azimuth in (170, -91, 11, 95, -20)]
    front, beside = rings([*cameras, Camera.orbit(99, 60), Camera.orbit(-80, -50)])
    assert front == 2
    assert [set(each) for each in beside[:5]] == [{3, 1}, {0, 4}, {4, 3}, {2, 0}, {1, 2}]
    assert beside[5:] == [(0,), (2,)]  # 99 is nearer to 170 than to 11; −80 nearer to 11


def test_few_views_have_few_beside_them() -> None:
    assert rings([Camera.orbit(40, 0)]) == (0, [()])
    assert rings([Camera.orbit(180, 0), Camera.orbit(0, 0)]) == (1, [(1,), (0,)])
    three = [Camera.orbit(a, 20) for a in (0, 120, 240)]
    two_rings = rings([*three, *(Camera.orbit(a, -10) for a in (5, 100, 220))])  # the more level one is the main one
    assert two_rings[0] == 3
    assert [set(each) for each in two_rings[1]] == [{1, 2}, {0, 2}, {0, 1}, {4, 5}, {3, 5}, {3, 4}]
