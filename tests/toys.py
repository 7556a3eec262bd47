"""Toys whose answers can be computed by hand."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from embeddings.embedder import Item


class ColorEmbedder:
    """The mean color of an image, as a direction: a red image is [1, 0, 0], a yellow one
    [0.707, 0.707, 0], a black one has no direction and is left out.

    `n_embedded` counts the images that were not in the cache.
    """

    id = "toy:color"
    n_features = 3
    content: Literal["image", "text"] = "image"

    def __init__(self) -> None:
        self.n_embedded = 0

    @classmethod
    def create(
        cls, name: str, *, checkpoint: Path | None, sample: Sequence[Item], state_dir: Path | None
    ) -> Self:
        return cls()

    def embed_batch(self, items: Sequence[Image.Image | str]) -> NDArray[np.float32]:
        self.n_embedded += len(items)
        means = np.array([np.asarray(image, dtype=np.float64).mean(axis=(0, 1)) for image in items])
        return unit_rows(means)


class LetterEmbedder:
    """How often a, b and c occur in a text, as a direction: "aab" is [0.894, 0.447, 0].

    A text without any of them is left out. `n_embedded` counts the texts not in the cache.
    """

    id = "toy:letters"
    n_features = 3
    content: Literal["image", "text"] = "text"

    def __init__(self) -> None:
        self.n_embedded = 0

    @classmethod
    def create(
        cls, name: str, *, checkpoint: Path | None, sample: Sequence[Item], state_dir: Path | None
    ) -> Self:
        return cls()

    def embed_batch(self, items: Sequence[Image.Image | str]) -> NDArray[np.float32]:
        self.n_embedded += len(items)
        counts = [[str(text).count(letter) for letter in "abc"] for text in items]
        return unit_rows(np.array(counts, dtype=np.float64))


def unit_rows(rows: NDArray[np.float64]) -> NDArray[np.float32]:
    """Scale each row to length 1; a row of zeros stays."""
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.where(norms == 0, 1, norms), dtype=np.float32)
