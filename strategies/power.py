"""Draw a batch by score instead of taking the highest: any strategy with a score, made for batches.

The highest scores of a pool tend to be the same sample many times over; drawing costs nothing and
avoids that.
"""

from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from strategies import inputs
from strategies.pool import PoolView, Rows, Scores
from strategies.scores import best_first
from strategies.uncertainty import Margin

Variant = Literal["power", "softmax", "softrank"]


LEAST_BETA = 1e-9  # already as good as uniform; less would overflow


@dataclass(frozen=True)
class Power:
    """Draw without replacement with chances that grow with a score.

    Each candidate gets the key a(score) + G / beta with G from the standard Gumbel distribution,
    and the highest keys are taken: the same as drawing one after another, each time in proportion
    to exp(beta a). With a = log score ("power") that is score^beta, with a = score ("softmax")
    exp(beta score), with a = -log rank ("softrank", the best has rank 1, equal ones the mean of
    their ranks) rank^-beta. Scores of 0 ("power") come after all others, in random order: with no
    label yet the usual bases score 0 for all, which makes this a uniform draw. Time O(n) beyond
    the base's, memory O(n).

    Source: Kirsch, Farquhar, Atighehchian, Jesson, Branchaud-Charron and Gal 2023,
    arXiv:2106.12059. There ranks are of a strict order.

    Attributes
    ----------
    base : the strategy whose score counts
    beta : how closely the score is followed: 0 would be uniform, infinity the highest scores
    variant : how a score becomes a chance
    """

    base: Scores = field(default_factory=Margin)
    beta: float = 1.0
    variant: Variant = "power"

    def __post_init__(self) -> None:
        """Refuse settings that mean nothing."""
        if not isinstance(self.base, Scores):
            raise ValueError(
                f"base={self.base!r} does not value candidates one by one; take one with a score, "
                "such as margin, entropy or density"
            )
        _check(self.beta, self.variant)

    def select(self, pool: PoolView, budget: int, rng: np.random.Generator) -> Rows:
        """Return up to `budget` candidate rows, the highest keys first."""
        n_picks = inputs.n_picks(pool, budget)
        rows = inputs.in_tie_order(pool, pool.candidate_rows())
        scores = self.base.score(pool, rows, rng)
        return rows[draw(scores, n_picks, rng, beta=self.beta, variant=self.variant)]

    def score(self, pool: PoolView, rows: Rows, rng: np.random.Generator) -> NDArray[np.float32]:
        """Return the keys of some rows: another draw each time.

        Noise alone where no row has a chance above 0, else -inf for those that have none.
        """
        order = np.argsort(pool.tie_key[rows], kind="stable")
        scores = self.base.score(pool, rows[order], rng)
        chances, noise = _log_chances(scores, self.variant), rng.gumbel(size=len(rows)) / self.beta
        keys = np.empty(len(rows), np.float32)
        keys[order] = noise if bool(np.isneginf(chances).all()) else chances + noise
        return keys


def draw(
    scores: NDArray[np.floating[Any]],
    n_picks: int,
    rng: np.random.Generator,
    *,
    beta: float = 1.0,
    variant: Variant = "power",
) -> NDArray[np.int64]:
    """Return the positions of a batch drawn by score, as `Power` does.

    Parameters
    ----------
    scores : float array of shape (n,), without NaN, of candidates in the order of their tie_key
    n_picks : int, how many positions to return; all if there are fewer
    """
    _check(beta, variant)
    chances = _log_chances(scores, variant)
    noise = rng.gumbel(size=len(scores)) / beta
    # where the chance is 0 or infinite, noise alone decides, after or before all others
    level = np.where(np.isinf(chances), np.sign(chances), 0.0)
    keys = np.where(level == 0, chances + noise, noise)
    picks: list[NDArray[np.int64]] = []
    for chosen in (1, 0, -1):
        members = np.flatnonzero(level == chosen)
        n_left = n_picks - sum(map(len, picks))
        picks.append(members[best_first(keys[members], members.astype(np.uint64), n_left)])
    return np.concatenate(picks)


def _log_chances(scores: NDArray[np.floating[Any]], variant: Variant) -> NDArray[np.float64]:
    """Return what the noise is added to; -inf for a chance of 0."""
    values = np.asarray(scores, np.float64)
    if bool(np.isnan(values).any()):
        raise ValueError("power: the score of its base holds NaN; leave those samples out")
    if variant == "softmax":
        return values
    if variant == "softrank":
        ranks: NDArray[np.float64] = -np.log(rankdata(-values))
        return ranks
    if bool((values < 0).any()):
        raise ValueError(
            f"power: the score of its base falls to {values.min():.6g}, but chances in proportion "
            "to a score need it to be 0 or more; take variant softmax or softrank"
        )
    return np.log(values, out=np.full(len(values), -np.inf), where=values > 0)


def _check(beta: float, variant: Variant) -> None:
    if not LEAST_BETA <= beta < np.inf:
        raise ValueError(f"beta={beta} is not finite and at least {LEAST_BETA}")
    if variant not in get_args(Variant):
        raise ValueError(f"variant={variant!r} is none of {', '.join(get_args(Variant))}")
