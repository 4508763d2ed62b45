"""Ambiguous pictures: the update is SyncSDE's Eq. 7, 16 and 17, every view is exact, and wrong input is refused."""

import json
import math
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from alm_core import (
    ALM,
    Conditions,
    FixedNoise,
    Independent,
    Level,
    Noise,
    Prediction,
    RePaint,
    Replacement,
    StochasticALM,
    SyncSDE,
    sample,
)
from alm_core.fusions import MultiDiffusion, StochSync, SyncTweedies, VisualAnagrams
from alm_core.guidance import Condition
from alm_core.windowed import WINDOW
from alm_image import Hard, cli
from alm_image.anagram import anagram
from alm_image.priors import load_prior
from alm_image.priors.deepfloyd_two import Upscaler, load_upscaler, text_of
from alm_image.verbs import common
from alm_image.views import VIEWS, Disc, Flip, Jigsaw, Negate, Skew, Turn, View
from fakes import Fake
from PIL import Image
from torch import Tensor

FIRST, SECOND, THIRD = "0.4", "-0.6", "0.1"


def pixel(**changes: object) -> Fake:
    """A prior whose state is its pixels, 8 x 8."""
    return Fake(**{"size": 8, "multiple": 1, "smallest": 8, **changes})  # type: ignore[arg-type]


@dataclass(frozen=True)
class Slanted(Fake):
    """A prior that knows up from down and left from right, so that a view is not just the canvas over again."""

    slant: Tensor = field(default_factory=lambda: torch.linspace(-0.3, 0.4, 64).view(8, 8))

    def predict(self, x_t: Tensor, level: Level, conditions: Conditions) -> Prediction:
        plain = super().predict(x_t, level, conditions)
        return Prediction.from_x0(x_t, level, plain.x0 + 0.2 * self.slant)


def slanted() -> Slanted:
    return Slanted(size=8, multiple=1, smallest=8)


def floats(images: list[Image.Image]) -> list[Tensor]:
    return [torch.from_numpy(np.asarray(image, np.float32) / 127.5 - 1).permute(2, 0, 1) for image in images]


def nearly(image: Image.Image, state: Tensor) -> None:
    """An 8-bit picture against the state that it was made of."""
    (values,) = floats([image])
    assert float((values - state.clamp(-1, 1)).abs().max()) <= 0.5 / 127.5 + 1e-4


def own(prior: Fake, prompt: str, number: int, *, steps: int, seed: int = 0) -> Tensor:
    """What the prior makes of a prompt alone, from the noise of trajectory `number`."""
    noise = Noise.batch(seed, 1).child(WINDOW, number)
    conditions = (prior.condition(prompt, "", 8, 8),)
    schedule = prior.schedule(steps)
    return sample(prior, schedule, noise=noise, shape=(3, 8, 8), method=Independent(), conditions=conditions)[0]


@pytest.mark.parametrize("view", [Turn(-1), Turn(2), Flip(), Skew(), Negate(), Jigsaw(2), Disc()])
def test_syncsde_by_hand_for_two_trajectories(view: View) -> None:
    """One element at a time, in plain floats: Eq. 7 with P = 1 and X̃² = f(y¹), both before the step."""
    prior, steps, strength = slanted(), 3, 0.5
    levels = prior.schedule(steps).levels
    noise = Noise.batch(5, 1)
    one, two = (noise.child(WINDOW, n).draw((3, 8, 8), 0) for n in (0, 1))
    for t, s in pairwise(levels):
        seen = view.read(one).flatten().tolist()
        gamma = s.a / t.a - s.s / t.s
        pull = gamma * strength * t.t / levels[0].t
        assert 0 < pull < 1
        after = []
        for y, prompt in ((one, FIRST), (two, SECOND)):
            p = prior.predict(y, t, (float(prompt),))
            both = zip(p.x0.flatten().tolist(), p.eps.flatten().tolist(), strict=True)
            after.append([s.a * x + s.s * e for x, e in both])
        after[1] = [
            y_s - pull * (y_t - x_t) for y_s, y_t, x_t in zip(after[1], two.flatten().tolist(), seen, strict=True)
        ]
        one, two = (torch.tensor(values).view(1, 3, 8, 8) for values in after)
    result = anagram([FIRST, SECOND], [view], prior=prior, steps=steps, seed=5, method=SyncSDE(strength=strength))
    nearly(result.shown()[1], two[0])
    nearly(result.images[0], view.write(two, two)[0])


