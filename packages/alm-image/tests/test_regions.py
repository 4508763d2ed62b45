"""Regional prompts: the equations by hand, masks that share the canvas, seeds, calls, models and wrong inputs."""

import json
from collections.abc import Callable
from importlib import import_module
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from alm_core import (
    ALM,
    DPS,
    FixedNoise,
    Independent,
    Method,
    Noise,
    RePaint,
    Replacement,
    Schedule,
    SMCDiff,
    StochasticALM,
    SyncSDE,
)
from alm_core.couple import STRAND
from alm_core.fusions import Fusion, MultiDiffusion, StochSync, SyncTweedies, VisualAnagrams
from alm_core.sample import INITIAL
from alm_image import Hard, cli, load_prior, regions
from alm_image.layers import cells_of, read_regions, seen_of
from alm_image.priors.examples import Examples
from alm_image.verbs import common
from fakes import Fake
from PIL import Image
from torch import Tensor

Folder = Callable[[str], Path]
WAYS = [SyncSDE(), ALM(), StochasticALM(), RePaint(2), Replacement(), Independent(), MultiDiffusion(), SyncTweedies()]


def box(
    left: int, top: int, right: int, bottom: int, *, size: tuple[int, int] = (32, 32), grey: int = 255
) -> Image.Image:
    """A mask with a rectangle."""
    mask = Image.new("L", size)
    mask.paste(grey, (left, top, right, bottom))
    return mask


def soft(seed: int) -> Image.Image:
    """A mask of greys, black and white."""
    values = np.random.default_rng(seed).integers(-60, 320, (32, 32)).clip(0, 255)
    return Image.fromarray(values.astype(np.uint8))


class Open(Fake):
    """Keeps the states that it decodes, of which the last is the result."""

    seen: list[Tensor] = []  # noqa: RUF012

    def decode(self, state: Tensor) -> Tensor:
        self.seen.append(state)
        return super().decode(state)


def state_of(*arguments: object, **settings: object) -> Tensor:
    """The result before it is decoded."""
    regions(*arguments, prior=Open(), **settings)  # type: ignore[arg-type]
    return Open.seen.pop()


def area(mask: Image.Image) -> Tensor:
    """The means over cells of 4 × 4 pixels, (1, 8, 8), and black and white as `read_map` has them."""
    values = np.asarray(mask, np.float64) / 255
    values = np.where(values <= 8 / 255, 0, np.where(values >= 247 / 255, 1, values))
    return torch.tensor(values.reshape(8, 4, 8, 4).mean((1, 3)), dtype=torch.float32)[None]


def fine(mask: Image.Image) -> Tensor:
    """As `read_map`, float64 (32, 32)."""
    return read_regions([mask])[0, 0].double()


def coarse(values: Tensor) -> Tensor:
    return values.view(8, 4, 8, 4).mean((1, 3))[None].float()


def ddim(x: Tensor, mean: float, t: object, s: object) -> tuple[Tensor, Tensor]:
    """Of `Fake`'s Gaussian: x̂_0 and ε̂ at level t, by its formula."""
    eps = t.s * (x - t.a * mean) / (t.a**2 * 0.01 + t.s**2)  # type: ignore[attr-defined]
    return (x - t.s * eps) / t.a, eps  # type: ignore[attr-defined]


