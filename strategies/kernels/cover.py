"""Which vectors lie in which balls, from blocks of their inner products.

A vector lies in a ball where its product with the middle is at least what `least_inside` says for
the radius. `diagonal` is the first row of a block minus its first column: only what lies right of
the diagonal of the whole matrix counts, so that each pair is met once; `EVERYTHING` makes every
entry count. Each column is counted by one thread, in integers. Inputs are already checked.
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
STRETCH = 128  # products that are left alone if none of them is large enough
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


def n_segments(n_columns: int) -> int:
    """Return how many parts of a block are looked at by themselves."""
    return -(-n_columns // SEGMENT)


# no product is NaN, and zeros may swap their signs: with that a maximum is taken in vector lanes
@njit(cache=True, nogil=True, parallel=True, fastmath={"nnan", "nsz"})
def keep_largest_other(
    products: Values,
    diagonal: int,
    labels: tuple[Labels, Labels],
    by_row: Values,
    by_column: Values,
) -> None:
    """Find the largest product of each row and column with one of another label.

    Parameters
    ----------
    products : float32 array of shape (n_rows, at least n_columns)
    labels : int32 arrays of shape (n_rows,) and (n_columns,)
    by_row : float32 array of shape (n_segments, n_rows), the largest of each segment or `NOBODY`;
        written to
    by_column : float32 array of shape (n_columns,), at first `NOBODY`; raised
    """
    own, others = labels
    for segment in prange(len(by_row)):
        first, last = segment * SEGMENT, min((segment + 1) * SEGMENT, len(others))
        for row in range(len(products)):
            # slices, because with places that might be negative there are no vector lanes
            start = min(max(first, row + diagonal + 1), last)
            values, columns = products[row, start:last], by_column[start:last]
            names, label, best = others[start:last], own[row], NOBODY
            for place in range(len(values)):
                value = values[place] if names[place] != label else NOBODY
                columns[place] = value if value > columns[place] else columns[place]
                best = value if value > best else best
            by_row[segment, row] = best


@njit(cache=True, nogil=True, parallel=True)
def count(
    products: Values, diagonal: int, least: np.float32, by_row: Counts, by_column: Counts
) -> None:
    """Count what lies in the ball of each row and of each column.

    Parameters
    ----------
    products : float32 array of shape (n_rows, at least n_columns)
    by_row : int32 array of shape (n_segments, n_rows), the counts of each segment; written to
    by_column : int32 array of shape (n_columns,), added to
    """
    for segment in prange(len(by_row)):
        first, last = segment * SEGMENT, min((segment + 1) * SEGMENT, len(by_column))
        for row in range(len(products)):
            start = min(max(first, row + diagonal + 1), last)
            values, columns, n_inside = (
                products[row, start:last],
                by_column[start:last],
                np.int32(0),
            )
            for place in range(len(values)):
                columns[place] += np.int32(values[place] >= least)
            for place in range(len(values)):
                n_inside += np.int32(values[place] >= least)
            by_row[segment, row] = n_inside


@njit(cache=True)
def _collect_row(products: Values, first: int, least: np.float32, start: int, found: Rows) -> None:
    """Write the columns in a ball to `found`, where they all fit, less `start`."""
    place = 0
    for low in range(first, len(products), STRETCH):
        stretch, n_inside = products[low : low + STRETCH], np.int32(0)
        for value in stretch:
            n_inside += np.int32(value >= least)
        if n_inside == 0:
            continue
        for column in range(len(stretch)):
            if stretch[column] >= least:
                found[place] = start + low + column
                place += 1
        if place == len(found):
            return


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
        if place < ends[row]:
            first = max(0, row + diagonal + 1)
            inside = found[place : ends[row]]
            _collect_row(products[row, :n_columns], first, least, first_column, inside)


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
