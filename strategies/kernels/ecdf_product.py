"""The best row by a product of three tie-averaged ranks, without sorting anything.

Idea: ranks are needed exactly for the few rows only that can win. Floats are ordered like their bit
patterns, so a histogram of bit patterns bounds every rank from both sides; the bounds of the
product leave a few contenders; one more pass counts exactly what lies below each of their values.
Where the bins are too wide to tell contenders apart, because many values crowd into one, the
histogram is made again over the contenders' own range, down to one value a bin: ties are counted,
never sorted.

The bounds come from the same floating-point expression as the score, whose operations are monotone,
so that rounding cannot exclude the winner. Counts are integers and the last comparison is serial,
so that the result does not depend on the number of threads. Time O(n), memory O(bins) a thread, and
O(n) where everything ties. Inputs are already checked, apart from what comes back as a fault.
"""

from typing import NamedTuple

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

N_BINS = 4096
N_DENSITY_BINS = 16384  # over all groups together
N_SAMPLED = 256
MAX_ZOOMS = 2
INFINITY = 0x7F800000  # the bit pattern of inf; above it there is only NaN
NOT_A_NUMBER, NO_SUCH_GROUP = 1, 2
SLACK = 1e-5  # of a single-precision product against the exact bound


class Columns(NamedTuple):
    """What is known of each row; floats as their bit patterns, int32 arrays of shape (n,)."""

    status: NDArray[np.int8]
    uncertainty: NDArray[np.int32]
    cover: NDArray[np.int32]
    density: NDArray[np.int32]
    groups: NDArray[np.int32]  # or of shape (0,): one group


class Grid(NamedTuple):
    """Bins over keys, in one flat array: uncertainty, then cover, then density group by group.

    The first and the last bin of each factor also take what lies outside its window.
    """

    base_u: int
    base_c: int
    base_d: int
    shift_u: int
    shift_c: int
    shift_d: int
    n_bins: int
    n_density_bins: int


@njit(cache=True, inline="always")
def _key(bits: int) -> int:
    """Order floats by an integer; -0.0 and 0.0 are equal."""
    return np.int64(bits) if bits >= 0 else -0x80000000 - np.int64(bits)


@njit(cache=True, inline="always")
def _bin(bits: int, base: int, shift: int, n_bins: int) -> int:
    return min(max(_key(bits) - base, 0) >> shift, n_bins - 1)


@njit(cache=True, inline="always")
def _bin_u(columns: Columns, grid: Grid, row: int) -> int:
    return _bin(columns.uncertainty[row], grid.base_u, grid.shift_u, grid.n_bins)


@njit(cache=True, inline="always")
def _bin_c(columns: Columns, grid: Grid, row: int) -> int:
    return grid.n_bins + _bin(columns.cover[row], grid.base_c, grid.shift_c, grid.n_bins)


@njit(cache=True, inline="always")
def _bin_d(columns: Columns, grid: Grid, row: int, group: int) -> int:
    first = 2 * grid.n_bins + group * grid.n_density_bins
    return first + _bin(columns.density[row], grid.base_d, grid.shift_d, grid.n_density_bins)


@njit(cache=True, inline="always")
def _group(columns: Columns, row: int) -> int:
    return np.int64(columns.groups[row]) if columns.groups.shape[0] else np.int64(0)


@njit(cache=True, nogil=True)
def _count(
    columns: Columns, grid: Grid, n_groups: int, first: int, last: int, counts: NDArray[np.int32]
) -> int:
    """Count the candidates among rows first..last by bin; returns what is wrong with them."""
    fault = 0
    for row in range(first, last):
        if columns.status[row] != 0:
            continue
        group = _group(columns, row)
        largest = max(
            abs(_key(columns.uncertainty[row])),
            abs(_key(columns.cover[row])),
            abs(_key(columns.density[row])),
        )
        if largest > INFINITY:
            fault |= NOT_A_NUMBER
        if group < 0 or group >= n_groups:
            fault |= NO_SUCH_GROUP
            continue
        counts[_bin_u(columns, grid, row)] += 1
        counts[_bin_c(columns, grid, row)] += 1
        counts[_bin_d(columns, grid, row, group)] += 1
    return fault


