"""Remove one end of the shortest surviving edge, again and again, over lists of neighbors.

Each living row stands in a heap with its nearest living neighbor, or, where its list has run out,
with the radius up to which the list had known them all. What is at the top is the shortest edge of
all, or a list that has to be renewed before anything longer can be judged. Keys only rise, so that
one that has become stale is found out at the top. Inputs are already checked.
"""

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Ints = NDArray[np.int32]
Rows = NDArray[np.int64]
Flags = NDArray[np.bool_]

Integer = int | np.integer

NOBODY = -1


class Lists(NamedTuple):
    """The neighbors that are known of each row, nearest first, equal ones by row.

    Attributes
    ----------
    rows, lengths : int32 and float32 arrays of one shape, all lists
    starts, ends : int64 arrays of shape (n,), where the list of each row lies; those before its
        start are not living
    radii : float32 array of shape (n,), beyond which there may be others; inf: there are none
    """

    rows: Ints
    lengths: Floats
    starts: Rows
    ends: Rows
    radii: Floats


class Heap(NamedTuple):
    """Living rows by their shortest edge.

    Attributes
    ----------
    rows : int32 array, a binary heap
    lengths : float32 array of shape (n,), of the shortest edge of each row
    partners : int32 array of shape (n,), its other end; NOBODY: the length is a radius
    """

    rows: Ints
    lengths: Floats
    partners: Ints


class Stop(NamedTuple):
    """Where the removal stopped.

    Attributes
    ----------
    n_rows : how many rows the heap holds
    n_removed : how many have gone
    length : of the shortest edge then
    first, second : rows whose lists have to be renewed; NOBODY where there is none
    """

    n_rows: int
    n_removed: int
    length: float
    first: Integer
    second: Integer


@njit(cache=True, nogil=True)
def _is_before(heap: Heap, row: int, other: int) -> bool:
    if heap.lengths[row] != heap.lengths[other]:
        return bool(heap.lengths[row] < heap.lengths[other])
    # by the lower end, then by the higher; a radius, whose partner is -1, comes before all edges
    low = min(row, heap.partners[row])
    low_other = min(other, heap.partners[other])
    if low != low_other:
        return bool(low < low_other)
    return bool(max(row, heap.partners[row]) < max(other, heap.partners[other]))


@njit(cache=True, nogil=True)
def _sink(heap: Heap, place: int, n_rows: int) -> None:
    row = heap.rows[place]
    while True:
        child = 2 * place + 1
        if child >= n_rows:
            break
        if child + 1 < n_rows and _is_before(heap, heap.rows[child + 1], heap.rows[child]):
            child += 1
        if not _is_before(heap, heap.rows[child], row):
            break
        heap.rows[place] = heap.rows[child]
        place = child
    heap.rows[place] = row


@njit(cache=True, nogil=True)
def _look_up(lists: Lists, heap: Heap, alive: Flags, row: int) -> None:
    """Write the shortest edge of a row to the heap's arrays."""
    place = lists.starts[row]
    while place < lists.ends[row] and not alive[lists.rows[place]]:
        place += 1
    lists.starts[row] = place
    if place < lists.ends[row]:
        heap.lengths[row], heap.partners[row] = lists.lengths[place], lists.rows[place]
    else:
        heap.lengths[row], heap.partners[row] = lists.radii[row], NOBODY


@njit(cache=True, nogil=True)
def start(lists: Lists, heap: Heap, alive: Flags) -> int:
    """Fill the heap with the living rows and return how many there are."""
    n_rows = 0
    for row in range(len(alive)):
        if alive[row]:
            _look_up(lists, heap, alive, row)
            heap.rows[n_rows] = row
            n_rows += 1
    for place in range(n_rows // 2 - 1, -1, -1):
        _sink(heap, place, n_rows)
    return n_rows


@njit(cache=True, nogil=True)
def _next(lists: Lists, alive: Flags, row: int, partner: int) -> tuple[np.float32, bool]:
    """Return the length of the shortest edge to another than the partner, or a bound below it."""
    for place in range(lists.starts[row], lists.ends[row]):
        other = lists.rows[place]
        if other != partner and alive[other]:
            return lists.lengths[place], True
    return lists.radii[row], np.isinf(lists.radii[row])


@njit(cache=True, nogil=True)
def remove(
    lists: Lists,
    heap: Heap,
    alive: Flags,
    n_rows: int,
    removed: Rows,
    n_removed: int,
    n_wanted: int,
) -> Stop:
    """Remove rows until so many have gone, or a list has to be renewed.

    Parameters
    ----------
    alive : bool array of shape (n,); written to
    n_rows : how many rows the heap holds
    removed : int64 array, of which n_removed are filled; written to
    n_wanted : how many shall have gone in the end; one living row stays
    """
    length = np.float32(0)
    while n_removed < n_wanted and n_rows > 0:
        row = heap.rows[0]
        partner = heap.partners[row]
        if alive[row] and (partner == NOBODY or not alive[partner]):
            _look_up(lists, heap, alive, row)
            if heap.partners[row] != NOBODY or partner != NOBODY:
                _sink(heap, 0, n_rows)
                continue
            if not np.isinf(lists.radii[row]):
                return Stop(n_rows, n_removed, float(heap.lengths[row]), np.int64(row), NOBODY)
            # a complete list without a living one: the last row
        if not alive[row] or partner == NOBODY:
            n_rows -= 1
            heap.rows[0] = heap.rows[n_rows]
            _sink(heap, 0, n_rows)
            continue
        length = heap.lengths[row]
        of_row, row_is_known = _next(lists, alive, row, partner)
        of_partner, partner_is_known = _next(lists, alive, partner, row)
        # a bound will do where the other end's next one is nearer even so
        row_goes = row_is_known and of_row < of_partner
        partner_goes = partner_is_known and of_partner < of_row
        if not row_goes and not partner_goes:
            if not row_is_known or not partner_is_known:
                first = row if not row_is_known else partner
                second = partner if not row_is_known and not partner_is_known else NOBODY
                return Stop(n_rows, n_removed, float(length), np.int64(first), np.int64(second))
            row_goes = row > partner
        victim = row if row_goes else partner
        alive[victim] = False
        removed[n_removed] = victim
        n_removed += 1
    return Stop(n_rows, n_removed, float(length), NOBODY, NOBODY)


@njit(cache=True, nogil=True)
def short_lists(lists: Lists, alive: Flags, few: int, longest: np.float32) -> Rows:
    """Return living rows with at most so few living in their lists, and radii up to a length."""
    found = np.empty(len(alive), np.int64)
    n_found = 0
    for row in range(len(alive)):
        if not alive[row] or lists.radii[row] > longest:
            continue
        n_living = 0
        for place in range(lists.starts[row], lists.ends[row]):
            n_living += alive[lists.rows[place]]
            if n_living > few:
                break
        if n_living <= few:
            found[n_found] = row
            n_found += 1
    return found[:n_found].copy()
