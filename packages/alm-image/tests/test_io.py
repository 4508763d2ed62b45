"""Files in and out: modes, orientation, exactness, and what is refused."""

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from alm_image.io import WriteError, check_output, read_mask, read_picture, save_images
from PIL import Image

RANDOM = np.random.default_rng(0)


def picture(mode: str, size: tuple[int, int] = (7, 5)) -> Image.Image:
    channels = len(Image.new(mode, (1, 1)).getbands())
    array = RANDOM.integers(0, 256, (size[1], size[0], channels), np.uint8)
    return Image.fromarray(array[..., 0] if channels == 1 else array)


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "LA"])
@pytest.mark.parametrize("suffix", [".png", ".webp"])
def test_untouched_pictures_go_out_as_they_came_in(tmp_path: Path, mode: str, suffix: str) -> None:
    image = picture(mode)
    source = read_picture(image)
    out = source.with_values(source.values.astype(np.float32), *[np.zeros((5, 7), np.float32)] * 2)
    assert out.mode == mode
    save_images([out], [tmp_path / f"out{suffix}"])
    again = Image.open(tmp_path / f"out{suffix}").convert("RGBA")
    assert np.array_equal(np.asarray(again), np.asarray(image.convert("RGBA")))


def test_pixels_and_values_are_inverse() -> None:
    source = read_picture(picture("RGB"))
    assert np.array_equal(np.rint(source.channels_of(source.pixels()[0])), source.values)


def test_palette_and_bilevel_pictures_are_read() -> None:
    assert read_picture(picture("RGB").quantize(4)).values.shape == (5, 7, 3)
    assert read_picture(picture("L").convert("1")).values.shape == (5, 7, 1)


def test_generated_pixels_become_opaque() -> None:
    source = read_picture(picture("RGBA"))
    weight = np.zeros((5, 7), np.float32)
    weight[2, 3] = 1
    out = np.asarray(source.with_values(np.full((5, 7, 3), 9, np.float32), weight, weight))
    assert tuple(out[2, 3]) == (9, 9, 9, 255)


def test_exif_orientation_is_applied_and_other_exif_kept(tmp_path: Path) -> None:
    image, exif = picture("RGB"), Image.Exif()
    exif[0x0112], exif[0x010E] = 6, "a description"
    image.save(tmp_path / "turned.png", exif=exif)
    source = read_picture(tmp_path / "turned.png")
    assert (source.width, source.height) == (5, 7)
    assert np.array_equal(source.values, np.asarray(image.rotate(-90, expand=True)))
    out = source.with_values(source.values.astype(np.float32), *[np.zeros((7, 5), np.float32)] * 2)
    save_images([out], [tmp_path / "o.png"])
    kept = Image.open(tmp_path / "o.png").getexif()
    assert kept[0x010E] == "a description"
    assert kept.get(0x0112, 1) == 1


def test_a_soft_mask_keeps_its_grey_and_colour_masks_are_read_by_brightness() -> None:
    source = read_picture(picture("RGB", (2, 1)))
    mask = Image.fromarray(np.array([[0, 102]], np.uint8))
    assert read_mask(mask, source).flatten().tolist() == pytest.approx([0, 0.4])
    assert read_mask(mask.convert("RGB"), source).flatten().tolist() == pytest.approx([0, 0.4])


def test_what_jpeg_leaves_around_black_and_white_is_black_and_white() -> None:
    mask = Image.fromarray(np.array([[0, 8, 9, 246, 247, 255]], np.uint8))
    read = read_mask(mask, read_picture(picture("RGB", (6, 1)))).flatten().tolist()
    assert read == pytest.approx([0, 0, 9 / 255, 246 / 255, 1, 1])


def test_a_transparent_grey_is_read_as_alpha(tmp_path: Path) -> None:
    Image.fromarray(np.array([[7, 90]], np.uint8)).save(tmp_path / "grey.png", transparency=7)
    source = read_picture(tmp_path / "grey.png")
    assert source.alpha is not None
    assert (source.alpha.tolist(), source.values[..., 0].tolist()) == ([[0, 255]], [[7, 90]])


def test_sixteen_bits_a_channel_are_refused_and_not_halved(tmp_path: Path) -> None:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header, row = struct.pack(">IIBBBBB", 1, 1, 16, 2, 0, 0, 0), b"\0" + struct.pack(">3H", 1000, 2000, 60000)
    png = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(row)) + chunk(b"IEND", b"")
    (tmp_path / "deep.png").write_bytes(b"\x89PNG\r\n\x1a\n" + png)
    with pytest.raises(ValueError, match="16 bits a channel"):
        read_picture(tmp_path / "deep.png")


def test_transparent_parts_of_a_mask_are_kept_parts() -> None:
    mask = Image.fromarray(np.array([[[255, 255, 255, 0], [255, 255, 255, 255]]], np.uint8))
    assert read_mask(mask, read_picture(picture("RGB", (2, 1)))).flatten().tolist() == [0, 1]


@pytest.mark.parametrize(("value", "reason"), [(0, "empty"), (255, "full"), (90, "full")])
def test_an_empty_or_full_mask_is_refused(value: int, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        read_mask(Image.new("L", (7, 5), value), read_picture(picture("RGB")))


def test_a_mask_of_another_size_is_refused() -> None:
    with pytest.raises(ValueError, match="7 x 5; the image is 5 x 7"):
        read_mask(Image.new("L", (5, 7), 255), read_picture(picture("RGB")))


def test_missing_unreadable_and_deep_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "text.png").write_text("no picture")
    picture("L").convert("I;16").save(tmp_path / "deep.png")
    with pytest.raises(FileNotFoundError, match="there is no picture"):
        read_picture(tmp_path / "none.png")
    with pytest.raises(ValueError, match="cannot be read"):
        read_picture(tmp_path / "text.png")
    with pytest.raises(ValueError, match="mode I;16"):
        read_picture(tmp_path / "deep.png")


def test_wrong_outputs_are_refused_before_work(tmp_path: Path) -> None:
    (tmp_path / "there.png").touch()
    with pytest.raises(FileExistsError, match="--overwrite"):
        check_output(tmp_path / "there.png")
    assert check_output(tmp_path / "there.png", overwrite=True)
    with pytest.raises(ValueError, match=r"must end in \.png"):
        check_output(tmp_path / "out.gif")
    with pytest.raises(ValueError, match="transparency"):
        check_output(tmp_path / "out.jpg", has_alpha=True)
    with pytest.raises(FileNotFoundError, match="folder"):
        check_output(tmp_path / "none" / "out.png")


def test_a_failed_write_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor does it write some of several pictures."""
    save, images = Image.Image.save, [picture("RGB"), picture("L")]

    def fail(self: Image.Image, *given: object, **more: object) -> None:
        if self.mode == "L":
            raise OSError("disk full")
        save(self, *given, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(Image.Image, "save", fail)
    with pytest.raises(WriteError, match="disk full"):
        save_images(images, [tmp_path / "one.png", tmp_path / "two.png"])
    assert list(tmp_path.iterdir()) == []
