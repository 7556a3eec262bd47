"""The best row by a product of three tie-averaged ranks, without sorting the pool.

Idea: ranks are needed exactly for the few rows only that can win. Floats are ordered like their bit
patterns, so a histogram of bit patterns bounds every rank from both sides. The bounds of the
product leave a few contenders, mostly one. Among several, one more pass counts exactly what lies
below each of their values. Where many values crowd into one bin, so that too many contend, the
histogram is made again over the contenders' own range, down to one value a bin: ties are counted,
never sorted.

The bounds come from the same floating-point expression as the score, whose operations are monotone,
so that rounding cannot exclude the winner. Counts are integers and the last comparison is serial,
so that the result does not depend on the number of threads. Time O(n), memory O(bins) a thread, and
O(n) where everything ties. Inputs are already checked, apart from what comes back as a fault.

All of it is one file because numba's cache notices a change of the caller's file only.
"""

from typing import Any, NamedTuple

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

N_BINS = 4096
N_DENSITY_BINS = 16384  # over all groups together
N_SAMPLED = 256
BLOCK = 1024  # rows at a time; their positions stay in the nearest cache
MAX_ZOOMS = 2
FEW = 64  # contenders that are not worth a zoom, and 1/512 of the rows besides
LOWEST, INFINITY = np.int32(-(2**31)), np.int32(0x7F800000)  # above the bits of inf is only NaN
NOT_A_NUMBER, NO_SUCH_GROUP = 1, 2
SLACK = 1e-5  # of a single-precision product against the exact bound
UNCERTAINTY, COVER, DENSITY = 0, 1, 2

Integer = int | np.integer[Any]
Bits = NDArray[np.int32]
Rows = NDArray[np.int32]
Counts = NDArray[np.int64]
Shares = NDArray[np.float64]


class Columns(NamedTuple):
    """What is known of each row: arrays of shape (n,), floats as their bit patterns."""

    status: NDArray[np.int8]
    uncertainty: Bits
    cover: Bits
    density: Bits
    groups: NDArray[np.int32]  # that density is ranked in; of shape (0,): one group
    divisors: NDArray[np.float64]  # of the score, shape (n_groups,)


class Grid(NamedTuple):
    """The bins of the three factors in one flat array; those of density once for each group.

    The first and the last bin of a factor also take what lies outside its window; the position
    behind all bins takes the rows that are no candidates.
    """

    bases: NDArray[np.int32]
    shifts: NDArray[np.uint32]
    n_bins: NDArray[np.int64]
    n_positions: int


# -- from a value to its bin ------------------------------------------------------------------


@njit(cache=True, inline="always")
def _bits(columns: Columns, factor: int) -> Bits:
    if factor == UNCERTAINTY:
        return columns.uncertainty
    return columns.cover if factor == COVER else columns.density


@njit(cache=True, inline="always")
def _key(bits: np.int32) -> np.int32:
    """Order floats by an integer; -0.0 and 0.0 are equal."""
    return np.int32(bits) if bits >= 0 else np.int32(LOWEST - bits)


@njit(cache=True, inline="always")
def _bin(key: np.int32, base: np.int32, shift: np.uint32, last_bin: np.uint32) -> np.int32:
    # 32 bits throughout, unsigned where they would overflow, so that it compiles to vectors
    return np.int32(min(np.uint32(np.uint32(np.int32(max(key, base) - base)) >> shift), last_bin))


@njit(cache=True)
def _place(
    status: NDArray[np.int8],
    bits: Bits,
    window: tuple[np.int32, np.uint32, np.uint32],
    start: np.int32,
    nowhere: np.int32,
    positions: Rows,
) -> bool:
    """Write the position of every row, `nowhere` for no candidate; returns whether one is NaN."""
    base, shift, last_bin = window
    fault = False
    for place in range(len(status)):
        key = _key(bits[place])
        candidate = status[place] == 0
        position = np.int32(_bin(key, base, shift, last_bin) + start)
        fault |= candidate & ((key > INFINITY) | (key < -INFINITY))
        positions[place] = position if candidate else nowhere
    return fault


