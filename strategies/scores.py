"""What a sample is worth, one number a sample: higher = label sooner.

Sources: least confidence, Lewis and Gale 1994; margin, Scheffer, Decomain and Wrobel 2001; entropy
and a survey of all, Settles 2009. n samples, C classes: time O(n C).
"""

from collections.abc import Callable
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

Scores = NDArray[np.float32]
Measure = Literal["least_confidence", "margin", "entropy", "ratio"]
Aggregate = Literal["mean", "max", "sum"]

SUM_TOLERANCE = 1e-3  # of a row of probabilities; float32 and rounded files stay well inside
SHORTEST_DISTANCE = 2.0**-24  # below this a float32 cosine distance is rounding noise


def least_confidence(probabilities: NDArray[np.floating[Any]]) -> Scores:
    """Return 1 - p1, where p1 is the largest probability of a row.

    Parameters
    ----------
    probabilities : float array of shape (n_samples, n_classes), rows sum to 1

    Returns
    -------
    float32 array of shape (n_samples,), in [0, 1]
    """
    first, _ = _two_largest(check_probabilities(probabilities))
    return np.float32(1) - first


def margin(probabilities: NDArray[np.floating[Any]]) -> Scores:
    """Return 1 - (p1 - p2), where p1 and p2 are the two largest probabilities of a row.

    Parameters
    ----------
    probabilities : float array of shape (n_samples, n_classes), rows sum to 1

    Returns
    -------
    float32 array of shape (n_samples,), in [0, 1]
    """
    first, second = _two_largest(check_probabilities(probabilities))
    return np.float32(1) - (first - second)


def entropy(probabilities: NDArray[np.floating[Any]]) -> Scores:
    """Return the entropy of each row as a share of the largest possible, log C.

    Parameters
    ----------
    probabilities : float array of shape (n_samples, n_classes), rows sum to 1

    Returns
    -------
    float32 array of shape (n_samples,), in [0, 1]; 0 where there is one class only
    """
    checked = check_probabilities(probabilities).astype(np.float64)
    if checked.shape[1] < 2:
        return np.zeros(len(checked), np.float32)
    logs = np.log(checked, out=np.zeros_like(checked), where=checked > 0)
    shares: NDArray[np.float64] = -(checked * logs).sum(axis=1) / np.log(checked.shape[1])
    return np.clip(shares, 0.0, 1.0).astype(np.float32)


def ratio(probabilities: NDArray[np.floating[Any]]) -> Scores:
    """Return p2 / p1, where p1 and p2 are the two largest probabilities of a row.

    Parameters
    ----------
    probabilities : float array of shape (n_samples, n_classes), rows sum to 1

    Returns
    -------
    float32 array of shape (n_samples,), in [0, 1]
    """
    first, second = _two_largest(check_probabilities(probabilities))
    return second / first


MEASURES: dict[Measure, Callable[[NDArray[np.floating[Any]]], Scores]] = {
    "least_confidence": least_confidence,
    "margin": margin,
    "entropy": entropy,
    "ratio": ratio,
}


def over_classes(
    measure: Measure, probabilities: NDArray[np.floating[Any]], *, aggregate: Aggregate = "mean"
) -> Scores:
    """Return the uncertainty of a set of classes, each of which a sample may have or not.

    Every class is a question of its own, with the probabilities (p, 1 - p); its uncertainty is
    measured like that of a two-class problem and aggregated over the classes.

    Parameters
    ----------
    measure : name of an uncertainty of this module
    probabilities : float array of shape (n_samples, n_classes), in [0, 1], one against the rest
    aggregate : "mean" and "max" stay in [0, 1], "sum" is in [0, n_classes]

    Returns
    -------
    float32 array of shape (n_samples,)
    """
    if aggregate not in get_args(Aggregate):
        raise ValueError(f"aggregate={aggregate!r} is none of {', '.join(get_args(Aggregate))}")
    checked = check_probabilities(probabilities, sums_to_one=False)
    questions = np.stack([checked, np.float32(1) - checked], axis=2).reshape(-1, 2)
    answers = MEASURES[measure](questions).reshape(checked.shape)
    combined: Scores = getattr(answers, aggregate)(axis=1)
    return combined


