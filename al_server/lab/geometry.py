"""What a pool of vectors looks like before anything is labeled."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from al_server.lab.splits import LEAK_DISTANCE
from strategies.pool import Neighbors

K = 10
"""Neighbors that purity and hubness look at."""
_KEPT = 0.9  # of the ratios that the dimension is fitted to, the smallest ones
_SAME = 1e-6  # nearer than this two vectors are one


class Geometry(NamedTuple):
    """How the samples lie.

    Attributes
    ----------
    copies : share of samples with another one at a cosine distance of 0.01 or less
    hubness : skewness of how often a sample is among the 10 nearest of others; 0 is even
    dimension : intrinsic, by two neighbors; NaN where nearly all samples are equal
    contrast : median distance to the tenth neighbor over that of random pairs, in [0, 1]
    unevenness : half the range of the logarithm of the distance to the tenth neighbor that the
        middle two thirds of the samples span, a standard deviation where it is normal
    """

    copies: float
    hubness: float
    dimension: float
    contrast: float
    unevenness: float


class Labels(NamedTuple):
    """What known labels tell.

    Attributes
    ----------
    n_labeled, n_classes : known labels, and classes among them
    smallest, largest : shares of the rarest and the most frequent class
    purity : share of the 10 nearest labeled neighbors that have the sample's own label
    by_chance : what the purity would be if labels were shuffled
    """

    n_labeled: int
    n_classes: int
    smallest: float
    largest: float
    purity: float
    by_chance: float

    @property
    def order(self) -> float:
        """How far labels follow the embedding: 0 as if shuffled, 1 perfectly."""
        return (self.purity - self.by_chance) / max(1e-9, 1 - self.by_chance)


def measure(
    vectors: NDArray[np.float32], neighbors: Neighbors, rng: np.random.Generator
) -> Geometry:
    """Measure how samples lie.

    Parameters
    ----------
    vectors : float32 array of shape (n, n_features), unit rows
    neighbors : of shape (n, k), k at least 2, nearest first
    """
    distances = neighbors.distances
    left, right = rng.integers(len(vectors), size=(2, 4096))
    pairs = 1 - np.einsum("ij,ij->i", vectors[left], vectors[right])[left != right]
    between = float(np.median(pairs)) if len(pairs) else 0.0
    tenth = distances[:, min(K, distances.shape[1]) - 1].astype(np.float64)
    near, ends = (
        float(np.median(tenth)),
        np.quantile(np.log(np.maximum(tenth, _SAME)), [1 / 6, 5 / 6]),
    )
    return Geometry(
        copies=float((distances[:, 0] <= LEAK_DISTANCE).mean()),
        hubness=hubness(neighbors.rows[:, :K], len(vectors)),
        dimension=two_nn(distances[:, :2]),
        contrast=min(1.0, near / between) if between > 0 else 0.0,
        unevenness=float(ends[1] - ends[0]) / 2,
    )


def hubness(rows: NDArray[np.integer], n_samples: int) -> float:
    """Return the skewness of the number of times that each sample is a neighbor.

    Source: Radovanovic, Nanopoulos and Ivanovic 2010, JMLR 11.
    """
    times = np.bincount(rows[rows >= 0].ravel(), minlength=n_samples).astype(np.float64)
    centered = times - times.mean()
    deviation = times.std()
    return 0.0 if deviation == 0 else float((centered**3).mean() / deviation**3)


def two_nn(distances: NDArray[np.float32]) -> float:
    """Return the dimension in which the second neighbor would be as much farther than the first.

    The ratio of the two Euclidean distances follows Pareto's law with the dimension as exponent;
    it is fitted by a line through the origin to the smallest nine tenths. Samples whose first
    neighbor is a copy are left out.

    Source: Facco, d'Errico, Rodriguez and Laio 2017, Scientific Reports 7, 12140.

    Parameters
    ----------
    distances : shape (n, 2), cosine distance to the two nearest of unit vectors
    """
    euclidean = np.sqrt(2 * np.maximum(distances.astype(np.float64), 0))
    first, second = euclidean[euclidean[:, 0] > _SAME].T
    ratios = np.sort(second / first)
    ratios = ratios[: int(_KEPT * len(ratios))]
    if len(ratios) < 10 or ratios[-1] <= 1:
        return float("nan")
    n_all = len(first)
    x, y = np.log(ratios), -np.log(1 - np.arange(1, len(ratios) + 1) / n_all)
    return float(x @ y / (x @ x))


def known_labels(
    vectors: NDArray[np.float32],
    labels: NDArray[np.int64],
    groups: NDArray[np.int64] | None,
) -> Labels | None:
    """Measure how labels follow the embedding; None where fewer than two classes are known.

    A neighbor of the sample's own group does not count: it is nearly the same sample.

    Parameters
    ----------
    labels : int64 array of shape (n,), class index, -1 where unknown
    """
    rows = np.flatnonzero(labels >= 0)
    counts = np.bincount(labels[rows]) if len(rows) else np.zeros(0, np.int64)
    shares = counts[counts > 0] / max(1, len(rows))
    if len(shares) < 2 or len(rows) <= K:
        return None
    return Labels(
        n_labeled=len(rows),
        n_classes=len(shares),
        smallest=float(shares.min()),
        largest=float(shares.max()),
        purity=_purity(vectors[rows], labels[rows], None if groups is None else groups[rows]),
        by_chance=float((shares**2).sum()),
    )


def _purity(
    vectors: NDArray[np.float32], labels: NDArray[np.int64], groups: NDArray[np.int64] | None
) -> float:
    own = np.arange(len(vectors)) if groups is None else groups
    shares = []
    for start in range(0, len(vectors), 1024):
        block = slice(start, start + 1024)
        similarity = vectors[block] @ vectors.T
        similarity[own[block, None] == own] = -np.inf
        near = np.argpartition(-similarity, K, axis=1)[:, :K]
        counts = np.isfinite(np.take_along_axis(similarity, near, axis=1))
        same = (labels[near] == labels[block, None]) & counts
        shares.append(same.sum(axis=1) / np.maximum(1, counts.sum(axis=1)))
    return float(np.concatenate(shares).mean())
