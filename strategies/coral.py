"""Coral: far from everything covered, weighted by how unsure the classifier is."""

from dataclasses import dataclass

import numpy as np

from strategies import inputs
from strategies.inputs import Column
from strategies.k_center import cover_distances, pick
from strategies.pool import Explanation, PoolView, Rows
from strategies.scores import Aggregate, Measure, ecdf


@dataclass(frozen=True)
class Coral:
    """The candidate with the highest weight * distance to everything covered or picked.

    weight = floor + (1 - floor) * uncertainty, so that a sample the classifier is sure of still
    counts as `floor` of an unsure one; with floor = 1, and before the first label, when all are as
    uncertain, it picks what `KCenter` picks. Uncertainties stay as they are during a batch,
    distances fall with every pick. Equal scores go to the lowest tie_key. Exact, like `KCenter`,
    and at its cost: time O(n b d) at most, memory O(n + b d).

    Source: "CORAL", coreset plus active learning, is the name of a sampler of Lightly, whose
    formula has not been published as far as we know; this one is ours: k-center greedy (Sener and
    Savarese 2018, arXiv:1708.00489) with weighted distances, for which greedy is a heuristic
    without the factor 2 of the plain one (Dyer and Frieze 1985 start it at the heaviest point).

    Attributes
    ----------
    floor : weight of a sample the classifier is sure of, in (0, 1]
    uncertainty : which uncertainty of `strategies.scores`
    aggregate : how the uncertainties of several classes become one in a multi-label campaign
    """

    floor: float = 0.1
    uncertainty: Measure = "margin"
    aggregate: Aggregate = "mean"

    def __post_init__(self) -> None:
        if not 0 < self.floor <= 1:
            raise ValueError(f"floor={self.floor} is not in (0, 1]; try 0.1")

    def select(self, pool: PoolView, budget: int, rng: np.random.Generator) -> Rows:
        """Return up to `budget` candidate rows, the highest score first."""
        n_picks = inputs.n_picks(pool, budget)
        rows = pool.candidate_rows()
        weights = self._weights(pool, rows)
        # equal weights must not round distances that differ to one product
        weights /= weights.max(initial=np.float32(self.floor))
        return pick(pool, rows, cover_distances(pool, rows), weights, n_picks)

    def score(self, pool: PoolView, rows: Rows, rng: np.random.Generator) -> Column:
        """Return weight * cover distance of rows, inf where nothing covers."""
        return self._weights(pool, rows) * cover_distances(pool, rows)

    def explain(self, pool: PoolView, rows: Rows) -> list[Explanation]:
        """Return the score of candidate rows, and the percentiles of its two parts."""
        inputs.check_candidates(pool, rows)
        candidates = pool.candidate_rows()
        weights = self._weights(pool, candidates)
        distances = cover_distances(pool, candidates)
        unsure, diverse = ecdf(weights), ecdf(distances)
        return [
            Explanation(
                float(weights[position] * distances[position]),
                {"uncertainty": float(unsure[position]), "diversity": float(diverse[position])},
            )
            for position in np.searchsorted(candidates, rows)
        ]

    def _weights(self, pool: PoolView, rows: Rows) -> Column:
        values = inputs.uncertainty(pool, self.uncertainty, self.aggregate)
        chosen = inputs.refuse_nan("uncertainty", values, rows)
        floor = np.float32(self.floor)
        return floor + (np.float32(1) - floor) * chosen
