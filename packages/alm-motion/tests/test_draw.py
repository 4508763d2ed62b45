import sys
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import pytest
from alm_motion.camera import Camera
from alm_motion.draw import BAND, GIVEN, MADE, draw, strip
from alm_motion.encode import check_film, encode_film, encode_picture, film_rate
from alm_motion.skeleton import PARENTS, SMPL22, Array
from numpy.typing import NDArray
from PIL import Image

Pixels = NDArray[np.uint8]
NAMES = SMPL22.names


def standing(frames: int = 4, way: tuple[float, float, float] = (0, 0, 0)) -> Array:
    """HumanML3D's skeleton at rest, whose left is at +X, on the ground; it slides along a straight way."""
    rest = SMPL22.forward(np.tile(np.eye(3), (1, 22, 1, 1)), SMPL22.offsets[None])[0]
    rest = rest - [0, rest[..., 1].min(), 0]
    return rest + np.linspace(0, 1, frames)[:, None, None] * np.array(way)


def coloured(picture: Pixels, colour: tuple[int, int, int]) -> NDArray[np.bool_]:
    """Pixels of a colour of this hue: one of its shades."""
    red, blue = picture[..., 0].astype(int), picture[..., 2].astype(int)
    return (red - blue > 60) if colour == GIVEN else (blue - red > 60)


def body(picture: Pixels) -> Pixels:
    """Without what is written at the bottom."""
    return picture[:-BAND]


def columns(mask: NDArray[np.bool_]) -> tuple[int, int]:
    found = np.flatnonzero(mask.any(0))
    return int(found[0]), int(found[-1])


def camera_of(points: Array, **more: float) -> Camera:
    return Camera.framing(
        points,
        (10, 20, 310, 180),
        azimuth=more.pop("azimuth", 37),
        elevation=more.pop("elevation", 21),
        height=240,
        **more,
    )


def test_the_camera_sees_all_points_and_could_be_no_nearer() -> None:
    for seed in range(5):
        points = np.random.default_rng(seed).normal(0, (2, 1, 3), (40, 3))
        camera = camera_of(points)
        column, row, scale = camera.pixels(points).T
        assert (scale > 0).all()
        assert column.min() > 10 - 1e-6
        assert column.max() < 310 + 1e-6
        assert row.min() > 20 - 1e-6
        assert row.max() < 180 + 1e-6
        across = abs(column.min() - 10) < 1e-6 and abs(column.max() - 310) < 1e-6
        upright = abs(row.min() - 20) < 1e-6 and abs(row.max() - 180) < 1e-6
        assert across or upright


def test_the_margin_is_in_metres() -> None:
    camera = camera_of(np.zeros((1, 3)), margin=0.5)
    column, row, scale = camera.pixels(np.zeros(3))
    assert (column, row) == (160, 100)
    assert scale * 0.5 == pytest.approx(80)  # Half the height of the box, which is the narrower side.


@pytest.mark.parametrize(("azimuth", "right", "near"), [(0, (1, 0, 0), (0, 0, 1)), (90, (0, 0, -1), (1, 0, 0))])
def test_azimuth_0_looks_from_plus_z_and_90_from_plus_x(azimuth: float, right: Array, near: Array) -> None:
    corners = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], float)
    camera = camera_of(corners, azimuth=azimuth, elevation=0)
    middle = camera.pixels(np.zeros(3))
    assert camera.pixels(np.array(right) * 0.5)[0] > middle[0] + 5
    assert camera.pixels(np.array([0, 0.5, 0]))[1] < middle[1] - 5
    assert camera.pixels(np.array(near) * 0.5)[2] > middle[2] * 1.05
    np.testing.assert_allclose(camera.pixels(np.array(near) * 0.5)[:2], middle[:2], atol=1e-9)
    raised = camera_of(corners, azimuth=azimuth, elevation=30)
    assert raised.pixels(np.array(near) * 0.5)[1] > raised.pixels(np.zeros(3))[1] + 5  # What is nearer is lower.


def test_given_frames_are_orange_and_made_ones_blue() -> None:
    made = np.array([False, True, True, False])
    for picture, blue in zip(draw(standing(), PARENTS, made, fps=20, names=NAMES), made, strict=True):
        assert picture.shape == (480, 640, 3)
        assert coloured(body(picture), MADE if blue else GIVEN).sum() > 1000
        assert not coloured(body(picture), GIVEN if blue else MADE).any()


