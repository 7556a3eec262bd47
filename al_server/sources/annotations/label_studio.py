"""Label Studio: rectangles in an export of kind JSON."""

import re
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

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
from embeddings.images import IMAGE_SUFFIXES

_RECTANGLES = ("rectanglelabels", "rectangle")
_OTHER_REGIONS = ("polygon", "ellipse", "keypoint", "brush")
# what Label Studio puts before the name of an uploaded file
_UPLOAD_MARK = re.compile(r"^[0-9a-f]{8}-")


def read_label_studio(file: Path) -> Annotations:
    """Read an export; of each task the first annotation that was not cancelled is taken.

    Rotated rectangles and regions of other shapes cannot be cut out, and are left out.

    Raises
    ------
    BadSource
        If it is no such file.
    """
    tasks = read_json(file)
    if not isinstance(tasks, list):
        raise BadSource(f"{file} is no export of tasks", "export the project as JSON")
    images, failures = list[Annotated](), list[Failure]()
    for position, task in enumerate(tasks):
        name = _image_name(task)
        results = _results(task)
        if name is None or results is None:
            what = "names no image" if name is None else "has no list of annotations"
            reason = f"it {what}; export the project as JSON"
            failures.append(Failure(sample=f"task {position}", reason=reason))
            continue
        last = PurePosixPath(name).name
        boxes = [box for one in results if (box := _box(one)) is not None]
        images.append(Annotated((name, last, _UPLOAD_MARK.sub("", last)), boxes))
    return Annotations(images, failures)


def _image_name(task: Any) -> str | None:
    data = task.get("data") if isinstance(task, dict) else None
    if not isinstance(data, dict):
        return None
    for value in (data.get("image"), *data.values()):
        if isinstance(value, str) and len(value) <= 4096:
            name = _path(value)
            if PurePosixPath(name).suffix.lower() in IMAGE_SUFFIXES:
                return name
    return None


def _path(address: str) -> str:
    try:
        parts = urlsplit(address)
    except ValueError:
        return ""
    local = parse_qs(parts.query).get("d")  # /data/local-files/?d=photos/a.jpg
    return local[0] if local else unquote(parts.path)


def _results(task: Any) -> list[Any] | None:
    annotations = task.get("annotations") if isinstance(task, dict) else None
    if not isinstance(annotations, list):
        return None
    for one in annotations:
        if isinstance(one, dict) and not one.get("was_cancelled"):
            results = one.get("result")
            return results if isinstance(results, list) else None
    return []


def _box(result: Any) -> Box | Unusable | None:
    """Return None for what is no region, as the choice of a class for the whole image."""
    kind = result.get("type") if isinstance(result, dict) else None
    if not isinstance(kind, str):
        return Unusable("it has no type")
    if kind not in _RECTANGLES:
        is_region = kind.startswith(_OTHER_REGIONS)
        return Unusable(f"a region of type {kind[:40]}, not a rectangle") if is_region else None
    value = result.get("value")
    if not isinstance(value, dict):
        return Unusable("it has no value")
    if value.get("rotation"):
        return Unusable("a rotated rectangle, which cannot be cut out")
    percent = as_numbers([value.get(name) for name in ("x", "y", "width", "height")])
    if percent is None:
        return Unusable("its corners are not numbers")
    x, y, width, height = (one / 100 for one in percent)
    labels = value.get("rectanglelabels") or value.get("labels")
    label = labels[0] if isinstance(labels, list) and labels else None
    return checked_box((x, y, x + width, y + height), label, is_share=True)