@pytest.mark.parametrize("view", VIEWS.values(), ids=VIEWS.keys())
def test_every_view_is_read_from_the_canvas_exactly(view: View) -> None:
    if view == Turn():
        return
    result = anagram([FIRST, SECOND], [view], prior=slanted(), steps=2)
    canvas = np.asarray(result.canvases[0]).astype(np.int16) * 2 - 255
    first, second = (np.asarray(image).astype(np.int16) * 2 - 255 for image in result.shown())
    assert np.array_equal(first, canvas)
    assert np.array_equal(np.asarray(result.images[0]), np.asarray(result.canvases[0]))
    back = view.write(torch.zeros(3, 8, 8), torch.from_numpy(second).permute(2, 0, 1))
    assert np.array_equal(back.permute(1, 2, 0).numpy(), canvas)


@pytest.mark.parametrize("method", [SyncSDE(strength=0), ALM(w1=0), Independent()])
def test_without_a_pull_the_result_is_the_last_prompts_own_sample(method: SyncSDE) -> None:
    prior = slanted()
    result = anagram([FIRST, SECOND], ["rotate-cw"], prior=prior, steps=4, seed=3, method=method)
    nearly(result.shown()[1], own(prior, SECOND, 1, steps=4, seed=3))


def test_a_stronger_pull_leads_to_the_first_prompt() -> None:
    means = []
    for strength in (0.0, 1.0, 3.0, 8.0):
        method = SyncSDE(strength=strength)
        result = anagram([FIRST, SECOND], ["flip-vertical"], prior=pixel(), steps=20, method=method)
        means.append(float(np.asarray(result.images[0]).mean()))
    alone = (0.2 + float(SECOND) + 1) * 127.5
    assert means == sorted(means)
    assert means[0] == pytest.approx(alone, abs=4)
    assert means[-1] > alone + 30  # of the 127.5 between the prompts: a narrow prior draws back at the end


def test_each_of_three_views_is_pulled_to_the_one_before_it_alone() -> None:
    """Eq. 17 names i − 1: with two strong pulls the third follows the second, whatever the first shows."""

    @dataclass(frozen=True)
    class Seen(SyncSDE):
        pulled: list[tuple[Tensor, Tensor]] = field(default_factory=list)

        def step(self, y_t, at):  # type: ignore[no-untyped-def]
            if at.observed is not None:
                assert float(at.observed.mask.abs().max()) == 0
                self.pulled.append((y_t, at.observed.x_t(0)))
            return super().step(y_t, at)

    method, views = Seen(strength=0.5), [Flip(), Negate(), Turn(1)]
    anagram([FIRST, SECOND, THIRD], views, prior=slanted(), steps=2, method=method)
    anagram([FIRST, SECOND, THIRD], views, prior=slanted(), steps=2, method=method, together=3)
    (two, _), (_, toward_two), *_ = method.pulled
    torch.testing.assert_close(toward_two, Turn(1).read(-two))
    batched = method.pulled[4]
    torch.testing.assert_close(batched[0][:1], two)
    torch.testing.assert_close(batched[1][1:], toward_two)


def test_alm_is_its_pull_alone_and_pays_one_call_for_it() -> None:
    """By hand for the last trajectory: y_s = DDIM(y_t) + w1 σ_t (X_t − y_t)."""
    prior, steps, w1 = slanted(), 3, 0.7
    levels, noise = prior.schedule(steps).levels, Noise.batch(0, 1)
    one, two = (noise.child(WINDOW, n).draw((3, 8, 8), 0) for n in (0, 1))
    for t, s in pairwise(levels):
        sigma = s.s / t.s * math.sqrt(max(1 - (t.a / s.a) ** 2, 0))
        of_one, of_two = (prior.predict(y, t, (float(p),)) for y, p in ((one, FIRST), (two, SECOND)))
        seen = one.rot90(2, (-2, -1))
        two = s.a * of_two.x0 + s.s * of_two.eps + min(w1 * sigma, 1) * (seen - two)
        one = s.a * of_one.x0 + s.s * of_one.eps
    result = anagram([FIRST, SECOND], ["rotate-180"], prior=prior, steps=steps, method=ALM(w1=w1))
    nearly(result.shown()[1], two[0])
    assert (result.evaluations, result.calls) == (6, 6)
    assert result.method == repr(ALM(w1=w1, off_last=1.0))


