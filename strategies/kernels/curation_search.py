"""The nearest of many vectors, by distances whose bits depend on the two vectors alone.

Each distance is a plain sum over the features, one after the other, in single precision: of
products for the cosine distance, of squared differences for the Euclidean one. So it is the same
from both sides, in any block, on any number of threads, and next to the measuring of a single pair.
Differences, not products of lengths: what lies far from the origin keeps its digits.

Vectors to be found stand side by side in panels, feature by feature, so that one instruction serves
many pairs; a thread measures some rows against a panel and takes the nearest into their lists while
the distances are still in its cache. Inputs are already checked.
"""

import math
from typing import NamedTuple

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

from strategies.kernels.lanes import HEIGHT, STEP, add, read, read_column

Floats = NDArray[np.float32]
Ints = NDArray[np.int32]
Rows = NDArray[np.int64]
Flags = NDArray[np.bool_]

WIDTH = 256  # vectors of a panel
DEPTH = 256  # features of a panel that stay in the cache while the rows pass
ROWS = 128  # of a task, at most
STRETCH = 64  # distances that are left alone if none of them is small enough
NOISE = np.float32(2.0**-20)  # cosine distances below are rounding noise between duplicates
ZERO, ONE = np.float32(0.0), np.float32(1.0)


class Panels(NamedTuple):
    """Vectors to be found.

    Attributes
    ----------
    values : float32 array of shape (n_panels, n_features rounded up to STEP, width)
    rows : int32 array of shape (n_panels, width), whose vector stands there
    n_lanes : int32 array of shape (n_panels,), how many of a panel are meant
    """

    values: Floats
    rows: Ints
    n_lanes: Ints


class Tasks(NamedTuple):
    """Which rows look into which panels.

    Attributes
    ----------
    rows : int64 array of shape (n_rows,), those that search
    firsts, lasts : int64 arrays of shape (n_tasks,), the places in `rows` a task serves
    groups : int64 array of shape (n_tasks,), whose panels it looks into
    starts, panels : group g looks into panels[starts[g]:starts[g + 1]]
    """

    rows: Rows
    firsts: Rows
    lasts: Rows
    groups: Rows
    starts: Rows
    panels: Rows


@njit(cache=True, inline="always")
def _add_squares(
    total: np.float32, x: tuple[np.float32, ...], y: tuple[np.float32, ...]
) -> np.float32:
    return np.float32(
        total
        + (x[0] - y[0]) * (x[0] - y[0])
        + (x[1] - y[1]) * (x[1] - y[1])
        + (x[2] - y[2]) * (x[2] - y[2])
        + (x[3] - y[3]) * (x[3] - y[3])
        + (x[4] - y[4]) * (x[4] - y[4])
        + (x[5] - y[5]) * (x[5] - y[5])
        + (x[6] - y[6]) * (x[6] - y[6])
        + (x[7] - y[7]) * (x[7] - y[7])
    )


@njit(cache=True, nogil=True)
def _multiply(rows: Floats, panel: Floats, out: Floats) -> None:
    """Add the products of HEIGHT rows with some features of a panel."""
    out0, out1, out2, out3 = out[0], out[1], out[2], out[3]
    for feature in range(0, panel.shape[0], STEP):
        x0, x1 = read(rows[0], feature), read(rows[1], feature)
        x2, x3 = read(rows[2], feature), read(rows[3], feature)
        for lane in range(panel.shape[1]):
            y = read_column(panel, feature, lane)
            out0[lane] = add(out0[lane], x0, y)
            out1[lane] = add(out1[lane], x1, y)
            out2[lane] = add(out2[lane], x2, y)
            out3[lane] = add(out3[lane], x3, y)


@njit(cache=True, nogil=True)
def _subtract(rows: Floats, panel: Floats, out: Floats) -> None:
    """Add the squared differences of HEIGHT rows from some features of a panel."""
    out0, out1, out2, out3 = out[0], out[1], out[2], out[3]
    for feature in range(0, panel.shape[0], STEP):
        x0, x1 = read(rows[0], feature), read(rows[1], feature)
        x2, x3 = read(rows[2], feature), read(rows[3], feature)
        for lane in range(panel.shape[1]):
            y = read_column(panel, feature, lane)
            out0[lane] = _add_squares(out0[lane], x0, y)
            out1[lane] = _add_squares(out1[lane], x1, y)
            out2[lane] = _add_squares(out2[lane], x2, y)
            out3[lane] = _add_squares(out3[lane], x3, y)


@njit(cache=True, inline="always")
def _distance(total: np.float32, euclidean: bool) -> np.float32:
    if euclidean:
        return np.float32(math.sqrt(total))
    distance = max(ZERO, ONE - total)
    return distance if distance >= NOISE else ZERO


@njit(cache=True, nogil=True)
def _to_distances(totals: Floats, euclidean: bool) -> None:
    if euclidean:
        for lane in range(len(totals)):
            totals[lane] = _distance(totals[lane], True)
    else:
        for lane in range(len(totals)):
            totals[lane] = _distance(totals[lane], False)


@njit(cache=True, nogil=True)
def _measure(rows: Floats, n_rows: int, panel: Floats, euclidean: bool, out: Floats) -> None:
    """Write the distances of some rows, in whole HEIGHTs, to the vectors of a panel."""
    out[:n_rows] = ZERO
    for low in range(0, panel.shape[0], DEPTH):
        high = min(low + DEPTH, panel.shape[0])
        for row in range(0, n_rows, HEIGHT):
            four, into = rows[row : row + HEIGHT, low:high], out[row : row + HEIGHT]
            if euclidean:
                _subtract(four, panel[low:high], into)
            else:
                _multiply(four, panel[low:high], into)
    for row in range(n_rows):
        _to_distances(out[row], euclidean)


