"""Searches for the nearest living others of rows: everywhere, or near their clusters."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from strategies.filters.points import Metric, Progress
from strategies.kernels import clusters as cluster_kernel
from strategies.kernels import curation_search as kernel
from strategies.kernels.curation_search import Panels, Tasks
from strategies.kernels.lanes import HEIGHT, STEP
from strategies.kernels.threads import STEPS_A_TURN, threads_for
from strategies.pool import Neighbors, Rows

Vectors = NDArray[np.float32]
Labels = NDArray[np.int32]

MOST_TASKS, TASKS_A_THREAD = 64, 4  # between two reports of progress
ROWS_A_CLUSTER = 512  # about
SAMPLES_A_CLUSTER = 64  # that its center is made from
N_PASSES = 6
N_CLUSTERS_SEARCHED = 48
NARROW = 64  # lanes of a panel where clusters are small


@dataclass(frozen=True)
class Search:
    """Vectors laid out to be found; which rows look where.

    Attributes
    ----------
    vectors : float32 array of shape (n, n_features)
    euclidean : whether distances are lengths of differences, else they are cosine distances
    panels : the vectors that can be found
    labels : int32 array of shape (n,), the group of each row
    near : int64 array of shape (n_groups, n_searched), the groups that each one looks into
    starts, visited : group g looks into the panels visited[starts[g]:starts[g + 1]]
    """

    vectors: Vectors
    euclidean: bool
    panels: Panels
    labels: Labels
    near: Rows
    starts: Rows
    visited: Rows

    def nearest(
        self,
        rows: Rows,
        *,
        k: int,
        alive: NDArray[np.bool_] | None = None,
        families: Labels | None = None,
        progress: Progress | None = None,
    ) -> Neighbors:
        """Find the k nearest living others of rows, nearest first, equal ones by row.

        Parameters
        ----------
        alive : bool array of shape (n,), which rows may be found; None: all
        families : int32 array of shape (n,); rows of the same family do not find each other. None:
            each is one of its own

        Returns
        -------
        Neighbors of shape (len(rows), k); -1 and inf where fewer were found
        """
        found = np.full((len(rows), k), -1, np.int32)
        lengths = np.full((len(rows), k), np.inf, np.float32)
        if k == 0 or len(rows) == 0:
            return Neighbors(found, lengths)
        living = np.ones(len(self.vectors), np.bool_) if alive is None else alive
        apart = self._alone if families is None else families
        order = np.argsort(self.labels[rows], kind="stable")
        tasks = self._tasks(np.asarray(rows, np.int64)[order])
        n_panels = len(rows) * len(self.visited) // (len(self.starts) - 1)
        n_steps = n_panels * int(self.panels.values[0].size)
        a_turn = STEPS_A_TURN * len(tasks.firsts) // max(1, n_steps)
        first = 0
        while first < len(tasks.firsts):
            with threads_for(n_steps // 8) as n_threads:  # so many at once
                few = max(TASKS_A_THREAD * n_threads, min(a_turn, MOST_TASKS))
                last = min(first + few, len(tasks.firsts))
                kernel.search(
                    self.vectors, tasks, first, last, self.panels, living, apart, self.euclidean,
                    found, lengths,
                )  # fmt: skip
            first = last
            if progress is not None:
                progress(last / len(tasks.firsts))
        with threads_for(found.size):
            kernel.sort_equal(found, lengths)
        back = np.empty(len(rows), np.int64)
        back[order] = np.arange(len(rows))
        return Neighbors(found[back], lengths[back])

    @cached_property
    def _alone(self) -> Labels:
        return np.arange(len(self.vectors), dtype=np.int32)

    def among(self, rows: Rows) -> "Search":
        """Search only some rows: what is not looked at costs nothing."""
        return _laid_out(self.vectors, self.euclidean, self.labels, self.near, rows)

    def _tasks(self, rows: Rows) -> Tasks:
        """Cut rows, sorted by group, into tasks."""
        groups = self.labels[rows]
        ends = np.append(np.flatnonzero(np.diff(groups)) + 1, len(rows))
        # few rows, too, should keep all threads busy
        n_rows = min(kernel.ROWS, max(HEIGHT, len(rows) // 8))
        firsts: list[int] = []
        lasts: list[int] = []
        start = 0
        for end in ends.tolist():
            some = range(start, end, n_rows)
            firsts += some
            lasts += [min(first + n_rows, end) for first in some]
            start = end
        places = np.array(firsts, np.int64)
        return Tasks(
            rows, places, np.array(lasts, np.int64), groups[places].astype(np.int64),
            self.starts, self.visited,
        )  # fmt: skip


def everywhere(vectors: Vectors, metric: Metric, rows: Rows | None = None) -> Search:
    """Search all of some rows, or of all: what is found is the nearest for certain.

    Each search takes O(n_rows n_features) a row.
    """
    n = len(vectors)
    labels, near = np.zeros(n, np.int32), np.zeros((1, 1), np.int64)
    return _laid_out(vectors, metric != "cosine", labels, near, rows)


def near_clusters(vectors: Vectors, metric: Metric) -> Search:
    """Search the members of the clusters whose centers are nearest to that of a row's cluster.

    Clusters come from a few passes of k-means over a sample, seeded with evenly spaced rows, which
    tie keys have shuffled: nothing is drawn. Time O(n n_clusters n_features) to lay out.
    """
    centers = _centers(vectors, max(1, len(vectors) // ROWS_A_CLUSTER))
    near = _near_centers(centers, min(N_CLUSTERS_SEARCHED, len(centers)))
    return _laid_out(vectors, metric != "cosine", _labels(vectors, centers), near, None)


def _laid_out(
    vectors: Vectors, euclidean: bool, labels: Labels, near: Rows, rows: Rows | None
) -> Search:
    order, starts = cluster_kernel.by_label(labels, len(near))
    if rows is not None:
        wanted = np.zeros(len(vectors), np.bool_)
        wanted[rows] = True
        starts = np.concatenate([[0], np.cumsum(wanted[order])])[starts]
        order = order[wanted[order]]
    width = kernel.WIDTH if len(near) == 1 else NARROW
    width = min(width, max(16, -(-int(np.diff(starts).max()) // 16) * 16))
    n_panels = -(-np.diff(starts) // width)
    ends = np.cumsum(n_panels)
    firsts = ends - n_panels
    visited = [np.concatenate([np.arange(firsts[c], ends[c]) for c in some]) for some in near]
    return Search(
        vectors=vectors,
        euclidean=euclidean,
        panels=_panels(vectors, order, starts, width),
        labels=labels,
        near=near,
        starts=np.cumsum([0] + [len(some) for some in visited]),
        visited=np.concatenate(visited),
    )


def _panels(vectors: Vectors, order: Rows, starts: Rows, width: int) -> Panels:
    """Lay out the vectors of each group in panels of its own."""
    parts = [
        order[at : min(at + width, end)]
        for first, end in zip(starts[:-1].tolist(), starts[1:].tolist(), strict=True)
        for at in range(first, end, width)
    ]
    rows = np.zeros((len(parts), width), np.int32)
    for part, lanes in zip(parts, rows, strict=True):
        lanes[: len(part)] = part
    depth = -(-vectors.shape[1] // STEP) * STEP
    n_lanes = np.array([len(part) for part in parts], np.int32)
    panels = Panels(np.zeros((len(parts), depth, width), np.float32), rows, n_lanes)
    if parts:
        with threads_for(panels.values.size):
            kernel.fill(vectors, panels)
    return panels


def _centers(vectors: Vectors, n_clusters: int) -> Vectors:
    n_sampled = min(len(vectors), n_clusters * SAMPLES_A_CLUSTER)
    sampled = vectors[np.linspace(0, len(vectors) - 1, n_sampled).astype(np.int64)]
    centers = sampled[np.linspace(0, n_sampled - 1, n_clusters).astype(np.int64)].copy()
    for _ in range(N_PASSES):
        order, starts = cluster_kernel.by_label(_labels(sampled, centers), n_clusters)
        with threads_for(sampled.size):
            cluster_kernel.move_to_mean(sampled, order, starts, centers)
    return centers


def _labels(vectors: Vectors, centers: Vectors) -> Labels:
    """Return the nearest center of each vector."""
    n = len(vectors)
    both = np.concatenate([vectors, centers])
    search = everywhere(both, "euclidean", np.arange(n, len(both)))
    return (search.nearest(np.arange(n), k=1).rows[:, 0] - n).astype(np.int32)


def _near_centers(centers: Vectors, n_searched: int) -> NDArray[np.int64]:
    """Return the nearest centers of each, itself first."""
    own = np.arange(len(centers))
    if n_searched == 1:
        return own[:, None]
    others = everywhere(centers, "euclidean").nearest(own, k=n_searched - 1).rows
    near: Rows = np.concatenate([own[:, None], others], axis=1).astype(np.int64)
    return near
