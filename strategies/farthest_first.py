"""Farthest-first selection: always what lies farthest from all that is chosen so far.

Plain greedy compares every candidate with every pick, one pick at a time, at the speed of memory.
Here the same picks come at the speed of a matrix product:

- A candidate keeps an upper bound of its distance to what is chosen. Distances only fall, so a
  candidate whose bound is below a threshold need not be looked at before the threshold is, too.
- Those above meet the picks they have not met, many at a time, until their bound is below. The few
  that stay above have exact distances; plain greedy runs on these until all of them are below.
  Then the threshold is lowered.
- After the first picks each candidate is at home with the nearest of them, and meets later picks in
  the order of their similarity to its home: one that is near comes early.

n candidates, b picks, d dimensions: time O(n b d) at most, in practice a tenth of it or less;
memory O(n + b d) and some MB a thread.
"""

import numpy as np
from numpy.typing import NDArray

from strategies.kernels import k_center as kernel
from strategies.kernels.k_center import Counts, Floats, Ints, Keys, Points
from strategies.kernels.threads import threads_for
from strategies.pool import Rows

UNCOVERED = np.float32(4.0)  # stands for inf; distances end at 2
SMALLEST = np.float32(2.0**-126)  # scores below are 0
POINTS_A_HOME, PICKS_A_HOME = 8192, 8  # fewer would not pay for finding and using homes
N_LAST = kernel.LANES // 2  # candidates of one home that are too few for a desk
DESK_BYTES, MOST_LANES = 2**22, 2048  # of candidates that a thread works on together
FEW_BYTES, FEWEST, MOST = 2**21, 1024, 8192  # of candidates that plain greedy runs on


def distances_to_nearest(vectors: Floats, rows: Rows, centers: Floats) -> Floats:
    """Return the cosine distance of some rows to the nearest center, with the bits of `pick`.

    Parameters
    ----------
    vectors : (n_samples, n_features), unit rows
    rows : which of the vectors
    centers : (n_centers, n_features), unit rows

    Returns
    -------
    float32 array of shape (len(rows),), in [0, 2], below 2**-20 always 0; inf without centers
    """
    best, which = np.full(len(rows), -np.inf, np.float32), np.zeros(len(rows), np.int32)
    if len(centers) and len(rows):
        vectors, width = _readable(vectors), _width(vectors)
        padded = np.zeros((len(centers), width), np.float32)
        padded[:, : vectors.shape[1]] = centers
        with threads_for(len(rows) * padded.size) as n_threads:
            kernel.find_nearest(vectors, np.array(rows), padded, best, which, n_threads)
    return _distances(best)