def test_two_soft_regions_are_equations_8_to_11_one_step_after_another() -> None:
    masks, prompts = [soft(1), soft(2)], (0.4, -0.7, 0.9, 0.05)
    got = state_of(
        "0.4", list(zip(masks, ("-0.7", "0.9"), strict=True)), prompt="0.05", steps=5, seed=11, method=SyncSDE(3.7)
    )
    m1, m2 = fine(masks[0]), fine(masks[1])
    own = [coarse(m1), coarse(m2)]
    seen = [coarse((1 - m1) * (1 - m2)), coarse(m1 * (1 - m2)), coarse(m2)]
    levels = Fake().schedule(5).levels
    y = [Noise.batch(11, 1).child(STRAND, j).draw((3, 8, 8), INITIAL) for j in range(4)]
    for t, s in pairwise(levels):
        gamma = s.a / t.a - s.s / t.s
        pull = min(gamma * 3.7 * t.t / levels[0].t, 1.0)
        plain = []
        for state, prompt in zip(y, prompts, strict=True):
            x0, eps = ddim(state, 0.2 + prompt, t, s)
            plain.append(s.a * x0 + s.s * eps)
        joined = sum(v * state for v, state in zip(seen, y, strict=False))
        y = [
            plain[0],
            plain[1] - pull * (1 - own[0]) * (y[1] - y[0]),
            plain[2] - pull * (1 - own[1]) * (y[2] - y[0]),
            plain[3] - pull * (y[3] - joined),
        ]
    torch.testing.assert_close(got, y[3], atol=1e-4, rtol=1e-4)


def test_multidiffusion_averages_the_steps_by_what_is_seen_of_each() -> None:
    masks = [soft(3), soft(4)]
    foregrounds = list(zip(masks, ("-0.7", "0.9"), strict=True))
    got = state_of("0.4", foregrounds, steps=4, seed=5, method=MultiDiffusion(0))
    m1, m2 = fine(masks[0]), fine(masks[1])
    seen = [coarse((1 - m1) * (1 - m2)), coarse(m1 * (1 - m2)), coarse(m2)]
    levels, y = Fake().schedule(4).levels, Noise.batch(5, 1).draw((3, 8, 8), INITIAL)
    for t, s in pairwise(levels):
        steps = []
        for prompt in (0.4, -0.7, 0.9):
            x0, eps = ddim(y, 0.2 + prompt, t, s)
            steps.append(s.a * x0 + s.s * eps)
        y = sum(v * step for v, step in zip(seen, steps, strict=True))
    torch.testing.assert_close(got, y, atol=1e-4, rtol=1e-4)


def test_synctweedies_is_equation_23_within_a_region_the_mean_with_the_background() -> None:
    mask = box(8, 4, 24, 28)
    got = state_of("0.4", [(mask, "-0.7")], steps=4, seed=5, method=SyncTweedies())
    inside = area(mask)
    levels, z = Fake().schedule(4).levels, Noise.batch(5, 1).draw((3, 8, 8), INITIAL)
    for t, s in pairwise(levels):
        w0, w1 = (ddim(z, 0.2 + prompt, t, s)[0] for prompt in (0.4, -0.7))
        x0 = (1 - inside) * w0 + inside * (w0 + w1) / 2
        z = s.a * x0 + s.s * (z - t.a * x0) / t.s
    torch.testing.assert_close(got, z, atol=1e-4, rtol=1e-4)


def test_the_shares_of_soft_masks_are_area_means_and_sum_to_1_on_the_grid_of_the_state() -> None:
    masks = read_regions([soft(5), soft(6), soft(7)])
    shares = cells_of(seen_of(masks), (4, 8, 8))
    torch.testing.assert_close(shares.sum(0), torch.ones(1, 8, 8))
    assert float(shares.min()) >= 0
    for mask, cells in zip((soft(5), soft(6), soft(7)), cells_of(masks, (4, 8, 8)), strict=True):
        torch.testing.assert_close(cells, area(mask))


def test_of_binary_masks_that_overlap_the_later_lies_on_top() -> None:
    seen = seen_of(read_regions([box(4, 4, 20, 20), box(12, 12, 28, 28)]))[:, 0]
    assert torch.equal(seen.sum(0), torch.ones(32, 32))
    assert [float(x[14, 14]) for x in seen] == [0, 0, 1]
    assert [float(x[6, 6]) for x in seen] == [0, 1, 0]
    assert [float(x[30, 2]) for x in seen] == [1, 0, 0]


