"""A strategy of one's own: look for the class that has the fewest labels.

    pip install examples/plugin_strategy
    al-server campaign create birds ~/birds --classes owl,wren --strategy 'rarest_first?wanted=2'

A strategy is a frozen dataclass: its fields are the settings, data arrive in the call, nothing is
remembered, and `rng` is the only source of chance.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from strategies import inputs
from strategies.pool import PoolView, Rows
from strategies.scores import best_first


@dataclass(frozen=True)
class RarestFirst:
    """Score = probability of any of the `wanted` classes with the fewest labels.

    Before the first label all samples score the same. Time O(n C).

    Attributes
    ----------
    wanted : how many classes are looked for
    """

    wanted: int = 1

    def __post_init__(self) -> None:
        """Refuse what cannot be wanted."""
        if self.wanted < 1:
            raise ValueError(f"wanted={self.wanted} looks for nothing; give 1 or more")

    def select(self, pool: PoolView, budget: int, rng: np.random.Generator) -> Rows:
        """Return up to `budget` candidate rows, the likeliest first."""
        n_picks = inputs.n_picks(pool, budget)
        rows = pool.candidate_rows()
        # equal scores go to the lowest tie_key, so that the order of the pool does not matter
        return rows[best_first(self.score(pool, rows, rng), pool.tie_key[rows], n_picks)]

    def score(self, pool: PoolView, rows: Rows, rng: np.random.Generator) -> NDArray[np.float32]:
        """Return what some rows are worth; with it the strategy can be part of a `product`."""
        rarest = np.argsort(inputs.labels_per_class(pool), kind="stable")[: self.wanted]
        likely = inputs.probabilities(pool, rows)[:, rarest].sum(axis=1)
        return np.asarray(likely, np.float32)
