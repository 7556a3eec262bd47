"""The best row by a product of three tie-averaged ranks, without sorting the pool.

Idea: ranks are needed exactly for the few rows only that can win. Floats are ordered like their bit
patterns, so a histogram of bit patterns bounds every rank from both sides. The bounds of the
product leave a few contenders, mostly one. Among several, one more pass counts exactly what lies
below each of their values. Where too many contend, because many values crowd into one bin, that
pass is made for a sample of them first: it finds the values that are tied, and splits the bins for
the others.

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
FEW = 256  # contenders that are ranked at once
LOWEST, INFINITY = np.int32(-(2**31)), np.int32(0x7F800000)  # above the bits of inf is only NaN
NOT_A_NUMBER, NO_SUCH_GROUP = 1, 2
CAUTION = np.float32(1 - 1e-5)  # covers the rounding of single-precision products
UNCERTAINTY, COVER, DENSITY = 0, 1, 2
ORDER = (UNCERTAINTY, DENSITY, COVER)  # of the multiplication

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
    ranks_density: bool  # whether density is a factor; else it is not looked at


class Grid(NamedTuple):
    """The bins of the three factors in one flat array; those of density once for each group.

    The first and the last bin of a factor also take what lies outside its window; the position
    behind all bins takes the rows that are no candidates.
    """

    bases: NDArray[np.int32]
    shifts: NDArray[np.uint32]
    n_bins: NDArray[np.int64]
    n_positions: int


class Ranks(NamedTuple):
    """What is known of the order of the values.

    Attributes
    ----------
    before : number of values in the bins before each position
    wanted : codes of the values whose rank is known exactly, ascending
    starts : of each position, where its codes begin in `wanted`
    below, equal : of each wanted value, how many come before it, and how many equal it
    """

    before: Counts
    wanted: Counts
    starts: Rows
    below: Counts
    equal: Counts


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


@njit(cache=True, inline="always")
def _code(position: Integer, key: np.int32) -> np.int64:
    """Position and key in one integer, ordered by position, then key."""
    return np.int64((np.int64(position) << 32) | (np.int64(key) - np.int64(LOWEST)))


@njit(cache=True)
def _locate_some(columns: Columns, grid: Grid, factor: int, rows: Rows) -> Rows:
    """Return the positions of some candidate rows in one factor."""
    bits = _bits(columns, factor)
    base, shift, n_bins = grid.bases[factor], grid.shifts[factor], grid.n_bins[factor]
    grouped = factor == DENSITY and len(columns.groups) > 0
    positions = np.empty(len(rows), np.int32)
    for place in range(len(rows)):
        row = rows[place]
        first = factor * grid.n_bins[0] + (columns.groups[row] * n_bins if grouped else 0)
        positions[place] = first + _bin(_key(bits[row]), base, shift, np.uint32(n_bins - 1))
    return positions


@njit(cache=True)
def _sample_grid(columns: Columns) -> Grid:
    """Place the bins by a sample of rows; a bad one costs time, never the right answer."""
    n_rows, n_groups = len(columns.status), len(columns.divisors)
    n_bins = np.full(3, min(max(n_rows // 8, 16), N_BINS))
    n_bins[DENSITY] = max(min(n_rows, N_DENSITY_BINS) // n_groups, 4)
    if not columns.ranks_density:
        n_bins[DENSITY] = 1
    bases, shifts = np.zeros(3, np.int32), np.zeros(3, np.uint32)
    keys = np.empty(N_SAMPLED, np.int64)
    for factor in range(3 if columns.ranks_density else 2):
        n_keys = 0
        for row in range(0, n_rows, (n_rows - 1) // N_SAMPLED + 1):
            if columns.status[row] == 0:
                keys[n_keys] = _key(_bits(columns, factor)[row])
                n_keys += 1
        if n_keys == 0:
            continue
        ordered = np.sort(keys[:n_keys])
        # the lowest quarter hardly ever wins; but of density each group has its own
        low, high = ordered[0 if factor == DENSITY else n_keys // 4], ordered[-1]
        while (high - low) >> np.int64(shifts[factor]) > n_bins[factor] - 3:
            shifts[factor] += 1
        bases[factor] = max(low - (1 << np.int64(shifts[factor])), np.int64(LOWEST))
    return Grid(bases, shifts, n_bins, 2 * n_bins[0] + n_groups * n_bins[DENSITY])


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
def _count_chunks(columns: Columns, grid: Grid, counts: NDArray[np.int32], faults: Counts) -> None:
    n_chunks, n_rows = len(counts), len(columns.status)
    for chunk in prange(n_chunks):
        first, last = n_rows * chunk // n_chunks, n_rows * (chunk + 1) // n_chunks
        faults[chunk] = _count(columns, grid, first, last, counts[chunk])


@njit(cache=True)
def _count_all(columns: Columns, grid: Grid, n_chunks: int) -> tuple[Counts, int]:
    """Return how many values lie in the bins before each position, and what is wrong."""
    counts = np.zeros((n_chunks, grid.n_positions + 1), np.int32)
    faults = np.zeros(n_chunks, np.int64)
    _count_chunks(columns, grid, counts, faults)
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
def _find(wanted: Counts, start: Integer, end: Integer, code: np.int64) -> Integer:
    """Return the place of the first of wanted[start:end] that is not below `code`, or end."""
    while start < end:
        middle = (start + end) >> 1
        if wanted[middle] < code:
            start = middle + 1
        else:
            end = middle
    return start


@njit(cache=True)
def _shares(
    columns: Columns, grid: Grid, ranks: Ranks, factor: int, rows: Rows
) -> tuple[Shares, Shares]:
    """Bound the shares of some rows in one factor from both sides; equal bounds are exact."""
    bits, n_bins = _bits(columns, factor), grid.n_bins[factor]
    before, wanted, starts, n_below, n_equal = ranks
    lows, highs = np.ones(len(rows)), np.ones(len(rows))
    if factor == DENSITY and not columns.ranks_density:
        return lows, highs
    positions = _locate_some(columns, grid, factor, rows)
    for place in range(len(rows)):
        position = np.int64(positions[place])
        first = position - (position - factor * grid.n_bins[0]) % n_bins
        size = before[first + n_bins] - before[first]
        below, up_to = before[position] - before[first], before[position + 1] - before[first]
        start, end = np.int64(starts[position]), np.int64(starts[position + 1])
        code = _code(position, _key(bits[rows[place]]))
        at = _find(wanted, start, end, code)
        if at < end and wanted[at] == code:
            middle = n_below[at] - before[first] + (n_equal[at] + 1) * 0.5
            lows[place] = highs[place] = middle / size
            continue
        if at > start:
            below = n_below[at - 1] + n_equal[at - 1] - before[first]
        if at < end:
            up_to = n_below[at] - before[first]
        lows[place], highs[place] = (below + 1.0) / size, up_to / size
    return lows, highs


@njit(cache=True)
def _bounds(columns: Columns, grid: Grid, ranks: Ranks, rows: Rows) -> tuple[Shares, Shares]:
    """Bound the scores of some rows from both sides; equal bounds are exact."""
    lows, highs = np.ones(len(rows)), np.ones(len(rows))
    for factor in ORDER:
        low, high = _shares(columns, grid, ranks, factor, rows)
        lows *= low
        highs *= high
    for place in range(len(rows)):
        divisor = columns.divisors[columns.groups[rows[place]] if len(columns.groups) else 0]
        lows[place] /= divisor
        highs[place] /= divisor
    return lows, highs


@njit(cache=True)
def _quick_bounds(
    columns: Columns, grid: Grid, before: Counts
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Bound the share of every position, that of density divided by its group's divisor."""
    lower, upper = np.zeros(len(before), np.float32), np.zeros(len(before), np.float32)
    first = 0
    for segment in range(2 + len(columns.divisors)):
        last = first + grid.n_bins[min(segment, DENSITY)]
        scale = 1.0 / max(before[last] - before[first], 1)
        if segment >= DENSITY:
            scale /= columns.divisors[segment - DENSITY]
        if segment >= DENSITY and not columns.ranks_density:
            lower[first] = upper[first] = 1.0 / columns.divisors[segment - DENSITY]
            first = last
            continue
        for position in range(first, last):
            lower[position] = (before[position] - before[first] + 1) * scale
            upper[position] = (before[position + 1] - before[first]) * scale
        first = last
    return lower, upper


