"""Balls around vectors: how many uncovered vectors each holds, while they are covered one by one.

The graph of who lies in whose ball has up to n^2 edges. It is kept where it is sparse; where it is
dense, balls are measured again when they are needed. Either way each vector is covered only once,
so that covering everything costs no more than measuring every pair once more.
"""

from typing import Final, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from strategies.kernels import cover as kernel
from strategies.kernels.products import Block, Packed, Vectors, blocks, pack, product
from strategies.kernels.threads import threads_for

Counts = NDArray[np.int32]
Flags = NDArray[np.bool_]
Rows = NDArray[np.int64]

MAX_PAIRS: Final = 2**26  # that are kept: 0.8 GB while they are sorted, 0.5 GB afterwards


class Balls(Protocol):
    """The balls of all vectors, some of which are covered.

    Attributes
    ----------
    covered : bool array of shape (n,)
    degrees : int32 array of shape (n,), how many uncovered vectors each ball holds, its own middle
        included
    """

    covered: Flags
    degrees: Counts

    def cover(self, pick: int) -> int:
        """Cover what lies in the ball of a pick; returns how many vectors that is."""
        ...


def make_balls(
    vectors: Vectors, n_uncovered: int, radius: float | np.float32, *, max_pairs: int = MAX_PAIRS
) -> Balls:
    """Count what lies in every ball, and keep the pairs if they are not too many.

    Parameters
    ----------
    vectors : float32 array of shape (n, n_features), unit-length rows, the uncovered ones first
    n_uncovered : how many are uncovered
    radius : of the balls, which hold what is closer, by cosine distance
    max_pairs : how many pairs may be kept

    Notes
    -----
    Time O(n n_uncovered d), memory O(n d + max_pairs).
    """
    packed, least = pack(vectors), kernel.least_inside(np.float32(radius))
    degrees = np.zeros(len(vectors), np.int32)
    degrees[:n_uncovered] = 1
    pairs: list[_Pairs] | None = []
    n_pairs = 0
    for block in blocks(vectors[:n_uncovered], packed, above_diagonal=True):
        counts = _count(block, n_uncovered, least, degrees)
        n_found = int(counts.sum(dtype=np.int64))
        n_pairs += n_found
        if n_pairs > max_pairs:
            pairs = None
        if pairs is not None and n_found:
            pairs.append(_collect(block, least, counts))
    covered = np.arange(len(vectors)) >= n_uncovered
    if pairs is None:
        return _DenseBalls(vectors, packed, least, covered, degrees)
    return _SparseBalls(pairs, covered, degrees)


class _Pairs(NamedTuple):
    """Who lies in whose ball, of one block; a pair stands in one of its rows only."""

    first_row: int
    counts: Counts
    columns: NDArray[np.int32]


class _SparseBalls:
    """All balls are known."""

    def __init__(self, pairs: list[_Pairs], covered: Flags, degrees: Counts) -> None:
        self.covered, self.degrees = covered, degrees
        lengths = np.zeros(len(covered), np.int64)
        for block in pairs:
            kernel.count_links(*block, lengths)
        self._starts = np.concatenate([[0], lengths.cumsum()])
        self._neighbors = np.empty(self._starts[-1], np.int32)
        places = self._starts[:-1].copy()
        while pairs:  # so that they go while the neighbours come
            kernel.link(*pairs.pop(), places, self._neighbors)

    def cover(self, pick: int) -> int:
        """See `Balls`."""
        return int(kernel.cover(pick, self._starts, self._neighbors, self.covered, self.degrees))


class _DenseBalls:
    """No ball is kept."""

    def __init__(
        self,
        vectors: Vectors,
        packed: Packed,
        least: np.float32,
        covered: Flags,
        degrees: Counts,
    ) -> None:
        self.covered, self.degrees = covered, degrees
        self._vectors, self._packed, self._least = vectors, packed, least

    def cover(self, pick: int) -> int:
        """See `Balls`."""
        inside = product(self._vectors[pick], self._packed) >= self._least
        inside[pick] = True
        new = np.flatnonzero(inside & ~self.covered)
        self.covered[new] = True
        left = np.flatnonzero(~self.covered)
        if len(new) <= len(left):
            self.degrees -= self._held(new)
        else:
            self.degrees[:] = self._held(left)
        return len(new)

    def _held(self, positions: Rows) -> Counts:
        """Count how many of some vectors each ball holds."""
        counts = np.zeros(len(self.degrees), np.int32)
        counts[positions] = 1
        for block in blocks(self._vectors[positions], self._packed):
            rows = positions[block.first_row : block.first_row + len(block.values)]
            own = rows - block.first_column
            here = (own >= 0) & (own < block.n_columns)
            # its own distance is 0 apart from rounding: not left to that
            block.values[here, own[here]] = np.nan
            columns = counts[block.first_column :][: block.n_columns]
            _inside(block.values, kernel.EVERYTHING, self._least, columns)
        return counts


def _count(block: Block, n_uncovered: int, least: np.float32, degrees: Counts) -> Counts:
    """Add the pairs of a block to the degrees; returns how many each row has."""
    diagonal = block.first_row - block.first_column
    columns = degrees[block.first_column :][: block.n_columns]
    # rows are uncovered, columns may be covered, and those count for nobody
    n_counting = min(max(0, n_uncovered - block.first_column), block.n_columns)
    by_row = _inside(block.values, diagonal, least, columns[:n_counting])
    degrees[block.first_row :][: len(by_row)] += by_row
    if n_counting < block.n_columns:
        others = np.ascontiguousarray(block.values[:, n_counting : block.n_columns])
        by_row = by_row + _inside(others, diagonal - n_counting, least, columns[n_counting:])
    return by_row


def _inside(values: Vectors, diagonal: int, least: np.float32, by_column: Counts) -> Counts:
    """Return how many columns the ball of each row holds, and add the converse to the columns."""
    by_row = np.empty((kernel.n_segments(len(by_column)), len(values)), np.int32)
    with threads_for(values.size):
        kernel.count(values, diagonal, least, by_row, by_column)
    counts: Counts = by_row.sum(axis=0, dtype=np.int32)
    return counts


def _collect(block: Block, least: np.float32, counts: Counts) -> _Pairs:
    ends = counts.cumsum(dtype=np.int64)
    found = np.empty(ends[-1], np.int32)
    diagonal = block.first_row - block.first_column
    with threads_for(block.values.size):
        kernel.collect(
            block.values, block.n_columns, diagonal, least, ends, block.first_column, found
        )
    return _Pairs(block.first_row, counts, found)
