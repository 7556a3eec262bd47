"""Adjacency: of the two samples that are most alike, one goes; again and again."""

from dataclasses import dataclass
from threading import Lock
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from strategies.filters.nearest import search_of
from strategies.filters.points import Points, Progress, Removed
from strategies.filters.receipts import checked_count, receipts, without_receipts
from strategies.filters.search import Search, everywhere
from strategies.kernels import curation_adjacency as kernel
from strategies.kernels.curation_adjacency import Heap, Integer, Lists
from strategies.pool import Neighbors, Rows

FEW = 2  # living ones in a list that is renewed together with one that has run out
NEAR = 1.25  # so much farther than the shortest edge may be what is renewed ahead of time
LONGEST = 1024  # of a list
MOST_ENTRIES = 2**22  # of the lists renewed at a time


@dataclass(frozen=True)
class Adjacency:
    """Remove one end of the shortest edge between surviving samples until enough have gone.

    Of the shortest surviving edge (of equal ones that with the lower row, then the lower other
    row), the end whose next surviving neighbor, other than the partner, is nearer goes; if they are
    equally near, the higher row. It goes because of its nearest sample that stays in the end.
    Good where more than half is kept: dense places are thinned, coverage stays.

    The lists of neighbors are enough for most of it. A row whose list has run out is renewed among
    the living, once the shortest edge is as long as what its list had known; so the answer equals
    that of a loop over all pairs where `points.exact`. Else renewed lists come from a search near
    clusters, and `n_uncertified` of the tree counts them.

    Time O(n k log n) and the renewals, memory O(n k). The idea: "Adjacency" of the WhatToLabel
    guides, here with a rule for either end.
    """

    reason: ClassVar[str] = "adjacent"
    has_threshold: ClassVar[bool] = False

    def build(self, points: Points, *, progress: Progress | None = None) -> "AdjacencyTree":
        """Return the tree; the work is done when samples are removed."""
        if progress is not None:
            progress(1.0)
        return AdjacencyTree(points)


class AdjacencyTree:
    """Removes samples; the order is worked out as far as it is asked for, and remembered.

    Attributes
    ----------
    n_uncertified : of the last answer, the surviving rows whose neighbors ran out and were found
        again by an approximate search; 0 where the points are exact
    """

    def __init__(self, points: Points) -> None:
        self.points = points
        self.n_uncertified = 0
        self._lock = Lock()
        self._thinning: _Thinning | None = None
        self._alive: NDArray[np.bool_] = np.empty(0, np.bool_)

    def remove(self, alive: NDArray[np.bool_], n_remove: int | None) -> Removed:
        """Say which of the living go.

        Parameters
        ----------
        alive : bool array of shape (n,)
        n_remove : at most as many as live; if all go, the last one goes because of nothing

        Returns
        -------
        Removed; scores are NaN

        Raises
        ------
        ValueError
            If there is no number, or fewer live.
        """
        alive = np.asarray(alive, np.bool_)
        rows = self.choose(alive, n_remove).rows
        kept = alive.copy()
        kept[rows] = False
        return receipts(self.points, rows, kept)

    def choose(self, alive: NDArray[np.bool_], n_remove: int | None) -> Removed:
        """Say which would go, in order; see `Chooses`."""
        alive = np.asarray(alive, np.bool_)
        n_wanted = checked_count("adjacency", alive, n_remove)
        with self._lock:
            if self._thinning is None or not np.array_equal(self._alive, alive):
                self._thinning, self._alive = _Thinning(self.points, alive), alive.copy()
            rows = self._thinning.first(n_wanted).copy()
            kept = alive.copy()
            kept[rows] = False
            self.n_uncertified = int((kept & (self._thinning.uncertified_at < n_wanted)).sum())
        return without_receipts(rows)