@njit(cache=True, nogil=True)
def _collect(
    columns: Columns,
    grid: Grid,
    lower: NDArray[np.float32],
    upper: NDArray[np.float32],
    first: int,
    last: int,
    found: Rows,
) -> int:
    """Write those of rows first..last to `found` that may win; returns how many."""
    positions = np.empty((3, BLOCK), np.int32)
    n_found = 0
    floor = np.float32(1e-35)  # above the score of rows that are no candidates
    for start in range(first, last, BLOCK):
        end = min(start + BLOCK, last)
        _locate(columns, grid, start, end, positions)
        for place in range(end - start):
            u = np.uint32(positions[UNCERTAINTY, place])
            c = np.uint32(positions[COVER, place])
            d = np.uint32(positions[DENSITY, place])
            if upper[u] * upper[c] * upper[d] >= floor:
                floor = max(floor, lower[u] * lower[c] * lower[d] * CAUTION)
                found[n_found] = start + place
                n_found += 1
    return n_found


@njit(cache=True, nogil=True, parallel=True)
def _collect_chunks(
    columns: Columns,
    grid: Grid,
    lower: NDArray[np.float32],
    upper: NDArray[np.float32],
    found: Rows,
    ends: Counts,
) -> None:
    n_chunks, n_rows = len(ends) - 1, len(columns.status)
    for chunk in prange(n_chunks):
        first, last = n_rows * chunk // n_chunks, n_rows * (chunk + 1) // n_chunks
        ends[chunk + 1] = _collect(columns, grid, lower, upper, first, last, found[first:last])