@njit(cache=True)
def _place_groups(
    groups: NDArray[np.int32], n_groups: int, n_bins: Integer, nowhere: np.int32, positions: Rows
) -> bool:
    """Move every position to the bins of its group; returns whether one has no such group."""
    fault = False
    for place in range(len(positions)):
        group = groups[place]
        known = (group >= 0) & (group < n_groups)
        candidate = positions[place] != nowhere
        fault |= candidate & (not known)
        moved = np.int32(positions[place] + np.int32(group * n_bins))
        positions[place] = moved if candidate & known else nowhere
    return fault


@njit(cache=True)
def _locate(columns: Columns, grid: Grid, first: int, last: int, positions: Rows) -> int:
    """Write the positions of rows first..last, one line a factor; returns what is wrong."""
    fault, start = 0, 0
    nowhere = np.int32(grid.n_positions)
    for factor in range(3):
        bits = _bits(columns, factor)[first:last]
        last_bin = np.uint32(grid.n_bins[factor] - 1)
        window = grid.bases[factor], grid.shifts[factor], last_bin
        line = positions[factor, : last - first]
        if _place(columns.status[first:last], bits, window, np.int32(start), nowhere, line):
            fault |= NOT_A_NUMBER
        start += grid.n_bins[factor]
    if len(columns.groups):
        groups, n_groups = columns.groups[first:last], len(columns.divisors)
        line = positions[DENSITY, : last - first]
        if _place_groups(groups, n_groups, grid.n_bins[DENSITY], nowhere, line):
            fault |= NO_SUCH_GROUP
    return fault


@njit(cache=True)
def _where(columns: Columns, grid: Grid, factor: int, row: int) -> tuple[int, int, int]:
    """Return a row's position in one factor, and the first and last of those it is ranked in."""
    n_bins = grid.n_bins[factor]
    first = factor * grid.n_bins[0]
    if factor == DENSITY and len(columns.groups):
        first += columns.groups[row] * n_bins
    key = _key(_bits(columns, factor)[row])
    offset = _bin(key, grid.bases[factor], grid.shifts[factor], np.uint32(n_bins - 1))
    return first + offset, first, first + n_bins


@njit(cache=True)
def _holds_one_value(grid: Grid, factor: int, position: int, first: int, last: int) -> bool:
    return grid.shifts[factor] == 0 and first < position < last - 1


# -- where the bins lie -----------------------------------------------------------------------


@njit(cache=True)
def _grid(lows: Counts, highs: Counts, n_bins: Counts, n_groups: int) -> Grid:
    """Make the finest bins that hold keys low..high of each factor apart from the end bins."""
    bases, shifts = np.empty(3, np.int32), np.zeros(3, np.uint32)
    for factor in range(3):
        shift = 0
        while (highs[factor] - lows[factor]) >> shift > n_bins[factor] - 3:
            shift += 1
        shifts[factor] = shift
        bases[factor] = max(lows[factor] - (1 << shift), np.int64(LOWEST))
    return Grid(bases, shifts, n_bins, 2 * n_bins[0] + n_groups * n_bins[DENSITY])


