"""Cosine distances of a few vectors to a pool, and lengths.

Every array of a campaign that must come out the same whether it was updated in place or rebuilt is
made from the distances of this one kernel; whole batches multiply in `products` and `k_center`,
whose last bits differ. The bits of a distance depend on the two vectors alone: not on their
rows, on how many are asked for at once, or on the number of threads. A matrix product by BLAS does
not keep that promise.
"""

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

from strategies.kernels.fastmath import REASSOCIATE
from strategies.kernels.threads import threads_for

_CHUNK = 512


@njit(cache=True, fastmath=REASSOCIATE)
def _dot(left: NDArray[np.float32], right: NDArray[np.float32]) -> np.float32:
    total = np.float32(0.0)
    for feature in range(left.shape[0]):
        total += left[feature] * right[feature]
    return total


@njit(cache=True, parallel=True, nogil=True)
def _cosine_distances(
    embeddings: NDArray[np.float32],
    rows: NDArray[np.int64],
    vectors: NDArray[np.float32],
    out: NDArray[np.float32],
) -> None:
    n_rows = out.shape[1]
    everything = rows.shape[0] == 0
    for chunk in prange((n_rows + _CHUNK - 1) // _CHUNK):
        first = chunk * _CHUNK
        last = min(n_rows, first + _CHUNK)
        # a chunk of the pool stays in the cache while every vector passes over it
        for vector in range(vectors.shape[0]):
            for position in range(first, last):
                row = position if everything else rows[position]
                similarity = _dot(embeddings[row], vectors[vector])
                out[vector, position] = max(np.float32(0.0), np.float32(1.0) - similarity)


def cosine_distances(
    embeddings: NDArray[np.float32],
    vectors: NDArray[np.float32],
    *,
    rows: NDArray[np.int64] | None = None,
    out: NDArray[np.float32] | None = None,
) -> NDArray[np.float32]:
    """Distance of each of `vectors` to each of `embeddings`.

    Parameters
    ----------
    embeddings : float32 array of shape (n_samples, n_features), unit-length rows
    vectors : float32 array of shape (n_vectors, n_features), unit-length rows
    rows : int64 array of shape (n_rows,), the embeddings to look at; None: all of them
    out : float32 array of shape (n_vectors, n_rows) to write into; None: a new one

    Returns
    -------
    float32 array of shape (n_vectors, n_rows), 1 - cosine similarity, clipped at 0

    Notes
    -----
    Time O(n_vectors n_rows n_features); one vector against a large pool runs at memory speed.
    """
    n_rows = embeddings.shape[0] if rows is None else rows.shape[0]
    if out is None:
        out = np.empty((vectors.shape[0], n_rows), dtype=np.float32)
    if n_rows and vectors.shape[0]:
        # another memory layout would be another compiled kernel, with other bits
        embeddings, vectors = np.ascontiguousarray(embeddings), np.ascontiguousarray(vectors)
        chosen = np.empty(0, dtype=np.int64) if rows is None else rows
        with threads_for(n_rows * vectors.size):
            _cosine_distances(embeddings, chosen, vectors, out)
    return out


@njit(cache=True, parallel=True, nogil=True)
def _squared_lengths(vectors: NDArray[np.float32], out: NDArray[np.float32]) -> None:
    for row in prange(out.shape[0]):
        out[row] = _dot(vectors[row], vectors[row])


def squared_lengths(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Squared length of each vector; NaN or inf where one of its numbers is.

    Parameters
    ----------
    vectors : float32 array of shape (n, n_features)

    Returns
    -------
    float32 array of shape (n,)
    """
    out = np.empty(len(vectors), np.float32)
    if len(vectors):
        contiguous = np.ascontiguousarray(vectors, dtype=np.float32)
        with threads_for(contiguous.size):
            _squared_lengths(contiguous, out)
    return out
