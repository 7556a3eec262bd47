"""A folder of images, searched to the bottom."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from al_server.errors import BadSource
from al_server.models import Failure
from al_server.sources.listing import MAX_ID_LENGTH, KnownLabel, Listing, class_names
from al_server.sources.paths import is_inside, real_path
from embeddings.images import IMAGE_SUFFIXES


class _Found(NamedTuple):
    """A file of the folder; `real` is None where it was refused, and `reason` says why."""

    name: str
    real: Path | None
    reason: str


def read_images(folder: Path, *, roots: Sequence[Path], labels: bool, multi: bool) -> Listing:
    """List the images of a folder.

    A sample_id is the path relative to the folder, with forward slashes; samples come in that
    order. A label is the name of the folder that the image lies in; images directly in the source
    folder have none. Names that begin with a dot are passed over, and so is what has no image's
    suffix. Links are followed as long as they stay under the roots.

    Raises
    ------
    BadSource
        If the folder holds no image.
    """
    if not folder.is_dir():
        raise BadSource(
            f"{folder} is not a folder",
            "kind images is a folder; a file has kind table, npz or npy",
        )
    found = sorted(_walk(folder, roots), key=lambda one: one.name)
    kept = [(one.name, one.real) for one in found if one.real is not None]
    failures = [
        Failure(sample=printable(one.name), reason=one.reason) for one in found if one.real is None
    ]
    if not kept:
        reasons = f"; left out: {failures[0].sample}: {failures[0].reason}" if failures else ""
        raise BadSource(
            f"{folder} holds no images{reasons}",
            f"images end in {', '.join(sorted(IMAGE_SUFFIXES))}",
        )
    known = [_label(name, multi) for name, _ in kept] if labels else None
    return Listing(
        kind="image",
        sample_ids=[name for name, _ in kept],
        paths=[real for _, real in kept],
        labels=known,
        classes=class_names(known),
        failures=failures,
    )


def _walk(folder: Path, roots: Sequence[Path]) -> Iterator[_Found]:
    # the third part holds the real folders on the way down: a link back up would never end
    waiting = [(folder, "", frozenset({folder}))]
    while waiting:
        here, prefix, above = waiting.pop()
        try:
            entries = list(os.scandir(here))
        except OSError as error:
            yield _Found(prefix or ".", None, f"cannot be opened: {error.strerror}")
            continue
        for entry in entries:
            if entry.name.startswith("."):
                continue
            name = prefix + entry.name
            real = real_path(Path(entry.path)) if entry.is_symlink() else Path(entry.path)
            if real is None or not is_inside(real, roots):
                yield _Found(name, None, "a link that leads out of the folders that may be read")
            elif real in above:
                yield _Found(name, None, "a link to a folder that it lies in")
            elif os.path.isdir(real):
                waiting.append((real, f"{name}/", above | {real}))
            elif Path(name).suffix.lower() in IMAGE_SUFFIXES:
                yield _checked(name, real)


def _checked(name: str, path: Path) -> _Found:
    if not os.path.isfile(path):  # a broken link, a pipe, a device
        return _Found(name, None, "not a file")
    if printable(name) != name:
        return _Found(name, None, "its name is not UTF-8")
    if len(name) > MAX_ID_LENGTH:
        return _Found(name, None, f"its path is over {MAX_ID_LENGTH} characters")
    return _Found(name, path, "")


def _label(name: str, multi: bool) -> KnownLabel:
    folder = Path(name).parent.name
    if not folder:
        return None
    return [folder] if multi else folder


def printable(name: str) -> str:
    """Make a file name that can be shown and stored, whatever bytes it was made of."""
    return name.encode("utf-8", "backslashreplace").decode()
