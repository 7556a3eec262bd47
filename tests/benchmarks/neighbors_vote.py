"""How many rows their nearest neighbours call right: the measure of an embedding's quality."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

N_SPLITS = 10
HELD_OUT = 0.2


def accuracy(
    vectors: NDArray[np.float32],
    labels: NDArray[np.int64],
    *,
    k: int,
    groups: NDArray[np.str_] | None = None,
    n_splits: int = N_SPLITS,
) -> list[float]:
    """Classify a fifth of the rows by their k nearest others, by cosine, in several random splits.

    Parameters
    ----------
    vectors : float32 array of shape (n, n_features), any scale
    labels : int64 array of shape (n,)
    groups : array of shape (n,), optional
        A group is held out as a whole.

    Returns
    -------
    list of n_splits shares, in [0, 1]
    """
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    units = np.arange(len(unit)) if groups is None else np.unique(groups, return_inverse=True)[1]
    return [_share(unit, labels, held_out, k=k) for held_out in _splits(units, n_splits)]


def _splits(units: NDArray[np.int64], n_splits: int) -> Iterator[NDArray[np.bool_]]:
    """Yield which rows are held out: a fifth of the units, and with each all its rows."""
    n_units = int(units.max()) + 1
    for seed in range(n_splits):
        order = np.random.default_rng(seed).permutation(n_units)
        yield np.isin(units, order[: round(HELD_OUT * n_units)])


def _share(
    unit: NDArray[np.float32], labels: NDArray[np.int64], held_out: NDArray[np.bool_], *, k: int
) -> float:
    known, asked = unit[~held_out], unit[held_out]
    known_labels = labels[~held_out]
    n_right = 0
    for start in range(0, len(asked), 500):
        cosines = asked[start : start + 500] @ known.T
        nearest = np.argpartition(-cosines, k, axis=1)[:, :k]
        votes = np.zeros((len(nearest), int(labels.max()) + 1), dtype=np.float64)
        # each vote weighs its cosine a little: no ties
        weights = 1 + 1e-3 * np.take_along_axis(cosines, nearest, axis=1)
        np.add.at(votes, (np.arange(len(nearest))[:, None], known_labels[nearest]), weights)
        n_right += int((votes.argmax(axis=1) == labels[held_out][start : start + 500]).sum())
    return n_right / len(asked)
