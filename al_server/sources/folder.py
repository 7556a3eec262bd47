"""Files of certain kinds in a folder, searched to the bottom."""

import os
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from al_server.answers import Failure
from al_server.sources.listing import MAX_ID_LENGTH
from al_server.sources.paths import is_inside, real_path


class Found(NamedTuple):
    """The files of a folder, sorted by name, and what was refused.

    Attributes
    ----------
    files : name within the folder, with forward slashes, and the file itself, links resolved
    failures : what was left out, and why
    """

    files: list[tuple[str, Path]]
    failures: list[Failure]


class _Entry(NamedTuple):
    """A file of the folder; `real` is None where it was refused, and `reason` says why."""

    name: str
    real: Path | None
    reason: str


def find_files(folder: Path, *, roots: Sequence[Path], suffixes: Collection[str]) -> Found:
    """Find the files below a folder whose suffix, in lower case, is one of those.

    Names that begin with a dot are passed over. Links are followed as long as they stay under the
    roots.
    """
    entries = sorted(_walk(folder, roots, suffixes), key=lambda one: one.name)
    return Found(
        [(one.name, one.real) for one in entries if one.real is not None],
        [Failure(sample=printable(one.name), reason=one.reason) for one in entries if not one.real],
    )


def _walk(folder: Path, roots: Sequence[Path], suffixes: Collection[str]) -> Iterator[_Entry]:
    # the third part holds the real folders on the way down: a link back up would never end
    waiting = [(folder, "", frozenset({folder}))]
    while waiting:
        here, prefix, above = waiting.pop()
        try:
            entries = list(os.scandir(here))
        except OSError as error:
            yield _Entry(prefix or ".", None, f"cannot be opened: {error.strerror}")
            continue
        for entry in entries:
            if entry.name.startswith("."):
                continue
            name = prefix + entry.name
            real = real_path(Path(entry.path)) if entry.is_symlink() else Path(entry.path)
            if real is None or not is_inside(real, roots):
                yield _Entry(name, None, "a link that leads out of the folders that may be read")
            elif real in above:
                yield _Entry(name, None, "a link to a folder that it lies in")
            elif os.path.isdir(real):
                waiting.append((real, f"{name}/", above | {real}))
            elif Path(name).suffix.lower() in suffixes:
                yield _checked(name, real)


def _checked(name: str, path: Path) -> _Entry:
    if not os.path.isfile(path):  # a broken link, a pipe, a device
        return _Entry(name, None, "not a file")
    if printable(name) != name:
        return _Entry(name, None, "its name is not UTF-8")
    if len(name) > MAX_ID_LENGTH:
        return _Entry(name, None, f"its path is over {MAX_ID_LENGTH} characters")
    return _Entry(name, path, "")


def folder_label(name: str, *, multi: bool) -> str | list[str] | None:
    """Return the folder that a file lies in, which is its label; none for those at the top."""
    folder = Path(name).parent.name
    if not folder:
        return None
    return [folder] if multi else folder


def printable(name: str) -> str:
    """Make a file name that can be shown and stored, whatever bytes it was made of."""
    return name.encode("utf-8", "backslashreplace").decode()
