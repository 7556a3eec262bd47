"""Pictures as near-duplicates look at them: small, with and without light and shade."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from al_server.curation.in_order import in_order
from al_server.errors import BadInput
from embeddings.errors import Unreadable

if TYPE_CHECKING:
    from PIL.Image import Image

SIDE: Final = 32
SHADE_SIGMA: Final = 4.0  # pixels of SIDE; what is smoother is light and shade
SHARPNESS_SIDE: Final = 256
BLACK, WHITE = 2, 253  # grey levels that salt and pepper have
# steps that noise makes, by a quartile of second differences; Gaussian noise: 2.26 / 1.91. Half as
# much again keeps the clean one of a pair, and still the uncompressed
NOISE: Final = 1.5 * 2.26 / 1.91

Picture = Path | NDArray[np.uint8]
"""A file, or an array of shape (height, width, 3) or (height, width)."""

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Pictures:
    """What is kept of each picture in memory: 3 kB, and how good it is.

    Attributes
    ----------
    thumbnails : uint8 array of shape (n, 3, SIDE, SIDE), stretched to a square; of one color where
        a picture cannot be read, and so like nothing
    n_pixels : int64 array of shape (n,)
    sharpness : float64 array of shape (n,), mean step from one pixel to the next, in standard
        deviations of the picture; at 256 pixels at most
    unreadable : reason, by row
    """

    thumbnails: NDArray[np.uint8]
    n_pixels: NDArray[np.int64]
    sharpness: NDArray[np.float64]
    unreadable: dict[int, str]


class _One(NamedTuple):
    thumbnail: NDArray[np.uint8]
    n_pixels: int
    sharpness: float


def read_pictures(pictures: Sequence[Picture]) -> Pictures:
    """Read pictures; those that cannot be read are told in `unreadable`.

    Raises
    ------
    BadInput
        If an array is no picture.
    """
    n = len(pictures)
    thumbnails = np.zeros((n, 3, SIDE, SIDE), np.uint8)
    n_pixels, sharpness = np.zeros(n, np.int64), np.zeros(n, np.float64)
    unreadable: dict[int, str] = {}
    for row, one in enumerate(in_order(_read, pictures)):
        if isinstance(one, Unreadable):
            unreadable[row] = str(one)
        else:
            thumbnails[row], n_pixels[row], sharpness[row] = one
    return Pictures(thumbnails, n_pixels, sharpness, unreadable)


def without_shade(colors: Floats) -> Floats:
    """Subtract from each channel what is smooth in it, by a Gaussian of SHADE_SIGMA.

    Parameters
    ----------
    colors : float32 array of shape (n, 3, SIDE, SIDE)
    """
    smooth = _gaussian_weights(SIDE, SHADE_SIGMA)
    detail: Floats = np.subtract(colors, smooth @ colors @ smooth.T, dtype=np.float32)
    return detail


def shrinking_weights(n_from: int, n_to: int) -> Floats:
    """Return weights of shape (n_to, n_from) that make fewer pixels of a line, antialiased.

    A triangle as wide as two new pixels, as bilinear resizing has it.
    """
    scale = n_from / n_to
    centers = (np.arange(n_to) + 0.5) * scale - 0.5
    weights = np.maximum(0, 1 - np.abs(centers[:, None] - np.arange(n_from)) / scale)
    shares: Floats = (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)
    return shares


def _gaussian_weights(n: int, sigma: float) -> Floats:
    """Return weights of shape (n, n) that smooth a line; beyond its ends it is mirrored."""
    places = np.arange(n)
    weights = np.zeros((n, n))
    for offset in range(-n, n + 1):
        shifted = places + offset
        at = np.where(shifted < 0, -1 - shifted, np.minimum(shifted, 2 * n - 1 - shifted))
        weights[places, np.clip(at, 0, n - 1)] += np.exp(-((offset / sigma) ** 2) / 2)
    shares: Floats = (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)
    return shares


def _read(picture: Picture) -> _One | Unreadable:
    from embeddings.images import load_image

    if not isinstance(picture, Path):
        return _measured(_from_array(picture))
    try:
        return _measured(load_image(picture))
    except Unreadable as error:
        return error


def _from_array(values: NDArray[Any]) -> "Image":
    from PIL import Image

    is_color = values.ndim == 3 and values.shape[2] == 3
    if values.dtype != np.uint8 or values.size == 0 or not (is_color or values.ndim == 2):
        raise BadInput(
            f"an array of shape {values.shape} and type {values.dtype} is no picture",
            "give uint8 arrays of shape (height, width, 3) or (height, width), or paths",
        )
    return Image.fromarray(values).convert("RGB")


def _measured(image: "Image") -> _One:
    from PIL.Image import Resampling

    grey = image.convert("L")
    grey.thumbnail((SHARPNESS_SIDE, SHARPNESS_SIDE), Resampling.BILINEAR)
    square = image.resize((SIDE, SIDE), Resampling.BILINEAR, reducing_gap=2.0)
    thumbnail = np.asarray(square, np.uint8).transpose(2, 0, 1)
    return _One(thumbnail, image.width * image.height, _sharpness(grey))


def _sharpness(grey: "Image") -> float:
    """Return the mean step from pixel to pixel without that of noise, over the deviation of pixels.

    Of two that are alike the clean one is to be the sharper. Black and white pixels count as the
    median around them. What even the calmest quarter of the second differences (Immerkaer 1996)
    holds is taken for noise. Whole numbers: a mirrored picture is exactly as sharp.
    """
    from PIL import ImageFilter

    given = np.asarray(grey, np.int64)
    median = np.asarray(grey.filter(ImageFilter.MedianFilter(3)), np.int64)
    values = np.where((given <= BLACK) | (given >= WHITE), median, given)
    n, total = given.size, int(given.sum())
    deviation = ((n * int((given * given).sum()) - total * total) ** 0.5) / n
    if deviation == 0:
        return 0.0
    steps = sum(int(np.abs(np.diff(values, axis=axis)).sum()) for axis in (0, 1)) / n
    second = np.abs(_second_differences(_second_differences(values).T)).ravel()
    noise = NOISE * int(np.partition(second, n // 4)[n // 4])
    return float(max(0.0, steps * steps - noise * noise) ** 0.5 / deviation)


def _second_differences(values: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return how far each pixel lies from the line through those above and below; edges repeat."""
    wide = np.pad(values, ((1, 1), (0, 0)), mode="edge")
    bent: NDArray[np.int64] = wide[:-2] - 2 * wide[1:-1] + wide[2:]
    return bent
