"""Writing films: what is read back is what was written, and nothing is left where writing fails."""

import resource
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest
from alm_video.formats import drawn
from alm_video.io import WriteError, check_output, read_film, writing, written_sides
from films import Frames, ffmpeg, joined, made, natural, numbered, tone
from PIL import Image

NTSC = Fraction(24000, 1001)


def write(*paths: Path, frames: Frames, fps: float | Fraction = 25, crf: float = 18, **sound: object) -> None:
    height, width = frames.shape[1:3]
    with writing(paths, height=height, width=width, fps=fps, crf=crf, **sound) as film:  # type: ignore[arg-type]
        for frame in frames:
            film.add(frame)


def likeness(got: Frames, wanted: Frames) -> float:
    """PSNR in decibels."""
    return float(10 * np.log10(255**2 / np.mean((got.astype(float) - wanted) ** 2)))


def heard(path: Path) -> tuple[float, float, float]:
    """When a film's sound first is loud, when its last packet ends, and its whole length: seconds."""
    with av.open(str(path)) as container:
        audio = container.streams.audio[0]
        loud = end = 0.0
        for frame in container.decode(audio):
            samples = frame.to_ndarray().astype(float)
            samples = samples[0] if samples.shape[0] > 1 or frame.format.is_planar else samples.reshape(-1)
            over = np.flatnonzero(np.abs(samples) > 0.25 * (1 if np.abs(samples).max() < 2 else 32768))
            start = float(frame.pts * frame.time_base)
            if not loud and len(over):
                loud = start + over[0] / frame.sample_rate
            end = start + frame.samples / frame.sample_rate
        assert container.duration is not None
        return loud, end, container.duration / av.time_base


@pytest.mark.parametrize("ending", [".mp4", ".webm"])
def test_natural_frames_come_back_alike_with_their_colours_named(tmp_path: Path, ending: str) -> None:
    frames, path = natural(40), tmp_path / f"film{ending}"
    write(path, frames=frames, fps=NTSC)
    film = read_film(path)
    assert (film.count, film.fps, film.height, film.width) == (40, NTSC, 96, 160)
    got = film.frames()
    assert likeness(got, frames) > 38
    np.testing.assert_allclose(got.mean((0, 1, 2)), frames.mean((0, 1, 2)), atol=0.5)
    with av.open(str(path)) as container:
        context = container.streams.video[0].codec_context
        assert (context.colorspace, context.color_range) == (1, 1)
        assert ending == ".webm" or (int(context.color_primaries), int(context.color_trc)) == (1, 1)
        assert context.pix_fmt == "yuv420p"
        assert context.name == {".mp4": "h264", ".webm": "vp9"}[ending]


def test_a_lower_crf_is_closer_to_the_frames(tmp_path: Path) -> None:
    frames = natural(12)
    for ending in (".mp4", ".webm"):
        near, far = tmp_path / f"near{ending}", tmp_path / f"far{ending}"
        write(near, frames=frames, crf=12)
        write(far, frames=frames, crf=40)
        assert likeness(read_film(near).frames(), frames) > likeness(read_film(far).frames(), frames) + 6


def test_an_mp4_begins_with_its_index(tmp_path: Path) -> None:
    write(tmp_path / "film.mp4", frames=numbered(5))
    data = (tmp_path / "film.mp4").read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")


def test_odd_sides_of_an_mp4_repeat_their_edge(tmp_path: Path) -> None:
    frames = natural(6, 51, 65)
    write(tmp_path / "film.mp4", tmp_path / "film.webm", frames=frames, crf=4)
    film, odd = read_film(tmp_path / "film.mp4"), read_film(tmp_path / "film.webm")
    assert (film.height, film.width) == written_sides(tmp_path / "film.mp4", height=51, width=65) == (52, 66)
    assert (odd.height, odd.width) == written_sides(tmp_path / "film.webm", height=51, width=65) == (51, 65)
    assert likeness(film.frames()[:, :51, :65], frames) > 38
    assert likeness(film.frames()[:, 51, :65], frames[:, 50]) > 34
    assert likeness(odd.frames(), frames) > 38


def test_pictures_come_back_bit_by_bit(tmp_path: Path) -> None:
    frames = np.random.default_rng(7).integers(0, 256, (11, 9, 13, 3)).astype(np.uint8)
    write(tmp_path / "new" / "f%02d.png", frames=frames)
    assert sorted(file.name for file in (tmp_path / "new").iterdir()) == [f"f{n:02d}.png" for n in range(1, 12)]
    np.testing.assert_array_equal(read_film(tmp_path / "new").frames(), frames)
    (tmp_path / "plain").mkdir()
    assert (tmp_path / "new").stat().st_mode == (tmp_path / "plain").stat().st_mode
    (tmp_path / "new" / "notes.txt").write_text("mine")
    write(tmp_path / "new" / "f%02d.png", frames=frames[:4][:, ::-1])
    np.testing.assert_array_equal(read_film(tmp_path / "new" / "f%02d.png").frames(), frames[:4][:, ::-1])
    assert len(list((tmp_path / "new").iterdir())) == 5


