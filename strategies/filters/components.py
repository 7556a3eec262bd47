# mypy: disallow-untyped-decorators=False
"""Join the components of a neighborhood graph by their nearest pairs of samples."""

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

from strategies.kernels.curation_linkage import NOBODY, Clusters, Doubles, Ints, height_between
from strategies.kernels.threads import threads_for
from strategies.pool import Rows

CHUNK = 16  # rows that meet a vector while it is in the cache


def joined(neighbors: Ints, clusters: Clusters) -> Rows:
    """Return the links that connect all components, by the nearest pairs.

    Again and again each component but the largest, which the others find, is linked with the
    nearest sample outside of it; of equally near pairs, the one of the lower, then of the other
    lower row. Links so found are those of a minimum spanning tree over the components (Boruvka).

    Parameters
    ----------
    neighbors : int32 array of shape (n, k); NOBODY where there are fewer
    clusters : each row its own

    Returns
    -------
    int64 array of shape (n_components - 1, 2), the lower row first

    Notes
    -----
    Time O(m n n_features) for m samples outside of the largest component, at most log2 of the
    number of components times; memory O(n k).
    """
    n, k = neighbors.shape
    known = neighbors.ravel() != NOBODY
    links = np.stack([np.arange(n).repeat(k)[known], neighbors.ravel()[known]], axis=1)
    n_left, labels = _connected(links, n)
    found: list[Rows] = [np.empty((0, 2), np.int64)]
    while n_left > 1:
        links = _nearest_pairs(labels, n_left, clusters)
        found.append(links)
        n_left, of_label = _connected(labels[links], n_left)
        labels = of_label[labels]
    return np.concatenate(found)


def _connected(links: NDArray[np.integer], n: int) -> tuple[int, Ints]:
    """Return how many components there are, and which each of n vertices is in."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    graph = coo_array((np.ones(len(links), np.int8), (links[:, 0], links[:, 1])), shape=(n, n))
    n_components, labels = connected_components(graph.tocsr(), directed=False)
    return n_components, labels.astype(np.int32)


def _nearest_pairs(labels: Ints, n_labels: int, clusters: Clusters) -> Rows:
    """Return the nearest pair of each component but the largest, each pair once."""
    largest = np.bincount(labels, minlength=n_labels).argmax()
    rows = np.flatnonzero(labels != largest).astype(np.int32)
    others, heights = np.empty(len(rows), np.int32), np.empty(len(rows))
    with threads_for(len(rows) * clusters.sums.size):
        _find_nearest_outside(clusters, rows, labels, others, heights)
    pairs = np.sort(np.stack([rows, others], axis=1).astype(np.int64), axis=1)
    # stable, and rows rise: of pairs with the same lower row, the one whose other is lower
    order = np.lexsort((pairs[:, 0], heights, labels[rows]))
    _, firsts = np.unique(labels[rows][order], return_index=True)
    links: Rows = np.unique(pairs[order[firsts]], axis=0)
    return links


@njit(cache=True, parallel=True, nogil=True)
def _find_nearest_outside(
    clusters: Clusters, rows: Ints, labels: Ints, others: Ints, heights: Doubles
) -> None:
    """Find, for each of some rows, the nearest row of another label, of equal ones the lowest."""
    for task in prange((len(rows) + CHUNK - 1) // CHUNK):
        first, last = task * CHUNK, min((task + 1) * CHUNK, len(rows))
        heights[first:last] = np.inf
        for other in range(len(labels)):
            for place in range(first, last):
                if labels[rows[place]] == labels[other]:
                    continue
                height = height_between(clusters, rows[place], other)
                if height < heights[place]:
                    heights[place], others[place] = height, other
