"""The picks that are drawn at random, so that a campaign can be measured while it runs.

Idea. Seed and sample ids put the pool into one random order. Each pick tosses a coin that shows
"random" with the probability `random_share`; then it is the first sample of that order that is
still on offer, otherwise the strategy chooses. So a random pick is any candidate with the same
probability, and the head of the order, up to the last random pick, is what plain random sampling
would have labeled, one after the other: those of it that the strategy had labeled before were
met there all the same. That makes the head an unbiased sample of the whole pool, which the random
picks alone are not - they miss what the strategy took.

The coin comes from seed and event number, the order from seed and ids: a replay draws the same, and
samples that join the pool later find their places in the same order. Nothing depends on rows.

When the pool grows, the newcomers' places lie all over the order, so that the next random picks are
of those before its head, until they have their share of it: then the head is again what random
sampling of the larger pool would have labeled. Until then the newest random picks are of the
newcomers, and so is an accuracy that rests on them.

Time of a draw O(labels so far), of a new order O(n log n); memory 8 n bytes.
"""

from collections.abc import Collection

import numpy as np
from numpy.typing import NDArray

from strategies.pool import PoolView, Rows, Status

_BLOCK = 4096
_COINS = 1  # the stream of the coins; the strategy has the one without a number


class Lottery:
    """Decides which picks are random, and which samples those are.

    Parameters
    ----------
    share : of the picks, in [0, 1]; 0: none, and nothing else changes
    seed : of the campaign
    """

    def __init__(self, share: float, *, seed: int) -> None:
        self.share = share
        self._seed = seed
        self._order: Rows = np.empty(0, np.int64)

    def coins(self, n: int, *, seq: int) -> NDArray[np.bool_]:
        """Tell for each of `n` picks after event number `seq` whether it is random."""
        if self.share == 0:
            return np.zeros(n, np.bool_)
        is_random: NDArray[np.bool_] = (
            np.random.default_rng([self._seed, seq, _COINS]).random(n) < self.share
        )
        return is_random

    def draw(self, view: PoolView, n: int) -> list[int]:
        """Return the first `n` candidates of the random order, fewer where there are fewer."""
        drawn: list[int] = []
        order = self._in_order(view.tie_key)
        for start in range(0, len(order), _BLOCK):
            if len(drawn) >= n:
                break
            rows = order[start : start + _BLOCK]
            drawn += rows[view.status[rows] == Status.UNLABELED][: n - len(drawn)].tolist()
        return drawn

    def head(self, drawn: Collection[int], keys: NDArray[np.uint64]) -> list[int]:
        """Return the rows of the random order that come before the last of those drawn.

        That last one is left out: the head ends there because it had no label, and would count too
        many of its kind.
        """
        if not drawn:
            return []
        order, wanted = self._in_order(keys), np.fromiter(drawn, np.int64)
        n_found = 0
        for start in range(0, len(order), _BLOCK):
            found = np.flatnonzero(np.isin(order[start : start + _BLOCK], wanted))
            n_found += len(found)
            if n_found == len(wanted):
                rows: list[int] = order[: start + int(found[-1])].tolist()
                return rows
        raise ValueError("a row that was drawn is not in the pool")

    def _in_order(self, keys: NDArray[np.uint64]) -> Rows:
        if len(self._order) != len(keys):  # a pool only grows
            self._order = np.argsort(_mixed(keys, self._seed), kind="stable")
        return self._order


def _mixed(keys: NDArray[np.uint64], seed: int) -> NDArray[np.uint64]:
    """Hash keys and a seed: another seed is another order, unlike that of ties.

    Source: SplitMix64, Steele, Lea and Flood 2014.
    """
    salt = np.random.default_rng([seed, _COINS]).integers(2**64, dtype=np.uint64)
    mixed = keys ^ salt
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        mixed = (mixed ^ (mixed >> np.uint64(shift))) * np.uint64(factor)
    return mixed ^ (mixed >> np.uint64(31))
