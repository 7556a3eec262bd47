"""Compiled kernels of the loop; inputs are already checked.

A *nearest list* of a row holds the `count` nearest of some growing set of samples (the labeled
ones, or the whole pool), ordered by (distance, tie_key). `reach` is the distance up to which the
list is known to be complete: inf while it holds all there are, else the distance of its last entry.
"""

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

_CHUNK = 1024
_FEW = 64  # lists that stay in the first-level cache together


@njit(cache=True)
def _comes_before(
    distance: np.float32, key: np.uint64, other_distance: np.float32, other_key: np.uint64
) -> bool:
    return bool(distance < other_distance or (distance == other_distance and key < other_key))


@njit(cache=True)
def _insert_sorted(
    row_list: NDArray[np.int32],
    distance_list: NDArray[np.float32],
    n_listed: int,
    new_row: int,
    distance: np.float32,
    keys: NDArray[np.uint64],
) -> int:
    """Insert in order, drop what falls off the end; return the place where it was put."""
    place = min(n_listed, row_list.shape[0] - 1)
    key = keys[new_row]
    while place > 0 and _comes_before(
        distance, key, distance_list[place - 1], keys[row_list[place - 1]]
    ):
        row_list[place] = row_list[place - 1]
        distance_list[place] = distance_list[place - 1]
        place -= 1
    row_list[place] = new_row
    distance_list[place] = distance
    return place


