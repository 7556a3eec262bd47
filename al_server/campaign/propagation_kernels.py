"""What the propagated classifier spends its time in; inputs are already checked.

Reach is kept in whole numbers, so that sums do not depend on the order of the labels, and what a
label added can be taken away again to the last bit.
"""

from typing import Any, NamedTuple

import numpy as np
from numba import njit, prange, types
from numba.extending import intrinsic
from numpy.typing import NDArray

from al_server.campaign.graph import Graph

Reach = NDArray[np.int64]
Floats = NDArray[np.float32]

ALPHA = 0.9  # share of what arrives at a sample that goes on to those it is linked to
TOLERANCE = 1e-4  # less than this does not go on
ROUGH = 1e-3  # the same where only the order of the largest counts
UNIT = 2.0**40  # whole numbers in a reach of 1
FINE = 2.0**32  # whole numbers in a cosine of 1
_ENTRIES = 4096  # of a chunk of rows: they stay in the nearest cache


class Work(NamedTuple):
    """Memory for one spreading at a time, zero in between; arrays of shape (n_samples,)."""

    arrived: NDArray[np.float64]
    waiting: NDArray[np.float64]
    queue: NDArray[np.int32]  # a ring
    is_queued: NDArray[np.bool_]
    reached: NDArray[np.int32]  # rows, in the order in which they were reached
    is_reached: NDArray[np.bool_]


@njit(cache=True)
def make_work(n_samples: int) -> Work:
    """Return memory for a pool of so many samples."""
    return Work(
        np.zeros(n_samples),
        np.zeros(n_samples),
        np.zeros(n_samples, np.int32),
        np.zeros(n_samples, np.bool_),
        np.zeros(n_samples, np.int32),
        np.zeros(n_samples, np.bool_),
    )


@njit(cache=True, nogil=True)
def _spread(graph: Graph, source: int, tolerance: float, work: Work) -> int:
    """Let 1 spread from a row until little goes on; returns how many rows were reached.

    First come, first served: the answer depends on the graph and the beginning alone.
    """
    work.waiting[source] = 1.0
    work.is_reached[source] = True
    work.reached[0] = work.queue[0] = source
    n_reached, first, last, size = 1, 0, 1, len(work.queue)
    while first < last:
        row = work.queue[first % size]
        first += 1
        amount = work.waiting[row]
        work.is_queued[row] = False
        work.waiting[row] = 0.0
        work.arrived[row] += (1.0 - ALPHA) * amount
        for link in range(graph.starts[row], graph.starts[row + 1]):
            other = graph.rows[link]
            work.waiting[other] += ALPHA * graph.spread[link] * amount
            if not work.is_reached[other]:
                work.is_reached[other] = True
                work.reached[n_reached] = other
                n_reached += 1
            if not work.is_queued[other] and work.waiting[other] >= tolerance:
                work.is_queued[other] = True
                work.queue[last % size] = other
                last += 1
    return n_reached


@njit(cache=True, nogil=True)
def _clear(work: Work, n_reached: int) -> None:
    for place in range(n_reached):
        row = work.reached[place]
        work.arrived[row] = work.waiting[row] = 0.0
        work.is_reached[row] = False


@njit(cache=True, nogil=True)
def add_labels(
    graph: Graph,
    labeled: NDArray[np.int64],
    classes: NDArray[np.int64],
    sign: int,
    work: Work,
    reach: Reach,
    totals: Reach,
) -> None:
    """Add (sign 1) or take away (-1) what labels of some rows send through the graph.

    Parameters
    ----------
    reach : int64 array of shape (n_classes, n_samples); written to
    totals : int64 array of shape (n_classes,), its sums over the samples; written to
    """
    for place in range(len(labeled)):
        label = classes[place]
        n_reached = _spread(graph, labeled[place], TOLERANCE, work)
        for at in range(n_reached):
            row = work.reached[at]
            amount = sign * np.int64(work.arrived[row] * UNIT)
            reach[label, row] += amount
            totals[label] += amount
        _clear(work, n_reached)


@njit(cache=True, nogil=True, parallel=True)
def add_many_labels(
    graph: Graph,
    labeled: NDArray[np.int64],
    classes: NDArray[np.int64],
    n_threads: int,
    reach: Reach,
    totals: Reach,
) -> None:
    """Do what `add_labels` does; each thread has classes of its own, so that none write together.

    Parameters
    ----------
    labeled, classes : sorted by class
    """
    n_labels = len(labeled)
    for thread in prange(n_threads):
        first, last = n_labels * thread // n_threads, n_labels * (thread + 1) // n_threads
        # a class belongs to the thread in whose part it begins
        while 0 < first < n_labels and classes[first] == classes[first - 1]:
            first += 1
        while 0 < last < n_labels and classes[last] == classes[last - 1]:
            last += 1
        if first < last:
            work = make_work(len(graph.starts) - 1)
            add_labels(graph, labeled[first:last], classes[first:last], 1, work, reach, totals)


@njit(cache=True, nogil=True)
def reach_from(
    graph: Graph, source: int, work: Work
) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
    """Return the rows that one spreads to, and roughly how much arrives there."""
    n_reached = _spread(graph, source, ROUGH, work)
    found = work.reached[:n_reached].copy()
    arrived = work.arrived[found]
    _clear(work, n_reached)
    return found, arrived