@njit(cache=True)
def _collect_all(columns: Columns, grid: Grid, before: Counts, n_chunks: int) -> Rows:
    """Return the rows that may win."""
    n_rows = len(columns.status)
    lower, upper = _quick_bounds(columns, grid, before)
    found, ends = np.empty(n_rows, np.int32), np.zeros(n_chunks + 1, np.int64)
    _collect_chunks(columns, grid, lower, upper, found, ends)
    for chunk in range(n_chunks):
        first = n_rows * chunk // n_chunks
        for place in range(ends[chunk + 1]):
            found[ends[chunk] + place] = found[first + place]
        ends[chunk + 1] += ends[chunk]
    return found[: ends[n_chunks]]


@njit(cache=True)
def _keep_contenders(columns: Columns, grid: Grid, ranks: Ranks, rows: Rows) -> Rows:
    """Return those rows whose upper bound reaches the best lower bound."""
    lows, highs = _bounds(columns, grid, ranks, rows)
    floor = 0.0
    for low in lows:
        floor = max(floor, low)
    kept = np.empty_like(rows)
    n_kept = 0
    for place in range(len(rows)):
        if highs[place] >= floor:
            kept[n_kept] = rows[place]
            n_kept += 1
    return kept[:n_kept]


# -- exact ranks of a few values --------------------------------------------------------------


