"""Slow, obvious truths that the fast code is compared with."""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from strategies.kernels.distances import cosine_distances
from strategies.pool import PoolView, Status


def ecdf(values: Sequence[float]) -> list[float]:
    """Tie-averaged rank / n by counting: those below, and the middle of those equal."""
    shares = []
    for value in values:
        n_below = sum(other < value for other in values)
        n_equal = sum(other == value for other in values)
        shares.append((n_below + (n_equal + 1) / 2) / len(values))
    return shares


def uncertainty(row: Sequence[float], measure: str) -> float:
    """Of one sample, from the formulas, in double precision."""
    first, second, *_ = [*sorted(row, reverse=True), 0.0]
    if measure == "least_confidence":
        return 1 - first
    if measure == "margin":
        return 1 - (first - second)
    if measure == "ratio":
        return second / first
    return -sum(p * math.log(p) for p in row if p > 0) / math.log(len(row))


def product_scores(
    uncertainty: NDArray[Any],
    density: NDArray[Any] | None,
    cover_distance: NDArray[Any],
    groups: NDArray[Any],
    divisors: NDArray[np.float64],
) -> NDArray[np.float64]:
    """R(uncertainty) R(density in its group) R(cover distance) / divisor, by scipy's ranks.

    Without density its factor is 1.
    """
    n = len(uncertainty)
    in_group = np.ones(n)
    for group in np.unique(groups) if density is not None else ():
        members = groups == group
        in_group[members] = rankdata(density[members]) / members.sum()
    scores: NDArray[np.float64] = (
        rankdata(uncertainty) / n * in_group * (rankdata(cover_distance) / n) / divisors[groups]
    )
    return scores


def labels_per_class(pool: PoolView) -> list[int]:
    """Count the labeled samples of each class, one by one."""
    counts = [0] * pool.n_classes
    for row in np.flatnonzero(pool.status == Status.LABELED):
        for label in range(pool.n_classes):
            if pool.targets is None:
                counts[label] += int(pool.labels[row] == label)
            else:
                counts[label] += int(pool.targets[row, label] == 1)
    return counts


def pool_scores(
    pool: PoolView, uncertainty: NDArray[Any], *, in_class: bool
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Candidate rows and their scores by the formulas of in_class or cdf_product."""
    rows = np.flatnonzero(pool.status == Status.UNLABELED)
    assert pool.density is not None and pool.cover_distance is not None
    if in_class and pool.predicted is not None:
        groups = pool.predicted[rows]
        divisors = np.array([math.sqrt(1 + count) for count in labels_per_class(pool)])
    else:
        groups, divisors = np.zeros(len(rows), int), np.ones(1)
    scores = product_scores(
        uncertainty[rows], pool.density[rows], pool.cover_distance[rows], groups, divisors
    )
    return rows, scores


def select_by_product(
    pool: PoolView, budget: int, uncertainty: NDArray[Any], *, in_class: bool
) -> list[int]:
    """Pick one by one: each pick covers its surroundings, and all ranks are taken anew."""
    picks: list[int] = []
    while len(picks) < budget and (pool.status == Status.UNLABELED).any():
        rows, scores = pool_scores(pool, uncertainty, in_class=in_class)
        row = first_of_best(rows, scores, pool.tie_key)
        picks.append(row)
        pool = covered_by(pool, row)
    return picks


def first_of_best(
    rows: NDArray[np.int64], scores: NDArray[np.float64], tie_key: NDArray[np.uint64]
) -> int:
    """The row of the highest score; of equal ones that with the lowest key."""
    ties = rows[scores == scores.max()]
    return int(ties[np.argmin(tie_key[ties])])


def covered_by(pool: PoolView, row: int) -> PoolView:
    """The pool after one of its rows was leased to an annotator."""
    assert pool.cover_distance is not None
    status = pool.status.copy()
    status[row] = Status.PENDING
    distances = cosine_distances(pool.embeddings, pool.embeddings[[row]])[0]
    return replace(pool, status=status, cover_distance=np.minimum(pool.cover_distance, distances))
