"""Squared distances between gradients q x h that are never written out.

<q x h, q' x h'> = <q, q'> <h, h'>, so that C + d numbers stand for the C d of a gradient. The
bits of a distance depend on the two gradients alone.
"""

from typing import NamedTuple

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

from strategies.kernels.fastmath import REASSOCIATE

_CHUNK = 64  # gradients that stay in the cache while a tile of centres passes over them
_FEW = 16  # the same where there are few, for all threads to have some
_TILE = 64  # centres; a multiple of 4
# what float32 products cannot tell from 0: a share of the two squared lengths
_ROUNDING = 2.0**-18


class Gradients(NamedTuple):
    """Factors of gradients q x h.

    Attributes
    ----------
    errors : float32 array of shape (n, n_classes), q
    vectors : float32 array of shape (n, n_features), h
    lengths : float64 array of shape (n,), squared

    Where they are centres, n is a multiple of 4 and may be larger than their number.
    """

    errors: NDArray[np.float32]
    vectors: NDArray[np.float32]
    lengths: NDArray[np.float64]


@njit(cache=True, fastmath=REASSOCIATE)
def _four_products(
    vector: NDArray[np.float32], others: NDArray[np.float32], first: int
) -> tuple[np.float32, np.float32, np.float32, np.float32]:
    """With four others at a time, a vector is read once for all of them."""
    a, b, c, d = np.float32(0.0), np.float32(0.0), np.float32(0.0), np.float32(0.0)
    for feature in range(vector.shape[0]):
        value = vector[feature]
        a += value * others[first, feature]
        b += value * others[first + 1, feature]
        c += value * others[first + 2, feature]
        d += value * others[first + 3, feature]
    return a, b, c, d


@njit(cache=True)
def _closer(
    gradients: Gradients, row: int, centers: Gradients, first: int, last: int, closest: float
) -> float:
    """Squared distance to the nearest of the centres from first to before last, or `closest`."""
    length = gradients.lengths[row]
    for four in range(first - first % 4, last, 4):
        errors = _four_products(gradients.errors[row], centers.errors, four)
        vectors = _four_products(gradients.vectors[row], centers.vectors, four)
        for i in range(4):
            if four + i < last:
                lengths = length + centers.lengths[four + i]
                squared = lengths - 2.0 * float(errors[i]) * float(vectors[i])
                if squared <= _ROUNDING * lengths:
                    squared = 0.0
                closest = min(closest, squared)
    return closest


@njit(cache=True, parallel=True, nogil=True)
def bring_up_to_date(
    gradients: Gradients,
    centers: Gradients,
    n_centers: int,
    n_compared: NDArray[np.int32],
    squared: NDArray[np.float64],
) -> None:
    """Compare every gradient with the centres that it has not been compared with yet, in place."""
    n_rows = squared.shape[0]
    for chunk in prange((n_rows + _CHUNK - 1) // _CHUNK):
        rows = range(chunk * _CHUNK, min(n_rows, (chunk + 1) * _CHUNK))
        for tile in range(0, n_centers, _TILE):
            last = min(n_centers, tile + _TILE)
            for row in rows:
                first = max(tile, n_compared[row])
                if first < last:
                    squared[row] = _closer(gradients, row, centers, first, last, squared[row])
        for row in rows:
            n_compared[row] = n_centers


@njit(cache=True, parallel=True, nogil=True)
def compare(
    rows: NDArray[np.int64],
    enough: NDArray[np.float64],
    gradients: Gradients,
    centers: Gradients,
    n_centers: int,
    n_compared: NDArray[np.int32],
    squared: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.int32]]:
    """Compare rows, which may repeat, with centres until they are no farther than is enough.

    Returns the squared distances to the nearest, and the number of centres compared with.
    """
    n_rows = rows.shape[0]
    now = squared[rows]
    n_seen = n_compared[rows]
    for chunk in prange((n_rows + _FEW - 1) // _FEW):
        for tile in range(0, n_centers, _TILE):
            last = min(n_centers, tile + _TILE)
            for i in range(chunk * _FEW, min(n_rows, (chunk + 1) * _FEW)):
                first = max(tile, n_seen[i])
                if first < last and now[i] > enough[i]:
                    now[i] = _closer(gradients, rows[i], centers, first, last, now[i])
                    n_seen[i] = last
    return now, n_seen


@njit(cache=True, nogil=True)
def accept(
    proposals: NDArray[np.int64],
    enough: NDArray[np.float64],
    now: NDArray[np.float64],
    n_seen: NDArray[np.int32],
    gradients: Gradients,
    centers: Gradients,
    n_centers: int,
    n_compared: NDArray[np.int32],
    squared: NDArray[np.float64],
    picks: NDArray[np.int64],
) -> int:
    """Make centres of up to len(picks) proposals, those still farther than is enough; count them.

    Each one makes the later proposals nearer. What was learned of the others is written to
    `n_compared` and `squared`; the centres and `picks` are appended to.
    """
    n_accepted = 0
    for i in range(proposals.shape[0]):
        if n_accepted == picks.shape[0]:
            break
        row = proposals[i]
        distance, n_known = now[i], n_seen[i]
        if distance > enough[i]:
            n_known = n_centers + n_accepted
            distance = _closer(gradients, row, centers, n_centers, n_known, distance)
        if distance > enough[i]:
            centers.errors[n_known] = gradients.errors[row]
            centers.vectors[n_known] = gradients.vectors[row]
            centers.lengths[n_known] = gradients.lengths[row]
            picks[n_accepted] = row
            n_accepted += 1
            distance = 0.0
        squared[row] = min(squared[row], distance)
        n_compared[row] = max(n_compared[row], n_known)
    return n_accepted
