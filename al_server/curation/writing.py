"""The files of a curation: names that stay, receipts for the others; all of them, or nothing."""

import csv
import errno
import fcntl
import io
import os
import shutil
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import numpy as np

from al_server.curation.curated import Curated
from al_server.errors import AlreadyExists, BadInput, StorageFull
from al_server.export import inert
from al_server.sources.listing import shown
from embeddings.plain_file import check_replaceable

KEPT, REMOVED, MANIFEST = "kept.txt", "removed.csv", "manifest.json"
INSIGHTS, GATE, CHECKS, NOT_COPIED = "insights.html", "gate.npz", "checks.csv", "not_copied.csv"
FILES: Final = (KEPT, REMOVED, MANIFEST, INSIGHTS, GATE, CHECKS, NOT_COPIED)
"""All that `al-server filter` may write into its folder."""
REMOVED_COLUMNS: Final = ("file", "reason", "because_of", "distance", "score")
_ASIDE: Final = ".al-filter-"
_YOUNG_S: Final = 60.0
_FULL: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@contextmanager
def whole_folder(folder: Path, *, overwrite: bool = False) -> Iterator[Path]:
    """Give a temporary folder, on the same disk, and move what was written into place at the end.

    Nothing is left behind where that fails, or is interrupted; what a killed run left is taken away
    by the next one there.

    Parameters
    ----------
    folder : may be there if it is empty
    overwrite : files of a curation are replaced, others are left as they are

    Raises
    ------
    AlreadyExists
        If the folder holds something, and is not to be overwritten.
    StorageFull, BadInput
        If the disk is full, or cannot be written to.
    """
    check_folder(folder, overwrite=overwrite)
    with told(folder):
        # a folder that is there may be a mount, or a link to another disk
        place = folder if folder.is_dir() else folder.parent
        place.mkdir(parents=True, exist_ok=True)
        _sweep(place)
        aside = Path(tempfile.mkdtemp(prefix=_ASIDE, dir=place))
        held = os.open(aside, os.O_RDONLY)
        try:
            with suppress(OSError):  # some network disks lock no folders, and are not swept
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            aside.chmod(0o777 & ~_umask())
            yield aside
            check_folder(folder, overwrite=overwrite)  # another run may have been quicker
            if folder.is_dir():
                new = [file.name for file in aside.iterdir()]
                for name in new:
                    os.replace(aside / name, folder / name)
                for name in set(FILES) - set(new):  # of an earlier run: none may outlive it
                    (folder / name).unlink(missing_ok=True)
            else:
                os.replace(aside, folder)
        finally:
            shutil.rmtree(aside, ignore_errors=True)
            os.close(held)


def _sweep(place: Path) -> None:
    """Take away the temporary folders that killed runs left: old ones that nobody holds."""
    for left in place.glob(f"{_ASIDE}*"):
        with suppress(OSError):
            handle = os.open(left, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            try:
                # a new one may not be held yet
                if time.time() - os.fstat(handle).st_mtime > _YOUNG_S:
                    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    shutil.rmtree(left, ignore_errors=True)
            finally:
                os.close(handle)


def check_folder(folder: Path, *, overwrite: bool = False) -> None:
    """Refuse a folder that holds something, unless it is to be overwritten.

    Raises
    ------
    AlreadyExists, BadInput
    """
    with told(folder):
        is_folder = folder.is_dir()
        held = os.listdir(folder) if is_folder else []
    if os.path.lexists(folder) and not is_folder:
        raise AlreadyExists(f"{folder} is there, and is no folder", "name another")
    if overwrite:
        for name in FILES:  # none is replaced where one cannot be
            check_file(folder / name, overwrite=True)
    elif any(not name.startswith(_ASIDE) for name in held):
        raise AlreadyExists(f"{folder} is not empty", "name another, or say --overwrite for --out")


def check_file(file: Path, *, overwrite: bool = False) -> None:
    """Refuse a name for a file where there is one, unless it is to be overwritten.

    Raises
    ------
    AlreadyExists, BadInput
        Also where there is something else: a folder, a device, a link.
    """
    with told(file):
        check_replaceable(file)
    if os.path.lexists(file) and not overwrite:
        raise AlreadyExists(f"{file} is there", "name another, or say --overwrite")


@contextmanager
def told(where: Path) -> Iterator[None]:
    """Say in our words what the disk refuses."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise StorageFull(
                f"the disk of {where} is full; nothing was written there",
                "make room, or name a folder on another disk",
            ) from error
        raise BadInput(
            f"{where} cannot be written: {error.strerror or error}", "name another"
        ) from error


def is_full(error: OSError) -> bool:
    """Tell whether a disk has no room."""
    return error.errno in _FULL


def check_names(sample_ids: Sequence[str]) -> None:
    """Refuse names that would not be one line of a file; to be asked before the long work.

    Raises
    ------
    BadInput
    """
    broken = [name for name in sample_ids if len(name.splitlines()) != 1]
    if broken:
        raise BadInput(
            f"{len(broken)} names hold line breaks: {shown([repr(one) for one in broken])}",
            "rename them: a list of kept files has one name a line",
        )
    odd = [name for name in sample_ids if not _is_text(name)]
    if odd:
        raise BadInput(
            f"{len(odd)} names hold what no file can: {shown([ascii(one) for one in odd])}",
            "rename them",
        )


def kept_text(curated: Curated) -> str:
    """Return the names that stay, one a line, in the order of the source."""
    return "".join(f"{curated.sample_ids[row]}\n" for row in curated.kept)


def removed_rows(curated: Curated) -> Iterator[tuple[object, ...]]:
    """Give a row of `REMOVED_COLUMNS` for each sample that goes, in the order in which they went.

    What is not known is empty.
    """
    names = curated.sample_ids
    for row, step, other, distance, score in zip(
        curated.removed.tolist(),
        curated.step_of.tolist(),
        curated.because_of.tolist(),
        curated.distances,
        curated.scores,
        strict=True,
    ):
        stays = "" if other < 0 else names[other]
        yield names[row], curated.steps[step].reason, stays, _number(distance), _number(score)


def csv_text(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return CSV (RFC 4180); texts that a spreadsheet would run as formulas are made harmless."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(header)
    writer.writerows(
        [inert(cell) if isinstance(cell, str) else cell for cell in row] for row in rows
    )
    return text.getvalue()


def _number(value: np.float32) -> str:
    # the shortest digits that read back as the same float32
    return "" if np.isnan(value) else str(value)


def _is_text(name: str) -> bool:
    try:
        return b"\0" not in name.encode()
    except UnicodeEncodeError:  # half of a surrogate pair
        return False


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
