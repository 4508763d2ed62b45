"""Measures of films whose flicker, drift and seams are known."""

import builtins
import math
import sys
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from alm_core.metrics import seam_contrast as contrast_of_masks
from alm_video import metrics
from alm_video.drift import Drift, drift
from alm_video.metrics import flicker, kept_error, levels, seam_contrast, seams_of, warp_error
from scipy.ndimage import gaussian_filter

TRACKS = ("luma", "blue", "red", "saturation", "contrast", "sharpness")


def picture(seed: int, height: int = 64, width: int = 96, blur: float = 3.0) -> Any:
    """Smooth noise that repeats beyond its edges, uint8."""
    noise = np.random.default_rng(seed).standard_normal((height, width, 3))
    smooth = gaussian_filter(noise, (blur, blur, 0), mode="wrap")
    return np.rint(255 * (smooth - smooth.min()) / np.ptp(smooth)).astype(np.uint8)


def pan(places: list[int], seed: int = 0, **size: Any) -> Any:
    """A picture moved sideways by so many pixels, whole and around its edges."""
    return np.stack([np.roll(picture(seed, **size), place, 1) for place in places])


# Flicker


def test_flicker_is_the_mean_step_in_levels() -> None:
    still = np.repeat(picture(1)[None], 5, 0)
    assert flicker(still) == 0
    frames = np.zeros((3, 2, 2, 3), np.uint8)
    frames[1] = 10
    frames[2, 0] = 20  # half of it up by 10, half down by 10
    assert flicker(frames) == pytest.approx(10)
    frames[2, 0, 0] = 250  # 4 steps: 240, 10, 10, 10
    assert flicker(iter(frames)) == pytest.approx((10 + (240 + 30) / 4) / 2)
    assert flicker(frames.astype(np.float32) / 255) == pytest.approx(flicker(frames), rel=1e-6)


def test_levels_do_not_wrap_around() -> None:
    frames = np.array([250, 5], np.uint8)[:, None, None, None] * np.ones((1, 2, 2, 3), np.uint8)
    assert flicker(frames) == 245
    assert kept_error(frames[:1], frames[1:]) == 245


