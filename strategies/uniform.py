"""Random sampling: the baseline that every strategy must beat."""

from dataclasses import dataclass

import numpy as np

from strategies import inputs
from strategies.pool import PoolView, Rows


@dataclass(frozen=True)
class Uniform:
    """Every candidate is equally likely, without replacement. Time O(n)."""

    def select(self, pool: PoolView, budget: int, rng: np.random.Generator) -> Rows:
        """Return up to `budget` distinct candidate rows, drawn at random."""
        n_picks = inputs.n_picks(pool, budget)
        return rng.choice(pool.candidate_rows(), size=n_picks, replace=False)
