"""Kullback-Leibler divergences between rows of probabilities."""

import math

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray


@njit(cache=True, parallel=True, nogil=True)
def logarithms(values: NDArray[np.float32], floor: float, out: NDArray[np.float64]) -> None:
    """Natural logarithms of a matrix; what is below the floor counts as the floor."""
    for row in prange(values.shape[0]):
        for column in range(values.shape[1]):
            out[row, column] = math.log(max(float(values[row, column]), floor))


@njit(cache=True, parallel=True, nogil=True)
def mean_divergences(
    own_logs: NDArray[np.float64],
    others: NDArray[np.float32],
    other_logs: NDArray[np.float64],
    positions: NDArray[np.int32],
    out: NDArray[np.float32],
) -> None:
    """Mean over the k others of each row of KL(p of the other || p of the row), in nats."""
    n_rows, k = positions.shape
    n_classes = own_logs.shape[1]
    for row in prange(n_rows):
        total = 0.0
        for place in range(k):
            other = positions[row, place]
            for label in range(n_classes):
                p = float(others[other, label])
                total += p * (other_logs[other, label] - own_logs[row, label])
        # rows that sum to 1 only nearly, and the floor, may bring a sum just below 0
        out[row] = max(0.0, total / k)
