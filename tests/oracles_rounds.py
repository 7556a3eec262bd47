"""Batches in rounds, the slow and obvious way: every candidate against every pick."""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from strategies.kernels.distances import cosine_distances
from strategies.pool import PoolView, Status
from tests import oracles


def worth(distance: float, ranked: NDArray[np.float32]) -> float:
    """Logarithm of the share of a distance among those that were ranked."""
    n_below = np.count_nonzero(ranked < np.float32(distance))
    n_equal = np.count_nonzero(ranked == np.float32(distance))
    return float(np.log((n_below + (n_equal + 1) / 2) / len(ranked)))


def frozen_greedy(
    embeddings: NDArray[np.float32],
    static: NDArray[np.float64],
    cover: NDArray[np.float32],
    n_picks: int,
    *,
    strength: float = 1.0,
    n_ranked: int | None = None,
) -> list[int]:
    """Pick one by one, ranks of the cover distances frozen; positions are in tie order.

    Updates `cover` and leaves -inf in `static` where something was picked.
    """
    left = np.flatnonzero(static > -np.inf)
    step = -(-len(left) // (n_ranked or len(left)))
    ranked = cover[left[::step]].copy()
    picks: list[int] = []
    for _ in range(n_picks):
        scores = [
            one + strength * worth(distance, ranked) if one > -np.inf else -np.inf
            for one, distance in zip(static.tolist(), cover.tolist(), strict=True)
        ]
        picks.append(int(np.argmax(scores)))
        static[picks[-1]] = -np.inf
        distances = cosine_distances(embeddings, embeddings[[picks[-1]]])[0]
        np.minimum(cover, distances, out=cover)
    return picks


def select_in_rounds(
    pool: PoolView, budget: int, *, in_class: bool, n_exact: int, round_size: Any
) -> list[int]:
    """First `n_exact` picks with all ranks anew each time, then in rounds."""
    assert pool.uncertainty is not None
    picks = oracles.select_by_product(
        pool, min(budget, n_exact), pool.uncertainty, in_class=in_class
    )
    for pick in picks:
        pool = oracles.covered_by(pool, pick)
    while len(picks) < budget and (pool.status == Status.UNLABELED).any():
        rows = np.flatnonzero(pool.status == Status.UNLABELED)
        rows = rows[np.argsort(pool.tie_key[rows])]
        n_round = min(round_size(len(picks)), budget - len(picks), len(rows))
        assert pool.cover_distance is not None
        static = np.log(static_product(pool, rows, in_class=in_class))
        cover = pool.cover_distance[rows]
        chosen = rows[frozen_greedy(pool.embeddings[rows], static, cover, n_round)]
        status, distances = pool.status.copy(), pool.cover_distance.copy()
        status[chosen], distances[rows] = Status.PENDING, cover
        pool = replace(pool, status=status, cover_distance=distances)
        picks.extend(chosen.tolist())
    return picks


def static_product(
    pool: PoolView, rows: NDArray[np.int64], *, in_class: bool
) -> NDArray[np.float64]:
    """R(uncertainty) R(density in its group) / divisor among `rows`."""
    assert pool.uncertainty is not None and pool.density is not None
    groups = np.zeros(len(rows), int)
    divisors = np.ones(1)
    if in_class and pool.predicted is not None:
        groups = pool.predicted[rows].astype(int)
        divisors = np.sqrt(1.0 + np.array(oracles.labels_per_class(pool)))
    shares = np.empty(len(rows))
    for group in np.unique(groups):
        members = groups == group
        shares[members] = rankdata(pool.density[rows][members]) / members.sum()
    ranks: NDArray[np.float64] = rankdata(pool.uncertainty[rows]) / len(rows)
    return ranks * shares / divisors[groups]
