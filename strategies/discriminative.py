"""Ask for what is easiest to tell from the labeled, until nothing can be told from it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from strategies import inputs
from strategies.discriminator import Discriminator, HiddenLayer, fit
from strategies.pool import PoolView, Rows, Status
from strategies.scores import best_first

MOST_PER_SIDE = 50_000  # samples to learn from; of more, so many are drawn


@dataclass(frozen=True)
class Discriminative:
    """Score = log odds to be unlabeled, by a classifier of labeled against unlabeled.

    The batch is chosen in about `n_rounds` parts. For each, a network is fitted that tells what is
    covered (labeled, pending, skipped, or in an earlier part) from the candidates, both sides with
    equal weight; those that look least covered are taken, ties to the lowest tie_key. Where
    nothing is covered yet, the first part is drawn uniformly. Labels are not looked at, nor what
    the classifier of the campaign believes, so that it works for any kind of label.

    The paper trains three hidden layers; here the one hidden layer is random, drawn once a batch,
    and only its weights in the output are fitted, which has one answer and takes a second. On
    digits it gained 6.5 points of area over random where a linear classifier on the embeddings
    gained 3.4 (with rare classes 6.6 and 7.1). Sides of more than 50,000 samples are represented
    by so many, drawn anew for each part. Time O(n_rounds n_hidden (n d + 100 min(n, 10^5))), memory
    O(n d) for two copies of the embeddings, and 100 MB to learn from.

    Source: Gissin and Shalev-Shwartz 2019, arXiv:1907.06347, Algorithm 1.

    Attributes
    ----------
    n_rounds : parts of a batch; as many as the batch has rows if those are fewer
    n_hidden : units of the hidden layer
    penalty : of half the squared length of the weights, against the mean loss
    """

    n_rounds: int = 10
    n_hidden: int = 256
    penalty: float = 3e-4

    def __post_init__(self) -> None:
        """Refuse settings that mean nothing."""
        for name in ("n_rounds", "n_hidden"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}={getattr(self, name)} is below 1")
        if not 0 < self.penalty < np.inf:
            raise ValueError(f"penalty={self.penalty} is not above 0 and finite")

    def select(self, pool: PoolView, budget: int, rng: np.random.Generator) -> Rows:
        """Return up to `budget` candidate rows, part by part, the least covered first."""
        n_picks = inputs.n_picks(pool, budget)
        rows = inputs.in_tie_order(pool, np.arange(len(pool.status)))
        embeddings = inputs.embeddings(pool, rows)
        is_candidate = pool.status[rows] == Status.UNLABELED
        layer = HiddenLayer.drawn(embeddings.shape[1], self.n_hidden, rng)
        n_left = n_picks
        picks: list[Rows] = [np.empty(0, np.int64)]
        for n_rounds in range(min(self.n_rounds, n_picks), 0, -1):
            n_now = -(-n_left // n_rounds)
            candidates = np.flatnonzero(is_candidate)
            if is_candidate.all():
                picks.append(rng.choice(candidates, size=n_now, replace=False))
            else:
                found = self._fit(layer, embeddings, is_candidate, rng)
                odds = found.log_odds(embeddings[candidates])
                # positions are in the order of their tie_key
                best = best_first(odds, candidates.astype(np.uint64), n_now)
                picks.append(candidates[best])
            is_candidate[picks[-1]] = False
            n_left -= n_now
        return rows[np.concatenate(picks)]

    def score(self, pool: PoolView, rows: Rows, rng: np.random.Generator) -> NDArray[np.float32]:
        """Return the log odds of some rows to be unlabeled; 0 where nothing is covered yet."""
        everyone = inputs.in_tie_order(pool, np.arange(len(pool.status)))
        embeddings = inputs.embeddings(pool, everyone)
        is_candidate = pool.status[everyone] == Status.UNLABELED
        if is_candidate.all() or not is_candidate.any():
            return np.zeros(len(rows), np.float32)
        layer = HiddenLayer.drawn(embeddings.shape[1], self.n_hidden, rng)
        found = self._fit(layer, embeddings, is_candidate, rng)
        return found.log_odds(inputs.embeddings(pool, rows))

    def _fit(
        self,
        layer: HiddenLayer,
        embeddings: NDArray[np.float32],
        is_candidate: NDArray[np.bool_],
        rng: np.random.Generator,
    ) -> Discriminator:
        sides = (np.flatnonzero(is_candidate), np.flatnonzero(~is_candidate))
        learned = np.sort(np.concatenate([_at_most(MOST_PER_SIDE, side, rng) for side in sides]))
        return fit(layer, embeddings[learned], is_candidate[learned], penalty=self.penalty)


def _at_most(n_most: int, rows: Rows, rng: np.random.Generator) -> Rows:
    return rows if len(rows) <= n_most else rng.choice(rows, size=n_most, replace=False)
