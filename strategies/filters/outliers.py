# mypy: disallow-untyped-decorators=False
"""Outliers: samples that are far from everything, in the order in which HDBSCAN would lose them."""

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

from strategies.filters.nearest import search_of
from strategies.filters.points import Points, Progress, Removed
from strategies.filters.receipts import checked_count
from strategies.kernels.threads import threads_for
from strategies.pool import Neighbors, Rows

Floats = NDArray[np.float32]
Ints = NDArray[np.int32]
FACTOR = 4  # how many times as many neighbors are looked at next, where they do not suffice


class Scored(NamedTuple):
    """What the order of the outliers is made from.

    Attributes
    ----------
    scores : float32 array of shape (n,), weight of each sample's lightest edge, at least 0
    n_searched : how many samples the neighbors did not suffice for, so that more were searched;
        their scores are exact, too
    n_uncertified : how many scores may be too high, by what lies beyond the neighbors; 0 where the
        neighbors are exact and the metric is not "geodesic"
    """

    scores: Floats
    n_searched: int
    n_uncertified: int


@dataclass(frozen=True)
class OutlierTree:
    """Samples in the order in which they go.

    Attributes
    ----------
    scores : float32 array of shape (n,), higher = removed sooner
    rows : int64 array of shape (n,), highest score first, of equal ones the higher row
    n_uncertified : how many scores may be too high, see `Scored`
    """

    scores: Floats
    rows: NDArray[np.int64]
    n_uncertified: int

    def remove(self, alive: NDArray[np.bool_], n_remove: int | None) -> Removed:
        """Remove the living with the highest scores; time O(n).

        Raises
        ------
        ValueError
            Where no number is given, or more than are alive.
        """
        n_remove = checked_count("outliers", alive, n_remove)
        living = self.rows[alive[self.rows]]
        rows = living[:n_remove].copy()
        return Removed(
            rows=rows,
            because_of=np.full(n_remove, -1, np.int64),
            distances=np.full(n_remove, np.nan, np.float32),
            scores=self.scores[rows],
        )


@dataclass(frozen=True)
class Outliers:
    """Remove what is linked last in the minimum spanning tree of HDBSCAN.

    The core distance of a sample is the distance to its `min_samples`-th neighbor, itself not
    counted. The mutual reachability of two samples is the largest of their core distances and the
    distance between them. HDBSCAN builds the minimum spanning tree of these weights; a sample is
    an outlier as far as the lightest edge that it has in the tree is heavy.

    The tree need not be built. Take a sample v, and let e be the lightest of all edges at v, weight
    w. Some minimum spanning tree holds e: add e to one that does not, a cycle through v is closed;
    its other edge at v weighs at least w, and e can take its place. As all minimum spanning trees
    have, of each weight, the same number of edges and join the same samples by edges up to it, v
    has an edge of weight w in every one of them, and none is lighter. So the score of v is the
    smallest mutual reachability between v and any other sample.

    A sample beyond the k-th neighbor is at least as far as this one. The smallest value over the
    neighbors is therefore the smallest of all where it is at most the k-th distance; where it is
    not, more neighbors are searched, until it is.

    Parameters
    ----------
    min_samples : at least 1; larger: small groups count as outliers, too

    Notes
    -----
    Time O(n k), and O(n n_features) for each sample that the neighbors do not suffice for; memory
    O(n). Only the neighbors of "geodesic" points are looked at: paths to others are not known.

    Source: Campello, Moulavi, Zimek and Sander 2015, doi:10.1145/2733381.
    """

    reason: ClassVar[str] = "outlier"
    has_threshold: ClassVar[bool] = False
    min_samples: int = 5

    def __post_init__(self) -> None:
        """Refuse settings that mean nothing."""
        if self.min_samples < 1:
            raise ValueError(f"min_samples={self.min_samples} is below 1")

    @property
    def least_neighbors(self) -> int:
        """See `declared`."""
        return self.min_samples

    def build(self, points: Points, *, progress: Progress | None = None) -> OutlierTree:
        """Score all samples.

        Raises
        ------
        ValueError
            Where the points have too few neighbors for `min_samples`.
        """
        scored = score(points, self.min_samples)
        # a stable sort of the reversed rows leaves, of equal scores, the higher row in front
        n = len(scored.scores)
        rows = n - 1 - np.argsort(-scored.scores[::-1], kind="stable")
        if progress is not None:
            progress(1.0)
        return OutlierTree(scored.scores, rows.astype(np.int64), scored.n_uncertified)


def score(points: Points, min_samples: int) -> Scored:
    """Weigh the lightest edge of every sample.

    Raises
    ------
    ValueError
        Where the points have too few neighbors for `min_samples`.
    """
    n, k = points.neighbors.rows.shape
    needed = min(min_samples, n - 1)
    if k < needed:
        raise ValueError(
            f"outliers: min_samples is {min_samples}, but the points have {k} neighbors each; "
            f"find at least {needed} neighbors, or lower min_samples"
        )
    if n < 2:
        return Scored(np.zeros(n, np.float32), 0, 0)
    cores = points.neighbors.distances[:, needed - 1].astype(np.float32)
    scores = _lightest(np.arange(n), points.neighbors, cores)
    beyond = np.flatnonzero(scores > points.neighbors.distances[:, -1])
    beyond = beyond[: len(beyond) if k < n - 1 else 0]
    if not points.exact:
        return Scored(scores, 0, n)
    if points.metric == "geodesic" or len(beyond) == 0:
        return Scored(scores, 0, len(beyond))
    search, left = search_of(points), beyond
    while len(left):
        k = min(FACTOR * k, n - 1)
        found = search.nearest(left, k=k)
        scores[left] = _lightest(left, found, cores)
        left = left[(scores[left] > found.distances[:, -1]) & (k < n - 1)]
    return Scored(scores, len(beyond), 0)


def _lightest(rows: Rows, neighbors: Neighbors, cores: Floats) -> Floats:
    out = np.empty(len(rows), np.float32)
    others = np.ascontiguousarray(neighbors.rows, np.int32)
    distances = np.ascontiguousarray(neighbors.distances, np.float32)
    with threads_for(distances.size):
        _find_lightest(rows, others, distances, cores, out)
    return out


@njit(cache=True, parallel=True, nogil=True)
def _find_lightest(rows: Rows, others: Ints, distances: Floats, cores: Floats, out: Floats) -> None:
    """Smallest mutual reachability of some rows and one of their neighbors, nearest first."""
    for place in prange(len(rows)):
        lightest, core = np.float32(np.inf), cores[rows[place]]
        for entry in range(others.shape[1]):
            distance = distances[place, entry]
            if distance >= lightest:
                break
            lightest = min(lightest, max(distance, core, cores[others[place, entry]]))
        out[place] = lightest
