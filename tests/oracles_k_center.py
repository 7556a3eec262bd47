"""Farthest-first selection by the plain greedy loop: every candidate against every pick."""

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

NOISE = np.float32(2.0**-20)


@njit(fastmath={"contract"})
def _similarity(left, right):  # type: ignore[no-untyped-def]
    """One feature after the other, each by a fused multiply-add where the machine has them."""
    total = np.float32(0)
    for feature in range(len(left)):
        total += left[feature] * right[feature]
    return total


@njit
def similarities(vectors, center):  # type: ignore[no-untyped-def]
    values = np.empty(len(vectors), np.float32)
    for row in range(len(vectors)):
        values[row] = _similarity(vectors[row], center)
    return values


def distances(vectors: NDArray[np.float32], center: NDArray[np.float32]) -> NDArray[np.float32]:
    values = np.maximum(np.float32(0), np.float32(1) - similarities(vectors, center))
    return np.where(values < NOISE, np.float32(0), values)


def farthest_first(
    vectors: NDArray[np.float32],
    covers: NDArray[Any],
    weights: NDArray[np.float32],
    n_picks: int,
) -> list[int]:
    """Positions, the one with the highest weight * distance first, of equal ones the lowest."""
    covers = np.where(covers < NOISE, np.float32(0), np.minimum(covers, np.float32(4)))
    picks: list[int] = []
    left = np.ones(len(vectors), bool)
    while len(picks) < n_picks:
        position = int(np.argmax(np.where(left, weights * covers, np.float32(-1))))
        picks.append(position)
        left[position] = False
        covers = np.minimum(covers, distances(vectors, vectors[position]))
    return picks
