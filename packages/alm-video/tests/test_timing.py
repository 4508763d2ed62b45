"""Rates: a film of constant rate keeps its frames, another is shown as its time stamps say."""

from fractions import Fraction
from pathlib import Path

import numpy as np
from alm_video.formats.timing import plan
from alm_video.io import read_film
from films import made, numbered


def test_variable_rates_are_resampled_to_what_is_on_screen(tmp_path: Path) -> None:
    # Frames 0 to 9 last a tenth of a second each, 10 to 19 two tenths: frame 10 + n begins at 1 + n / 5.
    frames = numbered(20)
    times = "setpts='if(lt(N,10),N,10+2*(N-10))*0.1/TB'"
    path = made(tmp_path / "film.mkv", frames, "-vf", times, "-fps_mode", "vfr", fps="10")
    film = read_film(path, fps=5)
    shown = [0, 2, 4, 6, 8, *range(10, 20)]
    np.testing.assert_array_equal(film.frames()[:15], frames[shown])
    assert film.fps == 5
    own = read_film(path)
    assert own.fps == Fraction(19, 1) / Fraction(28, 10)
    shown = [next(k for k in reversed(range(20)) if (k if k < 10 else 2 * k - 10) / 10 <= n * 2.8 / 19 + 0.025)
             for n in range(own.count)]  # fmt: skip
    np.testing.assert_array_equal(own.frames(), frames[shown])
    np.testing.assert_array_equal(own.frames(9, 14), frames[shown[9:14]])


def test_a_little_jitter_drops_no_frame() -> None:
    times = np.arange(90) / 30 + np.random.default_rng(2).uniform(-0.008, 0.008, 90)
    times -= times[0]
    rate, source = plan(times, 3.0, (), tick=0.001, fps=None)
    assert abs(rate - 30) < 0.1
    np.testing.assert_array_equal(source, np.arange(90))


def test_an_unsteady_clock_that_lost_a_frame_doubles_that_one_alone() -> None:
    steps = np.delete(np.arange(91), 40) / 30
    times = steps + np.random.default_rng(4).uniform(-0.003, 0.003, 90)
    times[0] = 0
    rate, source = plan(times, 91 / 30, (), tick=0.001, fps=Fraction(30))
    assert rate == 30
    np.testing.assert_array_equal(source, [*range(40), 39, *range(40, 90)])


def test_rates_written_short_are_the_films_own() -> None:
    times = np.arange(50) * 1001 / 24000
    for asked, rate in ((23.976, Fraction(24000, 1001)), (24.0, Fraction(24))):
        assert plan(times, 50 * 1001 / 24000, (), tick=0.001, fps=Fraction(asked))[0] == rate
    rate, source = plan(times, 50 * 1001 / 24000, (Fraction(24), Fraction(24000, 1001)), tick=0.001, fps=None)
    assert (rate, len(source)) == (Fraction(24000, 1001), 50)


def test_another_rate_keeps_the_time(tmp_path: Path) -> None:
    frames = numbered(24)
    path = made(tmp_path / "film.mp4", frames, fps="12")
    half, double = read_film(path, fps=6), read_film(path, fps=24)
    np.testing.assert_array_equal(half.frames(), frames[::2])
    np.testing.assert_array_equal(double.frames(), frames.repeat(2, 0))
    np.testing.assert_array_equal(double.frames(7, 10), frames[[3, 4, 4]])
