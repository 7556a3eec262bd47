"""The kept sample that stands for each of the others."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from strategies.filters.points import Points
from strategies.filters.search import everywhere
from strategies.kernels import curation_lists as kernel
from strategies.kernels.curation_search import measure_pairs
from strategies.kernels.threads import threads_for
from strategies.pool import Neighbors, Rows

FEW = 32  # rows whose search is not worth laying the kept ones out


class NearestKept(NamedTuple):
    """The nearest kept row of some rows.

    Attributes
    ----------
    rows : int64 array of shape (n,), -1 where nothing is kept
    distances : float32 array of shape (n,), by the metric of the points; NaN where nothing is kept
    """

    rows: Rows
    distances: NDArray[np.float32]


def nearest_kept(points: Points, rows: Rows, kept: NDArray[np.bool_]) -> NearestKept:
    """Find the nearest kept row of each of some rows, other than itself; of equal ones the lower.

    The first kept one among a row's neighbors, where there is one; else all kept rows are measured.
    So it is the nearest for certain where `points.exact`.

    Parameters
    ----------
    rows : int64 array of shape (n_rows,)
    kept : bool array of shape (n,)

    Notes
    -----
    Time O(n_rows k), and O(n_kept n_features) for each row without a kept neighbor.
    """
    rows = np.asarray(rows, np.int64)
    best = np.full(len(rows), -1, np.int64)
    distances = np.full(len(rows), np.nan, np.float32)
    if len(rows) == 0:
        return NearestKept(best, distances)
    neighbors = points.neighbors
    with threads_for(len(rows) * (1 + neighbors.rows.shape[1])):
        kernel.first_marked(
            rows, np.asarray(neighbors.rows, np.int32), neighbors.distances, kept, best, distances
        )
    (left,) = np.nonzero(best < 0)
    kept_rows = np.flatnonzero(kept)
    if len(left) and len(kept_rows):
        if points.metric == "geodesic":
            from strategies.filters.shortest_paths import nearest_marked

            found = nearest_marked(points, rows[left], kept, k=1)
        elif len(left) <= FEW:
            found = _one_by_one(points, rows[left], kept_rows)
        else:
            search = everywhere(points.vectors, points.metric, kept_rows)
            found = search.nearest(rows[left], k=1)
        best[left] = found.rows[:, 0]
        reached = found.rows[:, 0] >= 0
        distances[left[reached]] = found.distances[reached, 0]
    return NearestKept(best, distances)


def _one_by_one(points: Points, rows: Rows, kept_rows: Rows) -> Neighbors:
    """Measure all kept rows for each row; to lay them out for a search would take longer."""
    nearest = np.full((len(rows), 1), -1, np.int64)
    distances = np.full((len(rows), 1), np.nan, np.float32)
    for place, row in enumerate(rows.tolist()):
        others = kept_rows[kept_rows != row]
        if len(others):
            lengths = _lengths(points, row, others)
            at = int(lengths.argmin())  # of equal ones the first, the lowest row
            nearest[place], distances[place] = others[at], lengths[at]
    return Neighbors(nearest, distances)


def _lengths(points: Points, row: int, others: Rows) -> NDArray[np.float32]:
    out = np.empty(len(others), np.float32)
    with threads_for(len(others) * points.vectors.shape[1]):
        measure_pairs(
            points.vectors, np.full(len(others), row), others, points.metric != "cosine", out
        )
    return out
