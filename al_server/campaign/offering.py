"""What to offer to an annotator next."""

import logging
from dataclasses import replace
from itertools import islice
from typing import Literal, NamedTuple

import numpy as np

from al_server.campaign.ledger import Ledger
from al_server.campaign.lottery import Lottery
from al_server.errors import StrategyFailed
from strategies.pool import Explains, Explanation, PoolView, Rows, Status, Strategy

_log = logging.getLogger(__name__)

Reason = Literal["budget_spent", "pool_exhausted", "all_leased"]


class Picks(NamedTuple):
    """Rows that were picked after event number `seq`, most valuable first.

    Attributes
    ----------
    random : those of the rows that chance chose, not the strategy
    """

    seq: int
    rows: list[int]
    random: frozenset[int] = frozenset()


def pick(strategy: Strategy, view: PoolView, n: int, *, seed: int, seq: int) -> Picks:
    """Choose `n` rows. What chance there is comes from the seed and the number of the event.

    Raises
    ------
    StrategyFailed
        If the strategy raised anything, or chose what is not on offer: it may be other people's
        code.
    """
    try:
        rows = strategy.select(view, n, np.random.default_rng([seed, seq]))
        chosen = [int(row) for row in rows]
        _check(chosen, view, n)
    except Exception as error:
        raise StrategyFailed(
            f"{type(strategy).__name__} could not choose: {error}",
            "make a campaign with another strategy, or mend this one and restart the server",
        ) from error
    return Picks(seq, chosen)


def pick_by_lot(
    lottery: Lottery, strategy: Strategy, view: PoolView, n: int, *, seed: int, seq: int
) -> Picks:
    """Choose `n` rows, some of them at random, the others by the strategy.

    What is drawn comes first: the strategy must choose around it.

    Raises
    ------
    StrategyFailed
    """
    is_random = lottery.coins(n, seq=seq)
    drawn = lottery.draw(view, int(is_random.sum()))
    n_left = n - len(drawn)
    taken = without(view, np.array(drawn, np.int64))
    chosen = pick(strategy, taken, n_left, seed=seed, seq=seq).rows if n_left else []
    random, queues = frozenset(drawn), {True: iter(drawn), False: iter(chosen)}
    rows = [next(queues[bool(toss)], None) for toss in is_random]
    # where one of the two runs out, the other fills up
    rows += [*queues[True], *queues[False]]
    return Picks(seq, [row for row in rows if row is not None], random)


def _check(rows: list[int], view: PoolView, n: int) -> None:
    """Refuse rows that would be leased to two people, or are not there."""
    n_samples = len(view.status)
    unfit = [
        row for row in rows if not 0 <= row < n_samples or view.status[row] != Status.UNLABELED
    ]
    if unfit or len(set(rows)) < len(rows) or len(rows) > n:
        raise ValueError(
            f"asked for {n} distinct candidates, it returned {rows[:10]}; of these "
            f"{unfit[:10]} are no candidates"
        )


def explain(strategy: Strategy, view: PoolView, rows: list[int]) -> list[Explanation | None]:
    """Say why these candidates, where the strategy can."""
    nothing: list[Explanation | None] = [None] * len(rows)
    if not rows or not isinstance(strategy, Explains):
        return nothing
    try:
        explanations = list(strategy.explain(view, np.array(rows, dtype=np.int64)))
    except Exception as error:
        # a pick without a reason is better than none
        _log.warning("%s could not explain its picks: %s", type(strategy).__name__, error)
        return nothing
    return [*explanations, *nothing][: len(rows)]


def without(view: PoolView, rows: Rows) -> PoolView:
    """Return the view with some rows no longer on offer."""
    if len(rows) == 0:
        return view
    status = view.status.copy()
    status[rows] = np.where(status[rows] == Status.UNLABELED, Status.PENDING, status[rows])
    return replace(view, status=status)


def second_opinions(ledger: Ledger, annotator: str, n: int) -> list[int]:
    """Return samples begun by others that want an answer by this annotator too, oldest first."""
    return list(islice(ledger.open_rows(annotator), n))


def n_affordable(ledger: Ledger, budget: int | None, n: int) -> int:
    """Return how many of `n` more samples may be handed out; what is leased is as good as spent."""
    if budget is None:
        return n
    return max(0, min(n, budget - ledger.counts().n_answers - ledger.n_leases()))


def why_nothing(ledger: Ledger, annotator: str, budget: int | None) -> Reason:
    """Return why an annotator gets nothing. What the others hold may come back."""
    if budget is not None and ledger.counts().n_answers >= budget:
        return "budget_spent"
    budget_is_out = budget is not None and n_affordable(ledger, budget, 1) == 0
    if budget_is_out or ledger.others_hold_what_is_left(annotator):
        return "all_leased"
    return "pool_exhausted"