@pytest.mark.parametrize(("fps", "count"), [(24, 31), (30, 31), (NTSC, 100), (50, 10), (60, 61), (7.5, 4)])
def test_a_gif_lasts_as_long_as_it_should(tmp_path: Path, fps: float, count: int) -> None:
    write(tmp_path / "film.gif", frames=numbered(count), fps=fps)
    times, shades = [0], []
    with Image.open(tmp_path / "film.gif") as image:
        assert image.info["loop"] == 0
        for place in range(image.n_frames):
            image.seek(place)
            times.append(times[-1] + image.info["duration"] // 10)
            shades.append(np.asarray(image.convert("RGB"))[12, 20, 0])
    assert times[-1] == round(100 * count / fps)
    assert min(b - a for a, b in pairwise(times)) >= 2
    if fps <= 50:
        assert times == [round(100 * n / fps) for n in range(count + 1)]
    # What is on screen is the frame of that moment, or the one before.
    for at, shade in zip(times[:-1], shades, strict=True):
        assert abs(int(shade) - (round(at / 100 * fps) * 7 % 250 + 3)) <= 2
    film = read_film(tmp_path / "film.gif")
    assert abs(film.count / film.fps - count / fps) < 0.03


def test_a_gif_has_the_colours_of_each_frame(tmp_path: Path) -> None:
    for frames in (natural(5), natural(3, 240, 320)):
        write(tmp_path / "film.gif", frames=frames)
        assert likeness(read_film(tmp_path / "film.gif").frames(), frames) > 29


@pytest.mark.parametrize("ending", [".mp4", ".webm"])
@pytest.mark.parametrize("sound_from", [0.0, 0.8])
def test_sound_begins_where_it_should_and_ends_with_the_picture(tmp_path: Path, ending: str, sound_from: float) -> None:
    source = joined(
        tmp_path / "in.mp4", made(tmp_path / "p.mp4", numbered(25)), tone(tmp_path / "t.m4a", 1, begins=0.3)
    )
    out = tmp_path / f"out{ending}"
    write(out, frames=numbered(40), sound=source, sound_from=sound_from)
    film = read_film(out)
    assert (film.count, film.sound) == (40, out)
    loud, end, length = heard(out)
    assert loud == pytest.approx(sound_from + 0.3, abs=0.03)
    assert end <= 1.6 + 0.06
    assert length == pytest.approx(1.6, abs=0.06)
    write(tmp_path / "long.mp4", frames=numbered(70), sound=source)
    assert read_film(tmp_path / "long.mp4").count == 70


def test_sound_is_copied_where_the_container_takes_it(tmp_path: Path) -> None:
    source = joined(tmp_path / "in.mp4", made(tmp_path / "p.mp4", numbered(25)), tone(tmp_path / "t.m4a", 1))
    write(tmp_path / "a.mp4", tmp_path / "a.webm", frames=numbered(25), sound=source)
    with av.open(str(source)) as old, av.open(str(tmp_path / "a.mp4")) as new:
        packets = [[bytes(p) for p in file.demux(audio=0) if p.size] for file in (old, new)]
    assert len(packets[1]) >= len(packets[0]) - 2
    assert packets[1] == packets[0][: len(packets[1])]
    with av.open(str(tmp_path / "a.webm")) as file:
        assert file.streams.audio[0].codec_context.name == "opus"
    wave = joined(tmp_path / "in.mkv", made(tmp_path / "p.mkv", numbered(25)), tone(tmp_path / "t.wav", 1))
    write(tmp_path / "b.mp4", frames=numbered(25), sound=wave)
    with av.open(str(tmp_path / "b.mp4")) as file:
        assert file.streams.audio[0].codec_context.name == "aac"


def test_sound_keeps_its_place_where_the_picture_begins_later(tmp_path: Path) -> None:
    picture, sound = made(tmp_path / "p.mp4", numbered(25)), tone(tmp_path / "t.m4a", 1, begins=0.6)
    both = ("-map", "0:v", "-map", "1:a", "-c", "copy")
    ffmpeg("-itsoffset", "0.4", "-i", str(picture), "-i", str(sound), *both, str(tmp_path / "in.mkv"))
    for shift in (0.0, 1.0):
        write(tmp_path / "out.mp4", frames=numbered(50), sound=tmp_path / "in.mkv", sound_from=shift)
        assert heard(tmp_path / "out.mp4")[0] == pytest.approx(0.2 + shift, abs=0.04)


def interrupted(paths: list[Path]) -> None:
    with writing(paths, height=24, width=32, fps=12) as film:
        for frame in numbered(5):
            film.add(frame)
        raise KeyboardInterrupt


def test_several_outputs_come_together_or_not_at_all(tmp_path: Path) -> None:
    paths = [tmp_path / "a.mp4", tmp_path / "a.gif", tmp_path / "a.webm", tmp_path / "shots" / "%d.png"]
    (tmp_path / "a.gif").write_bytes(b"old")
    with pytest.raises(KeyboardInterrupt):
        interrupted(paths)
    assert [file.name for file in tmp_path.iterdir()] == ["a.gif"]
    assert (tmp_path / "a.gif").read_bytes() == b"old"
    write(*paths, frames=numbered(5), fps=12)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a.gif", "a.mp4", "a.webm", "shots"]
    assert [read_film(path).count for path in paths] == [5] * 4
    (tmp_path / "plain").write_bytes(b"")
    assert all(path.stat().st_mode == (tmp_path / "plain").stat().st_mode for path in paths[:3])


@pytest.mark.parametrize("name", ["film.mp4", "film.webm", "film.gif", "shots/%d.png"])
def test_a_full_disk_leaves_nothing(tmp_path: Path, name: str) -> None:
    frames = np.random.default_rng(4).integers(0, 256, (30, 96, 160, 3)).astype(np.uint8)
    paths = (tmp_path / "other.gif", tmp_path / name)
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    # A limit on the size of files stands for the full disk.
    resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, old[1]))
    try:
        with pytest.raises(WriteError, match="nothing was written"):
            write(*paths, frames=frames, crf=4)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_has_gone_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(WriteError, match="nothing was written"):
        write(tmp_path / "a.gif", tmp_path / "no" / "b.mp4", frames=numbered(2))
    monkeypatch.setattr(drawn.Gif, "finish", _full)
    with pytest.raises(WriteError, match="No space left on device: nothing was written"):
        write(tmp_path / "a.mp4", tmp_path / "a.gif", frames=numbered(1))
    assert list(tmp_path.iterdir()) == []