@pytest.mark.parametrize("fusion", [VisualAnagrams(), SyncTweedies(), MultiDiffusion(), StochSync(inner=2)])
def test_joint_methods_meet_in_the_middle(fusion: VisualAnagrams) -> None:
    image = anagram([FIRST, SECOND], ["rotate-cw"], prior=pixel(), steps=20, method=fusion).images[0]
    middle = (0.2 + (float(FIRST) + float(SECOND)) / 2 + 1) * 127.5
    reach = 70 if isinstance(fusion, StochSync) else 5  # it takes turns
    assert float(np.asarray(image).mean()) == pytest.approx(middle, abs=reach)


def test_visual_anagrams_by_hand_with_a_negative_view() -> None:
    prior, y = slanted(), Noise.batch(2, 1).draw((3, 8, 8), 0)
    levels = prior.schedule(3).levels
    for t, s in pairwise(levels):
        of_one, of_two = prior.predict(y, t, (float(FIRST),)), prior.predict(-y, t, (float(SECOND),))
        eps = (of_one.eps - of_two.eps) / 2
        y = s.a * (y - t.s * eps) / t.a + s.s * eps
    result = anagram([FIRST, SECOND], ["negate"], prior=prior, steps=3, seed=2, method=VisualAnagrams())
    nearly(result.images[0], y[0])


@pytest.mark.parametrize(
    ("method", "together", "rows", "calls"),
    [
        (SyncSDE(), 1, 15, 15),
        (SyncSDE(), 3, 15, 10),
        (VisualAnagrams(), 1, 15, 15),
        (VisualAnagrams(), 3, 15, 5),
        (VisualAnagrams(alternate=True), 1, 5, 5),
    ],
)
def test_network_calls_are_counted(method: SyncSDE, together: int, rows: int, calls: int) -> None:
    views = ["identity", "rotate-cw", "rotate-ccw"]
    result = anagram([FIRST, SECOND, THIRD], views, prior=pixel(), steps=5, count=2, method=method, together=together)
    assert (result.evaluations, result.calls) == (rows, calls)


@pytest.mark.parametrize("method", [SyncSDE(), ALM(eta=1), VisualAnagrams(), StochSync()])
def test_variant_n_is_what_its_seed_gives_alone(method: SyncSDE) -> None:
    batch = anagram([FIRST, SECOND], ["skew"], prior=slanted(), steps=3, count=3, seed=4, method=method)
    alone = anagram([FIRST, SECOND], ["skew"], prior=slanted(), steps=3, seed=6, method=method)
    assert np.array_equal(np.asarray(batch.images[2]), np.asarray(alone.images[0]))
    assert not np.array_equal(np.asarray(batch.images[1]), np.asarray(alone.images[0]))
    assert (batch.seed, len(batch.images)) == (4, 3)


def test_without_prompts_all_views_are_the_models_own() -> None:
    result = anagram(views=["rotate-180"], prior=pixel(), steps=3)
    assert result.views == (Turn(), Turn(2))
    told = anagram(["0", "0"], ["identity", "rotate-180"], prior=pixel(), steps=3)
    assert np.array_equal(np.asarray(told.images[0]), np.asarray(result.images[0]))


def test_a_single_name_is_one_view() -> None:
    found = anagram([FIRST, SECOND], "rotate-180", prior=pixel(), steps=1)
    assert found.views == (VIEWS["identity"], VIEWS["rotate-180"])


@pytest.mark.parametrize(("size", "fits"), [(30, False), (28, True)])
def test_a_jigsaw_leaves_no_rim(size: int, fits: bool) -> None:
    with nullcontext() if fits else pytest.raises(ValueError, match="30: give a size that is a multiple of 4"):
        anagram([FIRST, SECOND], "jigsaw", prior=pixel(), size=size, steps=1)