@njit(cache=True)
def _wanted(columns: Columns, grid: Grid, rows: Rows) -> Counts:
    """Return the codes of the values of some rows, ascending, hardly any twice."""
    codes: Counts = np.empty(3 * len(rows), np.int64)
    latest = np.full(grid.n_positions, -1, np.int64)
    n_codes = 0
    for factor in range(3 if columns.ranks_density else 2):
        bits = _bits(columns, factor)
        positions = _locate_some(columns, grid, factor, rows)
        for place in range(len(rows)):
            code = _code(positions[place], _key(bits[rows[place]]))
            # ties come by the million: only the others are worth sorting
            if code != latest[positions[place]]:
                latest[positions[place]] = code
                codes[n_codes] = code
                n_codes += 1
    return np.sort(codes[:n_codes])


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
    """Count the values of rows first..last against the wanted values of their bins.

    Two numbers each: those that lie between it and the wanted one before, and those that equal it.
    """
    positions = np.empty((3, BLOCK), np.int32)
    for start in range(first, last, BLOCK):
        end = min(start + BLOCK, last)
        _locate(columns, grid, start, end, positions)
        for factor in range(3 if columns.ranks_density else 2):
            bits = _bits(columns, factor)
            for place in range(end - start):
                position = np.uint32(positions[factor, place])
                low, high = np.int64(starts[position]), np.int64(starts[position + 1])
                if low == high:
                    continue
                code = _code(position, _key(bits[start + place]))
                at = _find(wanted, low, high, code)
                if at < high:
                    tallies[2 * at + np.int64(wanted[at] == code)] += 1


@njit(cache=True, nogil=True, parallel=True)
def _tally_chunks(
    columns: Columns, grid: Grid, wanted: Counts, starts: Rows, tallies: Counts
) -> None:
    n_chunks, n_rows = len(tallies), len(columns.status)
    for chunk in prange(n_chunks):
        first, last = n_rows * chunk // n_chunks, n_rows * (chunk + 1) // n_chunks
        _tally(columns, grid, wanted, starts, first, last, tallies[chunk])


@njit(cache=True)
def _rank(columns: Columns, grid: Grid, before: Counts, rows: Rows, n_chunks: int) -> Ranks:
    """Rank the values of some rows exactly."""
    wanted = _wanted(columns, grid, rows)
    starts = np.zeros(grid.n_positions + 2, np.int32)
    for code in wanted:
        starts[(code >> 32) + 1] += 1
    for position in range(grid.n_positions + 1):
        starts[position + 1] += starts[position]
    below, equal = np.zeros(len(wanted), np.int64), np.zeros(len(wanted), np.int64)
    tallies = np.zeros((n_chunks, 2 * len(wanted)), np.int64)
    if len(wanted):
        _tally_chunks(columns, grid, wanted, starts, tallies)
    total = 0
    for place in range(len(wanted)):
        position = wanted[place] >> 32
        if starts[position] == place:
            total = before[position]
        for chunk in range(n_chunks):
            total += tallies[chunk, 2 * place]
            equal[place] += tallies[chunk, 2 * place + 1]
        below[place] = total
        total += equal[place]
    return Ranks(before, wanted, starts, below, equal)


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
    ranks = _rank(columns, grid, before, rows[:0], n_chunks)
    rows = _keep_contenders(columns, grid, ranks, rows)
    n_before = 2 * len(rows) + 1
    while len(rows) > FEW and 2 * len(rows) < n_before:
        n_before = len(rows)
        ranks = _rank(columns, grid, before, rows[:: len(rows) // FEW].copy(), n_chunks)
        rows = _keep_contenders(columns, grid, ranks, rows)
    if len(rows) > 1:
        ranks = _rank(columns, grid, before, rows, n_chunks)
    scores, _ = _bounds(columns, grid, ranks, rows)
    best = 0
    for place in range(1, len(rows)):
        tied = scores[place] == scores[best] and tie_key[rows[place]] < tie_key[rows[best]]
        if scores[place] > scores[best] or tied:
            best = place
    return np.int64(rows[best]), 0


@njit(cache=True, nogil=True)
def shares_and_scores(columns: Columns, rows: Rows, n_chunks: int) -> tuple[Shares, Shares, int]:
    """Return the shares of candidate rows, (n, 3), their scores, and what is wrong (0: nothing)."""
    grid = _sample_grid(columns)
    before, fault = _count_all(columns, grid, n_chunks)
    shares: Shares = np.zeros((len(rows), 3))
    scores: Shares = np.zeros(len(rows))
    if not fault:
        ranks = _rank(columns, grid, before, rows, n_chunks)
        scores, _ = _bounds(columns, grid, ranks, rows)
        for factor in range(3):
            shares[:, factor], _ = _shares(columns, grid, ranks, factor, rows)
    return shares, scores, fault
