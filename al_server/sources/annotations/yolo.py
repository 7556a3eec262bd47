"""YOLO: a text file for each image, a line for each box, in shares of the image."""

from pathlib import Path, PurePosixPath

from al_server.answers import Failure
from al_server.errors import BadSource
from al_server.sources.annotations.boxes import (
    Annotated,
    Annotations,
    Box,
    Unusable,
    checked_box,
    read_page,
)

CLASSES_FILE = "classes.txt"


def read_yolo(files: list[tuple[str, Path]], classes_file: Path | None) -> Annotations:
    """Read text files, each with its name within the folder that they lie in.

    A line is `class x y width height`, x and y those of the middle; a sixth number, how sure a
    detector was, is passed over. The class counts, from 0, into the lines of the file of classes;
    without one its number is its name.

    Raises
    ------
    BadSource
        If the file of classes cannot be read.
    """
    classes = None if classes_file is None else _classes(classes_file)
    images, failures = list[Annotated](), list[Failure]()
    for name, file in files:
        if PurePosixPath(name).name == CLASSES_FILE:
            continue
        try:
            lines = read_page(file).decode().splitlines()
        except ValueError as error:  # what is not UTF-8, too
            failures.append(Failure(sample=name, reason=str(error)))
            continue
        boxes = [_box(line.split(), classes) for line in lines if line.strip()]
        images.append(Annotated((str(PurePosixPath(name).with_suffix("")),), boxes))
    return Annotations(images, failures)


def _classes(file: Path) -> list[str]:
    try:
        return [line.strip() for line in read_page(file).decode().splitlines()]
    except ValueError as error:
        raise BadSource(f"{file}: {error}", "one class a line, UTF-8") from error


def _box(words: list[str], classes: list[str] | None) -> Box | Unusable:
    if len(words) not in (5, 6):
        return Unusable("its line is not: class x y width height")
    try:
        number = int(words[0])
        x, y, width, height = (float(word) for word in words[1:5])
    except ValueError:
        return Unusable("its line is not: class x y width height")
    if classes is not None and not 0 <= number < len(classes):
        return Unusable(f"its class {number} is none of the {len(classes)} in {CLASSES_FILE}")
    label = str(number) if classes is None else classes[number]
    corners = (x - width / 2, y - height / 2, x + width / 2, y + height / 2)
    return checked_box(corners, label, is_share=True)
