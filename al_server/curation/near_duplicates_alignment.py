# mypy: disallow-untyped-decorators=False
"""How well one small picture, shrunk and perhaps mirrored, fits somewhere into another.

Inputs are already checked.
"""

from typing import Final

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

from al_server.curation.near_duplicates_pictures import SIDE, shrinking_weights
from strategies.kernels.fastmath import REASSOCIATE

SMALLEST: Final = 25
"""Pixels of SIDE that a cropped picture has left at least: 78% of the side."""

NOISE: Final = 2.0
"""Grey levels; what varies less, as the rounding of a flat picture does, counts as this much."""

N_TAPS: Final = 3
"""Pixels of a line, at most, that a pixel of a shrunken one is made of."""

Floats = NDArray[np.float32]


def best_fits(
    pictures: Floats,
    parts: NDArray[np.integer],
    wholes: NDArray[np.integer],
    mirrored: NDArray[np.bool_],
) -> Floats:
    """Say how well each part fits into its whole, at the size and place where it does best.

    Parameters
    ----------
    pictures : float32 array of shape (n, 3, SIDE, SIDE), C order, in grey levels
    parts, wholes : integer arrays of shape (n_pairs,), rows of `pictures`
    mirrored : bool array of shape (n_pairs,), whether the part is mirrored left to right first

    Returns
    -------
    float32 array of shape (n_pairs,), normalised cross-correlation over the three channels, each
    around its mean, in [-1, 1]: brightness and contrast do not matter

    Notes
    -----
    Time O(n_pairs SIDE^2 (SIDE - SMALLEST)^3), half a million multiplications a pair.
    """
    n_sizes = SIDE - SMALLEST + 1
    first = np.zeros((n_sizes, SIDE), np.int64)
    weights = np.zeros((n_sizes, SIDE, N_TAPS), np.float32)
    for position in range(n_sizes):
        dense = shrinking_weights(SIDE, SMALLEST + position)
        for to, line in enumerate(dense):
            start = min(int(np.flatnonzero(line)[0]), SIDE - N_TAPS)
            first[position, to] = start
            weights[position, to] = line[start : start + N_TAPS]
    fits = np.empty(len(parts), np.float32)
    _fit_all(pictures, parts, wholes, mirrored, first, weights, fits)
    return fits


@njit(cache=True, parallel=True, nogil=True)
def _fit_all(
    pictures: Floats,
    parts: NDArray[np.integer],
    wholes: NDArray[np.integer],
    mirrored: NDArray[np.bool_],
    first: NDArray[np.int64],
    weights: Floats,
    fits: Floats,
) -> None:
    for pair in prange(len(parts)):
        part, whole = pictures[parts[pair]], pictures[wholes[pair]]
        fits[pair] = _fit(part, whole, mirrored[pair], first, weights)


@njit(cache=True, nogil=True)
def _fit(
    part: Floats, whole: Floats, mirror: bool, first: NDArray[np.int64], weights: Floats
) -> np.float32:
    sums, squares = _integrals(whole)
    shrunk = np.zeros((3, SIDE, SIDE), np.float32)
    best = -1.0
    for position in range(len(weights)):
        size = SMALLEST + position
        energy = _shrink(part, first[position], weights[position], size, mirror, shrunk)
        floor = 3 * size * size * NOISE * NOISE
        for top in range(SIDE - size + 1):
            for left in range(SIDE - size + 1):
                there = _window(squares, top, left, size)
                for channel in range(3):
                    total = _window(sums[channel], top, left, size)
                    there -= total * total / (size * size)
                inner = _inner(shrunk, whole, top * SIDE + left, (size - 1) * SIDE + size)
                best = max(best, inner / np.sqrt(max(there, floor) * max(energy, floor)))
    return np.float32(min(best, 1.0))


@njit(cache=True, nogil=True, fastmath=REASSOCIATE)
def _inner(shrunk: Floats, whole: Floats, start: int, length: int) -> float:
    # lines follow each other in memory, and beyond its size what is shrunk is 0: one long sum
    inner = 0.0
    for channel in range(3):
        there, here = whole[channel].reshape(-1), shrunk[channel].reshape(-1)
        total = np.float32(0)
        for at in range(length):
            total += there[start + at] * here[at]
        inner += float(total)
    return inner


@njit(cache=True, nogil=True)
def _shrink(
    part: Floats,
    first: NDArray[np.int64],
    weights: Floats,
    size: int,
    mirror: bool,
    shrunk: Floats,
) -> float:
    """Write the part, `size` pixels large and around its means, and return its sum of squares."""
    lines = np.empty((size, SIDE), np.float32)
    energy = 0.0
    for channel in range(3):
        for y in range(size):
            from_y, weight = first[y], weights[y]
            for x in range(SIDE):
                value = weight[0] * part[channel, from_y, x]
                value += weight[1] * part[channel, from_y + 1, x]
                lines[y, x] = value + weight[2] * part[channel, from_y + 2, x]
        total = 0.0
        for y in range(size):
            for x in range(size):
                from_x, weight = first[x], weights[x]
                value = weight[0] * lines[y, from_x]
                value += weight[1] * lines[y, from_x + 1]
                value += weight[2] * lines[y, from_x + 2]
                shrunk[channel, y, size - 1 - x if mirror else x] = value
                total += value
        mean = np.float32(total / (size * size))
        for y in range(size):
            for x in range(size):
                shrunk[channel, y, x] -= mean
                energy += float(shrunk[channel, y, x]) ** 2
    return energy


@njit(cache=True, nogil=True)
def _integrals(
    whole: Floats,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return sums of each channel, and of the squares of all, over all that is above and left."""
    side = whole.shape[1]
    sums = np.zeros((3, side + 1, side + 1))
    squares = np.zeros((side + 1, side + 1))
    for y in range(side):
        line, line_squares = np.zeros(3), 0.0
        for x in range(side):
            for channel in range(3):
                line[channel] += whole[channel, y, x]
                line_squares += whole[channel, y, x] ** 2
                sums[channel, y + 1, x + 1] = sums[channel, y, x + 1] + line[channel]
            squares[y + 1, x + 1] = squares[y, x + 1] + line_squares
    return sums, squares


@njit(cache=True, nogil=True)
def _window(integral: NDArray[np.float64], top: int, left: int, size: int) -> float:
    bottom, right = top + size, left + size
    above: float = integral[top, right] - integral[top, left]
    return float(integral[bottom, right] - integral[bottom, left] - above)
