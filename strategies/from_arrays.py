"""A pool from the arrays that one has in a notebook."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from strategies import scores
from strategies.inputs import Column
from strategies.kernels.nearest import nearest
from strategies.pool import Neighbors, PoolView, Status
from strategies.tie_keys import tie_keys

N_NEIGHBORS = 20


def pool_from(
    embeddings: NDArray[np.floating],
    sample_ids: Sequence[str],
    *,
    labels: NDArray[np.integer] | None = None,
    n_classes: int,
    probabilities: NDArray[np.floating] | None = None,
) -> PoolView:
    """Make a pool that every strategy can pick from.

    Parameters
    ----------
    embeddings : float array of shape (n_samples, n_features), of any length but 0
    sample_ids : names of the samples; ties are decided by them
    labels : integer array of shape (n_samples,), class index, -1 where there is none; None: all -1
    n_classes : how many classes there are
    probabilities : float array of shape (n_samples, n_classes), what a classifier says; needed by
        most strategies as soon as there are labels

    Notes
    -----
    Neighbors are exact: time O(n_samples^2 n_features), half a minute for 100,000 x 64.

    Raises
    ------
    ValueError
        If an embedding is all zeros or not finite, or there are other numbers of ids or labels.
    """
    vectors = np.asarray(embeddings, np.float32)
    lengths = np.linalg.norm(vectors.astype(np.float64), axis=1)
    broken = np.flatnonzero(~(np.isfinite(lengths) & (lengths > 0)))
    if broken.size:
        raise ValueError(f"embeddings are zeros, NaN or inf at row {broken[0]}; leave it out")
    vectors = np.ascontiguousarray(vectors / lengths[:, None], dtype=np.float32)
    known = np.full(len(vectors), -1, np.int64) if labels is None else np.asarray(labels, np.int64)
    keys = tie_keys(sample_ids)
    for name, array in (("sample_ids", keys), ("labels", known)):
        if len(array) != len(vectors):
            raise ValueError(f"{len(array)} {name} for {len(vectors)} embeddings")
    is_labeled = known >= 0
    neighbors = _neighbors(vectors)
    cover = nearest(vectors, vectors[is_labeled], k=1).distances
    return PoolView(
        embeddings=vectors,
        status=np.where(is_labeled, Status.LABELED, Status.UNLABELED).astype(np.int8),
        labels=known,
        tie_key=keys,
        n_classes=n_classes,
        probabilities=None if probabilities is None else np.asarray(probabilities, np.float32),
        density=scores.density(neighbors.distances),
        cover_distance=cover[:, 0] if is_labeled.any() else _uncovered(len(vectors)),
        neighbors=neighbors,
    )


def _uncovered(n_samples: int) -> Column:
    return np.full(n_samples, np.inf, np.float32)


def _neighbors(vectors: NDArray[np.float32]) -> Neighbors:
    """Find the nearest others of each row."""
    k = min(N_NEIGHBORS, max(len(vectors) - 1, 0))
    found = nearest(vectors, vectors, k=k + 1)
    # the row itself goes; where duplicates hide it, the last one goes
    is_self = found.positions == np.arange(len(vectors))[:, None]
    is_self[~is_self.any(axis=1), -1:] = True
    shape = (len(vectors), k)
    return Neighbors(
        found.positions[~is_self].reshape(shape), found.distances[~is_self].reshape(shape)
    )