def test_the_line_at_the_bottom_shows_what_is_made_of_the_whole_clip() -> None:
    made = np.arange(40) >= 10
    picture = next(draw(standing(40), PARENTS, made, fps=20, size=(416, 200)))
    line = picture[-10]
    assert abs(coloured(line, GIVEN).sum() - 100) < 6
    assert abs(coloured(line, MADE).sum() - 300) < 6


def test_joints_can_be_made_one_by_one() -> None:
    made = np.zeros((1, 22), bool)
    made[:, [2, 5, 8, 11]] = True  # The right leg, which is on the left as one looks at the body.
    picture = body(next(draw(standing(1), PARENTS, made, fps=20, azimuth=0)))
    left, right = columns(coloured(picture, MADE))
    assert coloured(picture, GIVEN)[:, :left].any()  # The right arm hangs farther out.
    assert right < 320
    assert coloured(picture, GIVEN)[:, 330:].any()


def test_the_left_side_is_lighter_than_the_right() -> None:
    picture = body(next(draw(standing(1), PARENTS, fps=20, names=NAMES, azimuth=0)))
    mine, other = (half[coloured(half, GIVEN)].mean() for half in (picture[:, 340:], picture[:, :300]))
    assert mine > other + 40
    bare = body(next(draw(standing(1), PARENTS, fps=20, azimuth=0)))
    mine, other = (half[coloured(half, GIVEN)].mean() for half in (bare[:, 340:], bare[:, :300]))
    assert mine == pytest.approx(other, abs=4)


@pytest.mark.parametrize("names", ["root lfemur rfemur", "Hips LeftUpLeg RightUpLeg", "a:root a:leg_L a:leg_R"])
def test_sides_are_told_by_counterparts_in_name(names: str) -> None:
    joints = np.array([[[0, 1, 0], [0.5, 0, 0], [-0.5, 0, 0]]], float)
    picture = body(next(draw(joints, (-1, 0, 0), fps=20, names=names.split(), azimuth=0)))
    mine, other = (half[coloured(half, GIVEN)].mean() for half in (picture[:, 340:], picture[:, :300]))
    assert mine > other + 40


