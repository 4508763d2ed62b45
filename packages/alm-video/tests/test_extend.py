"""What a verb gives back: the clip as it was, as many frames more, made window by window beside what is known."""

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from alm_core import ALM, FixedNoise, Independent, Method, SyncSDE
from alm_core.fusions import MultiDiffusion, StochSync, SyncTweedies
from alm_video import Film, FreeNoise, Result, extend, generate, inbetween
from alm_video.latent import pixels_of
from alm_video.make import Canvas
from alm_video.priors import Defaults
from alm_video.windows import free
from fake_video import Counting, Fake, clip

WAYS = [ALM(), SyncSDE(), MultiDiffusion(), SyncTweedies(), StochSync(), FreeNoise(8, 4)]


def every(result: Result) -> np.ndarray:
    frames = result.all()
    assert frames.dtype == np.uint8
    assert frames.shape == (result.count, result.height, result.width, 3)
    return frames


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("frames", [1, 3, 8, 21])
def test_a_clip_is_kept_and_continued(way: Method, frames: int) -> None:
    film = clip()
    after = every(extend(film, frames, prior=Fake(), method=way))
    assert len(after) == 12 + frames
    assert np.array_equal(after[:12], film.frames())
    before = every(extend(film, frames, where="before", prior=Fake(), method=way))
    assert np.array_equal(before[frames:], film.frames())
    loop = extend(film, frames, loop=True, prior=Fake(), method=way)
    assert np.array_equal(every(loop)[:12], film.frames())
    assert loop.made == range(12, 12 + frames)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("frames", [1, 4, 11])
def test_clips_are_kept_and_joined(way: Method, frames: int) -> None:
    first, second = clip(9), clip(7, seed=1)
    result = inbetween(first, second, frames, prior=Fake(), method=way)
    whole = every(result)
    assert result.made == range(9, 9 + frames)
    assert np.array_equal(whole[:9], first.frames())
    assert np.array_equal(whole[9 + frames :], second.frames())


def test_what_is_made_goes_on_from_the_clip_at_both_its_ends() -> None:
    dark, light = (Film.of(np.full((12, 6, 10, 3), level, np.uint8), 12) for level in (40, 210))
    options = {"prior": Fake(), "steps": 20}

    def levels(result: Result) -> np.ndarray:
        return every(result)[result.made.start : result.made.stop].mean((1, 2, 3))

    near, far = levels(extend(light, 12, **options)), levels(extend(dark, 12, **options))
    assert near[0] > far[0] + 40
    back = levels(extend(light, 12, where="before", **options))
    assert back[-1] > far[0] + 40
    between = levels(inbetween(dark, light, 4, **options))
    assert between[-1] > between[0] + 20
    around = levels(inbetween(light, dark, 4, **options))
    assert around[0] > around[-1] + 20


@pytest.mark.parametrize(
    "verb",
    [
        lambda **o: extend(clip(), 21, **o),
        lambda **o: extend(clip(), 21, where="before", **o),
        lambda **o: extend(clip(), 21, loop=True, **o),
        lambda **o: inbetween(clip(9), clip(7, seed=1), 21, **o),
        lambda **o: generate(30, **o),
        lambda **o: generate(30, loop=True, **o),
    ],
)
@pytest.mark.parametrize("method", [ALM(), SyncSDE()])
@pytest.mark.parametrize("later_on_top", [False, True])
def test_windows_together_make_the_same_in_fewer_calls(
    verb: Callable[..., Result], method: Method, later_on_top: bool
) -> None:
    options = {"prior": Fake(), "method": method, "later_on_top": later_on_top}
    alone, together = verb(**options), verb(together=4, **options)
    assert np.abs(every(alone).astype(int) - every(together)).max() <= 1
    assert together.calls < alone.calls
    assert together.evaluations == alone.evaluations


def test_the_paper_s_video_is_twelve_windows_of_sixteen() -> None:
    prior = Fake(defaults=Defaults(2, ALM(), replace(Fake()).defaults.reference))
    result = generate(104, prior=prior)
    assert len(every(result)) == 104
    assert set(prior.shapes) == {(1, 3, 16, 6, 10), (2, 3, 16, 6, 10)}
    # ALM's two calls a step, but for the first window, which observes nothing, and the step where σ_t is 0.
    assert result.calls == 2 * 1 + 11 * (2 * 1 + 1)


