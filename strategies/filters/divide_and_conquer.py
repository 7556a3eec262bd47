"""Divide and conquer: a filter inside of each group of samples, so that no group is emptied."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from strategies.filters import registry
from strategies.filters.nearest import points_from
from strategies.filters.points import Filter, Points, Progress, Removed, Tree
from strategies.filters.semantic_dedup import unit_rows
from strategies.filters.shortest_paths import with_path_distances
from strategies.k_means import k_means
from strategies.pool import Rows

Clusterer = Literal["k_means", "spectral", "hdbscan"]
Counts = NDArray[np.int64]
Mask = NDArray[np.bool_]

DENSE = 500  # samples up to which all eigenvectors are found at once


@dataclass(frozen=True)
class DivideAndConquer:
    """Clusters the samples; a filter then works inside of each cluster, with a graph of its own.

    Each cluster loses its share of what is to go (`quotas`), and keeps one sample at least as long
    as there are more others. Numbers below another need not remove a part of what that removes.

    Source: Lightly's guide to dataset filtering (spectral clusters); Ng, Jordan and Weiss 2002, "On
    spectral clustering"; Campello, Moulavi and Sander 2013 (HDBSCAN). Time: of the clusters, then
    of the filter on each. k_means O(n d n_clusters) a pass; spectral some products of the neighbor
    graph a cluster; hdbscan (scikit-learn's) O(n^2 d) with many features. Memory O(n (k + d)).

    Attributes
    ----------
    clusterer : "k_means", "spectral" (of the neighbor graph) or "hdbscan", whose noise is a group
        of its own
    filter : filter, or its text
    n_clusters : at most so many, of k_means and spectral
    min_size : samples of the smallest cluster that hdbscan may find
    seed : of k_means, and of where the eigenvectors start
    """

    reason: ClassVar[str] = "in_cluster"
    clusterer: Clusterer = "k_means"
    filter: Filter | str = "adjacency"
    n_clusters: int = 10
    min_size: int = 20
    seed: int = 0

    def __post_init__(self) -> None:
        """Make the filter, and refuse settings that are none."""
        object.__setattr__(self, "filter", registry.made(self.filter))
        if self.clusterer not in get_args(Clusterer):
            listed = ", ".join(get_args(Clusterer))
            raise ValueError(f"clusterer={self.clusterer!r} is none of {listed}")
        for name, lowest in (("n_clusters", 1), ("min_size", 2), ("seed", 0)):
            if getattr(self, name) < lowest:
                raise ValueError(f"{name}={getattr(self, name)} is too few; give {lowest} or more")

    def build(self, points: Points, *, progress: Progress | None = None) -> Tree:
        """Make clusters, and build the filter on each."""
        labels = _CLUSTERERS[self.clusterer](points, self)
        return grow(points, labels, registry.made(self.filter), progress)


@dataclass
class Grove:
    """A tree for each group of samples.

    Attributes
    ----------
    groups : rows of each group, ascending
    trees : what the filter found out about each
    n_uncertified : of the last answer, the sum over the trees; None where they do not say
    """

    groups: list[Rows]
    trees: list[Tree]
    n_uncertified: int | None = None

    def remove(self, alive: Mask, n_remove: int | None) -> Removed:
        """Remove from each group its share, in turns; None: what the filter says in each.

        `because_of` is a sample of the same group, and the distance is that in the group; -1 where
        the whole group goes.

        Raises
        ------
        ValueError
            If more are to go than live, or the filter has no threshold and is given no number.
        """
        counts = [int(np.count_nonzero(alive[rows])) for rows in self.groups]
        shares: list[int | None] = [None] * len(counts)
        if n_remove is not None:
            shares = list(quotas(np.array(counts, np.int64), n_remove).tolist())
        parts, n_uncertified = [], 0
        for rows, tree, count, share in zip(self.groups, self.trees, counts, shares, strict=True):
            if count and share != 0:
                part = tree.remove(alive[rows], share)
                n_uncertified += getattr(tree, "n_uncertified", 0)
                stand_ins = np.where(part.because_of < 0, -1, rows[part.because_of])
                parts.append(part._replace(rows=rows[part.rows], because_of=stand_ins))
        if any(hasattr(tree, "n_uncertified") for tree in self.trees):
            self.n_uncertified = n_uncertified
        return _in_turns(parts)


def grow(
    points: Points, labels: NDArray[np.integer], filter: Filter, progress: Progress | None
) -> Grove:
    """Build a filter on each group of samples with one label.

    Parameters
    ----------
    labels : integer array of shape (n,), any numbers
    """
    values, inverse, sizes = np.unique(labels, return_inverse=True, return_counts=True)
    ends = np.cumsum(sizes)
    groups = np.split(np.argsort(inverse, kind="stable"), ends[:-1]) if len(values) else []
    trees = []
    for rows, end in zip(groups, ends, strict=True):
        trees.append(filter.build(_points_of(points, rows)))
        if progress is not None:
            progress(float(end / len(labels)))
    return Grove(groups, trees)


def quotas(counts: Counts, n_remove: int) -> Counts:
    """Share out how many go by the sizes of groups: largest remainders, of equal ones the first.

    A group keeps its last sample until no group has more than one; then the smallest groups, of
    equal ones the last, lose theirs first.

    Parameters
    ----------
    counts : int64 array of shape (n_groups,), how many live in each

    Returns
    -------
    int64 array of shape (n_groups,), at most `counts`, summing to `n_remove`

    Raises
    ------
    ValueError
        If more are to go than there are.
    """
    total = int(counts.sum())
    if not 0 <= n_remove <= total:
        raise ValueError(f"cannot remove {n_remove} of {total} samples; ask for 0 to all of them")
    room = np.maximum(counts - 1, 0)
    taken: Counts = np.minimum(counts * n_remove // max(total, 1), room)
    remainders = counts * n_remove - taken * total
    while (n_left := min(n_remove, int(room.sum())) - int(taken.sum())) > 0:
        # a group whose last sample stays hands its part on, which may take several rounds
        order = np.argsort(-remainders, kind="stable")
        more = order[taken[order] < room[order]][:n_left]
        taken[more] += 1
        remainders[more] -= total
    last_ones = np.lexsort((-np.arange(len(counts)), counts))
    last_ones = last_ones[counts[last_ones] > 0][: n_remove - int(taken.sum())]
    taken[last_ones] += 1
    return taken


def _in_turns(parts: list[Removed]) -> Removed:
    """Join what goes, so that all groups lose theirs at the pace of their share."""
    if not parts:
        none = np.empty(0, np.float32)
        return Removed(np.empty(0, np.int64), np.empty(0, np.int64), none, none)
    rows, because_of, distances, scores = map(np.concatenate, zip(*parts, strict=True))
    shares = np.concatenate([(np.arange(len(part.rows)) + 0.5) / len(part.rows) for part in parts])
    order = np.argsort(shares, kind="stable")
    return Removed(rows[order], because_of[order], distances[order], scores[order])


def _points_of(points: Points, rows: Rows) -> Points:
    """Return some of the points, with the neighbors that they have among themselves."""
    vectors, metric = np.ascontiguousarray(points.vectors[rows]), points.metric
    if metric == "geodesic":
        # what paths were found over is told by the vectors alone
        metric = "cosine" if unit_rows(points.vectors) is points.vectors else "euclidean"
    k = max(1, min(points.neighbors.rows.shape[1], len(rows) - 1))
    found = points_from(
        vectors,
        np.arange(len(rows), dtype=np.uint64),
        metric=metric,
        k=k,
        classes=None if points.classes is None else points.classes[rows],
        contents=None if points.contents is None else points.contents[rows],
    )
    return with_path_distances(found, k) if points.metric == "geodesic" else found


def _by_k_means(points: Points, settings: DivideAndConquer) -> NDArray[np.integer]:
    rng = np.random.default_rng(settings.seed)
    return k_means(unit_rows(points.vectors), settings.n_clusters, rng)


def _by_spectrum(points: Points, settings: DivideAndConquer) -> NDArray[np.integer]:
    """Cluster the rows of the first eigenvectors of the normalized neighbor graph."""
    from scipy.linalg import eigh
    from scipy.sparse import csr_array, diags_array
    from scipy.sparse.linalg import eigsh

    n, k = points.neighbors.rows.shape
    n_vectors = min(settings.n_clusters, n)
    if n_vectors <= 1 or k == 0:
        return np.zeros(n, np.int32)
    ones, ends = np.ones(n * k), points.neighbors.rows.ravel()
    links = csr_array((ones, (np.repeat(np.arange(n), k), ends)), shape=(n, n))
    links = links + links.T  # 2 where both are neighbors of each other
    roots = 1 / np.sqrt(links.sum(axis=1))
    normal = diags_array(roots) @ links @ diags_array(roots)
    rng = np.random.default_rng(settings.seed)
    if n <= max(DENSE, 2 * n_vectors):
        vectors = eigh(normal.toarray(), subset_by_index=(n - n_vectors, n - 1))[1]
    else:
        vectors = eigsh(normal, n_vectors, which="LA", v0=rng.standard_normal(n), tol=1e-6)[1]
    # rounded, for of equal samples the last bits may differ
    placed = np.ascontiguousarray(np.round(vectors, 6), np.float32)
    return k_means(unit_rows(placed), settings.n_clusters, rng)


def _by_density(points: Points, settings: DivideAndConquer) -> NDArray[np.integer]:
    from sklearn.cluster import HDBSCAN

    n = len(points.vectors)
    if n < settings.min_size:
        return np.zeros(n, np.int32)
    # between unit rows Euclidean distances are in the order of cosine ones
    found = HDBSCAN(min_cluster_size=settings.min_size, copy=True).fit(points.vectors)
    labels: NDArray[np.integer] = found.labels_
    return labels


_CLUSTERERS: dict[str, Callable[[Points, DivideAndConquer], NDArray[np.integer]]] = {
    "k_means": _by_k_means,
    "spectral": _by_spectrum,
    "hdbscan": _by_density,
}
