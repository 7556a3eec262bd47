"""Ask for what the classifier is least sure of: one strategy, four measures."""

from dataclasses import dataclass
from functools import partial
from typing import Final

import numpy as np
from numpy.typing import NDArray

from strategies import inputs
from strategies.pool import Explanation, PoolView, Rows
from strategies.scores import Aggregate, Measure, best_first, ecdf


@dataclass(frozen=True)
class Uncertainty:
    """The highest uncertainty first; before the first label all are equal. Time O(n C).

    Attributes
    ----------
    measure : which uncertainty of `strategies.scores`
    aggregate : how the uncertainties of several classes become one in a multi-label campaign
    """

    measure: Measure = "margin"
    aggregate: Aggregate = "mean"

    def select(self, pool: PoolView, budget: int, rng: np.random.Generator) -> Rows:
        """Return up to `budget` candidate rows, the most uncertain first."""
        n_picks = inputs.n_picks(pool, budget)
        rows = pool.candidate_rows()
        return rows[best_first(self.score(pool, rows, rng), pool.tie_key[rows], n_picks)]

    def score(self, pool: PoolView, rows: Rows, rng: np.random.Generator) -> NDArray[np.float32]:
        """Return the uncertainty of some rows."""
        values = inputs.uncertainty(pool, self.measure, self.aggregate)
        return inputs.refuse_nan("uncertainty", values, rows)

    def explain(self, pool: PoolView, rows: Rows) -> list[Explanation]:
        """Return the uncertainty of candidate rows as their score, and its percentile."""
        inputs.check_candidates(pool, rows)
        candidates = pool.candidate_rows()
        values = inputs.uncertainty(pool, self.measure, self.aggregate)
        chosen = inputs.refuse_nan("uncertainty", values, candidates)
        percentiles = ecdf(chosen)
        return [
            Explanation(float(chosen[position]), {"uncertainty": float(percentiles[position])})
            for position in np.searchsorted(candidates, rows)
        ]


# the names of the registry
LeastConfidence: Final = partial(Uncertainty, "least_confidence")
Margin: Final = partial(Uncertainty, "margin")
Entropy: Final = partial(Uncertainty, "entropy")
Ratio: Final = partial(Uncertainty, "ratio")