def test_the_nearer_of_two_limbs_hides_the_other() -> None:
    joints = np.array([[[-1, 0, 0.3], [1, 2, 0.3], [-1, 2, -0.3], [1, 0, -0.3]]], float)
    made = np.array([[True, True, False, False]])
    for azimuth, nearer in ((0.0, MADE), (180.0, GIVEN)):
        picture = body(next(draw(joints, (-1, 0, -1, 2), made, fps=20, azimuth=azimuth, elevation=0)))
        rows, cols = np.nonzero(coloured(picture, GIVEN) | coloured(picture, MADE))
        middle = picture[(rows.min() + rows.max()) // 2, (cols.min() + cols.max()) // 2]
        assert tuple(middle) == nearer


def test_the_shadow_stays_on_the_ground_in_a_jump() -> None:
    joints = standing(2, (0, 0.6, 0))
    down, up = (body(picture).astype(int) for picture in draw(joints, PARENTS, fps=20, names=NAMES))
    grey = [(picture.max(-1) < 235) & (np.ptp(picture, axis=-1) < 20) for picture in (down, up)]
    feet = [np.flatnonzero(coloured(picture.astype(np.uint8), GIVEN).any(1)).max() for picture in (down, up)]
    low = [np.flatnonzero(mask.sum(1) > 12).mean() for mask in grey]
    assert feet[1] < feet[0] - 50
    assert abs(low[1] - low[0]) < 15


def test_a_head_is_drawn_where_the_names_say_so() -> None:
    with_head, without = (body(next(draw(standing(1), PARENTS, fps=20, names=names))) for names in (NAMES, ()))
    more = coloured(with_head, GIVEN) & ~coloured(without, GIVEN)
    assert more.sum() > 300
    assert np.nonzero(more)[0].max() < 200


def test_the_standing_camera_sees_all_of_the_way_and_the_following_one_keeps_the_body_in_place() -> None:
    joints = standing(30, (2, 0, -3))
    still = [columns(coloured(body(p), GIVEN)) for p in draw(joints, PARENTS, fps=5, names=NAMES, every=5)]
    middles = np.array(still).mean(1)
    assert (np.diff(middles) * np.sign(middles[-1] - middles[0]) > 20).all()
    assert min(left for left, _ in still) > 2
    assert max(right for _, right in still) < 637
    followed = [coloured(body(p), GIVEN) for p in draw(joints, PARENTS, fps=5, names=NAMES, every=5, follow=True)]
    assert np.ptp([np.mean(columns(mask)) for mask in followed[1:-1]]) < 12
    assert followed[2].sum() > 1.5 * coloured(body(next(draw(joints, PARENTS, fps=5, names=NAMES))), GIVEN).sum()


def lines(picture: Pixels) -> NDArray[np.bool_]:
    """Where the ground's lines, or a shadow, are."""
    return (picture.max(-1) < 250) & (np.ptp(picture, axis=-1) < 20)


def test_the_ground_stays_under_a_standing_camera_and_moves_under_a_following_one() -> None:
    joints = standing(21, (2.5, 0, 0))  # Towards the camera.
    still = [lines(body(p)[:, :200]) for p in draw(joints, PARENTS, fps=5, azimuth=90, every=10)]
    assert still[0].sum() > 200
    assert (still[0] == still[1]).all()
    moving = [lines(body(p)[:, :200]) for p in draw(joints, PARENTS, fps=5, azimuth=90, every=10, follow=True)]
    assert min(mask.sum() for mask in moving) > 200
    assert (moving[0] ^ moving[1]).sum() > 200


def test_nothing_of_the_ground_is_drawn_above_the_horizon() -> None:
    joints = standing(50, (0, 0, 60))  # Much of the way lies behind the camera.
    for picture in draw(joints, PARENTS, fps=5, azimuth=0, elevation=4, every=12, follow=True):
        assert not lines(body(picture)[:120, :200]).any()
        assert lines(body(picture)[300:, :200]).any()


def test_every_third_frame_is_the_same_picture_as_among_all() -> None:
    joints = standing(7, (1, 0, 0))
    every = list(draw(joints, PARENTS, fps=20, size=(160, 120)))
    third = list(draw(joints, PARENTS, fps=20, size=(160, 120), every=3))
    assert len(third) == 3
    for one, two in zip(every[::3], third, strict=True):
        np.testing.assert_array_equal(one, two)


def test_a_strip_has_its_poses_side_by_side_each_in_its_colour() -> None:
    made = np.arange(61) >= 31
    picture = strip(standing(61, (5, 0, 5)), PARENTS, made, fps=20, names=NAMES, count=5, pose=(80, 160))
    poses = picture[: 8 + 150]
    found = [coloured(poses, colour).any(0) for colour in (GIVEN, MADE)]
    starts = [np.flatnonzero(np.diff(mask.astype(int)) == 1) for mask in found]
    assert [len(each) for each in starts] == [3, 2]  # Frames 0, 15, 30 and 45, 60.
    np.testing.assert_allclose(np.diff(np.concatenate(starts)), 80, atol=1)


def test_a_strip_compares_rows_with_labels() -> None:
    joints = np.stack([standing(10), standing(10, (0, 1, 0))])
    made = np.stack([np.zeros(10, bool), np.ones(10, bool)])
    one = strip(joints[0], PARENTS, made[0], fps=20, count=3)
    two = strip(joints, PARENTS, made, fps=20, count=3, labels=("real", "reconstruction"))
    assert two.shape[0] == one.shape[0] + 190 + 16
    assert two.shape[1] > one.shape[1] + 10
    assert not coloured(two[:200], MADE).any()
    assert not coloured(two[230:], GIVEN).any()
    assert coloured(two[230:], MADE).any()
    written = two[:, : two.shape[1] - one.shape[1]].max(-1) < 120
    assert written[:206].any()
    assert columns(written[206:412])[1] > columns(written[:206])[1] + 40


def test_a_strip_shows_how_high_a_jump_is_above_a_ground_that_stays() -> None:
    picture = strip(standing(3, (0, 0.6, 0)), PARENTS, fps=20, names=NAMES, count=3, pose=(80, 160))[: 8 + 150]
    figures = [coloured(picture[:, 8 + 80 * n : 88 + 80 * n], GIVEN).any(1) for n in range(3)]
    tops, feet = (np.array([np.flatnonzero(figure)[end] for figure in figures]) for end in (0, -1))
    assert (np.diff(tops) < -15).all()
    np.testing.assert_allclose(np.diff(feet), np.diff(tops), atol=2)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"joints": np.zeros((3, 21, 3))}, r"joints \(F, 22, 3\).*got \(3, 21, 3\)"),
        ({"joints": np.zeros((0, 22, 3))}, "at least one frame"),
        ({"joints": np.full((3, 22, 3), np.nan)}, "joint 0 of frame 0 is"),
        ({"made": np.zeros(4, bool)}, r"made must be \(3,\) or \(3, 22\), got \(4,\)"),
        ({"fps": 0.0}, "rate must be above 0, got 0"),
        ({"every": 0}, "every must be at least 1"),
        ({"size": (640, 20)}, "at least 64 pixels"),
    ],
)
def test_what_cannot_be_drawn_is_refused_at_once(change: dict[str, object], says: str) -> None:
    given: dict[str, object] = {"joints": standing(3), "parents": PARENTS, "fps": 20.0} | change
    with pytest.raises(ValueError, match=says):
        draw(**given)  # type: ignore[arg-type]


