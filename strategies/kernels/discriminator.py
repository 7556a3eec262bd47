"""Logistic regression on rectified units, with sums in one order for any number of threads."""

import math

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

from strategies.kernels.fastmath import REASSOCIATE

_CHUNK = 1024  # rows whose part of the gradient is added up before it is added to the others'


@njit(cache=True, fastmath=REASSOCIATE)
def _dot(left: NDArray[np.float32], right: NDArray[np.float32]) -> np.float32:
    total = np.float32(0.0)
    for unit in range(left.shape[0]):
        total += left[unit] * right[unit]
    return total


@njit(cache=True, fastmath=REASSOCIATE)
def _dot_rectified(
    products: NDArray[np.float32], thresholds: NDArray[np.float32], weights: NDArray[np.float32]
) -> np.float32:
    total = np.float32(0.0)
    for unit in range(weights.shape[0]):
        total += max(np.float32(0.0), products[unit] - thresholds[unit]) * weights[unit]
    return total


@njit(cache=True)
def _add_scaled(total: NDArray[np.float32], vector: NDArray[np.float32], scale: np.float32) -> None:
    for unit in range(vector.shape[0]):
        total[unit] += scale * vector[unit]


@njit(cache=True, parallel=True, nogil=True)
def loss_parts(
    hidden: NDArray[np.float32],
    on_this_side: NDArray[np.bool_],
    weights: NDArray[np.float32],
    bias: float,
    losses: NDArray[np.float64],
    slopes: NDArray[np.float32],
) -> None:
    """Loss and gradient of the rows of each chunk, for this side and the other apart.

    The loss of a row is log(1 + exp(-t (w x + b))) with t = 1 on this side and -1 on the other.

    Parameters
    ----------
    hidden : float32 array of shape (n_rows, n_units)
    losses : float64 array of shape (n_chunks, 2), written
    slopes : float32 array of shape (n_chunks, 2, n_units + 1), written; that of the bias last
    """
    n_rows, n_units = hidden.shape
    for chunk in prange(losses.shape[0]):
        losses[chunk] = 0.0
        slopes[chunk] = 0.0
        for row in range(chunk * _CHUNK, min(n_rows, (chunk + 1) * _CHUNK)):
            side, target = (0, 1.0) if on_this_side[row] else (1, -1.0)
            margin = target * (float(_dot(hidden[row], weights)) + bias)
            tail = math.exp(-abs(margin))  # which never overflows
            losses[chunk, side] += math.log1p(tail) + max(0.0, -margin)
            slope = np.float32(-target * (tail if margin > 0.0 else 1.0) / (1.0 + tail))
            _add_scaled(slopes[chunk, side], hidden[row], slope)
            slopes[chunk, side, n_units] += slope


@njit(cache=True, parallel=True, nogil=True)
def log_odds(
    products: NDArray[np.float32],
    thresholds: NDArray[np.float32],
    weights: NDArray[np.float32],
    bias: float,
    out: NDArray[np.float32],
) -> None:
    """Log odds w x + b to be on this side, from products that are not rectified yet."""
    for row in prange(out.shape[0]):
        value = float(_dot_rectified(products[row], thresholds, weights))
        out[row] = np.float32(value + bias)


def n_chunks(n_rows: int) -> int:
    """Return how many chunks so many rows make."""
    return -(-n_rows // _CHUNK)
