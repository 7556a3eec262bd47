"""Join the components of a neighborhood graph by their nearest pairs of samples."""

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from strategies.filters.nearest import distances_between, search_of
from strategies.filters.points import Points, Progress
from strategies.filters.search import Search, everywhere
from strategies.kernels.curation_search import NOISE
from strategies.pool import Rows

Labels = NDArray[np.int32]
Doubles = NDArray[np.float64]

N_NEAR = 32  # other groups that a group looks at
WORTH = 8  # times as long as a search takes to measure a pair of its own
SLACK = 1.0001  # of lengths that were rounded
# of shorter cosine distances the length is unknown; three lengths are compared
ROUNDING = 3 * (2 * float(NOISE)) ** 0.5
PAIRS = 2**22  # measured at a time


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
    The components that there were at first are groups, each with a row that stands for it and a
    radius around that. By the triangle inequality only members of groups that are near enough can
    be nearest: where look-alikes lie close together, time O(n_groups^2 n_features) and little more.
    Where they do not, that of finding the neighbors, for each look of which there are at most log2
    of the number of components. Memory O(n n_features).
    """
    neighbors = points.neighbors.rows
    n, k = neighbors.shape
    known = neighbors.ravel() >= 0
    links = np.stack([np.arange(n).repeat(k)[known], neighbors.ravel()[known]], axis=1)
    n_left, labels = _connected(links, n)
    found: list[Rows] = [np.empty((0, 2), np.int64)]
    if n_left == 1:
        return found[0]
    if points.metric == "geodesic":
        points = replace(points, metric="euclidean")
    looks = _Looks(points, _groups(points, labels), search_of(points), progress)
    while n_left > 1:
        links = looks.nearest_pairs(labels, n_left)
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


class _Found(NamedTuple):
    """Pairs of rows, and how far from each other they are."""

    rows: Rows
    others: Rows
    distances: NDArray[np.float32]


def _joint(parts: list[_Found]) -> _Found:
    rows, others, distances = (np.concatenate(part) for part in zip(*parts, strict=True))
    return _Found(rows, others, distances)


@dataclass(frozen=True)
class _Groups:
    """Rows, group by group; lengths are those of differences.

    Attributes
    ----------
    rows : int64 array of shape (n,), one group after the other
    starts, sizes : int64 arrays of shape (n_groups,)
    centers : int64 array of shape (n_groups,), the row that stands for each
    radii : float64 array of shape (n_groups,), to the farthest of the group
    """

    rows: Rows
    starts: Rows
    sizes: Rows
    centers: Rows
    radii: Doubles

    def pairs(self, lefts: Rows, rights: Rows) -> tuple[Rows, Rows]:
        """Return all pairs of a row of one group and a row of another, for pairs of groups."""
        n_left, n_right = self.sizes[lefts], self.sizes[rights]
        counts = n_left * n_right
        at = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
        width = np.repeat(n_right, counts)
        rows = np.repeat(self.starts[lefts], counts) + at // width
        others = np.repeat(self.starts[rights], counts) + at % width
        return self.rows[rows], self.rows[others]


def _groups(points: Points, labels: Labels) -> _Groups:
    rows = np.argsort(labels, kind="stable")
    _, starts, sizes = np.unique(labels[rows], return_index=True, return_counts=True)
    centers = rows[starts]
    lengths = _lengths(points, distances_between(points, rows, np.repeat(centers, sizes)))
    return _Groups(rows, starts, sizes, centers, np.maximum.reduceat(lengths, starts))


def _lengths(points: Points, distances: NDArray[np.float32]) -> Doubles:
    """Return what obeys the triangle inequality."""
    lengths = distances.astype(np.float64)
    return np.sqrt(2 * lengths) if points.metric == "cosine" else lengths


@dataclass(frozen=True)
class _Looks:
    """Looks for the nearest sample outside of each component."""

    points: Points
    groups: _Groups
    search: Search
    progress: Progress | None

    def nearest_pairs(self, labels: Labels, n_labels: int) -> Rows:
        """Return the nearest pair of each component but the largest, each pair once."""
        is_largest = np.arange(n_labels) == np.bincount(labels, minlength=n_labels).argmax()
        asked = np.flatnonzero(~is_largest[labels[self.groups.centers]])
        near, is_settled = self._near_groups(asked, labels)
        found = self._measured(*near)
        wide = np.zeros(len(self.groups.sizes), np.bool_)
        wide[asked[~is_settled]] = True
        if wide.any():
            more = np.sort(self.groups.rows[np.repeat(wide, self.groups.sizes)])
            found = _joint([found, self._searched(more, labels)])
        rows, others, distances = found
        pairs = np.sort(np.stack([rows, others], axis=1), axis=1)
        order = np.lexsort((pairs[:, 1], pairs[:, 0], distances, labels[rows]))
        _, firsts = np.unique(labels[rows][order], return_index=True)
        links: Rows = np.unique(pairs[order[firsts]], axis=0)
        return links

    def _near_groups(
        self, asked: Rows, labels: Labels
    ) -> tuple[tuple[Rows, Rows], NDArray[np.bool_]]:
        """Return pairs of groups that may hold the nearest, and of which groups these are all."""
        groups = self.groups
        number = np.full(len(labels), -1)
        number[groups.centers] = np.arange(len(groups.centers))
        centers = self.search.among(groups.centers)
        found = centers.nearest(groups.centers[asked], k=N_NEAR, families=labels)
        lengths = _lengths(self.points, found.distances)
        mine = labels[groups.centers[asked]]
        bound = np.full(labels.max() + 1, np.inf)
        np.minimum.at(bound, mine, lengths[:, 0])
        reach = bound[mine] + groups.radii[asked]
        there = np.where(found.rows < 0, 0, number[found.rows])
        is_near = (found.rows >= 0) & (lengths <= self._most(reach[:, None] + groups.radii[there]))
        n_near = np.where(is_near, groups.sizes[there], 0).sum(axis=1)
        is_settled = lengths[:, -1] > self._most(reach + groups.radii.max())
        is_settled &= WORTH * n_near < len(labels)
        is_settled &= n_near * groups.sizes[asked] <= PAIRS
        lefts, places = np.nonzero(is_near & is_settled[:, None])
        return (asked[lefts], there[lefts, places]), is_settled

    def _most(self, lengths: Doubles) -> Doubles:
        """Return how long what is no longer than this may have come out."""
        return SLACK * lengths + (ROUNDING if self.points.metric == "cosine" else 0)

    def _measured(self, lefts: Rows, rights: Rows) -> _Found:
        """Return the nearest pairs of rows for each pair of groups."""
        counts = self.groups.sizes[lefts] * self.groups.sizes[rights]
        ends = np.cumsum(counts)
        parts = [_Found(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.float32))]
        first = 0
        while first < len(lefts):
            start = ends[first] - counts[first]
            last = max(first + 1, int(np.searchsorted(ends, start + PAIRS, side="right")))
            rows, others = self.groups.pairs(lefts[first:last], rights[first:last])
            distances = distances_between(self.points, rows, others)
            least = np.minimum.reduceat(distances, ends[first:last] - counts[first:last] - start)
            is_least = distances == np.repeat(least, counts[first:last])
            parts.append(_Found(rows[is_least], others[is_least], distances[is_least]))
            first = last
        return _joint(parts)

    def _searched(self, rows: Rows, labels: Labels) -> _Found:
        """Return the nearest sample of another component for each row."""
        found = self.search.nearest(rows, k=1, families=labels, progress=self.progress)
        others, distances = found.rows[:, 0], found.distances[:, 0]
        has_none = np.ones(labels.max() + 1, np.bool_)
        has_none[labels[rows[others >= 0]]] = False
        alone = np.flatnonzero(has_none[labels[rows]])
        if len(alone):  # nothing near their clusters was of another component
            far = everywhere(self.search.vectors, self.points.metric)
            found = far.nearest(rows[alone], k=1, families=labels, progress=self.progress)
            others[alone], distances[alone] = found.rows[:, 0], found.distances[:, 0]
        is_found = others >= 0
        return _Found(rows[is_found], others[is_found].astype(np.int64), distances[is_found])
