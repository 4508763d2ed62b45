"""LaVie's network: against the public code's outputs (fixtures/make_lavie.py), and its parts by hand."""

import copy
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from alm_video.priors.networks.lavie import LaVieConfig, LaVieUNet
from alm_video.priors.networks.lavie.layers import sinusoids
from alm_video.priors.networks.lavie.temporal import RelativePositionBias, Rotary, TemporalAttention, shares, spans
from lavie_formula import noise, state
from tiny_lavie import SD14, TINY, inputs, network

PUBLIC = np.load(Path(__file__).parent / "fixtures" / "lavie.npz")


# The public code.


@pytest.mark.parametrize("attention_slice", [None, 3])
@pytest.mark.parametrize(("name", "windows"), [("plain", None), ("even", (4, 2)), ("odd", (3, 1))])
def test_outputs_are_the_public_networks(
    name: str, windows: tuple[int, int] | None, attention_slice: int | None
) -> None:
    sample, timestep, states = noise((2, 4, 8, 10, 9), 1), torch.tensor([981, 37]), noise((2, 5, 24), 2)
    ours = network(TINY)(sample, timestep, states, windows=windows, attention_slice=attention_slice)
    torch.testing.assert_close(ours, torch.from_numpy(PUBLIC[name]), atol=2e-5, rtol=0)


def test_keys_and_shapes_at_full_size_are_the_public_networks() -> None:
    with torch.device("meta"):
        own = LaVieUNet(LaVieConfig.of(SD14)).state_dict()
    assert len(own) == 830  # the picture network's 686, and nine in each of sixteen blocks
    assert sorted(f"{key} {','.join(map(str, value.shape))}" for key, value in own.items()) == list(PUBLIC["keys"])


def test_buckets_of_distances_are_the_public_networks() -> None:
    later = torch.arange(-40, 41)
    assert RelativePositionBias.buckets(later).tolist() == PUBLIC["buckets"].tolist()


# The parts by hand.


def test_buckets_are_t5s_of_32_up_to_distance_32_and_know_which_frame_is_later() -> None:
    for n in range(200):
        near = n if n < 8 else min(15, 8 + math.floor(8 * math.log(n / 8) / math.log(32 / 8) + 1e-9))
        before, after = RelativePositionBias.buckets(torch.tensor([-n, n])).tolist()
        assert (before, after) == (near, near + 16 if n else 0)


def test_bias_of_query_i_and_key_j_is_that_of_the_distance_from_i_to_j() -> None:
    bias = RelativePositionBias(2)
    weight = bias.relative_attention_bias.weight
    assert torch.equal(bias(4)[1, 0, 3], weight[16 + 3, 1])  # the key is three frames later
    assert torch.equal(bias(4)[0, 2, 1], weight[1, 0])  # one frame earlier


def test_rotary_turns_pairs_of_the_first_32_channels_by_the_frame() -> None:
    x = noise((3, 40), 5)
    turned = Rotary()(x)
    for frame in range(3):
        for i in range(16):
            angle = frame * 10000 ** (-2 * i / 32)
            a, b = x[frame, 2 * i].item(), x[frame, 2 * i + 1].item()
            assert turned[frame, 2 * i].item() == pytest.approx(a * math.cos(angle) - b * math.sin(angle), abs=1e-6)
            assert turned[frame, 2 * i + 1].item() == pytest.approx(a * math.sin(angle) + b * math.cos(angle), abs=1e-6)
    assert torch.equal(turned[:, 32:], x[:, 32:])


def test_rotary_scores_depend_on_the_distance_of_frames_alone() -> None:
    q, k = noise((40,), 6).expand(50, 40), noise((40,), 7).expand(50, 40)
    scores = Rotary()(q) @ Rotary()(k).T
    torch.testing.assert_close(scores[1:, 1:], scores[:-1, :-1], atol=1e-4, rtol=0)
    assert (scores[0, 1:] - scores[1:, 0]).abs().max() > 0.1  # and on its sign


def temporal(channels: int = 66, heads: int = 2) -> TemporalAttention:
    made = TemporalAttention(channels, heads).requires_grad_(False)
    made.load_state_dict(state(made.state_dict()))
    return made


def test_temporal_attention_is_a_softmax_of_scaled_turned_scores_and_bias() -> None:
    attention, x = temporal(), noise((1, 5, 66), 8)
    q, k, v = (to(x)[0].reshape(5, 2, 33) for to in (attention.to_q, attention.to_k, attention.to_v))
    rows = []
    for i in range(5):
        heads = []
        for h in range(2):
            turned_q, turned_k = attention.rotary_emb(q[:, h]), attention.rotary_emb(k[:, h])
            table = attention.time_rel_pos_bias.relative_attention_bias.weight[:, h]
            scores = [
                sum((turned_q[i, c] * turned_k[j, c]).item() for c in range(33)) / math.sqrt(33)
                + table[i - j if j <= i else 16 + j - i].item()
                for j in range(5)
            ]
            total = sum(math.exp(score) for score in scores)
            heads.append(sum(math.exp(score) / total * v[j, h] for j, score in enumerate(scores)))
        rows.append(attention.to_out[0](torch.cat(heads)))
    torch.testing.assert_close(attention(x)[0], torch.stack(rows), atol=1e-5, rtol=0)


def test_norms_before_attention_add_1e_6_to_the_variance_and_all_others_norm_eps() -> None:
    norms = {name: module for name, module in network(TINY).named_modules() if isinstance(module, torch.nn.GroupNorm)}
    assert len(norms) == 11 * 2 + 7 + 1  # of eleven residual blocks, seven attention blocks and the end
    assert {norm.eps for name, norm in norms.items() if ".attentions." in name} == {1e-6}
    assert {norm.eps for name, norm in norms.items() if ".attentions." not in name} == {0.03}