@njit(cache=True, nogil=True, parallel=True)
def _count_all(
    columns: Columns, grid: Grid, n_groups: int, n_chunks: int
) -> tuple[NDArray[np.int64], int]:
    """Return how many candidates lie in the bins before each, and what is wrong with them."""
    n_rows = columns.status.shape[0]
    n_positions = 2 * grid.n_bins + n_groups * grid.n_density_bins
    counts = np.zeros((n_chunks, n_positions), np.int32)
    faults = np.zeros(n_chunks, np.int64)
    for chunk in prange(n_chunks):
        first, last = n_rows * chunk // n_chunks, n_rows * (chunk + 1) // n_chunks
        faults[chunk] = _count(columns, grid, n_groups, first, last, counts[chunk])
    before = np.empty(n_positions + 1, np.int64)
    total = 0
    for position in range(n_positions):
        before[position] = total
        for chunk in range(n_chunks):
            total += counts[chunk, position]
    before[n_positions] = total
    fault = 0
    for chunk in range(n_chunks):
        fault |= faults[chunk]
    return before, fault


@njit(cache=True)
def _shares(
    before: NDArray[np.int64], position: int, first: int, last: int, shift: int
) -> tuple[float, float]:
    """Bound the share of a value in one bin, among the values of bins first..last."""
    size = before[last] - before[first]
    below = before[position] - before[first]
    up_to = before[position + 1] - before[first]
    if shift == 0 and first < position < last - 1:
        tied = (below + up_to + 1) * 0.5 / size
        return tied, tied
    return (below + 1.0) / size, np.float64(up_to) / size


@njit(cache=True)
def _bounds(
    columns: Columns, grid: Grid, before: NDArray[np.int64], divisors: NDArray[np.float64], row: int
) -> tuple[float, float]:
    """Bound the score of a row from both sides."""
    group = _group(columns, row)
    n_bins, cover_end = grid.n_bins, 2 * grid.n_bins
    start = cover_end + group * grid.n_density_bins
    end = start + grid.n_density_bins
    low_u, high_u = _shares(before, _bin_u(columns, grid, row), 0, n_bins, grid.shift_u)
    low_c, high_c = _shares(before, _bin_c(columns, grid, row), n_bins, cover_end, grid.shift_c)
    low_d, high_d = _shares(before, _bin_d(columns, grid, row, group), start, end, grid.shift_d)
    divisor = divisors[group]
    return low_u * low_d * low_c / divisor, high_u * high_d * high_c / divisor


@njit(cache=True)
def _upper_shares(before: NDArray[np.int64], grid: Grid, n_groups: int) -> NDArray[np.float32]:
    """Bound the share of the values of every bin from above, in single precision."""
    upper = np.empty(len(before) - 1, np.float32)
    first = 0
    for segment in range(2 + n_groups):
        last = first + (grid.n_bins if segment < 2 else grid.n_density_bins)
        scale = 1.0 / max(before[last] - before[first], 1)
        for position in range(first, last):
            upper[position] = (before[position + 1] - before[first]) * scale
        first = last
    return upper


@njit(cache=True, nogil=True)
def _collect(
    columns: Columns,
    grid: Grid,
    before: NDArray[np.int64],
    upper: NDArray[np.float32],
    divisors: NDArray[np.float64],
    first: int,
    last: int,
    found: NDArray[np.int32],
) -> int:
    """Write those of rows first..last to `found` that may win; returns how many."""
    inverses = (1.0 / divisors).astype(np.float32)
    n_found = 0
    floor = 0.0
    quick_floor = np.float32(0.0)
    for row in range(first, last):
        if columns.status[row] != 0:
            continue
        group = _group(columns, row)
        two = upper[_bin_u(columns, grid, row)] * upper[_bin_c(columns, grid, row)]
        two *= inverses[group]
        if two < quick_floor or two * upper[_bin_d(columns, grid, row, group)] < quick_floor:
            continue
        low, high = _bounds(columns, grid, before, divisors, row)
        if high < floor:
            continue
        if low > floor:
            floor = low
            quick_floor = np.float32(floor * (1.0 - SLACK))
        found[n_found] = row
        n_found += 1
    return n_found


