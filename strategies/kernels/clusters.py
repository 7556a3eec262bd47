"""The two halves of a k-means pass: the nearest center of every vector, the mean of every cluster.

Everything is decided and summed in the order of the vectors, so that the result does not depend on
the number of threads. Inputs are already checked.
"""

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

Labels = NDArray[np.int32]
Rows = NDArray[np.int64]
Vectors = NDArray[np.float32]

SEGMENT = 256  # vectors at a time; what is known of them stays in the nearest cache


@njit(cache=True)
def _nearest_in_segment(
    products: Vectors, halves: Vectors, first: int, last: int, labels: Labels
) -> int:
    best = np.full(last - first, -np.inf, np.float32)
    nearest = np.zeros(last - first, np.int32)
    for center in range(len(products)):
        row, half = products[center, first:last], halves[center]
        for place in range(last - first):
            # |x - c|^2 is smallest where x c - |c|^2 / 2 is largest
            value = row[place] - half
            better = value > best[place]
            best[place] = value if better else best[place]
            nearest[place] = center if better else nearest[place]
    n_moved = 0
    for place in range(last - first):
        n_moved += labels[first + place] != nearest[place]
        labels[first + place] = nearest[place]
    return n_moved


@njit(cache=True, nogil=True, parallel=True)
def move_to_nearest(products: Vectors, halves: Vectors, labels: Labels) -> int:
    """Write the nearest center of each vector to its label; returns how many changed.

    Parameters
    ----------
    products : float32 array of shape (n_centers, at least n_vectors)
    halves : float32 array of shape (n_centers,), half the squared length of each center
    labels : int32 array of shape (n_vectors,); of equal centers the first
    """
    n_segments = (len(labels) + SEGMENT - 1) // SEGMENT
    n_moved = 0
    for segment in prange(n_segments):
        first = segment * SEGMENT
        last = min(first + SEGMENT, len(labels))
        n_moved += _nearest_in_segment(products, halves, first, last, labels)
    return n_moved


@njit(cache=True, nogil=True)
def by_label(labels: Labels, n_labels: int) -> tuple[Rows, Rows]:
    """Sort positions by label, equal labels by position.

    Returns
    -------
    order, starts : int64 arrays of shape (n,) and (n_labels + 1,); those of label c are
        order[starts[c]:starts[c + 1]]
    """
    starts: Rows = np.zeros(n_labels + 1, np.int64)
    for label in labels:
        starts[label + 1] += 1
    for label in range(n_labels):
        starts[label + 1] += starts[label]
    order: Rows = np.empty(len(labels), np.int64)
    place = starts[:-1].copy()
    for position in range(len(labels)):
        order[place[labels[position]]] = position
        place[labels[position]] += 1
    return order, starts


@njit(cache=True, nogil=True, parallel=True)
def move_to_mean(vectors: Vectors, order: Rows, starts: Rows, centers: Vectors) -> None:
    """Write the mean of each cluster to its center; that of an empty one stays where it is."""
    for cluster in prange(len(centers)):
        first, last = starts[cluster], starts[cluster + 1]
        if first < last:
            total = np.zeros(vectors.shape[1])
            for place in range(first, last):
                total += vectors[order[place]]
            centers[cluster] = (total / (last - first)).astype(np.float32)
