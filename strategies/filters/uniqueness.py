"""Uniqueness: what has near neighbors says little that they do not say."""

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from strategies.filters.points import Points, Progress, Removed, Tree
from strategies.filters.receipts import checked_count, receipts, without_receipts

WEIGHTS = np.array([0.6, 0.3, 0.1])


@dataclass(frozen=True)
class Uniqueness:
    """The least unique samples go first, by the distances to their three nearest neighbors.

    u = (0.6 d1 + 0.3 d2 + 0.1 d3) / its maximum, the score is 1 - u. All points count as
    neighbors, also those that are removed: of two equal samples both are little unique, and both
    may go. Equal scores: the higher row goes. Each goes because of the nearest that stays. In sets
    of three samples and less, the neighbors that there are count.

    Source: FiftyOne's `compute_uniqueness`, with cosine distances; here they are those of the
    points. Time O(n log n) and O(k) a removed sample, memory O(n).
    """

    reason: ClassVar[str] = "redundant"
    has_threshold: ClassVar[bool] = False
    least_neighbors: ClassVar[int] = len(WEIGHTS)

    def build(self, points: Points, *, progress: Progress | None = None) -> Tree:
        """Score all points.

        Raises
        ------
        ValueError
            If the points have fewer than three neighbors each, though there are more samples.
        """
        scores = 1 - uniqueness(points)
        order = np.argsort(-scores[::-1], kind="stable")
        if progress is not None:
            progress(1.0)
        return UniquenessTree(points, scores, len(scores) - 1 - order)


class UniquenessTree(NamedTuple):
    """All rows in the order in which they go, and the scores of all rows."""

    points: Points
    scores: NDArray[np.float32]
    order: NDArray[np.int64]

    def remove(self, alive: NDArray[np.bool_], n_remove: int | None) -> Removed:
        """Remove the least unique of the living."""
        rows = self.choose(alive, n_remove).rows
        kept = alive.copy()
        kept[rows] = False
        return receipts(self.points, rows, kept, self.scores[rows])

    def choose(self, alive: NDArray[np.bool_], n_remove: int | None) -> Removed:
        """Say which would go; see `Chooses`."""
        rows = self.order[alive[self.order]][: checked_count("uniqueness", alive, n_remove)]
        return without_receipts(rows, self.scores[rows])


def uniqueness(points: Points) -> NDArray[np.float32]:
    """Return how unique each point is, in [0, 1]; 0 for all where all are equal.

    Returns
    -------
    float32 array of shape (n,)
    """
    n, k = points.neighbors.distances.shape
    n_looked_at = min(len(WEIGHTS), n - 1)
    if k < n_looked_at:
        raise ValueError(
            f"uniqueness looks at {n_looked_at} neighbors, but the points have {k}; make them with "
            f"points_from(..., k={n_looked_at})"
        )
    distances = points.neighbors.distances[:, : max(n_looked_at, 0)].astype(np.float64)
    sums = distances @ WEIGHTS[: distances.shape[1]]
    unique: NDArray[np.float32] = (sums / (sums.max(initial=0.0) or 1.0)).astype(np.float32)
    return unique