def test_out_of_memory_a_smaller_size_is_advised(
    job: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(name: str, **options: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(common, "load_prior", full)
    assert run(job) == 1
    assert "out of memory: try a smaller --size, --dtype bfloat16" in capsys.readouterr().err


def test_the_first_view_is_what_the_image_shows() -> None:
    result = anagram([FIRST, SECOND], ["rotate-cw", "flip-vertical"], prior=slanted(), steps=2)
    (canvas,) = result.canvases
    assert np.array_equal(np.asarray(result.images[0]), np.rot90(np.asarray(canvas), -1))
    assert np.array_equal(np.asarray(result.shown()[1]), np.asarray(canvas)[::-1])
    assert np.array_equal(np.asarray(result.animation()[0][0]), np.asarray(result.images[0]))


def test_a_latent_model_works_in_cells_and_shows_pixels() -> None:
    result = anagram([FIRST, SECOND], ["rotate-180"], prior=Fake(), steps=2)
    assert result.images[0].size == (32, 32)
    assert np.array_equal(np.asarray(result.shown()[1]), np.rot90(np.asarray(result.images[0]), 2))


def test_previews_are_as_the_first_view_shows_them() -> None:
    told: list[tuple[int, int, Tensor]] = []
    result = anagram(
        [FIRST, SECOND],
        ["rotate-cw", "identity"],
        prior=slanted(),
        steps=3,
        method=VisualAnagrams(),
        on_step=lambda index, count, pixels: told.append((index, count, pixels())),
    )
    assert [each[:2] for each in told] == [(1, 3), (2, 3), (3, 3)]
    nearly(result.images[0], told[-1][2][0])  # the last step goes to clean data: x̂_0 is the result


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"prompts": [FIRST]}, "two or more prompts are wanted"),
        ({"prompts": "a horse"}, "two or more prompts are wanted"),
        ({"views": ["skew", "identity", "negate"]}, "2 prompts want as many views"),
        ({"prompts": ["1", "2", "3"], "views": ["skew"]}, "3 prompts want as many views"),
        ({"views": ["identity"]}, "the views are all the same"),
        ({"prompts": [], "views": []}, "a view is wanted beside the picture as it is"),
        ({"views": ["turn"]}, "unknown view 'turn'"),
        ({"size": 9}, "the size must be a multiple of 4, got 9"),
        ({"size": 0}, "the size must be 1 or more, got 0"),
        ({"views": ["jigsaw"], "size": 24}, "a rim of a picture of 24: give a size that is a multiple of 16"),
        ({"prior": Fake(fixed_size=True), "size": 64}, "makes pictures of 32 x 32 alone, got 64"),
        ({"views": ["negate"]}, "works in latents"),
        ({"views": [Jigsaw(9)]}, "9 x 9 pieces wants as many pixels a side, got 8"),
        ({"method": RePaint()}, "RePaint completes a clean given part"),
        ({"method": Replacement()}, "Replacement completes"),
        ({"method": StochasticALM()}, "StochasticALM completes"),
        ({"method": ALM(imputation=True)}, "ALM with imputation completes"),
        ({"reference": FixedNoise()}, "leave reference out"),
        ({"blend": Hard()}, "leave blend out"),
        ({"prompt": "1"}, "leave prompt out"),
        ({"sync_upscaler": True}, "of an upscaler"),
        ({"noise_level": 3}, "of an upscaler"),
        ({"steps": 0}, "steps must be 1 or more"),
    ],
)
def test_what_makes_no_anagram_is_refused_before_any_work(change: dict[str, object], reason: str) -> None:
    class Idle(Fake):
        def predict(self, x_t, level, conditions):  # type: ignore[no-untyped-def]
            raise AssertionError("the network was called")

    given = {"prompts": [FIRST, SECOND], "views": ["rotate-180"], "prior": Idle(), **change}
    with pytest.raises((ValueError, TypeError), match=reason):
        anagram(**given)  # type: ignore[arg-type]


def test_an_unconditional_model_takes_no_prompt(folder: Callable[[str], Path]) -> None:
    prior = load_prior(folder("pixel_epsilon"))
    with pytest.raises(ValueError, match="is unconditional and takes no prompt"):
        anagram(["a", "b"], ["rotate-180"], prior=prior)
    assert anagram(views=["rotate-180"], prior=prior, steps=2).images[0].size == (16, 16)


