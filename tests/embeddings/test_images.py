from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from embeddings import images
from embeddings.errors import Unreadable
from embeddings.images import IMAGE_SUFFIXES, decode_image, load_image, load_small


def encoded(image: Image.Image, kind: str = "png", **options: object) -> bytes:
    buffer = BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def corners(image: Image.Image) -> list[object]:
    width, height = image.size
    return [image.getpixel((x, y)) for y in (0, height - 1) for x in (0, width - 1)]


RED, WHITE = (255, 0, 0), (255, 255, 255)


@pytest.mark.parametrize("kind", ["png", "bmp", "tiff", "webp", "jpeg"])
def test_every_format_is_read_as_rgb(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "image"
    path.write_bytes(encoded(Image.new("RGB", (20, 10), RED), kind))
    image = load_image(path)
    assert image.mode == "RGB"
    assert image.size == (20, 10)
    np.testing.assert_allclose(np.asarray(image)[5, 5], RED, atol=3)


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGBA", "LA", "CMYK", "YCbCr", "I;16", "I", "F"])
def test_a_white_image_is_white_in_every_mode(mode: str) -> None:
    white = Image.new("RGB", (4, 4), "white")
    if mode == "I;16":
        image = Image.fromarray(np.full((4, 4), 65535, dtype=np.uint16))
    elif mode == "F":
        image = Image.fromarray(np.ones((4, 4), dtype=np.float32))
    else:
        image = white.convert("L").convert(mode) if mode in ("LA", "I") else white.convert(mode)
    data = encoded(image, "tiff")
    assert set(corners(decode_image(data))) == {WHITE}


def test_sixteen_bit_greys_are_scaled_not_cut_off() -> None:
    ramp = np.arange(256, dtype=np.uint16).reshape(16, 16) * 257
    pixels = np.asarray(decode_image(encoded(Image.fromarray(ramp))).convert("L"))
    assert np.array_equal(pixels.ravel(), np.arange(256))


def test_float_greys_are_scaled_by_what_they_hold() -> None:
    unit = np.array([[0, 0.5, 1]], dtype=np.float32)
    wide = unit * 4000 - 1000
    for grey in (unit, wide):
        pixels = np.asarray(decode_image(encoded(Image.fromarray(grey), "tiff")))
        assert pixels[0, :, 0].tolist() == [0, 128, 255]


def test_what_is_transparent_is_white() -> None:
    image = Image.new("RGBA", (2, 1), (0, 0, 0, 0))
    image.putpixel((1, 0), (255, 0, 0, 255))
    for kind in ("png", "webp"):
        decoded = decode_image(encoded(image, kind, lossless=True))
        assert corners(decoded) == [WHITE, RED, WHITE, RED]


def test_a_transparent_palette_color_is_white() -> None:
    image = Image.new("P", (2, 1), 0)
    image.putpalette([0, 0, 0, 255, 0, 0])
    image.putpixel((1, 0), 1)
    assert corners(decode_image(encoded(image, transparency=0)))[:2] == [WHITE, RED]


def test_the_camera_rotation_is_applied() -> None:
    image = Image.new("RGB", (20, 10), "white")
    image.paste(RED, (0, 0, 10, 10))  # left half
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned a quarter clockwise
    decoded = decode_image(encoded(image, "png", exif=exif))
    assert decoded.size == (10, 20)
    assert corners(decoded) == [RED, RED, WHITE, WHITE]


@pytest.mark.parametrize(
    ("size", "factor"),
    [((640, 480), 8), ((400, 640), 4), ((2000, 130), 2), ((100, 90), 1), ((9, 8), 1)],
)
def test_a_small_picture_is_the_large_one_with_fewer_pixels(
    tmp_path: Path, size: tuple[int, int], factor: int
) -> None:
    ramp = Image.linear_gradient("L").resize(size).convert("RGB")
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned a quarter clockwise
    ramp.save(tmp_path / "a.jpg", exif=exif)
    whole, small = load_image(tmp_path / "a.jpg"), load_small(tmp_path / "a.jpg", side=60)
    assert whole.size == size[::-1]
    assert small.size == (size[1] // factor, size[0] // factor)
    less = np.asarray(whole.resize(small.size, Image.Resampling.BOX), dtype=float)
    np.testing.assert_allclose(np.asarray(small), less, atol=6)


def test_a_strip_is_refused_however_small_it_is_to_be(tmp_path: Path) -> None:
    Image.new("L", (600, 3)).save(tmp_path / "a.jpg")
    with pytest.raises(Unreadable, match="strip of 600 x 3"):
        load_small(tmp_path / "a.jpg", side=1)


def test_an_animation_shows_its_first_frame() -> None:
    frames = [Image.new("RGB", (6, 6), color) for color in ("red", "blue")]
    for kind in ("webp", "tiff", "png"):
        data = encoded(frames[0], kind, save_all=True, append_images=frames[1:])
        np.testing.assert_allclose(np.asarray(decode_image(data))[3, 3], RED, atol=3)


@pytest.mark.parametrize("kind", ["png", "jpeg", "webp", "bmp", "tiff"])
def test_a_file_that_ends_early_is_unreadable(kind: str) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    data = encoded(Image.fromarray(noise), kind)
    with pytest.raises(Unreadable):
        decode_image(data[: len(data) // 2])


def test_bytes_that_are_no_image_are_unreadable() -> None:
    rng = np.random.default_rng(0)
    starts = [b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0", b"BM", b"II*\0", b"RIFF\0\0\0\0WEBP"]
    for start in starts:
        for length in (0, 1, 50, 2000):
            with pytest.raises(Unreadable) as caught:
                decode_image(start + rng.bytes(length))
            assert caught.value.message


def test_formats_beyond_those_named_are_not_tried() -> None:
    data = encoded(Image.new("RGB", (4, 4)), "ppm")
    with pytest.raises(Unreadable, match="jpg, png, webp, bmp, gif, tif"):
        decode_image(data)


def test_of_an_animated_gif_the_first_picture_is_taken() -> None:
    first, second = Image.new("RGB", (4, 4), "red"), Image.new("RGB", (4, 4), "blue")
    file = BytesIO()
    first.save(file, "gif", save_all=True, append_images=[second])
    assert decode_image(file.getvalue()).getpixel((1, 1)) == (255, 0, 0)


def test_an_image_that_unfolds_to_too_many_pixels_is_refused() -> None:
    bomb = encoded(Image.new("1", (9000, 8000)))
    assert len(bomb) < 20_000
    with pytest.raises(Unreadable, match="64 megapixels"):
        decode_image(bomb)


def test_a_strip_is_refused() -> None:
    with pytest.raises(Unreadable, match="strip of 600 x 3"):
        decode_image(encoded(Image.new("L", (600, 3))))


def test_files_that_cannot_be_read_have_a_reason_without_the_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    empty, large = tmp_path / "empty.png", tmp_path / "large.png"
    empty.touch()
    large.write_bytes(b"x" * 200)
    monkeypatch.setattr(images, "MAX_BYTES", 100)
    for path, reason in ((empty, "empty"), (large, "larger than"), (tmp_path / "no", "No such")):
        with pytest.raises(Unreadable, match=reason) as caught:
            load_image(path)
        assert str(tmp_path) not in caught.value.message


def test_suffixes_are_those_promised() -> None:
    assert {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff"} == IMAGE_SUFFIXES
