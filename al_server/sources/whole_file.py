"""Files that are there whole or not at all."""

import os
import time
from pathlib import Path

from al_server.errors import BadSource


def write_whole(path: Path, content: bytes) -> None:
    """Write a file under a name of its own, and then give it its name; folders are made.

    A run killed half-way must not leave half a picture behind a hash.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{os.getpid()}.{time.monotonic_ns()}.part")
    part.write_bytes(content)
    part.replace(path)


def write_media(path: Path, content: bytes) -> None:
    """Write a picture that was made of a source, whole or not at all.

    Raises
    ------
    BadSource
        If it cannot be written, for want of room or of permission.
    """
    try:
        write_whole(path, content)
    except OSError as error:
        raise BadSource(
            f"{path.parent} cannot be written: {error.strerror or error}",
            "make room there, or take another data folder",
        ) from error