def test_both_stages_of_deepfloyd_make_one_anagram(folder: Callable[[str], Path]) -> None:
    prior = load_prior(folder("deepfloyd"))
    two = load_upscaler(folder("deepfloyd_super_mute"), text=text_of(prior))
    told: list[tuple[int, int]] = []
    prompts, views = ["a red boat", "a tree"], ["rotate-cw"]

    def make(**options: object):  # type: ignore[no-untyped-def]
        return anagram(prompts, views, prior=prior, steps=2, **options)  # type: ignore[arg-type]

    small = make()
    large = make(upscaler=two, on_step=lambda index, count, pixels: told.append((index, count)))
    joined = make(upscaler=two, sync_upscaler=True)
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert (small.images[0].size, large.images[0].size) == ((16, 16), (32, 32))
    # Two views with guidance for two steps, then one view, or both.
    assert (small.evaluations, large.evaluations, joined.evaluations) == (8, 12, 16)
    assert (small.calls, large.calls, joined.calls) == (4, 6, 8)
    assert not np.array_equal(np.asarray(large.images[0]), np.asarray(joined.images[0]))
    assert not np.array_equal(np.asarray(large.images[0]), np.asarray(make(upscaler=two, noise_level=900).images[0]))
    with pytest.raises(ValueError, match="0 to 999, got 1000"):
        make(upscaler=two, noise_level=1000)


def test_the_paper_enlarges_the_last_view_alone(folder: Callable[[str], Path]) -> None:
    """By hand: the last view's small picture, enlarged under the last prompt, then taken back at the larger size."""

    def numbers(prompt: str, negative_prompt: str, height: int, width: int) -> Condition:
        """The letters of the tiny tokenizer hold no numbers."""
        states = Noise.batch(int(10 * float(prompt)), 1).draw((5, 32))[0]
        return Condition((3 * states,), (torch.zeros(5, 32),))

    loaded = load_upscaler(folder("deepfloyd_super"))
    two = Upscaler(replace(loaded.prior, text=numbers), loaded.levels)
    prior, view = pixel(), Turn(-1)
    small = anagram([FIRST, SECOND], [view], prior=prior, steps=2)
    large = anagram([FIRST, SECOND], [view], prior=prior, steps=2, upscaler=two)
    noise = Noise.batch(0, 1).child(5)
    exact = own_state(prior, view)
    noised = two.enlarged(view.read(exact), noise.child(5).draw((3, 32, 32)))
    made = sample(
        two.prior,
        two.prior.schedule(2),
        noise=noise,
        shape=(3, 32, 32),
        method=Independent(),
        conditions=two.condition(SECOND, "", noised),
    )
    nearly(small.images[0], exact[0])
    nearly(large.shown()[1], made[0])
    nearly(large.images[0], view.write(made, made)[0])


def own_state(prior: Fake, view: View) -> Tensor:
    """The canvas of `anagram` with two steps, before it is rounded."""
    told: list[Tensor] = []

    class Keeping(Fake):
        def decode(self, state: Tensor) -> Tensor:
            told.append(state)
            return super().decode(state)

    anagram([FIRST, SECOND], [view], prior=Keeping(size=8, multiple=1, smallest=8), steps=2)
    return told[-1].clamp(-1, 1)


def test_an_upscaler_that_enlarges_nothing_is_refused(folder: Callable[[str], Path]) -> None:
    two: Upscaler = load_upscaler(folder("deepfloyd_super"))
    with pytest.raises(ValueError, match="makes pictures of 32, no larger than 32"):
        anagram([FIRST, SECOND], ["rotate-180"], prior=Fake(), upscaler=two)


# The command line.


