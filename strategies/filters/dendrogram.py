# mypy: disallow-untyped-decorators=False
"""A tree of merged clusters, which can be cut anywhere, quickly."""

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from strategies.filters.nearest import distances_between
from strategies.filters.points import Points, Removed
from strategies.filters.receipts import checked_count
from strategies.kernels.curation_linkage import Doubles, Floats, Ints


@dataclass(frozen=True)
class Dendrogram:
    """All merges, in the order in which they were made.

    Attributes
    ----------
    points : what was merged
    merges : int32 array of shape (n - 1, 2), the names of two clusters, their lowest rows; the
        first, lower one is the name of both from then on
    heights : float64 array of shape (n - 1,), half the mean squared distance between their
        members; of unit rows, that is their mean cosine distance. Over a graph it may fall.
    """

    points: Points
    merges: Ints
    heights: Doubles

    def remove(self, alive: NDArray[np.bool_], n_remove: int | None) -> Removed:
        """Cut the tree and keep, of each cluster, the living sample nearest to its mean.

        Merges are made in their order; one counts where both sides hold living samples. After
        n_remove that count, as many clusters hold living samples as are to stay. The mean is that
        of the living; of equally near samples, as the two of a pair are, the lower row stays. The
        most similar go first, of equal ones the lower row. Where all go, nothing stands for them.

        Raises
        ------
        ValueError
            Where no number is given, or more than are alive.

        Notes
        -----
        Clusters of a larger n_remove contain those of a smaller one, but what stays of them may be
        another sample. Time O(n + m n_features) for m samples that share a cluster.
        """
        n_remove = checked_count("similars", alive, n_remove)
        labels = np.empty(len(alive), np.int32)
        _cut(self.merges, np.ascontiguousarray(alive), n_remove, labels)
        sizes = np.bincount(labels[alive], minlength=len(alive))
        rows = np.flatnonzero(alive & (sizes[labels] > 1)).astype(np.int32)
        numbers = (np.cumsum(sizes > 1) - 1).astype(np.int32)
        places, centers = numbers[labels[rows]], np.empty(int((sizes > 1).sum()), np.int32)
        _find_centers(self.points.vectors, rows, places, centers)
        gone = rows != centers[places]
        removed = self._removed(rows[gone].astype(np.int64), centers[places[gone]].astype(np.int64))
        return removed if len(removed.rows) == n_remove else _all(alive, removed.rows)

    def _removed(self, rows: NDArray[np.int64], because_of: NDArray[np.int64]) -> Removed:
        distances = distances_between(self.points, rows, because_of)
        order = np.lexsort((rows, distances))
        nan = np.full(len(rows), np.nan, np.float32)
        return Removed(rows[order], because_of[order], distances[order], nan)


def _all(alive: NDArray[np.bool_], rows: NDArray[np.int64]) -> Removed:
    """Remove some living rows, and then the one that is left."""
    last = np.setdiff1d(np.flatnonzero(alive), rows)
    nan = np.full(len(rows) + 1, np.nan, np.float32)
    nobody = np.full(len(rows) + 1, -1, np.int64)
    return Removed(np.concatenate([rows, last]), nobody, nan, nan.copy())


@njit(cache=True, nogil=True)
def _cut(merges: Ints, alive: NDArray[np.bool_], n_wanted: int, labels: Ints) -> int:
    """Merge until so many merges have put living samples together; returns how many did.

    `labels`, shape (n,), becomes the lowest row of each sample's cluster.
    """
    lives = alive.copy()
    for row in range(len(labels)):
        labels[row] = row
    counted = 0
    for step in range(len(merges)):
        if counted == n_wanted:
            break
        kept, gone = merges[step, 0], merges[step, 1]
        labels[gone] = kept
        counted += lives[kept] and lives[gone]
        lives[kept] |= lives[gone]
    for row in range(len(labels)):
        labels[row] = labels[labels[row]]  # that of a lower row is final
    return counted


@njit(cache=True)
def _half_squared(left: Floats, right: Doubles, size: float) -> float:
    """Half the squared distance of a vector to a sum of so many."""
    total = 0.0
    for feature in range(left.shape[0]):
        difference = left[feature] - right[feature] / size
        total += difference * difference
    return total / 2


@njit(cache=True, nogil=True)
def _find_centers(vectors: Floats, rows: Ints, places: Ints, centers: Ints) -> None:
    """Find the sample nearest to the mean of each cluster, of equal ones the lowest row.

    Parameters
    ----------
    vectors : (n, n_features)
    rows : (n_members,), rising
    places : (n_members,), number of the cluster of each
    centers : (n_clusters,), becomes rows
    """
    n_clusters = len(centers)
    sums, sizes = np.zeros((n_clusters, vectors.shape[1])), np.zeros(n_clusters)
    for member in range(len(rows)):
        sizes[places[member]] += 1
        for feature in range(vectors.shape[1]):
            sums[places[member], feature] += vectors[rows[member], feature]
    distances, nearest = np.empty(len(rows)), np.full(n_clusters, np.inf)
    for member in range(len(rows)):
        place = places[member]
        distances[member] = _half_squared(vectors[rows[member]], sums[place], sizes[place])
        nearest[place] = min(nearest[place], distances[member])
    for member in range(len(rows) - 1, -1, -1):
        if distances[member] <= nearest[places[member]]:
            centers[places[member]] = rows[member]
