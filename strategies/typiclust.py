"""Typical clustering: one typical sample of each cluster that has no label yet."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from strategies import inputs
from strategies.k_means import k_means, members
from strategies.kernels.products import Vectors, blocks, pack
from strategies.kernels.threads import threads_for
from strategies.kernels.typical import keep_largest
from strategies.pool import PoolView, Rows, Status
from strategies.turns import take_turns

SMALLEST = 5  # clusters of up to so many samples wait until the others are used up
MAX_MEASURED = 16_384  # samples of a cluster whose typicality is measured


@dataclass(frozen=True)
class TypiClust:
    """Cluster the pool, and take the most typical sample of each uncovered cluster.

    Typicality is 1 / mean Euclidean distance to the K nearest members of the cluster. There are as
    many clusters as labels given plus picks wanted, up to a limit; those without labels come first,
    then the larger ones. Clusters of 5 samples or fewer are left out. Where there are fewer
    clusters than picks they are gone through again, round after round, as in the published code.

    Departures: pending and skipped samples count as labels, so that the next batch avoids them,
    too. All members count as neighbours, also labeled ones, and typicality is measured once a
    batch, not anew after each round. In clusters of more than 16,384 candidates that many are
    drawn, and only their typicality is measured, against all members. The small clusters are gone
    through when the others are used up. For less than 2 K members K is half their number, as in
    the published code. All clusters are k-means; the published code takes mini-batches beyond 50.

    Time O(n k d) a pass of k-means with k clusters, at most 50, and O(m s d) for each cluster of s
    samples, m of which are measured; memory O(n d). Source: Hacohen, Dekel and Weinshall 2022,
    arXiv:2202.02794, Algorithm 1.

    Attributes
    ----------
    max_clusters : how many clusters there may be
    n_neighbors : K, the neighbours that typicality is measured by
    """

    max_clusters: int = 500
    n_neighbors: int = 20

    def __post_init__(self) -> None:
        for name in ("max_clusters", "n_neighbors"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}={getattr(self, name)} is too few; give 1 or more")

    def select(self, pool: PoolView, budget: int, rng: np.random.Generator) -> Rows:
        """Return up to `budget` candidate rows, one of each cluster after the other."""
        n_picks = inputs.n_picks(pool, budget)
        if n_picks == 0:
            return np.empty(0, np.int64)
        rows = inputs.in_tie_order(pool, np.arange(len(pool.status)))
        vectors = inputs.embeddings(pool, rows)
        is_candidate = pool.status[rows] == Status.UNLABELED
        n_clusters = min(int((~is_candidate).sum()) + n_picks, self.max_clusters)
        clusters = members(k_means(vectors, n_clusters, rng), n_clusters)
        kept, small = _in_order(clusters, is_candidate)
        picks: list[Rows] = []
        for group in (kept, small):
            n_left = n_picks - sum(map(len, picks))
            picks.append(self._take_turns(vectors, group, is_candidate, n_left, rng))
        return rows[np.concatenate(picks)]

    def _take_turns(
        self,
        vectors: Vectors,
        clusters: list[Rows],
        is_candidate: NDArray[np.bool_],
        n_picks: int,
        rng: np.random.Generator,
    ) -> Rows:
        """Return positions of up to so many picks, the most typical ones of each cluster."""
        sizes = np.array([is_candidate[cluster].sum() for cluster in clusters], np.int64)
        turns = take_turns(sizes, min(n_picks, int(sizes.sum())))
        picks = np.empty(len(turns), np.int64)
        for number, n_wanted in enumerate(np.bincount(turns, minlength=len(clusters))):
            if n_wanted:
                picks[turns == number] = most_typical(
                    vectors,
                    clusters[number],
                    is_candidate,
                    n_wanted,
                    n_neighbors=self.n_neighbors,
                    rng=rng,
                )
        return picks


def most_typical(
    vectors: Vectors,
    cluster: Rows,
    is_candidate: NDArray[np.bool_],
    n_wanted: int,
    *,
    n_neighbors: int,
    rng: np.random.Generator,
) -> Rows:
    """Return the most typical candidates of a cluster, equal ones by position.

    Parameters
    ----------
    vectors : float32 array of shape (n, n_features), unit-length rows
    cluster : int64 array, positions of its members, ascending
    is_candidate : bool array of shape (n,)
    n_wanted : how many; there must be as many candidates
    n_neighbors : what typicality is measured by
    rng : draws the candidates to measure where there are very many
    """
    places = np.flatnonzero(is_candidate[cluster])
    n_measured = max(MAX_MEASURED, n_wanted)
    if len(places) > n_measured:
        places = np.sort(rng.choice(places, n_measured, replace=False))
    n_neighbors = min(n_neighbors, max(1, len(cluster) // 2))
    distances = mean_distances(vectors[cluster], places, n_neighbors)
    return cluster[places[np.argsort(distances, kind="stable")[:n_wanted]]]


def mean_distances(vectors: Vectors, places: Rows, n_neighbors: int) -> NDArray[np.float64]:
    """Return the mean Euclidean distance of some vectors to their nearest neighbours among all.

    Parameters
    ----------
    vectors : float32 array of shape (n, n_features), unit-length rows
    places : int64 array of shape (n_places,), ascending, the vectors that are asked for
    n_neighbors : how many of the others count, or all where there are fewer

    Returns
    -------
    float64 array of shape (n_places,); 0 where there are no others
    """
    n_neighbors = min(n_neighbors, len(vectors) - 1)
    if n_neighbors == 0:
        return np.zeros(len(places))
    largest = np.full((len(places), n_neighbors), -np.inf, np.float32)
    for block in blocks(vectors[places], pack(vectors)):
        part = slice(block.first_row, block.first_row + len(block.values))
        own = places[part] - block.first_column
        with threads_for(block.values.size):
            keep_largest(block.values, block.n_columns, own, largest[part])
    distances = np.sqrt(np.maximum(0, 2 - 2 * largest.astype(np.float64)))
    means: NDArray[np.float64] = distances.mean(axis=1)
    return means


def _in_order(
    clusters: list[Rows], is_candidate: NDArray[np.bool_]
) -> tuple[list[Rows], list[Rows]]:
    """Put clusters with few labels first, then large ones; the small ones apart."""

    def rank(cluster: Rows) -> Iterator[int]:
        yield int((~is_candidate[cluster]).sum())
        yield -len(cluster)
        yield int(cluster[0])

    ordered = sorted(filter(len, clusters), key=lambda cluster: tuple(rank(cluster)))
    kept = [cluster for cluster in ordered if len(cluster) > SMALLEST]
    return kept, [cluster for cluster in ordered if len(cluster) <= SMALLEST]
