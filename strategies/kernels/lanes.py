"""Some features of a few rows against many vectors side by side: one instruction serves many pairs.

Sums grow in lanes that never mix, feature after feature: their bits depend on the two vectors
alone. Inputs are already checked.
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray

Vectors = NDArray[np.float32]

HEIGHT, STEP = 4, 8  # rows and features at a time: what the registers hold


@njit(cache=True, inline="always")
def read(vector: Vectors, first: int) -> tuple[np.float32, ...]:
    """Return STEP features of a vector."""
    return (
        vector[first],
        vector[first + 1],
        vector[first + 2],
        vector[first + 3],
        vector[first + 4],
        vector[first + 5],
        vector[first + 6],
        vector[first + 7],
    )


@njit(cache=True, inline="always")
def read_column(panel: Vectors, first: int, lane: int) -> tuple[np.float32, ...]:
    """Return STEP features of the vector in a lane of a panel."""
    return (
        panel[first, lane],
        panel[first + 1, lane],
        panel[first + 2, lane],
        panel[first + 3, lane],
        panel[first + 4, lane],
        panel[first + 5, lane],
        panel[first + 6, lane],
        panel[first + 7, lane],
    )


@njit(cache=True, inline="always")
def add(
    total: np.float32, left: tuple[np.float32, ...], right: tuple[np.float32, ...]
) -> np.float32:
    """Return total plus STEP products: from left to right and never fused, which is the promise."""
    return np.float32(
        total
        + left[0] * right[0]
        + left[1] * right[1]
        + left[2] * right[2]
        + left[3] * right[3]
        + left[4] * right[4]
        + left[5] * right[5]
        + left[6] * right[6]
        + left[7] * right[7]
    )
