"""How often the classifier is right, measured on what was drawn at random.

What is believed of a random pick is written into the log when it is drawn, before its label is
known, and compared with the label when that comes. No label helps to judge a prediction that it
helped to make, and every candidate was as likely to be drawn: the share of right ones is unbiased
for the samples that were still without a label. The newest hundred count, so that the number
follows the campaign; it is a little late, and while labels come in it tells rather too little.

The interval is Wilson's, 1927.
"""

from itertools import islice

import numpy as np
from numpy.typing import NDArray

from al_server.answers import Measured
from al_server.campaign.ledger import Ledger, as_label
from al_server.campaign.pool_state import Label, PoolState
from al_server.store.event_log import StoredLabel
from strategies.pool import Status

N_NEWEST = 100
_Z = 1.96  # standard deviations to each side that hold 95%


def believed_label(pool: PoolState, row: int) -> StoredLabel:
    """Return the label that is predicted for a row, None where nothing is known of it."""
    if not pool.is_believed_of(row):
        return None
    probabilities: NDArray[np.float32] = pool.probabilities_of(row)
    if pool.book.targets is None:
        return int(probabilities.argmax())
    likely: list[int] = np.flatnonzero(probabilities >= 0.5).tolist()
    return likely


def random_accuracy(ledger: Ledger) -> Measured | None:
    """Return how often the newest random picks were predicted right; None before the first."""
    judged = (
        rightness(as_label(believed), label, len(ledger.classes))
        for row, believed in reversed(ledger.drawn.items())
        if believed is not None
        and (standing := ledger.standing(row)).status == Status.LABELED
        and (label := standing.label) is not None
    )
    right = list(islice(judged, N_NEWEST))
    return wilson(sum(right) / len(right), len(right)) if right else None


def rightness(predicted: Label, label: Label, n_classes: int) -> float:
    """Return 1 or 0; in multi-label campaigns the share of right yes/no answers."""
    if isinstance(predicted, tuple) and isinstance(label, tuple):
        return 1 - len({*predicted} ^ {*label}) / n_classes
    return float(predicted == label)


def wilson(share: float, n: int) -> Measured:
    """Return a share of `n` with its interval."""
    middle = (share + _Z**2 / (2 * n)) / (1 + _Z**2 / n)
    half = _Z / (1 + _Z**2 / n) * (share * (1 - share) / n + _Z**2 / (4 * n**2)) ** 0.5
    return Measured(n=n, value=share, low=max(0.0, middle - half), high=min(1.0, middle + half))
