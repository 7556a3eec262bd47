"""Random samples that do justice to every part of the pool: by cluster, by predicted class."""

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from strategies import inputs
from strategies.k_means import k_means
from strategies.pool import PoolView, Rows, Status
from strategies.turns import ranks_within

Allocation = Literal["proportional", "equal"]
Strata = NDArray[np.int64]


@dataclass(frozen=True)
class StratifiedClusters:
    """Draw from the k-means clusters of the pool, each as often as its share asks for.

    `proportional` gives a cluster picks by its size, `equal` gives all the same number while they
    last. Labeled, pending and skipped samples count, so that many small batches come to the same
    shares as a large one, as far as clusters drawn anew agree. Inside a cluster chance decides.

    Time O(n k d) a pass of k-means, at most 50, and O(n log n); memory O(n d). Source: stratified
    sampling, Neyman 1934; seats by size after Sainte-Lague.

    Attributes
    ----------
    n_clusters : how many clusters, at least 1
    allocation : how picks are shared out
    """

    n_clusters: int = 50
    allocation: Allocation = "proportional"

    def __post_init__(self) -> None:
        if self.n_clusters < 1:
            raise ValueError(f"n_clusters={self.n_clusters} is too few; give 1 or more")
        _check_allocation(self.allocation)

    def select(self, pool: PoolView, budget: int, rng: np.random.Generator) -> Rows:
        """Return up to `budget` candidate rows; each beginning of them is shared out, too."""
        n_picks = inputs.n_picks(pool, budget)
        if n_picks == 0:
            return np.empty(0, np.int64)
        rows = inputs.in_tie_order(pool, np.arange(len(pool.status)))
        clusters = k_means(inputs.embeddings(pool, rows), self.n_clusters, rng)
        strata = np.empty(len(rows), np.int64)
        strata[rows] = clusters
        return _draw(pool, strata, self.allocation, n_picks, rng)


@dataclass(frozen=True)
class StratifiedPredictions:
    """Draw from the predicted classes, each as often as its share asks for.

    `equal` gives all classes the same number of picks while they last, so that classes that are
    rare among the predictions are not rare among the labels; `proportional` gives picks by the
    size of the class. Labeled, pending and skipped samples count, by what is predicted for them.
    Inside a class chance decides; before the first label there is one class, and only chance.

    Time O(n log n), memory O(n). Source: stratified sampling, Neyman 1934; seats by size after
    Sainte-Lague.

    Attributes
    ----------
    allocation : how picks are shared out
    """

    allocation: Allocation = "equal"

    def __post_init__(self) -> None:
        _check_allocation(self.allocation)

    def select(self, pool: PoolView, budget: int, rng: np.random.Generator) -> Rows:
        """Return up to `budget` candidate rows; each beginning of them is shared out, too."""
        n_picks = inputs.n_picks(pool, budget)
        if n_picks == 0:
            return np.empty(0, np.int64)
        return _draw(pool, _predicted(pool), self.allocation, n_picks, rng)


def _predicted(pool: PoolView) -> Strata:
    inputs.one_label_a_sample(pool, "stratified_predictions")
    if pool.predicted is None:
        inputs.probabilities(pool, np.arange(len(pool.status)))  # refuses what is none
    return inputs.predicted_classes(pool).astype(np.int64)


def _draw(
    pool: PoolView, strata: Strata, allocation: Allocation, n_picks: int, rng: np.random.Generator
) -> Rows:
    """Draw candidates one after the other, each from the stratum that is furthest behind."""
    n_strata = int(strata.max()) + 1
    sizes = np.bincount(strata, minlength=n_strata)
    n_covered = np.bincount(strata[pool.status != Status.UNLABELED], minlength=n_strata)
    rows: Rows = rng.permutation(inputs.in_tie_order(pool, pool.candidate_rows()))
    rows = rows[np.argsort(strata[rows], kind="stable")]
    own = strata[rows]
    # how many of its stratum come before each candidate
    before = n_covered[own] + ranks_within(own, sizes - n_covered)
    behind = before if allocation == "equal" else (before + 0.5) / sizes[own]
    # equal ones by chance, a draw for each stratum
    order: Rows = np.lexsort((rng.permutation(n_strata)[own], behind))
    return rows[order[:n_picks]]


def _check_allocation(allocation: str) -> None:
    if allocation not in get_args(Allocation):
        raise ValueError(f"allocation={allocation!r} is none of {', '.join(get_args(Allocation))}")
