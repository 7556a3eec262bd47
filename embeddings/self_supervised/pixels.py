"""The images of a training as one array on disk, each as the network is to see it."""

import hashlib
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from embeddings.embedder import Failed
from embeddings.errors import EmbeddingError, Unreadable
from embeddings.images import load_image

_BLOCK = 256
FEWEST = 16


class Pixels(NamedTuple):
    """Images of one size.

    Attributes
    ----------
    array : uint8 array of shape (n_images, 3, side, side), mapped from a file
    failures : images that cannot be read, by position
    digest : names the readable images, by their pixels
    """

    array: NDArray[np.uint8]
    failures: list[Failed]
    digest: str


def read_pixels(
    paths: Sequence[Path],
    file: Path,
    *,
    shrink: Callable[[Image.Image], Image.Image],
    progress: Callable[[int, int], None] | None = None,
) -> Pixels:
    """Read images into an array that is held on disk, not in memory.

    Parameters
    ----------
    paths : image files
    file : where the array goes; whatever is there is replaced
    shrink : callable
        Brings an RGB image to the size that the network sees.
    progress : callable, optional
        Called with (n_done, n_paths).

    Raises
    ------
    EmbeddingError
        If fewer than 16 images can be read, or the disk is full.
    """
    failures: list[Failed] = []
    digest = hashlib.sha256()
    unfinished = file.with_name(f".{file.name}.{os.getpid()}")
    n_read = 0
    shape: tuple[int, ...] = (3, 0, 0)

    def read(path: Path) -> NDArray[np.uint8] | str:
        try:
            return np.asarray(shrink(load_image(path))).transpose(2, 0, 1)
        except Unreadable as error:
            return error.message

    try:
        with ThreadPoolExecutor(4) as executor, unfinished.open("wb") as out:
            for start in range(0, len(paths), _BLOCK):
                block = executor.map(read, paths[start : start + _BLOCK])
                for position, image in enumerate(block, start):
                    if isinstance(image, str):
                        failures.append(Failed(position, image))
                        continue
                    shape = image.shape
                    digest.update(image.tobytes())
                    out.write(image.tobytes())
                    n_read += 1
                if progress is not None:
                    progress(min(start + _BLOCK, len(paths)), len(paths))
        os.replace(unfinished, file)
    except OSError as error:
        raise EmbeddingError(
            f"{file} cannot be written: {error.strerror or error}", "make room, or name another"
        ) from error
    finally:
        unfinished.unlink(missing_ok=True)
    if n_read < FEWEST:
        raise EmbeddingError(
            f"only {n_read} images can be read, at least {FEWEST} are needed",
            failures[0].reason if failures else "name a folder with more of them",
        )
    array = np.memmap(file, np.uint8, mode="r", shape=(n_read, *shape))
    return Pixels(array, failures, digest.hexdigest())
