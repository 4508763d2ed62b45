"""The verbs on tiny models of every family, whose state is not their pixels: what is kept is kept at any pace."""

from itertools import pairwise

import numpy as np
import pytest
import tiny_video
import torch
from alm_core import ALM, Independent, SyncSDE
from alm_core.fusions import MultiDiffusion
from alm_video import FreeNoise, Result, extend, generate, inbetween
from alm_video.latent import first_states, last_states, pixels_of
from fake_video import clip

WAN, FRAMES = ["wan", "wan_patches"], ["lavie", "stable_diffusion"]


def options(name: str) -> dict[str, object]:
    """Small windows, few steps, and the smallest pictures."""
    prior = tiny_video.prior(name)
    return {"prior": prior, "window": 6, "stride": 3, "steps": 2, "height": 2 * prior.multiple, "prompt": "a"}


def film(name: str, count: int = 20, seed: int = 0):  # type: ignore[no-untyped-def]
    side = 2 * tiny_video.prior(name).multiple
    return clip(count, side, side, seed)


def every(result: Result) -> np.ndarray:
    frames = result.all()
    assert frames.shape == (result.count, result.height, result.width, 3)
    return frames


@pytest.mark.parametrize("name", [*WAN, *FRAMES])
@pytest.mark.parametrize("frames", [1, 7, 13])
def test_clips_are_kept(name: str, frames: int) -> None:
    given = film(name)
    after = every(extend(given, frames, **options(name)))
    assert np.array_equal(after[:20], given.frames())
    before = every(extend(given, frames, where="before", **options(name)))
    assert np.array_equal(before[frames:], given.frames())


@pytest.mark.parametrize("name", [*WAN, *FRAMES])
def test_gaps_are_closed(name: str) -> None:
    first, second = film(name), film(name, 18, 1)
    whole = every(inbetween(first, second, 8, **options(name)))
    assert np.array_equal(whole[:20], first.frames())
    assert np.array_equal(whole[28:], second.frames())
    loop = every(extend(first, 16, loop=True, **options(name)))
    assert np.array_equal(loop[:20], first.frames())
    assert len(loop) == 36


@pytest.mark.parametrize("name", [*WAN, *FRAMES])
def test_video_is_made_from_prompts(name: str) -> None:
    prior = tiny_video.prior(name)
    side = 2 * prior.multiple
    made = [every(generate(17, width=side, **{**options(name), "prompt": prompt})) for prompt in ("a", "b")]
    assert made[0].shape == (17, side, side, 3)
    assert (made[0] != made[1]).any()


@pytest.mark.parametrize("name", [*WAN, *FRAMES])
def test_sizes_are_the_model_s_multiples(name: str) -> None:
    prior = tiny_video.prior(name)
    for height, message in ((0, "1 pixel or more"), (prior.multiple + 1, f"multiples of {prior.multiple}")):
        with pytest.raises(ValueError, match=message):
            generate(9, **{**options(name), "height": height})


@pytest.mark.parametrize("name", [*WAN, *FRAMES])
def test_one_window_is_what_the_model_makes_by_itself(name: str) -> None:
    prior = tiny_video.prior(name)
    side = 2 * prior.multiple
    told = {"prior": prior, "window": 4, "stride": 3, "steps": 3, "prompt": "a", "seed": 7}
    frames = 1 + 3 * prior.pace
    made = every(generate(frames, height=side, width=side, method=Independent(), **told))
    shape = prior.state_shape(side, side)
    noise = torch.stack([tiny_video.Noise.batch(7, 1).draw(shape, 0, place) for place in range(4)], 2)
    level = prior.schedule(3, side, side, 4).levels
    y = noise
    for t, s in pairwise(level):
        p = prior.predict_guided(y, t, (prior.condition("a", ""),))
        y = s.a * p.x0 + s.s * p.eps
    expected = torch.cat(list(prior.decode([y])), 2)
    assert (torch.from_numpy(made).permute(3, 0, 1, 2) / 127.5 - 1 - expected[0].clamp(-1, 1)).abs().max() < 0.01


@pytest.mark.parametrize("name", WAN)
def test_a_gap_of_latents_that_hold_several_frames_is_a_multiple_of_them(name: str) -> None:
    with pytest.raises(ValueError, match="multiple of it, got 7: ask for 8"):
        inbetween(film(name), film(name, 18, 1), 7, **options(name))
    with pytest.raises(ValueError, match="see nothing of one another"):
        extend(film(name), 8, **{**options(name), "stride": 6})
    with pytest.raises(ValueError, match="no ring is closed"):
        generate(40, loop=True, **options(name))


@pytest.mark.parametrize("name", WAN)
def test_what_a_window_knows_is_the_clip_s_own_latents(name: str) -> None:
    prior, given = tiny_video.prior(name), film(name)
    whole = prior.encode(pixels_of(given.frames(3, 20)))
    assert torch.allclose(last_states(prior, given, 5), whole, atol=1e-5)
    stood = np.concatenate([given.frames(0, 1), given.frames(0, 12)])
    assert torch.allclose(first_states(prior, given, 3), prior.encode(pixels_of(stood))[:, :, 1:], atol=1e-5)


@pytest.mark.parametrize("name", [*WAN, *FRAMES])
@pytest.mark.parametrize("method", [ALM(), SyncSDE(), MultiDiffusion()])
def test_windows_together_make_the_same(name: str, method: object) -> None:
    given = {**options(name), "method": method}
    alone, together = (every(extend(film(name), 16, together=n, **given)) for n in (1, 3))
    assert np.abs(alone.astype(int) - together).max() <= 1


@pytest.mark.parametrize("name", FRAMES)
def test_freenoise_makes_all_at_once(name: str) -> None:
    result = extend(film(name), 9, **options(name), method=FreeNoise(6, 3))
    every(result)
    assert result.calls == 2


@pytest.mark.parametrize("name", WAN)
def test_freenoise_is_refused_where_attention_is_over_space_and_time(name: str) -> None:
    with pytest.raises(ValueError, match="cannot be taken over windows"):
        extend(film(name), 9, **options(name), method=FreeNoise(6, 3))
