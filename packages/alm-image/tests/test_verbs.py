"""The verbs on pictures of many sizes and modes: kept pixels are kept, holes filled, variants what seeds say."""

from dataclasses import dataclass
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import torch
from alm_core import (
    Conditions,
    FixedNoise,
    FreshNoise,
    Inversion,
    Level,
    Method,
    Noise,
    NotFiniteError,
    Prediction,
    SMCDiff,
    StochasticALM,
    SyncSDE,
)
from alm_core.fusions import Fusion, MultiDiffusion, StochSync, SyncTweedies
from alm_core.methods import Step
from alm_core.sample import INITIAL
from alm_image import Gaussian, Hard, Poisson, inpaint, outpaint, wide
from alm_image.blend import Blend, Membrane
from alm_image.complete import run
from fakes import Fake
from PIL import Image
from torch import Tensor
from torch.nn.functional import avg_pool2d

wide_module = import_module("alm_image.wide")
RANDOM = np.random.default_rng(1)


def picture(mode: str = "RGB", size: tuple[int, int] = (60, 44)) -> Image.Image:
    channels = len(Image.new(mode, (1, 1)).getbands())
    array = RANDOM.integers(0, 256, (size[1], size[0], channels), np.uint8)
    return Image.fromarray(array[..., 0] if channels == 1 else array)


def mask(size: tuple[int, int] = (60, 44), box: tuple[int, int, int, int] = (12, 9, 30, 25)) -> Image.Image:
    image = Image.new("L", size)
    image.paste(255, box)
    return image


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "LA"])
@pytest.mark.parametrize("blend", [Hard(), Gaussian(), Poisson()])
def test_inpainting_keeps_mode_size_and_kept_pixels(mode: str, blend: Blend) -> None:
    source, hole = picture(mode), mask()
    result = inpaint(source, hole, prior=Fake(), blend=blend)
    (image,) = result.images
    assert (image.mode, image.size) == (mode, source.size)
    assert result.kept_error == 0
    changed = np.asarray(image.convert("RGBA")) != np.asarray(source.convert("RGBA"))
    inside = np.asarray(hole) > 0
    assert changed[inside].any(-1).mean() > 0.9
    near = np.zeros_like(inside)
    near[8:26, 11:31] = True
    assert not changed[~near].any()


def test_the_hole_gets_what_the_prior_makes() -> None:
    result = inpaint(picture(), mask(), prior=Fake(mean=0.5), blend=Hard(), steps=20)
    inside = np.asarray(result.images[0])[9:25, 12:30]
    assert float(inside.mean()) == pytest.approx((0.5 + 1) * 127.5, abs=6)


class Mixing(Fake):
    """A codec that mixes neighbouring pixels, as an autoencoder does."""

    def encode(self, pixels):  # type: ignore[no-untyped-def]
        return super().encode(avg_pool2d(pixels, 9, 1, 4))


def test_what_stands_in_the_hole_does_not_matter() -> None:
    one = picture()
    other = one.copy()
    other.paste(picture(size=(18, 16)), (12, 9))
    method = SyncSDE(strength=50)
    first, second = (inpaint(image, mask(), prior=Mixing(), method=method).images[0] for image in (one, other))
    assert np.array_equal(np.asarray(first), np.asarray(second))


@pytest.mark.parametrize("blend", [Hard(), Gaussian(), Poisson(), Membrane()])
@pytest.mark.parametrize("edge", [10, 12])
def test_colours_under_full_transparency_are_not_taken_for_content(blend: Blend, edge: int) -> None:
    """Neither near the hole nor right beside it, where a blend looks for the hole's border."""
    one = picture("RGBA")
    alpha = Image.new("L", one.size, 255)
    alpha.paste(0, (0, 0, edge, 44))
    one.putalpha(alpha)
    other = one.copy()
    other.paste((255, 0, 255, 0), (0, 0, edge, 44))
    first, second = (np.asarray(inpaint(i, mask(), prior=Mixing(), blend=blend).images[0]) for i in (one, other))
    assert np.array_equal(first[:, edge:], second[:, edge:])


