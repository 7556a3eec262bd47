"""What strategies read from a pool, checked at the door; the kernels behind trust it."""

import operator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from strategies.kernels.distances import squared_lengths
from strategies.pool import PoolView, Rows, Status
from strategies.scores import MEASURES, Aggregate, Measure, check_probabilities, over_classes

Column = NDArray[np.float32]

LENGTH_TOLERANCE = 0.01  # of a squared length; vectors kept as float16 stay well inside


class DoesNotFitPool(ValueError):
    """A setting that is fine by itself, but asks for what this pool does not have."""


def n_picks(pool: PoolView, budget: int) -> int:
    """Return how many rows a batch will hold: the budget, or all candidates if there are fewer."""
    if operator.index(budget) < 0:
        raise ValueError(f"budget={budget} is negative; ask for 0 or more rows")
    _check_rows(pool)
    return min(budget, int(np.count_nonzero(pool.status == Status.UNLABELED)))


def _check_rows(pool: PoolView) -> None:
    """Refuse arrays that do not speak of the same samples, and a status that is none."""
    n_samples = len(pool.embeddings)
    for name in ("status", "labels", "tie_key"):
        shape = np.shape(getattr(pool, name))
        if shape != (n_samples,):
            raise ValueError(
                f"pool.{name} has shape {shape}, but pool.embeddings {n_samples} rows; give one "
                "value a sample"
            )
    status = pool.status
    if status.dtype.kind not in "iu" or (
        n_samples and not 0 <= int(status.min()) <= int(status.max()) <= max(Status)
    ):
        raise ValueError(
            "pool.status holds something else than strategies.pool.Status: 0 unlabeled, 1 pending, "
            "2 labeled, 3 skipped"
        )


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
    probabilities = _probabilities(pool)
    if probabilities is None:
        return np.zeros(len(pool.status), np.float32)
    if pool.targets is None:
        return MEASURES[measure](probabilities)
    return over_classes(measure, probabilities, aggregate=aggregate)


def embeddings(pool: PoolView, rows: Rows) -> NDArray[np.float32]:
    """Return the embeddings of some rows, in the order of `rows`.

    Raises
    ------
    ValueError
        If one of them is not finite, or not of unit length.
    """
    chosen = np.ascontiguousarray(pool.embeddings[rows], dtype=np.float32)
    _refuse_lengths(squared_lengths(chosen), rows)
    return chosen


def check_embeddings(pool: PoolView) -> None:
    """Refuse embeddings of candidates that are not finite or not of unit length; no copy."""
    candidates = pool.candidate_rows()
    _refuse_lengths(squared_lengths(pool.embeddings)[candidates], candidates)


def _refuse_lengths(squares: Column, rows: Rows) -> None:
    """Refuse what has another length than 1; NaN and inf have."""
    broken = np.flatnonzero(~(np.abs(squares - 1) < LENGTH_TOLERANCE))
    if not broken.size:
        return
    row, square = rows[broken[0]], float(squares[broken[0]])
    if not np.isfinite(square):
        raise ValueError(
            f"pool.embeddings holds NaN or inf at row {row}; leave the sample out or embed it again"
        )
    raise ValueError(
        f"pool.embeddings has length {square**0.5:.3g} at row {row}, not 1; divide each row by its "
        "length (a row of zeros says nothing: leave the sample out)"
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
    probabilities = _probabilities(pool)
    if probabilities is None:
        n_classes = max(pool.n_classes, 1)
        return np.full((len(rows), n_classes), 1 / n_classes, np.float32)
    return check_probabilities(probabilities[rows], sums_to_one=pool.targets is None)


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
    probabilities = _probabilities(pool)
    if probabilities is None:
        return np.zeros(len(pool.status), np.int32)
    classes: NDArray[np.intp] = probabilities.argmax(axis=1)
    return classes.astype(np.int32)


def predicted_classes(pool: PoolView) -> NDArray[np.int32]:
    """Return the most probable class of each row, checked: one of pool.n_classes."""
    classes = predicted(pool)
    refuse_no_class("predicted", classes, np.arange(len(classes)), pool.n_classes)
    return classes


def refuse_no_class(name: str, classes: NDArray[Any], rows: Rows, n_classes: int) -> None:
    """Refuse class indices, those of some rows of pool.`name`, that are none."""
    broken = np.flatnonzero((classes < 0) | (classes >= max(n_classes, 1)))
    if broken.size:
        raise ValueError(
            f"pool.{name} is {classes[broken[0]]} at row {rows[broken[0]]}; there are {n_classes} "
            "classes, counted from 0"
        )


def labels_per_class(pool: PoolView) -> NDArray[np.int64]:
    """Return how many labeled samples each class has; one sample may count for several classes."""
    _check_rows(pool)
    rows = np.flatnonzero(pool.status == Status.LABELED)
    if pool.targets is not None:
        counts: NDArray[np.int64] = (pool.targets[rows] == 1).sum(axis=0, dtype=np.int64)
        return counts
    rows = rows[pool.labels[rows] >= 0]
    labels = pool.labels[rows]
    refuse_no_class("labels", labels, rows, pool.n_classes)
    return np.bincount(labels, minlength=max(pool.n_classes, 1))


def density(pool: PoolView, strategy: str) -> Column:
    """Return the density of each row; `strategy` is the name that an error should say."""
    if pool.density is None:
        raise ValueError(
            f"{strategy} needs pool.density; make it with strategies.scores.density from the "
            "distances to some 20 nearest neighbours"
        )
    return _column(pool, "density", pool.density, np.float32)


def uncertainty_mass(pool: PoolView, strategy: str) -> Column:
    """Return the uncertainty mass of each row; `strategy` is the name that an error should say."""
    if pool.uncertainty_mass is None:
        raise ValueError(
            f"{strategy} needs pool.uncertainty_mass, the uncertainty of each row and of its "
            "neighbors, or pool.neighbors to make it from"
        )
    return _column(pool, "uncertainty_mass", pool.uncertainty_mass, np.float32)


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


def _probabilities(pool: PoolView) -> NDArray[np.float32] | None:
    """Return the probabilities, None before the first label."""
    if pool.probabilities is None:
        n_labels = int(np.count_nonzero(pool.status == Status.LABELED))
        if n_labels:
            raise ValueError(
                f"pool.probabilities is missing, though {n_labels} samples are labeled; give what "
                "the classifier says of every sample"
            )
        return None
    expected = (len(pool.status), pool.n_classes)
    if pool.probabilities.shape != expected:
        raise ValueError(f"pool.probabilities has shape {pool.probabilities.shape}, not {expected}")
    return pool.probabilities
