"""Uncertainty x density x diversity, each as the share of candidates below it."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from strategies import inputs, product
from strategies.pool import Explanation, PoolView, Rows
from strategies.scores import Aggregate, Measure


@dataclass(frozen=True)
class CdfProduct:
    """Score = R(uncertainty) R(density) R(cover distance), the plain product of the literature.

    R is the tie-averaged rank among the candidates divided by their number, so that scales do not
    matter. Where classes differ in size the constant density factor starves the rare ones;
    `InClass` is safer.

    In a batch each pick counts as covered for the next. Up to 256 it equals as many single picks.
    Beyond, ranks are taken anew once in a round of an eighth of the picks before; the ranks of the
    cover distance over an even sample where there are more than 32,768 candidates. Time O(n) a
    pick, beyond O(n log n) a round and O(n b d) at most, mostly far less, since distances are
    computed for samples only that may come next. Memory O(n + b d).

    Source: Settles and Craven 2008, information density: uncertainty times density; here as ranks,
    with diversity as a third factor.

    Attributes
    ----------
    uncertainty : which uncertainty of `strategies.scores`
    aggregate : how the uncertainties of several classes become one in a multi-label campaign
    """

    uncertainty: Measure = "margin"
    aggregate: Aggregate = "mean"
    _name: ClassVar[str] = "cdf_product"  # in messages

    def select(self, pool: PoolView, budget: int, rng: np.random.Generator) -> Rows:
        """Return up to `budget` candidate rows, best first."""
        return product.select(pool, self._factors(pool), budget)

    def score(self, pool: PoolView, rows: Rows, rng: np.random.Generator) -> NDArray[np.float32]:
        """Return the score of candidate rows, as a single pick sees it."""
        _, scores = product.shares_and_scores(pool, self._factors(pool), rows)
        return scores.astype(np.float32)

    def explain(self, pool: PoolView, rows: Rows) -> list[Explanation]:
        """Return the score and the percentiles of candidate rows."""
        return product.explain(pool, self._factors(pool), rows)

    def _factors(self, pool: PoolView) -> product.Factors:
        return product.Factors(
            uncertainty=inputs.uncertainty(pool, self.uncertainty, self.aggregate),
            density=inputs.density(pool, self._name),
            cover_distance=inputs.cover_distance(pool, self._name),
            groups=np.empty(0, np.int32),
            divisors=np.ones(1),
        )