@pytest.mark.parametrize("way", [Replacement(), MultiDiffusion()])
def test_each_part_shows_its_own_prompt(way: Method | Fusion) -> None:
    foregrounds = [(box(0, 0, 16, 32), "-0.8"), (box(8, 8, 24, 24), "0.6")]
    whole = {} if isinstance(way, Fusion) else {"prompt": "0"}
    image = regions("0", foregrounds, prior=Fake(), method=way, steps=20, seed=3, **whole).images[0]  # type: ignore[arg-type]
    values = np.asarray(image, np.float64) / 127.5 - 1
    background, first, second = values[24:, 24:].mean(), values[:8, :8].mean(), values[12:20, 10:22].mean()
    assert first < background < second


class Told(Fake):
    """Keeps the prompts that it is told, and answers for words."""

    prompts: list[str] = []  # noqa: RUF012

    def condition(self, prompt: str, negative_prompt: str, height: int, width: int) -> object:
        self.prompts.append(prompt)
        return 0.0


@pytest.mark.parametrize(
    ("prompt", "told"),
    [("", ["a beach", "a boat", "a beach, a boat"]), ("a boat at a beach", ["a beach", "a boat", "a boat at a beach"])],
)
def test_the_whole_has_a_prompt_of_all_joined_and_each_is_read_once(prompt: str, told: list[str]) -> None:
    Told.prompts.clear()
    two = [(box(0, 0, 9, 9), "a boat"), (box(16, 16, 25, 25), "a boat")]
    regions("a beach", two, prompt=prompt, prior=Told(), steps=1)
    assert Told.prompts == told
    Told.prompts.clear()
    regions("a beach", two, prior=Told(), steps=1, method=SyncTweedies())
    assert Told.prompts == told[:2]


@pytest.mark.parametrize("way", WAYS, ids=lambda way: type(way).__name__)
def test_variant_n_of_a_batch_is_what_its_seed_gives_alone(way: Method | Fusion) -> None:
    whole = {} if isinstance(way, Fusion) else {"prompt": "0.2"}
    made = {"foregrounds": [(soft(8), "0.5")], "prior": Fake(), "method": way, "steps": 4, **whole}
    batch = regions("-0.3", seed=20, count=3, **made).images  # type: ignore[arg-type]
    alone = regions("-0.3", seed=22, **made).images  # type: ignore[arg-type]
    off = np.asarray(batch[2]).astype(int) - np.asarray(alone[0]).astype(int)
    assert int(np.abs(off).max()) <= 1
    assert not np.array_equal(np.asarray(batch[0]), np.asarray(batch[1]))


@pytest.mark.parametrize(
    ("way", "together", "calls", "rows"),
    [
        (SyncSDE(), 1, 4, 4),
        (SyncSDE(), 4, 2, 4),
        (SyncTweedies(), 1, 3, 3),
        (MultiDiffusion(), 3, 1, 3),
        (RePaint(2), 2, 6, 8),
    ],
)
def test_calls_and_rows_are_counted_for_a_step(way: Method | Fusion, together: int, calls: int, rows: int) -> None:
    two = [(box(0, 0, 9, 9), "0.1"), (box(16, 16, 25, 25), "0.2")]
    whole = {} if isinstance(way, Fusion) else {"prompt": "0.3"}
    result = regions("0", two, prior=Fake(), method=way, steps=3, together=together, count=2, **whole)  # type: ignore[arg-type]
    assert (result.calls, result.evaluations) == (3 * calls, 3 * rows)
    assert (result.kept_error, result.band, result.source.width) == (0, 0, 32)
    assert not result.kept.any()


def test_the_result_says_its_method_which_is_syncsde_for_networks() -> None:
    assert regions("0", [(soft(1), "1")], prompt="0", prior=Fake(), steps=2).method == repr(SyncSDE())


