"""Inner products of many vectors with many others, the same to the last bit however they are asked.

Each product is the plain sum over the features, one after the other, in single precision. Its bits
depend on the two vectors alone, not on their rows, their neighbours in a block, the number of
threads or the machine, and left and right may change places. A matrix product by BLAS promises
none of this, and ties between samples would be decided by it.

Idea: the sum of a pair cannot be made parallel without changing its bits, but many pairs can stand
side by side. The vectors on the right are packed so that one feature of `WIDTH` of them is one run
of memory; a few rows and features at a time, the sums then grow in vector lanes that never mix.
That is 0.8-0.95 of the speed of BLAS. Inputs are already checked.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

from strategies.kernels.lanes import HEIGHT, STEP, add, read, read_column
from strategies.kernels.threads import threads_for

Vectors = NDArray[np.float32]

WIDTH = 512  # vectors in a panel; a panel of a few hundred features stays in the second-level cache
LANES = 16  # a panel is narrower where there are few vectors, but a multiple of this
DEPTH = 256  # features of a panel that are gone through for all rows before the next ones
ROWS = 64  # of a task
BLOCK_ENTRIES = 2**22  # products handed out at a time: 16 MB; fewer wait more often for threads


class Packed(NamedTuple):
    """Vectors for the right-hand side.

    Attributes
    ----------
    panels : float32 array of shape (n_panels, n_features rounded up to STEP, width); vectors and
        features that are not there are 0
    n_vectors : how many there are
    """

    panels: Vectors
    n_vectors: int


class Block(NamedTuple):
    """The products of some rows with some columns; valid until the next block is asked for.

    Attributes
    ----------
    values : float32 array of shape (n_rows, at least n_columns), C-contiguous
    first_row, first_column : where it lies in the matrix of all products
    n_columns : how many columns of `values` are meant; the others are padding
    """

    values: Vectors
    first_row: int
    first_column: int
    n_columns: int


def pack(vectors: Vectors) -> Packed:
    """Pack vectors, shape (n, n_features), for the right-hand side. Time and memory O(n d)."""
    n_vectors, n_features = vectors.shape
    width = min(WIDTH, _rounded_up(max(n_vectors, 1), LANES))
    depth = _rounded_up(max(n_features, 1), STEP)
    panels = np.zeros((-(-n_vectors // width), depth, width), np.float32)
    for number, panel in enumerate(panels):
        part = vectors[number * width : (number + 1) * width]
        panel[:n_features, : len(part)] = part.T
    return Packed(panels, n_vectors)


def blocks(
    left: Vectors, right: Packed, *, n_rows: int = 256, above_diagonal: bool = False
) -> Iterator[Block]:
    """Go through the products of every row on the left with every vector on the right.

    Parameters
    ----------
    left : float32 array of shape (n, n_features)
    right : vectors of as many features
    n_rows : how many rows a block may have
    above_diagonal : leave out most of what lies below the diagonal, for symmetric matrices
    """
    n_panels, depth, width = right.panels.shape
    n_rows = max(1, min(n_rows, len(left)))
    n_wide = max(1, min(BLOCK_ENTRIES // (n_rows * width), n_panels))
    buffer = np.empty(_rounded_up(n_rows, HEIGHT) * n_wide * width, np.float32)
    for first_row in range(0, len(left), n_rows):
        rows = _padded(left[first_row : first_row + n_rows], depth)
        for first_panel in range(first_row // width if above_diagonal else 0, n_panels, n_wide):
            panels = right.panels[first_panel : first_panel + n_wide]
            last_column = min((first_panel + len(panels)) * width, right.n_vectors)
            n_tall, n_columns = _rounded_up(len(rows), HEIGHT), len(panels) * width
            values = buffer[: n_tall * n_columns].reshape(n_tall, n_columns)
            with threads_for(len(rows) * n_columns * depth // LANES):
                _multiply(rows, panels, values)
            first_column = first_panel * width
            yield Block(values[: len(rows)], first_row, first_column, last_column - first_column)


def product(vector: Vectors, right: Packed) -> Vectors:
    """Return the products of one vector with every vector on the right, shape (n_vectors,)."""
    out = np.empty(right.n_vectors, np.float32)
    for block in blocks(vector[None], right):
        out[block.first_column :][: block.n_columns] = block.values[0, : block.n_columns]
    return out


@njit(cache=True)
def _add_rows(
    row0: Vectors,
    row1: Vectors,
    row2: Vectors,
    row3: Vectors,
    panel: Vectors,
    out0: Vectors,
    out1: Vectors,
    out2: Vectors,
    out3: Vectors,
) -> None:
    """Add the products of HEIGHT rows with some features of a panel."""
    for feature in range(0, panel.shape[0], STEP):
        left0, left1 = read(row0, feature), read(row1, feature)
        left2, left3 = read(row2, feature), read(row3, feature)
        for lane in range(panel.shape[1]):
            right = read_column(panel, feature, lane)
            out0[lane] = add(out0[lane], left0, right)
            out1[lane] = add(out1[lane], left1, right)
            out2[lane] = add(out2[lane], left2, right)
            out3[lane] = add(out3[lane], left3, right)


@njit(cache=True)
def _multiply_task(
    rows: Vectors, first: int, last: int, panel: Vectors, out: Vectors, left: int, right: int
) -> None:
    """Rows first..last with one panel, into columns left..right of out."""
    end = len(rows) - 1
    out[first : (last + HEIGHT - 1) // HEIGHT * HEIGHT, left:right] = 0
    for low in range(0, panel.shape[0], DEPTH):
        high = min(low + DEPTH, panel.shape[0])
        features = panel[low:high]
        for row in range(first, last, HEIGHT):
            # what stands beyond the last row is computed from it, and not looked at
            _add_rows(
                rows[row, low:high],
                rows[min(row + 1, end), low:high],
                rows[min(row + 2, end), low:high],
                rows[min(row + 3, end), low:high],
                features,
                out[row, left:right],
                out[row + 1, left:right],
                out[row + 2, left:right],
                out[row + 3, left:right],
            )


@njit(cache=True, nogil=True, parallel=True)
def _multiply(rows: Vectors, panels: Vectors, out: Vectors) -> None:
    width = panels.shape[2]
    n_tasks = (len(rows) + ROWS - 1) // ROWS
    # panel after panel, so that a thread finds its panel in the cache
    for task in prange(len(panels) * n_tasks):
        panel, first = task // n_tasks, task % n_tasks * ROWS
        last, left = min(first + ROWS, len(rows)), panel * width
        _multiply_task(rows, first, last, panels[panel], out, left, left + width)


def _rounded_up(number: int, step: int) -> int:
    return -(-number // step) * step


def _padded(rows: Vectors, depth: int) -> Vectors:
    if rows.shape[1] == depth:
        return np.ascontiguousarray(rows)
    wide = np.zeros((len(rows), depth), np.float32)
    wide[:, : rows.shape[1]] = rows
    return wide
