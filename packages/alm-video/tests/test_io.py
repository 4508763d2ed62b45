"""Reading films: the right frames, whichever way they are reached, or an error that says what is wrong."""

import importlib.util
import subprocess
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from alm_video.io import read_film
from films import EXACT, FFMPEG, ffmpeg, joined, made, natural, numbered, tone
from PIL import Image

BGOP = ("-c:v", "libx264", "-pix_fmt", "yuv444p", "-x264-params", "keyint=12:bframes=3:open-gop=1:scenecut=0")


@pytest.mark.parametrize(
    ("name", "args"),
    [
        ("film.mp4", EXACT),
        ("film.mov", BGOP),
        ("film.mkv", BGOP),
        ("film.avi", ("-c:v", "mpeg4", "-bf", "2", "-q:v", "2")),
        ("film.avi", ("-c:v", "mjpeg", "-q:v", "2")),
        ("film.webm", ("-c:v", "libvpx-vp9", "-cpu-used", "8", "-g", "15")),
        ("film.webm", ("-c:v", "libvpx", "-auto-alt-ref", "1", "-lag-in-frames", "16", "-cpu-used", "8", "-g", "15")),
        ("film.ts", BGOP),
        ("film.gif", ()),
    ],
)
def test_every_frame_is_the_same_whichever_way_it_is_reached(tmp_path: Path, name: str, args: tuple[str, ...]) -> None:
    path = made(tmp_path / name, natural(50, 48, 64), *args)
    film = read_film(path)
    assert (film.count, film.fps, film.height, film.width) == (50, 25, 48, 64)
    whole = film.frames()
    assert len(whole) == 50
    for start, stop in ((49, 50), (1, 3), (23, 31), (12, 13), (37, 50)):
        np.testing.assert_array_equal(film.frames(start, stop), whole[start:stop])
    assert list(film.read(50, 60)) == []


@pytest.mark.parametrize("name", ["film.mp4", "film.mkv", "film.avi"])
def test_frames_of_a_lossless_film_come_back_bit_by_bit(tmp_path: Path, name: str) -> None:
    frames = numbered(30, 23, 31)
    film = read_film(made(tmp_path / name, frames, fps="24000/1001"))
    np.testing.assert_array_equal(film.frames(), frames)
    assert film.fps == Fraction(24000, 1001)
    assert film.sound is None


@pytest.mark.parametrize("matrix", ["smpte170m", "bt709"])
@pytest.mark.parametrize("full", [False, True])
def test_colours_are_those_that_matrix_and_range_say(tmp_path: Path, matrix: str, full: bool) -> None:
    kr, kb = {"smpte170m": (0.299, 0.114), "bt709": (0.2126, 0.0722)}[matrix]
    colours = np.array([[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 255], [200, 100, 50], [20, 160, 220]])
    y = colours / 255 @ np.array([kr, 1 - kr - kb, kb])
    u = (colours[:, 2] / 255 - y) / (2 - 2 * kb)
    v = (colours[:, 0] / 255 - y) / (2 - 2 * kr)
    yuv = [255 * y, 128 + 255 * u, 128 + 255 * v] if full else [16 + 219 * y, 128 + 224 * u, 128 + 224 * v]
    planes = [
        np.clip(np.round(part), 0, 255).astype(np.uint8).repeat(n)[None].repeat(n, 0)
        for part, n in zip(yuv, (16, 8, 8), strict=True)
    ]
    said = ("-color_range", "pc" if full else "tv", "-colorspace", matrix)
    source = ("-f", "rawvideo", "-pix_fmt", "yuv420p", "-s", "96x16", *said, "-i", "-")
    path = tmp_path / "film.mp4"
    data = b"".join(plane.tobytes() for plane in planes) * 2
    ffmpeg(*source, "-c:v", "libx264", "-qp", "0", *said, str(path), data=data)
    got = read_film(path).frames()[1, 8, 8::16].astype(int)
    assert np.abs(got - colours).max() <= 1


def test_films_that_do_not_say_their_matrix_are_read_as_players_read_them(tmp_path: Path) -> None:
    for height, y, red in ((64, 81, (81, 90, 240)), (720, 63, (63, 102, 240))):
        source = ("-f", "rawvideo", "-pix_fmt", "yuv444p", "-s", f"64x{height}", "-i", "-")
        data = b"".join(bytes([value]) * (64 * height) for value in red)
        path = tmp_path / f"{height}.mp4"
        ffmpeg(*source, "-c:v", "libx264", "-qp", "0", str(path), data=data)
        assert y == red[0]
        assert np.abs(read_film(path).frames()[0, 9, 9].astype(int) - (255, 0, 0)).max() <= 2


