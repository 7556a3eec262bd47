"""The k nearest of many vectors, exactly, whatever the order and the number of threads."""

from typing import NamedTuple

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

from strategies.kernels.products import BLOCK_ENTRIES, blocks, pack
from strategies.kernels.threads import threads_for

FEWEST_ROWS = 256  # of a block


class Nearest(NamedTuple):
    """The k nearest others of each vector, nearest first, equal ones by lowest position.

    Attributes
    ----------
    positions : int32 array of shape (n_vectors, k), in the array of the others
    distances : float32 array of shape (n_vectors, k), cosine distance, in [0, 2]
    """

    positions: NDArray[np.int32]
    distances: NDArray[np.float32]


def nearest(vectors: NDArray[np.float32], others: NDArray[np.float32], *, k: int) -> Nearest:
    """Find the k nearest others of each vector by cosine distance; all where there are fewer.

    Parameters
    ----------
    vectors : float32 array of shape (n_vectors, n_features), finite, unit-length rows
    others : float32 array of shape (n_others, n_features), finite, unit-length rows
    k : how many

    Notes
    -----
    Time O(n_vectors n_others n_features), of which the products are most; memory O(n_vectors k +
    n_others n_features).
    """
    k = min(k, len(others))
    found = Nearest(
        np.zeros((len(vectors), k), np.int32), np.full((len(vectors), k), np.inf, np.float32)
    )
    if k == 0 or len(vectors) == 0:
        return found
    # few and large blocks: threads have to be woken for each
    n_rows = max(FEWEST_ROWS, BLOCK_ENTRIES // len(others))
    for block in blocks(vectors, pack(others), n_rows=n_rows):
        rows = slice(block.first_row, block.first_row + len(block.values))
        into = found.positions[rows], found.distances[rows]
        with threads_for(block.values.size):
            _insert(block.values, block.n_columns, block.first_column, *into)
    return found


@njit(cache=True, parallel=True, nogil=True)
def _insert(
    similarities: NDArray[np.float32],
    n_others: int,
    first_position: int,
    positions: NDArray[np.int32],
    distances: NDArray[np.float32],
) -> None:
    """Take others into the lists of the nearest; they come by position, so a tie stays behind."""
    last = positions.shape[1] - 1
    for vector in prange(len(similarities)):
        for other in range(n_others):
            distance = max(np.float32(0.0), np.float32(1.0) - similarities[vector, other])
            if distance >= distances[vector, last]:
                continue
            place = last
            while place > 0 and distances[vector, place - 1] > distance:
                distances[vector, place] = distances[vector, place - 1]
                positions[vector, place] = positions[vector, place - 1]
                place -= 1
            distances[vector, place] = distance
            positions[vector, place] = first_position + other
