"""The best candidate by a product of three empirical distribution functions, and batches of them.

What `cdf_product` and `in_class` have in common.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from strategies import inputs
from strategies.kernels import ecdf_product as kernel
from strategies.kernels.distances import cosine_distances
from strategies.kernels.threads import threads_for
from strategies.pool import Explanation, PoolView, Rows, Status


@dataclass(frozen=True)
class Factors:
    """What is multiplied: score = R(uncertainty) R(density in its group) R(cover) / divisor.

    R is the tie-averaged rank among the candidates divided by their number.

    Attributes
    ----------
    uncertainty, density, cover_distance : float32 arrays of shape (n_samples,)
    groups : int32 array of shape (n_samples,), the group that a row's density is ranked in; of
        shape (0,) where there is one group
    divisors : float64 array of shape (n_groups,), positive
    """

    uncertainty: NDArray[np.float32]
    density: NDArray[np.float32]
    cover_distance: NDArray[np.float32]
    groups: NDArray[np.int32]
    divisors: NDArray[np.float64]


def select(pool: PoolView, factors: Factors, budget: int) -> Rows:
    """Return up to `budget` candidate rows, best first, equal ones by lowest tie_key.

    Each pick counts as covered for the next one, leaves the candidates, and all ranks are taken
    anew over the others.
    """
    picks = np.empty(inputs.n_picks(pool, budget), np.int64)
    if len(picks) > 1:
        pool = replace(pool, status=pool.status.copy())
        factors = replace(factors, cover_distance=factors.cover_distance.copy())
    columns = _columns(pool, factors)
    for position in range(len(picks)):
        if position > 0:
            _cover(pool, factors, picks[position - 1])
        with threads_for(len(pool.status)) as n_threads:
            picks[position], fault = kernel.best_row(columns, pool.tie_key, n_threads)
        if fault:
            raise _error(pool, factors)
    return picks


def explain(pool: PoolView, factors: Factors, rows: Rows) -> list[Explanation]:
    """Return the score and the three percentiles of candidate rows."""
    inputs.check_candidates(pool, rows)
    with threads_for(len(pool.status)) as n_threads:
        shares, scores, fault = kernel.shares_and_scores(
            _columns(pool, factors), np.asarray(rows, np.int32), n_threads
        )
    if fault:
        raise _error(pool, factors)
    return [
        Explanation(
            float(score),
            {
                "uncertainty": float(share[kernel.UNCERTAINTY]),
                "density": float(share[kernel.DENSITY]),
                "diversity": float(share[kernel.COVER]),
            },
        )
        for score, share in zip(scores, shares, strict=True)
    ]


def _columns(pool: PoolView, factors: Factors) -> kernel.Columns:
    return kernel.Columns(
        status=np.ascontiguousarray(pool.status, dtype=np.int8),
        uncertainty=factors.uncertainty.view(np.int32),
        cover=factors.cover_distance.view(np.int32),
        density=factors.density.view(np.int32),
        groups=factors.groups,
        divisors=factors.divisors,
    )


def _cover(pool: PoolView, factors: Factors, pick: np.int64) -> None:
    """Take a pick out of the candidates and bring its surroundings nearer, in place."""
    pool.status[pick] = Status.PENDING
    distances = cosine_distances(pool.embeddings, pool.embeddings[pick][None])[0]
    np.minimum(factors.cover_distance, distances, out=factors.cover_distance)


def _error(pool: PoolView, factors: Factors) -> ValueError:
    """Find out what the kernel stumbled over."""
    rows = pool.candidate_rows()
    for name in ("uncertainty", "density", "cover_distance"):
        inputs.refuse_nan(name, getattr(factors, name), rows)
    groups = factors.groups[rows]
    row = rows[np.flatnonzero((groups < 0) | (groups >= len(factors.divisors)))[0]]
    return ValueError(
        f"pool.predicted is {factors.groups[row]} at row {row}; there are "
        f"{len(factors.divisors)} classes, counted from 0"
    )
