"""Predictions: the server's, for any vector, and those of a model of the user's own."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from al_server.campaign.describe import Describer
from al_server.campaign.names import Names
from al_server.campaign.pool_files import unit_rows
from al_server.campaign.pool_state import PoolState
from al_server.errors import BadInput
from al_server.models import Predicted, PredictIn, PredictionsIn, PredictOut
from strategies.pool import Neighbors


def predict(request: PredictIn, pool: PoolState, names: Names, describer: Describer) -> PredictOut:
    """Answer for samples of the pool, or for vectors from outside it.

    Raises
    ------
    BadInput
        If both or neither are given, or the vectors do not fit.
    UnknownSample
        If the pool does not hold a sample.
    """
    if (request.sample_ids is None) == (request.embeddings is None):
        raise BadInput("give either sample_ids or embeddings", "send one of the two")
    if request.sample_ids is not None:
        answers = [
            _of_sample(sample_id, pool, names, describer) for sample_id in request.sample_ids
        ]
        return PredictOut(predictions=answers)
    vectors = checked_vectors(request.embeddings or [], pool.embeddings.shape[1])
    k = min(pool.votes.settings.k, len(pool.index))
    if len(vectors) == 0:
        return PredictOut(predictions=[])
    if k == 0:
        empty = np.empty((len(vectors), 0))
        neighbors = Neighbors(empty.astype(np.int64), empty.astype(np.float32))
    else:
        neighbors = pool.index.search(vectors, k=k)
    beliefs = pool.votes.predict(neighbors)
    answers = [
        describer.predicted(None, probabilities, rows, distances)
        for probabilities, rows, distances in zip(beliefs.probabilities, *neighbors, strict=True)
    ]
    return PredictOut(predictions=answers)


def _of_sample(sample_id: str, pool: PoolState, names: Names, describer: Describer) -> Predicted:
    row = names.row(sample_id)
    neighbors = pool.votes.neighbors_of(row)
    return describer.predicted(sample_id, pool.probabilities_of(row), *neighbors)


def checked_vectors(rows: Sequence[Sequence[float]], n_features: int) -> NDArray[np.float32]:
    """Return vectors from outside as unit rows, shape (n, n_features)."""
    for place, row in enumerate(rows):
        if len(row) != n_features:
            raise BadInput(
                f"embeddings[{place}] has {len(row)} numbers, this pool's have {n_features}",
                "embed with the same embedder as the pool",
            )
    vectors = np.array(rows, dtype=np.float64).reshape(len(rows), n_features)
    bad = ~np.isfinite(vectors).all(axis=1) | ~vectors.any(axis=1)
    if bad.any():
        raise BadInput(
            f"embeddings[{int(bad.argmax())}] is all zeros, or holds NaN or infinite numbers",
            "leave it out, or embed it again",
        )
    return unit_rows(vectors)


def probabilities_by_row(
    request: PredictionsIn, names: Names, *, multi: bool
) -> NDArray[np.float32]:
    """Return a user's own probabilities, shape (n_samples, n_classes), NaN where nothing is said.

    Raises
    ------
    BadInput
        If the numbers are no probabilities, or do not fit the samples and classes.
    UnknownSample
        If the pool does not hold a sample.
    """
    n_classes = len(names.classes)
    given = request.probabilities
    if len(given) != len(request.sample_ids):
        raise BadInput(
            f"{len(request.sample_ids)} sample_ids, but {len(given)} rows of probabilities",
            "send one row a sample",
        )
    short = next((place for place, row in enumerate(given) if len(row) != n_classes), None)
    if short is not None:
        raise BadInput(
            f"probabilities[{short}] has {len(given[short])} numbers for {n_classes} classes",
            f"send one number a class, in this order: {', '.join(names.classes[:20])}",
        )
    values = np.array(given, dtype=np.float64)
    unfit = ~((values >= 0) & (values <= 1)).all(axis=1)
    if not multi:
        unfit |= ~(np.abs(values.sum(axis=1) - 1) <= 1e-3)
    if unfit.any():
        total = "" if multi else " that sum to 1"
        raise BadInput(
            f"probabilities[{int(unfit.argmax())}] are not numbers from 0 to 1{total}",
            "send probabilities, not scores or logits",
        )
    result = np.full((len(names.sample_ids), n_classes), np.nan, dtype=np.float32)
    rows = [names.row(sample_id) for sample_id in request.sample_ids]
    result[rows] = values
    return result
