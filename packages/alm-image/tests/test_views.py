"""Views: each is a lens whose inverse is exact, keeps noise white, and moves pixels to where it says."""

import math

import numpy as np
import pytest
import torch
from alm_core import Noise
from alm_core.testing import check_window
from alm_core.window import coverage
from alm_image import views
from alm_image.animate import animation, check_animation, encode_animation
from alm_image.views import VIEWS, Disc, Flip, Jigsaw, Negate, Skew, Turn, View, show, view_named
from PIL import Image

OTHERS: dict[str, View] = {"a jigsaw of 3": Jigsaw(3, 5), "a skew": Skew(-0.7), "a wide disc": Disc(1, 0.49)}
ALL = VIEWS | OTHERS
EVERY = pytest.mark.parametrize("view", ALL.values(), ids=ALL.keys())


def picture(side: int = 24, seed: int = 0) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (side, side, 3), np.uint8))


def same(one: Image.Image, other: Image.Image) -> bool:
    return np.array_equal(np.asarray(one), np.asarray(other))


@EVERY
@pytest.mark.parametrize("side", [9, 16, 30])
def test_a_view_is_a_lens_without_any_error(view: View, side: int) -> None:
    check_window(view, Noise.batch(3, 2).draw((3, side, side)), tolerance=0.0)


@EVERY
@pytest.mark.parametrize("side", [9, 16])
def test_a_view_is_orthogonal_and_keeps_white_noise_white(view: View, side: int) -> None:
    x = Noise.batch(4, 2).draw((3, side, side))
    seen = view.read(x)
    for channel in (0, 2):
        before, after = (each[1, channel].flatten().abs().sort().values for each in (x, seen))
        assert torch.equal(before, after)
    y = Noise.batch(8, 2).draw((3, side, side))
    torch.testing.assert_close((seen * y).sum(), (x * view.write(x, y)).sum(), atol=1e-4, rtol=1e-5)


@EVERY
def test_a_view_shows_all_of_the_canvas_and_the_same_in_every_channel(view: View) -> None:
    canvas = torch.zeros(1, 3, 12, 12)
    assert bool((coverage(view, canvas).abs() == 1).all())
    one = Noise.batch(2, 1).draw((1, 12, 12))
    assert torch.equal(view.read(one.expand(1, 3, 12, 12)), view.read(one).expand(1, 3, 12, 12))


def test_views_move_pixels_to_where_they_say() -> None:
    x = torch.arange(16.0).view(1, 4, 4)
    at = x[0].long().tolist()

    def corner(view: View) -> float:
        return float(view.read(x)[0, 0, 0])

    assert corner(VIEWS["identity"]) == at[0][0]
    assert corner(VIEWS["rotate-cw"]) == at[3][0]  # what was below on the left comes to lie above it
    assert corner(VIEWS["rotate-ccw"]) == at[0][3]
    assert corner(VIEWS["rotate-180"]) == at[3][3]
    assert corner(VIEWS["flip-vertical"]) == at[3][0]
    assert corner(VIEWS["flip-horizontal"]) == at[0][3]
    assert corner(VIEWS["negate"]) == -at[0][0]
    assert float(VIEWS["negate"].read(x)[0, 1, 1]) == -5
    assert torch.equal(Turn(-1).read(x)[0], x[0].rot90(-1))
    assert torch.equal(Flip().read(x), x.flip(-2))