@njit(cache=True, nogil=True)
def _take(
    distances: Floats,
    lanes: Ints,
    own: int,
    alive: Flags,
    families: Ints,
    found: Ints,
    lengths: Floats,
) -> None:
    """Take those of a panel into the list of the nearest; equal ones stay behind earlier ones."""
    last = len(lengths) - 1
    for first in range(0, len(lanes), STRETCH):
        stretch = distances[first : min(first + STRETCH, len(lanes))]
        limit, n_near = lengths[last], np.int32(0)
        for lane in range(len(stretch)):
            n_near += np.int32(stretch[lane] < limit)
        if n_near == 0:
            continue
        for lane in range(len(stretch)):
            distance, row = stretch[lane], lanes[first + lane]
            if distance < lengths[last] and families[row] != families[own] and alive[row]:
                place = last
                while place > 0 and lengths[place - 1] > distance:
                    lengths[place], found[place] = lengths[place - 1], found[place - 1]
                    place -= 1
                lengths[place], found[place] = distance, row


@njit(cache=True, nogil=True)
def _search_task(
    vectors: Floats,
    tasks: Tasks,
    task: int,
    panels: Panels,
    alive: Flags,
    families: Ints,
    euclidean: bool,
    found: Ints,
    lengths: Floats,
) -> None:
    first, n_rows = tasks.firsts[task], tasks.lasts[task] - tasks.firsts[task]
    n_tall = (n_rows + HEIGHT - 1) // HEIGHT * HEIGHT
    desk = np.zeros((n_tall, panels.values.shape[1]), np.float32)
    for place in range(n_rows):
        desk[place, : vectors.shape[1]] = vectors[tasks.rows[first + place]]
    out = np.empty((n_tall, panels.values.shape[2]), np.float32)
    group = tasks.groups[task]
    for step in range(tasks.starts[group], tasks.starts[group + 1]):
        panel = tasks.panels[step]
        _measure(desk, n_tall, panels.values[panel], euclidean, out)
        lanes = panels.rows[panel, : panels.n_lanes[panel]]
        for place in range(n_rows):
            at = first + place
            _take(out[place], lanes, tasks.rows[at], alive, families, found[at], lengths[at])


@njit(cache=True, nogil=True, parallel=True)
def search(
    vectors: Floats,
    tasks: Tasks,
    first_task: int,
    last_task: int,
    panels: Panels,
    alive: Flags,
    families: Ints,
    euclidean: bool,
    found: Ints,
    lengths: Floats,
) -> None:
    """Find the nearest living others of the rows of some tasks, nearest first.

    Parameters
    ----------
    vectors : float32 array of shape (n, n_features)
    alive : bool array of shape (n,), whether a row may be found
    families : int32 array of shape (n,); a row does not find those of its own family
    found, lengths : arrays of shape (len(tasks.rows), k), at first -1 and inf; written to. Equal
        distances stand in the order of the panels
    """
    for task in prange(first_task, last_task):
        _search_task(vectors, tasks, task, panels, alive, families, euclidean, found, lengths)


@njit(cache=True, nogil=True, parallel=True)
def fill(vectors: Floats, panels: Panels) -> None:
    """Write the vectors of the rows in panels to their lanes."""
    for panel in prange(len(panels.rows)):
        values, n_lanes = panels.values[panel], panels.n_lanes[panel]
        for feature in range(vectors.shape[1]):
            for lane in range(n_lanes):
                values[feature, lane] = vectors[panels.rows[panel, lane], feature]


@njit(cache=True, nogil=True)
def _distance_of_pair(x: Floats, y: Floats, euclidean: bool) -> np.float32:
    total = ZERO
    if euclidean:
        for feature in range(len(x)):
            total += (x[feature] - y[feature]) * (x[feature] - y[feature])
    else:
        for feature in range(len(x)):
            total += x[feature] * y[feature]
    return _distance(total, euclidean)


@njit(cache=True, nogil=True, parallel=True)
def measure_pairs(vectors: Floats, lefts: Rows, rights: Rows, euclidean: bool, out: Floats) -> None:
    """Write the distance of each pair of rows: the bits that `search` finds."""
    for pair in prange(len(out)):
        out[pair] = _distance_of_pair(vectors[lefts[pair]], vectors[rights[pair]], euclidean)


@njit(cache=True, nogil=True, parallel=True)
def sort_equal(found: Ints, lengths: Floats) -> None:
    """Sort the rows of each list that are equally near."""
    for place in prange(len(found)):
        rows, distances = found[place], lengths[place]
        for at in range(1, len(rows)):
            row, back = rows[at], at
            while back > 0 and distances[back - 1] == distances[at] and rows[back - 1] > row:
                rows[back] = rows[back - 1]
                back -= 1
            rows[back] = row


@njit(cache=True, nogil=True, parallel=True)
def squared_lengths(vectors: NDArray[np.floating], out: NDArray[np.float64]) -> None:
    """Write the squared length of each vector; NaN or inf where one of its numbers is."""
    for row in prange(len(out)):
        total = 0.0
        for feature in range(vectors.shape[1]):
            total += float(vectors[row, feature]) ** 2
        out[row] = total


@njit(cache=True, nogil=True, parallel=True)
def scale(
    vectors: NDArray[np.floating], order: Rows, lengths: NDArray[np.float64], out: Floats
) -> None:
    """Write vectors in a new order, each divided by its length."""
    for place in prange(len(order)):
        row = order[place]
        for feature in range(vectors.shape[1]):
            out[place, feature] = np.float32(vectors[row, feature] / lengths[row])
