"""As many of each class as one wants, as far as predictions can tell."""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from strategies import inputs
from strategies.compose.parts import made
from strategies.compose.views import after, only
from strategies.pool import PoolView, Rows, Status, Strategy

Shares = NDArray[np.float64]


@dataclass(frozen=True)
class Balance:
    """`strategy` picks inside of the predicted class that is furthest behind its share.

    A class is behind by share * (labels + 1) - labels of the class. What is labeled counts with its
    label, what is pending and what is picked already with its predicted class; classes without
    candidates are passed over. So the classes take turns, and all picks of a class come from one
    batch of `strategy` among its candidates, for which the picks of the other classes before it are
    pending and cover their surroundings. Before the first label all are predicted as one class, and
    `strategy` decides alone. The inner strategy is given no `pool.neighbors`. Time that of
    `strategy` once a class, and O(n b d) where `pool.cover_distance` is given; memory a copy of the
    arrays of a class.

    Source: quota sampling by the predicted class; Neyman 1934 on samples in given proportions.

    Attributes
    ----------
    strategy : strategy, or its name
    shares : "uniform", all classes the same; "pool", as often as they are predicted in the whole
        pool; or one number a class, of which only the proportions count
    """

    strategy: Strategy | str = "margin"
    shares: Literal["uniform", "pool"] | tuple[float, ...] = "uniform"

    def __post_init__(self) -> None:
        """Make the strategy, and refuse shares that are none."""
        object.__setattr__(self, "strategy", made(self.strategy))
        if isinstance(self.shares, str):
            fits = self.shares in ("uniform", "pool")
        else:
            object.__setattr__(self, "shares", tuple(map(float, self.shares)))
            fits = all(math.isfinite(share) and share >= 0 for share in self.shares)
            fits = fits and any(share > 0 for share in self.shares)
        if not fits:
            raise ValueError(
                f"shares={self.shares!r} does not fit; give uniform, pool, or one number of 0 or "
                "more a class, not all 0"
            )

    def select(self, pool: PoolView, budget: int, rng: np.random.Generator) -> Rows:
        """Return up to `budget` candidate rows, the class furthest behind first."""
        inputs.one_label_a_sample(pool, "balance")
        n_picks = inputs.n_picks(pool, budget)
        classes = inputs.predicted_classes(pool)
        rows = pool.candidate_rows()
        waiting = np.bincount(classes[rows], minlength=max(pool.n_classes, 1))
        pending = classes[pool.status == Status.PENDING]
        counts = inputs.labels_per_class(pool) + np.bincount(pending, minlength=len(waiting))
        turns = _turns(self._shares(pool, classes), counts, waiting, n_picks)
        picks = np.full(n_picks, -1, np.int64)
        # the classes in the order in which they first have their turn
        for label in turns[np.sort(np.unique(turns, return_index=True)[1])]:
            earlier = picks[picks >= 0]
            members = rows[classes[rows] == label]
            inside = only(pool, np.concatenate([members, earlier]))
            view = after(inside.view, np.searchsorted(inside.rows, earlier))
            places = np.flatnonzero(turns == label)
            picks[places] = inside.rows[made(self.strategy).select(view, len(places), rng)]
        return picks

    def _shares(self, pool: PoolView, classes: NDArray[np.int32]) -> Shares:
        n_classes = max(pool.n_classes, 1)
        if self.shares == "uniform":
            return np.full(n_classes, 1 / n_classes)
        if self.shares == "pool":
            return np.bincount(classes, minlength=n_classes) / max(len(classes), 1)
        if len(self.shares) != n_classes:
            raise inputs.DoesNotFitPool(
                f"balance has {len(self.shares)} shares, the pool {n_classes} classes "
                "(pool.n_classes); give one share a class"
            )
        return np.array(self.shares, np.float64) / sum(self.shares)


def _turns(
    shares: Shares, counts: NDArray[np.int64], waiting: NDArray[np.int64], n_picks: int
) -> NDArray[np.int64]:
    """Return whose turn each pick is: the class furthest behind that has candidates waiting."""
    counts, waiting = counts.astype(np.float64), waiting.copy()
    total = counts.sum()
    turns = np.empty(n_picks, np.int64)
    for place in range(n_picks):
        behind = np.where(waiting > 0, shares * (total + 1) - counts, -np.inf)
        turn = turns[place] = np.argmax(behind)
        counts[turn] += 1
        waiting[turn] -= 1
        total += 1
    return turns