@njit(cache=True, parallel=True, nogil=True)
def insert_into_lists(
    rows: NDArray[np.int32],
    distances: NDArray[np.float32],
    count: NDArray[np.int16],
    reach: NDArray[np.float32],
    column: NDArray[np.float32],
    new_row: int,
    new_position: int,
    keys: NDArray[np.uint64],
    n_watched: int,
    changed: NDArray[np.bool_],
) -> None:
    """Offer one new sample, at `column[i]` from row i, to every list but its own.

    `changed[i]` is set where one of the first `n_watched` entries is another than before.
    """
    n_lists, capacity = rows.shape
    for chunk in prange((n_lists + _CHUNK - 1) // _CHUNK):
        for i in range(chunk * _CHUNK, min(n_lists, (chunk + 1) * _CHUNK)):
            changed[i] = False
            distance = column[i]
            if distance > reach[i] or i == new_position:
                continue
            n_listed = count[i]
            complete = reach[i] == np.float32(np.inf)
            if not complete and (
                n_listed == 0
                or not _comes_before(
                    distance, keys[new_row], distances[i, n_listed - 1], keys[rows[i, n_listed - 1]]
                )
            ):
                continue
            place = _insert_sorted(rows[i], distances[i], n_listed, new_row, distance, keys)
            n_listed = min(capacity, n_listed + 1)
            count[i] = n_listed
            if not complete or n_listed == capacity:
                reach[i] = distances[i, n_listed - 1]
            changed[i] = place < n_watched


@njit(cache=True, parallel=True, nogil=True)
def find_in_lists(
    rows: NDArray[np.int32],
    count: NDArray[np.int16],
    wanted: int,
    n_watched: int,
    found: NDArray[np.bool_],
) -> None:
    """`found[i]`: `wanted` is among the first `n_watched` entries of list i."""
    n_lists = rows.shape[0]
    for chunk in prange((n_lists + _CHUNK - 1) // _CHUNK):
        for i in range(chunk * _CHUNK, min(n_lists, (chunk + 1) * _CHUNK)):
            found[i] = False
            for place in range(min(count[i], n_watched)):
                if rows[i, place] == wanted:
                    found[i] = True
                    break


@njit(cache=True)
def drop_from_lists(
    rows: NDArray[np.int32],
    distances: NDArray[np.float32],
    count: NDArray[np.int16],
    reach: NDArray[np.float32],
    holders: NDArray[np.int64],
    gone: int,
    n_left: int,
) -> None:
    """Take `gone` out of the lists of `holders`; `n_left` samples remain to choose from."""
    for i in holders:
        n_listed = count[i] - 1
        place = 0
        while rows[i, place] != gone:
            place += 1
        for later in range(place, n_listed):
            rows[i, later] = rows[i, later + 1]
            distances[i, later] = distances[i, later + 1]
        rows[i, n_listed] = -1
        distances[i, n_listed] = np.float32(np.inf)
        count[i] = n_listed
        if n_listed == n_left:
            reach[i] = np.float32(np.inf)
        elif n_listed == 0:
            reach[i] = np.float32(-1.0)
        else:
            reach[i] = distances[i, n_listed - 1]


@njit(cache=True, parallel=True, nogil=True)
def fill_lists(
    rows: NDArray[np.int32],
    distances: NDArray[np.float32],
    count: NDArray[np.int16],
    reach: NDArray[np.float32],
    positions: NDArray[np.int64],
    own_rows: NDArray[np.int64],
    sources: NDArray[np.int64],
    columns: NDArray[np.float32],
    keys: NDArray[np.uint64],
    add: bool,
) -> None:
    """Build the lists of `positions` from `columns[s, j]`, source s to position j.

    `own_rows[j]` is left out of its own list. With `add` the sources join those listed before;
    the caller then sees to it that all sources come by, in any order.
    """
    capacity = rows.shape[1]
    infinite = np.float32(np.inf)
    n_positions = positions.shape[0]
    for chunk in prange((n_positions + _FEW - 1) // _FEW):
        first, last = chunk * _FEW, min(n_positions, (chunk + 1) * _FEW)
        if not add:
            for j in range(first, last):
                count[positions[j]] = 0
                reach[positions[j]] = infinite
        # sources outside, positions inside: `columns` is read in the order it lies in memory
        for s in range(sources.shape[0]):
            source = sources[s]
            for j in range(first, last):
                i = positions[j]
                distance = columns[s, j]
                if distance > reach[i] or source == own_rows[j]:
                    continue
                n_listed = count[i]
                if n_listed == capacity and not _comes_before(
                    distance, keys[source], distances[i, capacity - 1], keys[rows[i, capacity - 1]]
                ):
                    continue
                _insert_sorted(rows[i], distances[i], n_listed, source, distance, keys)
                count[i] = min(capacity, n_listed + 1)
                if count[i] == capacity:
                    reach[i] = distances[i, capacity - 1]
        for j in range(first, last):
            i = positions[j]
            for place in range(count[i], capacity):
                rows[i, place] = -1
                distances[i, place] = infinite


@njit(cache=True, parallel=True, nogil=True)
def cover_by(
    cover_distance: NDArray[np.float32],
    cover_row: NDArray[np.int32],
    column: NDArray[np.float32],
    new_row: int,
) -> None:
    """Let one more sample cover the pool."""
    n_rows = column.shape[0]
    for chunk in prange((n_rows + _CHUNK - 1) // _CHUNK):
        for i in range(chunk * _CHUNK, min(n_rows, (chunk + 1) * _CHUNK)):
            if column[i] < cover_distance[i]:
                cover_distance[i] = column[i]
                cover_row[i] = new_row


@njit(cache=True, parallel=True, nogil=True)
def vote_single(
    positions: NDArray[np.int64],
    rows: NDArray[np.int32],
    distances: NDArray[np.float32],
    count: NDArray[np.int16],
    k: int,
    labels: NDArray[np.int64],
    width: float,
    smoothing: float,
    probabilities: NDArray[np.float32],
    uncertainty: NDArray[np.float32],
    predicted: NDArray[np.int32],
) -> None:
    """p_c = (sum of w_i [y_i = c] + a / C) / (sum of w_i + a), w = exp(-d^2 / width)."""
    n_classes = probabilities.shape[1]
    for j in prange(positions.shape[0]):
        i = positions[j]
        votes = np.full(n_classes, smoothing / n_classes)
        total = smoothing
        for place in range(min(count[i], k)):
            # squared Euclidean distance of unit vectors is twice their cosine distance
            weight = np.exp(-2.0 * distances[i, place] / width)
            votes[labels[rows[i, place]]] += weight
            total += weight
        best = 0
        first = np.float32(-1.0)
        second = np.float32(0.0)
        for c in range(n_classes):
            p = np.float32(votes[c] / total)
            probabilities[i, c] = p
            if p > first:
                second = max(first, np.float32(0.0))
                first = p
                best = c
            elif p > second:
                second = p
        predicted[i] = best
        uncertainty[i] = np.float32(1.0) - (first - second)


@njit(cache=True, parallel=True, nogil=True)
def vote_multi(
    positions: NDArray[np.int64],
    rows: NDArray[np.int32],
    distances: NDArray[np.float32],
    count: NDArray[np.int16],
    k: int,
    targets: NDArray[np.int8],
    width: float,
    smoothing: float,
    probabilities: NDArray[np.float32],
    uncertainty: NDArray[np.float32],
    predicted: NDArray[np.int32],
) -> None:
    """One class against the rest, for every class; uncertainty is the mean over the classes."""
    n_classes = probabilities.shape[1]
    for j in prange(positions.shape[0]):
        i = positions[j]
        n_votes = min(count[i], k)
        best = 0
        doubt = 0.0
        for c in range(n_classes):
            yes = 0.5 * smoothing
            total = smoothing
            for place in range(n_votes):
                target = targets[rows[i, place], c]
                if target < 0:
                    continue
                weight = np.exp(-2.0 * distances[i, place] / width)
                total += weight
                if target == 1:
                    yes += weight
            p = np.float32(yes / total)
            probabilities[i, c] = p
            if p > probabilities[i, best]:
                best = c
            doubt += 1.0 - abs(2.0 * float(p) - 1.0)
        predicted[i] = best
        uncertainty[i] = np.float32(doubt / n_classes)