def test_a_strip_refuses_rows_that_do_not_fit() -> None:
    rows = np.stack([standing(3)] * 2)
    with pytest.raises(ValueError, match="a label for each of 2 rows"):
        strip(rows, PARENTS, fps=20, labels=["one"])
    with pytest.raises(ValueError, match="a row of made for each of the 2"):
        strip(rows, PARENTS, np.zeros((3, 3), bool), fps=20)


def noise(count: int) -> Iterator[Pixels]:
    for seed in range(count):
        yield np.kron(np.random.default_rng(seed).integers(0, 2, (8, 8, 3)), np.ones((4, 4, 1))).astype(np.uint8) * 255


@pytest.mark.parametrize("frames", [1, 29, 60])
@pytest.mark.parametrize("fps", [7.3, 20, 23.976, 30, 44.9, 59.94, 60.0, 120.0])
def test_a_gif_lasts_as_long_as_the_motion(frames: int, fps: float) -> None:
    every, rate = film_rate(".gif", frames, fps)
    shown = len(range(0, frames, every))
    seconds = frames / fps if frames > 1 else max(1 / fps, 1 / 50)
    assert shown / rate == pytest.approx(seconds)
    film = Image.open(BytesIO(encode_film(noise(shown), ".gif", fps=rate)))
    lasts = []
    for number in range(film.n_frames):  # type: ignore[attr-defined]
        film.seek(number)
        lasts.append(film.info["duration"])
    assert len(lasts) == shown
    assert sum(lasts) == 10 * round(100 * seconds)
    assert min(lasts) >= 20
    assert max(lasts) - min(lasts) <= 10


def test_an_mp4_has_all_frames_at_their_rate(tmp_path: Path) -> None:
    assert film_rate(".mp4", 25, 59.94) == (1, 59.94)
    path = tmp_path / "film.mp4"
    path.write_bytes(encode_film(noise(25), ".mp4", fps=12.5))
    reader = imageio_ffmpeg.read_frames(str(path))
    about = next(reader)
    assert about["size"] == (32, 32)
    assert about["fps"] == 12.5
    shown = [np.frombuffer(frame, np.uint8).reshape(32, 32, 3) for frame in reader]
    assert len(shown) == 25
    for frame, given in zip(shown, noise(25), strict=True):
        assert np.corrcoef(frame.mean(-1).ravel(), given.mean(-1).ravel())[0, 1] > 0.9


def test_a_png_keeps_each_pixel() -> None:
    picture = next(noise(1))
    np.testing.assert_array_equal(np.asarray(Image.open(BytesIO(encode_picture(picture)))), picture)


def test_films_that_cannot_be_written_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match=r"\.mp4 or \.gif with a rate above 0"):
        encode_film(noise(1), ".avi", fps=20)
    with pytest.raises(ValueError, match=r"got '\.gif' and 0"):
        encode_film(noise(1), ".gif", fps=0)
    with pytest.raises(ValueError, match="at most 50"):
        encode_film(noise(1), ".gif", fps=60)
    with pytest.raises(ValueError, match="at least one frame"):
        encode_film(iter(()), ".gif", fps=20)
    with pytest.raises(ValueError, match=r"must end in \.mp4, \.gif, \.png, got 'a\.avi'"):
        check_film(tmp_path / "a.avi", overwrite=False)
    with pytest.raises(FileNotFoundError, match="folder"):
        check_film(tmp_path / "none" / "a.gif", overwrite=False)
    (tmp_path / "a.gif").touch()
    with pytest.raises(FileExistsError, match="--overwrite"):
        check_film(tmp_path / "a.gif", overwrite=False)
    assert check_film(tmp_path / "a.gif", overwrite=True) == tmp_path / "a.gif"
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    with pytest.raises(ImportError, match=r"alm-motion\[video\]"):
        check_film(tmp_path / "b.mp4", overwrite=False)
    with pytest.raises(ImportError, match=r"alm-motion\[video\]"):
        encode_film(noise(1), ".mp4", fps=20)
