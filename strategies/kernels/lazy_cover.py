"""Cover distances brought up to date only for those samples that may be picked.

A candidate is worth static + worth(cover distance), and the worth of a cover distance never falls
as the distance grows. Cover distances only fall while picks are made, so a stale one gives an upper
bound. Candidates whose bound lies below that of the best are left alone; the others resume against
the picks made since they were last looked at, and stop as soon as they fall below.

Arrays are in the order of tie_key: the lowest position is the lowest key. What a distance is, down
to the bits, is up to `strategies.kernels.distances`. Inputs are already checked.
"""

from typing import Any, NamedTuple

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

from strategies.kernels.distances import _dot

CHUNK = 16  # samples that share a block of picks while it is in the cache
BLOCK = 128  # picks

Floats = NDArray[np.float32]
Worth = NDArray[np.float64]
Integer = int | np.integer[Any]


class RankMap(NamedTuple):
    """What a cover distance is worth.

    Attributes
    ----------
    values : float32 array of shape (m,), distinct cover distances, ascending
    at : float64 array of shape (m,), the worth of just these, ascending
    between : float64 array of shape (m + 1,), the worth of one before, between or behind
    """

    values: Floats
    at: Worth
    between: Worth


@njit(cache=True)
def _worth(ranks: RankMap, distance: np.float32) -> Any:
    start, end = 0, len(ranks.values)
    while start < end:
        middle = (start + end) >> 1
        if ranks.values[middle] < distance:
            start = middle + 1
        else:
            end = middle
    if start < len(ranks.values) and ranks.values[start] == distance:
        return ranks.at[start]
    return ranks.between[start]


@njit(cache=True, nogil=True, parallel=True)
def bounds(static: Worth, ranks: RankMap, cover: Floats, out: Worth) -> None:
    """Write what every candidate is worth at most."""
    for position in prange(len(static)):
        out[position] = static[position]
        if static[position] > -np.inf:
            out[position] += _worth(ranks, cover[position])


@njit(cache=True, nogil=True)
def _nearest(embedding: Floats, picks: Floats, first: Integer, last: Integer) -> np.float32:
    """Return the distance to the nearest of picks[first:last]."""
    similarity = np.float32(-np.inf)
    for pick in range(first, last):
        similarity = max(similarity, _dot(embedding, picks[pick]))
    return max(np.float32(0.0), np.float32(1.0) - similarity)


@njit(cache=True, nogil=True, parallel=True)
def resume(
    embeddings: Floats,
    rows: NDArray[np.int64],
    positions: NDArray[np.int64],
    picks: Floats,
    static: Worth,
    ranks: RankMap,
    floor: float,
    cover: Floats,
    tested: NDArray[np.int32],
) -> None:
    """Test some positions against the picks they have not met; stop those worth less than `floor`.

    `tested` counts the picks that each position has met.
    """
    n_picks = len(picks)
    for chunk in prange((len(positions) + CHUNK - 1) // CHUNK):
        members = positions[chunk * CHUNK : (chunk + 1) * CHUNK]
        first: Integer = np.min(tested[members])
        stopped = np.zeros(len(members), np.bool_)
        for start in range(first, n_picks, BLOCK):
            end: int = min(start + BLOCK, n_picks)
            for member in range(len(members)):
                position = members[member]
                if stopped[member] or tested[position] >= end:
                    continue
                begin: Any = max(start, np.int64(tested[position]))
                distance = _nearest(embeddings[rows[position]], picks, begin, end)
                tested[position] = end
                if distance < cover[position]:
                    cover[position] = distance
                    stopped[member] = static[position] + _worth(ranks, distance) < floor


@njit(cache=True, nogil=True)
def pick_among(
    embeddings: Floats,
    positions: NDArray[np.int64],
    static: Worth,
    ranks: RankMap,
    rival: tuple[float, np.int64],
    cover: Floats,
    picked: NDArray[np.int64],
) -> int:
    """Pick the best of some up-to-date candidates until a rival among the others may be better.

    Parameters
    ----------
    embeddings, static, cover : of the candidates, one each; `cover` is kept up to date
    positions : ascending; equal worth goes to the lowest
    rival : the highest bound of all other candidates, and the lowest position that has it
    picked : places in `positions` are written here, as many as fit

    Returns
    -------
    int, how many were picked
    """
    worth = np.empty(len(positions), np.float64)
    for place in range(len(positions)):
        worth[place] = static[place] + _worth(ranks, cover[place])
    for n_picked in range(len(picked)):
        best = 0
        for place in range(1, len(positions)):
            if worth[place] > worth[best]:
                best = place
        tied = worth[best] == rival[0] and positions[best] > rival[1]
        if worth[best] == -np.inf or worth[best] < rival[0] or tied:
            return n_picked
        picked[n_picked] = best
        worth[best] = -np.inf
        chosen = embeddings[best]
        for place in range(len(positions)):
            if worth[place] > -np.inf:
                similarity = _dot(embeddings[place], chosen)
                distance = max(np.float32(0.0), np.float32(1.0) - similarity)
                if distance < cover[place]:
                    cover[place] = distance
                    worth[place] = static[place] + _worth(ranks, distance)
    return len(picked)
