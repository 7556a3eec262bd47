"""Farthest-first, one pick after the other: plain greedy, and single passes as others make them."""

from collections.abc import Callable

import numpy as np
from numba import get_num_threads, njit, prange
from numpy.typing import NDArray
from sklearn.metrics import pairwise_distances

from strategies.pool import PoolView

Vectors = NDArray[np.float32]
Distances = NDArray[np.float32]
Pass = Callable[[Vectors, int, Distances], int]


# -- plain greedy, the truth ------------------------------------------------------------------


@njit(fastmath={"contract"})
def _approach_some(vectors, center, distances):  # type: ignore[no-untyped-def]
    for row in range(len(vectors)):
        vector, total = vectors[row], np.float32(0)
        for feature in range(len(center)):
            total += vector[feature] * center[feature]
        distance = max(np.float32(0), np.float32(1) - total)
        distance = distance if distance >= np.float32(2.0**-20) else np.float32(0)
        distances[row] = min(distances[row], distance)


@njit(parallel=True)
def _approach(vectors, center, distances, n_chunks):  # type: ignore[no-untyped-def]
    """Let distances fall to those from a pick; one feature after the other, as ours are summed."""
    n = len(vectors)
    for chunk in prange(n_chunks):
        first, last = n * chunk // n_chunks, n * (chunk + 1) // n_chunks
        _approach_some(vectors[first:last], center, distances[first:last])


def plain_greedy(pool: PoolView, n_picks: int) -> NDArray[np.int64]:
    """Pick one by one, looking at everything each time; ties go to the lowest key."""
    order = np.argsort(pool.tie_key)
    vectors = pool.embeddings[order]
    distances = np.full(len(order), np.inf, np.float32)
    picks = np.empty(n_picks, np.int64)
    for place in range(n_picks):
        picks[place] = distances.argmax()
        _approach(vectors, vectors[picks[place]], distances, get_num_threads())
        distances[picks[place]] = -1
    return order[picks]


# -- one pick of the peers --------------------------------------------------------------------


def sklearn_pass(vectors: Vectors, pick: int, distances: Distances) -> int:
    """Update and pick as in the loop that most copy; the picks are the same between unit rows."""
    new = pairwise_distances(vectors, vectors[pick].reshape(1, -1), metric="euclidean")
    np.minimum(distances, new[:, 0], out=distances)
    return int(distances.argmax())


def matvec_pass(vectors: Vectors, pick: int, distances: Distances) -> int:
    """Update and pick by a product."""
    new = vectors @ vectors[pick]
    np.subtract(1, new, out=new)
    np.minimum(distances, new, out=distances)
    return int(distances.argmax())


@njit(fastmath=True)
def _fused_some(vectors, center, distances):  # type: ignore[no-untyped-def]
    best = 0
    for row in range(len(vectors)):
        vector, total = vectors[row], np.float32(0)
        for feature in range(len(center)):
            total += vector[feature] * center[feature]
        distances[row] = min(distances[row], np.float32(1) - total)
        if distances[row] > distances[best]:
            best = row
    return best


@njit(parallel=True)
def _fused(vectors, center, distances, best):  # type: ignore[no-untyped-def]
    n, n_chunks = len(vectors), len(best)
    for chunk in prange(n_chunks):
        first, last = n * chunk // n_chunks, n * (chunk + 1) // n_chunks
        best[chunk] = first + _fused_some(vectors[first:last], center, distances[first:last])


def plain_pass(vectors: Vectors, pick: int, distances: Distances) -> int:
    """Update and pick in one pass over memory, sums in whatever order is fastest."""
    best = np.empty(get_num_threads(), np.int64)
    _fused(vectors, vectors[pick], distances, best)
    return int(best[distances[best].argmax()])


PASSES: dict[str, Pass] = {
    "sklearn": sklearn_pass,
    "matvec": matvec_pass,
    "plain": plain_pass,
}
