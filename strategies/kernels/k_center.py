"""Farthest-first selection, exact, at the speed of a matrix product: what `farthest_first` calls.

Points lie side by side, feature by feature, in tiles that stay in the nearest cache: one
instruction serves 8 or 16 points, and a feature that is loaded serves 4 centers (`_multiply`). A
thread works on some thousand points at its desk; those that fall below the threshold leave it, and
others move up, so that the lanes stay full (`_search`).

The distance of a pair is max(0, 1 - s), where s is summed up one feature after the other by fused
multiply-adds: the same bits in every lane and in any company, so that picks are those of a plain
loop. Distances below 2**-20 are rounding noise between duplicates and count as 0.

Positions count the candidates; of equal scores the lowest key wins. Nothing depends on the number
of threads. All of it is one file because numba's cache notices a change of the caller's file only.
Inputs are already checked.
"""

from typing import NamedTuple

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

LANES = 128  # points of a tile: with 64 features it fills two thirds of a nearest cache of 48 KB
VECTOR = 16  # points that one instruction serves where registers are widest
FEATURES = 64  # of a tile at a time
CHUNK = 16  # centers at a time
FLOATS_A_LINE = 16  # of the cache
MOST_HOMES = LANES  # they fill one tile
N_RINGS = 256  # steps in which centers are sorted by their similarity to a home
N_KEYS = 2 * MOST_HOMES
N_BINS = 4096
NOISE = np.float32(2.0**-20)
PICKED = np.float32(-1.0)
ZERO, ONE, FARTHER = np.float32(0.0), np.float32(1.0), np.float32(-9.0)

Floats = NDArray[np.float32]
Ints = NDArray[np.int32]
Counts = NDArray[np.int64]
Keys = NDArray[np.uint64]


class Points(NamedTuple):
    """The candidates: arrays of shape (n,), but for the vectors."""

    vectors: Floats  # of the whole pool
    rows: Counts  # of the candidates
    keys: Keys  # of equal scores the lowest goes first
    weights: Floats  # positive; score = weight * distance
    bounds: Floats  # not below the distance to what is chosen; PICKED
    n_met: Ints  # so many of the first centers are in the bound
    homes: NDArray[np.uint8]  # which of the first centers is the nearest; 0 until that is known


class Desk(NamedTuple):
    """What a thread works on: points in tiles, and their columns."""

    tiles: Floats  # (n_tiles, width * LANES), feature by feature
    bounds: Floats  # (n_tiles * LANES,)
    weights: Floats
    few: Floats  # (CHUNK * width,), some centers
    sums: Floats  # (CHUNK * LANES,), their similarities to the points of a tile
    best: Floats  # (LANES,)


# -- the distance of a pair -------------------------------------------------------------------


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract"})
def _multiply(
    tile: Floats, n_lanes: int, few: Floats, width: int, start: int, end: int, sums: Floats
) -> None:
    """Add features start..end of four centers to the sums of a tile.

    The sums are read and written once for 16 multiplications, all operands lie in the nearest
    cache, and the 16 factors in registers.
    """
    for feature in range(start, end, 4):
        a, b = few[feature : feature + 4], few[width + feature : width + feature + 4]
        c, d = few[2 * width + feature :], few[3 * width + feature :]
        a0, a1, a2, a3 = a[0], a[1], a[2], a[3]
        b0, b1, b2, b3 = b[0], b[1], b[2], b[3]
        c0, c1, c2, c3 = c[0], c[1], c[2], c[3]
        d0, d1, d2, d3 = d[0], d[1], d[2], d[3]
        for first in range(0, n_lanes, VECTOR):
            x, s = tile[feature * LANES + first :], sums[first:]
            for lane in range(VECTOR):
                x0, x1 = x[lane], x[LANES + lane]
                x2, x3 = x[2 * LANES + lane], x[3 * LANES + lane]
                # one feature after the other: the order is part of the result
                s[lane] = s[lane] + x0 * a0 + x1 * a1 + x2 * a2 + x3 * a3
                s[LANES + lane] = s[LANES + lane] + x0 * b0 + x1 * b1 + x2 * b2 + x3 * b3
                s[2 * LANES + lane] = s[2 * LANES + lane] + x0 * c0 + x1 * c1 + x2 * c2 + x3 * c3
                s[3 * LANES + lane] = s[3 * LANES + lane] + x0 * d0 + x1 * d1 + x2 * d2 + x3 * d3


