"""Ask where the classifier changes its mind between a sample and its labeled neighbours (CAL)."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from strategies import inputs
from strategies.kernels.divergence import logarithms, mean_divergences
from strategies.kernels.nearest import nearest
from strategies.kernels.threads import threads_for
from strategies.pool import PoolView, Rows, Status
from strategies.scores import best_first

SMALLEST_PROBABILITY = 2.0**-24  # a float32 posterior knows none between this and 0
_BLOCK = 65_536  # rows looked at a time


@dataclass(frozen=True)
class Contrastive:
    """Score = mean over the k nearest labeled samples l of KL(p_l || p_x).

    A candidate that lies next to labeled samples and yet is predicted otherwise sits at a boundary
    of the classifier. Probabilities below 2^-24 count as that, so that every score is finite. With
    several classes a sample the divergence is that of as many yes-or-no questions, added up.
    Where a classifier turns uniform far from all labels, as a nearest-neighbour vote with a prior
    does, the divergence is largest there, and outliers come first: on digits it lost to random.
    Before the first label all score 0 and the lowest tie_keys come first, which is as good as
    random. A batch is the highest scores: nothing keeps it diverse; `Power` does.

    The neighbours are the exact ones, by cosine distance, ties to the lowest tie_key. Time
    O(n L d), a matrix product, and O(n k C); memory O(n) beyond blocks.

    Source: Margatina, Vernikos, Barrault and Aletras 2021, arXiv:2109.03764, Algorithm 1.

    Attributes
    ----------
    n_neighbors : k; fewer where fewer are labeled
    """

    n_neighbors: int = 10

    def __post_init__(self) -> None:
        """Refuse settings that mean nothing."""
        if self.n_neighbors < 1:
            raise ValueError(f"n_neighbors={self.n_neighbors} is below 1")

    def select(self, pool: PoolView, budget: int, rng: np.random.Generator) -> Rows:
        """Return up to `budget` candidate rows, the most contrastive first."""
        n_picks = inputs.n_picks(pool, budget)
        rows = pool.candidate_rows()
        return rows[best_first(self.score(pool, rows, rng), pool.tie_key[rows], n_picks)]

    def score(self, pool: PoolView, rows: Rows, rng: np.random.Generator) -> NDArray[np.float32]:
        """Return the mean divergence of some rows from their labeled neighbours, 0 or more."""
        labeled = inputs.in_tie_order(pool, np.flatnonzero(pool.status == Status.LABELED))
        anchors, beliefs = inputs.embeddings(pool, labeled), _questions(pool, labeled)
        belief_logs = _logarithms(beliefs)
        scores = np.zeros(len(rows), np.float32)
        for start in range(0, len(rows), _BLOCK):
            block = rows[start : start + _BLOCK]
            vectors, own = inputs.embeddings(pool, block), _questions(pool, block)
            if len(labeled) == 0:
                continue  # checked, and nothing to compare with
            positions = nearest(vectors, anchors, k=self.n_neighbors).positions
            own_logs, out = _logarithms(own), scores[start : start + _BLOCK]
            with threads_for(positions.size * own.shape[1]):
                mean_divergences(own_logs, beliefs, belief_logs, positions, out)
        return scores


def _questions(pool: PoolView, rows: Rows) -> NDArray[np.float32]:
    """Probabilities of some rows; with several classes a sample, of yes and of no for each."""
    probabilities = inputs.probabilities(pool, rows)
    if pool.targets is None:
        return probabilities
    return np.concatenate([probabilities, 1 - probabilities], axis=1)


def _logarithms(probabilities: NDArray[np.float32]) -> NDArray[np.float64]:
    logs = np.empty(probabilities.shape)
    with threads_for(probabilities.size):
        logarithms(probabilities, SMALLEST_PROBABILITY, logs)
    return logs
