"""Walks along lists of neighbors; inputs are already checked."""

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Ints = NDArray[np.int32]
Rows = NDArray[np.int64]
Flags = NDArray[np.bool_]


@njit(cache=True, nogil=True, parallel=True)
def first_marked(
    rows: Rows, neighbors: Ints, lengths: Floats, marked: Flags, best: Rows, distances: Floats
) -> None:
    """Write the first marked neighbor of each row and its distance; leave those without alone."""
    for place in prange(len(rows)):
        row = rows[place]
        for at in range(neighbors.shape[1]):
            neighbor = neighbors[row, at]
            if neighbor >= 0 and marked[neighbor]:
                best[place], distances[place] = neighbor, lengths[row, at]
                break
