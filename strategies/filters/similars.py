"""Similars: clusters of look-alikes, of which the sample nearest to the centre stays."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from strategies.filters.components import joined
from strategies.filters.dendrogram import Dendrogram
from strategies.filters.points import Points, Progress
from strategies.kernels import curation_linkage as kernel
from strategies.kernels.curation_linkage import Clusters, Graph
from strategies.kernels.threads import STEPS_A_TURN, threads_for

MOST_FOR_ALL_PAIRS = 10_000


@dataclass(frozen=True)
class Similars:
    """Average linkage down to so many clusters; of each, the sample nearest to the centre stays.

    The distance of two clusters is the mean over all pairs of half the squared distance: of unit
    rows, that is the mean cosine distance. It follows from sums over the members alone, so that it
    is exact at O(n_features) a pair of clusters, without a matrix of distances. (Means of the
    distances themselves do not follow from sums.) "geodesic" points are compared by cosine, too:
    their paths say who is linked, not how far clusters are.

    Up to `all_pairs` samples, the nearest of all clusters are merged, as scipy and scikit-learn do.
    With more, only clusters that are linked merge: samples are linked with their neighbors, a
    cluster with whatever its members are. What is not connected so is linked first: the nearest
    pair of samples of two components, then again, until all are connected. Of equally near pairs
    the one with the lower row comes first, then the one whose other row is lower. Merges count in
    the order in which they are made; over a graph, one may lie lower than the one before.

    Parameters
    ----------
    all_pairs : at most so many samples are compared with all others

    Notes
    -----
    All pairs: time O(n^2 n_features) in practice, memory O(n n_features). Graph: time about
    O(n k n_features) where clusters are of similar size, up to O(n^2 n_features) where one grows
    at the cost of all others; memory O(n (n_features + k)). What connects the components is found
    as `components.joined` says.

    Source: Sokal and Michener 1958 (average linkage); Muellner 2011, arXiv:1109.2378 (the generic
    algorithm, which keeps lower bounds for clusters whose nearest has gone).
    """

    reason: ClassVar[str] = "similar"
    has_threshold: ClassVar[bool] = False
    all_pairs: int = MOST_FOR_ALL_PAIRS

    def build(self, points: Points, *, progress: Progress | None = None) -> Dendrogram:
        """Find all merges."""
        n = len(points.vectors)
        clusters = singles(points.vectors, center=points.metric == "euclidean")
        merges, heights = np.empty((max(n - 1, 0), 2), np.int32), np.empty(max(n - 1, 0))
        if n <= max(self.all_pairs, 1):
            alive = np.arange(n, dtype=np.int32)
            _find_partners(clusters, alive)
            kernel.link_all(clusters, alive, merges, heights)
        else:
            kernel.link_graph(clusters, graph_of(points, progress), merges, heights)
        if progress is not None:
            progress(1.0)
        return Dendrogram(points, merges, heights)


def singles(vectors: NDArray[np.float32], *, center: bool) -> Clusters:
    """Make each row a cluster; far from the origin, differences of sums would lose digits."""
    n = len(vectors)
    sums = np.ascontiguousarray(vectors, np.float64)
    if center and n:
        sums -= sums.mean(axis=0)
    halves = np.empty(n)
    with threads_for(sums.size):
        kernel.halve_squares(sums, halves)
    width = 1 << max(n - 1, 1).bit_length()
    return Clusters(
        sums=sums,
        halves=halves,
        sizes=np.ones(n),
        parents=np.arange(n, dtype=np.int32),
        partners=np.full(n, kernel.NOBODY, np.int32),
        heights=np.full(2 * width, np.inf),
    )


def _find_partners(clusters: Clusters, alive: NDArray[np.int32]) -> None:
    n_pairs = (len(alive) + 1) // 2
    # doubles, one at a time: some eight times as slow
    pairs_a_turn = max(64, STEPS_A_TURN // (8 * clusters.sums.size))
    for first in range(0, n_pairs, pairs_a_turn):
        with threads_for(len(alive) * min(pairs_a_turn, n_pairs)):
            kernel.find_partners(clusters, alive, first, min(first + pairs_a_turn, n_pairs))
    kernel.play(clusters.heights)


def graph_of(points: Points, progress: Progress | None = None) -> Graph:
    """Link every sample with its neighbors, and components by their nearest pairs."""
    n = len(points.vectors)
    neighbors = np.ascontiguousarray(points.neighbors.rows, np.int32)
    extra = joined(points, progress=progress)
    known = neighbors != kernel.NOBODY
    counts = known.sum(axis=1) + np.bincount(neighbors[known], minlength=n)
    counts += np.bincount(extra.ravel(), minlength=n)
    ends = np.cumsum(counts)
    links, places = np.empty(int(ends[-1]), np.int32), ends - counts
    kernel.fill(neighbors, extra, places, links)
    return Graph(
        links=links,
        starts=ends - counts,
        counts=counts.astype(np.int32),
        nexts=np.full(n, kernel.NOBODY, np.int32),
        lasts=np.arange(n, dtype=np.int32),
        seen=np.zeros(n, np.int32),
    )