@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_turned_films_stand_upright(tmp_path: Path, degrees: int) -> None:
    flat = made(tmp_path / "flat.mp4", numbered(3))
    path, upright = tmp_path / "turned.mp4", tmp_path / "upright.mp4"
    ffmpeg("-display_rotation", str(degrees), "-i", str(flat), "-c", "copy", str(path))
    ffmpeg("-i", str(path), *EXACT, str(upright))
    film = read_film(path)
    assert (film.height, film.width) == ((24, 32) if degrees == 180 else (32, 24))
    np.testing.assert_array_equal(film.frames(), np.rot90(numbered(3), degrees // 90, (1, 2)))
    np.testing.assert_array_equal(film.frames(), read_film(upright).frames())


def test_mirrored_films_are_mirrored_back(tmp_path: Path) -> None:
    flat = made(tmp_path / "flat.mp4", numbered(3))
    ffmpeg("-display_hflip", "-i", str(flat), "-c", "copy", str(tmp_path / "mirrored.mp4"))
    np.testing.assert_array_equal(read_film(tmp_path / "mirrored.mp4").frames(), numbered(3)[:, :, ::-1])


def test_pixels_that_are_not_square_are_made_so(tmp_path: Path) -> None:
    path = made(tmp_path / "wide.mp4", numbered(3, 24, 36), "-vf", "setsar=4/3")
    film = read_film(path)
    assert (film.height, film.width, film.frames().shape) == (24, 48, (3, 24, 48, 3))


def test_a_film_knows_whether_it_has_sound(tmp_path: Path) -> None:
    silent = made(tmp_path / "silent.mp4", numbered(10))
    path = joined(tmp_path / "film.mp4", silent, tone(tmp_path / "tone.m4a", 0.4))
    assert read_film(path).sound == path
    assert read_film(silent).sound is None


def test_folders_of_pictures_go_by_their_numbers(tmp_path: Path) -> None:
    frames = numbered(12)
    for n, frame in enumerate(frames):
        Image.fromarray(frame).save(tmp_path / f"shot{n + 1}.png")
    (tmp_path / "notes.txt").write_text("not a picture")
    film = read_film(tmp_path)
    assert (film.fps, film.count) == (24, 12)
    np.testing.assert_array_equal(film.frames(), frames)
    named = read_film(tmp_path / "shot%d.png", fps=12.5)
    assert named.fps == Fraction(25, 2)
    np.testing.assert_array_equal(named.frames(8, 12), frames[8:12])
    (tmp_path / "shot5.png").unlink()
    with pytest.raises(ValueError, match=r"shot5.png is missing"):
        read_film(tmp_path / "shot%d.png")
    Image.fromarray(frames[0, :20]).save(tmp_path / "shot3.png")
    with pytest.raises(ValueError, match=r"shot1.png has 32 × 24, shot3.png 32 × 20"):
        read_film(tmp_path)


def test_pictures_are_upright_and_see_through_ones_lie_on_black(tmp_path: Path) -> None:
    turned = Image.fromarray(numbered(1)[0])
    exif = turned.getexif()
    exif[0x0112] = 6
    turned.save(tmp_path / "a.png", exif=exif)
    np.testing.assert_array_equal(read_film(tmp_path / "a.png").frames()[0], np.rot90(numbered(1)[0], -1))
    clear = np.full((4, 6, 4), 200, np.uint8)
    clear[:, :3, 3] = 0
    clear[:, 3:, 3] = 255
    Image.fromarray(clear).save(tmp_path / "b.png")
    assert read_film(tmp_path / "b.png").frames()[0, 2, [1, 4]].tolist() == [[0, 0, 0], [200, 200, 200]]


def test_what_is_no_film_is_refused_in_a_line(tmp_path: Path) -> None:
    (tmp_path / "text.mp4").write_text("this is no video at all\n" * 50)
    (tmp_path / "text.txt").write_text("nor is this\n" * 50)
    (tmp_path / "empty.mp4").write_bytes(b"")
    (tmp_path / "folder").mkdir()
    tone(tmp_path / "tone.m4a", 0.3)
    made(tmp_path / "none.avi", numbered(1), "-t", "0")
    Image.fromarray(numbered(1)[0]).save(tmp_path / "cover.jpg")
    cover = (
        "-i",
        str(tmp_path / "cover.jpg"),
        "-map",
        "0",
        "-map",
        "1",
        "-c",
        "copy",
        "-disposition:v",
        "attached_pic",
    )
    ffmpeg("-i", str(tmp_path / "tone.m4a"), *cover, str(tmp_path / "album.m4a"))
    for name, error, words in (
        ("no.mp4", FileNotFoundError, "there is no film at"),
        ("%03d.png", FileNotFoundError, "there is no picture at"),
        ("folder", ValueError, "holds no pictures"),
        ("text.mp4", ValueError, "cannot be read as a video"),
        ("text.txt", ValueError, "cannot be read as a video|no video stream"),
        ("empty.mp4", ValueError, "cannot be read as a video"),
        ("tone.m4a", ValueError, "holds only sound"),
        ("album.m4a", ValueError, "holds only sound"),
        ("none.avi", ValueError, "holds no frame"),
    ):
        with pytest.raises(error, match=words) as caught:
            read_film(tmp_path / name)
        assert "\n" not in str(caught.value), name
    for words, options in (("frame rate", {"fps": 0.0}), ("reader must be", {"reader": "opencv"})):
        with pytest.raises(ValueError, match=words):
            read_film(tmp_path / "no.mp4", **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["film.mp4", "film.mkv", "film.avi"])
def test_a_film_that_breaks_off_says_after_how_many_frames(tmp_path: Path, name: str) -> None:
    frames = np.random.default_rng(3).integers(0, 255, (50, 24, 32, 3), np.uint8)
    whole = made(tmp_path / name, frames, *(("-movflags", "+faststart") if name == "film.mp4" else ()))
    cut = tmp_path / f"cut{whole.suffix}"
    data = whole.read_bytes()
    cut.write_bytes(data[: len(data) * 3 // 5])
    with pytest.raises(ValueError, match=r"cut.\w+ breaks off after \d+ frames: .* ffmpeg ") as caught:
        read_film(cut)
    count = int(str(caught.value).split(" frames")[0].rsplit(" ", 1)[1])
    assert 20 <= count <= 31
    kept = tmp_path / f"whole{whole.suffix}"
    words = str(caught.value).split("by ffmpeg ", 1)[1].split()
    done = subprocess.run([*FFMPEG, *words], cwd=tmp_path, capture_output=True)
    assert done.returncode == 0, done.stderr
    np.testing.assert_array_equal(read_film(kept).frames(), frames[:count])


def test_a_film_that_breaks_off_between_two_frames_is_noticed(tmp_path: Path) -> None:
    whole = made(tmp_path / "film.mp4", numbered(30), "-movflags", "+faststart")
    with av.open(str(whole)) as container:
        places = sorted(packet.pos for packet in container.demux(video=0) if packet.size)
    (tmp_path / "cut.mp4").write_bytes(whole.read_bytes()[: places[21]])
    with pytest.raises(ValueError, match="breaks off after 21 frames"):
        read_film(tmp_path / "cut.mp4")


def test_a_film_damaged_after_it_was_opened_says_where(tmp_path: Path) -> None:
    path = made(tmp_path / "film.avi", natural(20, 48, 64), "-c:v", "mjpeg")
    film = read_film(path)
    assert len(list(film.read(0, 20))) == 20
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(ValueError, match=r"film.avi: frame \d+ of 20 cannot be read"):
        list(film.read(0, 20))


def test_time_stamps_of_the_wrong_order_do_not_disorder_the_frames(tmp_path: Path) -> None:
    # Some writers store a frame's place in the file as its time: each B-frame then claims another's.
    right, wrong = made(tmp_path / "right.mkv", natural(40, 48, 64), *BGOP), tmp_path / "wrong.mp4"
    with av.open(str(right)) as source, av.open(str(wrong), "w") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        packets = [packet for packet in source.demux(video=0) if packet.size]
        for place, packet in enumerate(packets):
            packet.pts = packet.dts = round(place * 1000 / 25)
            packet.stream = stream
            target.mux(packet)
    film, whole = read_film(wrong), read_film(right).frames()
    assert (film.count, film.fps) == (40, 25)
    np.testing.assert_array_equal(film.frames(), whole)
    np.testing.assert_array_equal(film.frames(31, 34), whole[31:34])


def test_a_film_without_its_index_is_refused(tmp_path: Path) -> None:
    whole = made(tmp_path / "film.mp4", numbered(30))
    (tmp_path / "cut.mp4").write_bytes(whole.read_bytes()[:-400])
    with pytest.raises(ValueError, match="incomplete"):
        read_film(tmp_path / "cut.mp4")


def test_names_with_colons_and_percents_are_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made(tmp_path / "film.mp4", numbered(3)).rename(tmp_path / "take:1%2d.mp4")
    monkeypatch.chdir(tmp_path)
    assert read_film("take:1%2d.mp4").count == len(read_film("take:1%2d.mp4").frames()) == 3


def test_hdr_is_refused(tmp_path: Path) -> None:
    path = made(tmp_path / "hdr.mp4", numbered(3), "-c:v", "libx264", "-vf", "setparams=color_trc=arib-std-b67")
    with pytest.raises(ValueError, match=r"HDR film \(HLG\)"):
        read_film(path)


@pytest.mark.skipif(importlib.util.find_spec("decord") is None, reason="decord is an extra")
def test_decord_gives_the_frames_of_ffmpegs_coarse_conversion(tmp_path: Path) -> None:
    path = made(tmp_path / "film.mp4", natural(30, 48, 64), *BGOP[:3], "yuv420p", *BGOP[4:], "-colorspace", "bt709")
    fine, coarse = read_film(path), read_film(path, reader="decord")
    assert (coarse.count, coarse.fps, coarse.height, coarse.width) == (30, 25, 48, 64)
    with av.open(str(path)) as container:
        expected = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    np.testing.assert_array_equal(coarse.frames(), expected)
    np.testing.assert_array_equal(coarse.frames(21, 26), expected[21:26])
    assert 0.3 < fine.frames().mean() - coarse.frames().mean() < 3
