"""The default: the CDF product, with density ranked inside the predicted class."""

from dataclasses import dataclass

import numpy as np

from strategies import inputs, product
from strategies.pool import Explanation, PoolView, Rows
from strategies.scores import Aggregate, Measure


@dataclass(frozen=True)
class InClass:
    """Score = R(uncertainty) R_c(density) R(cover distance) / sqrt(1 + labels of class c).

    c is the predicted class; R is the tie-averaged rank among the candidates divided by their
    number, R_c the same among the candidates predicted as c. Ranking density inside the class and
    asking less for classes that have many labels keeps rare classes from starving, which the plain
    product does not. Before the first label there is one class and one uncertainty for all. Time
    O(n) a pick; a batch is as many picks, each of which counts as covered for the next.

    Attributes
    ----------
    uncertainty : which uncertainty of `strategies.scores`
    aggregate : how the uncertainties of several classes become one in a multi-label campaign
    """

    uncertainty: Measure = "margin"
    aggregate: Aggregate = "mean"

    def select(self, pool: PoolView, budget: int, rng: np.random.Generator) -> Rows:
        """Return up to `budget` candidate rows, best first."""
        return product.select(pool, self._factors(pool), budget)

    def explain(self, pool: PoolView, rows: Rows) -> list[Explanation]:
        """Return the score and the percentiles of candidate rows."""
        return product.explain(pool, self._factors(pool), rows)

    def _factors(self, pool: PoolView) -> product.Factors:
        return product.Factors(
            uncertainty=inputs.uncertainty(pool, self.uncertainty, self.aggregate),
            density=inputs.density(pool, "in_class"),
            cover_distance=inputs.cover_distance(pool, "in_class"),
            groups=inputs.predicted(pool),
            divisors=np.sqrt(1.0 + inputs.labels_per_class(pool)),
        )
