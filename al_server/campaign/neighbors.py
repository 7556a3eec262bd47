"""Neighbours inside the pool, the density they give, and the width of a vote."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from al_server.campaign.nearest import NearestLists
from strategies.kernels.distances import cosine_distances
from strategies.scores import density

N_NEIGHBORS = 20
EXACT_WORK = 1e12
"""Multiplications up to which all pairs are compared: about 25 s on two cores."""
_WIDTH_NEIGHBOR = 10
_BLOCK = 4096

Progress = Callable[[float], None]


def pool_neighbors(
    embeddings: NDArray[np.float32],
    keys: NDArray[np.uint64],
    *,
    progress: Progress | None = None,
) -> NearestLists:
    """Find the nearest pool neighbours of every sample.

    Exact where all pairs can be compared in reasonable time; beyond that by an hnswlib graph,
    entered in the order of `keys` so that the order of the rows does not matter.

    Parameters
    ----------
    embeddings : float32 array of shape (n_samples, n_features), unit-length rows
    keys : uint64 array of shape (n_samples,), tie keys
    progress : called with the share done, in [0, 1]
    """
    n_samples, n_features = embeddings.shape
    exact = float(n_samples) ** 2 * n_features <= EXACT_WORK
    lists = NearestLists(n_samples if exact else 0, n_watched=N_NEIGHBORS, n_spare=0)
    if exact:
        everyone = np.arange(n_samples)
        for start in range(0, n_samples, _BLOCK):
            block = everyone[start : start + _BLOCK]
            lists.fill(block, embeddings, everyone, embeddings, keys, leave_out_self=True)
            if progress is not None:
                progress(min(1.0, (start + _BLOCK) / n_samples))
    else:
        _fill_by_graph(lists, embeddings, keys, progress)
    return lists


def _fill_by_graph(
    lists: NearestLists,
    embeddings: NDArray[np.float32],
    keys: NDArray[np.uint64],
    progress: Progress | None,
) -> None:
    import hnswlib

    n_samples, n_features = embeddings.shape
    graph = hnswlib.Index(space="ip", dim=n_features)
    graph.init_index(max_elements=n_samples, M=12, ef_construction=60, random_seed=1)
    graph.set_ef(48)
    order = np.argsort(keys)
    for start in range(0, n_samples, _BLOCK):
        block = order[start : start + _BLOCK]
        # one thread: the graph, and with it the density, must not depend on a race
        graph.add_items(embeddings[block], block, num_threads=1)
        if progress is not None:
            progress(0.6 * min(1.0, (start + _BLOCK) / n_samples))
    near_rows = np.empty((n_samples, N_NEIGHBORS), dtype=np.int32)
    near_distances = np.empty((n_samples, N_NEIGHBORS), dtype=np.float32)
    for start in range(0, n_samples, _BLOCK):
        block = order[start : start + _BLOCK]
        rows, distances = graph.knn_query(embeddings[block], k=N_NEIGHBORS + 1)
        rows = rows.astype(np.int64)
        # the sample itself goes; where a duplicate hid it, the last one goes
        own = rows == block[:, None]
        own[~own.any(axis=1), -1] = True
        near_rows[block] = rows[~own].reshape(len(block), N_NEIGHBORS)
        nearest = distances[~own].reshape(len(block), N_NEIGHBORS)
        near_distances[block] = np.maximum(nearest, 0.0)
        if progress is not None:
            progress(0.6 + 0.4 * min(1.0, (start + _BLOCK) / n_samples))
    lists.adopt(near_rows, near_distances)


def extend_neighbors(
    lists: NearestLists,
    embeddings: NDArray[np.float32],
    keys: NDArray[np.uint64],
    n_before: int,
) -> None:
    """Let the samples from `n_before` on join: they get lists, and enter those of the others."""
    n_samples = len(embeddings)
    lists.grow(n_samples)
    for row in range(n_before, n_samples):
        column = cosine_distances(embeddings, embeddings[row : row + 1])[0]
        lists.insert(row, column, keys, own_position=row)
    new_rows = np.arange(n_before, n_samples)
    everyone = np.arange(n_samples)
    lists.fill(new_rows, embeddings, everyone, embeddings, keys, leave_out_self=True)


def density_of(lists: NearestLists) -> NDArray[np.float32]:
    """Return `strategies.scores.density` of every sample, shape (n_samples,)."""
    result = np.empty(len(lists.count), dtype=np.float32)
    n_listed = int(lists.count.max(initial=0))  # all lists are equally long
    for start in range(0, len(result), _BLOCK):
        block = slice(start, start + _BLOCK)
        result[block] = density(lists.distances[block, :n_listed])
    return result


def vote_width(lists: NearestLists) -> float:
    """Return tau of the votes: half the median squared distance to the tenth pool neighbour.

    The scale of the pool itself: a labeled sample as near as that votes with weight exp(-2). Half
    was better than the whole, a quarter and twice on fruits and MNIST, and lost little on CIFAR-10.
    """
    place = min(_WIDTH_NEIGHBOR, lists.rows.shape[1]) - 1
    distances = lists.distances[:, place]
    distances = distances[np.isfinite(distances)]
    if len(distances) == 0:
        return 1.0
    # the squared distance of unit vectors is twice their cosine distance
    return float(max(np.median(distances), 1e-6))