def test_time_is_told_by_cosines_then_sines() -> None:
    found = sinusoids(torch.tensor([5, 731]), 6)
    rates = [1, 10000 ** (-1 / 3), 10000 ** (-2 / 3)]
    by_hand = [[f(t * rate) for f in (math.cos, math.sin) for rate in rates] for t in (5, 731)]
    torch.testing.assert_close(found, torch.tensor(by_hand), atol=1e-4, rtol=0)


# Windows.


@pytest.mark.parametrize(
    ("frames", "windows", "expected"),
    [
        (16, (16, 4), [(0, 16)]),
        (5, (16, 4), [(0, 5)]),
        (24, (16, 4), [(0, 16), (4, 20), (8, 24)]),
        (11, (4, 3), [(0, 4), (3, 7), (6, 10), (7, 11)]),
    ],
)
def test_windows_advance_by_the_stride_and_reach_the_last_frame(
    frames: int, windows: tuple[int, int], expected: list[tuple[int, int]]
) -> None:
    assert spans(frames, windows) == expected


@pytest.mark.parametrize(("frames", "windows"), [(24, (16, 4)), (11, (4, 3)), (9, (5, 2)), (3, (8, 1)), (6, (1, 1))])
def test_shares_of_windows_sum_to_one_at_every_frame(frames: int, windows: tuple[int, int]) -> None:
    total = np.zeros(frames)
    for (start, stop), share in zip(spans(frames, windows), shares(frames, windows), strict=True):
        total[start:stop] += share
    assert total == pytest.approx(np.ones(frames))


def test_shares_are_in_the_ratio_of_triangles() -> None:
    # Frames 0 to 5 under the triangles 1 2 2 1 0 0 and 0 0 1 2 2 1.
    assert shares(6, (4, 2)) == [pytest.approx([1, 1, 2 / 3, 1 / 3]), pytest.approx([1 / 3, 2 / 3, 1, 1])]


def test_windowed_attention_is_attention_in_each_window_mixed_by_shares() -> None:
    attention, x = temporal(), noise((3, 7, 66), 9)
    mixed = torch.zeros_like(x)
    for (start, stop), share in zip(spans(7, (4, 2)), shares(7, (4, 2)), strict=True):
        mixed[:, start:stop] += attention(x[:, start:stop]) * torch.tensor(share)[:, None]
    torch.testing.assert_close(attention(x, (4, 2)), mixed, atol=1e-5, rtol=0)


@pytest.mark.parametrize("windows", [(7, 3), (20, 1)])
def test_one_window_over_all_frames_is_plain_attention(windows: tuple[int, int]) -> None:
    made = network()
    torch.testing.assert_close(made(*inputs(), windows=windows), made(*inputs()), atol=1e-5, rtol=0)


def test_narrow_windows_are_another_network() -> None:
    made = network()
    assert (made(*inputs(), windows=(4, 2)) - made(*inputs())).abs().max() > 0.01


# The whole.


def test_slices_change_nothing() -> None:
    made = network()
    whole = made(*inputs())
    for size in (1, 5, 100):
        torch.testing.assert_close(made(*inputs(), attention_slice=size), whole, atol=1e-5, rtol=0)


def test_a_row_is_the_same_alone_and_among_others() -> None:
    made, (sample, timestep, states) = network(), inputs(3)
    whole = made(sample, timestep, states, windows=(3, 2), attention_slice=2)
    for i in range(3):
        row = slice(i, i + 1)
        alone = made(sample[row], timestep[row], states[row], windows=(3, 2), attention_slice=2)
        torch.testing.assert_close(whole[row], alone, atol=1e-5, rtol=0)


def test_one_time_is_every_rows() -> None:
    made, (sample, _, states) = network(), inputs(2)
    one, each = (made(sample, torch.tensor(t), states) for t in ([37], [37, 37]))
    assert torch.equal(one, each)
    assert one.shape == (2, 5, 7, 7, 6)


@pytest.mark.parametrize(("dtype", "error"), [(torch.float16, 0.02), (torch.bfloat16, 0.15)])
def test_half_precision_is_near(dtype: torch.dtype, error: float) -> None:
    sample, timestep, states = inputs(1, 4)
    exact = network()(sample, timestep, states, windows=(3, 1))
    narrow = copy.deepcopy(network()).to(dtype)
    half = narrow(sample.to(dtype), timestep, states.to(dtype), windows=(3, 1))
    assert half.dtype == dtype
    assert (half.float() - exact).abs().max() < error * exact.abs().max()


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"sample": torch.zeros(2, 4, 7, 7, 6)}, r"sample must be \(rows, 3, frames, h, w\)"),
        ({"sample": torch.zeros(2, 3, 7, 6)}, r"got \(2, 3, 7, 6\)"),
        ({"timestep": torch.tensor([1, 2, 3])}, r"timestep must be \(2,\) or \(1,\)"),
        ({"states": torch.zeros(1, 4, 12)}, r"states must be \(2, tokens, 12\)"),
        ({"states": torch.zeros(2, 4, 13)}, r"states must be \(2, tokens, 12\)"),
        ({"windows": (4, 5)}, "no more than their length"),
        ({"windows": (0, 0)}, "advance by 1 frame or more"),
        ({"attention_slice": 0}, "attention_slice must be 1 or more"),
    ],
)
def test_what_does_not_fit_is_refused(change: dict[str, Any], told: str) -> None:
    sample, timestep, states = inputs()
    with pytest.raises(ValueError, match=told):
        network()(**{"sample": sample, "timestep": timestep, "states": states} | change)
