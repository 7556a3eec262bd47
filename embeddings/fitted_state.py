"""What a fitted embedder learned, in a file: later samples go the same way as the first ones."""

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from embeddings.errors import EmbedderUnavailable

State = Mapping[str, NDArray[Any]]


def load_state(path: Path) -> State | None:
    """Return the arrays of a state file; None where there is no file.

    Raises
    ------
    EmbedderUnavailable
        If the file is damaged. It is not replaced: vectors that were made with it are in use.
    """
    try:
        # opened here: np.load leaves a damaged file open
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            return {name: arrays[name] for name in arrays.files}
    except FileNotFoundError:
        return None
    except (OSError, ValueError, EOFError, BadZipFile) as error:
        raise EmbedderUnavailable(
            f"the embedder's state {path} is damaged: {error}",
            "restore it; or delete it, and the embedder is fitted anew",
        ) from error


def save_state(path: Path, state: State) -> None:
    """Write a state file: completely, or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with unfinished.open("wb") as file:
            np.savez(file, allow_pickle=False, **state)
            file.flush()
            os.fsync(file.fileno())
        os.replace(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)


def fingerprint(state: State) -> str:
    """Name a state by its content."""
    digest = hashlib.sha256()
    for name in sorted(state):
        array = np.ascontiguousarray(state[name])
        digest.update(f"{name}{array.dtype}{array.shape}".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()[:16]


def check_no_options(embedder: str, name: str, checkpoint: Path | None) -> None:
    """Raise `EmbedderUnavailable` where a fitted embedder is given what it has no use for."""
    if name:
        raise EmbedderUnavailable(
            f"{embedder}:{name}: {embedder} takes no options", f"write {embedder}"
        )
    if checkpoint is not None:
        raise EmbedderUnavailable(
            f"{embedder} has no weights to load from {checkpoint.name}", "leave the checkpoint out"
        )
