"""How often the nearest labeled samples are right about one that does not vote for itself."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float32]
Labels = NDArray[np.int64] | NDArray[np.int8]
Learn = Callable[[Vectors, Labels], Callable[[Vectors], Vectors]]
"""Makes a map of vectors from labeled ones."""
_WIDTH_NEIGHBOR = 10
_BLOCK = 1024


def right_votes(
    vectors: Vectors,
    labels: Labels,
    folds: NDArray[np.int64],
    *,
    k: int,
    width: float | None = None,
    learn: Learn | None = None,
) -> NDArray[np.float64]:
    """Let the k nearest samples of other folds vote on each sample, and look who is right.

    A vote weighs exp(-d^2 / width), d^2 the squared distance of unit vectors.

    Parameters
    ----------
    vectors : float32 array of shape (n, n_features), unit-length rows
    labels : int64 array of shape (n,), class index; or int8 array of shape (n, n_classes), 1 yes,
        0 no, -1 unknown
    folds : int64 array of shape (n,); a fold of its own for each sample leaves one out at a time
    width : as the campaign's votes have it; None: half the median squared distance to the tenth
        nearest of all, which is the same rule on the labeled samples alone
    learn : makes a map from the samples of the other folds, by which all go before they vote

    Returns
    -------
    float64 array of shape (n,), in [0, 1]: 1 where the vote is right; with several classes a
    sample the share of the known yes and no that it gets right; 0 where nobody may vote
    """
    if learn is None:
        return _right(vectors, labels, folds, np.arange(len(folds)), k=k, width=width)
    right = np.zeros(len(folds))
    for fold in np.unique(folds):
        tested = folds == fold
        mapped = learn(vectors[~tested], labels[~tested])(vectors)
        rows = np.flatnonzero(tested)
        right[rows] = _right(mapped, labels, folds, rows, k=k, width=width)
    return right


def _right(
    vectors: Vectors,
    labels: Labels,
    folds: NDArray[np.int64],
    rows: NDArray[np.int64],
    *,
    k: int,
    width: float | None,
) -> NDArray[np.float64]:
    tau = _width(vectors) if width is None else width
    right = np.zeros(len(rows))
    n_near = min(k, len(vectors))
    for start in range(0, len(rows), _BLOCK):
        block = rows[start : start + _BLOCK]
        distances = np.maximum(1 - vectors[block] @ vectors.T, 0)
        distances[folds[block][:, None] == folds] = np.inf
        near = np.argpartition(distances, n_near - 1, axis=1)[:, :n_near]
        squared = 2 * np.take_along_axis(distances, near, axis=1).astype(np.float64)
        # less the nearest one's: far from everybody all weights would be rounded to 0
        first = squared.min(axis=1, keepdims=True)
        weights = np.exp(-(squared - np.where(np.isfinite(first), first, 0)) / tau)
        right[start : start + _BLOCK] = _judge(weights, labels[near], labels[block])
    return right


def _width(vectors: Vectors) -> float:
    place = min(_WIDTH_NEIGHBOR, len(vectors) - 1)
    tenth = [
        np.partition(1 - vectors[start : start + _BLOCK] @ vectors.T, place, axis=1)[:, place]
        for start in range(0, len(vectors), _BLOCK)
    ]
    return float(max(np.median(np.concatenate(tenth)), 1e-6))


def _judge(weights: NDArray[np.float64], said: Labels, truth: Labels) -> NDArray[np.float64]:
    has_votes = weights.sum(axis=1) > 0
    if truth.ndim == 1:
        votes = np.zeros((len(truth), int(max(said.max(), truth.max())) + 1))
        np.add.at(votes, (np.arange(len(truth))[:, None], said), weights)
        return np.asarray((votes.argmax(axis=1) == truth) & has_votes, np.float64)
    yes = (weights[:, :, None] * (said == 1)).sum(axis=1)
    known = (weights[:, :, None] * (said >= 0)).sum(axis=1)
    is_right = (2 * yes >= known) == (truth == 1)
    is_asked = (truth >= 0) & has_votes[:, None] & (known > 0)
    n_asked = np.maximum((truth >= 0).sum(axis=1), 1)
    return np.asarray((is_right & is_asked).sum(axis=1) / n_asked, np.float64)
