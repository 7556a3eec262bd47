"""Coreset: keep samples that lie far from each other; what goes is covered by what stays."""

import heapq
from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock
from typing import ClassVar, Protocol

import numpy as np
from numba import njit
from numpy.typing import NDArray

from strategies import farthest_first
from strategies.filters.points import Points, Progress, Removed, Tree
from strategies.filters.receipts import checked_count, receipts, without_receipts
from strategies.pool import Rows

LANES = 16  # centers that a point meets at once
PICKED = np.float32(-1.0)

Floats = NDArray[np.float32]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Coreset:
    """Keeps the first samples in farthest-first order: each the farthest from all before it.

    The order begins with the lowest row and runs over *all* points, also over those that other
    filters removed: the kept are the first living ones in it. So every number that is asked for is
    a prefix of the same order, and answers at once, but a sample that an outlier stands before in
    the order may count as covered by it. Samples go best covered first, each because of the nearest
    that stays.

    The kept cover all points within twice the smallest radius that so many samples can have, where
    all live and distances are a metric (Euclidean, geodesic; the cosine distance is half the square
    of one, so four times there).

    Source: Gonzalez 1985, "Clustering to minimize the maximum intercluster distance"; Sener and
    Savarese 2018, arXiv:1708.00489. Time O(n b d) at most to put b of n samples in order, in
    practice a fraction of it; geodesic O(n k log n) a few times. Memory O(n d).

    Attributes
    ----------
    most : how many samples `build` puts in order; more follow as they are asked for, and the answer
        does not depend on it. For sliders give the number of all samples
    """

    reason: ClassVar[str] = "covered"
    has_threshold: ClassVar[bool] = False
    most: int = 0

    def __post_init__(self) -> None:
        if self.most < 0:
            raise ValueError(f"most={self.most} is no number of samples; give 0 or more")

    def build(self, points: Points, *, progress: Progress | None = None) -> Tree:
        """Put `most` samples in order."""
        tree = CoresetTree(points)
        tree.first(min(self.most, len(points.vectors)))
        if progress is not None:
            progress(1.0)
        return tree


class CoresetTree:
    """The order so far, and what more of it is found with."""

    def __init__(self, points: Points) -> None:
        self.points = points
        self._order = _ORDERS[points.metric](points)
        self._lock = Lock()  # sliders ask from several threads

    def first(self, n_wanted: int) -> Rows:
        """Return the first rows of the farthest-first order."""
        with self._lock:
            return self._order.first(n_wanted)

    def remove(self, alive: Mask, n_remove: int | None) -> Removed:
        """Remove all living but the first in the order; best covered first."""
        kept = self._kept(alive, n_remove)
        removed = receipts(self.points, np.flatnonzero(alive & ~kept), kept)
        # reversed before a stable sort: of equal ones the higher row goes first
        order = np.argsort(removed.distances[::-1], kind="stable")
        order = len(order) - 1 - order
        rows, because_of, distances, scores = removed
        return Removed(rows[order], because_of[order], distances[order], scores[order])

    def choose(self, alive: Mask, n_remove: int | None) -> Removed:
        """Say which would go; see `Chooses`."""
        return without_receipts(np.flatnonzero(alive & ~self._kept(alive, n_remove)))

    def _kept(self, alive: Mask, n_remove: int | None) -> Mask:
        """Mark the first living in the order."""
        n_kept = int(np.count_nonzero(alive)) - checked_count("coreset", alive, n_remove)
        n_first, n_found = n_kept, 0
        while n_found < n_kept:
            living = self.first(n_first)
            living = living[alive[living]]
            n_found = len(living)
            n_first += n_kept - n_found
        kept = np.zeros(len(alive), np.bool_)
        if n_kept:
            kept[living[:n_kept]] = True
        return kept


class Order(Protocol):
    """A farthest-first order that is found as far as it is asked for."""

    def first(self, n_wanted: int) -> Rows:
        """Return the first rows of it, at most as many as there are."""
        ...


class _ByCosine:
    """The order of `farthest_first`, gone on with from where it was left."""

    def __init__(self, points: Points) -> None:
        self._vectors = points.vectors
        self._picks: Rows = np.empty(0, np.int64)
        self._rows = np.arange(len(points.vectors))  # those that are not picked
        self._covers = np.full(len(points.vectors), np.inf, np.float32)  # of these
        self._n_met = 0  # picks that the covers know

    def first(self, n_wanted: int) -> Rows:
        n_more = min(n_wanted, len(self._vectors)) - len(self._picks)
        if n_more > 0:
            latest = self._vectors[self._picks[self._n_met :]]
            nearer = farthest_first.distances_to_nearest(self._vectors, self._rows, latest)
            covers = np.minimum(self._covers, nearer)
            keys, weights = self._rows.astype(np.uint64), np.ones(len(covers), np.float32)
            more = farthest_first.pick(self._vectors, self._rows, keys, covers, weights, n_more)
            self._n_met = len(self._picks)
            self._picks = np.concatenate([self._picks, self._rows[more]])
            self._rows, self._covers = np.delete(self._rows, more), np.delete(covers, more)
        return self._picks[:n_wanted]


