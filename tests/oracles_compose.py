"""Compositions, the slow and obvious way."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from strategies.pool import PoolView, Status
from tests import oracles


def product(
    pool: PoolView, columns: Mapping[str, NDArray[np.float32]], strengths: Mapping[str, float]
) -> NDArray[np.float64]:
    """Product of the percentiles among the candidates, each to the power of its strength."""
    rows = np.flatnonzero(pool.status == Status.UNLABELED)
    score = np.ones(len(rows))
    for name, strength in strengths.items():
        score *= (rankdata(columns[name][rows]) / len(rows)) ** strength
    return score


def turns(
    shares: Sequence[float], counts: Sequence[int], waiting: Sequence[int], n_picks: int
) -> list[int]:
    """Whose turn it is: the class furthest behind its share of one label more."""
    have, left = list(counts), list(waiting)
    chosen = []
    for _ in range(n_picks):
        best, most = -1, -math.inf
        for label, share in enumerate(shares):
            behind = share * (sum(have) + 1) - have[label]
            if left[label] and behind > most + 1e-12:
                best, most = label, behind
        have[best] += 1
        left[best] -= 1
        chosen.append(best)
    return chosen


def covered_by_all(pool: PoolView, rows: Sequence[int]) -> PoolView:
    """The pool after several leases, one after another."""
    for row in rows:
        pool = oracles.covered_by(pool, row)
    return pool
