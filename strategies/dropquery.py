"""Ask where a prediction does not survive the loss of features, one of each kind (DropQuery)."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from strategies import inputs
from strategies.k_means import k_means, members
from strategies.kernels import committee
from strategies.kernels.nearest import nearest
from strategies.kernels.threads import threads_for
from strategies.labeled import SMOOTHING, Labeled, labeled_samples, vote_weights, vote_width
from strategies.pool import PoolView, Rows
from strategies.turns import take_turns

BLOCK = 65_536  # rows whose features are dropped at a time
LEVELS = 256  # of a random byte, which decides over one feature


@dataclass(frozen=True)
class DropQuery:
    """k-means on the candidates whose prediction changes when features are dropped.

    Every candidate is predicted once as it is and `n_masks` times with a random share
    `dropout` of its features set to 0. Those predicted otherwise by more than half of the masks
    are clustered around as many means as the batch has rows, and of each cluster the sample
    nearest to the mean is taken, those of large clusters first.

    Where fewer than the batch change their mind, all of them are taken, and the others follow by
    the number of masks that changed their prediction, clustered in the same way where not all of a
    number are taken. Beyond `max_clusters` clusters give several samples in turn, the nearest to
    the mean first. Before the first label nothing can change, and all candidates are clustered,
    which is how the paper chooses its first labels.

    The paper predicts by a linear layer; here it is a soft vote of the nearest labeled samples,
    with weights as in `labeled.vote_weights`, and the dropped embedding is brought back to unit
    length. Time O(n_masks n L d) and that of k-means, memory O(n d).

    Source: Gupte, Aklilu, Nirschl and Yeung-Levy 2024, arXiv:2401.14555, section 4.

    Attributes
    ----------
    n_masks : how often each candidate is predicted with features missing
    dropout : the share of the features that is missing, in steps of 1/256
    n_neighbors : labeled samples that vote
    max_clusters : how many clusters there may be
    """

    n_masks: int = 3
    dropout: float = 0.75
    n_neighbors: int = 10
    max_clusters: int = 500

    def __post_init__(self) -> None:
        """Refuse settings that mean nothing."""
        for name in ("n_masks", "n_neighbors", "max_clusters"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}={getattr(self, name)} is below 1")
        if not 1 / LEVELS <= self.dropout <= 1 - 1 / LEVELS:
            raise ValueError(f"dropout={self.dropout} is not between 1/{LEVELS} and 1 - 1/{LEVELS}")

    def select(self, pool: PoolView, budget: int, rng: np.random.Generator) -> Rows:
        """Return up to `budget` candidate rows, one of each cluster after the other."""
        inputs.one_label_a_sample(pool, "dropquery")
        n_picks = inputs.n_picks(pool, budget)
        rows = inputs.in_tie_order(pool, pool.candidate_rows())
        vectors, labeled = inputs.embeddings(pool, rows), labeled_samples(pool)
        n_changed = self._n_changed(vectors, labeled, max(pool.n_classes, 1), rng)
        # more than half is all the same
        n_changed = np.minimum(n_changed, self.n_masks // 2 + 1)
        picks: list[Rows] = []
        for level in range(self.n_masks // 2 + 1, -1, -1):
            group, n_left = np.flatnonzero(n_changed == level), n_picks - sum(map(len, picks))
            if 0 < n_left < len(group):
                group = group[central(vectors[group], n_left, rng, max_clusters=self.max_clusters)]
            picks.append(group[:n_left])
        return rows[np.concatenate(picks)]

    def _n_changed(
        self,
        vectors: NDArray[np.float32],
        labeled: Labeled,
        n_classes: int,
        rng: np.random.Generator,
    ) -> NDArray[np.int64]:
        """Count the masks that change the prediction of each vector."""
        n_changed = np.zeros(len(vectors), np.int64)
        if len(labeled.classes) == 0 or len(vectors) == 0:
            return n_changed
        predicted = self._predict(vectors, labeled, n_classes)
        for _ in range(self.n_masks):
            dropped = drop(vectors, self.dropout, rng)
            n_changed += self._predict(dropped, labeled, n_classes) != predicted
        return n_changed

    def _predict(
        self, vectors: NDArray[np.float32], labeled: Labeled, n_classes: int
    ) -> NDArray[np.int64]:
        """Return the class of each vector by the vote of its neighbours, the lowest on ties."""
        listed = nearest(vectors, labeled.vectors, k=self.n_neighbors)
        once = np.ones((len(labeled.classes), 1), np.int32)
        votes = committee.Votes(
            listed.positions,
            vote_weights(listed, vote_width(listed)),
            labeled.classes,
            once,
            self.n_neighbors,
            SMOOTHING,
        )
        predicted = np.empty(len(vectors), np.int64)
        for start in range(0, len(vectors), BLOCK):
            rows = np.arange(start, min(start + BLOCK, len(vectors)))
            posteriors = np.empty((len(rows), n_classes, 1))
            with threads_for(len(rows) * (self.n_neighbors + n_classes)):
                committee.posteriors(votes, rows, posteriors)
            predicted[rows] = posteriors[:, :, 0].argmax(axis=1)
        return predicted


def drop(
    vectors: NDArray[np.float32], share: float, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Set a random share of the features of each vector to 0 and bring it back to unit length.

    Parameters
    ----------
    vectors : float32 array of shape (n, n_features)
    share : in [0, 1], rounded to multiples of 1/256
    """
    dropped = np.empty_like(vectors)
    for start in range(0, len(vectors), BLOCK):
        block = vectors[start : start + BLOCK]
        kept = rng.integers(LEVELS, size=block.shape, dtype=np.uint8) >= round(share * LEVELS)
        part = np.multiply(block, kept, out=dropped[start : start + BLOCK])
        lengths = np.sqrt((part**2).sum(axis=1, keepdims=True))
        np.divide(part, lengths, out=part, where=lengths > 0)
    return dropped


def central(
    vectors: NDArray[np.float32], n_picks: int, rng: np.random.Generator, *, max_clusters: int
) -> NDArray[np.int64]:
    """Return positions of vectors near the means of k-means clusters, large clusters first.

    Parameters
    ----------
    vectors : float32 array of shape (n, n_features), unit-length rows, in the order of tie_key
    n_picks : at most n
    max_clusters : clusters are as many as picks, but no more than this; then they take turns
    """
    n_clusters = min(n_picks, max_clusters)
    clusters = members(k_means(vectors, n_clusters, rng), n_clusters)
    clusters.sort(key=len, reverse=True)  # stable: of equal ones the first
    sizes = np.array([len(cluster) for cluster in clusters], np.int64)
    turns = take_turns(sizes, n_picks)
    picks = np.empty(n_picks, np.int64)
    for number, cluster in enumerate(clusters):
        places = np.flatnonzero(turns == number)
        if len(places):
            far = _distances_to_mean(vectors, cluster)
            picks[places] = cluster[np.argsort(far, kind="stable")[: len(places)]]
    return picks


def _distances_to_mean(
    vectors: NDArray[np.float32], cluster: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return the squared distance of the vectors of a cluster to their mean."""
    # block by block: in full precision the whole of a large cluster is large
    parts = np.split(cluster, range(BLOCK, len(cluster), BLOCK))
    mean = sum(vectors[part].sum(axis=0, dtype=np.float64) for part in parts) / len(cluster)
    # row by row, so that equal vectors are equally far
    return np.concatenate([np.square(vectors[part] - mean).sum(axis=1) for part in parts])