@pytest.mark.parametrize(
    ("steps", "given", "used"), [(50, None, 20), (100, None, 20), (10, None, 4), (1, None, 0), (4, 3, 3), (4, 0, 0)]
)
def test_bootstrapping_takes_20_of_50_steps_and_fewer_of_fewer(steps: int, given: int | None, used: int) -> None:
    result = regions("0", [(soft(1), "1")], prior=Fake(), method=MultiDiffusion(), steps=steps, bootstrap=given)
    assert result.method == repr(MultiDiffusion(used))


def test_bootstrapping_shows_a_region_before_plain_colours_that_are_encoded_once() -> None:
    encoded: list[Tensor] = []
    asked: list[Tensor] = []

    class Watched(Fake):
        def encode(self, pixels: Tensor) -> Tensor:
            encoded.append(pixels)
            return super().encode(pixels)

        def predict(self, x_t, level, conditions):  # type: ignore[no-untyped-def]
            asked.append((x_t, level, conditions))  # type: ignore[arg-type]
            return super().predict(x_t, level, conditions)

    mask = box(8, 8, 16, 16)
    regions("0", [(mask, "0.7")], prior=Watched(), method=MultiDiffusion(), steps=6, bootstrap=2, count=2, seed=4)
    assert [tuple(pixels.shape) for pixels in encoded] == [(2, 3, 32, 32)] * 2
    start, outside = Noise.batch(4, 2).draw((3, 8, 8), INITIAL), area(mask) == 0
    first = [(x_t, level) for x_t, level, conditions in asked if conditions[0] == 0.7]
    for index, pixels in enumerate(encoded):
        x_t, level = first[index]
        colour = pixels[:, :, :1, :1]
        assert torch.equal(pixels, colour.expand_as(pixels))
        torch.testing.assert_close(
            torch.where(outside, x_t, 0), torch.where(outside, level.a * colour + level.s * start, 0)
        )
    background = [x_t for x_t, _, conditions in asked if conditions[0] == 0.0]
    for index in (2, 5):
        assert torch.equal(first[index][0], background[index])


def test_a_picture_may_have_another_size_than_the_masks() -> None:
    made = {"foregrounds": [(box(0, 0, 20, 10, size=(60, 40)), "0.4")], "prior": Fake(), "steps": 1, "prompt": "0"}
    for size, expected in (((48, 64), (64, 48)), ((32, None), (48, 32)), ((None, 24), (24, 16))):
        height, width = size
        assert regions("0", height=height, width=width, **made).images[0].size == expected  # type: ignore[arg-type]


def test_a_preview_is_of_the_whole_picture_and_of_the_first_variant() -> None:
    for way, prompt in ((SyncSDE(), "0.1"), (SyncTweedies(), "")):
        seen: list[tuple[int, int, tuple[int, ...]]] = []
        regions(
            "0",
            [(soft(1), "0.5")],
            prior=Fake(),
            prompt=prompt,
            method=way,
            steps=3,
            count=2,
            on_step=lambda i, n, pixels, seen=seen: seen.append((i, n, tuple(pixels().shape))),
        )
        assert seen == [(i, 3, (1, 3, 32, 32)) for i in (1, 2, 3)]


def test_without_coupling_the_whole_ignores_the_regions() -> None:
    one, other = (
        regions(b, [(soft(1), f)], prompt="0.1", prior=Fake(), method=Independent(), steps=3).images[0]
        for b, f in (("0.9", "-0.9"), ("-0.9", "0.9"))
    )
    assert np.array_equal(np.asarray(one), np.asarray(other))


MASK = box(8, 8, 24, 24)