def _bitcast(_context: Any, bits: Any) -> Any:
    """Read the bits of a whole number as those of a float."""

    def generate(context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.bitcast(arguments[0], context.get_value_type(types.float32))

    return types.float32(types.int32), generate


_as_float: Any = intrinsic(_bitcast)


@njit(cache=True, inline="always")
def _exp(x: np.float32) -> np.float32:
    """Return e^x for x <= 0, to 2e-7 of it; that of the machine is ten times slower in a loop."""
    power = max(x, np.float32(-80.0)) * np.float32(1.44269504)
    whole = np.floor(power)
    rest = power - whole
    # 2^rest on [0, 1), minimax
    value = np.float32(1.8775767e-3)
    value = value * rest + np.float32(8.9893397e-3)
    value = value * rest + np.float32(5.5826318e-2)
    value = value * rest + np.float32(2.4015361e-1)
    value = value * rest + np.float32(6.9315308e-1)
    value = value * rest + np.float32(9.9999994e-1)
    result: np.float32 = value * _as_float((np.int32(whole) + np.int32(127)) << np.int32(23))
    return result


# one class of some rows at a time: arrays of one dimension, so that these loops become vectors


@njit(cache=True, nogil=True)
def _share(
    reach: Reach, factor: np.float32, prior: np.float32, shares: Floats, total: Floats
) -> None:
    for row in range(len(shares)):
        share = factor * np.float32(reach[row]) + prior
        shares[row] = share
        total[row] += share


@njit(cache=True, nogil=True)
def _raise(highest: Floats, cosines: Floats) -> None:
    for row in range(len(highest)):
        highest[row] = max(highest[row], cosines[row])


@njit(cache=True, nogil=True)
def _odds(
    cosines: Floats, steepness: np.float32, highest: Floats, odds: Floats, weight: Floats
) -> None:
    for row in range(len(odds)):
        odds[row] = _exp(steepness * (cosines[row] - highest[row]))
        weight[row] += odds[row]


@njit(cache=True, nogil=True)
def _compare(
    c: np.int32,
    shares: Floats,
    total: Floats,
    odds: Floats,
    weight: Floats,
    first: Floats,
    second: Floats,
    best: NDArray[np.int32],
) -> None:
    """Write the probability of class c over its shares, and keep the two largest so far."""
    for row in range(len(shares)):
        p = shares[row] * total[row] + odds[row] * weight[row]
        shares[row] = p
        best[row] = c if p > first[row] else best[row]
        second[row] = max(second[row], min(first[row], p))
        first[row] = max(first[row], p)


@njit(cache=True, parallel=True, nogil=True)
def believe(
    reach: Reach,
    cosines: Floats,
    factors: Floats,
    prior: float,
    is_seen: NDArray[np.bool_],
    steepness: float,
    probabilities: Floats,
    uncertainty: Floats,
    predicted: NDArray[np.int32],
) -> None:
    """P = 1/2 share of the reach + 1/2 softmax of the cosine to the centroid of a class.

    Without any label all classes are as likely.

    Parameters
    ----------
    reach : int64 array of shape (n_classes, n_rows)
    cosines : float32 array of shape (n_classes, n_rows), to the centroids of classes with labels
    factors : float32 array of shape (n_classes,), of the reach of each class
    prior : float, added to each class
    is_seen : bool array of shape (n_classes,), which classes have labels
    steepness : float, of the softmax
    """
    n_classes, n_rows = reach.shape
    size = max(16, _ENTRIES // n_classes)
    any_seen = is_seen.any()
    for chunk in prange((n_rows + size - 1) // size):
        start, end = chunk * size, min(n_rows, (chunk + 1) * size)
        n = end - start
        shares, odds = np.empty((n_classes, n), np.float32), np.zeros((n_classes, n), np.float32)
        total, weight = np.zeros(n, np.float32), np.zeros(n, np.float32)
        highest = np.full(n, np.float32(-2))
        for c in range(n_classes):
            _share(reach[c, start:end], factors[c], np.float32(prior), shares[c], total)
            if is_seen[c]:
                _raise(highest, cosines[c, start:end])
        for c in range(n_classes):
            if is_seen[c]:
                _odds(cosines[c, start:end], np.float32(steepness), highest, odds[c], weight)
        for row in range(n):
            total[row] = np.float32(0.5 if any_seen else 1.0) / total[row]
            weight[row] = np.float32(0.5) / weight[row] if any_seen else np.float32(0)
        best = np.zeros(n, np.int32)
        first, second = np.full(n, np.float32(-1)), np.zeros(n, np.float32)
        for c in range(n_classes):
            _compare(np.int32(c), shares[c], total, odds[c], weight, first, second, best)
        for row in range(n):
            for c in range(n_classes):
                probabilities[start + row, c] = shares[c, row]
            predicted[start + row] = best[row]
            uncertainty[start + row] = np.float32(1.0) - (first[row] - second[row])


@njit(cache=True, parallel=True, nogil=True)
def moments(values: Floats) -> tuple[float, float]:
    """Return the mean of values in [-1, 1] and that of their squares, in any order the same."""
    total, squares = np.int64(0), np.int64(0)
    for row in prange(len(values)):
        value = np.float64(values[row])
        total += np.int64(np.rint(value * FINE))
        squares += np.int64(np.rint(value * value * FINE))
    n = max(len(values), 1) * FINE
    return float(total / n), float(squares / n)


@njit(cache=True, nogil=True)
def mean_reach(reach: Reach, near: NDArray[np.int32], weights: Floats, out: Reach) -> None:
    """Write the weighted mean reach of some pool rows for each row outside the pool; -1 is none."""
    n_classes = len(reach)
    for row in range(len(near)):
        total = 0.0
        sums = np.zeros(n_classes)
        for place in range(near.shape[1]):
            if near[row, place] >= 0:
                total += weights[row, place]
                for c in range(n_classes):
                    sums[c] += weights[row, place] * reach[c, near[row, place]]
        for c in range(n_classes):
            out[c, row] = np.int64(sums[c] / total) if total > 0 else 0
