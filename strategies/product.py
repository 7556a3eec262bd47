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
from strategies.lazy_cover import LazyCover, round_size
from strategies.pool import Explanation, PoolView, Rows, Status
from strategies.scores import ecdf

N_EXACT = 256
"""Picks of a batch that are exactly as many single picks."""


@dataclass(frozen=True)
class Factors:
    """What is multiplied: score = R(uncertainty) R(density in its group) R(cover) / divisor.

    R is the tie-averaged rank among the candidates divided by their number.

    Attributes
    ----------
    uncertainty, density, cover_distance : float32 arrays of shape (n_samples,); density None is no
        factor
    groups : int32 array of shape (n_samples,), the group that a row's density is ranked in; of
        shape (0,) where there is one group
    divisors : float64 array of shape (n_groups,), positive
    uncertainty_from : the array of the pool that `uncertainty` is, for messages
    """

    uncertainty: NDArray[np.float32]
    density: NDArray[np.float32] | None
    cover_distance: NDArray[np.float32]
    groups: NDArray[np.int32]
    divisors: NDArray[np.float64]
    uncertainty_from: str = "uncertainty"


def select(pool: PoolView, factors: Factors, budget: int, *, n_exact: int = N_EXACT) -> Rows:
    """Return up to `budget` candidate rows, best first, equal ones by lowest tie_key.

    Each of the first `n_exact` picks counts as covered for the next one, leaves the candidates, and
    all ranks are taken anew over the others. Beyond, ranks are taken anew once in a round of an
    eighth of the picks before; picks still count as covered at once.
    """
    n_picks = inputs.n_picks(pool, budget)
    if n_picks > 1:
        inputs.check_embeddings(pool)
        pool = replace(pool, status=pool.status.copy())
        factors = replace(factors, cover_distance=factors.cover_distance.copy())
    picks: Rows = np.empty(min(n_picks, n_exact), np.int64)
    columns = _columns(pool, factors)
    for position in range(len(picks)):
        with threads_for(len(pool.status)) as n_threads:
            picks[position], fault = kernel.best_row(columns, pool.tie_key, n_threads)
        if fault:
            raise _trouble(pool, factors)
        if position + 1 < n_picks:
            _cover(pool, factors, picks[position])
    if len(picks) == n_picks:
        return picks
    return np.concatenate([picks, _select_in_rounds(pool, factors, len(picks), n_picks)])


def _select_in_rounds(pool: PoolView, factors: Factors, n_before: int, n_picks: int) -> Rows:
    """Go on after `n_before` picks, which are pending and cover already."""
    rows = inputs.in_tie_order(pool, pool.candidate_rows())
    lazy = LazyCover(pool, rows, factors.cover_distance[rows])
    static = np.zeros(len(rows))
    picked: list[NDArray[np.int64]] = []
    while n_before < n_picks:
        left = np.flatnonzero(lazy.is_left)
        static[left] = _log_static(factors, rows[left])
        n_round = min(round_size(n_before), n_picks - n_before)
        picked.append(lazy.pick(static, lazy.ranks(), n_round))
        n_before += n_round
    return rows[np.concatenate(picked)]


def _log_static(factors: Factors, rows: Rows) -> NDArray[np.float64]:
    """Return the logarithm of what does not change as picks are made: all but the cover distance.

    Ranks are taken among `rows`.
    """
    divisors = factors.divisors[factors.groups[rows] if len(factors.groups) else 0]
    shares = ecdf(factors.uncertainty[rows]) * _density_shares(factors, rows)
    logs: NDArray[np.float64] = np.log(shares / divisors)
    return logs


def _density_shares(factors: Factors, rows: Rows) -> NDArray[np.float64]:
    if factors.density is None:
        return np.ones(len(rows))
    density = factors.density[rows]
    if not len(factors.groups):
        return ecdf(density)
    groups = factors.groups[rows]
    shares = np.empty(len(rows))
    order = np.argsort(groups, kind="stable")
    for members in np.split(order, np.flatnonzero(np.diff(groups[order])) + 1):
        shares[members] = ecdf(density[members])
    return shares


def shares_and_scores(
    pool: PoolView, factors: Factors, rows: Rows
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the three percentiles, shape (n, 3), and the scores of candidate rows."""
    if not len(rows):
        return np.empty((0, 3)), np.empty(0)
    with threads_for(len(pool.status)) as n_threads:
        shares, scores, fault = kernel.shares_and_scores(
            _columns(pool, factors), np.asarray(rows, np.int32), n_threads
        )
    if fault:
        raise _trouble(pool, factors)
    return shares, scores


def explain(pool: PoolView, factors: Factors, rows: Rows) -> list[Explanation]:
    """Return the score and the three percentiles of candidate rows."""
    inputs.check_candidates(pool, rows)
    shares, scores = shares_and_scores(pool, factors, rows)
    return [
        Explanation(
            float(score),
            {
                "uncertainty": float(share[kernel.UNCERTAINTY]),
                **({} if factors.density is None else {"density": float(share[kernel.DENSITY])}),
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
        # without density something has to stand there
        density=(factors.uncertainty if factors.density is None else factors.density).view(
            np.int32
        ),
        groups=factors.groups,
        divisors=factors.divisors,
        ranks_density=factors.density is not None,
    )


def _cover(pool: PoolView, factors: Factors, pick: np.int64) -> None:
    """Take a pick out of the candidates and bring its surroundings nearer, in place."""
    pool.status[pick] = Status.PENDING
    distances = cosine_distances(pool.embeddings, pool.embeddings[pick][None])[0]
    np.minimum(factors.cover_distance, distances, out=factors.cover_distance)


def _trouble(pool: PoolView, factors: Factors) -> Exception:
    """Find out what the kernel stumbled over."""
    rows = pool.candidate_rows()
    inputs.refuse_nan(factors.uncertainty_from, factors.uncertainty, rows)
    if factors.density is not None:
        inputs.refuse_nan("density", factors.density, rows)
    inputs.refuse_nan("cover_distance", factors.cover_distance, rows)
    inputs.refuse_no_class("predicted", factors.groups[rows], rows, len(factors.divisors))
    return AssertionError("the kernel refused numbers that are in order")
