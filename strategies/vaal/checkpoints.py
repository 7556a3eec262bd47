"""A training on disk: written whole or not at all, read without running anything in it."""

import os
import pickle
from io import BytesIO
from pathlib import Path
from typing import Any

from strategies.vaal.training import Training

FORMAT = 1


def identity(training: Training) -> dict[str, str]:
    """Name all that must be the same for a training to be gone on with, in words for an error."""
    import torch

    return {
        "format": str(FORMAT),
        "settings": repr(training.settings),
        "samples": training.samples.digest(),
        "seed": str(training.seed),
        "device": training.device.type,
        "torch": str(torch.__version__),  # a plain text is safe to read
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
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise


def restore(training: Training, path: Path, identity: dict[str, str]) -> None:
    """Take a training up where `path` left it.

    Raises
    ------
    ValueError
        If the file is none of this training; it says in what they differ.
    """
    found = _read(path)
    different = [name for name in identity if found["identity"].get(name) != identity[name]]
    if different:
        raise ValueError(
            f"checkpoint {path} is of another training: {', '.join(different)} differ; "
            "delete it, or name another file, to start anew"
        )
    training.restore(found["state"])


def _read(path: Path) -> dict[str, Any]:
    import torch

    error = ValueError(
        f"checkpoint {path} is no training of vaal, or a damaged one; delete it, or name another "
        "file, to start anew"
    )
    content = BytesIO(path.read_bytes())  # an OSError below is then about what is in it
    try:
        found = torch.load(content, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, OSError, EOFError, ValueError, KeyError) as cause:
        raise error from cause
    if not isinstance(found, dict) or not isinstance(found.get("identity"), dict):
        raise error
    return found