def test_prompts_hold_from_a_made_frame_on() -> None:
    prior = Fake()
    every(generate(24, prior=prior, method=Independent(), prompts={0: "a", 10: "bb", 20: "ccc"}))
    told = [each for (each,) in prior.told]
    assert [told[i] for i in range(0, len(told), 4)] == ["a", "bb", "bb", "bb", "ccc"]
    prior = Fake()
    told = {"method": Independent(), "prompts": {0: "A", 8: "B"}}
    every(extend(clip(), 16, where="before", prior=prior, **told))
    assert [each for (each,) in prior.told] == ["B"] * 8 + ["A"] * 8, "windows go back, prompts do not"
    prior = Fake()
    every(extend(clip(), 8, prior=prior, method=Independent(), prompts={4: "later"}))
    assert [each for (each,) in prior.told] == [""] * 4 + ["later"] * 4


def test_seeds_tell_results_apart() -> None:
    one, same, other = (every(extend(clip(), 5, prior=Fake(), seed=seed)) for seed in (3, 3, 4))
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)


def test_a_film_is_made_while_it_is_read() -> None:
    asked: list[tuple[int, int]] = []
    film = clip()

    def read(start: int, stop: int):  # type: ignore[no-untyped-def]
        asked.append((start, stop))
        return film.read(start, stop)

    prior = Fake()
    result = extend(replace(film, read=read), 20, prior=prior)
    assert not prior.told, "nothing is made before it is asked for"
    frames = iter(result)
    for _ in range(12):
        next(frames)
    assert not prior.told
    next(frames)
    first = len(prior.told)
    assert 0 < first < 5 * 2 * 4, "one window at a time"
    assert len(list(frames)) == 19
    assert asked == [(8, 12), (0, 12)], "of the clip no more is held than a window sees"


def test_a_prior_made_from_the_clip_gets_its_frames_beside_what_is_made() -> None:
    film, second = clip(12), clip(9, seed=1)
    prior = Fake(remembers=6)
    every(extend(film, 4, prior=prior, method=ALM()))
    assert torch.equal(prior.known.pop(), pixels_of(film.frames(6, 12)))
    every(extend(film, 4, where="before", prior=prior, method=ALM()))
    assert torch.equal(prior.known.pop(), pixels_of(film.frames(0, 6)))
    every(inbetween(film, second, 4, prior=prior, method=ALM()))
    assert torch.equal(prior.known.pop(), pixels_of(second.frames(0, 3)))
    assert torch.equal(prior.known.pop(), pixels_of(film.frames(9, 12)))


@pytest.mark.parametrize("verb", ["after", "before", "between"])
def test_of_latents_that_hold_several_frames_the_right_ones_are_shown(verb: str) -> None:
    """Each frame of this model's state is decoded to its number: 1 frame of the first, 4 of each other."""
    prior, film, more = Counting(pace=4), clip(21), clip(17, seed=1)
    between = verb == "between"
    result = inbetween(film, more, 8, prior=prior) if between else extend(film, 7, where=verb, prior=prior)
    made = every(result)[result.made.start : result.made.stop, 0, 0, 0]
    # 6 or 4 frames of the clip's state go before; of 9 frames made before it the 2 that are too much come first.
    expected = {
        "after": [6, 6, 6, 6, 7, 7, 7],
        "before": [1, 1, 1, 2, 2, 2, 2],
        "between": [4, 4, 4, 4, 5, 5, 5, 5],
    }
    assert made.tolist() == expected[verb]


@pytest.mark.parametrize("count", [1, 3])
def test_a_clip_too_short_for_a_latent_to_lead_to_is_refused(count: int) -> None:
    with pytest.raises(ValueError, match=f"4 frames at a time: .* got {count}"):
        extend(clip(count), 8, where="before", prior=Counting(pace=4))
    with pytest.raises(ValueError, match=f"got {count}"):
        inbetween(clip(9), clip(count), 8, prior=Counting(pace=4))


def test_what_is_known_lies_where_the_model_is() -> None:
    canvas = Canvas(free(8, 4, 2), (3, 6, 10), None, None, (), 6, 10, torch.device("meta"))
    assert [each.device.type for each in canvas.known(0, 4)] == ["meta", "meta"]


def test_the_clip_is_fitted_to_the_model() -> None:
    large = clip(10, 24, 41)
    result = extend(large, 3, prior=Fake())
    assert (result.height, result.width) == (6, 10)
    result = extend(large, 3, height=12, prior=Fake())
    assert (result.height, result.width) == (12, 20)
    small = extend(clip(10, 4, 6), 3, prior=Fake(remembers=4), method=ALM())
    assert (small.height, small.width) == (4, 6)
    odd = extend(clip(10, 48, 53), 3, height=24, prior=Fake(remembers=4, multiple=1), method=ALM())
    assert (odd.height, odd.width) == (24, 26), "a width that is chosen is even"
    own = extend(clip(10, 5, 7), 3, prior=Fake(remembers=4, multiple=1), method=ALM())
    assert (own.height, own.width) == (5, 7), "a clip's own size stays"
    joined = inbetween(large, clip(8, 30, 30), 3, prior=Fake())
    assert every(joined).shape == (21, 6, 10, 3)


