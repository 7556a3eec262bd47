"""Slow, obvious truths about clusters, balls and turns."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float32]
Labels = NDArray[Any]


def products(left: Vectors, right: Vectors) -> Vectors:
    """The plain sum over the features in single precision, one feature after the other."""
    total = np.zeros((len(left), len(right)), np.float32)
    for feature in range(left.shape[1]):
        total += left[:, feature, None] * right[None, :, feature]
    return total


def distances(vectors: Vectors) -> Vectors:
    """Cosine distances of all pairs; 0 to itself, whatever the rounding."""
    apart = np.maximum(np.float32(0), np.float32(1) - products(vectors, vectors))
    np.fill_diagonal(apart, 0)
    return apart


def k_means(vectors: Vectors, n_clusters: int, rng: np.random.Generator) -> Labels:
    """Greedy k-means++ with four trials, then Lloyd's passes, vector by vector."""
    n = len(vectors)
    labels = np.zeros(n, int)
    if min(n, n_clusters) <= 1:
        return labels
    similar = products(vectors, vectors)
    seeds = [int(rng.integers(n))]
    while len(seeds) < min(n, n_clusters):
        nearest = np.maximum(0, 1 - similar[seeds]).min(axis=0)
        sums = np.cumsum(nearest, dtype=np.float64)
        if sums[-1] == 0:
            break
        trials = [
            next((row for row in range(n) if sums[row] > share * sums[-1]), n - 1)
            for share in rng.random(4)
        ]
        left = [
            np.minimum(nearest, np.maximum(0, 1 - similar[trial])).sum(dtype=np.float64)
            for trial in trials
        ]
        seeds.append(trials[left.index(min(left))])
    centers = vectors[seeds]
    for _ in range(50):
        halves = [np.float32(0.5 * sum(float(x) ** 2 for x in center)) for center in centers]
        moved = (products(centers, vectors) - np.array(halves)[:, None]).argmax(axis=0)
        n_moved = int((moved != labels).sum())
        labels = moved
        if n_moved * 1000 <= n:
            break
        for cluster in set(labels.tolist()):
            members = vectors[labels == cluster].astype(np.float64)
            centers[cluster] = members.cumsum(axis=0)[-1] / len(members)
    return labels


def mean_distance(vectors: Vectors, position: int, n_neighbors: int) -> float:
    """Mean Euclidean distance to the nearest of the other vectors."""
    similar = products(vectors[[position]], vectors)[0]
    others = [max(0.0, 2 - 2 * float(s)) for row, s in enumerate(similar) if row != position]
    nearest = sorted(others)[:n_neighbors]
    return sum(map(math.sqrt, nearest)) / len(nearest) if nearest else 0.0


def typiclust(
    vectors: Vectors, labels: Labels, is_candidate: NDArray[np.bool_], n_picks: int, k: int
) -> list[int]:
    """Go round the clusters as the published code does; positions, in tie_key order."""
    clusters = [np.flatnonzero(labels == label) for label in np.unique(labels)]
    clusters.sort(key=lambda one: ((~is_candidate[one]).sum(), -len(one), one[0]))
    picks: list[int] = []
    for group in (
        [one for one in clusters if len(one) > 5],
        [one for one in clusters if len(one) <= 5],
    ):
        queues = []
        for one in group:
            n_neighbors = min(k, max(1, len(one) // 2))
            order = sorted(
                range(len(one)),
                key=lambda place: (mean_distance(vectors[one], place, n_neighbors), place),
            )
            queues.append([int(one[place]) for place in order if is_candidate[one[place]]])
        picks += turns(queues, n_picks - len(picks))
    return picks


def turns(queues: Sequence[Sequence[int]], n_picks: int) -> list[int]:
    """One of each queue a round, until there are enough."""
    longest = max(map(len, queues), default=0)
    rounds = [queue[place] for place in range(longest) for queue in queues if place < len(queue)]
    return rounds[:n_picks]


def purity(apart: Vectors, labels: Labels, radius: float) -> float:
    """Share of the open balls that hold one label only."""
    foreign = labels[:, None] != labels
    pure = ~((apart < radius) & foreign).any(axis=1)
    return float(pure.mean())


def largest_pure_radius(apart: Vectors, labels: Labels, wanted: float) -> float:
    """Try every distance that there is, and none."""
    radii = [*sorted(set(apart.ravel().tolist())), math.inf]
    return max(radius for radius in radii if purity(apart, labels, radius) >= wanted - 1e-9)


def probcover(apart: Vectors, covered: NDArray[np.bool_], radius: float, n_picks: int) -> list[int]:
    """The ball that holds the most uncovered, until all is covered; positions in tie_key order."""
    inside = apart < radius
    np.fill_diagonal(inside, True)
    covered, picks = covered.copy(), []
    while len(picks) < n_picks and not covered.all():
        picks.append(int((inside & ~covered).sum(axis=1).argmax()))
        covered |= inside[picks[-1]]
    return picks


def average_linkage(vectors: Vectors, n_clusters: int) -> set[frozenset[int]]:
    """Join the two clusters with the smallest mean distance, again and again."""
    apart = distances(vectors).astype(np.float64)
    clusters = [[row] for row in range(len(vectors))]
    while len(clusters) > n_clusters:
        _, left, right = min(
            (float(apart[np.ix_(clusters[i], clusters[j])].mean()), i, j)
            for j in range(len(clusters))
            for i in range(j)
        )
        clusters[left] += clusters.pop(right)
    return {frozenset(cluster) for cluster in clusters}