def density(neighbor_distances: NDArray[np.floating[Any]]) -> Scores:
    """Return 1 / mean distance to the nearest neighbours in the pool.

    Parameters
    ----------
    neighbor_distances : float array of shape (n_samples, k), in [0, 2], self excluded

    Returns
    -------
    float32 array of shape (n_samples,), in [0.5, 2**24]; finite where all neighbours are
        duplicates, and 0 where there are no neighbours at all
    """
    distances = np.asarray(neighbor_distances)
    if distances.ndim != 2:
        raise ValueError(
            f"neighbor_distances has shape {distances.shape}; give one row of distances a sample"
        )
    if distances.shape[1] == 0:
        return np.zeros(len(distances), np.float32)
    _refuse_nan("neighbor_distances", distances)
    means: NDArray[np.float64] = distances.mean(axis=1, dtype=np.float64)
    densities: Scores = (1 / np.maximum(means, SHORTEST_DISTANCE)).astype(np.float32)
    return densities


def ecdf(values: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """Return the empirical distribution function of the values at each of them.

    It is the tie-averaged rank divided by the number of values, so that scales do not matter.

    Parameters
    ----------
    values : float array of shape (n_samples,)

    Returns
    -------
    float64 array of shape (n_samples,), in (0, 1]
    """
    values = np.asarray(values)
    if values.ndim != 1:
        raise ValueError(f"values has shape {values.shape}; give one value a sample")
    _refuse_nan("values", values)
    ranks: NDArray[np.float64] = rankdata(values, method="average")
    return ranks / max(len(values), 1)


def check_probabilities(
    probabilities: NDArray[np.floating[Any]], *, sums_to_one: bool = True
) -> NDArray[np.float32]:
    """Return them as float32, shape (n_samples, n_classes), or refuse what are none."""
    checked = np.asarray(probabilities, dtype=np.float32)
    if checked.ndim != 2 or checked.shape[1] == 0:
        raise ValueError(
            f"probabilities has shape {checked.shape}; give one row a sample and one column a class"
        )
    if not bool(((checked >= 0) & (checked <= 1)).all()):
        raise ValueError("probabilities holds NaN or values outside [0, 1]; normalize each row")
    if sums_to_one:
        errors = np.abs(checked.sum(axis=1) - 1)
        if errors.size and errors.max() > SUM_TOLERANCE:
            raise ValueError(
                f"probabilities: row {errors.argmax()} sums to "
                f"{checked[errors.argmax()].sum():.6g}, not 1; normalize each row"
            )
    return checked


def best_first(
    scores: NDArray[np.floating[Any]], tie_key: NDArray[np.uint64], n_best: int
) -> NDArray[np.int64]:
    """Return the positions of the highest scores, highest first, equal ones by lowest tie_key.

    Parameters
    ----------
    scores : float array of shape (n,), without NaN
    tie_key : uint64 array of shape (n,)
    n_best : int, how many positions to return; all if there are fewer

    Returns
    -------
    int64 array of shape (min(n_best, n),), positions in `scores`
    """
    n_best = min(n_best, len(scores))
    if n_best <= 0:
        return np.empty(0, np.int64)
    last = np.partition(scores, len(scores) - n_best)[len(scores) - n_best]
    positions: NDArray[np.int64] = np.flatnonzero(scores >= last)
    order = np.lexsort((tie_key[positions], -scores[positions]))
    best: NDArray[np.int64] = positions[order[:n_best]]
    return best


def _two_largest(probabilities: NDArray[np.float32]) -> tuple[Scores, Scores]:
    """Largest and second largest of each row; the second is 0 where there is one class only."""
    if probabilities.shape[1] == 1:
        return probabilities[:, 0], np.zeros(len(probabilities), np.float32)
    top = np.partition(probabilities, probabilities.shape[1] - 2, axis=1)[:, -2:]
    return top[:, 1], top[:, 0]


def _refuse_nan(name: str, values: NDArray[np.floating[Any]]) -> None:
    if bool(np.isnan(values).any()):
        raise ValueError(f"{name} holds NaN; leave those samples out or give them a value")
