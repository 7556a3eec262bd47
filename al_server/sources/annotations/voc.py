"""Pascal VOC: an XML file for each image."""

from pathlib import Path, PurePosixPath
from typing import NoReturn
from xml.parsers import expat

from al_server.answers import Failure
from al_server.sources.annotations.boxes import (
    Annotated,
    Annotations,
    Box,
    Unusable,
    checked_box,
    read_page,
)

_CORNERS = ("xmin", "ymin", "xmax", "ymax")
_OBJECT = ("annotation", "object")
_MAX_DEPTH = 20
_MAX_TEXT = 4096


def read_voc(files: list[tuple[str, Path]]) -> Annotations:
    """Read XML files, each with its name within the folder that they lie in.

    The image is the one that `filename` says, or else the one that is called as the XML file. VOC
    counts pixels from 1 and takes the last one in. Parts of an object are not taken.
    """
    images, failures = list[Annotated](), list[Failure]()
    for name, file in files:
        try:
            page = _Page()
            page.read(read_page(file))
        except (ValueError, LookupError, expat.ExpatError) as error:
            failures.append(Failure(sample=name, reason=str(error)))
            continue
        stem = PurePosixPath(name).with_suffix("")
        said = page.filename.strip()
        names = (str(stem.with_name("x").parent / said), said) if said else ()
        images.append(Annotated((*names, str(stem)), [_box(one) for one in page.objects]))
    return Annotations(images, failures)


def _box(values: dict[str, str]) -> Box | Unusable:
    try:
        xmin, ymin, xmax, ymax = (float(values.get(name, "")) for name in _CORNERS)
    except ValueError:
        return Unusable("its corners are not numbers")
    return checked_box((xmin - 1, ymin - 1, xmax, ymax), values.get("name"))


class _Page:
    """What a VOC file says, taken down while expat reads it.

    Attributes
    ----------
    filename : of the image
    objects : of each its `name` and corners, as they are written
    """

    def __init__(self) -> None:
        self.filename = ""
        self.objects: list[dict[str, str]] = []
        self._path: tuple[str, ...] = ()

    def read(self, data: bytes) -> None:
        parser = expat.ParserCreate()
        parser.buffer_text = True
        # entities are what XML bombs and stolen files are made of; they need a DTD
        parser.StartDoctypeDeclHandler = _refuse_dtd
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._text
        parser.Parse(data, True)

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        self._path = (*self._path, tag)
        if len(self._path) > _MAX_DEPTH:
            raise ValueError(f"elements lie {_MAX_DEPTH} deep")
        if self._path == _OBJECT:
            self.objects.append({})

    def _end(self, tag: str) -> None:
        self._path = self._path[:-1]

    def _text(self, text: str) -> None:
        if self._path == ("annotation", "filename"):
            self.filename = (self.filename + text)[:_MAX_TEXT]
        elif self._path[:2] == _OBJECT and self._path[2:] in _TAKEN:
            values, name = self.objects[-1], self._path[-1]
            values[name] = (values.get(name, "") + text)[:_MAX_TEXT]


_TAKEN = {("name",), *(("bndbox", name) for name in _CORNERS)}


def _refuse_dtd(*_: object) -> NoReturn:
    raise ValueError("it has a DTD, which is not read: it may hide an XML bomb")
