"""Only the candidates that score high by one strategy; another picks among them."""

import math
from dataclasses import dataclass

import numpy as np

from strategies import inputs
from strategies.compose.parts import made, scorer
from strategies.compose.views import only
from strategies.pool import PoolView, Rows, Strategy
from strategies.scores import best_first


@dataclass(frozen=True)
class Threshold:
    """`then` picks among the candidates whose score by `by` is high.

    Of n candidates the ceil(keep n) highest scores are kept, equal ones by lowest tie_key, and of
    these the scores above `above` where that is given. `then` sees a pool in which the others do
    not exist: its percentiles are among what is kept, and it is given no `pool.neighbors`. When all
    that is kept is picked, the rest follows, highest score first. Time and memory: those of the two
    strategies, O(n log n), and a copy of the arrays of what is kept.

    Source: such filters stand in front of many batch strategies, e.g. the k-means of the most
    uncertain in Citovsky et al. 2021, arXiv:2107.14263.

    Attributes
    ----------
    by : strategy with a score, or its name
    keep : share of the candidates, in (0, 1]
    above : score that has to be exceeded, or None
    then : strategy, or its name
    """

    by: Strategy | str = "margin"
    keep: float = 0.5
    above: float | None = None
    then: Strategy | str = "k_center"

    def __post_init__(self) -> None:
        """Make the strategies, and refuse shares that are none."""
        object.__setattr__(self, "by", scorer(self.by, "threshold"))
        object.__setattr__(self, "then", made(self.then))
        if not 0 < self.keep <= 1:
            raise ValueError(
                f"keep={self.keep!r} is no share of the candidates; give one in (0, 1]"
            )
        if self.above is not None and math.isnan(self.above):
            raise ValueError("above=nan is exceeded by nothing; give a number")

    def select(self, pool: PoolView, budget: int, rng: np.random.Generator) -> Rows:
        """Return up to `budget` candidate rows, those that are kept first."""
        n_picks = inputs.n_picks(pool, budget)
        if n_picks == 0:
            return np.empty(0, np.int64)
        rows = inputs.in_tie_order(pool, pool.candidate_rows())
        scores = scorer(self.by, "threshold").score(pool, rows, rng)
        # rounded, so that a tenth of 30 are 3
        n_kept = math.ceil(round(self.keep * len(rows), 6))
        if self.above is not None:
            n_kept = min(n_kept, int(np.count_nonzero(scores > np.float64(self.above))))
        ranked = rows[best_first(scores, pool.tie_key[rows], max(n_kept, n_picks))]
        kept = only(pool, ranked[:n_kept])
        chosen = kept.rows[made(self.then).select(kept.view, min(n_picks, n_kept), rng)]
        return np.concatenate([chosen, ranked[n_kept:n_picks]])
