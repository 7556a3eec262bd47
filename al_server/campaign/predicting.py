"""Predictions: the server's, for any vector, and those of a model of the user's own."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from al_server.answers import NearestLabeled, PredictOut
from al_server.campaign.describe import Describer
from al_server.campaign.names import Names
from al_server.campaign.pool_files import unit_rows
from al_server.campaign.pool_state import PoolState
from al_server.errors import BadInput
from al_server.models import PredictIn, PredictionsIn
from al_server.sources.listing import shown
from embeddings.reduction import Reduction, apply_all

N_AT_ONCE = 256
"""Samples predicted in one go: those who label wait for no more than one such slice."""
_Voted = tuple[NDArray[np.float32], list[NearestLabeled]]
_S = TypeVar("_S", list[int], NDArray[np.float32])


def predict(
    request: PredictIn,
    pool: PoolState,
    names: Names,
    describer: Describer,
    *,
    maps: Sequence[Reduction],
    on_writer: Callable[[Callable[[], list[_Voted]]], list[_Voted]],
) -> PredictOut:
    """Answer for samples of the pool, or for vectors from outside it.

    Parameters
    ----------
    maps : that vectors of the embedder go through on their way into the pool
    on_writer : runs a short job on the thread that owns the pool

    Raises
    ------
    BadInput
        If both or neither are given, or the vectors do not fit.
    UnknownSample
        If the pool does not hold a sample.
    """
    if (request.sample_ids is None) == (request.embeddings is None):
        raise BadInput("give either sample_ids or embeddings", "send one of the two")
    jobs: list[Callable[[], list[_Voted]]]
    ids: Sequence[str | None]
    if request.sample_ids is not None:
        ids = request.sample_ids
        rows = [names.row(sample_id) for sample_id in request.sample_ids]
        jobs = [partial(_of_rows, some, pool, describer) for some in _slices(rows)]
    else:
        n_given = maps[0].n_given if maps else pool.embeddings.shape[1]
        vectors = apply_all(maps, checked_vectors(request.embeddings or [], n_given))
        ids = [None] * len(vectors)
        jobs = [partial(_of_vectors, some, pool, describer) for some in _slices(vectors)]
    voted = [one for job in jobs for one in on_writer(job)]
    answers = [describer.predicted(name, *one) for name, one in zip(ids, voted, strict=True)]
    return PredictOut(predictions=answers)


def _slices(values: _S) -> Iterator[_S]:
    for start in range(0, len(values), N_AT_ONCE):
        yield values[start : start + N_AT_ONCE]


def _of_rows(rows: Sequence[int], pool: PoolState, describer: Describer) -> list[_Voted]:
    # copies: the writer goes on while they are spelled out
    return [
        (pool.probabilities_of(row).copy(), describer.voters(*pool.votes.neighbors_of(row)))
        for row in rows
    ]


def _of_vectors(
    vectors: NDArray[np.float32], pool: PoolState, describer: Describer
) -> list[_Voted]:
    beliefs, voters = pool.votes.predict(vectors, pool.index)
    return [
        (probabilities, describer.voters(*some))
        for probabilities, some in zip(beliefs.probabilities, voters, strict=True)
    ]


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


class OwnRows(NamedTuple):
    """Probabilities by a model of the user's own, for some rows.

    Attributes
    ----------
    rows : int64 array of shape (n_rows,), distinct
    probabilities : float64 array of shape (n_rows, n_classes)
    """

    rows: NDArray[np.int64]
    probabilities: NDArray[np.float64]

    def laid_over(self, earlier: NDArray[np.float32] | None, names: Names) -> NDArray[np.float32]:
        """Return these and what was said earlier of other rows, NaN where nothing ever was.

        Parameters
        ----------
        earlier : float32 array of shape (n_samples, n_classes), or None
        """
        shape = (len(names.sample_ids), len(names.classes))
        result = np.full(shape, np.nan, dtype=np.float32) if earlier is None else earlier.copy()
        result[self.rows] = 0.0  # of classes that were appended meanwhile
        result[self.rows, : self.probabilities.shape[1]] = self.probabilities
        return result


def own_rows(request: PredictionsIn, names: Names, *, multi: bool) -> OwnRows:
    """Check a user's own probabilities.

    Raises
    ------
    BadInput
        If the numbers are no probabilities, do not fit the samples and classes, or a sample is
        named twice.
    UnknownSample
        If the pool does not hold a sample.
    """
    classes = list(names.classes)
    given = request.probabilities
    if len(given) != len(request.sample_ids):
        raise BadInput(
            f"{len(request.sample_ids)} sample_ids, but {len(given)} rows of probabilities",
            "send one row a sample",
        )
    doubled = [name for name, n in Counter(request.sample_ids).items() if n > 1]
    if doubled:
        raise BadInput(
            f"{len(doubled)} sample_ids are named more than once: {shown(doubled)}",
            "send one row a sample",
        )
    short = next((place for place, row in enumerate(given) if len(row) != len(classes)), None)
    if short is not None:
        raise BadInput(
            f"probabilities[{short}] has {len(given[short])} numbers for {len(classes)} classes",
            f"send one number a class, in this order: {', '.join(classes[:20])}",
        )
    values = np.array(given, dtype=np.float64)
    _check_probabilities(values, multi=multi)
    rows = [names.row(sample_id) for sample_id in request.sample_ids]
    return OwnRows(np.array(rows, dtype=np.int64), values)


def _check_probabilities(values: NDArray[np.float64], *, multi: bool) -> None:
    unfit = ~((values >= 0) & (values <= 1)).all(axis=1)
    if not multi:
        unfit |= ~(np.abs(values.sum(axis=1) - 1) <= 1e-3)
    if unfit.any():
        total = "" if multi else " that sum to 1"
        raise BadInput(
            f"probabilities[{int(unfit.argmax())}] are not numbers from 0 to 1{total}",
            "send probabilities, not scores or logits",
        )