def test_a_gap_is_made_at_once_where_the_model_can() -> None:
    wide = Fake(frames=40)
    every(inbetween(clip(20), clip(20, seed=1), 12, prior=wide))
    assert {shape[2] for shape in wide.shapes} == {20}, "12 frames, and 4 that are known on each side"
    every(inbetween(clip(20), clip(20, seed=1), 12, prior=wide, window=8))
    assert {shape[2] for shape in wide.shapes} == {20, 8}


def test_rates_and_sound_are_the_clip_s(tmp_path: Path) -> None:
    film = replace(clip(), sound=tmp_path / "song.mp4")
    after, before = extend(film, 6, prior=Fake()), extend(film, 6, where="before", prior=Fake())
    assert (after.fps, after.sound, after.sound_from) == (12, film.sound, 0.0)
    assert (before.sound, before.sound_from) == (film.sound, 0.5)
    made = generate(9, prior=Fake())
    assert (made.fps, made.sound) == (8, None)
    assert generate(9, fps=23.976, prior=Fake()).fps == Fraction(23976, 1000)


def test_progress_is_told_by_windows() -> None:
    seen: list[tuple[int, int, int]] = []
    every(extend(clip(), 12, prior=Fake(), on_step=lambda done, count, windows: seen.append((done, count, windows))))
    assert seen == [(n + 1, 12, 3) for n in range(12)]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"frames": 0}, "at least one frame"),
        ({"frames": -4}, "at least one frame"),
        ({"stride": 9, "window": 8}, "leave gaps .* give a stride below 8"),
        ({"stride": 8, "window": 8}, "see nothing of one another"),
        ({"window": 40}, "at most 16 frames at once"),
        ({"height": 0}, "height must be at least 1"),
        ({"method": MultiDiffusion(), "reference": FixedNoise()}, "no reference"),
        ({"method": FreeNoise(8, 4), "later_on_top": True}, "no window on top"),
        ({"where": "within"}, "after or before"),
        ({"where": "before", "loop": True}, "leave where out"),
        ({"height": 7}, "multiple of 2"),
        ({"steps": 0}, "steps must be 1 or more"),
        ({"together": 0}, "together must be 1 or more"),
        ({"prompt": "a", "prompts": {3: "b"}}, "not both"),
        ({"prompts": {-3: "b"}}, "count from 0"),
        ({"prompts": {4: "b"}}, "no prompt holds from frame 4 on"),
        ({"prompts": {0: "a", 2: "b"}, "method": FreeNoise(8, 4)}, "by one prompt"),
        ({"window": 1}, "window must be 2 or more"),
        ({"prompt": "refused"}, "no such prompt"),
        ({"seed": 2**63}, "63 bits"),
        ({"prior": Fake(remembers=4), "together": 2, "method": ALM()}, "one after another"),
        ({"prior": Fake(remembers=4), "method": MultiDiffusion()}, "one after another"),
        ({"prior": Fake(remembers=4), "method": FreeNoise()}, "one after another"),
    ],
)
def test_what_cannot_be_is_refused_before_any_work(options: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        extend(clip(), **{"frames": 4, "prior": Fake(), **options})  # type: ignore[arg-type]


def test_names_in_the_place_of_objects_are_told() -> None:
    for wrong in ({"method": "alm"}, {"reference": "inversion"}, {"prior": "exemplar"}):
        with pytest.raises(TypeError, match="got"):
            extend(clip(), 4, **wrong)  # type: ignore[arg-type]


def test_a_result_is_read_once() -> None:
    result = extend(clip(), 4, prior=Fake())
    result.all()
    with pytest.raises(ValueError, match="while it is read, once"):
        result.all()


def test_an_array_is_no_film() -> None:
    with pytest.raises(TypeError, match=r"Film\.of"):
        extend(clip().frames(), 4, prior=Fake())  # type: ignore[arg-type]


def test_seconds_count_what_is_made_before_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(1000))
    monkeypatch.setattr("time.perf_counter", lambda: float(next(clock)))
    result = extend(clip(), 4, prior=Fake())
    before = result.seconds
    assert before > 0
    result.all()
    assert result.seconds > before


def test_nothing_is_made_from_nothing_without_a_model() -> None:
    with pytest.raises(ValueError, match="makes video from a clip"):
        generate(16)
    with pytest.raises(ValueError, match="without rings"):
        generate(30, loop=True, prior=Fake(), method=FreeNoise())
    with pytest.raises(ValueError, match="at least one frame"):
        generate(0, prior=Fake())
    with pytest.raises(ValueError, match="frame rate"):
        generate(9, fps=0, prior=Fake())
