"""Distances along a neighborhood graph: what is near is what a short path leads to."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from strategies.filters.points import Points
from strategies.kernels import curation_paths as kernel
from strategies.kernels.curation_paths import Graph
from strategies.kernels.threads import threads_for
from strategies.pool import Neighbors, Rows

LONGEST = 2.0**62  # of a path, in units
ROWS_A_CALL = 2**16
STEPS_A_NEIGHBOR = 256  # about, to find one


def with_path_distances(points: Points, k: int) -> Points:
    """Replace the neighbors by those to which the shortest paths lead.

    The graph has an edge between two samples where either is a neighbor of the other, as long as
    their difference; under the cosine, sqrt(2 d), the difference of the unit vectors. Lengths are
    rounded to a unit far below what single precision can tell, so that a path is as long from
    either end.

    Parameters
    ----------
    points : of metric "cosine" or "euclidean"
    k : neighbors of each, at least 1, at most as many as `points` has: so many are always reached

    Returns
    -------
    Points of metric "geodesic"; `exact` says that these are the nearest in the graph of `points`

    Raises
    ------
    ValueError
        If k is out of range or distances are those of paths already.

    Notes
    -----
    Dijkstra's search from each sample, stopped after k: time O(n k^2 log k) or less, memory O(n k).
    Sources: Dijkstra 1959; Tenenbaum, de Silva and Langford 2000 (Isomap).
    """
    n, n_neighbors = points.neighbors.rows.shape
    if points.metric == "geodesic":
        raise ValueError("these distances are those of paths already; give the points before that")
    if not 1 <= k <= max(1, n_neighbors):
        raise ValueError(
            f"k is at least 1 and at most {n_neighbors}, the neighbors of each sample, not {k}; "
            "call points_from with a larger k"
        )
    if n_neighbors == 0:
        return replace(points, metric="geodesic")
    lengths = points.neighbors.distances.astype(np.float64)
    if points.metric == "cosine":
        lengths = np.sqrt(2 * lengths)
    everyone = np.ones(n, np.bool_)
    neighbors = _search(points.neighbors.rows, lengths, np.arange(n), everyone, k)
    return replace(points, neighbors=neighbors, metric="geodesic")


def nearest_marked(points: Points, rows: Rows, marked: NDArray[np.bool_], *, k: int) -> Neighbors:
    """Find the k marked others to which the paths from some rows are shortest.

    Paths run over the lists of neighbors of `points`, whose metric is "geodesic"; also through rows
    that are not marked. What a list holds comes with the distance that stands there.

    Parameters
    ----------
    rows : int64 array of shape (n_rows,), distinct
    marked : bool array of shape (n,)

    Returns
    -------
    Neighbors of shape (n_rows, k); -1 and inf where no path leads to so many
    """
    lengths = points.neighbors.distances.astype(np.float64)
    return _search(points.neighbors.rows, lengths, np.asarray(rows, np.int64), marked, k)


def _search(
    neighbors: NDArray[np.integer],
    lengths: NDArray[np.float64],
    rows: Rows,
    marked: NDArray[np.bool_],
    k: int,
) -> Neighbors:
    n = len(neighbors)
    # no path visits a sample twice, so that no sum can overflow
    longest = float(lengths.max(initial=0.0)) or 1.0
    unit = 2.0 ** np.ceil(np.log2(longest * n / LONGEST))
    graph = _graph(neighbors, np.rint(lengths / unit).astype(np.int64))
    found = np.full((len(rows), k), -1, np.int32)
    units = np.full((len(rows), k), -1, np.int64)
    for first in range(0, len(rows), ROWS_A_CALL):
        some = slice(first, first + ROWS_A_CALL)
        with threads_for(len(rows[some]) * k * STEPS_A_NEIGHBOR):
            kernel.search(graph, rows[some], marked, found[some], units[some])
    return Neighbors(found, np.where(found >= 0, units * unit, np.inf).astype(np.float32))


def _graph(neighbors: NDArray[np.integer], lengths: NDArray[np.int64]) -> Graph:
    """Return the graph with the edges of either direction; one that both ends have stands twice."""
    n, k = neighbors.shape
    lefts, rights = np.repeat(np.arange(n), k), neighbors.ravel()
    both = np.concatenate([lefts, rights])
    order = np.argsort(both, kind="stable")
    return Graph(
        starts=np.concatenate([[0], np.cumsum(np.bincount(both, minlength=n))]),
        ends=np.concatenate([rights, lefts])[order].astype(np.int32),
        lengths=np.tile(lengths.ravel(), 2)[order],
    )
