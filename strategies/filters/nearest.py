"""Points: samples sorted by their tie keys, and the nearest neighbors of each."""

from typing import TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from strategies.filters.points import Metric, Points, Progress
from strategies.filters.search import Search, everywhere, near_clusters
from strategies.kernels import curation_search as kernel
from strategies.kernels.threads import threads_for
from strategies.pool import Rows

_Number = TypeVar("_Number", np.int64, np.uint8)

MOST_STEPS = 10**12  # multiplications for which every pair is measured
LARGEST = 2.0**60  # squared differences of what is longer would overflow


def points_from(
    vectors: ArrayLike,
    tie_key: ArrayLike,
    *,
    metric: Metric = "cosine",
    k: int = 15,
    classes: ArrayLike | None = None,
    contents: ArrayLike | None = None,
    progress: Progress | None = None,
) -> Points:
    """Sort samples by tie key and find the k nearest neighbors of each.

    Distances are sums in a fixed order: their bits depend on the two vectors alone. Every pair is
    measured where n^2 n_features is at most 10^12 (100,000 samples of 64 features); larger sets
    are searched near each sample's cluster, see `search.near_clusters`, and `measured_recall`
    tells what that misses.

    Parameters
    ----------
    vectors : array of shape (n, n_features), finite, n >= 1; no row zero where the metric is
        "cosine", under which rows are brought to unit length
    tie_key : uint64 array of shape (n,), distinct: a hash of each sample's id
    metric : "cosine" or "euclidean"; paths: `shortest_paths.with_path_distances`
    k : neighbors of each, at least 1; n - 1 where there are fewer
    classes : integer array of shape (n,), known or predicted
    contents : uint8 array of shape (n, 32), hashes of what was embedded
    progress : called with the share that is done, in [0, 1]

    Returns
    -------
    Points, in tie-key order; memory O(n (n_features + k)) beside the vectors

    Raises
    ------
    ValueError
        If the arrays do not fit together, are not finite, or have a row of zeros.

    Notes
    -----
    Time O(n^2 n_features), or about O(n^1.5 n_features) for large sets.
    """
    rows_given = _matrix(vectors)
    keys = _column(tie_key, "tie_key", len(rows_given))
    if metric not in ("cosine", "euclidean"):
        raise ValueError(f"metric is cosine or euclidean, not {metric!r}")
    if k < 1:
        raise ValueError(f"k is at least 1, not {k}")
    order = np.argsort(keys.astype(np.uint64), kind="stable")
    sorted_vectors = _sorted(rows_given, order, metric)
    n, n_features = sorted_vectors.shape
    exact = n * n * n_features <= MOST_STEPS
    search = everywhere(sorted_vectors, metric) if exact else near_clusters(sorted_vectors, metric)
    neighbors = search.nearest(np.arange(n), k=min(k, n - 1), progress=progress)
    return Points(
        vectors=sorted_vectors,
        order=order,
        neighbors=neighbors,
        metric=metric,
        exact=exact,
        classes=_in_order(classes, "classes", order, np.int64),
        contents=_in_order(contents, "contents", order, np.uint8),
    )


def search_of(points: Points) -> Search:
    """Return a search of the kind that found the neighbors: everywhere, or near clusters.

    Raises
    ------
    ValueError
        If distances are those of paths: these are not found from vectors.
    """
    if points.metric == "geodesic":
        raise ValueError("path distances are not found from vectors; search the graph instead")
    make = everywhere if points.exact else near_clusters
    return make(points.vectors, points.metric)


def distances_between(points: Points, lefts: Rows, rights: Rows) -> NDArray[np.float32]:
    """Measure pairs of rows, with the bits of the neighbors' distances; not along paths.

    Parameters
    ----------
    lefts, rights : int64 arrays of shape (n_pairs,)

    Returns
    -------
    float32 array of shape (n_pairs,): cosine distance where the metric is "cosine", else length
    of the difference
    """
    out = np.empty(len(lefts), np.float32)
    lefts, rights = np.asarray(lefts, np.int64), np.asarray(rights, np.int64)
    if len(lefts):
        with threads_for(len(lefts) * points.vectors.shape[1]):
            kernel.measure_pairs(points.vectors, lefts, rights, points.metric != "cosine", out)
    return out


def measured_recall(points: Points, n: int = 1000) -> float:
    """Return the share of the true nearest neighbors that was found, on a sample of rows.

    Rows evenly spaced over the tie-key order, which is as good as random, are compared with a scan
    of everything; one as near as the farthest true neighbor counts, too. Time O(n_sampled n
    n_features).

    Returns
    -------
    float in [0, 1]; 1 where there are no neighbors
    """
    n_points, k = points.neighbors.rows.shape
    if k == 0 or n < 1:
        return 1.0
    rows = np.unique(np.linspace(0, n_points - 1, min(n, n_points)).astype(np.int64))
    true = everywhere(points.vectors, points.metric).nearest(rows, k=k)
    return float(np.mean(points.neighbors.distances[rows] <= true.distances[:, -1:]))


def _matrix(vectors: ArrayLike) -> NDArray[np.floating]:
    matrix = np.asarray(vectors)
    if matrix.ndim != 2 or 0 in matrix.shape:
        raise ValueError(
            f"vectors have the shape {matrix.shape}; give one row a sample, at least one row, "
            "and at least one feature"
        )
    if matrix.dtype not in (np.float32, np.float64):
        matrix = matrix.astype(np.float32 if matrix.dtype == np.float16 else np.float64)
    return np.require(matrix, requirements=["C", "W"])


def _column(values: ArrayLike, name: str, n: int) -> NDArray[np.generic]:
    array = np.asarray(values)
    if array.shape[:1] != (n,):
        raise ValueError(f"{name} has the shape {array.shape}, but there are {n} vectors")
    return array


def _in_order(
    values: ArrayLike | None, name: str, order: Rows, kind: type[_Number]
) -> NDArray[_Number] | None:
    if values is None:
        return None
    return _column(values, name, len(order)).astype(kind)[order]


def _sorted(vectors: NDArray[np.floating], order: Rows, metric: Metric) -> NDArray[np.float32]:
    """Check vectors and sort them, unit rows for the cosine."""
    squares = np.empty(len(vectors))
    with threads_for(vectors.size):
        kernel.squared_lengths(vectors, squares)
    (bad,) = np.nonzero(~np.isfinite(squares))
    if len(bad):
        raise ValueError(
            f"the vector at row {bad[0]} has numbers that are not finite ({len(bad)} such rows); "
            "leave these samples out, or embed them again"
        )
    (bad,) = np.nonzero(squares == 0 if metric == "cosine" else squares > LARGEST**2)
    if len(bad) and metric == "cosine":
        raise ValueError(
            f"the vector at row {bad[0]} is zero, which has no direction ({len(bad)} such rows); "
            "leave these samples out, or use the metric euclidean"
        )
    if len(bad):
        raise ValueError(f"the vector at row {bad[0]} is too long to be measured; scale them down")
    lengths = np.sqrt(squares) if metric == "cosine" else np.ones(len(vectors))
    out = np.empty(vectors.shape, np.float32)
    with threads_for(vectors.size):
        kernel.scale(vectors, order, lengths, out)
    return out
