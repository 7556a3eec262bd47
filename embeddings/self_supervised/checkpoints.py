"""A training on disk: written whole or not at all, read without running anything in it."""

import os
import pickle
from io import BytesIO
from pathlib import Path
from typing import Any

from embeddings.errors import EmbeddingError
from embeddings.self_supervised.training import Training

_FORMAT = 1


def identity(training: Training, *, recipe: dict[str, Any], digest: str) -> dict[str, str]:
    """Name all that must be the same for a training to be gone on with, in words for an error.

    Parameters
    ----------
    recipe : of the backbone
    digest : of the images
    """
    return {
        "format": str(_FORMAT),
        "settings": repr(training.settings),
        "augmentation": repr(training.augmentation),
        "backbone": repr(recipe),
        "images": digest,
    }


def save(training: Training, path: Path, identity: dict[str, str]) -> None:
    """Write a training; an interruption leaves what was there before."""
    import torch

    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with unfinished.open("wb") as file:
            torch.save({"identity": identity, "state": training.state()}, file)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
    except OSError as error:
        raise EmbeddingError(
            f"{path} cannot be written: {error.strerror or error}", "make room, and go on"
        ) from error
    finally:
        unfinished.unlink(missing_ok=True)


def restore(training: Training, path: Path, identity: dict[str, str]) -> None:
    """Take a training up where `path` left it.

    Raises
    ------
    EmbeddingError
        If the file is none of this training; it says in what they differ.
    """
    found = _read(path)
    different = [name for name in identity if found["identity"].get(name) != identity[name]]
    if different:
        raise EmbeddingError(
            f"{path} is of another training: {', '.join(different)} differ",
            "give the options and images that it was started with, or name another folder",
        )
    training.restore(found["state"])


def _read(path: Path) -> dict[str, Any]:
    import torch

    try:
        found = torch.load(BytesIO(path.read_bytes()), map_location="cpu", weights_only=True)
        if isinstance(found, dict) and isinstance(found.get("identity"), dict):
            return found
    except (pickle.UnpicklingError, RuntimeError, OSError, EOFError, ValueError, KeyError):
        pass
    raise EmbeddingError(
        f"{path} is damaged, or no checkpoint of a training", "delete it to start anew"
    )
