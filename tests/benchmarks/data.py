"""Embeddings to measure on: `gauss`, the worst case, and `emb`, shaped like real ones."""

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

Kind = Literal["gauss", "emb"]
N_CLUSTERS = 200
BLOCK = 65_536  # rows made at a time, so that memory stays near that of the result
SPECTRUM = -0.5  # standard deviation of the j-th direction: j ** SPECTRUM
SPREAD = 0.7  # of a cluster, against the distance between clusters


class Made(NamedTuple):
    """Embeddings and a class for each.

    Attributes
    ----------
    embeddings : float32 array of shape (n_samples, n_features), unit rows
    classes : int32 array of shape (n_samples,)
    """

    embeddings: NDArray[np.float32]
    classes: NDArray[np.int32]


def gauss(n_samples: int, n_features: int, *, n_classes: int = 10, seed: int = 0) -> Made:
    """Make independent normal vectors, scaled to unit length: no structure to profit from.

    The class is the nearest of `n_classes` random directions.
    """
    rng = np.random.default_rng(seed)
    directions = rng.standard_normal((n_classes, n_features), dtype=np.float32)
    embeddings = np.empty((n_samples, n_features), np.float32)
    classes = np.empty(n_samples, np.int32)
    for start in range(0, n_samples, BLOCK):
        block = embeddings[start : start + BLOCK]
        block[:] = rng.standard_normal(block.shape, dtype=np.float32)
        _to_unit_rows(block)
        classes[start : start + BLOCK] = (block @ directions.T).argmax(axis=1)
    return Made(embeddings, classes)


def emb(n_samples: int, n_features: int, *, n_classes: int = 10, seed: int = 0) -> Made:
    """Make 200 clusters of Zipf's sizes in directions whose spread falls by a power law.

    Clusters are dealt to the classes in turn, so that every class has large and small ones.
    """
    rng = np.random.default_rng(seed)
    scales = np.arange(1, n_features + 1, dtype=np.float32) ** np.float32(SPECTRUM)
    centers = rng.standard_normal((N_CLUSTERS, n_features), dtype=np.float32) * scales
    shares = 1 / np.arange(1, N_CLUSTERS + 1)
    clusters = rng.choice(N_CLUSTERS, size=n_samples, p=shares / shares.sum())
    embeddings = np.empty((n_samples, n_features), np.float32)
    for start in range(0, n_samples, BLOCK):
        block = embeddings[start : start + BLOCK]
        noise = rng.standard_normal(block.shape, dtype=np.float32)
        block[:] = centers[clusters[start : start + BLOCK]] + SPREAD * scales * noise
        _to_unit_rows(block)
    return Made(embeddings, (clusters % n_classes).astype(np.int32))


MAKERS = {"gauss": gauss, "emb": emb}


def _to_unit_rows(block: NDArray[np.float32]) -> None:
    block /= np.linalg.norm(block, axis=1, keepdims=True)
