"""The graph of the pool: who is near whom, in both directions."""

from typing import NamedTuple

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

from al_server.campaign.classifier import LabelBook
from al_server.campaign.nearest import NearestLists
from strategies.kernels.threads import threads_for

N_LINKS = 10
"""Nearest neighbours of a sample that it is linked to."""
_CHUNK = 1024
_FINE = np.float64(2**32)


class Graph(NamedTuple):
    """Links of every row: its nearest neighbours, and those that it is one of.

    Row i has the links `starts[i]:starts[i + 1]`. A pair that is near in both directions is one
    link in `spread` and counts twice in `mass`.

    Attributes
    ----------
    starts : int64 array of shape (n_samples + 1,)
    rows : int32 array of shape (n_links,), the other end
    mass : float32 array of shape (n_links,), exp(-distance / width), scaled so that a direction
        weighs 1 / (2 * N_LINKS) in the mean
    spread : float32 array of shape (n_links,), exp(-distance / width) divided by the square roots
        of its sums over the links of both ends
    """

    starts: NDArray[np.int64]
    rows: NDArray[np.int32]
    mass: NDArray[np.float32]
    spread: NDArray[np.float32]


def make_graph(lists: NearestLists, keys: NDArray[np.uint64], *, width: float) -> Graph:
    """Link every row of the pool.

    Parameters
    ----------
    lists : the nearest neighbours of each row; the first `N_LINKS` count
    keys : uint64 array of shape (n_samples,), tie keys: they order the links, and with them the
        sums over links, so that these do not depend on the order of the rows
    width : cosine distance at which a link weighs exp(-1)
    """
    near = np.ascontiguousarray(lists.rows[:, :N_LINKS])
    distances = np.ascontiguousarray(lists.distances[:, :N_LINKS])
    starts = np.zeros(len(near) + 1, np.int64)
    order = np.argsort(keys, kind="stable")
    _count_links(near, starts)
    rows = np.empty(starts[-1], np.int32)
    weights, directions = np.empty(starts[-1], np.float32), np.empty(starts[-1], np.float32)
    _fill_links(near, distances, width, order, starts, rows, weights, directions)
    spread = np.empty_like(weights)
    with threads_for(len(weights)):
        _normalize(starts, rows, weights, spread)
    # in whole numbers, so that it does not depend on the order of the rows
    total = float(np.rint(weights * directions * _FINE).astype(np.int64).sum()) / _FINE
    n_directed = max(1, int((near >= 0).sum()))
    # each direction of a pair counts at both of its ends
    scale = n_directed / (N_LINKS * total) if total > 0 else 0.0
    return Graph(starts, rows, (weights * directions * scale).astype(np.float32), spread)


class PoolGraph:
    """The graph of a pool that may grow; made when it is first wanted.

    Parameters
    ----------
    lists : the nearest neighbours of each row of the pool
    book : has the tie keys of the pool
    width : cosine distance at which a link weighs exp(-1)
    """

    def __init__(self, lists: NearestLists, book: LabelBook, *, width: float) -> None:
        self.width = width
        self._lists = lists
        self._book = book
        self._made: Graph | None = None

    def now(self) -> Graph:
        """Return the graph of the pool as it is."""
        if self._made is None:
            self._made = make_graph(self._lists, self._book.keys, width=self.width)
        return self._made

    def outgrow(self) -> None:
        """Take in that lists and book have grown."""
        self._made = None


def mass_of(uncertainty: NDArray[np.float32], graph: Graph) -> NDArray[np.float32]:
    """Return the uncertainty of every row and, weighted, of what it is linked to.

    Source: this project. Time O(n_links), at memory speed.
    """
    result = np.empty_like(uncertainty)
    with threads_for(len(graph.rows)):
        _gather(graph.starts, graph.rows, graph.mass, uncertainty, result)
    return result


@njit(cache=True, nogil=True)
def _is_near(near: NDArray[np.int32], row: int, other: int) -> bool:
    for place in range(near.shape[1]):
        if near[row, place] == other:
            return True
    return False


@njit(cache=True, nogil=True)
def _count_links(near: NDArray[np.int32], starts: NDArray[np.int64]) -> None:
    for row in range(len(near)):
        for place in range(near.shape[1]):
            other = near[row, place]
            if other < 0:
                continue
            starts[row + 1] += 1
            if not _is_near(near, other, row):
                starts[other + 1] += 1
    for row in range(len(near)):
        starts[row + 1] += starts[row]


@njit(cache=True, nogil=True)
def _fill_links(
    near: NDArray[np.int32],
    distances: NDArray[np.float32],
    width: float,
    order: NDArray[np.int64],
    starts: NDArray[np.int64],
    rows: NDArray[np.int32],
    weights: NDArray[np.float32],
    directions: NDArray[np.float32],
) -> None:
    """Write a row's own neighbours, nearest first, then those it is one of, by their keys."""
    heads = starts[:-1].copy()
    for row in range(len(near)):
        for place in range(near.shape[1]):
            other = near[row, place]
            if other >= 0:
                head = heads[row]
                rows[head] = other
                weights[head] = np.exp(-distances[row, place] / width)
                directions[head] = 2.0 if _is_near(near, other, row) else 1.0
                heads[row] += 1
    for row in order:
        for place in range(near.shape[1]):
            other = near[row, place]
            if other >= 0 and not _is_near(near, other, row):
                head = heads[other]
                rows[head] = row
                weights[head] = np.exp(-distances[row, place] / width)
                directions[head] = 1.0
                heads[other] += 1


@njit(cache=True, parallel=True, nogil=True)
def _normalize(
    starts: NDArray[np.int64],
    rows: NDArray[np.int32],
    weights: NDArray[np.float32],
    spread: NDArray[np.float32],
) -> None:
    n = len(starts) - 1
    degrees = np.zeros(n)
    for row in prange(n):
        total = 0.0
        for link in range(starts[row], starts[row + 1]):
            total += weights[link]
        degrees[row] = total
    for row in prange(n):
        for link in range(starts[row], starts[row + 1]):
            both = degrees[row] * degrees[rows[link]]
            spread[link] = weights[link] / np.sqrt(both) if both > 0 else np.float32(0)


@njit(cache=True, parallel=True, nogil=True)
def _gather(
    starts: NDArray[np.int64],
    rows: NDArray[np.int32],
    weights: NDArray[np.float32],
    values: NDArray[np.float32],
    out: NDArray[np.float32],
) -> None:
    n = len(values)
    for chunk in prange((n + _CHUNK - 1) // _CHUNK):
        for row in range(chunk * _CHUNK, min(n, (chunk + 1) * _CHUNK)):
            total = values[row]
            for link in range(starts[row], starts[row + 1]):
                total += weights[link] * values[rows[link]]
            out[row] = total