@njit(cache=True, nogil=True)
def _compare(tile: Floats, n_lanes: int, few: Floats, n_few: int, sums: Floats) -> None:
    """Write the similarities of the points of a tile to up to CHUNK centers."""
    width = len(tile) // LANES
    n_few = (n_few + 3) // 4 * 4  # whatever `few` holds behind the last one is not looked at
    sums[: n_few * LANES] = ZERO
    for start in range(0, width, FEATURES):
        end = min(start + FEATURES, width)
        for four in range(0, n_few, 4):
            centers, out = few[four * width :], sums[four * LANES :]
            # a constant makes code so much faster that it pays for lanes without a point
            if 2 * n_lanes > LANES:
                _multiply(tile, LANES, centers, width, start, end, out)
            else:
                _multiply(tile, n_lanes, centers, width, start, end, out)


@njit(cache=True, nogil=True)
def _raise(best: Floats, sums: Floats, n_few: int) -> None:
    """Let the best similarities of a tile rise to those of some centers."""
    for one in range(n_few):
        new = sums[one * LANES : (one + 1) * LANES]
        for lane in range(LANES):
            best[lane] = max(best[lane], new[lane])


@njit(cache=True, nogil=True)
def _approach(bounds: Floats, best: Floats) -> None:
    """Let the bounds of the points of a tile fall; those of picked ones stay below all."""
    for lane in range(len(bounds)):
        distance = max(ZERO, ONE - best[lane])
        distance = distance if distance >= NOISE else ZERO
        bounds[lane] = min(bounds[lane], distance)


@njit(cache=True, nogil=True)
def _put(vector: Floats, tile: Floats, lane: int) -> None:
    for feature in range(len(vector)):
        tile[feature * LANES + lane] = vector[feature]


@njit(cache=True, nogil=True)
def _take(centers: Floats, first: int, n_few: int, few: Floats) -> None:
    """Copy some centers to where they are used."""
    width = centers.shape[1]
    for one in range(n_few):
        center = centers[first + one]
        for feature in range(width):
            few[one * width + feature] = center[feature]


@njit(cache=True, nogil=True)
def _desk(n_lanes: int, width: int) -> Desk:
    n_tiles = (n_lanes + LANES - 1) // LANES
    return Desk(
        np.zeros((n_tiles, width * LANES), np.float32),
        np.zeros(n_tiles * LANES, np.float32),
        np.zeros(n_tiles * LANES, np.float32),
        np.zeros(CHUNK * width, np.float32),
        np.zeros(CHUNK * LANES, np.float32),
        np.zeros(LANES, np.float32),
    )


# -- many points against many centers ---------------------------------------------------------


@njit(cache=True, nogil=True)
def _touch(vectors: Floats, rows: Counts) -> np.float32:
    """Read from every cache line of some rows: they are fetched side by side, not in turn."""
    total = ZERO
    for row in rows:
        vector = vectors[row]
        for feature in range(0, len(vector), FLOATS_A_LINE):
            total += vector[feature]
    return total