def pick(
    vectors: Floats, rows: Rows, keys: Keys, covers: Floats, weights: Floats, n_picks: int
) -> Counts:
    """Pick one after the other the row with the highest weight * distance to what is chosen.

    Parameters
    ----------
    vectors : (n_samples, n_features), unit rows
    rows : the candidates; ascending ones are read faster
    keys : (len(rows),), of equal scores that with the lowest key is taken
    covers : (len(rows),), distance to what is chosen already, in [0, 2]; inf where nothing is
    weights : (len(rows),), positive
    n_picks : at most len(rows); where all scores are 0, the rest follows by key

    Returns
    -------
    int64 array of shape (n_picks,), positions in `rows`
    """
    n, covers = len(rows), np.asarray(covers, np.float32)
    picks = np.empty(n_picks, np.int64)
    points = Points(
        vectors=_readable(vectors),
        rows=np.array(rows, dtype=np.int64),
        keys=np.array(keys, dtype=np.uint64),
        weights=np.array(weights, dtype=np.float32),
        bounds=np.where(covers >= kernel.NOISE, np.minimum(covers, UNCOVERED), kernel.ZERO),
        n_met=np.zeros(n, np.int32),
        homes=np.zeros(n, np.uint8),
    )
    n_picked = 0
    if n_picks:
        n_picked = _pick(points, picks, n * max(1, n_picks // 100) * vectors.shape[1])
    rest = np.flatnonzero(points.bounds >= 0) if n_picked < n_picks else picks[:0]
    picks[n_picked:] = rest[np.argsort(points.keys[rest], kind="stable")][: n_picks - n_picked]
    return picks


def _pick(points: Points, picks: Counts, n_steps: int) -> int:
    """Pick while there are scores above 0; returns how many. Takes a turn for each round."""
    centers = np.zeros((len(picks), _width(points.vectors)), np.float32)
    few = max(FEWEST, min(MOST, FEW_BYTES // centers[0].nbytes))
    # nothing is picked yet, so that all bounds are exact
    scores = points.weights * points.bounds
    ties = np.flatnonzero(scores == scores.max())
    picks[0] = ties[points.keys[ties].argmin()]
    top, n_picked, n_wanted = scores[picks[0]], 1, 4 * few
    if top < SMALLEST:
        return 0
    centers[0, : points.vectors.shape[1]] = points.vectors[points.rows[picks[0]]]
    points.bounds[picks[0]] = kernel.PICKED
    n_homes = min(kernel.MOST_HOMES, len(scores) // POINTS_A_HOME, len(picks) // PICKS_A_HOME)
    rings, n_ringed = np.empty((0, 0), np.uint8), 0
    while n_picked < len(picks):
        with threads_for(n_steps) as n_threads:
            if 1 < n_homes <= n_picked:
                if n_ringed == 0:
                    rings = np.empty((n_homes, len(picks)), np.uint8)
                    _settle(points, centers[:n_homes], n_threads)
                kernel.ring(centers[:n_homes], centers[:n_picked], n_ringed, rings)
                n_ringed = n_picked
            threshold = _threshold(points, top, n_wanted)
            active, ends = _collect(points, threshold, n_picked)
            if len(active):
                _search(points, active, ends, centers[:n_picked], rings, threshold, n_threads)
            best, top, end = _best(points, active, threshold, few)
        if len(best):
            n_picked = kernel.pick(points, best, centers, n_picked, top, end, picks)
        if top > threshold:
            n_wanted = max(n_wanted // 2, few)
        elif 2 * len(best) < few:
            n_wanted *= 2
        if top == SMALLEST:
            break
    return n_picked


def _settle(points: Points, homes: Floats, n_threads: int) -> None:
    """Find the home of every candidate."""
    best, which = np.empty(len(points.rows), np.float32), np.zeros(len(points.rows), np.int32)
    kernel.find_nearest(points.vectors, points.rows, homes, best, which, n_threads)
    np.minimum(points.bounds, _distances(best), out=points.bounds)
    np.maximum(points.n_met, np.int32(len(homes)), out=points.n_met)
    points.homes[:] = which


def _threshold(points: Points, top: np.float32, n_wanted: int) -> np.float32:
    """Return a threshold with about so many scores above it, or the smallest of all."""
    with threads_for(len(points.rows)) as n_threads:
        counts = np.zeros((n_threads, kernel.N_BINS), np.int64)
        kernel.histogram(points, top, counts)
    above = np.cumsum(counts.sum(axis=0)[::-1])
    lowest = kernel.N_BINS - 1 - int(np.searchsorted(above, n_wanted))
    return max(np.float32(lowest / kernel.N_BINS) * top, SMALLEST)


def _collect(points: Points, threshold: np.float32, n_picked: int) -> tuple[Ints, Counts]:
    """Return the positions above a threshold, sorted by key, and where each key ends."""
    with threads_for(len(points.rows)) as n_threads:
        counts = np.zeros((n_threads, kernel.N_KEYS), np.int64)
        kernel.place(points, threshold, n_picked, counts, np.empty(0, np.int32))
        # inside a key one thread after the other: the order does not depend on how many there are
        ends = np.cumsum(counts.T.ravel()).reshape(kernel.N_KEYS, n_threads).T
        active = np.empty(ends[-1, -1], np.int32)
        if len(active):
            kernel.place(points, threshold, n_picked, np.ascontiguousarray(ends - counts), active)
    return active, ends[-1]


def _search(
    points: Points,
    active: Ints,
    ends: Counts,
    centers: Floats,
    rings: NDArray[np.uint8],
    threshold: np.float32,
    n_threads: int,
) -> None:
    """Bring the bounds of active points below a threshold where that is so, else to exactness."""
    n_last = N_LAST if len(rings) else 0
    n_lanes = _n_lanes(centers.shape[1])
    units = _units(ends, n_lanes)
    kernel.search(points, active, units, centers, rings, threshold, n_last, n_threads)
    left = np.concatenate([active[start:end] for _, start, end in units])
    if len(left):
        # what no center near its home brings down has to meet most of them: full desks again
        left = left[np.argsort(points.n_met[left], kind="stable")]
        units = _units(np.array([len(left)]), n_lanes)
        no_rings = np.empty((0, 0), np.uint8)
        kernel.search(points, left, units, centers, no_rings, threshold, 0, n_threads)


def _units(ends: Counts, n_lanes: int) -> Counts:
    """Cut the positions of each key into units: rows of (home, start, end)."""
    units, start = [], 0
    for key, end in enumerate(ends.tolist()):
        units += [
            (key // 2, first, min(first + n_lanes, end)) for first in range(start, end, n_lanes)
        ]
        start = end
    return np.array(units, np.int64)


def _best(
    points: Points, active: Ints, threshold: np.float32, few: int
) -> tuple[Ints, np.float32, np.uint64]:
    """Return the best few of the active positions, best first, and where they end.

    They end at the score and the key of the next one, or at the threshold.
    """
    scores = points.weights[active] * points.bounds[active]
    above = np.flatnonzero(scores >= threshold)
    if len(above) > 2 * few:
        last = len(above) - few - 1
        above = above[scores[above] >= np.partition(scores[above], last)[last]]
    positions, scores, keys = active[above], scores[above], points.keys[active[above]]
    order = np.lexsort((keys, -scores))
    if len(order) <= few:
        return positions[order], threshold, np.uint64(0)
    return positions[order[:few]], scores[order[few]], keys[order[few]]


def _n_lanes(width: int) -> int:
    """Return how many candidates a thread works on together: whole tiles."""
    return max(1, min(MOST_LANES, DESK_BYTES // (4 * width)) // kernel.LANES) * kernel.LANES


def _width(vectors: Floats) -> int:
    """Return the number of features, filled up to what is multiplied at once."""
    return max(4, -(-vectors.shape[1] // 4) * 4)


class _Unlocked:
    """The memory of an array, without the ban on writing."""

    def __init__(self, array: Floats) -> None:
        self.array = array  # keeps the memory
        self.__array_interface__ = array.__array_interface__ | {"data": (array.ctypes.data, False)}


def _readable(vectors: NDArray[np.float32]) -> Floats:
    """Return vectors as the kernels take them, mostly without a copy."""
    # another memory layout would be another compiled kernel, and so would a read-only array, as
    # memory-mapped ones are; the kernels do not write to it
    contiguous = np.ascontiguousarray(vectors, dtype=np.float32)
    return contiguous if contiguous.flags.writeable else np.asarray(_Unlocked(contiguous))


def _distances(similarities: Floats) -> Floats:
    distances = np.maximum(kernel.ZERO, kernel.ONE - similarities)
    return np.where(distances >= kernel.NOISE, distances, kernel.ZERO)