@pytest.mark.parametrize(
    ("frames", "said"),
    [
        (np.zeros((1, 4, 4, 3), np.uint8), "2 or more frames"),
        (np.zeros((2, 4, 4), np.uint8), "height, width, 3"),
        (np.full((2, 4, 4, 3), 200.0), r"\[0, 1\], got float64 up to 200"),
        (np.full((2, 4, 4, 3), np.nan), r"\[0, 1\]"),
        ([np.zeros((4, 4, 3), np.uint8), np.zeros((4, 5, 3), np.uint8)], "4 × 4, as the first: got \\(4, 5, 3\\)"),
    ],
)
def test_frames_that_are_none_are_refused(frames: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        flicker(frames)


# Warping error


def inner(frames: Any) -> Any:
    """Without what enters at the edges of a picture that goes around."""
    return frames[:, 20:-20, 20:-20]


def test_whole_pixels_are_followed_and_a_cut_is_not() -> None:
    size = {"height": 120, "width": 160}
    moved = inner(pan([0, 3, 6, 9], **size))
    still = warp_error(np.repeat(moved[:1], 2, 0))
    assert still.error == 0
    assert still.compared > 0.99
    found = warp_error(moved)
    raw = np.mean([np.square((a.astype(float) - b) / 255).mean() for a, b in pairwise(moved)])
    assert found.error < 2e-5 < 0.005 < raw
    assert 0.85 < found.compared <= 1 - 3 / 120  # three columns leave the picture in each step
    cut = warp_error(np.stack([moved[0], inner(pan([0], seed=7, **size))[0]]))
    assert cut.error > 0.01 > 100 * found.error
    assert cut.compared < 0.6


def test_a_change_of_light_is_what_remains_of_it() -> None:
    grey = np.full((2, 24, 32, 3), 100, np.uint8)
    grey[1] += 51  # 0.2 of the range, which no motion explains
    found = warp_error(grey)
    assert found.error == pytest.approx(0.04)
    assert found.compared == 1


def test_the_error_is_of_pixels_whose_flows_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = np.zeros((2, 16, 20, 3), np.uint8)
    second[:8], second[8:] = 51, 255
    there, back = np.zeros((2, 16, 20, 2), np.float32)
    back[8:, :, 0] = 1  # |w + ŵ|² = 1 > 0.01 + 0.5: only the upper half, off by 0.2, is compared
    given = iter([there, back])
    monkeypatch.setattr(metrics, "_estimator", lambda: lambda a, b: next(given))
    found = warp_error(np.stack([first, second]))
    assert found.error == pytest.approx(0.04)
    assert found.compared == 0.5
    back[:] = 5
    given = iter([there, back])
    nothing = warp_error(np.stack([first, second]))
    assert nothing.compared == 0
    assert nothing.error == pytest.approx((0.04 + 1) / 2)


def test_the_first_frame_is_compared_with_what_flows_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    moved = pan([0, 2])
    there = np.zeros((64, 96, 2), np.float32)
    there[..., 0] = 2  # what is at x in the first frame is at x + 2 in the second
    given = iter([there, -there])
    monkeypatch.setattr(metrics, "_estimator", lambda: lambda a, b: next(given))
    found = warp_error(moved)
    assert found.error == 0
    assert found.compared == pytest.approx(94 / 96)


def test_edges_of_the_flow_are_not_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    still = np.repeat(picture(3)[None], 2, 0)
    there = np.zeros((64, 96, 2), np.float32)
    there[:, 48:, 1] = 0.1  # its square is above 0.01 · 0.1² + 0.002, in one column
    given = iter([there, -there])
    monkeypatch.setattr(metrics, "_estimator", lambda: lambda a, b: next(given))
    assert warp_error(still).compared == pytest.approx(1 - 1 / 96 - 48 / 96 / 64)  # and the last row leaves it


def test_without_opencv_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    usual = builtins.__import__

    def without(name: str, *rest: Any, **more: Any) -> Any:
        if name == "cv2":
            raise ImportError("No module named 'cv2'", name="cv2")
        return usual(name, *rest, **more)

    monkeypatch.delitem(sys.modules, "cv2", raising=False)
    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ImportError, match=r"alm-video\[metrics\]"):
        warp_error(pan([0, 1]))


def test_small_frames_have_no_flow() -> None:
    with pytest.raises(ValueError, match="16 pixels or more"):
        warp_error(np.zeros((2, 15, 40, 3), np.uint8))


# Drift


def test_a_film_that_stands_still_does_not_drift() -> None:
    found = drift(np.repeat(picture(2)[None], 50, 0), window=8)
    for name in TRACKS:
        track = getattr(found, name)
        assert [track.largest, track.final, track.change, track.slope, track.error] == pytest.approx([0] * 5, abs=1e-9)


