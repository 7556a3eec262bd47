"""What to offer to an annotator next."""

from dataclasses import dataclass, replace
from itertools import islice
from typing import Literal

import numpy as np

from al_server.campaign.ledger import Ledger
from strategies.pool import Explains, Explanation, PoolView, Rows, Status, Strategy

Reason = Literal["budget_spent", "pool_exhausted", "all_leased"]


@dataclass(frozen=True)
class Picks:
    """What a strategy has chosen, the last ones only as a hint of what may come after.

    Attributes
    ----------
    seq : number of the event after which this was chosen
    rows : most valuable first
    explanations : one a row, None where the strategy does not explain itself
    """

    seq: int
    rows: list[int]
    explanations: list[Explanation | None]


def pick(strategy: Strategy, view: PoolView, n: int, *, seed: int, seq: int) -> Picks:
    """Choose `n` rows. What chance there is comes from the seed and the number of the event."""
    rows = strategy.select(view, n, np.random.default_rng([seed, seq]))
    explanations: list[Explanation | None] = [None] * len(rows)
    if isinstance(strategy, Explains) and len(rows):
        explanations = list(strategy.explain(view, rows))
    return Picks(seq, [int(row) for row in rows], explanations)


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


def why_nothing(ledger: Ledger, budget: int | None) -> Reason:
    """Return why an annotator gets nothing."""
    if budget is not None and ledger.counts().n_answers >= budget:
        return "budget_spent"
    # what the others hold may come back
    return "all_leased" if ledger.n_leases() else "pool_exhausted"