def _full(_: object) -> None:
    raise OSError(28, "No space left on device")


def test_errors_of_the_block_stay_what_they_are(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="mine"), writing([tmp_path / "a.mp4"], height=8, width=8, fps=5):
        raise FileNotFoundError("mine")
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_written_is_refused(tmp_path: Path) -> None:
    silent = made(tmp_path / "silent.mp4", numbered(2))
    sides = {"height": 24, "width": 32}
    for name, words in (("a.mp4", "has no sound to keep"), ("a.gif", "cannot hold sound")):
        with pytest.raises(ValueError, match=words):
            write(tmp_path / name, frames=numbered(2), sound=silent)
    with pytest.raises(ValueError, match="at least one frame"):
        write(tmp_path / "a.mp4", frames=np.empty((0, 24, 32, 3), np.uint8))
    wrong = r"uint8 \(24, 32, 3\), got uint8 \(32, 24, 3\)"
    with pytest.raises(ValueError, match=wrong), writing([tmp_path / "a.mp4"], **sides, fps=5) as film:
        film.add(numbered(1, 32, 24)[0])
    for asked in ({"fps": 0}, {"fps": 5, "crf": 52}, {"fps": 5, "sound_from": -1.0}):
        with pytest.raises(ValueError, match="a rate above 0"), writing([tmp_path / "a.mp4"], **sides, **asked):
            pass
    assert [file.name for file in tmp_path.iterdir()] == ["silent.mp4"]


def test_outputs_are_checked_before_any_work(tmp_path: Path) -> None:
    source = made(tmp_path / "film.mp4", numbered(2))
    (tmp_path / "old.gif").write_bytes(b"old")
    assert check_output(tmp_path / "new.webm", source=source) == tmp_path / "new.webm"
    assert check_output(tmp_path / "new" / "%04d.png", source=source) == tmp_path / "new" / "%04d.png"
    assert check_output(tmp_path / "old.gif", source=source, overwrite=True) == tmp_path / "old.gif"
    for name, error, words in (
        ("film.mp4", ValueError, "is the input"),
        ("film.mov", ValueError, r"must end in .mp4, .webm, .gif or count"),
        ("one.png", ValueError, "count pictures"),
        (".", ValueError, "is a folder"),
        ("no/film.mp4", FileNotFoundError, "make it first"),
        ("no/no/%d.png", FileNotFoundError, "make it first"),
    ):
        with pytest.raises(error, match=words):
            check_output(tmp_path / name, source=source, overwrite=True)
    with pytest.raises(FileExistsError, match="--overwrite"):
        check_output(tmp_path / "old.gif", source=source)
    (tmp_path / "shots").mkdir()
    Image.fromarray(numbered(1)[0]).save(tmp_path / "shots" / "007.png")
    with pytest.raises(FileExistsError, match=r"007.png exists"):
        check_output(tmp_path / "shots" / "%03d.png")
    with pytest.raises(ValueError, match="is the input"):
        check_output(tmp_path / "shots" / "%03d.png", source=tmp_path / "shots", overwrite=True)
