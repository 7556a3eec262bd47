"""Uncertain candidates, spread over clusters: for large batches."""

from dataclasses import dataclass

import numpy as np

from strategies import inputs
from strategies.k_means import Labels, k_means, members
from strategies.kernels.products import Vectors, blocks, pack
from strategies.pool import PoolView, Rows
from strategies.scores import Aggregate, best_first
from strategies.turns import take_turns

MAX_TREE = 4096  # candidates of a tree; their distances take 67 MB
MAX_CENTERS = 500
MOST = 1_000_000  # of both settings; beyond, numbers of rows overflow


@dataclass(frozen=True)
class ClusterMargin:
    """Take turns among the clusters of the most uncertain candidates, the smallest cluster first.

    The candidates with the smallest margins, `oversampling` times as many as are wanted, are
    clustered; then each cluster gives one of them by chance, round after round, small clusters
    first, until the batch is full. So a batch leans to the uncertain and does not repeat itself.

    Departures: the paper clusters the whole pool once and looks the uncertain ones up in it. Here
    nothing is remembered, and the uncertain ones are clustered themselves: up to 4,096 of them by
    average linkage of cosine distances, cut into clusters of `cluster_size` on average; more than
    that, where a tree would take O(m^2) memory, by k-means with up to 500 clusters, which are
    rounder, so that outliers are less often alone. Before the first label all margins are equal,
    and the lowest tie_keys are clustered.

    With m = oversampling times b: time O(n C) and O(m^2 d), or O(m d) times 500 a pass of k-means;
    memory O(n) and O(m^2), at most 200 MB, or O(m d). Source: Citovsky et al. 2021,
    arXiv:2107.14263, Algorithm 2.

    Attributes
    ----------
    oversampling : uncertain candidates for each pick, at least 1
    cluster_size : mean size of a cluster, at least 1
    aggregate : how the uncertainties of several classes become one in a multi-label campaign
    """

    oversampling: float = 10
    cluster_size: float = 10
    aggregate: Aggregate = "mean"

    def __post_init__(self) -> None:
        for name in ("oversampling", "cluster_size"):
            if not 1 <= getattr(self, name) <= MOST:
                raise ValueError(f"{name}={getattr(self, name)} does not fit; give 1 to {MOST}")

    def select(self, pool: PoolView, budget: int, rng: np.random.Generator) -> Rows:
        """Return up to `budget` candidate rows, one of each cluster after the other."""
        n_picks = inputs.n_picks(pool, budget)
        if n_picks == 0:
            return np.empty(0, np.int64)
        rows = pool.candidate_rows()
        values = inputs.uncertainty(pool, "margin", self.aggregate)
        uncertain = inputs.refuse_nan("uncertainty", values, rows)
        n_kept = int(min(len(rows), np.ceil(self.oversampling * n_picks)))
        kept = rows[best_first(uncertain, pool.tie_key[rows], n_kept)]
        rows = inputs.in_tie_order(pool, kept)
        n_clusters = int(np.ceil(n_kept / self.cluster_size))
        clusters = _clusters(inputs.embeddings(pool, rows), n_clusters, rng)
        # of clusters of one size the one with the lowest tie_key
        clusters.sort(key=lambda cluster: (len(cluster), int(cluster[0])))
        turns = take_turns(np.array([len(cluster) for cluster in clusters]), n_picks)
        picks = np.empty(n_picks, np.int64)
        for number, n_wanted in enumerate(np.bincount(turns, minlength=len(clusters))):
            drawn = rng.permutation(clusters[number])[:n_wanted]
            picks[turns == number] = rows[drawn]
        return picks


def _clusters(vectors: Vectors, n_clusters: int, rng: np.random.Generator) -> list[Rows]:
    if len(vectors) <= MAX_TREE:
        labels, n_labels = average_linkage(vectors, n_clusters), n_clusters
    else:
        n_labels = min(n_clusters, MAX_CENTERS)
        labels = k_means(vectors, n_labels, rng)
    return [cluster for cluster in members(labels, n_labels) if len(cluster)]


def average_linkage(vectors: Vectors, n_clusters: int) -> Labels:
    """Join the two clusters with the smallest mean distance until so many are left.

    Parameters
    ----------
    vectors : float32 array of shape (n, n_features), unit-length rows
    n_clusters : how many clusters, fewer where distances tie

    Returns
    -------
    int32 array of shape (n,), in [0, n_clusters)
    """
    from scipy.cluster.hierarchy import fcluster, linkage

    n = len(vectors)
    if n < 2 or n_clusters < 2:
        return np.zeros(n, np.int32)
    distances = np.empty(n * (n - 1) // 2)  # the rows of the upper triangle, one after the other
    for block in blocks(vectors, pack(vectors), n_rows=128):
        for row, values in enumerate(block.values, block.first_row):
            first = max(row + 1, block.first_column)
            last = block.first_column + block.n_columns
            if first < last:
                place = row * (2 * n - row - 1) // 2 + first - row - 1
                some = values[first - block.first_column : block.n_columns]
                np.maximum(0, 1 - some, out=distances[place : place + last - first])
    joined = fcluster(linkage(distances, "average"), n_clusters, criterion="maxclust")
    labels: Labels = (joined - 1).astype(np.int32)
    return labels
