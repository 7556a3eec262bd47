"""Nearest lists: for every row of a matrix, its nearest among a set of samples that changes."""

import numpy as np
from numpy.typing import NDArray

from al_server.campaign import kernels
from strategies.kernels.distances import cosine_distances
from strategies.kernels.threads import threads_for

_BLOCK_BYTES = 32 * 2**20  # distances held at once while lists are filled


class NearestLists:
    """The nearest samples of each row, kept true while samples come and go.

    A few more than the `n_watched` that are wanted are kept, so that taking one sample away rarely
    needs a new query. What is watched is the same whichever way the set of samples was reached.

    Parameters
    ----------
    n_lists : int
    n_watched : int
        Entries of each list that must be true at all times.
    n_spare : int
        Entries kept beyond them.

    Attributes
    ----------
    rows : int32 array of shape (n_lists, n_watched + n_spare), -1 beyond `count`
    distances : float32 array of the same shape, nearest first, inf beyond `count`
    count : int16 array of shape (n_lists,)
    """

    def __init__(self, n_lists: int, *, n_watched: int, n_spare: int = 4) -> None:
        self.n_watched = n_watched
        self._capacity = n_watched + n_spare
        self.rows: NDArray[np.int32] = np.empty((0, self._capacity), dtype=np.int32)
        self.distances: NDArray[np.float32] = np.empty((0, self._capacity), dtype=np.float32)
        self.count: NDArray[np.int16] = np.empty(0, dtype=np.int16)
        self._reach: NDArray[np.float32] = np.empty(0, dtype=np.float32)
        self._flags: NDArray[np.bool_] = np.empty(0, dtype=np.bool_)
        self.grow(n_lists)

    def grow(self, n_lists: int) -> None:
        """Append empty lists up to `n_lists`; fill them before the next insert."""
        n_new = n_lists - len(self.count)
        shape = (n_new, self._capacity)
        self.rows = np.concatenate([self.rows, np.full(shape, -1, dtype=np.int32)])
        self.distances = np.concatenate([self.distances, np.full(shape, np.inf, dtype=np.float32)])
        self.count = np.concatenate([self.count, np.zeros(n_new, dtype=np.int16)])
        self._reach = np.concatenate([self._reach, np.full(n_new, np.inf, dtype=np.float32)])
        self._flags = np.zeros(n_lists, dtype=np.bool_)

    def adopt(self, rows: NDArray[np.int32], distances: NDArray[np.float32]) -> None:
        """Take lists that were built elsewhere; -1 and inf stand where an entry is missing."""
        self.rows, self.distances = rows, distances
        self.count = (rows >= 0).sum(axis=1, dtype=np.int16)
        full = self.count == self._capacity
        self._reach = np.where(full, distances[:, -1], np.float32(np.inf))
        self._flags = np.zeros(len(rows), dtype=np.bool_)

    def insert(
        self,
        row: int,
        column: NDArray[np.float32],
        keys: NDArray[np.uint64],
        *,
        own_position: int = -1,
    ) -> NDArray[np.int64]:
        """Add sample `row`, `column[i]` away from row i; return the lists that changed.

        `own_position` is the list that must not hold it, -1 for none.
        """
        lists = (self.rows, self.distances, self.count, self._reach)
        with threads_for(len(self.count)):
            kernels.insert_into_lists(
                *lists, column, row, own_position, keys, self.n_watched, self._flags
            )
        return np.flatnonzero(self._flags)

    def holders(self, row: int, *, watched: bool = True) -> NDArray[np.int64]:
        """Return the lists that hold sample `row`, among what is watched or at all."""
        n_looked_at = self.n_watched if watched else self._capacity
        with threads_for(self.rows.size):
            kernels.find_in_lists(self.rows, self.count, row, n_looked_at, self._flags)
        return np.flatnonzero(self._flags)

    def remove(self, row: int, *, n_left: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Take sample `row` away, `n_left` samples stay.

        Returns
        -------
        changed : the lists whose watched entries changed
        starved : those of them that ran short and must be filled anew
        """
        changed = self.holders(row)
        holders = self.holders(row, watched=False)
        kernels.drop_from_lists(
            self.rows, self.distances, self.count, self._reach, holders, row, n_left
        )
        starved = changed[self.count[changed] < min(self.n_watched, n_left)]
        return changed, starved

    def fill(
        self,
        positions: NDArray[np.int64],
        embeddings: NDArray[np.float32],
        sources: NDArray[np.int64],
        source_embeddings: NDArray[np.float32],
        keys: NDArray[np.uint64],
        *,
        leave_out_self: bool = False,
    ) -> None:
        """Build the lists at `positions` from scratch.

        Parameters
        ----------
        positions : rows of `embeddings`, and places of their lists
        sources : the samples to choose from, shape (n_sources,)
        source_embeddings : float32 array that `sources` are rows of
        keys : tie keys that `sources` are rows of
        leave_out_self : no sample is its own neighbour
        """
        n_positions = max(1, min(len(positions), 4096))
        n_sources = max(1, _BLOCK_BYTES // (4 * n_positions))
        for start in range(0, len(positions), n_positions):
            block = positions[start : start + n_positions]
            own = block if leave_out_self else np.full(len(block), -1, dtype=np.int64)
            for first in range(0, max(1, len(sources)), n_sources):
                some = sources[first : first + n_sources]
                columns = cosine_distances(embeddings, source_embeddings[some], rows=block)
                lists = (self.rows, self.distances, self.count, self._reach)
                with threads_for(columns.size):
                    kernels.fill_lists(*lists, block, own, some, columns, keys, first > 0)