@pytest.mark.parametrize(
    ("foregrounds", "settings", "reason"),
    [
        ([], {}, "at least one region"),
        ([(Image.new("L", (32, 32)), "1")], {}, "region 1 is empty"),
        ([(MASK, "1"), (Image.new("L", (32, 32), 255), "1")], {}, "region 2 is full"),
        (
            [(MASK, "1"), (box(0, 0, 8, 8, size=(40, 32)), "1")],
            {},
            "one size: that of region 1 is 32 x 32, of region 2",
        ),
        ([(MASK, "1"), (box(4, 4, 28, 28), "2")], {}, "region 1 lies wholly under later ones"),
        ([(MASK, "1")], {"height": 30, "width": 28}, "multiples of 4, got 30 and 28: give --height 32 --width 28"),
        ([(MASK, "1")], {"height": 0}, "the height must be 1 or more, got 0"),
        ([(MASK, "1")], {"height": 4, "width": -1}, "the width must be 1 or more, got -1"),
        ([("m1.png",)], {}, r"a region is a mask and its prompt, .mask, prompt.: region 1 is \('m1.png',\)"),
        ([(MASK, "1"), "m1"], {}, "region 2 is 'm1'"),
        ([(None, "1")], {}, "a file's name or a PIL picture, and a text: region 1 is None and '1'"),
        ([(MASK, "1")], {"reference": FixedNoise()}, "no reference, since nothing is given"),
        ([(MASK, "1")], {"blend": Hard()}, "no blend, since nothing is pasted"),
        ([(MASK, "1")], {"bootstrap": 3}, "MultiDiffusion's, got 3 for SyncSDE"),
        ([(MASK, "1")], {"bootstrap": -1, "method": MultiDiffusion()}, "bootstrap must be 0 or more"),
        ([(MASK, "1")], {"method": DPS()}, "DPS cannot make regions"),
        ([(MASK, "1")], {"method": SMCDiff(2)}, "SMCDiff cannot make regions"),
        ([(MASK, "1")], {"method": ALM(imputation=True)}, "ALM cannot make regions"),
        ([(MASK, "1")], {"method": StochSync()}, "StochSync joins views"),
        ([(MASK, "1")], {"method": VisualAnagrams()}, "VisualAnagrams joins views"),
        ([(MASK, "1")], {"method": SyncTweedies(), "prompt": "2"}, "SyncTweedies has no trajectory of the whole"),
        ([(MASK, "1")], {"prior": Fake(fixed_size=True, size=64)}, "pictures of 64 x 64 alone, got 32 x 32"),
    ],
)
def test_what_does_not_fit_is_refused_before_any_call(
    foregrounds: list[tuple[Image.Image, str]], settings: dict[str, object], reason: str
) -> None:
    class Idle(Fake):
        def predict(self, x_t, level, conditions):  # type: ignore[no-untyped-def]
            raise AssertionError("this is work")

    with pytest.raises((ValueError, TypeError), match=reason):
        regions("0", foregrounds, **{"prior": Idle(), "prompt": "", **settings})  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["stable_diffusion", "sdxl", "flux_dev"])
def test_models_of_every_kind_make_regions(folder: Folder, name: str) -> None:
    prior = load_prior(folder(name))
    mask = box(16, 16, 48, 64, size=(64, 64))
    for way, strands in ((SyncSDE(), 3), (MultiDiffusion(), 2)):
        result = regions("a beach", [(mask, "a boat")], prior=prior, method=way, steps=3, together=9)
        assert result.images[0].size == (64, 64)
        assert result.calls == 3 * (2 if strands == 3 else 1)
        assert result.evaluations == 3 * strands * prior.guided_rows


