"""k-means whose clusters depend on the vectors and the generator alone."""

import numpy as np
from numpy.typing import NDArray

from strategies.kernels import clusters as kernel
from strategies.kernels.products import Packed, Vectors, blocks, pack, product
from strategies.kernels.threads import threads_for

Labels = NDArray[np.int32]
Rows = NDArray[np.int64]

MAX_PASSES = 50
SETTLED = 1000  # done when fewer than one vector in so many changes its cluster
TRIALS = 4  # seeds tried for each center; a pass over the vectors costs the same for four


def k_means(vectors: Vectors, n_clusters: int, rng: np.random.Generator) -> Labels:
    """Cluster vectors around means.

    Seeds by greedy k-means++: of four drawn vectors the one that leaves the smallest sum of squared
    distances; then Lloyd's passes, until less than one vector in a thousand moves, at most 50. The
    arithmetic is that of `kernels.products`, so that ties are decided alike however the work is
    split; give the vectors in tie_key order and the order of the pool does not matter either.

    Parameters
    ----------
    vectors : float32 array of shape (n, n_features), finite, unit-length rows
    n_clusters : at most so many
    rng : draws the seeds

    Returns
    -------
    int32 array of shape (n,), in [0, n_clusters); a cluster may be empty

    Notes
    -----
    Time O(n n_clusters d) a pass, memory O(n d). Sources: Lloyd 1982; Arthur and Vassilvitskii
    2007, "k-means++: the advantages of careful seeding".
    """
    labels = np.zeros(len(vectors), np.int32)
    if min(n_clusters, len(vectors)) <= 1:
        return labels
    packed = pack(vectors)
    centers = vectors[_seeds(vectors, packed, min(n_clusters, len(vectors)), rng)]
    for _ in range(MAX_PASSES):
        n_moved = _move_to_nearest(packed, centers, labels)
        if n_moved * SETTLED <= len(vectors):
            break
        order, starts = kernel.by_label(labels, len(centers))
        with threads_for(vectors.size):
            kernel.move_to_mean(vectors, order, starts, centers)
    return labels


def members(labels: Labels, n_clusters: int) -> list[Rows]:
    """Return the positions of each cluster's vectors, ascending."""
    order, starts = kernel.by_label(labels, n_clusters)
    return np.split(order, starts[1:-1])


def _seeds(vectors: Vectors, packed: Packed, n_clusters: int, rng: np.random.Generator) -> Rows:
    """Draw seeds by their squared distance to those drawn before."""
    seeds = [int(rng.integers(len(vectors)))]
    # between unit vectors this is half the squared distance
    distances = np.maximum(0, 1 - product(vectors[seeds[0]], packed))
    while len(seeds) < n_clusters:
        sums = distances.cumsum(dtype=np.float64)
        if sums[-1] <= 0:
            break  # fewer distinct vectors than clusters
        places = np.searchsorted(sums, rng.random(TRIALS) * sums[-1], side="right")
        trials = np.minimum(places, len(vectors) - 1)
        distances, best = _best_trial(vectors[trials], packed, distances)
        seeds.append(int(trials[best]))
    return np.array(seeds)


def _best_trial(trials: Vectors, packed: Packed, distances: Vectors) -> tuple[Vectors, int]:
    """Return the distances after the trial that lowers them most, and which it is."""
    after = np.empty((len(trials), len(distances)), np.float32)
    for block in blocks(trials, packed):
        columns = slice(block.first_column, block.first_column + block.n_columns)
        similarities = block.values[:, : block.n_columns]
        np.subtract(1, similarities, out=after[:, columns])
        np.clip(after[:, columns], 0, distances[columns], out=after[:, columns])
    best = int(np.argmin(after.sum(axis=1, dtype=np.float64)))
    return after[best], best


def _move_to_nearest(packed: Packed, centers: Vectors, labels: Labels) -> int:
    halves = (0.5 * np.square(centers, dtype=np.float64).sum(axis=1)).astype(np.float32)
    n_moved = 0
    for block in blocks(centers, packed, n_rows=len(centers)):
        columns = slice(block.first_column, block.first_column + block.n_columns)
        with threads_for(len(centers) * block.n_columns):
            n_moved += kernel.move_to_nearest(block.values, halves, labels[columns])
    return n_moved