class _Thinning:
    """One removal, that can go on where it stopped."""

    def __init__(self, points: Points, alive: NDArray[np.bool_]) -> None:
        n, k = points.neighbors.rows.shape
        ends = np.arange(1, n + 1, dtype=np.int64) * k
        lengths = np.array(points.neighbors.distances, np.float32).ravel()
        self.points, self.alive = points, alive.copy()
        self.uncertified_at = np.full(n, n)  # how many had gone by then; n: never
        self.lists = Lists(
            rows=np.array(points.neighbors.rows, np.int32).ravel(),
            lengths=lengths,
            starts=ends - k,
            ends=ends,
            radii=np.full(n, np.inf, np.float32) if k == n - 1 else lengths[ends - 1],
        )
        self.n_used = len(lengths)
        self.n_listed = np.full(n, k)
        self.removed = np.empty(int(alive.sum()), np.int64)
        self.n_removed = 0
        self.heap = Heap(
            np.empty(len(self.removed), np.int32), np.empty(n, np.float32), np.empty(n, np.int32)
        )
        self.n_rows = kernel.start(self.lists, self.heap, self.alive)
        self.search: Search | None = None
        self.n_searched = 0

    def first(self, n_wanted: int) -> Rows:
        """Return the first rows that go."""
        n_pairs = min(n_wanted, len(self.removed) - 1)
        while self.n_removed < n_pairs:
            stop = kernel.remove(
                self.lists,
                self.heap,
                self.alive,
                self.n_rows,
                self.removed,
                self.n_removed,
                n_pairs,
            )
            self.n_rows, self.n_removed = stop.n_rows, stop.n_removed
            if stop.first >= 0:
                self._renew([row for row in (stop.first, stop.second) if row >= 0], stop.length)
        if n_wanted == len(self.removed) > self.n_removed:
            self.removed[self.n_removed] = np.flatnonzero(self.alive)[0]
            self.n_removed += 1
            self.alive[:] = False
        return self.removed[:n_wanted]

    def _renew(self, needed: list[Integer], length: float) -> None:
        """Find the living neighbors of rows whose lists have run out, and of those that soon will.

        The lists that have run out get twice as long.
        """
        short = kernel.short_lists(self.lists, self.alive, FEW, np.float32(NEAR * length))
        rows = np.union1d(short, np.array(needed, np.int64))
        k = self.points.neighbors.rows.shape[1]
        most = max(k, min(LONGEST, MOST_ENTRIES // len(rows)))
        n_listed = np.minimum(2 * self.n_listed[rows], most)
        for wanted in np.unique(n_listed).tolist():
            some = rows[n_listed == wanted]
            self._list(some, self._nearest_living(some, wanted))

    def _nearest_living(self, rows: Rows, k: int) -> Neighbors:
        """Find the k nearest living others, all of them where there are fewer."""
        if self.points.metric == "geodesic":
            from strategies.filters.shortest_paths import nearest_marked

            return nearest_marked(self.points, rows, self.alive, k=k)
        n_living = len(self.removed) - self.n_removed
        if self.search is None or 2 * n_living < self.n_searched:
            living = np.flatnonzero(self.alive)
            made = search_of(self.points) if self.search is None else self.search
            self.search, self.n_searched = made.among(living), n_living
        found = self.search.nearest(rows, k=k, alive=self.alive)
        if self.points.exact:
            return found
        self.uncertified_at[rows] = np.minimum(self.uncertified_at[rows], self.n_removed)
        (bare,) = np.nonzero(found.rows[:, -1] < 0)
        if len(bare):
            # the clusters near by hold fewer than k; only a full search tells that nothing is left
            full = everywhere(self.points.vectors, self.points.metric, np.flatnonzero(self.alive))
            found.rows[bare], found.distances[bare] = full.nearest(rows[bare], k=k)
        return found

    def _list(self, rows: Rows, found: Neighbors) -> None:
        """Give rows new lists."""
        n_found = (found.rows >= 0).sum(axis=1)
        n_new = int(n_found.sum())
        if self.n_used + n_new > len(self.lists.rows):
            n_entries = max(self.n_used + n_new, len(self.lists.rows) * 3 // 2)
            self.lists = self.lists._replace(
                rows=np.resize(self.lists.rows, n_entries),
                lengths=np.resize(self.lists.lengths, n_entries),
            )
        new = slice(self.n_used, self.n_used + n_new)
        self.lists.rows[new] = found.rows[found.rows >= 0]
        self.lists.lengths[new] = found.distances[found.rows >= 0]
        ends = self.n_used + np.cumsum(n_found)
        self.lists.starts[rows], self.lists.ends[rows] = ends - n_found, ends
        # a list that could not be filled holds everybody
        self.lists.radii[rows] = np.where(
            n_found < found.rows.shape[1], np.inf, found.distances[:, -1]
        )
        self.n_listed[rows] = found.rows.shape[1]
        self.n_used += n_new
