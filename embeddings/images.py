"""Any image file a person may have -> an RGB image, or a reason they understand."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from embeddings.errors import Unreadable
from embeddings.plain_file import open_plain

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff"})
"""Suffixes of the files that are taken for images, in lower case."""

MAX_PIXELS = 64_000_000
"""Larger images are refused: a small file may unfold into any amount of memory."""

MAX_ASPECT = 50
"""Longer strips are refused: networks scale the short side up, and the long one with it."""

MAX_BYTES = 512 * 2**20

_FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "DIB", "GIF", "TIFF")
_HIGH_DEPTH = ("I", "I;16", "I;16L", "I;16B", "I;16N", "F")


def load_image(path: Path) -> Image.Image:
    """Read an image file as a person would see it.

    Rotated as its EXIF says, transparency on white, the first frame of several, 16-bit and float
    greys brought to 8 bits; 16-bit ones over their whole range, for files do not say how many of
    their bits are used.

    Returns
    -------
    PIL image, mode RGB

    Raises
    ------
    Unreadable
        With the reason; the path is not in it.
    """
    return decode_image(read_file(path))


def load_small(path: Path, *, side: int) -> Image.Image:
    """Read an image file as `load_image` does, but no larger than needed, where that is quicker.

    JPEG files are decoded at a half, a quarter or an eighth of their size, of 12 megapixels seven
    times as fast; the others come as they are.

    Parameters
    ----------
    side : pixels that the shorter side is to have at least, where it has as many
    """
    return decode_image(read_file(path), side=side)


def read_file(path: Path) -> bytes:
    """Return the bytes of an image file; raise `Unreadable` where there are none, or too many."""
    try:
        with open_plain(path) as stream:
            if os.fstat(stream.fileno()).st_size > MAX_BYTES:
                raise Unreadable(f"the file is larger than {MAX_BYTES // 2**20} MB")
            data = stream.read()
    except OSError as error:
        raise Unreadable(f"the file cannot be read: {error.strerror or error}") from error
    if not data:
        raise Unreadable("the file is empty")
    return data


def decode_image(data: bytes, *, side: int | None = None) -> Image.Image:
    """Decode the bytes of an image file; see `load_image`, and with a side `load_small`."""
    with open_image(data) as image:
        _check_size(*image.size)
        if side is not None:
            image.draft(None, (side, side))
        image.load()
        return _to_rgb(ImageOps.exif_transpose(image))


@contextmanager
def open_image(data: bytes) -> Iterator[Image.Image]:
    """Open the bytes of an image file as PIL has them, of any mode and not yet decoded.

    Raises
    ------
    Unreadable
        With the reason; also where it fails inside of the block, while it is decoded.
    """
    try:
        with Image.open(BytesIO(data), formats=_FORMATS) as image:
            yield image
    except UnidentifiedImageError as error:
        raise Unreadable("not an image that can be read (jpg, png, webp, bmp, gif, tif)") from error
    except Image.DecompressionBombError as error:
        raise Unreadable(f"the image is larger than {MAX_PIXELS // 10**6} megapixels") from error
    except Unreadable:
        raise
    except Exception as error:  # decoders meet hostile bytes and raise anything
        raise Unreadable(f"the image is damaged: {error}") from error


def _check_size(width: int, height: int) -> None:
    if width * height > MAX_PIXELS:
        raise Unreadable(
            f"the image is larger than {MAX_PIXELS // 10**6} megapixels ({width} x {height})"
        )
    if max(width, height) > MAX_ASPECT * min(width, height):
        raise Unreadable(f"the image is a strip of {width} x {height} pixels")


def _to_rgb(image: Image.Image) -> Image.Image:
    """Bring any mode to RGB, transparency on white."""
    if image.mode in _HIGH_DEPTH:
        return _to_8_bits(image).convert("RGB")
    if image.has_transparency_data:
        rgba = image.convert("RGBA")
        white = Image.new("RGBA", rgba.size, "white")
        return Image.alpha_composite(white, rgba).convert("RGB")
    return image.convert("RGB")


def _to_8_bits(image: Image.Image) -> Image.Image:
    """Scale a deep grey image; what PIL does by itself is to cut off at 255."""
    grey = np.asarray(image).astype(np.float64)
    if not np.isfinite(grey).all():
        raise Unreadable("the image holds numbers that are not finite")
    if image.mode == "F":  # no agreed range: 0..1, 0..255 or anything
        low, high = (0.0, 1.0) if 0 <= grey.min() and grey.max() <= 1 else (grey.min(), grey.max())
    else:
        low, high = 0.0, 65535.0 if grey.max() > 255 or image.mode != "I" else 255.0
    scaled = (np.clip(grey, low, high) - low) * (255 / max(high - low, 1e-12))
    return Image.fromarray(np.rint(scaled).astype(np.uint8))
