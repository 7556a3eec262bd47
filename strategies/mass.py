"""The uncertainty that a label would resolve, far from what is labeled."""

from dataclasses import dataclass, fields, is_dataclass
from typing import ClassVar

import numpy as np

from strategies import inputs, product
from strategies.inputs import Column
from strategies.pool import Explanation, PoolView, Rows


@dataclass(frozen=True)
class Mass:
    """Score = R(uncertainty mass) R(cover distance) / sqrt(1 + labels of class c).

    The mass of a sample is its own uncertainty and, weighted by nearness, that of its neighbours in
    both directions of the graph (`pool.uncertainty_mass`): what a label here would resolve. c is
    the predicted class; R is the tie-averaged rank among the candidates divided by their number.
    Before the first label all are equally uncertain, and the mass is a density. Uncertainty and
    density are one thing here, so that an outlier is not asked about however uncertain it is.
    Batches, time and memory are as in `CdfProduct`; the mass stays as it was at the start of the
    batch, since nothing is known of the answers.

    Source: this project.
    """

    reads_uncertainty_mass: ClassVar[bool] = True  # whoever owns the pool then keeps it

    def select(self, pool: PoolView, budget: int, rng: np.random.Generator) -> Rows:
        """Return up to `budget` candidate rows, best first, equal ones by lowest tie_key."""
        return product.select(pool, _factors(pool), budget)

    def score(self, pool: PoolView, rows: Rows, rng: np.random.Generator) -> Column:
        """Return the score of candidate rows, higher = label sooner."""
        _, scores = product.shares_and_scores(pool, _factors(pool), rows)
        return scores.astype(np.float32)

    def explain(self, pool: PoolView, rows: Rows) -> list[Explanation]:
        """Return the score and the percentiles of candidate rows."""
        return [
            Explanation(score, {"mass": parts["uncertainty"], "diversity": parts["diversity"]})
            for score, parts in product.explain(pool, _factors(pool), rows)
        ]


def reads_uncertainty_mass(strategy: object) -> bool:
    """Tell whether a strategy, or one inside of it, wants `pool.uncertainty_mass` to be kept."""
    if getattr(strategy, "reads_uncertainty_mass", False):
        return True
    if isinstance(strategy, list | tuple):
        return any(map(reads_uncertainty_mass, strategy))
    if is_dataclass(strategy):
        return any(reads_uncertainty_mass(getattr(strategy, one.name)) for one in fields(strategy))
    return False


def _factors(pool: PoolView) -> product.Factors:
    return product.Factors(
        uncertainty=inputs.uncertainty_mass(pool, "mass"),
        density=None,
        cover_distance=inputs.cover_distance(pool, "mass"),
        groups=inputs.predicted(pool),
        divisors=np.sqrt(1.0 + inputs.labels_per_class(pool)),
        uncertainty_from="uncertainty_mass",
    )
