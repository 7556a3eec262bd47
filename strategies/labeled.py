"""The labeled samples of a pool, as strategies with a classifier of their own learn from them."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from strategies import inputs
from strategies.kernels.nearest import Nearest, nearest
from strategies.pool import PoolView, Status

SMOOTHING = 0.1  # weight of the uniform prior, in votes of the nearest
MEASURED = 1000  # candidates, or up to twice as many, that a width is taken from
SHORTEST_WIDTH = 2.0**-12  # far above the rounding of a distance


class Labeled(NamedTuple):
    """Labeled samples, in the order of their tie_key.

    Attributes
    ----------
    vectors : float32 array of shape (n_labeled, n_features)
    classes : int32 array of shape (n_labeled,), in [0, n_classes)
    """

    vectors: NDArray[np.float32]
    classes: NDArray[np.int32]

    def width(self, pool: PoolView) -> float:
        """Return the width of their votes in a pool, by the distances of some candidates."""
        rows = inputs.in_tie_order(pool, pool.candidate_rows())
        some = rows[:: max(1, len(rows) // MEASURED)]
        return vote_width(nearest(inputs.embeddings(pool, some), self.vectors, k=1))


def labeled_samples(pool: PoolView) -> Labeled:
    """Return the samples of a pool that have a label.

    Raises
    ------
    ValueError
        If one of the labels is no class.
    """
    has_label = (pool.status == Status.LABELED) & (pool.labels >= 0)
    rows = inputs.in_tie_order(pool, np.flatnonzero(has_label))
    classes = pool.labels[rows]
    inputs.refuse_no_class("labels", classes, rows, pool.n_classes)
    return Labeled(inputs.embeddings(pool, rows), classes.astype(np.int32))


def vote_width(listed: Nearest) -> float:
    """Return the width of votes: the mean distance of some rows to their nearest labeled sample."""
    # sorted, so that the sum does not depend on the order of the rows
    return max(float(np.sort(listed.distances[:, 0]).mean(dtype=np.float64)), SHORTEST_WIDTH)


def vote_weights(listed: Nearest, width: float) -> NDArray[np.float32]:
    """Return the weight exp(-2 (d - d of the nearest) / width) of each listed neighbour."""
    farther = listed.distances - listed.distances[:, :1]
    weights: NDArray[np.float32] = np.exp(farther * np.float32(-2 / width))
    return weights
