"""The pool as it is after some picks, and with fewer candidates."""

from dataclasses import fields, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from strategies import inputs
from strategies.kernels import lazy_cover as kernel
from strategies.kernels.threads import threads_for
from strategies.pool import PoolView, Rows, Status


class Narrowed(NamedTuple):
    """A view of some rows of a pool.

    Attributes
    ----------
    view : where row r is `rows[r]` of the pool
    rows : int64 array of shape (n,), ascending
    """

    view: PoolView
    rows: Rows


def after(pool: PoolView, picks: Rows) -> PoolView:
    """Return the pool after some rows were leased: pending, and their surroundings covered.

    Time O(n m d) for m picks, memory O(n + m d).
    """
    if not len(picks):
        return pool
    status = pool.status.copy()
    status[picks] = Status.PENDING
    if pool.cover_distance is None:
        return replace(pool, status=status)
    inputs.check_embeddings(pool)
    cover = np.minimum(pool.cover_distance, distance_to(pool.embeddings[picks], pool))
    return replace(pool, status=status, cover_distance=cover)


def distance_to(vectors: NDArray[np.float32], pool: PoolView) -> NDArray[np.float32]:
    """Return the distance of every row to the nearest of some vectors; inf where there is none.

    Returns
    -------
    float32 array of shape (n_samples,), in [0, 2]
    """
    embeddings = np.ascontiguousarray(pool.embeddings, dtype=np.float32)
    everything = np.arange(len(embeddings))
    nearest = np.full(len(embeddings), np.inf, np.float32)
    with threads_for(len(embeddings) * vectors.size):
        kernel.resume(
            embeddings,
            everything,
            everything,
            np.ascontiguousarray(vectors, dtype=np.float32),
            np.zeros(len(embeddings)),
            kernel.RankMap(np.empty(0, np.float32), np.empty(0), np.zeros(1)),
            -np.inf,  # nobody stops early
            nearest,
            np.zeros(len(embeddings), np.int32),
        )
    return nearest


def only(pool: PoolView, candidates: Rows) -> Narrowed:
    """Return a pool whose candidates are just these; the others are not in it, and cover nothing.

    `neighbors` is None where rows are missing, since they would lead there. Arrays are copied.
    """
    stays = pool.status != Status.UNLABELED
    stays[candidates] = True
    if stays.all():
        return Narrowed(pool, np.arange(len(stays)))
    rows = np.flatnonzero(stays)
    taken: dict[str, Any] = {
        field.name: getattr(pool, field.name)[rows]
        for field in fields(pool)
        if isinstance(getattr(pool, field.name), np.ndarray)
    }
    return Narrowed(replace(pool, neighbors=None, **taken), rows)
