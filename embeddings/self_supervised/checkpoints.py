"""A training on disk: written whole or not at all, read without running anything in it."""

import os
import pickle
from dataclasses import asdict
from io import BytesIO
from pathlib import Path
from typing import Any

from embeddings.errors import EmbeddingError
from embeddings.self_supervised.training import Training

_FORMAT = 2
_LONG = ("backbone", "images")  # what is not worth telling in full


def identity(training: Training, *, recipe: dict[str, Any], digest: str) -> dict[str, str]:
    """Name all that must be the same for a training to be gone on with, in words for an error.

    Parameters
    ----------
    recipe : of the backbone
    digest : of the images
    """
    return {
        "format": str(_FORMAT),
        **{name: str(value) for name, value in asdict(training.settings).items()},
        **{name: str(value) for name, value in asdict(training.augmentation).items()},
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
    before = found["identity"]
    if before.get("format") != identity["format"]:
        raise EmbeddingError(
            f"{path} was written by another version of al-server", "delete it to start anew"
        )
    different = [name for name in identity if before.get(name) != identity[name]]
    if different:
        told = [
            f"{name} differ" if name in _LONG else f"{name} was {before.get(name)}, is {value}"
            for name, value in identity.items()
            if name in different
        ]
        longer = (
            "; no training is made longer: its learning rate falls over the time set at its start"
            if {"epochs", "minutes"} & set(different)
            else ""
        )
        raise EmbeddingError(
            f"{path} is of another training: {'; '.join(told)}",
            f"give the options and images that it was started with, or name another folder{longer}",
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
