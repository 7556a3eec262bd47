"""What strategies read from a pool, checked at the door; the kernels behind trust it."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from strategies.pool import PoolView, Rows, Status
from strategies.scores import MEASURES, Aggregate, Measure, check_probabilities, over_classes

Column = NDArray[np.float32]


class DoesNotFitPool(ValueError):
    """A setting that is fine by itself, but asks for what this pool does not have."""


def n_picks(pool: PoolView, budget: int) -> int:
    """Return how many rows a batch will hold: the budget, or all candidates if there are fewer."""
    if budget < 0:
        raise ValueError(f"budget={budget} is negative; ask for 0 or more rows")
    return min(budget, int(np.count_nonzero(pool.status == Status.UNLABELED)))


def uncertainty(
    pool: PoolView, measure: Measure = "margin", aggregate: Aggregate = "mean"
) -> Column:
    """Return how unsure the classifier is of each row; the same for all before the first label.

    The margin that the owner of the pool keeps up to date is taken where it is what is asked for.

    Returns
    -------
    float32 array of shape (n_samples,)
    """
    if measure not in MEASURES:
        raise ValueError(f"uncertainty {measure!r} is none of {', '.join(MEASURES)}")
    if pool.uncertainty is not None and (measure, aggregate) == ("margin", "mean"):
        return _column(pool, "uncertainty", pool.uncertainty, np.float32)
    if pool.probabilities is None:
        return np.zeros(len(pool.status), np.float32)
    probabilities = _probabilities(pool, pool.probabilities)
    if pool.targets is None:
        return MEASURES[measure](probabilities)
    return over_classes(measure, probabilities, aggregate=aggregate)


def embeddings(pool: PoolView, rows: Rows) -> NDArray[np.float32]:
    """Return the embeddings of some rows, in the order of `rows`.

    Raises
    ------
    ValueError
        If one of them is not finite.
    """
    chosen = np.ascontiguousarray(pool.embeddings[rows], dtype=np.float32)
    # one pass: the sum of a row is finite exactly where the row is, for unit-length rows
    broken = np.flatnonzero(~np.isfinite(chosen.sum(axis=1)))
    if broken.size:
        raise ValueError(
            f"pool.embeddings holds NaN or inf at row {rows[broken[0]]}; "
            "leave the sample out or embed it again"
        )
    return chosen


def check_embeddings(pool: PoolView) -> None:
    """Refuse embeddings of candidates that are not finite, without a copy of them."""
    # the sum of a row is finite exactly where the row is, for unit-length rows
    with np.errstate(invalid="ignore", over="ignore"):
        sums = pool.embeddings @ np.ones(pool.embeddings.shape[1], np.float32)
    broken = np.flatnonzero(~np.isfinite(sums) & (pool.status == Status.UNLABELED))
    if broken.size:
        raise ValueError(
            f"pool.embeddings holds NaN or inf at row {broken[0]}; "
            "leave the sample out or embed it again"
        )


def probabilities(pool: PoolView, rows: Rows) -> NDArray[np.float32]:
    """Return the probabilities of some rows; all classes are as likely before the first label.

    Returns
    -------
    float32 array of shape (len(rows), max(n_classes, 1))

    Raises
    ------
    ValueError
        If they are NaN, outside [0, 1], or do not sum to 1 (they need not in multi-label pools).
    """
    n_classes = max(pool.n_classes, 1)
    if pool.probabilities is None:
        return np.full((len(rows), n_classes), 1 / n_classes, np.float32)
    chosen = _probabilities(pool, pool.probabilities)[rows]
    return check_probabilities(chosen, sums_to_one=pool.targets is None)


def one_label_a_sample(pool: PoolView, strategy: str) -> None:
    """Refuse multi-label pools; `strategy` is the name that the error should say."""
    if pool.targets is not None:
        raise ValueError(
            f"{strategy} needs one label a sample, but the pool has pool.targets (multi-label); "
            "use margin, k_center or the default"
        )


def in_tie_order(pool: PoolView, rows: Rows) -> Rows:
    """Sort rows by tie_key.

    Whatever works on arrays in this order, draws included, picks the same samples however the
    pool is ordered.
    """
    return rows[np.argsort(pool.tie_key[rows], kind="stable")]


def predicted(pool: PoolView) -> NDArray[np.int32]:
    """Return the most probable class of each row; class 0 for all before the first label."""
    if pool.predicted is not None:
        return _column(pool, "predicted", pool.predicted, np.int32)
    if pool.probabilities is None:
        return np.zeros(len(pool.status), np.int32)
    classes: NDArray[np.intp] = _probabilities(pool, pool.probabilities).argmax(axis=1)
    return classes.astype(np.int32)


def labels_per_class(pool: PoolView) -> NDArray[np.int64]:
    """Return how many labeled samples each class has; one sample may count for several classes."""
    rows = np.flatnonzero(pool.status == Status.LABELED)
    if pool.targets is not None:
        counts: NDArray[np.int64] = (pool.targets[rows] == 1).sum(axis=0, dtype=np.int64)
        return counts
    labels = pool.labels[rows]
    return np.bincount(labels[labels >= 0], minlength=max(pool.n_classes, 1))


def density(pool: PoolView, strategy: str) -> Column:
    """Return the density of each row; `strategy` is the name that an error should say."""
    if pool.density is None:
        raise ValueError(
            f"{strategy} needs pool.density; make it with strategies.scores.density from the "
            "distances to some 20 nearest neighbours"
        )
    return _column(pool, "density", pool.density, np.float32)


def cover_distance(pool: PoolView, strategy: str) -> Column:
    """Return the cover distance of each row; `strategy` is the name that an error should say."""
    if pool.cover_distance is None:
        raise ValueError(
            f"{strategy} needs pool.cover_distance, the distance to the nearest labeled, pending "
            "or skipped sample; give inf for every row before the first"
        )
    return _column(pool, "cover_distance", pool.cover_distance, np.float32)


def refuse_nan(name: str, values: Column, rows: Rows) -> Column:
    """Return the values of some rows, or say in which array one of them is NaN."""
    chosen = values[rows]
    broken = np.flatnonzero(np.isnan(chosen))
    if broken.size:
        raise ValueError(
            f"pool.{name} is NaN at row {rows[broken[0]]}; give every candidate a value"
        )
    return chosen


def check_candidates(pool: PoolView, rows: Rows) -> None:
    """Refuse rows that are no candidates: their percentiles among the candidates say nothing."""
    n_samples = len(pool.status)
    for row in rows:
        if not 0 <= row < n_samples:
            raise ValueError(f"row {row} is not in the pool of {n_samples} samples")
        if pool.status[row] != Status.UNLABELED:
            name = Status(pool.status[row]).name
            raise ValueError(f"row {row} is {name}, no candidate; explain it before it is leased")


def _column(pool: PoolView, name: str, values: NDArray[Any], dtype: Any) -> NDArray[Any]:
    if values.shape != pool.status.shape:
        raise ValueError(
            f"pool.{name} has shape {values.shape}, pool.status {pool.status.shape}; "
            "give one value a sample"
        )
    return np.ascontiguousarray(values, dtype=dtype)


def _probabilities(pool: PoolView, values: NDArray[np.float32]) -> NDArray[np.float32]:
    expected = (len(pool.status), pool.n_classes)
    if values.shape != expected:
        raise ValueError(f"pool.probabilities has shape {values.shape}, not {expected}")
    return values
