"""Which vectors lie in which balls, from blocks of their inner products.

A vector lies in a ball where its product with the middle is at least what `least_inside` says for
the radius. `diagonal` is the first row of a block minus its first column: only what lies right of
the diagonal of the whole matrix counts, so that each pair is met once; `EVERYTHING` makes every
entry count. Rows or columns are counted by one thread each, in integers. Inputs are checked.
"""

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

Counts = NDArray[np.int32]
Positions = NDArray[np.int64]
Rows = NDArray[np.int32]
Values = NDArray[np.float32]
Labels = NDArray[np.int32]
Flags = NDArray[np.bool_]

EVERYTHING = -(2**62)
SEGMENT = 512  # columns a task
NOBODY = np.float32(-4)  # below every product of unit vectors


def least_inside(radius: np.float32) -> np.float32:
    """Return the smallest product whose distance, max(0, 1 - product), is below the radius.

    The distance never rises with the product, so that one comparison does for both.
    """
    if not 0 < radius <= 4:
        return np.float32(np.inf if radius <= 0 else -np.inf)
    one, slack = np.float32(1), np.float32(2.0**-20)
    outside, inside = one - radius - slack, one - radius + slack
    while True:
        middle = np.float32((np.float64(outside) + np.float64(inside)) / 2)
        if middle in (outside, inside):
            return inside
        if one - middle < radius:  # a distance below 0 would be 0, and below the radius as well
            inside = middle
        else:
            outside = middle


# no product is NaN, and zeros may swap their signs: with that the maximum is taken in vector lanes
@njit(cache=True, nogil=True, parallel=True, fastmath={"nnan", "nsz"})
def keep_largest_other(
    products: Values, n_columns: int, own: Labels, labels: Labels, largest: Values
) -> None:
    """Raise the largest product of each row to that with a column of another label.

    Parameters
    ----------
    products : float32 array of shape (n_rows, at least n_columns)
    n_columns : how many columns are meant
    own, labels : int32 arrays of shape (n_rows,) and (n_columns,)
    largest : float32 array of shape (n_rows,), at first `NOBODY`; written to
    """
    for row in prange(len(products)):
        values, label, best = products[row], own[row], largest[row]
        for column in range(n_columns):
            value = values[column] if labels[column] != label else NOBODY
            best = value if value > best else best
        largest[row] = best


@njit(cache=True, nogil=True, parallel=True)
def count_in_rows(
    products: Values, n_columns: int, diagonal: int, least: np.float32, counts: Counts
) -> None:
    """Write how many columns lie in the ball of each row."""
    for row in prange(len(products)):
        values, count = products[row], np.int32(0)
        for column in range(max(0, row + diagonal + 1), n_columns):
            count += np.int32(values[column] >= least)
        counts[row] = count


@njit(cache=True, nogil=True, parallel=True)
def count_in_columns(
    products: Values, n_columns: int, diagonal: int, least: np.float32, counts: Counts
) -> None:
    """Add how many rows lie in the ball of each column."""
    for segment in prange((n_columns + SEGMENT - 1) // SEGMENT):
        first, last = segment * SEGMENT, min((segment + 1) * SEGMENT, n_columns)
        for row in range(len(products)):
            values = products[row]
            for column in range(max(first, row + diagonal + 1), last):
                counts[column] += np.int32(values[column] >= least)


@njit(cache=True, nogil=True, parallel=True)
def collect(
    products: Values,
    n_columns: int,
    diagonal: int,
    least: np.float32,
    ends: Positions,
    first_column: int,
    found: Rows,
) -> None:
    """Write the columns in the ball of each row to `found`; those of a row end at its entry."""
    for row in prange(len(products)):
        place = ends[row - 1] if row else 0
        for column in range(max(0, row + diagonal + 1), n_columns):
            if products[row, column] >= least:
                found[place] = first_column + column
                place += 1


@njit(cache=True, nogil=True)
def count_links(first_row: int, counts: Counts, found: Rows, lengths: Positions) -> None:
    """Count the pairs of a block for both of their vectors."""
    for row in range(len(counts)):
        lengths[first_row + row] += counts[row]
    for column in found:
        lengths[column] += 1


@njit(cache=True, nogil=True)
def link(first_row: int, counts: Counts, found: Rows, places: Positions, neighbors: Rows) -> None:
    """Enter each pair of a block with both of its vectors, and move their places on."""
    start = 0
    for row in range(len(counts)):
        one = first_row + row
        for other in found[start : start + counts[row]]:
            neighbors[places[one]] = other
            neighbors[places[other]] = one
            places[one] += 1
            places[other] += 1
        start += counts[row]


@njit(cache=True, nogil=True)
def cover(pick: int, starts: Positions, neighbors: Rows, covered: Flags, degrees: Counts) -> int:
    """Cover the ball of a pick, and lower the degrees of all whose balls lose by it.

    Returns
    -------
    int, how many were covered
    """
    n_new = 0
    for place in range(starts[pick] - 1, starts[pick + 1]):
        # everything lies in its own ball, and is not entered there
        new = pick if place < starts[pick] else neighbors[place]
        if covered[new]:
            continue
        covered[new] = True
        n_new += 1
        degrees[new] -= 1
        for other in neighbors[starts[new] : starts[new + 1]]:
            degrees[other] -= 1
    return n_new