def test_an_unconditional_model_makes_regions_without_words() -> None:
    prior = load_prior("emoji")
    mask = box(0, 0, prior.size // 2, prior.size, size=(prior.size, prior.size))
    assert regions("", [(mask, "")], prior=prior, steps=2).images[0].size == (prior.size, prior.size)
    with pytest.raises(ValueError, match="takes no prompt, got 'a boat'"):
        regions("", [(mask, "a boat")], prior=prior)


def test_without_a_model_prompts_are_pictures(tmp_path: Path) -> None:
    for name, colour in (("red", (200, 30, 30)), ("blue", (30, 30, 200))):
        noise = np.random.default_rng(len(name)).integers(-20, 20, (12, 12, 3))
        Image.fromarray((np.array(colour) + noise).astype(np.uint8)).save(tmp_path / f"{name}.png")
    mask = box(4, 4, 12, 12, size=(16, 16))
    result = regions(f"{tmp_path}/red.png", [(mask, f"{tmp_path}/blue.png")], steps=8)
    assert result.method == repr(Replacement())
    made = np.asarray(result.images[0]).astype(int)
    assert made[6:10, 6:10, 2].mean() > made[6:10, 6:10, 0].mean() + 60
    assert made[:2, :, 0].mean() > made[:2, :, 2].mean() + 60


@pytest.fixture
def job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The arguments of a small job in an empty folder; `--model fake` and `--model numbers` are stand-ins."""
    real = common.load_prior
    known = {"fake": Told(), "numbers": Fake()}
    monkeypatch.setattr(common, "load_prior", lambda name, **options: known.get(name) or real(name, **options))
    for name in ("a", "b"):
        Image.fromarray(np.random.default_rng(1).integers(0, 255, (9, 9, 3), np.uint8)).save(tmp_path / f"{name}.png")
    masks = {"m": box(4, 4, 16, 16), "n": box(12, 12, 28, 28), "full": Image.new("L", (32, 32), 255)}
    masks |= {"empty": Image.new("L", (32, 32)), "wide": box(0, 0, 9, 9, size=(36, 32))}
    for name, mask in masks.items():
        mask.save(tmp_path / f"{name}.png")
    clear = Image.new("RGBA", (9, 9))
    clear.save(tmp_path / "clear.png")
    return [
        "regions",
        "--background",
        "a beach",
        "--region",
        f"{tmp_path}/m.png",
        "a boat",
        "-o",
        f"{tmp_path}/out.png",
    ]


def test_the_command_makes_a_picture(job: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    more = ["--region", f"{tmp_path}/n.png", "a gull", "--prompt", "a boat and a gull", "--height", "48"]
    options = ["--model", "fake", "--steps", "3", "--json", "--save-steps", f"{tmp_path}/steps", "--count", "2"]
    assert cli.main([*job, *more, *options]) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["method"], report["evaluations"], report["kept_error"]) == ("SyncSDE(strength=5.0)", 12, 0)
    assert [Image.open(path).size for path in report["output"]] == [(48, 48)] * 2
    assert len(list((tmp_path / "steps").iterdir())) == 3


def test_the_command_makes_a_picture_of_pictures(job: list[str], tmp_path: Path) -> None:
    job[2], job[5] = f"{tmp_path}/a.png", f"{tmp_path}/b.png"
    assert cli.main([*job, "--steps", "2", "--height", "12"]) == 0
    assert Image.open(tmp_path / "out.png").size == (12, 12)


def test_a_strength_alone_is_that_of_syncsde(job: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([*job, "--model", "fake", "--steps", "2", "--strength", "3", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["method"] == "SyncSDE(strength=3.0)"


def test_the_command_bootstraps(job: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--model", "fake", "--steps", "4", "--method", "multidiffusion", "--bootstrap", "3", "--json"]
    assert cli.main([*job, *options]) == 0
    assert json.loads(capsys.readouterr().out)["method"] == "MultiDiffusion(bootstrap=3)"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({4: "{tmp}/none.png"}, "there is no mask at"),
        ({4: "{tmp}/empty.png"}, "region 1 is empty"),
        ({4: "{tmp}/full.png"}, "region 1 is full"),
        (
            {6: ["--region", "{tmp}/wide.png", "a gull", "-o"]},
            "one size: that of region 1 is 32 x 32, of region 2 36",
        ),
        ({6: ["--region", "{tmp}/m.png", "a gull", "-o"]}, "region 1 lies wholly under"),
        ({7: "{tmp}/m.png"}, "is an input"),
        ({2: "{tmp}/a.png", 5: "{tmp}/b.png", 7: "{tmp}/b.png"}, "is an input"),
        ({2: "a " * 150}, "and there is no picture 'a a a"),
        ({}, "and there is no picture 'a beach': give the name of one as the prompt, or name a text-to-image model"),
        ({2: ""}, "give the name of a picture as the prompt"),
        ({2: "{tmp}/clear.png", 5: "{tmp}/b.png"}, "has transparent parts"),
        ({2: "{tmp}/a.png", 5: "{tmp}/b.png", 6: ["--negative-prompt", "rain", "-o"]}, "have no negative prompt"),
        ({6: ["--guidance", "3", "-o"]}, "'examples' has no network"),
        ({6: ["--model", "emoji", "-o"]}, "takes no prompt, got 'a beach'"),
        ({2: "", 5: "", 6: ["--model", "emoji", "--height", "64", "-o"]}, "alone, got 64 x 64"),
        ({6: ["--model", "exemplar", "-o"]}, "here nothing is given: use --model examples"),
        ({6: ["--model", "fake", "--height", "30", "-o"]}, "multiples of 4, got 30"),
        ({6: ["--model", "fake", "--reference", "fixed", "-o"]}, "no reference, since nothing is given"),
        (
            {6: ["--model", "fake", "--w1", "2", "-o"]},
            "by default, which has no --w1: name a method that does, such as --method alm",
        ),
        (
            {6: ["--strength", "-1", "-o"]},
            "examples uses Replacement by default, which has no --strength: name a method that does, such as --method "
            "syncsde",
        ),
        ({6: ["--model", "fake", "--particles", "4", "-o"]}, "no method here has that, so leave it out"),
        ({6: ["--model", "fake", "--bootstrap", "2", "-o"]}, "MultiDiffusion's, got 2"),
        ({6: ["--model", "fake", "--method", "synctweedies", "--prompt", "x", "-o"]}, "no trajectory of the whole"),
        ({6: ["--model", "fake", "--steps", "0", "-o"]}, "steps must be 1 or more"),
    ],
)
def test_wrong_input_is_one_line_and_status_2(
    job: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    change: dict[int, str | list[str]],
    reason: str,
) -> None:
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.*")}
    for place, value in sorted(change.items(), reverse=True):
        job[place : place + 1] = [v.format(tmp=tmp_path) for v in ([value] if isinstance(value, str) else value)]
    assert cli.main(job) == 2
    out, err = capsys.readouterr()
    assert reason in err
    assert (out, err.count("\n")) == ("", 1)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*.*")} == before


@pytest.mark.parametrize(
    ("drop", "more"),
    [
        (slice(3, 6), []),
        (slice(1, 3), []),
        (slice(0, 0), ["--method", "stochsync"]),
        (slice(0, 0), ["--method", "dps"]),
    ],
)
def test_what_is_left_out_or_does_not_apply_is_one_line(
    job: list[str], drop: slice, more: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    job[drop] = []
    with pytest.raises(SystemExit) as stop:
        cli.main([*job, *more])
    assert (stop.value.code, capsys.readouterr().err.count("\n")) == (2, 1)


def test_regions_without_a_model_take_examples(monkeypatch: pytest.MonkeyPatch) -> None:
    module = import_module("alm_image.regions")
    used: list[object] = []
    monkeypatch.setattr(module, "size_of", lambda prior, *_: used.append(prior) or (_ for _ in ()).throw(KeyError()))
    with pytest.raises(KeyError):
        regions("a.png", [(MASK, "b.png")])
    assert isinstance(used[0], Examples)


def test_levels_are_those_of_the_size() -> None:
    asked: list[tuple[object, ...]] = []

    class Sized(Fake):
        def schedule(self, steps: int, *size: object) -> Schedule:  # type: ignore[override]
            asked.append(size)
            return super().schedule(steps)

    regions("0", [(MASK, "1")], prompt="0", prior=Sized(), height=32, width=48, steps=2)
    assert asked == [(32, 48)]
