"""The best candidate by a product of three empirical distribution functions, and batches of them.

What `cdf_product` and `in_class` have in common.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from strategies import inputs
from strategies.kernels.distances import cosine_distances
from strategies.pool import Explanation, PoolView, Rows, Status
from strategies.scores import best_first, ecdf


@dataclass(frozen=True)
class Factors:
    """What is multiplied: score = R(uncertainty) R(density in its group) R(cover) / divisor.

    Attributes
    ----------
    uncertainty, density, cover_distance : float32 arrays of shape (n_samples,)
    groups : int32 array of shape (n_samples,), the group that a row's density is ranked in
    divisors : float64 array of shape (n_groups,)
    """

    uncertainty: NDArray[np.float32]
    density: NDArray[np.float32]
    cover_distance: NDArray[np.float32]
    groups: NDArray[np.int32]
    divisors: NDArray[np.float64]


def select(pool: PoolView, factors: Factors, budget: int) -> Rows:
    """Return up to `budget` candidate rows, best first.

    Each pick counts as covered for the next one, leaves the candidates, and all ranks are taken
    anew over the others.
    """
    picks = np.empty(inputs.n_picks(pool, budget), np.int64)
    if len(picks) > 1:
        pool = replace(pool, status=pool.status.copy())
        factors = replace(factors, cover_distance=factors.cover_distance.copy())
    for position in range(len(picks)):
        row = _best(pool, factors)
        picks[position] = row
        if position + 1 < len(picks):
            pool.status[row] = Status.PENDING
            distances = cosine_distances(pool.embeddings, pool.embeddings[row][None])[0]
            np.minimum(factors.cover_distance, distances, out=factors.cover_distance)
    return picks


def explain(pool: PoolView, factors: Factors, rows: Rows) -> list[Explanation]:
    """Return the score and the three percentiles of candidate rows."""
    candidates = inputs.candidates_to_explain(pool, rows)
    uncertainty, density, diversity, scores = _percentiles(factors, candidates)
    return [
        Explanation(
            float(scores[position]),
            {
                "uncertainty": float(uncertainty[position]),
                "density": float(density[position]),
                "diversity": float(diversity[position]),
            },
        )
        for position in np.searchsorted(candidates, rows)
    ]


def _best(pool: PoolView, factors: Factors) -> int:
    rows = pool.candidate_rows()
    scores = _percentiles(factors, rows)[3]
    return int(rows[best_first(scores, pool.tie_key[rows], 1)[0]])


def _percentiles(factors: Factors, rows: Rows) -> tuple[NDArray[np.float64], ...]:
    uncertainty = ecdf(inputs.refuse_nan("uncertainty", factors.uncertainty, rows))
    diversity = ecdf(inputs.refuse_nan("cover_distance", factors.cover_distance, rows))
    values = inputs.refuse_nan("density", factors.density, rows)
    density = np.empty(len(rows))
    groups = factors.groups[rows]
    for group in np.unique(groups):
        members = groups == group
        density[members] = ecdf(values[members])
    scores = uncertainty * density * diversity / factors.divisors[groups]
    return uncertainty, density, diversity, scores
