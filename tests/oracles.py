"""Slow, obvious truths that the fast code is compared with."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from strategies.pool import PoolView, Status


def ecdf(values: Sequence[float]) -> list[float]:
    """Tie-averaged rank / n by counting: those below, and the middle of those equal."""
    shares = []
    for value in values:
        n_below = sum(other < value for other in values)
        n_equal = sum(other == value for other in values)
        shares.append((n_below + (n_equal + 1) / 2) / len(values))
    return shares


def uncertainty(probabilities: NDArray[np.floating[Any]], measure: str) -> list[float]:
    """One uncertainty a row, from the formulas, in double precision."""
    values = []
    for row in probabilities:
        first, second, *_ = sorted((float(p) for p in row), reverse=True) + [0.0]
        if measure == "least_confidence":
            values.append(1 - first)
        elif measure == "margin":
            values.append(1 - (first - second))
        elif measure == "ratio":
            values.append(second / first)
        else:
            total = -sum(float(p) * math.log(float(p)) for p in row if p > 0)
            values.append(total / math.log(len(row)))
    return values


def product_scores(
    pool: PoolView, rows: NDArray[np.int64], *, uncertainty: NDArray[Any], in_class: bool
) -> NDArray[np.float64]:
    """Score every candidate row by the formulas of cdf_product or in_class, with scipy's ranks."""
    assert pool.density is not None and pool.cover_distance is not None
    n = len(rows)
    uncertain = rankdata(uncertainty[rows]) / n
    diverse = rankdata(pool.cover_distance[rows]) / n
    if not in_class:
        return uncertain * (rankdata(pool.density[rows]) / n) * diverse
    predicted = np.zeros(len(pool.status), int) if pool.predicted is None else pool.predicted
    scores = np.empty(n)
    for position, row in enumerate(rows):
        group = rows[predicted[rows] == predicted[row]]
        dense = rankdata(pool.density[group])[group == row][0] / len(group)
        n_pred = labels_of_class(pool, predicted[row])
        scores[position] = uncertain[position] * dense * diverse[position] / math.sqrt(1.0 + n_pred)
    return scores


def labels_of_class(pool: PoolView, label: int) -> int:
    """Count labeled samples of a class, one by one."""
    count = 0
    for row in range(len(pool.status)):
        if pool.status[row] == Status.LABELED:
            has = (
                pool.labels[row] == label if pool.targets is None else pool.targets[row, label] == 1
            )
            count += int(has)
    return count


def select_by_product(
    pool: PoolView, budget: int, *, uncertainty: NDArray[Any], in_class: bool
) -> list[int]:
    """Pick one by one, each pick covering its surroundings, ranks anew each time."""
    status = pool.status.copy()
    assert pool.cover_distance is not None
    cover = pool.cover_distance.copy()
    picks: list[int] = []
    for _ in range(budget):
        moment = PoolView(**{**vars(pool), "status": status, "cover_distance": cover})
        rows = moment.candidate_rows()
        if not len(rows):
            break
        scores = product_scores(moment, rows, uncertainty=uncertainty, in_class=in_class)
        ties = rows[scores == scores.max()]
        row = int(ties[np.argmin(pool.tie_key[ties])])
        picks.append(row)
        status[row] = Status.PENDING
        cover = np.minimum(cover, distances_to(pool.embeddings, row))
    return picks


def distances_to(embeddings: NDArray[np.float32], row: int) -> NDArray[np.float32]:
    """Cosine distance of every embedding to one of them, rounded to single precision at the end."""
    similarities = embeddings.astype(np.float64) @ embeddings[row].astype(np.float64)
    return np.maximum(0.0, 1.0 - similarities).astype(np.float32)
