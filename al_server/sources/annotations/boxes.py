"""What every format of annotations comes down to: images by name, each with its boxes."""

import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from al_server.answers import Failure
from al_server.errors import BadSource
from embeddings.plain_file import open_plain

MAX_JSON_BYTES = 512 * 2**20
"""Longest JSON file: COCO's own, of 118,000 photos, has 448 MB."""
MAX_PAGE_BYTES = 4 * 2**20
"""Longest file about one image."""
MAX_LABEL_LENGTH = 200


class Box(NamedTuple):
    """A rectangle, measured from the upper left corner of the image as a person sees it.

    Attributes
    ----------
    left, top, right, bottom : finite; in pixels, right and bottom not included, or as shares of the
        image's width and height; left < right and top < bottom; may reach over the image's edge
    label : class of the object, None where it has none
    is_share : whether they are shares
    """

    left: float
    top: float
    right: float
    bottom: float
    label: str | None
    is_share: bool = False


class Unusable(NamedTuple):
    """A box that cannot be used, and why; it keeps its place in the count."""

    reason: str


class Annotated(NamedTuple):
    """The boxes of one image, in the order of the file.

    Attributes
    ----------
    names : what the image may be called, the likeliest first; without a suffix where the format
        gives none
    boxes : not checked against the size of the image
    """

    names: tuple[str, ...]
    boxes: list[Box | Unusable]


class Annotations(NamedTuple):
    """All boxes of a source, and the files or entries that could not be read."""

    images: list[Annotated]
    failures: list[Failure]


def as_numbers(values: Sequence[Any]) -> list[float] | None:
    """Return values of a JSON file as numbers, or None where one is something else."""
    if not all(isinstance(one, int | float) and not isinstance(one, bool) for one in values):
        return None
    return [float(one) for one in values]


def checked_box(
    corners: Sequence[float], label: object, *, is_share: bool = False
) -> Box | Unusable:
    """Make a box of left, top, right, bottom, unless there can be no such box."""
    for value in corners:
        if not math.isfinite(value) or abs(value) > 1e9:
            return Unusable("its corners are not finite, or beyond all images")
        if is_share and not -1 <= value <= 2:
            return Unusable("its corners are no shares of the image")
    left, top, right, bottom = corners
    if left >= right or top >= bottom:
        return Unusable("its width or height is not above 0")
    name = label.strip() if isinstance(label, str) else ""
    if len(name) > MAX_LABEL_LENGTH:
        return Unusable(f"its class has over {MAX_LABEL_LENGTH} characters")
    return Box(left, top, right, bottom, name or None, is_share)


def read_page(file: Path) -> bytes:
    """Return the content of a file about one image.

    Raises
    ------
    ValueError
        If it cannot be read, or is too long; the text is the reason.
    """
    try:
        with open_plain(file) as stream:
            if os.fstat(stream.fileno()).st_size > MAX_PAGE_BYTES:
                raise ValueError(f"longer than {MAX_PAGE_BYTES // 2**20} MiB")
            return stream.read()
    except OSError as error:
        raise ValueError(f"cannot be read: {error.strerror or error}") from error


def read_json(file: Path) -> Any:
    """Return what a JSON file holds.

    Raises
    ------
    BadSource
        If it is not a JSON file, or too long.
    """
    if not file.is_file():
        raise BadSource(f"{file} is not a file", "name the .json that the boxes are in")
    try:
        if file.stat().st_size > MAX_JSON_BYTES:
            raise BadSource(
                f"{file} is longer than {MAX_JSON_BYTES // 2**20} MiB", "cut it into parts"
            )
        return orjson.loads(file.read_bytes())
    except (OSError, orjson.JSONDecodeError) as error:
        raise BadSource(f"{file} cannot be read: {error}", "give a JSON file in UTF-8") from error
