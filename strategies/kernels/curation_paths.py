"""Shortest paths over a graph of neighbors, as far as the k nearest; inputs are already checked.

Lengths are whole numbers: sums of these do not depend on the order, so that a path is as long from
either end.
"""

from typing import NamedTuple

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

Ints = NDArray[np.int32]
Rows = NDArray[np.int64]
Flags = NDArray[np.bool_]

ROWS = 256  # of a task, which share the memory for what is seen


class Graph(NamedTuple):
    """A graph with an edge in either direction.

    Attributes
    ----------
    starts : int64 array of shape (n + 1,); the edges of a row are starts[row]:starts[row + 1]
    ends : int32 array of shape (n_edges,)
    lengths : int64 array of shape (n_edges,), not negative
    """

    starts: Rows
    ends: Ints
    lengths: Rows


class Front(NamedTuple):
    """A binary heap of what was reached: arrays of shape (capacity,)."""

    lengths: Rows
    rows: Ints


@njit(cache=True, nogil=True, inline="always")
def _is_before(front: Front, place: int, other: int) -> bool:
    if front.lengths[place] != front.lengths[other]:
        return bool(front.lengths[place] < front.lengths[other])
    return bool(front.rows[place] < front.rows[other])


@njit(cache=True, nogil=True, inline="always")
def _swap(front: Front, place: int, other: int) -> None:
    length, row = front.lengths[place], front.rows[place]
    front.lengths[place], front.rows[place] = front.lengths[other], front.rows[other]
    front.lengths[other], front.rows[other] = length, row


@njit(cache=True, nogil=True)
def _push(front: Front, n_front: int, length: int, row: int) -> int:
    place = n_front
    front.lengths[place], front.rows[place] = length, row
    while place > 0 and _is_before(front, place, (place - 1) // 2):
        _swap(front, place, (place - 1) // 2)
        place = (place - 1) // 2
    return n_front + 1


@njit(cache=True, nogil=True)
def _pop(front: Front, n_front: int) -> int:
    n_front -= 1
    _swap(front, 0, n_front)
    place = 0
    while True:
        child = 2 * place + 1
        if child >= n_front:
            return n_front
        if child + 1 < n_front and _is_before(front, child + 1, child):
            child += 1
        if not _is_before(front, child, place):
            return n_front
        _swap(front, place, child)
        place = child


@njit(cache=True, nogil=True)
def _grown(front: Front, n_front: int) -> Front:
    lengths = np.empty(2 * len(front.lengths), np.int64)
    rows = np.empty(2 * len(front.rows), np.int32)
    lengths[:n_front], rows[:n_front] = front.lengths[:n_front], front.rows[:n_front]
    return Front(lengths, rows)


@njit(cache=True, nogil=True)
def _search(
    graph: Graph, row: int, marked: Flags, done: Ints, front: Front, found: Ints, lengths: Rows
) -> Front:
    """Dijkstra's search from one row, as far as the last marked one that is wanted."""
    n_front, n_found = _push(front, 0, 0, row), 0
    while n_front > 0 and n_found < len(found):
        length, nearest = front.lengths[0], front.rows[0]
        n_front = _pop(front, n_front)
        if done[nearest] == row:
            continue
        done[nearest] = row
        if nearest != row and marked[nearest]:
            found[n_found], lengths[n_found] = nearest, length
            n_found += 1
        for edge in range(graph.starts[nearest], graph.starts[nearest + 1]):
            if done[graph.ends[edge]] != row:
                if n_front == len(front.rows):
                    front = _grown(front, n_front)
                n_front = _push(front, n_front, length + graph.lengths[edge], graph.ends[edge])
    return front


@njit(cache=True, nogil=True, parallel=True)
def search(graph: Graph, rows: Rows, marked: Flags, found: Ints, lengths: Rows) -> None:
    """Find the marked rows to which the paths are shortest, equal ones by row.

    Parameters
    ----------
    rows : int64 array of shape (n_rows,), distinct, where paths begin
    marked : bool array of shape (n,); paths may lead through others
    found, lengths : int32 and int64 arrays of shape (n_rows, k), at first -1; written to
    """
    for task in prange((len(rows) + ROWS - 1) // ROWS):
        done = np.full(len(graph.starts) - 1, -1, np.int32)
        front = Front(np.empty(256, np.int64), np.empty(256, np.int32))
        for place in range(task * ROWS, min((task + 1) * ROWS, len(rows))):
            front = _search(graph, rows[place], marked, done, front, found[place], lengths[place])