@njit(cache=True, nogil=True)
def _lay_out(points: Points, positions: Ints, desk: Desk) -> None:
    """Put points on a desk."""
    for first in range(0, len(positions), CHUNK):
        rows = points.rows[positions[first : first + CHUNK]]
        # kept, so that no compiler can leave the reading out
        desk.best[0] = _touch(points.vectors, rows)
        for place in range(len(rows)):
            lane, position = first + place, positions[first + place]
            _put(points.vectors[rows[place]], desk.tiles[lane // LANES], lane % LANES)
            desk.bounds[lane] = points.bounds[position]
            desk.weights[lane] = points.weights[position]


@njit(cache=True, nogil=True)
def _meet(desk: Desk, n_lanes: int, n_few: int) -> None:
    """Let the points of a desk meet some centers."""
    for first in range(0, n_lanes, LANES):
        n_here = min(LANES, (n_lanes - first + VECTOR - 1) // VECTOR * VECTOR)
        _compare(desk.tiles[first // LANES], n_here, desk.few, n_few, desk.sums)
        desk.best[:] = FARTHER
        _raise(desk.best, desk.sums, n_few)
        _approach(desk.bounds[first : first + n_here], desk.best)


@njit(cache=True, nogil=True)
def _n_below(desk: Desk, n_lanes: int, threshold: np.float32) -> int:
    n_below = 0
    for lane in range(n_lanes):
        n_below += desk.weights[lane] * desk.bounds[lane] < threshold
    return n_below


@njit(cache=True, nogil=True)
def _drop(points: Points, positions: Ints, desk: Desk, n_lanes: int, threshold: np.float32) -> int:
    """Take points below the threshold off the desk; the last ones move up."""
    width = desk.tiles.shape[1] // LANES
    lane = 0
    while lane < n_lanes:
        last = n_lanes - 1
        if desk.weights[last] * desk.bounds[last] < threshold:
            points.bounds[positions[last]] = desk.bounds[last]
            n_lanes = last
        elif desk.weights[lane] * desk.bounds[lane] < threshold:
            points.bounds[positions[lane]] = desk.bounds[lane]
            source, target = desk.tiles[last // LANES], desk.tiles[lane // LANES]
            for feature in range(width):
                target[feature * LANES + lane % LANES] = source[feature * LANES + last % LANES]
            positions[lane], positions[last] = positions[last], positions[lane]
            desk.bounds[lane], desk.weights[lane] = desk.bounds[last], desk.weights[last]
            n_lanes = last
        else:
            lane += 1
    return n_lanes


@njit(cache=True, nogil=True)
def _gather(centers: Floats, order: Ints, start: int, first: int, few: Floats) -> tuple[int, int]:
    """Copy the next centers not before `first`; returns how many, and where in `order` they end."""
    n_few, width = 0, centers.shape[1]
    while start < len(order) and n_few < CHUNK:
        if order[start] >= first:
            center = centers[order[start]]
            for feature in range(width):
                few[n_few * width + feature] = center[feature]
            n_few += 1
        start += 1
    return n_few, start


@njit(cache=True, nogil=True)
def _search(
    points: Points,
    positions: Ints,
    centers: Floats,
    order: Ints,
    desk: Desk,
    threshold: np.float32,
    n_last: int,
) -> int:
    """Let points meet the centers they have not met, in order, until they are below a threshold.

    Returns how many had not met them all when so few were left; they come first in `positions`.
    """
    _lay_out(points, positions, desk)
    first = len(order)
    for position in positions:
        first = min(first, points.n_met[position])
    n_lanes = len(positions)
    n_few, end = _gather(centers, order, 0, first, desk.few)
    while n_lanes > n_last and n_few > 0:
        _meet(desk, n_lanes, n_few)
        n_below = _n_below(desk, n_lanes, threshold)
        # what is below wastes little until it is a vector, or a part of the desk
        if n_below >= n_lanes - n_last or n_below >= max(VECTOR, n_lanes // 16):
            n_lanes = _drop(points, positions, desk, n_lanes, threshold)
        n_few, end = _gather(centers, order, end, first, desk.few)
    for lane in range(n_lanes):
        points.bounds[positions[lane]] = desk.bounds[lane]
        if n_few == 0:
            points.n_met[positions[lane]] = len(order)
    return n_lanes if n_few > 0 else 0


@njit(cache=True, nogil=True)
def _order(rings: NDArray[np.uint8], order: Ints) -> None:
    """Sort the centers by their ring around a home, the nearest first."""
    heads = np.zeros(N_RINGS + 1, np.int32)
    for center in range(len(order)):
        heads[int(rings[center]) + 1] += 1
    for ring in range(N_RINGS):
        heads[ring + 1] += heads[ring]
    for center in range(len(order)):
        ring = int(rings[center])
        order[heads[ring]] = center
        heads[ring] += 1


@njit(cache=True, nogil=True)
def _search_units(
    points: Points,
    active: Ints,
    units: Counts,
    centers: Floats,
    rings: NDArray[np.uint8],
    threshold: np.float32,
    n_last: int,
) -> None:
    n_lanes = 1
    for unit in range(len(units)):
        n_lanes = max(n_lanes, units[unit, 2] - units[unit, 1])
    desk = _desk(n_lanes, centers.shape[1])
    order = np.arange(len(centers)).astype(np.int32)
    home = -1
    for unit in range(len(units)):
        if len(rings) and units[unit, 0] != home:
            home = units[unit, 0]
            _order(rings[home], order)
        positions = active[units[unit, 1] : units[unit, 2]]
        n_left = _search(points, positions, centers, order, desk, threshold, n_last)
        units[unit, 2] = units[unit, 1] + n_left


@njit(cache=True, nogil=True, parallel=True)
def search(
    points: Points,
    active: Ints,
    units: Counts,
    centers: Floats,
    rings: NDArray[np.uint8],
    threshold: np.float32,
    n_last: int,
    n_threads: int,
) -> None:
    """Let points meet centers until they are below a threshold; else their bounds are exact.

    A unit is a row (home, start, end): a part of `active` whose points share a home. Centers come
    in the order of their rings around the home, or as they were picked where there are no rings.
    Units end early with `n_last` points, which lanes would not be filled with; start..end then
    says which they are.
    """
    for thread in prange(n_threads):
        # by turns: neighboring units take about the same time
        some = units[thread::n_threads]
        _search_units(points, active, some, centers, rings, threshold, n_last)


@njit(cache=True, nogil=True)
def _find_nearest(
    vectors: Floats, rows: Counts, centers: Floats, best: Floats, which: Ints
) -> None:
    desk = _desk(LANES, centers.shape[1])
    best[:] = FARTHER
    for first in range(0, len(rows), LANES):
        n_lanes = min(LANES, len(rows) - first)
        for start in range(first, first + n_lanes, CHUNK):
            end = min(start + CHUNK, first + n_lanes)
            desk.best[0] = _touch(vectors, rows[start:end])
            for place in range(start, end):
                _put(vectors[rows[place]], desk.tiles[0], place - first)
        for start in range(0, len(centers), CHUNK):
            n_few = min(CHUNK, len(centers) - start)
            _take(centers, start, n_few, desk.few)
            _compare(desk.tiles[0], LANES, desk.few, n_few, desk.sums)
            for one in range(n_few):
                for lane in range(n_lanes):
                    similarity = desk.sums[one * LANES + lane]
                    if similarity > best[first + lane]:
                        best[first + lane] = similarity
                        which[first + lane] = start + one


@njit(cache=True, nogil=True, parallel=True)
def find_nearest(
    vectors: Floats, rows: Counts, centers: Floats, best: Floats, which: Ints, n_threads: int
) -> None:
    """Write the similarity of some rows to their nearest centers, and which these are."""
    n = len(rows)
    for thread in prange(n_threads):
        first, last = n * thread // n_threads, n * (thread + 1) // n_threads
        _find_nearest(vectors, rows[first:last], centers, best[first:last], which[first:last])


@njit(cache=True, nogil=True)
def ring(homes: Floats, centers: Floats, start: int, rings: NDArray[np.uint8]) -> None:
    """Write the rings of centers from `start` on around each home."""
    desk = _desk(LANES, centers.shape[1])
    for home in range(len(homes)):
        _put(homes[home], desk.tiles[0], home)
    for first in range(start, len(centers), CHUNK):
        n_few = min(CHUNK, len(centers) - first)
        _take(centers, first, n_few, desk.few)
        _compare(desk.tiles[0], LANES, desk.few, n_few, desk.sums)
        for one in range(n_few):
            for home in range(len(homes)):
                step = (ONE - desk.sums[one * LANES + home]) * np.float32(N_RINGS / 2)
                rings[home, first + one] = min(max(int(step), 0), N_RINGS - 1)


# -- which points are above a threshold -------------------------------------------------------


@njit(cache=True, nogil=True)
def _count(weights: Floats, bounds: Floats, top: np.float32, counts: Counts) -> None:
    scale = np.float32(N_BINS) / top
    for position in range(len(bounds)):
        score = weights[position] * bounds[position]
        if score > ZERO:
            counts[min(int(score * scale), N_BINS - 1)] += 1


@njit(cache=True, nogil=True, parallel=True)
def histogram(points: Points, top: np.float32, counts: Counts) -> None:
    """Count scores in equal bins from 0 to `top`, a row of counts a thread."""
    n, n_threads = len(points.bounds), len(counts)
    for thread in prange(n_threads):
        first, last = n * thread // n_threads, n * (thread + 1) // n_threads
        _count(points.weights[first:last], points.bounds[first:last], top, counts[thread])


@njit(cache=True, nogil=True)
def _key(points: Points, position: int, n_centers: int) -> int:
    """Return the group to search with: of one home, and lacking more or less than half of all."""
    return 2 * int(points.homes[position]) + int(2 * points.n_met[position] > n_centers)


@njit(cache=True, nogil=True)
def _place_some(
    points: Points,
    first: int,
    last: int,
    threshold: np.float32,
    n_centers: int,
    heads: Counts,
    active: Ints,
) -> None:
    for position in range(first, last):
        if points.weights[position] * points.bounds[position] >= threshold:
            key = _key(points, position, n_centers)
            if len(active):
                active[heads[key]] = position
            heads[key] += 1


@njit(cache=True, nogil=True, parallel=True)
def place(
    points: Points, threshold: np.float32, n_centers: int, heads: Counts, active: Ints
) -> None:
    """Write the positions above a threshold to where the heads of their keys say, a row a thread.

    The heads move on; where `active` is empty, they only count.
    """
    n, n_threads = len(points.bounds), len(heads)
    for thread in prange(n_threads):
        first, last = n * thread // n_threads, n * (thread + 1) // n_threads
        _place_some(points, first, last, threshold, n_centers, heads[thread], active)


# -- plain greedy on a few points -------------------------------------------------------------


@njit(cache=True, nogil=True)
def _first_of_best(desk: Desk, keys: Keys, block: int) -> int:
    """Return the lane of the highest score of a tile, of equal ones the lowest key."""
    best = block * LANES
    for lane in range(block * LANES, min((block + 1) * LANES, len(keys))):
        score, high = desk.weights[lane] * desk.bounds[lane], desk.weights[best] * desk.bounds[best]
        if score > high or (score == high and keys[lane] < keys[best]):
            best = lane
    return best


@njit(cache=True, nogil=True)
def _catch_up(desk: Desk, block: int, centers: Floats, start: int) -> None:
    """Let the points of a tile meet the centers from `start` on."""
    for first in range(start, len(centers), CHUNK):
        n_few = min(CHUNK, len(centers) - first)
        _take(centers, first, n_few, desk.few)
        _compare(desk.tiles[block], LANES, desk.few, n_few, desk.sums)
        desk.best[:] = FARTHER
        _raise(desk.best, desk.sums, n_few)
        _approach(desk.bounds[block * LANES : (block + 1) * LANES], desk.best)


@njit(cache=True, nogil=True)
def pick(
    points: Points,
    positions: Ints,
    centers: Floats,
    n_centers: int,
    threshold: np.float32,
    end: np.uint64,
    picks: Counts,
) -> int:
    """Pick from points with exact bounds while the best is above the threshold; returns how many.

    A score that equals the threshold counts as above it for keys below `end`. A tile meets
    centers only when its best score is the best of all, and then many at once; for this to pay,
    `positions` are sorted by score.
    """
    desk = _desk(len(positions), centers.shape[1])
    _lay_out(points, positions, desk)
    n_blocks, keys = len(desk.tiles), points.keys[positions]
    n_met = np.full(n_blocks, n_centers)
    best, high = np.zeros(n_blocks, np.int64), np.zeros(n_blocks, np.float32)
    for one in range(n_blocks):
        best[one] = _first_of_best(desk, keys, one)
        high[one] = desk.weights[best[one]] * desk.bounds[best[one]]
    while n_centers < len(centers):
        block = 0
        for other in range(1, n_blocks):
            tied = high[other] == high[block] and keys[best[other]] < keys[best[block]]
            if high[other] > high[block] or tied:
                block = other
        at_end = high[block] == threshold and keys[best[block]] >= end
        if high[block] < threshold or at_end:
            break
        if n_met[block] < n_centers:
            _catch_up(desk, block, centers[:n_centers], n_met[block])
            n_met[block] = n_centers
        else:
            position = positions[best[block]]
            centers[n_centers, : points.vectors.shape[1]] = points.vectors[points.rows[position]]
            picks[n_centers] = position
            n_centers += 1
            desk.bounds[best[block]] = PICKED
        best[block] = _first_of_best(desk, keys, block)
        high[block] = desk.weights[best[block]] * desk.bounds[best[block]]
    for lane in range(len(positions)):
        points.bounds[positions[lane]] = desk.bounds[lane]
        points.n_met[positions[lane]] = n_met[lane // LANES]
    return n_centers
