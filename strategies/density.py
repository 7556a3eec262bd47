"""Ask for what many others look like, whatever the classifier thinks of it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from strategies import inputs
from strategies.pool import Explanation, PoolView, Rows
from strategies.scores import best_first, ecdf


@dataclass(frozen=True)
class Density:
    """Score = density, the inverse mean distance to the nearest neighbours in the pool.

    The samples that stand for most others come first, neighbours of what is labeled included: a
    large batch sits in a few crowds. It is the representative part of the products, to be combined
    rather than taken alone. It looks at no label, so it works the same before the first. Time
    O(n), memory O(n).

    Source: Settles and Craven 2008, information density, without the uncertainty factor.
    """

    def select(self, pool: PoolView, budget: int, rng: np.random.Generator) -> Rows:
        """Return up to `budget` candidate rows, the densest first."""
        n_picks = inputs.n_picks(pool, budget)
        rows = pool.candidate_rows()
        return rows[best_first(self.score(pool, rows, rng), pool.tie_key[rows], n_picks)]

    def score(self, pool: PoolView, rows: Rows, rng: np.random.Generator) -> NDArray[np.float32]:
        """Return the density of some rows."""
        return inputs.refuse_nan("density", inputs.density(pool, "density"), rows)

    def explain(self, pool: PoolView, rows: Rows) -> list[Explanation]:
        """Return the density of candidate rows as their score, and its percentile."""
        inputs.check_candidates(pool, rows)
        candidates = pool.candidate_rows()
        values = inputs.refuse_nan("density", inputs.density(pool, "density"), candidates)
        percentiles = ecdf(values)
        return [
            Explanation(float(values[position]), {"density": float(percentiles[position])})
            for position in np.searchsorted(candidates, rows)
        ]