def test_a_gain_of_one_per_cent_a_window_is_found() -> None:
    base = picture(5) / 255 * 0.8
    frames = [base * (1 + 0.01 * (t // 16)) for t in range(16 * 7)]
    found = drift(frames)
    for track in (found.luma, found.contrast):
        assert [track.largest, track.final, track.change] == pytest.approx([6, 6, 6])
        assert track.slope == pytest.approx(100 / 16)
        assert track.error == pytest.approx(0, abs=1e-9)
    assert found.sharpness.largest == pytest.approx(0, abs=1e-9)


def test_each_track_is_by_hand_that_of_its_quantity() -> None:
    first, then = picture(6) / 255, picture(8, blur=1.5) / 255
    then[..., 2] *= 0.5
    found = drift(np.stack([first] * 4 + [then] * 4), window=4)

    def numbers(frame: Any) -> dict[str, float]:
        r, g, b = np.moveaxis(frame * 255, -1, 0)
        y = 0.2126 * r + 0.7152 * g + 0.0722 * b
        # BT.709 takes Cb = (B − Y) / (2 (1 − K_b)), Cr = (R − Y) / (2 (1 − K_r))
        cb, cr = (b - y) / (2 - 2 * 0.0722), (r - y) / (2 - 2 * 0.2126)
        total = 0.0
        for i in range(1, len(y) - 1):
            for j in range(1, y.shape[1] - 1):
                total += (y[i - 1, j] + y[i + 1, j] + y[i, j - 1] + y[i, j + 1] - 4 * y[i, j]) ** 2
        edges = total / ((len(y) - 2) * (y.shape[1] - 2))
        chroma = {"blue": cb.mean(), "red": cr.mean(), "saturation": np.sqrt(cb**2 + cr**2).mean()}
        return {"luma": y.mean(), **chroma, "contrast": y.std(), "sharpness": edges / y.var()}

    was, now = numbers(first), numbers(then)
    for name in TRACKS:
        scale = was["luma"] if name in TRACKS[:4] else was[name]
        track = getattr(found, name)
        wanted = 100 * (now[name] - was[name]) / scale
        assert [track.largest, track.final, track.change] == pytest.approx([wanted] * 3, rel=1e-6), name
        assert track.slope == pytest.approx(wanted * 100 / 4, rel=1e-6), name
        assert math.isnan(track.error)
    assert found.sharpness.final > 50
    assert found.blue.final < -5


def test_contrast_and_brightness_are_no_sharpness_but_blur_is() -> None:
    base = picture(5, blur=1) / 255
    steps = [base * (1 - 0.05 * k) + 0.04 * k for k in range(6)]
    assert drift(np.repeat(steps, 4, 0), window=4).sharpness.largest == pytest.approx(0, abs=1e-9)
    blurred = [gaussian_filter(base, (0.2 * k, 0.2 * k, 0)) for k in range(6)]
    found = drift(np.repeat(blurred, 4, 0), window=4).sharpness
    assert found.largest == found.final < -30
    assert found.slope < 0


def test_deviations_are_from_the_reference_and_the_change_from_the_first_window() -> None:
    base = picture(5) / 255 * 0.5
    frames = [base * gain for gain in (1.1, 1.1, 1.3, 1.3, 1.05, 1.05)]
    found = drift(frames, [base, base * 1.0], window=2).luma
    assert [found.largest, found.final, found.change] == pytest.approx([30, 5, -5])
    alone = drift(frames, window=2).luma
    assert alone.final == alone.change == pytest.approx(-5 / 1.1)
    below = drift([base * gain for gain in (1.0, 0.6, 1.2)], window=1).luma
    assert below.largest == pytest.approx(-40)


def test_the_last_half_window_counts() -> None:
    base = np.full((1, 4, 4, 3), 0.5)
    frames = np.concatenate([base] * 4 + [base * 1.2] * 2)
    assert drift(frames, window=4).luma.final == pytest.approx(20)
    assert drift(frames, window=4).luma.slope == pytest.approx(100 * 20 / 3)  # from 1.5 to 4.5
    with pytest.raises(ValueError, match="2 windows of 4"):
        drift(frames[:5], window=4)


def test_one_odd_window_does_not_bend_the_slope() -> None:
    base = picture(5) / 255 * 0.5
    gains = [1 + 0.01 * k for k in range(9)]
    gains[7] = 1.9
    found = drift([base * gain for gain in gains], window=1).luma
    assert found.slope == pytest.approx(100)
    assert found.largest == pytest.approx(90)


def films(seed: int, persistence: float, trend: float, count: int) -> list[Any]:
    """Plain frames whose light wanders around a line."""
    rng, light, found = np.random.default_rng(seed), 0.0, []
    for t in range(-100, count):
        light = persistence * light + math.sqrt(1 - persistence**2) * rng.standard_normal()
        found.append(np.full((3, 3, 3), 0.5 * (1 + 0.02 * light + trend * t)))
    return found[100:]


@pytest.mark.parametrize(("window", "persistence", "count"), [(16, 0.9, 208), (1, 0.6, 100)])
def test_what_wanders_is_seldom_told_as_a_trend_and_a_trend_is(window: int, persistence: float, count: int) -> None:
    def told(trend: float) -> float:
        tracks = [drift(films(seed, persistence, trend, count), window=window).luma for seed in range(40)]
        return float(np.mean([abs(track.slope) > 2 * track.error for track in tracks]))

    assert told(0) < 0.15
    assert told(0.1 / count) > 0.8


def test_what_cannot_be_compared_is_nan() -> None:
    found: Drift = drift(np.zeros((4, 5, 5, 3), np.uint8), window=1)
    assert all(math.isnan(getattr(found, name).largest) for name in TRACKS)
    flat = drift(np.full((6, 5, 5, 3), 77, np.uint8), window=1)
    assert flat.luma.largest == 0
    assert math.isnan(flat.sharpness.largest)
    assert math.isnan(flat.contrast.final)


# Seams


def test_a_smooth_pan_has_no_seam() -> None:
    assert seam_contrast(pan([2 * t for t in range(24)]), [8, 16]).step == pytest.approx(1)
    assert seam_contrast(pan([2 * t for t in range(24)]), [8, 16]).jolt == pytest.approx(1)


def test_a_jump_at_the_seam_is_the_ratio_by_hand() -> None:
    frames = pan([t if t < 6 else t + 4 for t in range(12)])

    def rms(*terms: tuple[int, int]) -> float:
        """Of a weighted sum of the picture at some places."""
        return math.sqrt(np.square(sum(weight * pan([place])[0].astype(float) for place, weight in terms)).mean())

    found = seam_contrast(frames, [6])
    assert found.step == pytest.approx(rms((5, 1), (0, -1)) / rms((1, 1), (0, -1)))
    # x[4], x[5], x[6] and x[5], x[6], x[7] stand at 4, 5, 10 and 5, 10, 11; elsewhere at 0, 1, 2.
    before, after = rms((10, 1), (5, -2), (4, 1)), rms((11, 1), (10, -2), (5, 1))
    wanted = math.sqrt((before**2 + after**2) / 2) / rms((2, 1), (1, -2), (0, 1))
    assert found.jolt == pytest.approx(wanted)
    assert found.step > 2
    assert seam_contrast(frames, [5]).step < 1


def test_the_seam_is_that_of_the_core_where_one_frame_is_left_out() -> None:
    frames = np.random.default_rng(4).random((7, 5, 6, 3))
    rows = torch.from_numpy(255 * frames).flatten(1).T
    mask = torch.zeros(7)
    mask[6] = 1
    assert seam_contrast(frames, [6]).step == pytest.approx(contrast_of_masks(rows, mask))


def test_where_nothing_else_moves_a_seam_is_infinite() -> None:
    frames = np.zeros((8, 4, 4, 3), np.uint8)
    assert seam_contrast(frames, [4]) == metrics.SeamContrast(1, 1)
    frames[4:] = 9
    assert seam_contrast(frames, [4]) == metrics.SeamContrast(math.inf, math.inf)


@pytest.mark.parametrize("seams", [[], [0], [8], [-1]])
def test_seams_lie_in_the_film(seams: list[int]) -> None:
    with pytest.raises(ValueError, match="from 1 to 7"):
        seam_contrast(np.zeros((8, 4, 4, 3), np.uint8), seams)


def test_something_must_lie_between_seams() -> None:
    with pytest.raises(ValueError, match="nothing but seams"):
        seam_contrast(np.zeros((4, 4, 4, 3), np.uint8), [1, 3])


def test_seams_are_where_new_frames_begin() -> None:
    assert seams_of(104, 16, 8) == [16, 24, 32, 40, 48, 56, 64, 72, 80, 88, 96]
    assert seams_of(16, 16, 8) == []
    with pytest.raises(ValueError, match="1 or more"):
        seams_of(104, 16, 0)


# Kept frames


def test_the_largest_difference_of_kept_frames() -> None:
    before = np.random.default_rng(0).integers(20, 200, (3, 4, 5, 3)).astype(np.uint8)
    after = before.copy()
    assert kept_error(before, after) == 0
    after[1, 2, 3, 0] -= 7
    assert kept_error(before, after) == 7
    after[2, 0, 0, 1] += 9
    assert kept_error(iter(before), iter(after)) == 9
    with pytest.raises(ValueError, match="of frame 2 there are none and 5 × 4"):
        kept_error(before[:2], after)
    with pytest.raises(ValueError, match="of frame 0"):
        kept_error(before, after[:, :2])
    with pytest.raises(ValueError, match="1 or more frames"):
        kept_error([], [])


def test_frames_are_read_one_after_another() -> None:
    alive: list[int] = []

    def frames(count: int) -> Any:
        for t in range(count):
            alive.append(t)
            yield np.full((16, 16, 3), t % 3, np.uint8)

    stream = levels(frames(5))
    next(stream)
    next(stream)
    assert alive == [0, 1]