@njit(cache=True, nogil=True, parallel=True)
def _collect_all(
    columns: Columns,
    grid: Grid,
    before: NDArray[np.int64],
    divisors: NDArray[np.float64],
    n_chunks: int,
) -> NDArray[np.int32]:
    """Return the rows that may win."""
    n_rows = columns.status.shape[0]
    upper = _upper_shares(before, grid, len(divisors))
    found = np.empty(n_rows, np.int32)
    n_found = np.zeros(n_chunks, np.int64)
    for chunk in prange(n_chunks):
        first, last = n_rows * chunk // n_chunks, n_rows * (chunk + 1) // n_chunks
        n_found[chunk] = _collect(
            columns, grid, before, upper, divisors, first, last, found[first:last]
        )
    rows = np.empty(n_found.sum(), np.int32)
    start = 0
    for chunk in range(n_chunks):
        first = n_rows * chunk // n_chunks
        rows[start : start + n_found[chunk]] = found[first : first + n_found[chunk]]
        start += n_found[chunk]
    return rows


@njit(cache=True)
def _keep_contenders(
    columns: Columns,
    grid: Grid,
    before: NDArray[np.int64],
    divisors: NDArray[np.float64],
    rows: NDArray[np.int32],
) -> NDArray[np.int32]:
    """Return those rows whose upper bound reaches the best lower bound."""
    highest = np.empty(len(rows))
    floor = 0.0
    for place in range(len(rows)):
        low, highest[place] = _bounds(columns, grid, before, divisors, rows[place])
        floor = max(floor, low)
    return rows[highest >= floor]


@njit(cache=True)
def _window(low: int, high: int, n_bins: int) -> tuple[int, int]:
    """Return base and shift of the finest bins that hold keys low..high apart from the end bins."""
    shift = 0
    while (high - low) >> shift > max(n_bins - 3, 0):
        shift += 1
    return low - (1 << shift), shift