class _ByLength:
    """The order by the length of differences; points meet centers only when their turn is near."""

    def __init__(self, points: Points) -> None:
        n, n_features = points.vectors.shape
        self._vectors = points.vectors
        self._centers = np.full((-(-n // LANES), n_features, LANES), np.inf, np.float32)
        self._bounds = np.full(n, np.inf, np.float32)
        self._n_met = np.zeros(n, np.int64)
        self._picks: Rows = np.empty(0, np.int64)

    def first(self, n_wanted: int) -> Rows:
        picks = _longer(self._picks, min(n_wanted, len(self._vectors)))
        if len(picks) > len(self._picks):
            state = self._centers, self._bounds, self._n_met
            _pick_by_length(self._vectors, *state, picks, len(self._picks))
            self._picks = picks
        return self._picks[:n_wanted]


class _ByPath:
    """The order by the shortest path; what no path leads to is farthest."""

    def __init__(self, points: Points) -> None:
        n, k = points.neighbors.rows.shape
        here, there = np.repeat(np.arange(n), k), points.neighbors.rows.ravel().astype(np.int64)
        sources = np.concatenate([here, there])
        order = np.argsort(sources, kind="stable")
        self._starts = np.searchsorted(sources[order], np.arange(n + 1))
        self._ends = np.concatenate([there, here])[order]
        self._lengths = np.tile(points.neighbors.distances.ravel(), 2)[order]
        self._bounds = np.full(n, np.inf, np.float32)
        self._picks: Rows = np.empty(0, np.int64)

    def first(self, n_wanted: int) -> Rows:
        picks = _longer(self._picks, min(n_wanted, len(self._bounds)))
        if len(picks) > len(self._picks):
            graph = self._starts, self._ends, self._lengths
            _pick_by_path(*graph, self._bounds, picks, len(self._picks))
            self._picks = picks
        return self._picks[:n_wanted]


_ORDERS: dict[str, Callable[[Points], Order]] = {
    "cosine": _ByCosine,
    "euclidean": _ByLength,
    "geodesic": _ByPath,
}


def _longer(picks: Rows, n_wanted: int) -> Rows:
    longer = np.full(max(n_wanted, len(picks)), -1)
    longer[: len(picks)] = picks
    return longer


@njit(cache=True, nogil=True)
def _pick_by_length(
    vectors: Floats, centers: Floats, bounds: Floats, n_met: Rows, picks: Rows, n_picked: int
) -> None:
    """Fill in the picks after the first `n_picked`.

    A point keeps an upper bound of its squared distance to what is picked, and how many of the
    centers it has met. Bounds only fall: it meets the others when its bound is the highest, until
    it is not any more.
    """
    waiting = [(-bounds[row], row) for row in range(len(bounds)) if bounds[row] != PICKED]
    heapq.heapify(waiting)
    while n_picked < len(picks):
        row = waiting[0][1]
        if n_met[row] == n_picked:
            heapq.heappop(waiting)
            bounds[row] = PICKED
            picks[n_picked] = row
            centers[n_picked // LANES, :, n_picked % LANES] = vectors[row]
            n_picked += 1
            continue
        second = waiting[1][0] if len(waiting) > 1 else np.float32(0)
        if len(waiting) > 2:
            second = min(second, waiting[2][0])
        while n_met[row] < n_picked and -bounds[row] <= second:
            block = n_met[row] // LANES
            bounds[row] = min(bounds[row], _nearest_in_block(vectors[row], centers[block]))
            n_met[row] = min((block + 1) * LANES, n_picked)
        heapq.heapreplace(waiting, (-bounds[row], row))


@njit(cache=True, nogil=True)
def _nearest_in_block(vector: Floats, centers: Floats) -> np.float32:
    """Return the smallest squared distance; features are summed in their order, lane by lane."""
    sums: Floats = np.zeros(LANES, np.float32)
    for feature in range(len(vector)):
        for lane in range(LANES):
            difference = vector[feature] - centers[feature, lane]
            sums[lane] += difference * difference
    return np.float32(sums.min())


@njit(cache=True, nogil=True)
def _pick_by_path(
    starts: Rows, ends: Rows, lengths: Floats, bounds: Floats, picks: Rows, n_picked: int
) -> None:
    """Fill in the picks after the first `n_picked`; `bounds` are distances to what is picked.

    After each pick Dijkstra's algorithm runs from it, only as far as it brings points nearer.
    """
    waiting = [(-bounds[row], row) for row in range(len(bounds)) if bounds[row] > 0]
    heapq.heapify(waiting)
    is_picked = np.zeros(len(bounds), np.bool_)
    is_picked[picks[:n_picked]] = True
    lowest = 0  # of the rows at no distance to what is picked
    while n_picked < len(picks):
        while waiting and -waiting[0][0] != bounds[waiting[0][1]]:
            distance = bounds[waiting[0][1]]
            if distance > 0:
                heapq.heapreplace(waiting, (-distance, waiting[0][1]))
            else:
                heapq.heappop(waiting)
        if waiting:
            row = heapq.heappop(waiting)[1]
        else:
            while is_picked[lowest]:
                lowest += 1
            row = lowest
        picks[n_picked], is_picked[row] = row, True
        n_picked += 1
        bounds[row] = 0
        reached = [(np.float32(0), row)]
        while reached:
            distance, here = heapq.heappop(reached)
            if distance > bounds[here]:
                continue
            for place in range(starts[here], starts[here + 1]):
                there, longer = ends[place], np.float32(distance + lengths[place])
                if longer < bounds[there]:
                    bounds[there] = longer
                    heapq.heappush(reached, (longer, there))
