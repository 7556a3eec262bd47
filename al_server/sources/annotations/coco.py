"""COCO: one JSON file with all images, boxes and classes."""

from pathlib import Path
from typing import Any

from al_server.answers import Failure
from al_server.errors import BadSource
from al_server.sources.annotations.boxes import (
    Annotated,
    Annotations,
    Box,
    Unusable,
    as_numbers,
    checked_box,
    read_json,
)


def read_coco(file: Path) -> Annotations:
    """Read a file of COCO object detection: `images`, `annotations`, `categories`.

    Boxes of crowds (`iscrowd`) are left out.

    Raises
    ------
    BadSource
        If it is no such file.
    """
    said = read_json(file)
    parts = said if isinstance(said, dict) else {}
    entries, boxes = parts.get("images"), parts.get("annotations")
    categories = parts.get("categories", [])
    if not (isinstance(entries, list) and isinstance(boxes, list) and isinstance(categories, list)):
        raise BadSource(
            f"{file} is no COCO file of boxes",
            "it is an object with the lists images, annotations and categories",
        )
    failures: list[Failure] = []
    names = _by_id(categories, "name")
    images = {key: Annotated((name,), []) for key, name in _by_id(entries, "file_name").items()}
    for position, one in enumerate(boxes):
        key = one.get("image_id") if isinstance(one, dict) else None
        image = images.get(key) if isinstance(key, int | str) else None
        if image is None:
            reason = "it is of no image in the list images"
            failures.append(Failure(sample=f"annotation {position}", reason=reason))
        else:
            image.boxes.append(_box(one, names))
    return Annotations(list(images.values()), failures)


def _by_id(entries: list[Any], wanted: str) -> dict[int | str, str]:
    return {
        one["id"]: one[wanted]
        for one in entries
        if isinstance(one, dict)
        and isinstance(one.get("id"), int | str)
        and isinstance(one.get(wanted), str)
    }


def _box(said: dict[str, Any], names: dict[int | str, str]) -> Box | Unusable:
    if said.get("iscrowd"):
        return Unusable("a crowd, not one object")
    corners, category = said.get("bbox"), said.get("category_id")
    if not isinstance(corners, list) or len(corners) != 4:
        return Unusable("its bbox is not [x, y, width, height]")
    numbers = as_numbers(corners)
    if numbers is None:
        return Unusable("its corners are not numbers")
    x, y, width, height = numbers
    label = names.get(category) if isinstance(category, int | str) else None
    return checked_box((x, y, x + width, y + height), label)
