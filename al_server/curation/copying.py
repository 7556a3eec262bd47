"""Copies of the kept files, or links to them, in a folder of their own."""

import errno
import os
import shutil
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path, PurePosixPath

from al_server.answers import Failure
from al_server.curation.writing import is_full


def copy_files(
    names: Sequence[str],
    paths: Sequence[Path],
    folder: Path,
    *,
    link: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> list[Failure]:
    """Copy files under their names, or make symbolic links; return what could not be copied.

    Parameters
    ----------
    names : sample ids; as paths below `folder`, from which no name leads out
    paths : the files

    Raises
    ------
    OSError
        If the disk is full.
    """
    failures: list[Failure] = []
    for done, (name, path) in enumerate(zip(names, paths, strict=True)):
        if progress is not None:
            progress(done, len(names))
        target: Path | None = None
        try:
            if not path.is_file():
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
            target = _free(folder / _below(name, path.suffix))
            target.parent.mkdir(parents=True, exist_ok=True)
            if link:
                path = path.resolve(strict=True)
                target.symlink_to(path)
            else:
                shutil.copyfile(path, target)
                shutil.copystat(path, target)
        except (OSError, RuntimeError) as error:  # links in a circle are a RuntimeError
            if isinstance(error, OSError) and is_full(error):
                raise
            if target is not None:  # before it is chosen, the place may be that of another sample
                with suppress(OSError):
                    target.unlink(missing_ok=True)
            failures.append(Failure(sample=name, reason=_why(error)))
    if progress is not None:
        progress(len(names), len(names))
    return failures


def _why(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)


def _below(name: str, suffix: str) -> Path:
    """Return a path that stays where it is put, with the suffix of the file."""
    parts = [part for part in PurePosixPath(name).parts if part not in ("/", "..")] or ["unnamed"]
    if suffix and not parts[-1].lower().endswith(suffix.lower()):
        parts[-1] += suffix
    return Path(*parts)


def _free(target: Path) -> Path:
    """Return the path, or one with a number where two names come to the same."""
    number, free = 1, target
    while os.path.lexists(free):
        number += 1
        free = target.with_name(f"{target.stem}-{number}{target.suffix}")
    return free
