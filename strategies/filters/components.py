"""Join the components of a neighborhood graph by their nearest pairs of samples."""

import numpy as np
from numpy.typing import NDArray

from strategies.filters.points import Points, Progress
from strategies.filters.search import Search, everywhere, near_clusters
from strategies.pool import Rows

Labels = NDArray[np.int32]


def joined(points: Points, *, progress: Progress | None = None) -> Rows:
    """Return the links that connect all components, by the nearest pairs.

    Again and again each component but the largest, which the others find, is linked with the
    nearest sample outside of it; of equally near pairs, the one of the lower, then of the other
    lower row. Links so found are those of a minimum spanning tree over the components (Boruvka),
    where every pair is measured; else they are searched for where the neighbors were.

    Parameters
    ----------
    points : "geodesic" ones are measured by the length of differences
    progress : called with the share of a search that is done, again and again from 0 to 1

    Returns
    -------
    int64 array of shape (n_components - 1, 2), the lower row first

    Notes
    -----
    Time that of finding the neighbors, at most log2 of the number of components times, for the
    samples outside of the largest; memory O(n n_features).
    """
    neighbors = points.neighbors.rows
    n, k = neighbors.shape
    known = neighbors.ravel() >= 0
    links = np.stack([np.arange(n).repeat(k)[known], neighbors.ravel()[known]], axis=1)
    n_left, labels = _connected(links, n)
    found: list[Rows] = [np.empty((0, 2), np.int64)]
    if n_left > 1:
        make = everywhere if points.exact else near_clusters
        search = make(points.vectors, "cosine" if points.metric == "cosine" else "euclidean")
    while n_left > 1:
        links = _nearest_pairs(search, labels, n_left, progress)
        found.append(links)
        n_left, of_label = _connected(labels[links], n_left)
        labels = of_label[labels]
    return np.concatenate(found)


def _connected(links: NDArray[np.integer], n: int) -> tuple[int, Labels]:
    """Return how many components there are, and which each of n vertices is in."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    graph = coo_array((np.ones(len(links), np.int8), (links[:, 0], links[:, 1])), shape=(n, n))
    n_components, labels = connected_components(graph.tocsr(), directed=False)
    return n_components, labels.astype(np.int32)


def _nearest_pairs(
    search: Search, labels: Labels, n_labels: int, progress: Progress | None
) -> Rows:
    """Return the nearest pair of each component but the largest, each pair once."""
    is_open = np.ones(n_labels, np.bool_)
    is_open[np.bincount(labels, minlength=n_labels).argmax()] = False
    rows = np.flatnonzero(is_open[labels])
    others, distances = search.nearest(rows, k=1, families=labels, progress=progress)
    is_open[labels[rows[others[:, 0] >= 0]]] = False
    alone = np.flatnonzero(is_open[labels[rows]])
    if len(alone):  # nothing near their clusters was of another component
        far = everywhere(search.vectors, "euclidean" if search.euclidean else "cosine")
        others[alone], distances[alone] = far.nearest(
            rows[alone], k=1, families=labels, progress=progress
        )
    pairs = np.sort(np.stack([rows, others[:, 0]], axis=1), axis=1)
    # stable, and rows rise: of pairs with the same lower row, the one whose other is lower
    order = np.lexsort((pairs[:, 0], distances[:, 0], labels[rows]))
    _, firsts = np.unique(labels[rows][order], return_index=True)
    links: Rows = np.unique(pairs[order[firsts]], axis=0)
    return links
