# mypy: disallow-untyped-decorators=False
"""Average linkage by sums, over a graph or over all pairs.

The average of half the squared distance between the members of two clusters is
(q_a n_b + q_b n_a - s_a s_b) / (n_a n_b), with s the sum of the members, q the sum of half their
squared lengths and n their number: no matrix of distances is needed, and a merge adds two rows. A
cluster is named by its lowest row. Inputs are already checked.

Every cluster knows the best partner among the clusters of higher rows; a tournament over these
heights holds the next merge. Where the best partner has gone, its height stays as a lower bound
(a merge compares each pair it changes with the bounds of both), and the cluster looks for another
partner when the bound has become the lowest of all.
"""

from typing import NamedTuple

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

from strategies.kernels.fastmath import REASSOCIATE

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
Ints = NDArray[np.int32]
Rows = NDArray[np.int64]

NOBODY = -1


class Clusters(NamedTuple):
    """The clusters of the moment; entries of rows that name no cluster mean nothing.

    Attributes
    ----------
    sums : float64 array of shape (n, n_features), of the members
    halves : float64 array of shape (n,), sum of half their squared lengths
    sizes : float64 array of shape (n,)
    parents : int32 array of shape (n,), a row of the same cluster, lower or the same
    partners : int32 array of shape (n,), the nearest cluster of a higher row; NOBODY: `heights`
        holds a lower bound
    heights : float64 array of shape (2 * width,), a tournament: that of row r stands at width + r,
        each place before holds the lower of the two that it leads to
    """

    sums: Doubles
    halves: Doubles
    sizes: Doubles
    parents: Ints
    partners: Ints
    heights: Doubles


class Graph(NamedTuple):
    """Neighbors of clusters: a chain of places, each with a list.

    Attributes
    ----------
    links : int32 array, one list after the other; what has merged is found by `Clusters.parents`
    starts : int64 array of shape (n,), where the list of a row begins
    counts : int32 array of shape (n,), how long it is
    nexts : int32 array of shape (n,), the row whose list continues this one, or NOBODY
    lasts : int32 array of shape (n,), the end of the chain that begins with a cluster's row
    seen : int32 array of shape (n,), the last look at which a cluster was met
    """

    links: Ints
    starts: Rows
    counts: Ints
    nexts: Ints
    lasts: Ints
    seen: Ints


@njit(cache=True, fastmath=REASSOCIATE)
def _dot(left: Doubles, right: Doubles) -> float:
    total = 0.0
    for feature in range(left.shape[0]):
        total += left[feature] * right[feature]
    return total


@njit(cache=True, parallel=True, nogil=True)
def halve_squares(vectors: Doubles, out: Doubles) -> None:
    """Half the squared length of each vector."""
    for row in prange(len(out)):
        out[row] = _dot(vectors[row], vectors[row]) / 2


@njit(cache=True)
def height_between(clusters: Clusters, one: int, other: int) -> float:
    """Half the mean squared distance between the members of two clusters."""
    sizes, halves = clusters.sizes, clusters.halves
    product = _dot(clusters.sums[one], clusters.sums[other])
    # rounded by one division: equal means of exact sums are equal
    total = halves[one] * sizes[other] + halves[other] * sizes[one] - product
    height: float = total / (sizes[one] * sizes[other])
    return height


@njit(cache=True)
def _find(parents: Ints, row: int) -> int:
    while parents[row] != row:
        parents[row] = parents[parents[row]]
        row = parents[row]
    return row


@njit(cache=True)
def _set_height(heights: Doubles, row: int, height: float) -> None:
    place = len(heights) // 2 + row
    heights[place] = height
    while place > 1:
        place //= 2
        lower = min(heights[2 * place], heights[2 * place + 1])
        if heights[place] == lower:
            return
        heights[place] = lower


@njit(cache=True)
def _lowest(heights: Doubles) -> int:
    """Return the row with the lowest height, of equal ones the lowest."""
    place = 1
    while place < len(heights) // 2:
        place *= 2
        if heights[place + 1] < heights[place]:
            place += 1
    return place - len(heights) // 2