@pytest.fixture
def job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The arguments of a small job, where `--model fake` is quick."""
    real = common.load_prior
    fakes = {"fake": pixel(), "latent": Fake(), "slanted": slanted()}
    monkeypatch.setattr(common, "load_prior", lambda name, **options: fakes.get(name) or real(name, **options))
    words = f"anagram --prompt {FIRST} --view identity --prompt={SECOND} --view rotate-180 --model slanted --steps 2"
    return [*words.split(), "-o", f"{tmp_path}/both.png"]


def run(arguments: list[str], *more: str) -> int:
    return cli.main([*arguments, *more])


def test_all_files_are_written_and_named(
    job: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str], folder: Callable[[str], Path]
) -> None:
    more = ["--save-views", f"{tmp_path}/views", "--animate", f"{tmp_path}/turn.webp", "--json", "--seed", "3"]
    assert run(job, *more, "--save-steps", f"{tmp_path}/steps", "--upscaler", str(folder("deepfloyd_super"))) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["output"] == f"{tmp_path}/both.png"
    assert report["views"] == [f"{tmp_path}/views/both-view-{n}.png" for n in (1, 2)]
    assert report["animation"] == f"{tmp_path}/turn.webp"
    assert (report["seed"], report["calls"], report["method"]) == (3, 6, "SyncSDE(strength=5.0)")
    image, first, second = (np.asarray(Image.open(name)) for name in (report["output"], *report["views"]))
    assert image.shape == (32, 32, 3)
    assert np.array_equal(image, first)
    assert np.array_equal(np.rot90(image, 2), second)
    assert np.array_equal(np.asarray(Image.open(report["animation"]).convert("RGB")), image)
    assert sorted(p.name for p in (tmp_path / "steps").iterdir()) == [f"step-00{n}.png" for n in (1, 2, 3, 4)]


def test_variants_have_views_and_animations_of_their_own(
    job: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    more = ["--save-views", str(tmp_path), "--animate", f"{tmp_path}/turn.gif", "--json", "--count", "2"]
    assert run(job, *more) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["views"][1] == [f"{tmp_path}/both-2-view-{n}.png" for n in (1, 2)]
    assert report["animation"] == [f"{tmp_path}/turn-{n}.gif" for n in (1, 2)]
    assert {p.name for p in tmp_path.iterdir()} == {
        *(f"both-{n}.png" for n in (1, 2)),
        *(f"both-{n}-view-{k}.png" for n in (1, 2) for k in (1, 2)),
        *(f"turn-{n}.gif" for n in (1, 2)),
    }


def test_strength_and_method_reach_the_sampler(job: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    for more, wanted in (
        (["--strength", "2.5"], SyncSDE(strength=2.5)),
        (["--method", "alm", "--w1", "0.5"], ALM(w1=0.5, off_last=1.0)),
        (["--method", "visual-anagrams"], VisualAnagrams()),
    ):
        assert run(job, *more, "--json", "--overwrite") == 0
        assert json.loads(capsys.readouterr().out)["method"] == repr(wanted)


def test_example_pictures_are_the_default_prompts(tmp_path: Path) -> None:
    for name, seed in (("a", 0), ("b", 1)):
        values = np.random.default_rng(seed).integers(0, 256, (12, 12, 3), np.uint8)
        Image.fromarray(values).save(tmp_path / f"{name}.png")
    words = ["anagram", "--prompt", f"{tmp_path}/a.png", "--prompt", f"{tmp_path}/b.png", "--view", "skew"]
    assert run([*words, "--size", "12", "--steps", "2", "-o", f"{tmp_path}/out.png"]) == 0
    assert Image.open(tmp_path / "out.png").size == (12, 12)


def test_the_emoji_model_needs_no_prompt(tmp_path: Path) -> None:
    words = ["anagram", "--model", "emoji", "--view", "rotate-180", "--steps", "2", "-o", f"{tmp_path}/out.png"]
    assert run(words) == 0
    assert Image.open(tmp_path / "out.png").size[0] in (32, 64)


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        (
            ["--view", "skew"],
            "2 prompts want as many views, or one fewer where the first is the picture as it is: got 3",
        ),
        (["--prompt", "1", "--prompt", "2"], "4 prompts want as many views"),
        (["--view", "around"], "unknown view 'around'"),
        (["--size", "9", "--model", "latent"], "multiple of 4, got 9"),
        (["--size", "0"], "the size must be 1 or more, got 0"),
        (["--size", "64", "--model", "emoji"], "alone, got 64"),
        (["--model", "emoji"], "takes no prompt"),
        (["--model", "exemplar"], "here nothing is given: use --model examples"),
        (["--model", "examples"], "0.4"),
        (
            ["--model", "examples", "--prompt", "a " * 150, "--view", "skew", "-o", "{tmp}/there.png", "--overwrite"],
            "there is no picture",
        ),
        (["--animate", "{tmp}/turn.mp4"], "an animation must end in .gif or .webp, got 'turn.mp4'"),
        (["--animate", "{tmp}/there.gif"], "there.gif exists"),
        (["--animate", "{tmp}/none/turn.gif"], "make it first"),
        (["--animate", "{tmp}/turn.webp", "-o", "{tmp}/turn-1.webp"], "the same name"),
        (["-o", "{tmp}/there.png"], "there.png exists"),
        (["--save-views", "{tmp}/there.png"], "is a file"),
        (["--save-views", "{tmp}/none/views"], "does not exist: make it first"),
        (["--save-views", "{tmp}/views"], "both-view-2.png exists"),
        (["--reference", "fixed"], "leave --reference out"),
        (["--w1", "1"], "has no option 'w1'"),
        (["--strength", "-1"], "strength must be 0 or more"),
        (["--upscaler", "{tmp}/none"], "or connect and give a hub id such as DeepFloyd/IF-II-M-v1.0\n"),
        (["--upscaler", "{emoji}"], "wanted a DeepFloyd IF stage II"),
        (["--sync-upscaler"], "are of an upscaler"),
        (["--noise-level", "80"], "are of an upscaler"),
        (["--steps", "0"], "steps must be 1 or more"),
        (["--view", "negate", "--prompt", "1", "--model", "latent"], "works in latents"),
    ],
)
def test_wrong_input_is_one_line_and_status_2(
    job: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    folder: Callable[[str], Path],
    more: list[str],
    reason: str,
) -> None:
    for name in ("there.png", "there.gif"):
        (tmp_path / name).touch()
    (tmp_path / "views").mkdir()
    (tmp_path / "views" / "both-view-2.png").touch()
    before = sorted(tmp_path.rglob("*"))
    given = [word.format(tmp=tmp_path, emoji=folder("pixel_epsilon")) if "{" in word else word for word in more]
    assert run(job, *given) == 2
    out, err = capsys.readouterr()
    assert reason in err
    assert (out, err.count("\n")) == ("", 1)
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("flag", [["--method", "repaint"], ["--method", "stochastic-alm"], ["--size", "64x32"]])
def test_what_does_not_apply_is_no_choice(job: list[str], flag: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        run(job, *flag)
    assert stop.value.code == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_an_output_that_is_an_example_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Image.new("RGB", (12, 12)).save(tmp_path / "a.webp")
    words = ["anagram", "--prompt", f"{tmp_path}/a.webp", "--prompt", f"{tmp_path}/a.webp", "--view", "skew"]
    for more in (["-o", f"{tmp_path}/a.webp"], ["-o", f"{tmp_path}/b.png", "--animate", f"{tmp_path}/a.webp"]):
        assert run([*words, *more, "--overwrite"]) == 2
        assert "is an input" in capsys.readouterr().err


def test_an_output_that_is_an_example_with_a_plus_in_its_name_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    example = tmp_path / "b+c.png"
    Image.new("RGB", (12, 12), (1, 2, 3)).save(example)
    before = example.read_bytes()
    words = ["anagram", "--prompt", f"{example}", "--prompt", f"{example}", "--view", "skew", "--steps", "2"]
    assert run([*words, "-o", f"{example}", "--overwrite"]) == 2
    assert "is an input" in capsys.readouterr().err
    assert example.read_bytes() == before


@pytest.mark.parametrize(
    ("upscaler", "reason"), [("{tmp}/none", "there is no model folder"), ("{emoji}", "wanted a DeepFloyd IF stage II")]
)
def test_a_wrong_upscaler_is_refused_before_the_first_stage_is_loaded(
    job: list[str],
    tmp_path: Path,
    folder: Callable[[str], Path],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    upscaler: str,
    reason: str,
) -> None:
    def never(name: str, **options: object) -> None:
        raise AssertionError("the first stage was loaded")

    monkeypatch.setattr(common, "load_prior", never)
    assert run(job, "--upscaler", upscaler.format(tmp=tmp_path, emoji=folder("pixel_epsilon"))) == 2
    assert reason in capsys.readouterr().err


def test_where_one_file_cannot_be_written_none_is(
    job: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from alm_image import io

    def full(image: Image.Image, *args: object, **options: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(io, "QUALITY", {})  # the stills fail, after the animation was written aside
    with pytest.raises(KeyError):
        run(job, "--animate", f"{tmp_path}/turn.gif")
    assert not list(tmp_path.iterdir())
