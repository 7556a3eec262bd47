"""Random sampling: the baseline that every strategy must beat."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from strategies import inputs
from strategies.pool import PoolView, Rows


@dataclass(frozen=True)
class Uniform:
    """Every candidate is equally likely, without replacement.

    It draws from candidates in the order of their tie_key, so that the same seed draws the same
    samples however the pool is ordered. Time O(n log n), memory O(n).
    """

    def select(self, pool: PoolView, budget: int, rng: np.random.Generator) -> Rows:
        """Return up to `budget` distinct candidate rows, drawn at random."""
        n_picks = inputs.n_picks(pool, budget)
        rows = inputs.in_tie_order(pool, pool.candidate_rows())
        return rng.choice(rows, size=n_picks, replace=False)

    def score(self, pool: PoolView, rows: Rows, rng: np.random.Generator) -> NDArray[np.float32]:
        """Return a random number in [0, 1) for each of some rows."""
        scores = np.empty(len(rows), np.float32)
        scores[np.argsort(pool.tie_key[rows], kind="stable")] = rng.random(len(rows), np.float32)
        return scores