@pytest.mark.parametrize("blend", [Hard(), Poisson(), Membrane()])
@pytest.mark.parametrize("grey", [40, 192])
def test_a_soft_edge_is_mixed_when_pasting_and_whole_for_the_sampler(grey: int, blend: Blend) -> None:
    hard, soft = mask(), mask()
    soft.paste(grey, (12, 9, 18, 25))
    source = picture()
    full, part = (
        np.asarray(inpaint(source, m, prior=Fake(), blend=blend).images[0]).astype(float) for m in (hard, soft)
    )
    expected = np.asarray(source)[9:25, 12:18] * (1 - grey / 255) + full[9:25, 12:18] * (grey / 255)
    assert np.abs(part[9:25, 12:18] - expected).max() <= 1


def test_stochastic_methods_are_given_fresh_noise(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[object] = []
    complete_module = import_module("alm_image.complete")
    sampler = complete_module.sample
    monkeypatch.setattr(complete_module, "sample", lambda *a, **k: seen.append(k["reference"]) or sampler(*a, **k))
    inpaint(picture(), mask(), prior=Fake(), method=StochasticALM(), steps=2)
    inpaint(picture(), mask(), prior=Fake(), steps=2)
    assert seen == [FreshNoise(), FixedNoise()]


def test_kept_transparency_stays_as_it_was() -> None:
    """Also in the band where colours are mixed."""
    source = picture("RGBA")
    image = inpaint(source, mask(), prior=Fake(), blend=Gaussian()).images[0]
    kept = np.asarray(mask()) == 0
    assert np.array_equal(np.asarray(image)[kept, 3], np.asarray(source)[kept, 3])


@pytest.mark.parametrize("size", [(5, 7), (4, 9)])
def test_the_default_prior_fills_tiny_pictures(size: tuple[int, int]) -> None:
    assert inpaint(picture(size=size), mask(size, (1, 4, 3, 6)), steps=3).images[0].size == size


def test_the_result_tells_its_seed() -> None:
    assert inpaint(picture(), mask(), prior=Fake(), seed=11, steps=2).seed == 11


@pytest.mark.parametrize("seed", [2**63, -(2**63) - 1])
def test_a_seed_that_fits_no_integer_is_refused(seed: int) -> None:
    with pytest.raises(ValueError, match="63 bits"):
        inpaint(picture(), mask(), prior=Fake(), seed=seed)


def test_variant_n_of_a_batch_is_what_its_seed_gives_alone() -> None:
    source = picture()
    batch = inpaint(source, mask(), prior=Fake(), count=3, seed=4)
    alone = inpaint(source, mask(), prior=Fake(), seed=6)
    assert np.array_equal(np.asarray(batch.images[2]), np.asarray(alone.images[0]))
    assert not np.array_equal(np.asarray(batch.images[1]), np.asarray(alone.images[0]))
    assert batch.evaluations == alone.evaluations


def test_evaluations_are_counted_for_one_variant() -> None:
    result = inpaint(picture(), mask(), prior=Fake(), method=SyncSDE(), steps=5, count=2)
    assert (result.evaluations, result.calls) == (5, 5)


@pytest.mark.parametrize("tile", [False, True])
def test_a_hole_larger_than_the_model_is_filled(tile: bool) -> None:
    source, hole = picture(size=(150, 130)), mask((150, 130), (10, 12, 140, 120))
    result = inpaint(source, hole, prior=Fake(mean=-0.3), blend=Hard(), tile=tile, steps=12)
    inside = np.asarray(result.images[0])[12:120, 10:140]
    assert float(inside.mean()) == pytest.approx(0.7 * 127.5, abs=8)
    assert result.kept_error == 0


@pytest.mark.parametrize("sides", [{"left": 20}, {"right": 9, "top": 33}, {"left": 40, "right": 40, "bottom": 5}])
def test_outpainting_grows_the_picture_and_keeps_it(sides: dict[str, int]) -> None:
    source = picture()
    result = outpaint(source, prior=Fake(), blend=Hard(), steps=3, **sides)
    image = np.asarray(result.images[0])
    left, top = sides.get("left", 0), sides.get("top", 0)
    assert image.shape[:2] == (44 + top + sides.get("bottom", 0), 60 + left + sides.get("right", 0))
    assert np.array_equal(image[top : top + 44, left : left + 60], np.asarray(source))


def test_outpainting_makes_new_parts_opaque() -> None:
    image = outpaint(picture("RGBA"), right=16, prior=Fake(), steps=3).images[0]
    assert (np.asarray(image)[:, 60:, 3] == 255).all()


@pytest.mark.parametrize("sides", [{}, {"left": -3}])
def test_outpainting_nothing_is_refused(sides: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="at least one of left"):
        outpaint(picture(), prior=Fake(), **sides)


def test_a_wide_picture_from_a_prompt() -> None:
    result = wide(width=128, height=32, stride=24, prior=Fake(), prompt="0.3", steps=16)
    image = np.asarray(result.images[0])
    assert image.shape == (32, 128, 3)
    assert float(image.mean()) == pytest.approx((0.2 + 0.3 + 1) * 127.5, abs=5)


def test_a_wide_picture_is_as_high_as_the_model_where_no_height_is_named() -> None:
    assert wide(width=128, prior=Fake(), steps=2).images[0].size == (128, 32)


def test_windows_are_sampled_at_the_levels_of_their_own_size() -> None:
    """A flow's levels depend on how much a network sees at once, which is a window and not the canvas."""
    asked: list[tuple[object, ...]] = []

    class Sized(Fake):
        def schedule(self, steps, *size):  # type: ignore[no-untyped-def]
            asked.append(size)
            return super().schedule(steps)

    wide(width=128, height=32, prior=Sized(), steps=2)
    outpaint(picture(size=(64, 64)), right=32, prior=Sized(), steps=2)
    assert asked == [(32, 32), (32, 32)]


def test_what_is_made_from_nothing_is_not_encoded() -> None:
    class Blind(Fake):
        def encode(self, pixels):  # type: ignore[no-untyped-def]
            raise AssertionError("nothing is given")

    wide(width=128, prior=Blind(), steps=2)


@pytest.mark.parametrize("side", ["left", "right", "top", "bottom"])
def test_every_window_of_an_outpainting_sees_something(monkeypatch: pytest.MonkeyPatch, side: str) -> None:
    seen: list[float] = []

    def watch(pixels, hole, windows, options, **more):  # type: ignore[no-untyped-def]
        unknown = hole.clone()
        for window in windows:
            seen.append(1 - float(window.read(unknown).mean()))
            unknown = window.write(unknown, window.read(unknown) * 0)
        return run(pixels, hole, windows, options, **more)

    monkeypatch.setattr(import_module("alm_image.complete"), "run", watch)
    outpaint(picture(size=(64, 64)), prior=Fake(), steps=2, **{side: 96})
    assert len(seen) > 4
    assert min(seen) > 0.1


def test_a_preview_is_the_whole_picture_of_the_first_variant_with_what_is_given_as_it_is() -> None:
    source, seen = picture(size=(100, 90)), []
    inpaint(
        source,
        mask((100, 90)),
        prior=Fake(mean=0.3),
        count=3,
        method=StochasticALM(),
        on_step=lambda index, count, pixels: seen.append(pixels()),
    )
    inside = np.asarray(mask((100, 90))) > 0
    for preview in seen:
        assert tuple(preview.shape) == (1, 3, 90, 100)
        shown = (preview[0].permute(1, 2, 0).numpy() + 1) * 127.5
        np.testing.assert_allclose(shown[~inside], np.asarray(source)[~inside], atol=1e-3)
        assert np.abs(shown[inside] - 1.3 * 127.5).max() < 60


def test_a_wide_picture_keeps_the_given_one_in_its_middle() -> None:
    source = picture(size=(40, 32))
    result = wide(source, width=128, height=32, prior=Fake(), blend=Hard(), steps=3)
    assert np.array_equal(np.asarray(result.images[0])[:, 44:84], np.asarray(source))


@pytest.mark.parametrize("mode", ["L", "RGBA", "LA"])
def test_a_wide_picture_keeps_its_mode(mode: str) -> None:
    source = picture(mode, (40, 32))
    image = wide(source, width=128, height=32, prior=Fake(), blend=Hard(), steps=3).images[0]
    assert image.mode == mode
    assert np.array_equal(np.asarray(image)[:, 44:84], np.asarray(source))


@pytest.mark.parametrize("size", [(128, 32), (300, 32)])
def test_a_picture_that_leaves_nothing_to_make_is_refused(size: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="leaves nothing to make in 128"):
        wide(picture(size=size), width=128, height=32, prior=Fake())


def test_a_very_tall_picture_is_placed_all_the_same() -> None:
    assert wide(picture(size=(2, 200)), width=64, height=32, prior=Fake(), steps=2).images[0].size == (64, 32)


def test_a_prior_of_one_canvas_loops_through_the_given_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    """What it is given is rolled so that the seam lies within the picture, and the result is rolled back."""
    masks: list[np.ndarray] = []
    monkeypatch.setattr(wide_module, "run", lambda *a, **k: masks.append(a[1].numpy()) or run(*a, **k))
    source = picture(size=(40, 32))
    prior = Fake(windowed=False)
    image = wide(source, width=128, height=32, loop=True, prior=prior, blend=Hard(), steps=2).images[0]
    assert np.array_equal(np.asarray(image)[:, 44:84], np.asarray(source))
    assert (masks[0][..., [0, -1]] == 0).all()


def test_the_overlap_rule_reaches_the_windows() -> None:
    one, other = (
        np.asarray(wide(width=128, height=32, prior=Fake(), later_on_top=flag, steps=4).images[0])
        for flag in (False, True)
    )
    assert not np.array_equal(one, other)


def test_windows_without_a_hole_are_not_sampled() -> None:
    result = outpaint(picture(size=(160, 160)), right=8, prior=Fake(), method=SyncSDE(), steps=2)
    assert result.evaluations <= 2 * 8


def test_a_looped_picture_has_a_window_across_the_seam(monkeypatch: pytest.MonkeyPatch) -> None:
    starts: list[int] = []
    monkeypatch.setattr(wide_module, "run", lambda *a, **k: starts.extend(w.start[1] for w in a[2]) or run(*a, **k))
    result = wide(width=96, height=32, stride=24, prior=Fake(), loop=True, steps=3)
    assert result.images[0].size == (96, 32)
    assert max(starts) + 32 > 96


@pytest.mark.parametrize(("first", "order"), [(0, [0, 24, 48, 72, 96]), (128, [96, 72, 48, 24, 0])])
def test_the_order_of_windows_is_selectable(monkeypatch: pytest.MonkeyPatch, first: int, order: list[int]) -> None:
    starts: list[int] = []
    monkeypatch.setattr(wide_module, "run", lambda *a, **k: starts.extend(w.start[1] for w in a[2]) or run(*a, **k))
    wide(width=128, height=32, stride=24, first=first, prior=Fake(), steps=2)
    assert starts == order


def test_memory_does_not_depend_on_the_width_but_on_the_windows_together() -> None:
    rows: list[int] = []

    class Watched(Fake):
        def predict(self, x_t, level, conditions):  # type: ignore[no-untyped-def]
            rows.append(len(x_t))
            return super().predict(x_t, level, conditions)

    wide(width=512, height=32, prior=Watched(), steps=2, together=2)
    assert max(rows) == 4


@dataclass(frozen=True)
class Watching(SyncSDE):
    """SyncSDE that keeps what each window is given and holds."""

    kept: ClassVar[list[tuple[Tensor, Step]]] = []

    def step(self, y_t: Tensor, at: Step) -> Tensor:
        self.kept.append((y_t, at))
        return super().step(y_t, at)


RAMP = torch.linspace(-0.5, 0.7, 8)


class Sloping(Fake):
    """What it expects of a cell depends on where in the window that lies, so that windows differ where they overlap."""

    def predict(self, x_t: Tensor, level: Level, conditions: Conditions) -> Prediction:
        flat = super().predict(x_t - level.a * RAMP, level, conditions)
        return Prediction(flat.x0 + RAMP, flat.eps)


@pytest.mark.parametrize("later_on_top", [True, False])
def test_with_the_later_on_top_a_window_sees_what_the_one_before_it_holds(later_on_top: bool) -> None:
    """SyncSDE's Eq. 14, at its stride of a quarter: with the earlier on top, as in ALM, older windows are seen."""
    Watching.kept.clear()
    wide(width=80, prior=Sloping(), stride=8, method=Watching(), steps=3, later_on_top=later_on_top)
    assert len(Watching.kept) == 3 * 7
    for first in (0, 7, 14):
        held = [y for y, _ in Watching.kept[first : first + 7]]
        for i, (_, at) in enumerate(Watching.kept[first + 1 : first + 7], 1):
            assert at.observed is not None
            unseen = at.observed.mask[0, 0, 0]
            assert unseen.tolist() == [0] * 6 + [1] * 2, "M is the new quarter"
            same = [torch.equal(at.observed.x_t(0)[..., c], held[i - 1][..., c + 2]) for c in range(6)]
            # Only the one before covers the last quarter of the overlap. In the first step all hold one noise.
            assert same == [later_on_top or i == 1 or first == 0] * 4 + [True] * 2


def test_a_wide_picture_at_stride_a_quarter_is_the_released_algorithm_of_syncsde() -> None:
    """One canvas of noise, each patch drawn to the one before it alone, the later pasted on top."""
    made: list[Tensor] = []

    class Open(Sloping):
        def decode(self, state: Tensor) -> Tensor:
            made.append(state)
            return super().decode(state)

    wide(width=80, prior=Open(), prompt="0.3", stride=8, method=SyncSDE(4.0), steps=5, seed=6, later_on_top=True)
    levels, noise = Fake().schedule(5).levels, Noise.batch(6, 1).draw((3, 8, 20), INITIAL)
    patches = [noise[..., 2 * i : 2 * i + 8] for i in range(7)]
    for t, s in pairwise(levels):
        pull = min((s.a / t.a - s.s / t.s) * 4.0 * t.t / levels[0].t, 1.0)
        after = []
        for i, patch in enumerate(patches):
            eps = t.s * (patch - t.a * (0.5 + RAMP)) / (t.a**2 * 0.01 + t.s**2)
            step = s.a * (patch - t.s * eps) / t.a + s.s * eps
            if i:
                step[..., :6] -= pull * (patch[..., :6] - patches[i - 1][..., 2:])
            after.append(step)
        patches = after
    canvas = torch.zeros(1, 3, 8, 20)
    for i, patch in enumerate(patches):
        canvas[..., 2 * i : 2 * i + 8] = patch
    torch.testing.assert_close(made[-1], canvas, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("fusion", [MultiDiffusion(), SyncTweedies(), StochSync(inner=3)])
def test_windows_are_joined_around_a_given_picture_which_is_kept(fusion: Fusion) -> None:
    source, seen = picture(size=(40, 32)), []
    result = wide(
        source,
        width=128,
        prior=Fake(mean=0.4),
        method=fusion,
        blend=Hard(),
        steps=6,
        count=2,
        on_step=lambda index, count, pixels: seen.append((index, count, pixels())),
    )
    for image in result.images:
        values = np.asarray(image)
        assert np.array_equal(values[:, 44:84], np.asarray(source))
        assert float(values[:, :40].mean()) == pytest.approx(1.4 * 127.5, abs=12)
    assert [(index, count) for index, count, _ in seen] == [(i, 6) for i in range(1, 7)]
    assert all(tuple(pixels.shape) == (1, 3, 32, 128) and bool(torch.isfinite(pixels).all()) for *_, pixels in seen)
    assert result.method == repr(fusion)


@pytest.mark.parametrize("fusion", [MultiDiffusion(), SyncTweedies(), StochSync(inner=3)])
@pytest.mark.parametrize("loop", [False, True])
def test_joined_windows_make_a_wide_picture_from_a_prompt(fusion: Fusion, loop: bool) -> None:
    made = {"width": 96, "prior": Fake(), "stride": 8, "loop": loop, "method": fusion, "prompt": "0.3", "steps": 8}
    batch = wide(**made, seed=4, count=2).images  # type: ignore[arg-type]
    assert float(np.asarray(batch[0]).mean()) == pytest.approx(1.5 * 127.5, abs=8)
    alone = np.asarray(wide(**made, seed=5).images[0])  # type: ignore[arg-type]
    assert np.abs(alone.astype(int) - np.asarray(batch[1]).astype(int)).max() <= 1


def test_joined_windows_share_calls_as_they_are_told_to() -> None:
    joined = [wide(width=128, prior=Fake(), stride=8, method=SyncTweedies(), steps=2, together=n) for n in (1, 5)]
    assert [result.calls for result in joined] == [2 * 13, 2 * 3]
    assert [result.evaluations for result in joined] == [2 * 13] * 2


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"width": 32, "method": MultiDiffusion()}, "joins windows, and this picture is made in one piece"),
        ({"method": MultiDiffusion(), "reference": FixedNoise()}, "has no reference: leave it out"),
        ({"method": SyncTweedies(), "later_on_top": True}, "which then have no order"),
        ({"method": SyncTweedies(), "first": 0}, "which then have no order"),
        ({"method": SMCDiff(2)}, "wants one window"),
        ({"width": 130}, "multiples of 4"),
        ({"width": 16}, "at least"),
        ({"stride": 33}, "stride"),
        ({"first": 200}, "first column"),
        ({"width": -4}, "1 or more"),
        ({"stride": 40}, "at most"),
        ({"width": 32, "loop": True}, "looped"),
    ],
)
def test_sizes_that_do_not_suit_the_model_are_refused(options: dict[str, int], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        wide(**{"width": 128, "height": 32, "prior": Fake(), **options})


class Unread(Fake):
    """Fails where it is given a picture."""

    def encode(self, pixels):  # type: ignore[no-untyped-def]
        raise AssertionError("work began")

    def predict(self, x_t, level, conditions):  # type: ignore[no-untyped-def]
        raise AssertionError("work began")


@pytest.mark.parametrize(
    ("way", "tile", "reason"),
    [
        (SMCDiff(2), True, "SMCDiff has 2 particles a sample and wants one window, and here are 16"),
        (MultiDiffusion(), False, "joins windows, and this picture is made in one piece"),
    ],
)
def test_a_method_that_the_windows_do_not_suit_is_refused_before_anything_is_encoded(
    way: Method | Fusion, tile: bool, reason: str
) -> None:
    source, hole = picture(size=(96, 96)), mask((96, 96), (10, 10, 80, 80))
    with pytest.raises(ValueError, match=reason):
        inpaint(source, hole, prior=Unread(), method=way, tile=tile)


def test_a_reference_that_no_particle_would_read_is_refused() -> None:
    with pytest.raises(ValueError, match="SMCDiff follows one noise of the given part of its own and reads no"):
        inpaint(picture(), mask(), prior=Unread(), method=SMCDiff(2), reference=Inversion())
    assert inpaint(picture(), mask(), prior=Fake(), method=SMCDiff(2), steps=2).images


def test_nan_stops_with_the_number_of_the_step() -> None:
    with pytest.raises(NotFiniteError, match="step 3 of 4"):
        inpaint(picture(), mask(), prior=Fake(broken=300), steps=4)


def test_nan_from_a_decoder_is_no_black_hole() -> None:
    class Narrow(Fake):
        def decode(self, state):  # type: ignore[no-untyped-def]
            return super().decode(state) * torch.nan

    with pytest.raises(NotFiniteError, match="decoding gave NaN"):
        inpaint(picture(), mask(), prior=Narrow(), steps=2)


@pytest.mark.parametrize("option", ["method", "reference", "blend", "prior"])
def test_names_of_the_command_line_are_refused_as_objects(option: str) -> None:
    with pytest.raises(TypeError, match=f"{option} is .*: got 'alm'"):
        inpaint(picture(), mask(), **{option: "alm"})  # type: ignore[arg-type]


@pytest.mark.parametrize("options", [{"count": 0}, {"steps": 0}, {"together": 0}])
def test_wrong_numbers_are_refused(options: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="must be 1 or more"):
        inpaint(picture(), mask(), prior=Fake(), **options)


def test_files_are_taken_as_well_as_images(tmp_path: Path) -> None:
    picture().save(tmp_path / "a.png")
    mask().save(tmp_path / "m.png")
    assert inpaint(tmp_path / "a.png", str(tmp_path / "m.png"), prior=Fake(), steps=2).images[0].size == (60, 44)