@pytest.mark.parametrize("factor", [1.5, -1.5, 0.4])
@pytest.mark.parametrize("side", [8, 9])
def test_a_skew_rolls_each_column_by_its_distance_from_the_middle(factor: float, side: int) -> None:
    x = Noise.batch(5, 1).draw((2, side, side))
    wanted = torch.stack([x[..., j].roll(int(factor * (j - side // 2)), -1) for j in range(side)], -1)
    assert torch.equal(Skew(factor).read(x), wanted)
    assert VIEWS["skew"] == Skew(1.5)


@pytest.mark.parametrize("factor", [1.5, -2.3])
def test_a_skew_of_a_finer_canvas_is_the_same_to_within_coarse_pixels(factor: float) -> None:
    coarse, times = 16, 4
    rows = torch.arange(coarse * times).float().view(1, 1, -1, 1).expand(1, 1, -1, coarse * times)
    fine = Skew(factor).read(rows)[0, 0]
    small = Skew(factor).read(rows[..., ::times, ::times])[0, 0].repeat_interleave(times, 0).repeat_interleave(times, 1)
    side = coarse * times
    offset = torch.arange(side).remainder(times)[:, None]
    apart = (fine - small - offset + side / 2).remainder(side) - side / 2
    assert 0 < float(apart.abs().max()) < (2 + abs(factor)) * times


@pytest.mark.parametrize("view", [Jigsaw(), Jigsaw(3, 2), Turn(-1), Flip(), Flip(vertical=False), Negate()])
def test_these_views_of_a_finer_canvas_are_exactly_the_same(view: View) -> None:
    x = Noise.batch(6, 1).draw((3, 12, 12))
    finer = x.repeat_interleave(4, -1).repeat_interleave(4, -2)
    assert torch.equal(view.read(finer), view.read(x).repeat_interleave(4, -1).repeat_interleave(4, -2))


def test_a_jigsaw_moves_and_turns_whole_pieces() -> None:
    x = torch.arange(64.0).view(1, 8, 8)
    seen = Jigsaw(2, 1).read(x)
    pieces = [p for rows in x.split(4, -2) for p in rows.split(4, -1)]
    laid = [p for rows in seen.split(4, -2) for p in rows.split(4, -1)]
    values = [set(piece.flatten().tolist()) for piece in pieces]
    sources = [values.index(set(piece.flatten().tolist())) for piece in laid]
    assert sorted(sources) == [0, 1, 2, 3]
    for piece, source in zip(laid, sources, strict=True):
        assert any(torch.equal(piece, pieces[source].rot90(k, (-2, -1))) for k in range(4))
    assert not torch.equal(seen, x)
    assert torch.equal(Jigsaw(2, 1).read(x), seen)
    assert not torch.equal(Jigsaw(2, 2).read(x), seen)


def test_what_a_jigsaw_leaves_over_stays() -> None:
    x = Noise.batch(6, 1).draw((1, 18, 18))
    seen = Jigsaw(4).read(x)
    assert torch.equal(seen[..., 16:, :], x[..., 16:, :])
    assert torch.equal(seen[..., 16:], x[..., 16:])


def test_a_disc_turns_and_its_surroundings_stay() -> None:
    x = Noise.batch(7, 1).draw((1, 16, 16))
    seen = Disc(2).read(x)
    axis = torch.arange(16) - 7.5
    inside = (axis.square()[:, None] + axis.square()) < 36
    assert torch.equal(seen[..., inside], x.rot90(2, (-2, -1))[..., inside])
    assert torch.equal(seen[..., ~inside], x[..., ~inside])
    assert math.isclose(float(inside.float().mean()), math.pi * 0.375**2, rel_tol=0.02)


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda: view_named("rotate"), "unknown view 'rotate': wanted one of identity, rotate-cw"),
        (lambda: Jigsaw(1), "2 or more pieces"),
        (lambda: Disc(1, 0.5), "below 0.5, got 0.5"),
        (lambda: Jigsaw(4).read(torch.zeros(1, 3, 3)), "as many pixels a side, got 3"),
        (lambda: Turn(1).read(torch.zeros(1, 3, 5)), "square canvases, got 3 x 5"),
        (lambda: Skew().read(torch.zeros(1, 5, 3)), "square canvases, got 5 x 3"),
    ],
)
def test_what_is_no_view_is_refused(make, reason: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ValueError, match=reason):
        make()


@EVERY
def test_a_picture_is_shown_exactly_and_taken_back(view: View) -> None:
    canvas = picture()
    seen = np.asarray(show(view, canvas), np.float32)
    values = torch.from_numpy(np.asarray(canvas, np.float32) / 127.5 - 1).permute(2, 0, 1)
    assert np.abs((view.read(values).permute(1, 2, 0).numpy() + 1) * 127.5 - seen).max() < 1e-3
    back = view.write(values, torch.from_numpy(seen / 127.5 - 1).permute(2, 0, 1))
    assert np.array_equal(np.rint((back.permute(1, 2, 0).numpy() + 1) * 127.5), np.asarray(canvas))


@EVERY
def test_an_animation_stands_exactly_at_both_ends_and_moves_between(view: View) -> None:
    canvas = picture()
    frames = animation(canvas, [Turn(), view], steps=5, hold=700, pace=40)
    moves = 0 if view == Turn() else 5
    assert [time for _, time in frames] == [700] + [40] * moves + [700] + [40] * moves
    assert same(frames[0][0], canvas)
    assert same(frames[1 + moves][0], show(view, canvas))
    for one, other in zip(frames[1 : 1 + moves], frames[: 1 + moves : -1], strict=True):
        assert same(one[0], other[0])
        assert one[0].size == canvas.size
    if moves:
        assert not any(same(frames[3][0], end) for end in (canvas, show(view, canvas)))


def test_frames_near_an_end_are_near_what_stands_there() -> None:
    smooth = Image.linear_gradient("L").resize((48, 48)).convert("RGB")
    for name, view in VIEWS.items():
        if name == "identity":
            continue
        inside = (slice(12, 36), slice(12, 36))
        for along, end in ((0.002, smooth), (0.998, show(view, smooth))):
            frame = np.asarray(view.between(smooth, along), float)[inside]
            apart = np.abs(frame - np.asarray(end, float)[inside])
            assert np.median(apart) < 5, (name, along)


def test_the_way_between_two_turned_views_leads_over_the_canvas() -> None:
    canvas = picture()
    frames = [frame for frame, _ in animation(canvas, [Turn(1), Disc()], steps=3)]
    assert len(frames) == 1 + 7 + 1 + 7
    assert same(frames[0], show(Turn(1), canvas))
    assert same(frames[4], canvas)
    assert same(frames[8], show(Disc(), canvas))


def test_a_webp_keeps_every_frame_and_a_gif_loops(tmp_path) -> None:  # type: ignore[no-untyped-def]
    canvas = picture()
    frames = animation(canvas, [Turn(), Turn(2)], steps=2, hold=500)
    for suffix in (".webp", ".GIF"):
        path = tmp_path / f"turn{suffix}"
        path.write_bytes(encode_animation(frames, suffix))
        with Image.open(path) as file:
            assert (file.n_frames, file.info["loop"]) == (6, 0)
            file.load()
            first = file.convert("RGB")
            assert file.info["duration"] == 500 or suffix == ".webp"
            file.seek(3)
            last = file.convert("RGB")
        if suffix == ".webp":
            assert same(first, canvas)
            assert same(last, show(Turn(2), canvas))


def test_an_animation_that_cannot_be_written_is_refused(tmp_path) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "there.gif").touch()
    (tmp_path / "folder.gif").mkdir()
    for name, reason in (("a.mp4", "must end in .gif or .webp"), ("folder.gif", "is a folder"), ("x/a.gif", "make it")):
        with pytest.raises((ValueError, OSError), match=reason):
            check_animation(tmp_path / name)
    with pytest.raises(FileExistsError, match="--overwrite"):
        check_animation(tmp_path / "there.gif")
    assert check_animation(tmp_path / "there.gif", overwrite=True) == tmp_path / "there.gif"


def test_a_jigsaw_is_laid_once_for_a_side(monkeypatch: pytest.MonkeyPatch) -> None:
    laid: list[Jigsaw] = []
    own = Jigsaw.moves
    monkeypatch.setattr(Jigsaw, "moves", lambda self: laid.append(self) or own(self))
    canvas = Noise.batch(3, 2).draw((3, 15, 15))
    for _ in range(3):
        view = Jigsaw(5, 77)
        assert torch.equal(view.write(canvas, view.read(canvas)), canvas)
    assert laid == [Jigsaw(5, 77)]


def test_few_orders_of_pixels_are_kept() -> None:
    for n in range(20):
        Skew(0.1 * n).read(torch.zeros(1, 9, 9))
        Jigsaw(2, n).read(torch.zeros(1, 9, 9))
    assert views._rolled.cache_info().currsize == views._laid.cache_info().currsize == views.KEPT