@njit(cache=True)
def _first_grid(columns: Columns, n_groups: int) -> Grid:
    """Place the windows by a sample of rows; a bad one costs time, never the right answer."""
    n_rows = columns.status.shape[0]
    keys = np.empty((3, N_SAMPLED + 1), np.int64)
    n_keys = 0
    for row in range(0, n_rows, max(1, -(-n_rows // N_SAMPLED))):
        if columns.status[row] == 0:
            keys[0, n_keys] = _key(columns.uncertainty[row])
            keys[1, n_keys] = _key(columns.cover[row])
            keys[2, n_keys] = _key(columns.density[row])
            n_keys += 1
    n_bins = min(max(n_rows // 8, 16), N_BINS)
    n_density_bins = max(min(n_rows, N_DENSITY_BINS) // n_groups, 4)
    if n_keys == 0:
        keys[:, 0] = 0
        keys[:, 1] = INFINITY
        n_keys = 2
    for factor in range(3):
        keys[factor, :n_keys].sort()
    # the lowest quarter of uncertainty and cover hardly ever wins: it need not be told apart
    base_u, shift_u = _window(keys[0, n_keys // 4], keys[0, n_keys - 1], n_bins)
    base_c, shift_c = _window(keys[1, n_keys // 4], keys[1, n_keys - 1], n_bins)
    base_d, shift_d = _window(keys[2, 0], keys[2, n_keys - 1], n_density_bins)
    return Grid(base_u, base_c, base_d, shift_u, shift_c, shift_d, n_bins, n_density_bins)


@njit(cache=True)
def _zoom(columns: Columns, grid: Grid, rows: NDArray[np.int32]) -> Grid:
    """Close the windows in on the contenders, where that makes the bins finer."""
    lows = np.full(3, np.int64(2**62))
    highs = np.full(3, np.int64(-(2**62)))
    for row in rows:
        u, c, d = columns.uncertainty[row], columns.cover[row], columns.density[row]
        for factor, bits in enumerate((u, c, d)):
            lows[factor] = min(lows[factor], _key(bits))
            highs[factor] = max(highs[factor], _key(bits))
    base_u, shift_u = _window(lows[0], highs[0], grid.n_bins)
    base_c, shift_c = _window(lows[1], highs[1], grid.n_bins)
    base_d, shift_d = _window(lows[2], highs[2], grid.n_density_bins)
    if shift_u >= grid.shift_u:
        base_u, shift_u = grid.base_u, grid.shift_u
    if shift_c >= grid.shift_c:
        base_c, shift_c = grid.base_c, grid.shift_c
    if shift_d >= grid.shift_d:
        base_d, shift_d = grid.base_d, grid.shift_d
    return Grid(base_u, base_c, base_d, shift_u, shift_c, shift_d, grid.n_bins, grid.n_density_bins)


@njit(cache=True, inline="always")
def _code(position: int, bits: int) -> int:
    """Bin and key in one integer, ordered by bin, then key."""
    return (np.int64(position) << 33) + _key(bits) + 0x80000000


@njit(cache=True)
def _wanted(columns: Columns, grid: Grid, rows: NDArray[np.int32]) -> NDArray[np.int64]:
    """Return the codes of all values of the contenders, each once, ascending."""
    codes = np.empty(3 * len(rows), np.int64)
    for place in range(len(rows)):
        row = rows[place]
        group = _group(columns, row)
        codes[3 * place] = _code(_bin_u(columns, grid, row), columns.uncertainty[row])
        codes[3 * place + 1] = _code(_bin_c(columns, grid, row), columns.cover[row])
        codes[3 * place + 2] = _code(_bin_d(columns, grid, row, group), columns.density[row])
    return np.unique(codes)


@njit(cache=True)
def _tally_one(
    code: int,
    wanted: NDArray[np.int64],
    starts: NDArray[np.int32],
    tallies: NDArray[np.int64],
) -> None:
    """Count a value as equal to a wanted one of its bin, or else as below the next."""
    position = code >> 33
    low, high = np.int64(starts[position]), np.int64(starts[position + 1])
    end = high
    while low < high:
        middle = (low + high) >> 1
        if wanted[middle] < code:
            low = middle + 1
        else:
            high = middle
    if low < end:
        tallies[2 * low + np.int64(wanted[low] == code)] += 1


@njit(cache=True, nogil=True)
def _tally(
    columns: Columns,
    grid: Grid,
    first: int,
    last: int,
    wanted: NDArray[np.int64],
    starts: NDArray[np.int32],
    marks: NDArray[np.bool_],
    tallies: NDArray[np.int64],
) -> None:
    """Count the values of rows first..last in marked bins against the wanted ones."""
    for row in range(first, last):
        if columns.status[row] != 0:
            continue
        position = _bin_u(columns, grid, row)
        if marks[position]:
            _tally_one(_code(position, columns.uncertainty[row]), wanted, starts, tallies)
        position = _bin_c(columns, grid, row)
        if marks[position]:
            _tally_one(_code(position, columns.cover[row]), wanted, starts, tallies)
        position = _bin_d(columns, grid, row, _group(columns, row))
        if marks[position]:
            _tally_one(_code(position, columns.density[row]), wanted, starts, tallies)


@njit(cache=True, nogil=True, parallel=True)
def _tally_all(
    columns: Columns, grid: Grid, n_positions: int, wanted: NDArray[np.int64], n_chunks: int
) -> NDArray[np.int64]:
    """Return of each wanted value how many of its bin lie between the one before it and it, and
    how many are equal to it.
    """
    n_rows = columns.status.shape[0]
    starts = np.zeros(n_positions + 1, np.int32)
    for code in wanted:
        starts[(code >> 33) + 1] += 1
    marks = starts[1:] > 0
    for position in range(n_positions):
        starts[position + 1] += starts[position]
    tallies = np.zeros((n_chunks, 2 * len(wanted)), np.int64)
    for chunk in prange(n_chunks):
        first, last = n_rows * chunk // n_chunks, n_rows * (chunk + 1) // n_chunks
        _tally(columns, grid, first, last, wanted, starts, marks, tallies[chunk])
    return tallies.sum(axis=0)


@njit(cache=True)
def _exact_shares(
    grid: Grid, before: NDArray[np.int64], wanted: NDArray[np.int64], tallies: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return the tie-averaged share of each wanted value."""
    shares = np.empty(len(wanted))
    below = 0
    last_position = -1
    for place in range(len(wanted)):
        position = wanted[place] >> 33
        if position < 2 * grid.n_bins:
            first = position // grid.n_bins * grid.n_bins
            end = first + grid.n_bins
        else:
            group = (position - 2 * grid.n_bins) // grid.n_density_bins
            first = 2 * grid.n_bins + group * grid.n_density_bins
            end = first + grid.n_density_bins
        if position != last_position:
            below = before[position] - before[first]
            last_position = position
        below += tallies[2 * place]
        n_equal = tallies[2 * place + 1]
        shares[place] = (below + (n_equal + 1) * 0.5) / (before[end] - before[first])
        below += n_equal
    return shares


@njit(cache=True)
def _best_of(
    columns: Columns,
    grid: Grid,
    wanted: NDArray[np.int64],
    shares: NDArray[np.float64],
    divisors: NDArray[np.float64],
    tie_key: NDArray[np.uint64],
    rows: NDArray[np.int32],
) -> tuple[int, float]:
    """Return the contender with the highest score, the lowest tie_key among equals."""
    best, best_score = np.int64(-1), -1.0
    for place in range(len(rows)):
        row = np.int64(rows[place])
        group = _group(columns, row)
        u = _code(_bin_u(columns, grid, row), columns.uncertainty[row])
        c = _code(_bin_c(columns, grid, row), columns.cover[row])
        d = _code(_bin_d(columns, grid, row, group), columns.density[row])
        score = (
            shares[np.searchsorted(wanted, u)]
            * shares[np.searchsorted(wanted, d)]
            * shares[np.searchsorted(wanted, c)]
            / divisors[group]
        )
        if score > best_score or (score == best_score and tie_key[row] < tie_key[best]):
            best, best_score = row, score
    return best, best_score


@njit(cache=True, nogil=True)
def best_row(
    columns: Columns, divisors: NDArray[np.float64], tie_key: NDArray[np.uint64], n_chunks: int
) -> tuple[int, float, int]:
    """Return the best row, its score, and what is wrong with the columns (0: nothing)."""
    n_groups = len(divisors)
    few = 64 + columns.status.shape[0] // 512
    grid = _first_grid(columns, n_groups)
    before, fault = _count_all(columns, grid, n_groups, n_chunks)
    if fault:
        return -1, 0.0, fault
    rows = _collect_all(columns, grid, before, divisors, n_chunks)
    rows = _keep_contenders(columns, grid, before, divisors, rows)
    for _ in range(MAX_ZOOMS):
        closer = _zoom(columns, grid, rows)
        if len(rows) <= few or closer == grid:
            break
        grid = closer
        before, fault = _count_all(columns, grid, n_groups, n_chunks)
        rows = _keep_contenders(columns, grid, before, divisors, rows)
    wanted = _wanted(columns, grid, rows)
    tallies = _tally_all(columns, grid, len(before) - 1, wanted, n_chunks)
    shares = _exact_shares(grid, before, wanted, tallies)
    row, score = _best_of(columns, grid, wanted, shares, divisors, tie_key, rows)
    return row, score, 0