@njit(cache=True)
def _sample_grid(columns: Columns) -> Grid:
    """Place the windows by a sample of rows; a bad one costs time, never the right answer."""
    n_rows, n_groups = len(columns.status), len(columns.divisors)
    keys = np.empty((3, N_SAMPLED), np.int64)
    n_keys = 0
    for row in range(0, n_rows, (n_rows - 1) // N_SAMPLED + 1):
        if columns.status[row] == 0:
            for factor in range(3):
                keys[factor, n_keys] = _key(_bits(columns, factor)[row])
            n_keys += 1
    lows, highs = np.zeros(3, np.int64), np.full(3, np.int64(INFINITY))
    for factor in range(3 if n_keys else 0):
        ordered = np.sort(keys[factor, :n_keys])
        # the lowest quarter hardly ever wins; but of density each group has its own
        lows[factor] = ordered[0 if factor == DENSITY else n_keys // 4]
        highs[factor] = ordered[-1]
    n_bins = np.full(3, min(max(n_rows // 8, 16), N_BINS))
    n_bins[DENSITY] = max(min(n_rows, N_DENSITY_BINS) // n_groups, 4)
    return _grid(lows, highs, n_bins, n_groups)


@njit(cache=True)
def _zoom(columns: Columns, grid: Grid, rows: Rows) -> tuple[Grid, np.bool]:
    """Close the windows in on some rows; returns also whether that made any bins finer."""
    lows, highs = np.full(3, np.int64(INFINITY)), np.full(3, np.int64(LOWEST))
    for row in rows:
        for factor in range(3):
            key = np.int64(_key(_bits(columns, factor)[row]))
            lows[factor], highs[factor] = min(lows[factor], key), max(highs[factor], key)
    closer = _grid(lows, highs, grid.n_bins, len(columns.divisors))
    finer = closer.shifts < grid.shifts
    for factor in range(3):
        if not finer[factor]:
            closer.bases[factor], closer.shifts[factor] = grid.bases[factor], grid.shifts[factor]
    return closer, finer.any()


# -- histogram and bounds ---------------------------------------------------------------------


@njit(cache=True, nogil=True)
def _count(columns: Columns, grid: Grid, first: int, last: int, counts: Rows) -> int:
    positions = np.empty((3, BLOCK), np.int32)
    fault = 0
    for start in range(first, last, BLOCK):
        end = min(start + BLOCK, last)
        fault |= _locate(columns, grid, start, end, positions)
        for place in range(end - start):
            counts[np.uint32(positions[0, place])] += 1
            counts[np.uint32(positions[1, place])] += 1
            counts[np.uint32(positions[2, place])] += 1
    return fault


@njit(cache=True, nogil=True, parallel=True)
def _count_all(columns: Columns, grid: Grid, n_chunks: int) -> tuple[Counts, int]:
    """Return how many values lie in the bins before each position, and what is wrong."""
    n_rows = len(columns.status)
    counts = np.zeros((n_chunks, grid.n_positions + 1), np.int32)
    faults = np.zeros(n_chunks, np.int64)
    for chunk in prange(n_chunks):
        first, last = n_rows * chunk // n_chunks, n_rows * (chunk + 1) // n_chunks
        faults[chunk] = _count(columns, grid, first, last, counts[chunk])
    before = np.zeros(grid.n_positions + 1, np.int64)
    fault = 0
    for chunk in range(n_chunks):
        fault |= faults[chunk]
        for position in range(grid.n_positions):
            before[position + 1] += counts[chunk, position]
    for position in range(grid.n_positions):
        before[position + 1] += before[position]
    return before, fault


@njit(cache=True)
def _divisor(columns: Columns, row: Integer) -> np.float64:
    return np.float64(columns.divisors[columns.groups[row] if len(columns.groups) else 0])


@njit(cache=True)
def _bounds(columns: Columns, grid: Grid, before: Counts, row: int) -> tuple[float, float]:
    """Bound the score of a row from both sides."""
    low, high = np.empty(3), np.empty(3)
    for factor in range(3):
        position, first, last = _where(columns, grid, factor, row)
        size = before[last] - before[first]
        below, up_to = before[position] - before[first], before[position + 1] - before[first]
        if _holds_one_value(grid, factor, position, first, last):
            low[factor] = high[factor] = (below + up_to + 1) * 0.5 / size
        else:
            low[factor], high[factor] = (below + 1.0) / size, up_to / size
    divisor = _divisor(columns, row)
    return (
        low[UNCERTAINTY] * low[DENSITY] * low[COVER] / divisor,
        high[UNCERTAINTY] * high[DENSITY] * high[COVER] / divisor,
    )


@njit(cache=True)
def _upper(columns: Columns, grid: Grid, before: Counts) -> NDArray[np.float32]:
    """Bound the factor of every position from above, density divided by its group's divisor."""
    upper = np.zeros(len(before), np.float32)
    first = 0
    for segment in range(2 + len(columns.divisors)):
        last = first + grid.n_bins[min(segment, DENSITY)]
        scale = 1.0 / max(before[last] - before[first], 1)
        if segment >= DENSITY:
            scale /= columns.divisors[segment - DENSITY]
        for position in range(first, last):
            upper[position] = (before[position + 1] - before[first]) * scale
        first = last
    return upper


@njit(cache=True, nogil=True)
def _collect(
    columns: Columns,
    grid: Grid,
    before: Counts,
    upper: NDArray[np.float32],
    first: int,
    last: int,
    found: Rows,
) -> int:
    """Write those of rows first..last to `found` that may win; returns how many."""
    positions = np.empty((3, BLOCK), np.int32)
    n_found = 0
    floor = 0.0
    quick_floor = np.float32(1e-35)  # above that of rows that are no candidates
    for start in range(first, last, BLOCK):
        end = min(start + BLOCK, last)
        _locate(columns, grid, start, end, positions)
        for place in range(end - start):
            quick = upper[np.uint32(positions[0, place])] * upper[np.uint32(positions[1, place])]
            if quick * upper[np.uint32(positions[2, place])] < quick_floor:
                continue
            low, high = _bounds(columns, grid, before, start + place)
            if high < floor:
                continue
            if low > floor:
                floor = low
                quick_floor = np.float32(floor * (1.0 - SLACK))
            found[n_found] = start + place
            n_found += 1
    return n_found


@njit(cache=True, nogil=True, parallel=True)
def _collect_all(columns: Columns, grid: Grid, before: Counts, n_chunks: int) -> Rows:
    """Return the rows that may win."""
    n_rows = len(columns.status)
    upper = _upper(columns, grid, before)
    found = np.empty(n_rows, np.int32)
    ends = np.zeros(n_chunks + 1, np.int64)
    for chunk in prange(n_chunks):
        first, last = n_rows * chunk // n_chunks, n_rows * (chunk + 1) // n_chunks
        ends[chunk + 1] = _collect(columns, grid, before, upper, first, last, found[first:last])
    rows = np.empty(ends.sum(), np.int32)
    for chunk in range(n_chunks):
        n_found, first = ends[chunk + 1], n_rows * chunk // n_chunks
        ends[chunk + 1] += ends[chunk]
        rows[ends[chunk] : ends[chunk + 1]] = found[first : first + n_found]
    return rows


@njit(cache=True)
def _keep_contenders(columns: Columns, grid: Grid, before: Counts, rows: Rows) -> Rows:
    """Return those rows whose upper bound reaches the best lower bound."""
    highest = np.empty(len(rows))
    floor = 0.0
    for place in range(len(rows)):
        low, highest[place] = _bounds(columns, grid, before, rows[place])
        floor = max(floor, low)
    return rows[highest >= floor]


# -- exact shares of a few rows ---------------------------------------------------------------


@njit(cache=True, inline="always")
def _code(position: Integer, key: np.int32) -> np.int64:
    """Position and key in one integer, ordered by position, then key."""
    return np.int64((np.int64(position) << 32) | (np.int64(key) - np.int64(LOWEST)))


@njit(cache=True)
def _wanted(columns: Columns, grid: Grid, rows: Rows) -> Counts:
    """Return the codes of the values whose bins do not say their share, each once, ascending."""
    codes: Counts = np.empty(3 * len(rows), np.int64)
    n_codes = 0
    for row in rows:
        for factor in range(3):
            position, first, last = _where(columns, grid, factor, row)
            if not _holds_one_value(grid, factor, position, first, last):
                codes[n_codes] = _code(position, _key(_bits(columns, factor)[row]))
                n_codes += 1
    return np.unique(codes[:n_codes])


@njit(cache=True, nogil=True)
def _tally(
    columns: Columns,
    grid: Grid,
    wanted: Counts,
    starts: Rows,
    first: int,
    last: int,
    tallies: Counts,
) -> None:
    """Count the values of rows first..last that equal each wanted one, or lie just below it."""
    positions = np.empty((3, BLOCK), np.int32)
    for start in range(first, last, BLOCK):
        end = min(start + BLOCK, last)
        _locate(columns, grid, start, end, positions)
        for factor in range(3):
            bits = _bits(columns, factor)
            for place in range(end - start):
                position = np.uint32(positions[factor, place])
                low, high = np.int64(starts[position]), np.int64(starts[position + 1])
                if low == high:
                    continue
                code = _code(position, _key(bits[start + place]))
                at = low + np.searchsorted(wanted[low:high], code)
                if at < high:
                    tallies[2 * at + np.int64(wanted[at] == code)] += 1


@njit(cache=True, nogil=True, parallel=True)
def _tally_all(columns: Columns, grid: Grid, wanted: Counts, n_chunks: int) -> Counts:
    """Return, for each wanted value, how many lie between it and the one before, and how many
    equal it, two numbers a value; only those of its own bin.
    """  # noqa: D205
    n_rows = len(columns.status)
    starts = np.zeros(grid.n_positions + 2, np.int32)
    for code in wanted:
        starts[(code >> 32) + 1] += 1
    for position in range(grid.n_positions + 1):
        starts[position + 1] += starts[position]
    tallies: Counts = np.zeros((n_chunks, 2 * len(wanted)), np.int64)
    for chunk in prange(n_chunks):
        first, last = n_rows * chunk // n_chunks, n_rows * (chunk + 1) // n_chunks
        _tally(columns, grid, wanted, starts, first, last, tallies[chunk])
    total: Counts = tallies.sum(axis=0)
    return total


@njit(cache=True)
def _exact_shares(
    columns: Columns, grid: Grid, before: Counts, rows: Rows, n_chunks: int
) -> Shares:
    """Return the tie-averaged share of each row in each factor, an array of shape (n, 3)."""
    wanted = _wanted(columns, grid, rows)
    tallies: Counts = np.zeros(0, np.int64)
    if len(wanted):
        tallies = _tally_all(columns, grid, wanted, n_chunks)
    passed = np.cumsum(tallies)
    shares = np.empty((len(rows), 3))
    for place in range(len(rows)):
        for factor in range(3):
            position, first, last = _where(columns, grid, factor, rows[place])
            below = before[position] - before[first]
            n_equal = before[position + 1] - before[position]
            if not _holds_one_value(grid, factor, position, first, last):
                key = _key(_bits(columns, factor)[rows[place]])
                at = np.searchsorted(wanted, _code(position, key))
                start = np.searchsorted(wanted, _code(position, LOWEST))
                below += passed[2 * at] - (passed[2 * start - 1] if start else 0)
                n_equal = tallies[2 * at + 1]
            shares[place, factor] = (below + (n_equal + 1) * 0.5) / (before[last] - before[first])
    return shares


@njit(cache=True)
def _scores(columns: Columns, shares: Shares, rows: Rows) -> Shares:
    scores = shares[:, UNCERTAINTY] * shares[:, DENSITY] * shares[:, COVER]
    for place in range(len(rows)):
        scores[place] /= _divisor(columns, rows[place])
    return scores


# -- the two questions ------------------------------------------------------------------------


@njit(cache=True, nogil=True)
def best_row(columns: Columns, tie_key: NDArray[np.uint64], n_chunks: int) -> tuple[Integer, int]:
    """Return the candidate with the highest score, and what is wrong (0: nothing).

    Equal scores go to the lowest tie_key. There must be a candidate.
    """
    grid = _sample_grid(columns)
    before, fault = _count_all(columns, grid, n_chunks)
    if fault:
        return -1, fault
    rows = _collect_all(columns, grid, before, n_chunks)
    rows = _keep_contenders(columns, grid, before, rows)
    for _ in range(MAX_ZOOMS):
        if len(rows) <= FEW + len(columns.status) // 512:
            break
        grid, finer = _zoom(columns, grid, rows)
        if not finer:
            break
        before, fault = _count_all(columns, grid, n_chunks)
        rows = _keep_contenders(columns, grid, before, rows)
    if len(rows) == 1:
        return np.int64(rows[0]), 0
    scores = _scores(columns, _exact_shares(columns, grid, before, rows, n_chunks), rows)
    ties = rows[scores == scores.max()]
    return np.int64(ties[np.argmin(tie_key[ties])]), 0


@njit(cache=True, nogil=True)
def shares_and_scores(columns: Columns, rows: Rows, n_chunks: int) -> tuple[Shares, Shares, int]:
    """Return the shares of candidate rows, (n, 3), their scores, and what is wrong (0: nothing)."""
    grid = _sample_grid(columns)
    before, fault = _count_all(columns, grid, n_chunks)
    if fault:
        return np.zeros((0, 3)), np.zeros(0), fault
    shares = _exact_shares(columns, grid, before, rows, n_chunks)
    return shares, _scores(columns, shares, rows), 0