@njit(cache=True)
def _offer(clusters: Clusters, row: int, merged: int, gone: int, height: float) -> None:
    """Tell the cluster `row` how far the cluster `merged`, of a higher row, is from now on."""
    partner, bound = clusters.partners[row], clusters.heights[len(clusters.heights) // 2 + row]
    if height < bound:
        clusters.partners[row] = merged
        _set_height(clusters.heights, row, height)
    elif height == bound and partner != NOBODY:
        clusters.partners[row] = min(partner, merged)
    elif partner == merged or partner == gone:
        clusters.partners[row] = NOBODY


@njit(cache=True)
def _join(clusters: Clusters, kept: int, gone: int) -> None:
    """Put the members of two clusters together."""
    for feature in range(clusters.sums.shape[1]):
        clusters.sums[kept, feature] += clusters.sums[gone, feature]
    clusters.halves[kept] += clusters.halves[gone]
    clusters.sizes[kept] += clusters.sizes[gone]
    clusters.parents[gone] = kept
    clusters.partners[gone] = NOBODY
    _set_height(clusters.heights, gone, np.inf)


# -- along the edges of a graph ---------------------------------------------------------------


@njit(cache=True, nogil=True)
def fill(neighbors: Ints, extra: Rows, starts: Rows, links: Ints) -> None:
    """Write every edge into the lists of both its ends; `starts` become the ends of the lists."""
    n, k = neighbors.shape
    for row in range(n):
        for place in range(k):
            other = neighbors[row, place]
            if other == NOBODY:
                continue
            links[starts[row]], links[starts[other]] = other, row
            starts[row] += 1
            starts[other] += 1
    for edge in range(len(extra)):
        one, other = extra[edge]
        links[starts[one]], links[starts[other]] = other, one
        starts[one] += 1
        starts[other] += 1


@njit(cache=True)
def _look_around(
    clusters: Clusters, graph: Graph, row: int, gone: int, look: int, tell: bool
) -> None:
    """Find the partner of a cluster, and tell its neighbors of lower rows, if they are to know.

    The chain is packed on the way: a neighbor stands in it once, and nothing that has merged does.
    """
    best, partner = np.inf, NOBODY
    place, filled = row, 0  # where the next neighbor is written: never beyond what is read
    source, n_source = row, graph.counts[row]
    room = n_source
    while True:
        start = graph.starts[source]
        for entry in range(start, start + n_source):
            other = _find(clusters.parents, graph.links[entry])
            if other == row or graph.seen[other] == look:
                continue
            graph.seen[other] = look
            while filled == room:
                graph.counts[place] = filled
                place, filled = graph.nexts[place], 0
                room = graph.counts[place]
            graph.links[graph.starts[place] + filled] = other
            filled += 1
            if other > row or tell:
                height = height_between(clusters, row, other)
                if other < row:
                    _offer(clusters, other, row, gone, height)
                elif height < best or (height == best and other < partner):
                    best, partner = height, other
                if tell and other > row and clusters.partners[other] == gone:
                    clusters.partners[other] = NOBODY
        source = graph.nexts[source]
        if source == NOBODY:
            break
        n_source = graph.counts[source]
    graph.counts[place] = filled
    graph.nexts[place] = NOBODY
    graph.lasts[row] = place
    clusters.partners[row] = partner
    _set_height(clusters.heights, row, best)


@njit(cache=True, nogil=True)
def link_graph(clusters: Clusters, graph: Graph, merges: Ints, heights: Doubles) -> int:
    """Merge the nearest of all neighboring clusters until no cluster has a neighbor.

    Parameters
    ----------
    clusters : each row its own
    graph : every link in both directions
    merges : (n - 1, 2), becomes the names of the two clusters, the lower one, which stays, first
    heights : (n - 1,), becomes half the mean squared distance between them

    Returns
    -------
    the number of merges
    """
    n, look = len(clusters.parents), 0
    for row in range(n):
        look += 1
        _look_around(clusters, graph, row, NOBODY, look, False)
    n_merged = 0
    while n_merged < n - 1:
        row = _lowest(clusters.heights)
        height, gone = clusters.heights[1], clusters.partners[row]
        if height == np.inf:
            break
        look += 1
        if gone == NOBODY:
            _look_around(clusters, graph, row, NOBODY, look, False)
            continue
        merges[n_merged, 0], merges[n_merged, 1], heights[n_merged] = row, gone, height
        n_merged += 1
        _join(clusters, row, gone)
        graph.nexts[graph.lasts[row]] = gone
        graph.lasts[row] = graph.lasts[gone]
        _look_around(clusters, graph, row, gone, look, True)
    return n_merged


# -- over all pairs ---------------------------------------------------------------------------


@njit(cache=True)
def _find_partner(clusters: Clusters, alive: Ints, n_alive: int, row: int) -> None:
    best, partner = np.inf, NOBODY
    for place in range(n_alive - 1, -1, -1):
        other = alive[place]
        if other <= row:
            break
        height = height_between(clusters, row, other)
        if height <= best:
            best, partner = height, other
    clusters.partners[row] = partner
    clusters.heights[len(clusters.heights) // 2 + row] = best


@njit(cache=True, parallel=True, nogil=True)
def find_partners(clusters: Clusters, alive: Ints, first: int, last: int) -> None:
    """Find the nearest of all higher rows for some rows, two at a time.

    Step i takes row i and the i-th from the end: one with many rows above it and one with few.
    """
    n = len(alive)
    for step in prange(first, last):
        _find_partner(clusters, alive, n, step)
        if n - 1 - step != step:
            _find_partner(clusters, alive, n, n - 1 - step)


@njit(cache=True)
def play(heights: Doubles) -> None:
    """Play the tournament: what stands in its upper half decides about the lower."""
    for place in range(len(heights) // 2 - 1, 0, -1):
        heights[place] = min(heights[2 * place], heights[2 * place + 1])


@njit(cache=True, nogil=True)
def link_all(clusters: Clusters, alive: Ints, merges: Ints, heights: Doubles) -> None:
    """Merge the nearest of all clusters until there is one; see `link_graph`.

    `alive` holds all rows in order, and each has found its partner.
    """
    n, n_merged = len(alive), 0
    n_alive = n
    while n_merged < n - 1:
        row = _lowest(clusters.heights)
        height, gone = clusters.heights[1], clusters.partners[row]
        if gone == NOBODY:
            _find_partner(clusters, alive, n_alive, row)
            _set_height(clusters.heights, row, clusters.heights[len(clusters.heights) // 2 + row])
            continue
        merges[n_merged, 0], merges[n_merged, 1], heights[n_merged] = row, gone, height
        n_merged += 1
        _join(clusters, row, gone)
        kept = 0
        best, partner = np.inf, NOBODY
        for place in range(n_alive):
            other = alive[place]
            if other == gone:
                continue
            alive[kept] = other
            kept += 1
            if other == row:
                continue
            height = height_between(clusters, row, other)
            if other < row:
                _offer(clusters, other, row, gone, height)
                continue
            if height < best:
                best, partner = height, other
            if clusters.partners[other] == gone:
                clusters.partners[other] = NOBODY
        n_alive = kept
        clusters.partners[row] = partner
        _set_height(clusters.heights, row, best)
