"""A metric learned from labels, taken only where cross-validation says that it helps."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from embeddings.neighbor_votes import Labels, Vectors, right_votes
from embeddings.paired_gain import PairedGain, paired_gain
from embeddings.reduction import Reduction

Kind = Literal["whitened", "discriminant"]
KINDS: tuple[Kind, ...] = get_args(Kind)
FEWEST_LABELS = 20
N_FOLDS, N_REPEATS = 5, 3
K = 5


@dataclass(frozen=True)
class Metric:
    """What was learned from labels, and whether it helps.

    Attributes
    ----------
    reduction : the map to put vectors through, or None where they are better left as they are
    kind : the better one of `KINDS`; None where there are too few labels to try
    gain : accuracy of neighbours' votes in cross-validation, without and with the map
    """

    reduction: Reduction | None
    kind: Kind | None
    gain: PairedGain


def learn_metric(
    vectors: Vectors,
    labels: NDArray[np.int64],
    *,
    seed: int,
    groups: NDArray[np.int64] | None = None,
    k: int = K,
) -> Metric:
    """Learn which directions tell the classes apart.

    Both kinds take the mean of the classes away and look at the scatter within the classes, shrunk
    towards a sphere so far as its estimation asks for it. ``whitened`` evens that scatter out by
    its fourth root. ``discriminant`` evens it out wholly, then doubles the directions in which the
    class means lie (Fisher's); the others stay, so that what a few labels have not shown is not
    lost. The kind that is better in cross-validation is taken if it beats the vectors as they are
    by the interval and by the test, its p-value doubled because two kinds were tried.

    Parameters
    ----------
    vectors : float32 array of shape (n_labeled, n_features), unit-length rows
    labels : int64 array of shape (n_labeled,), class index
    seed : of the folds
    groups : int64 array of shape (n_labeled,); samples of one group stay in one fold
    k : neighbours that vote

    Raises
    ------
    ValueError
        If the arrays do not belong together.

    Notes
    -----
    Sources: Fisher 1936; Ledoit and Wolf 2004, "A well-conditioned estimator for large-dimensional
    covariance matrices". Time O(n_features^2 n_labeled) for each of the 15 folds.
    """
    groups = np.arange(len(labels)) if groups is None else groups
    if vectors.ndim != 2 or not len(vectors) == len(labels) == len(groups):
        raise ValueError(
            f"vectors {vectors.shape}, labels {labels.shape} and groups {groups.shape} must have "
            "one row for each labeled sample"
        )
    if not _is_learnable(labels):
        nothing = np.zeros(0)
        return Metric(None, None, paired_gain(nothing, nothing, seed=seed))
    before = cross_validated(vectors, labels, groups, kind=None, seed=seed, k=k)
    after = {
        kind: cross_validated(vectors, labels, groups, kind=kind, seed=seed, k=k) for kind in KINDS
    }
    kind = max(KINDS, key=lambda one: float(after[one].mean()))
    gain = paired_gain(before, after[kind], seed=seed, n_tried=len(KINDS))
    reduction = fit_metric(vectors, labels, kind=kind) if gain.is_better else None
    return Metric(reduction, kind, gain)


def cross_validated(
    vectors: Vectors,
    labels: NDArray[np.int64],
    groups: NDArray[np.int64],
    *,
    kind: Kind | None,
    seed: int,
    k: int = K,
) -> NDArray[np.float64]:
    """Return how right neighbours' votes are on each sample, with a map of a kind or without one.

    Returns
    -------
    float64 array of shape (n_labeled,), in [0, 1]: the mean over `N_REPEATS` ways to cut the
    samples into folds, which depend on `groups` and `seed` alone
    """
    learn = None if kind is None else partial(_learn, kind=kind)
    right = np.zeros(len(labels))
    for repeat in range(N_REPEATS):
        folds = folds_of(groups, np.random.default_rng([seed, repeat]))
        right += right_votes(vectors, labels, folds, k=k, learn=learn) / N_REPEATS
    return right


def folds_of(groups: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
    """Deal groups into `N_FOLDS` folds; return the fold of each sample."""
    names, group_of = np.unique(groups, return_inverse=True)
    return np.asarray(rng.permutation(len(names))[group_of] % N_FOLDS, np.int64)


def _learn(vectors: Vectors, labels: Labels, *, kind: Kind) -> Callable[[Vectors], Vectors]:
    if not _is_learnable(labels, fewest=2):
        return lambda given: given
    return fit_metric(vectors, np.asarray(labels, np.int64), kind=kind).apply


def _is_learnable(labels: Labels, *, fewest: int = FEWEST_LABELS) -> bool:
    counts = np.unique(labels, return_counts=True)[1]
    return len(labels) >= fewest and len(counts) >= 2 and bool((counts >= 2).any())


def fit_metric(vectors: Vectors, labels: NDArray[np.int64], *, kind: Kind) -> Reduction:
    """Fit one kind to labeled vectors, whether it helps or not; at least one class has two.

    Parameters
    ----------
    vectors : float32 array of shape (n_labeled, n_features), unit-length rows
    labels : int64 array of shape (n_labeled,), class index, two classes at least
    """
    class_of, counts = np.unique(labels, return_inverse=True, return_counts=True)[1:]
    means = np.zeros((len(counts), vectors.shape[1]))
    np.add.at(means, class_of, vectors.astype(np.float64))
    means /= counts[:, None]
    is_scattered = counts[class_of] > 1
    # a class of n gives n - 1 free residuals
    unbiased = np.sqrt(counts / np.maximum(counts - 1, 1))[class_of, None]
    residuals = ((vectors - means[class_of]) * unbiased)[is_scattered]
    center = means.mean(axis=0)
    if kind == "whitened":
        projection = _power(residuals, -0.25)
    else:
        projection = _power(residuals, -0.5)
        # full_matrices=False: as many directions as there are classes, the last one of no length
        directions = np.linalg.svd((means - center) @ projection, full_matrices=False)[2]
        directions = directions[: len(counts) - 1]
        projection += (projection @ directions.T) @ directions
    return Reduction(
        {"mean": center.astype(np.float32), "projection": projection.astype(np.float32)}
    )


def _power(residuals: NDArray[np.float64], exponent: float) -> NDArray[np.float64]:
    """Return a power of the shrunken scatter matrix, shape (n_features, n_features)."""
    from sklearn.covariance import ledoit_wolf_shrinkage

    n, n_features = residuals.shape
    variance = float((residuals**2).sum() / (n * n_features))
    if variance < 1e-12:  # every class is one point: there is no scatter to even out
        return np.eye(n_features)
    shrinkage = float(ledoit_wolf_shrinkage(residuals, assume_centered=True))
    floor = max(shrinkage, 1e-3) * variance
    _, lengths, axes = np.linalg.svd(residuals, full_matrices=False)
    variances = (1 - shrinkage) * lengths**2 / n + floor
    # outside of what the residuals span, the shrunken scatter is the floor in every direction
    base = floor**exponent
    return np.asarray(base * np.eye(n_features) + (axes.T * (variances**exponent - base)) @ axes)
